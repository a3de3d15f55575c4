//! What may stand in the fields of an [`Outgoing`].

use super::{File, Outgoing};
use crate::Mailbox;

/// A field that cannot be written, in words that follow its name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field} {why}")]
pub struct Invalid {
    /// `to[2].name`, `subject`, `message_id`…
    pub field: String,
    /// Why not.
    pub why: String,
}

impl Invalid {
    pub(super) fn new(field: impl Into<String>, why: impl Into<String>) -> Self {
        Self { field: field.into(), why: why.into() }
    }
}

/// RFC 5322 §2.1.1 leaves 998 octets for a line; subjects beyond that are no subjects.
const LONGEST_SUBJECT: usize = 998;
const LONGEST_NAME: usize = 200;
const MOST_RECIPIENTS: usize = 500;
/// Gmail's API answers 400 to more.
const MOST_FILES: usize = 200;

pub(super) fn check(mail: &Outgoing) -> Result<(), Invalid> {
    mailbox("from", &mail.from)?;
    for (field, list) in [("to", &mail.to), ("cc", &mail.cc), ("bcc", &mail.bcc)] {
        for (n, one) in list.iter().enumerate() {
            mailbox(&format!("{field}[{n}]"), one)?;
        }
    }
    match mail.recipients().count() {
        0 => return Err(Invalid::new("to", "must have at least one address")),
        n if n > MOST_RECIPIENTS => {
            return Err(Invalid::new("to", "has, with cc and bcc, more than 500 addresses"));
        }
        _ => {}
    }
    if let Some(reply_to) = &mail.reply_to {
        mailbox("reply_to", reply_to)?;
    }
    line("subject", &mail.subject, LONGEST_SUBJECT)?;
    message_id("message_id", &mail.message_id, true)?;
    if let Some(id) = &mail.in_reply_to {
        message_id("in_reply_to", id, false)?;
    }
    for (n, id) in mail.references.iter().enumerate() {
        message_id(&format!("references[{n}]"), id, false)?;
    }
    if mail.text.is_none() && mail.html.is_none() && mail.files.is_empty() {
        return Err(Invalid::new("text", "must be given where there is neither HTML nor a file"));
    }
    if mail.html.is_none() && !mail.images.is_empty() {
        return Err(Invalid::new("images", "need HTML that shows them"));
    }
    files(mail)?;
    unsubscribe(mail)?;
    let markable = |m: &str| {
        !m.is_empty()
            && m.len() <= 200
            && m.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:".contains(&b))
    };
    match mail.mark.as_deref().is_none_or(markable) {
        true => Ok(()),
        false => Err(Invalid::new("mark", "may only have up to 200 letters, digits and -_.:")),
    }
}

fn files(mail: &Outgoing) -> Result<(), Invalid> {
    if mail.files.len() + mail.images.len() > MOST_FILES {
        return Err(Invalid::new("files", "are, with images, more than 200"));
    }
    for (n, one) in mail.files.iter().enumerate() {
        file(&format!("files[{n}]"), one)?;
    }
    for (n, image) in mail.images.iter().enumerate() {
        file(&format!("images[{n}]"), &image.file)?;
        message_id(&format!("images[{n}].content_id"), &image.content_id, true)?;
        if !image.file.mime_type.starts_with("image/") {
            return Err(Invalid::new(format!("images[{n}].mime_type"), "must be an image's"));
        }
    }
    Ok(())
}

fn file(field: &str, file: &File) -> Result<(), Invalid> {
    line(&format!("{field}.name"), &file.name, LONGEST_NAME * 4)?;
    if file.name.is_empty() || file.name.contains(['/', '\\']) {
        return Err(Invalid::new(format!("{field}.name"), "must be a name without folders"));
    }
    let token = |t: &str| {
        !t.is_empty()
            && t.len() <= 100
            && t.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b))
    };
    let typed = file.mime_type.split_once('/').is_some_and(|(kind, sub)| token(kind) && token(sub));
    // A file of these types would be read as structure, not as a file.
    let kind = file.mime_type.to_ascii_lowercase();
    if !typed || kind.starts_with("multipart/") || kind == "message/rfc822" && !file.octets.is_ascii() {
        return Err(Invalid::new(format!("{field}.mime_type"), "must be a type such as application/pdf"));
    }
    Ok(())
}

fn unsubscribe(mail: &Outgoing) -> Result<(), Invalid> {
    let Some(unsubscribe) = &mail.unsubscribe else { return Ok(()) };
    let web = |u: &str| {
        u.starts_with("https://")
            && u.len() <= 800
            && u.bytes().all(|b| b.is_ascii_graphic() && !b"<>,\"\\^`{|}".contains(&b))
    };
    if !unsubscribe.one_click.as_deref().is_none_or(web) {
        return Err(Invalid::new("unsubscribe.one_click", "must be an https address without spaces"));
    }
    if let Some(address) = &unsubscribe.mail_to {
        address_form("unsubscribe.mail_to", address)?;
    }
    match unsubscribe.one_click.is_none() && unsubscribe.mail_to.is_none() {
        true => Err(Invalid::new("unsubscribe", "must have an address")),
        false => Ok(()),
    }
}

impl Mailbox {
    /// Whether it can stand in a mail that is written.
    #[must_use]
    pub fn is_writable(&self) -> bool {
        mailbox("", self).is_ok()
    }
}

fn mailbox(field: &str, mailbox: &Mailbox) -> Result<(), Invalid> {
    if let Some(name) = &mailbox.name {
        line(&format!("{field}.name"), name, LONGEST_NAME * 4)?;
    }
    address_form(&format!("{field}.address"), &mailbox.address)
}

fn address_form(field: &str, address: &str) -> Result<(), Invalid> {
    transports::parse_address(address).map(drop).map_err(|why| Invalid::new(field, why.to_string()))
}

/// One line without control characters. Directional overrides would show another text than the one written.
fn line(field: &str, text: &str, most: usize) -> Result<(), Invalid> {
    let bad = |c: char| {
        c.is_control()
            || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if text.contains(bad) {
        return Err(Invalid::new(field, "may not have line breaks or other control characters"));
    }
    if text.len() > most {
        return Err(Invalid::new(field, format!("is longer than {most} octets")));
    }
    Ok(())
}

/// Our own ids are `unique@domain` in plain letters, since Gmail replaces unusual ones; those of others are taken as they
/// are, so that threads hold, as long as they cannot break the field.
fn message_id(field: &str, id: &str, own: bool) -> Result<(), Invalid> {
    let atom = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~.".contains(&b);
    let fine = match (own, id.split_once('@')) {
        (true, Some((left, right))) => {
            id.len() <= 250
                && !left.is_empty()
                && left.bytes().all(atom)
                && right.split('.').count() >= 2
                && right
                    .split('.')
                    .all(|l| !l.is_empty() && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'))
        }
        (true, None) => false,
        (false, _) => {
            !id.is_empty()
                && id.len() <= 900
                && id.bytes().all(|b| b.is_ascii_graphic() && !b"<>".contains(&b))
        }
    };
    let why = if own { "must be of the form unique@domain" } else { "is not a Message-ID" };
    if fine { Ok(()) } else { Err(Invalid::new(field, why)) }
}
