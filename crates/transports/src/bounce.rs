//! Mail that comes back: the addresses it comes back to, the server that takes it in, and what it says.
//!
//! Promises:
//! - A return address ([`Verp`]) names what was sent and proves that we sent it; nobody else can make one.
//! - The listener ([`serve`]) takes mail for such addresses alone, relays nothing, and is bounded in size, time and
//!   connections. It says 250 only after its [`Intake`] has stored what the mail said.
//! - The reader ([`read`]) takes any octets without panicking, and answers in bounded size.

mod intake;
mod legacy;
mod report;
mod session;
mod verp;

pub use intake::{Intake, Returned, serve};
pub use legacy::status_in;
pub use report::{Action, Notice, RecipientReport, Severity, Status, read};
pub use verp::{Refused, Verp};
