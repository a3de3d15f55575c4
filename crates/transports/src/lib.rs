//! The ways out. E-mail: addresses, rendering, DKIM, SMTP, and a folder in place of a server; and what of it comes
//! back. HTTP ([`web`]) and, by it, push messages ([`push`]).
//!
//! Promises:
//! - [`render`] is a pure function: the same [`Email`] and key give the same bytes, today and in ten years,
//!   so that a repeated attempt carries the same Message-ID, date and signature.
//! - No text in an [`Email`] can add or end a header, and no line is longer than 998 octets.
//! - [`Mailer::send`] says what is known about the outcome: taken ([`Receipt`]), or refused, by whom and for how
//!   long ([`SendError`]), or in doubt because the answer to a finished message was lost.
//! - Passwords appear in no log, error or `Debug` output, and leave the machine only inside TLS.

mod address;
pub mod bounce;
mod dkim;
mod email;
mod encode;
mod mailer;
mod outbox;
mod outcome;
pub mod push;
mod smtp;
pub mod web;

pub use address::{Address, InvalidAddress, parse_address};
pub use dkim::{Dkim, DkimError};
pub use email::{Email, Mailbox, RenderError, render};
pub use mailer::Mailer;
pub use outbox::Outbox;
pub use outcome::{Kind, Receipt, SendError, Stage};
pub use smtp::{InvalidUrl, SetupError, SmtpPool, SmtpSettings, SmtpUrl, TlsMode};
