//! [`Email`] and [`render`]: a letter as the octets that travel.
//!
//! Promises: the same input gives the same output; exactly the headers listed in [`render`] are present, whatever
//! the texts hold; lines end in CRLF and stay within 998 octets; the message is 7-bit, so every server takes it.

use aws_lc_rs::digest;
use kernel::Timestamp;

use crate::{
    Address, Dkim, DkimError,
    address::is_atext,
    encode::{body, fold, one_line, phrase, unstructured},
};

/// A name and an address, as in `From`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mailbox {
    /// The display name, if there is one.
    pub name: Option<String>,
    /// The address.
    pub address: Address,
}

/// A letter with a text and an HTML form of the same content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Email {
    /// `local@domain`, without angle brackets. It identifies the message for ever: the idempotency key of e-mail.
    pub message_id: String,
    /// When the message was made ready; also the time of the DKIM signature.
    pub date: Timestamp,
    /// The author in the eyes of the reader.
    pub from: Mailbox,
    /// The only recipient.
    pub to: Mailbox,
    /// Where answers go, if not to `from`.
    pub reply_to: Option<Mailbox>,
    /// The subject. Control characters become spaces.
    pub subject: String,
    /// The plain text form.
    pub text: String,
    /// The HTML form.
    pub html: String,
    /// Whether no person pressed "send": marks the message so that auto-responders stay silent (RFC 3834).
    pub auto_generated: bool,
    /// More headers, such as `List-Unsubscribe`. Printable ASCII values.
    pub headers: Vec<(&'static str, String)>,
}

