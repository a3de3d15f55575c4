//! WebSockets for many long-lived peers: frames in, frames out, and who is still there. What the frames say is
//! the slices' business.
//!
//! Promises
//! - **Sending never waits.** [`Handle::send`] and [`Hub::broadcast`] put an encoded [`Frame`] into the socket's
//!   queue; the socket's own task writes whatever has gathered there with one system call. A peer that is slow
//!   or gone costs the others nothing.
//! - **Nothing is lost in silence.** A socket gets the frames sent to it in the order of sending. Where its queue
//!   is full the socket is closed with [`SLOW`], so that the peer comes back and asks for what it missed; only
//!   frames marked [`Frame::latest`] are dropped or replaced instead.
//! - **The dead are found out**: a ping every [`PING`], and who has not been heard [`PONG`] later is closed.
//! - **Bytes from outside are bounded and checked**: size, UTF-8 and the protocol's rules, each with its close code.
//! - An idle socket costs the process less than 4 KiB.
//!
//! Reading is tungstenite's: its rules are old and proven by others, and an agent's commands are few. It reads into
//! half a KiB (its default is 128), and what it answers joins our queue. Writing is ours, because there the cost
//! is: a frame for five thousand peers is encoded once and shared, and frames that gather while a task waits for
//! its turn go out in one `writev`; tungstenite copies each into each connection's buffer. Senders do not write
//! themselves, even if nothing is queued: five thousand writes would keep their thread for 50 ms, and nothing would
//! gather. Frames are never compressed: that would be work and memory for each peer. `bench/ws` has the figures.
//!
//! The upgrade takes the TCP stream out of hyper, so nothing of HTTP is left of a connection.

mod frame;
mod hub;
mod link;
mod socket;
mod upgrade;

pub use frame::Frame;
pub use hub::{Hub, Limits, PING, PONG};
pub use link::{By, End};
pub use socket::{Handle, Socket};
pub use upgrade::Upgrade;

/// Close code: the peer reads more slowly than frames come. It may come back and ask for what it missed.
pub const SLOW: u16 = 4008;
/// Close code: nothing was heard from the peer for too long.
pub const SILENT: u16 = 4009;
/// Close code: the work is done.
pub const NORMAL: u16 = 1000;
/// Close code: the peer broke the rules of WebSocket.
pub const PROTOCOL: u16 = 1002;
/// Close code: a binary frame; only text is spoken here.
pub const UNSUPPORTED: u16 = 1003;
/// Close code: not UTF-8.
pub const INVALID: u16 = 1007;
/// Close code: a message over the limit.
pub const TOO_BIG: u16 = 1009;
/// Close code: our fault.
pub const INTERNAL: u16 = 1011;
/// Close code: the server is restarting; come back.
pub const RESTART: u16 = 1012;
