//! [`Incoming`]: a mail that came, taken apart.
//!
//! Promises: [`Incoming::read`] never panics; it holds at most [`MAX_TEXT`] octets of each body and no file's octets at
//! all, so that reading a mailbox takes no memory to speak of; every text is one that can be shown and stored.

mod body;
mod fields;
pub(crate) mod head;
pub(crate) mod mime;
pub(crate) mod parameter;

use std::{borrow::Cow, collections::HashSet, ops::Range};

use kernel::Timestamp;

pub(crate) use fields::Field;
use mime::{Encoding, Leaf};

use crate::{
    Mailbox, OwnAddresses,
    quote::{self, Split},
};

/// The largest mail that is read, in octets. Gmail takes 36,700,160.
pub const MAX_SIZE: usize = 64 * 1024 * 1024;
/// So many parts may a mail have.
pub const MAX_PARTS: usize = 1000;
/// So deep may multiparts lie in each other.
pub const MAX_DEPTH: usize = 30;
/// So much of each body is kept, in octets.
pub const MAX_TEXT: usize = 2 * 1024 * 1024;

/// Why octets cannot be read as a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Not a single field at the beginning.
    #[error("the mail has no header fields")]
    NoFields,
    /// Larger than [`MAX_SIZE`].
    #[error("the mail is larger than 64 MiB")]
    Size,
    /// More parts than [`MAX_PARTS`].
    #[error("the mail has more than 1000 parts")]
    Parts,
    /// Deeper than [`MAX_DEPTH`].
    #[error("the mail's parts lie more than 30 deep in each other")]
    Depth,
}

/// A mail that came. What it says about its origin is its sender's claim.
#[derive(Debug, Clone)]
pub struct Incoming {
    /// The authors. More than one is allowed.
    pub from: Vec<Mailbox>,
    /// Who sent it, if that is not the author.
    pub sender: Option<Mailbox>,
    /// Where answers should go; empty: to the authors.
    pub reply_to: Vec<Mailbox>,
    /// To whom.
    pub to: Vec<Mailbox>,
    /// With copies to.
    pub cc: Vec<Mailbox>,
    /// With hidden copies to: in one's own sent mail.
    pub bcc: Vec<Mailbox>,
    /// The subject, decoded, on one line.
    pub subject: String,
    /// When it was written, by its own account.
    pub date: Option<Timestamp>,
    /// `local@domain`, without angle brackets.
    pub message_id: Option<String>,
    /// The Message-IDs that it answers.
    pub in_reply_to: Vec<String>,
    /// The Message-IDs of its thread, oldest first.
    pub references: Vec<String>,
    /// The words as plain text; made from the HTML where there is nothing else.
    pub text: String,
    /// The words as HTML, as they came: not to be shown before [`crate::html::show`].
    pub html: Option<String>,
    /// Whether a body was cut at [`MAX_TEXT`].
    pub truncated: bool,
    /// Files, images, enclosed mails.
    pub attachments: Vec<Attachment>,
    pub(crate) mime_type: String,
    pub(crate) report_type: Option<String>,
    pub(crate) fields: Vec<Field>,
    /// Whether `text` was written by the sender's program, rather than here from HTML.
    pub(crate) text_given: bool,
    pub(crate) reports: Reports,
}

/// The machine-readable parts of reports, in UTF-8, cut.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reports {
    /// `message/delivery-status`
    pub(crate) delivery: Vec<String>,
    /// `message/disposition-notification`
    pub(crate) disposition: Option<String>,
    /// `message/feedback-report`
    pub(crate) feedback: Option<String>,
    /// The Message-ID of the mail that the report is about.
    pub(crate) original_message_id: Option<String>,
    /// A `text/calendar` part with this method, in lower case.
    pub(crate) calendar: bool,
}

/// A file in a mail; its octets stay in the raw mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// Zero-based places joined by dots, in the manner of Gmail's `partId` (`1`, `0.2`): the same at every fetch.
    pub id: String,
    /// Its name, without folders; empty if it has none.
    pub file_name: String,
    /// Its type as the sender says, `application/pdf`, in lower case.
    pub mime_type: String,
    /// Without brackets: what `cid:` addresses in the HTML name.
    pub content_id: Option<String>,
    /// Whether the HTML shows it in its place.
    pub inline: bool,
    /// Decoded, in octets.
    pub size: usize,
    body: Range<usize>,
    encoding: Encoding,
}

impl Attachment {
    /// Its octets, out of the raw mail that was read.
    #[must_use]
    pub fn octets<'a>(&self, raw: &'a [u8]) -> Cow<'a, [u8]> {
        mime::decode(raw, self.body.clone(), self.encoding)
    }
}