/// Why an [`Email`] cannot be rendered. Each is a mistake of the caller, not of the letter's author.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// Not `local@domain` in ASCII without spaces, brackets and quotes, of at most 250 characters.
    #[error("the message id is not of the form local@domain")]
    MessageId,
    /// A date that RFC 5322 cannot write.
    #[error("the date cannot be written in a header")]
    Date,
    /// An additional header whose name is malformed, or that [`render`] writes itself, or that comes twice.
    #[error("the header {0:?} cannot be added")]
    HeaderName(&'static str),
    /// A value with control or non-ASCII characters, or a word too long for any line.
    #[error("the value of the header {0:?} cannot be written")]
    HeaderValue(&'static str),
    /// The signature could not be made.
    #[error(transparent)]
    Dkim(#[from] DkimError),
}

/// RFC 5322 §2.1.1, less the CRLF, a header's name and some room.
const LONGEST_WORD: usize = 900;

/// Writes the message.
///
/// Headers, in this order: `DKIM-Signature` (with a key), `Date`, `From`, `To`, `Reply-To` (if any), `Subject`,
/// `Message-ID`, `Auto-Submitted` and `X-Auto-Response-Suppress` (if automatic), those of [`Email::headers`],
/// `MIME-Version`, `Content-Type` (`multipart/alternative`: text, then HTML).
///
/// # Errors
/// [`RenderError`]; never because of a subject, a name or a body.
pub fn render(email: &Email, dkim: Option<&Dkim>) -> Result<Vec<u8>, RenderError> {
    let boundary = boundary(&email.message_id);
    let headers = headers(email, &boundary)?;
    let body = alternatives(email, &boundary);

    let mut out = String::with_capacity(body.len() + 1024);
    if let Some(dkim) = dkim {
        push_header(&mut out, "DKIM-Signature", &dkim.sign(&headers, body.as_bytes(), email.date)?);
    }
    for (name, value) in &headers {
        push_header(&mut out, name, value);
    }
    out.push_str("\r\n");
    out.push_str(&body);
    Ok(out.into_bytes())
}

type Headers = Vec<(&'static str, String)>;

fn headers(email: &Email, boundary: &str) -> Result<Headers, RenderError> {
    let date = email.date.rfc2822();
    if date.is_empty() {
        return Err(RenderError::Date);
    }
    if !is_message_id(&email.message_id) {
        return Err(RenderError::MessageId);
    }
    let mut headers: Headers =
        vec![("Date", date), ("From", mailbox(&email.from, "From")), ("To", mailbox(&email.to, "To"))];
    if let Some(reply_to) = &email.reply_to {
        headers.push(("Reply-To", mailbox(reply_to, "Reply-To")));
    }
    headers.push(("Subject", unstructured(&email.subject, "Subject: ".len())));
    headers.push(("Message-ID", format!("<{}>", email.message_id)));
    if email.auto_generated {
        headers.push(("Auto-Submitted", "auto-generated".to_owned()));
        headers.push(("X-Auto-Response-Suppress", "All".to_owned()));
    }
    for (name, value) in &email.headers {
        additional(&mut headers, name, value)?;
    }
    headers.push(("MIME-Version", "1.0".to_owned()));
    headers.push(("Content-Type", format!("multipart/alternative;\r\n boundary=\"{boundary}\"")));
    Ok(headers)
}

fn additional(headers: &mut Headers, name: &'static str, value: &str) -> Result<(), RenderError> {
    // What this module writes or leaves out on purpose, and what only servers on the way may add.
    const OWN: [&str; 16] = [
        "DKIM-Signature",
        "Date",
        "From",
        "To",
        "Cc",
        "Bcc",
        "Sender",
        "Reply-To",
        "Subject",
        "Message-ID",
        "Auto-Submitted",
        "X-Auto-Response-Suppress",
        "MIME-Version",
        "Return-Path",
        "Received",
        "",
    ];
    let taken = |other: &str| other.eq_ignore_ascii_case(name);
    let named = name.len() <= 60 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let content = name.to_ascii_lowercase().starts_with("content-");
    if !named || content || OWN.into_iter().any(taken) || headers.iter().any(|(n, _)| taken(n)) {
        return Err(RenderError::HeaderName(name));
    }
    let printable = value.bytes().all(|b| matches!(b, b' '..=b'~'));
    let blank = value.trim().is_empty();
    if !printable || blank || value.split(' ').any(|word| word.len() > LONGEST_WORD) {
        return Err(RenderError::HeaderValue(name));
    }
    headers.push((name, fold(value.trim(), name.len() + 2)));
    Ok(())
}

fn mailbox(mailbox: &Mailbox, header: &str) -> String {
    let address = mailbox.address.to_string();
    let name = mailbox.name.as_deref().map(one_line).filter(|name| !name.is_empty());
    let Some(name) = name else {
        return address;
    };
    let phrase = phrase(&name, header.len() + 2);
    let last_line = phrase.rsplit("\r\n").next().map_or(0, str::len);
    let first_line = if phrase.contains('\r') { 0 } else { header.len() + 2 };
    let gap = if first_line + last_line + address.len() + 3 > 76 { "\r\n " } else { " " };
    format!("{phrase}{gap}<{address}>")
}

fn is_message_id(id: &str) -> bool {
    let part = |p: &str| !p.is_empty() && p.bytes().all(|b| is_atext(b) || b == b'.');
    id.len() <= 250 && id.split_once('@').is_some_and(|(left, right)| part(left) && part(right))
}

/// Follows from the Message-ID; `=_` occurs in neither transfer encoding (RFC 2045 §6.7).
fn boundary(message_id: &str) -> String {
    let hash = digest::digest(&digest::SHA256, message_id.as_bytes());
    let hex: String = hash.as_ref().iter().take(15).map(|b| format!("{b:02x}")).collect();
    format!("=_{hex}")
}

fn alternatives(email: &Email, boundary: &str) -> String {
    let mut out = String::with_capacity((email.text.len() + email.html.len()) * 3 / 2 + 512);
    for (kind, content) in [("plain", &email.text), ("html", &email.html)] {
        let (encoding, lines) = body(content);
        out.push_str("--");
        out.push_str(boundary);
        out.push_str("\r\nContent-Type: text/");
        out.push_str(kind);
        out.push_str("; charset=utf-8\r\nContent-Transfer-Encoding: ");
        out.push_str(encoding);
        out.push_str("\r\n\r\n");
        out.push_str(&lines);
        out.push_str("\r\n");
    }
    out.push_str("--");
    out.push_str(boundary);
    out.push_str("--\r\n");
    out
}

fn push_header(out: &mut String, name: &str, value: &str) {
    out.push_str(name);
    out.push_str(": ");
    out.push_str(value);
    out.push_str("\r\n");
}
