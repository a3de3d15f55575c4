//! E-mail without I/O: reading what came, telling what it is, and writing what goes out.
//!
//! - [`Incoming::read`] takes a mail apart: who wrote, what about, which text, which files.
//! - [`Incoming::split`] tells the new text from the quoted tail and the signature.
//! - [`classify()`] says whether a machine wrote it, and whether it is an answer, an absence, a bounce, a complaint or a
//!   refusal of further mail.
//! - [`html::show`] makes received HTML safe to look at.
//! - [`Outgoing::write`] writes a mail; [`reply`] has what an answer takes from its original.
//! - [`is_same_mailbox`] and [`OwnAddresses`] say whose address one is.
//!
//! Promises:
//! - Any octets are read without panicking, in bounded depth and number of parts, and in time proportional to their size.
//! - What was read is a stranger's claim. Nothing here acts on it.
//! - The same input gives the same output: no clock, no randomness. A repeated attempt is the same mail, octet for octet.
//! - No text in an [`Outgoing`] can add or end a header field: whatever holds a line break is refused by its field's name.

mod address;
mod classify;
pub mod html;
mod quote;
mod read;
pub mod reply;
mod write;

pub use address::{Mailbox, OwnAddresses, is_same_mailbox, normal_form};
pub use classify::{
    BouncedRecipient, Classified, Hard, Kind, Machine, OWN_MARK, Soft, classify, classify_foreign,
    is_opt_out, return_date,
};
pub use quote::Split;
pub use read::{Attachment, Incoming, MAX_DEPTH, MAX_PARTS, MAX_SIZE, MAX_TEXT, Unreadable};
pub use write::{Automatic, File, InlineImage, Invalid, MAX_OUTGOING, Outgoing, Unsubscribe};
