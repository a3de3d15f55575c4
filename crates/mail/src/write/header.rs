//! The head of an [`Outgoing`]: mail-builder writes each value, into a buffer of its own.

use mail_builder::headers::{Header, address::Address, message_id::MessageId, raw::Raw, text::Text};

use super::{Automatic, Invalid, MARK, Outgoing};
use crate::Mailbox;

/// So many octets of References are written: readers need the first and the last ones.
const LONGEST_REFERENCES: usize = 3000;

type Fields = Vec<(&'static str, String)>;

/// Every field but the MIME ones, in order, folded.
pub(super) fn fields(mail: &Outgoing) -> Result<Fields, Invalid> {
    let date = mail.date.rfc2822();
    if date.is_empty() {
        return Err(Invalid::new("date", "cannot be written in a header"));
    }
    let mut fields = vec![("Date", date), ("From", value("From", &address(&mail.from)))];
    for (name, list) in [("To", &mail.to), ("Cc", &mail.cc), ("Bcc", &mail.bcc)] {
        if !list.is_empty() {
            fields.push((name, value(name, &Address::new_list(list.iter().map(address).collect()))));
        }
    }
    if let Some(reply_to) = &mail.reply_to {
        fields.push(("Reply-To", value("Reply-To", &address(reply_to))));
    }
    fields.push(("Subject", value("Subject", &Text::new(mail.subject.as_str()))));
    fields.push(("Message-ID", value("Message-ID", &MessageId::new(mail.message_id.as_str()))));
    if let Some(id) = &mail.in_reply_to {
        fields.push(("In-Reply-To", value("In-Reply-To", &MessageId::new(id.as_str()))));
    }
    let references = cut(&mail.references);
    if !references.is_empty() {
        fields.push(("References", value("References", &MessageId::new_list(references.into_iter()))));
    }
    marks(mail, &mut fields);
    // What was checked cannot break out; this holds it even if a rule of a value's writer changes.
    match fields.iter().find(|(_, value)| breaks_out(value)) {
        Some((name, _)) => Err(Invalid::new(name.to_ascii_lowercase(), "cannot be written in a header")),
        None => Ok(fields),
    }
}

fn marks(mail: &Outgoing, fields: &mut Fields) {
    let submitted = match mail.automatic {
        Automatic::No => None,
        Automatic::Replied => Some("auto-replied"),
        Automatic::Generated => Some("auto-generated"),
    };
    if let Some(submitted) = submitted {
        fields.push(("Auto-Submitted", submitted.to_owned()));
        fields.push(("X-Auto-Response-Suppress", "All".to_owned()));
    }
    if let Some(unsubscribe) = &mail.unsubscribe {
        let web = unsubscribe.one_click.as_ref().map(|u| format!("<{u}>"));
        let by_mail =
            unsubscribe.mail_to.as_ref().map(|m| format!("<mailto:{}?subject=unsubscribe>", mail_to(m)));
        let ways: Vec<String> = web.into_iter().chain(by_mail).collect();
        fields.push(("List-Unsubscribe", value("List-Unsubscribe", &Raw::new(ways.join(", ")))));
        if unsubscribe.one_click.is_some() {
            fields.push(("List-Unsubscribe-Post", "List-Unsubscribe=One-Click".to_owned()));
        }
    }
    if let Some(mark) = &mail.mark {
        fields.push((MARK, mark.clone()));
    }
}

fn address(mailbox: &Mailbox) -> Address<'_> {
    let name = mailbox.name.as_deref().map(str::trim).filter(|n| !n.is_empty());
    // International domains travel as punycode.
    let wire = transports::parse_address(&mailbox.address).map(|a| a.to_string());
    Address::new_address(name, wire.unwrap_or_else(|_| mailbox.address.clone()))
}

/// An address in a `mailto:` (RFC 6068): what could end it is percent-encoded.
fn mail_to(address: &str) -> String {
    let wire = transports::parse_address(address).map(|a| a.to_string()).unwrap_or_default();
    let mut out = String::with_capacity(wire.len());
    for octet in wire.bytes() {
        match octet {
            b if b.is_ascii_alphanumeric() || b"-._~@+=".contains(&b) => out.push(char::from(b)),
            b => out.push_str(&format!("%{b:02X}")),
        }
    }
    out
}

fn value(name: &str, header: &impl Header) -> String {
    let mut out: Vec<u8> = Vec::new();
    header.write_header(&mut out, name.len() + 2);
    String::from_utf8_lossy(&out).trim_end_matches(['\r', '\n']).to_owned()
}

/// Whether a value has a line break that no space follows, an empty line, or an octet that is not printable ASCII.
fn breaks_out(value: &str) -> bool {
    value.split("\r\n").enumerate().any(|(n, line)| {
        let folded = n == 0 || line.starts_with([' ', '\t']);
        let blank = line.trim().is_empty() && n > 0;
        !folded || blank || line.bytes().any(|b| !matches!(b, b'\t' | b' '..=b'~')) || line.len() > 998
    })
}

/// The first and as many of the last as fit.
fn cut(references: &[String]) -> Vec<String> {
    let total: usize = references.iter().map(|id| id.len() + 3).sum();
    let Some((first, rest)) = references.split_first().filter(|_| total > LONGEST_REFERENCES) else {
        return references.to_vec();
    };
    let mut room = LONGEST_REFERENCES.saturating_sub(first.len() + 3);
    let mut kept: Vec<String> = Vec::new();
    for id in rest.iter().rev() {
        if id.len() + 3 > room {
            break;
        }
        room -= id.len() + 3;
        kept.push(id.clone());
    }
    kept.push(first.clone());
    kept.reverse();
    kept
}
