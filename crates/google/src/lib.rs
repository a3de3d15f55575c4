//! Google as the program sees it: its OAuth ([`OAuth`]), a person's mailbox by the Gmail API ([`Mailbox`]), and the
//! pushes of Pub/Sub that ring when a mailbox has changed ([`Pushes`]).
//!
//! Promises:
//! - Where it calls is settings' business ([`Endpoints`]) alone: nothing that a caller or an answer holds leads anywhere else.
//! - What went wrong is one type, [`Error`], and says what is to be done: again later, a person must connect the
//!   account anew, never, or (a send whose answer was lost) look before doing it again.
//! - A mailbox's limits are kept before Google has to enforce them ([`Governor`]), and after Google did, nothing is called
//!   until the time it gave.
//! - No call is repeated in secret but one: after a token that Google calls expired, with a new one.
//! - Whatever Google answers, reading it does not panic, and what it says is cut before it goes on.
//! - Tokens, secrets and codes are in no log, error or `Debug` output.

mod bytes;
mod client;
mod endpoints;
mod error;
mod gmail;
mod governor;
mod jwks;
mod oauth;
mod push;
mod secret;
mod token;

use std::{pin::Pin, time::Duration};

use transports::web::{Reach, WebSettings};

pub use client::{ClientSecret, InvalidClient, Kind, Redirect};
pub use endpoints::Endpoints;
pub use error::Error;
pub use gmail::{
    Body, Change, Format, Header, HistoryPage, HistoryQuery, HistoryRecord, Labeled, Mailbox, Message,
    MessageRef, Page, Part, Profile, Query, Raw, SendAs, Sent, Thread, Touched, Watch,
};
pub use governor::{Governor, Governors, Quota};
pub use oauth::{Ask, Grant, OAuth, Pkce, Returned, SCOPES, Scopes};
pub use push::{Expected, Hint, Pushes, Refused};
pub use secret::Secret;
pub use token::{AccessToken, Authorized, TokenCell, TokenSource, TokenStore};

/// A future behind a pointer: what traits that are used as objects give.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The longest e-mail that Gmail takes, octets.
pub const LARGEST_MAIL: usize = 36_700_160;

/// A mail of the largest size in base64, and what is around it.
const LARGEST_ANSWER: usize = 52 * 1024 * 1024;

/// How a client for this crate is to be made: it waits long enough for large mails, and reads them. Its reach is
/// [`Reach::Anywhere`], for the endpoints come from the settings.
#[must_use]
pub const fn web_settings() -> WebSettings {
    let mut settings = WebSettings::new(Reach::Anywhere);
    settings.timeout = Duration::from_secs(120);
    settings.max_answer = LARGEST_ANSWER;
    settings
}
