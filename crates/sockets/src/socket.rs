//! [`Socket`]: what a peer says; [`Handle`]: what it is told, from anywhere.
//!
//! Promise: [`Socket::recv`] may be dropped at any await, as in a `select!`, without losing anything.

use std::{
    future::poll_fn,
    io::{self, Read, Write},
    sync::Arc,
    task::{Context, Poll, ready},
};

use tokio::task::coop;
use tungstenite::{
    Error, Message,
    protocol::{Role, WebSocketConfig, WebSocketContext},
};

use crate::{
    Frame, INTERNAL, INVALID, NORMAL, PROTOCOL, TOO_BIG, UNSUPPORTED,
    link::{End, Link},
};

/// What is read at once, and kept by each socket: an agent's command. A longer message gets what it needs.
const READ: usize = 512;

/// The reading half of a connection. Dropping it closes the connection: [`NORMAL`], or [`INTERNAL`] in a panic.
#[derive(Debug)]
pub struct Socket {
    link: Arc<Link>,
    /// Boxed, for a socket is moved through several futures, each of which has room for it.
    protocol: Box<WebSocketContext>,
}

impl Socket {
    pub(crate) fn new(link: Arc<Link>, already_read: Vec<u8>, message_limit: usize) -> Self {
        let config = WebSocketConfig::default()
            .read_buffer_size(READ)
            .write_buffer_size(0)
            .max_message_size(Some(message_limit))
            .max_frame_size(Some(message_limit));
        let protocol = WebSocketContext::from_partially_read(already_read, Role::Server, Some(config));
        Self { link, protocol: Box::new(protocol) }
    }

    /// What to send with. It may outlive the socket.
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle(Arc::clone(&self.link))
    }

    /// The next message; `None` once the connection is closing, whoever closes it ([`Socket::end`] says who).
    /// Pings are answered on the way, and whatever breaks a rule closes the connection.
    pub async fn recv(&mut self) -> Option<String> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// How it ended; `None` while it has not.
    #[must_use]
    pub fn end(&self) -> Option<End> {
        self.link.end()
    }

    fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<String>> {
        loop {
            // A peer that sends without end must not keep the thread.
            let budget = ready!(coop::poll_proceed(cx));
            if self.link.is_ended() {
                return Poll::Ready(None);
            }
            match self.protocol.read(&mut Wire(&self.link)) {
                Ok(Message::Text(text)) => {
                    budget.made_progress();
                    return Poll::Ready(Some(text.as_str().to_owned()));
                }
                Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => budget.made_progress(),
                Ok(Message::Binary(_)) => self.link.fail(UNSUPPORTED, "only text is spoken here"),
                Ok(Message::Close(close)) => {
                    self.link.answer_close(close.map(|c| (c.code.into(), c.reason.as_str().to_owned())));
                }
                Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                    ready!(self.link.poll_readable(cx));
                }
                Err(error) => fail(&self.link, &error),
            }
        }
    }
}

fn fail(link: &Link, error: &Error) {
    use tungstenite::error::ProtocolError::ResetWithoutClosingHandshake;
    match error {
        Error::Io(_) | Error::Protocol(ResetWithoutClosingHandshake) => link.kill(),
        Error::Capacity(_) => link.fail(TOO_BIG, "the message is too long"),
        Error::Utf8(_) => link.fail(INVALID, "not UTF-8"),
        Error::Protocol(rule) => link.fail(PROTOCOL, &rule.to_string()),
        other => link.fail(INTERNAL, &other.to_string()),
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        match std::thread::panicking() {
            true => self.link.close(INTERNAL, "internal server error"),
            false => self.link.close(NORMAL, ""),
        }
    }
}

/// What the protocol reads from and answers pings to. Answers join the queue like everything else.
struct Wire<'a>(&'a Link);

impl Read for Wire<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(buffer)
    }
}

impl Write for Wire<'_> {
    fn write(&mut self, frames: &[u8]) -> io::Result<usize> {
        self.0.send(&Frame::encoded(frames));
        Ok(frames.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A way to one peer. Cheap to clone; it keeps nothing alive but a few bytes once the connection has ended.
#[derive(Debug, Clone)]
pub struct Handle(Arc<Link>);

impl Handle {
    /// Which socket of its hub this is; never given to another one.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.0.id
    }

    /// Queues a frame; never waits. `false` if the connection has ended or ends because of this: then the frame
    /// does not arrive. `true` is no promise that it does.
    pub fn send(&self, frame: &Frame) -> bool {
        self.0.send(frame)
    }

    /// Waits until little is queued, for senders of much (a replay) who can wait for the peer. `false` if the
    /// connection has ended.
    pub async fn room(&self) -> bool {
        self.0.room().await
    }

    /// Closes the connection once what is queued has gone out: codes 1000 and up, a reason of up to 123 bytes.
    /// Without effect if it is closing already.
    pub fn close(&self, code: u16, reason: &str) {
        self.0.close(code, reason);
    }

    /// How it ended; `None` while it has not.
    #[must_use]
    pub fn end(&self) -> Option<End> {
        self.0.end()
    }

    /// Whether frames are still taken.
    #[must_use]
    pub fn is_open(&self) -> bool {
        !self.0.is_ended()
    }
}
