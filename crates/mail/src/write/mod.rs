//! [`Outgoing`]: a mail to send, and its octets.
//!
//! Promises: every field is written by its own rule, and what has a line break or another control character is refused by the
//! field's name before anything is written; the same mail gives the same octets; every line has at most 998 octets; the
//! structure is `mixed[alternative[text, related[html, images]], files]` without the levels that hold one part.

mod check;
mod header;
mod parts;

pub use check::Invalid;
use kernel::Timestamp;

use crate::{Mailbox, OWN_MARK};

/// The largest mail that Gmail takes, in octets as they travel.
pub const MAX_OUTGOING: usize = 36_700_160;

/// A mail to send.
#[derive(Debug, Clone, Default)]
pub struct Outgoing {
    /// The author: the account's address or an accepted alias of it.
    pub from: Mailbox,
    /// To whom.
    pub to: Vec<Mailbox>,
    /// With copies to.
    pub cc: Vec<Mailbox>,
    /// With hidden copies to. Written: Gmail's API takes recipients from here, and shows it to nobody but the author.
    pub bcc: Vec<Mailbox>,
    /// Where answers go, if not to `from`.
    pub reply_to: Option<Mailbox>,
    /// One line.
    pub subject: String,
    /// When it was made ready.
    pub date: Timestamp,
    /// `unique@domain`, without angle brackets: it identifies the mail for ever, so that a lost answer can be looked up.
    pub message_id: String,
    /// The Message-ID that this answers, without brackets.
    pub in_reply_to: Option<String>,
    /// The thread's Message-IDs without brackets, oldest first, the answered one last. Long ones are cut to the first and
    /// the last.
    pub references: Vec<String>,
    /// The words as plain text; `None`: made from the HTML.
    pub text: Option<String>,
    /// The words as HTML.
    pub html: Option<String>,
    /// Images that the HTML shows by `cid:`.
    pub images: Vec<InlineImage>,
    /// Files.
    pub files: Vec<File>,
    /// Whether a machine wrote it, and nobody read it before it went.
    pub automatic: Automatic,
    /// How its readers can refuse more.
    pub unsubscribe: Option<Unsubscribe>,
    /// The value of [`OWN_MARK`], by which the mail is known when it comes back to us: letters, digits, `-_.:`.
    pub mark: Option<String>,
}

/// Whether a person stands behind a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Automatic {
    /// A person wrote or approved it.
    #[default]
    No,
    /// A machine answered: `Auto-Submitted: auto-replied` (RFC 3834).
    Replied,
    /// A machine wrote first: `Auto-Submitted: auto-generated`.
    Generated,
}

/// A file to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its name, in any script, without folders.
    pub name: String,
    /// `application/pdf`
    pub mime_type: String,
    /// Its octets.
    pub octets: Vec<u8>,
}

/// An image that the HTML shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InlineImage {
    /// `unique@domain`, without brackets: what `cid:` in the HTML names.
    pub content_id: String,
    /// The image as a file.
    pub file: File,
}

/// RFC 2369, RFC 8058.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsubscribe {
    /// An `https` address that a POST of `List-Unsubscribe=One-Click` unsubscribes at.
    pub one_click: Option<String>,
    /// An address that mail unsubscribes at.
    pub mail_to: Option<String>,
}

impl Outgoing {
    /// Writes the mail as it travels.
    ///
    /// # Errors
    /// [`Invalid`]: the first field that cannot be written, and why.
    pub fn write(&self) -> Result<Vec<u8>, Invalid> {
        check::check(self)?;
        let mut out = String::with_capacity(2048);
        for (name, value) in header::fields(self)? {
            out.push_str(name);
            out.push_str(": ");
            out.push_str(&value);
            out.push_str("\r\n");
        }
        out.push_str("MIME-Version: 1.0\r\n");
        let mut octets = out.into_bytes();
        parts::tree(self).write_part(&mut octets);
        if octets.len() > MAX_OUTGOING {
            return Err(Invalid::new(
                "attachments",
                "makes the mail larger than 36,700,160 octets, the most that Gmail takes",
            ));
        }
        Ok(octets)
    }

    /// The words as plain text, as they are written.
    #[must_use]
    pub fn plain_text(&self) -> String {
        match (&self.text, &self.html) {
            (Some(text), _) => text.clone(),
            (None, Some(html)) => crate::html::to_text(html),
            (None, None) => String::new(),
        }
    }

    /// Every address that it goes to.
    pub fn recipients(&self) -> impl Iterator<Item = &Mailbox> {
        self.to.iter().chain(&self.cc).chain(&self.bcc)
    }
}

/// The field that carries [`Outgoing::mark`].
const MARK: &str = OWN_MARK;
