//! SMTP (RFC 5321) with STARTTLS, AUTH, SIZE and PIPELINING, one recipient per message.
//!
//! [`SmtpPool`] keeps connections; `connection` opens and greets; `transaction` hands one message over; `wire`
//! reads replies; `tls` decides whom to trust; `settings` reads the URL.

mod auth;
mod connection;
mod pool;
mod settings;
mod tls;
mod transaction;
mod wire;

pub use pool::SmtpPool;
pub use settings::{InvalidUrl, SetupError, SmtpSettings, SmtpUrl, TlsMode};
pub(crate) use tls::authorities;