impl Incoming {
    /// Reads a mail as it travels (RFC 5322).
    ///
    /// # Errors
    /// [`Unreadable`]; broken mails are read as far as they can be.
    pub fn read(raw: &[u8]) -> Result<Self, Unreadable> {
        if raw.len() > MAX_SIZE {
            return Err(Unreadable::Size);
        }
        let body_at = head::end(raw);
        let head = head::prepare(raw.get(..body_at).unwrap_or_default());
        let tree = mime::walk(raw, &head, body_at)?;
        if tree.headers.is_empty() {
            return Err(Unreadable::NoFields);
        }
        let bodies = body::read(raw, &tree.root);
        let html = bodies.html.unwrap_or_default();
        let mut mail = fields::read(&tree.headers, &head);
        mail.mime_type = tree.mime_type;
        mail.report_type = tree.report_type;
        mail.truncated = bodies.truncated;
        mail.text_given = bodies.text.is_some();
        mail.text = bodies.text.unwrap_or_else(|| crate::html::to_text(&html));
        let shown = shown_ids(&html);
        for leaf in mime::leaves(&tree.root) {
            if !bodies.used.contains(&leaf.id) {
                mail.attachments.push(attachment(raw, leaf, &shown));
            }
            report(raw, leaf, &mut mail.reports);
        }
        mail.html = (!html.is_empty()).then_some(html);
        Ok(mail)
    }

    /// The value of a field as written, on one line: the first of that name. `name` in lower case.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|f| f.name == name).map(|f| f.value.as_str())
    }

    /// The new text apart from what it quotes.
    #[must_use]
    pub fn split(&self) -> Split {
        quote::split(self.text_given.then_some(self.text.as_str()), self.html.as_deref())
    }

    /// Whether it is ours by any address that it gives as its origin: From, Sender or Reply-To. Whoever answers such a mail
    /// answers himself.
    #[must_use]
    pub fn is_from(&self, own: &OwnAddresses) -> bool {
        self.from.iter().chain(&self.sender).chain(&self.reply_to).any(|m| own.contains(&m.address))
    }

    /// Whether it is addressed to us in To, not only by a copy or a list.
    #[must_use]
    pub fn is_to(&self, own: &OwnAddresses) -> bool {
        self.to.iter().any(|m| own.contains(&m.address))
    }

    /// The domain of its Message-ID, in lower case: that of the system that made it.
    #[must_use]
    pub fn message_id_domain(&self) -> Option<String> {
        let (_, domain) = self.message_id.as_deref()?.rsplit_once('@')?;
        Some(domain.to_ascii_lowercase())
    }

    /// Where an answer goes: Reply-To, else the authors.
    #[must_use]
    pub fn reply_addresses(&self) -> &[Mailbox] {
        if self.reply_to.is_empty() { &self.from } else { &self.reply_to }
    }
}

/// What the HTML names by `cid:`.
fn shown_ids(html: &str) -> HashSet<String> {
    let end = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '>' | ')' | '<');
    html.split("cid:").skip(1).filter_map(|rest| rest.split(end).next()).map(content_id).collect()
}

/// The Content-ID that a `cid:` address names (RFC 2392: percent-encoded).
pub(crate) fn content_id(address: &str) -> String {
    String::from_utf8_lossy(&parameter::percent_decoded(address.trim())).into_owned()
}

fn attachment(raw: &[u8], leaf: &Leaf, shown: &HashSet<String>) -> Attachment {
    let enclosed = leaf.mime_type == "message/rfc822" || leaf.mime_type == "message/global";
    let file_name = match &leaf.file_name {
        Some(name) => name.clone(),
        None if enclosed => enclosed_name(&mime::decode(raw, leaf.body.clone(), leaf.encoding)),
        None => String::new(),
    };
    Attachment {
        id: leaf.id.clone(),
        file_name,
        mime_type: leaf.mime_type.clone(),
        inline: !leaf.attached && leaf.content_id.as_ref().is_some_and(|id| shown.contains(id)),
        content_id: leaf.content_id.clone(),
        size: mime::decode(raw, leaf.body.clone(), leaf.encoding).len(),
        body: leaf.body.clone(),
        encoding: leaf.encoding,
    }
}

/// An enclosed mail is named by its subject.
fn enclosed_name(octets: &[u8]) -> String {
    let subject = enclosed_fields(octets).subject;
    let safe: String =
        subject.chars().map(|c| if "/\\:*?\"<>|".contains(c) { '_' } else { c }).take(100).collect();
    format!("{}.eml", if safe.is_empty() { "message" } else { &safe })
}

fn enclosed_fields(octets: &[u8]) -> Incoming {
    let head = head::prepare(octets.get(..head::end(octets)).unwrap_or_default());
    fields::read(&mime::fields(&head), &head)
}

/// So much of a report is looked at, in octets.
const MAX_REPORT: usize = 64 * 1024;

fn report(raw: &[u8], leaf: &Leaf, reports: &mut Reports) {
    let octets = || {
        let octets = mime::decode(raw, leaf.body.clone(), leaf.encoding);
        octets.get(..MAX_REPORT.min(octets.len())).unwrap_or_default().to_vec()
    };
    let text = || String::from_utf8_lossy(&octets()).into_owned();
    match leaf.mime_type.as_str() {
        "message/delivery-status" | "message/global-delivery-status" if reports.delivery.len() < 10 => {
            reports.delivery.push(text());
        }
        "message/disposition-notification" => reports.disposition = Some(text()),
        "message/feedback-report" => reports.feedback = Some(text()),
        "message/rfc822" | "text/rfc822-headers" | "message/rfc822-headers" | "message/global"
            if reports.original_message_id.is_none() =>
        {
            reports.original_message_id = enclosed_fields(&octets()).message_id;
        }
        "text/calendar" => reports.calendar = true,
        _ => {}
    }
}
