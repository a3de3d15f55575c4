//! The fields of a mail's head: addresses, Message-IDs, date, subject; and all of them as they are written.

use kernel::Timestamp;
use mail_parser::{Address, DateTime, Header, HeaderName, HeaderValue};

use super::{
    Incoming, Reports,
    head::{clip, one_line},
    mime::field,
};
use crate::Mailbox;

/// So many addresses of one field are kept.
const MOST_ADDRESSES: usize = 500;
/// So many Message-IDs of one field are kept: the first and the last.
const MOST_IDS: usize = 200;
/// So many fields are kept as written, and so many octets of each.
const MOST_FIELDS: usize = 300;
const LONGEST_VALUE: usize = 4096;

/// A field as written, unfolded; the name in lower case.
#[derive(Debug, Clone)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) value: String,
}

/// What the head says; the bodies are still to come.
pub(super) fn read(headers: &[Header<'_>], head: &[u8]) -> Incoming {
    let addresses = |name: HeaderName<'_>| -> Vec<Mailbox> {
        let all = headers.iter().filter(|h| h.name == name);
        all.filter_map(|h| h.value.as_address()).flat_map(mailboxes).take(MOST_ADDRESSES).collect()
    };
    let ids = |name: HeaderName<'_>| field(headers, &name).map(|h| ids(&h.value)).unwrap_or_default();
    let subject = field(headers, &HeaderName::Subject).and_then(|h| h.value.as_text()).unwrap_or_default();
    let date = field(headers, &HeaderName::Date).and_then(|h| h.value.as_datetime()).and_then(instant);
    Incoming {
        from: addresses(HeaderName::From),
        sender: addresses(HeaderName::Sender).into_iter().next(),
        reply_to: addresses(HeaderName::ReplyTo),
        to: addresses(HeaderName::To),
        cc: addresses(HeaderName::Cc),
        bcc: addresses(HeaderName::Bcc),
        subject: one_line(subject, 2000),
        date,
        message_id: ids(HeaderName::MessageId).into_iter().next(),
        in_reply_to: ids(HeaderName::InReplyTo),
        references: ids(HeaderName::References),
        text: String::new(),
        html: None,
        truncated: false,
        attachments: Vec::new(),
        mime_type: String::new(),
        report_type: None,
        fields: as_written(headers, head),
        text_given: false,
        reports: Reports::default(),
    }
}

fn mailboxes(address: &Address<'_>) -> Vec<Mailbox> {
    // Groups are lists with a name (`undisclosed-recipients:;`); their members count.
    let each = address.iter().filter_map(|a| {
        let address = one_line(a.address().unwrap_or_default(), 320);
        let name = one_line(a.name().unwrap_or_default(), 300);
        // Outlook puts names that are addresses in single quotes.
        let name = unquoted(&name, '\'').or_else(|| unquoted(&name, '"')).unwrap_or(&name).trim().to_owned();
        (!address.is_empty()).then_some(Mailbox { name: (!name.is_empty()).then_some(name), address })
    });
    each.take(MOST_ADDRESSES).collect()
}

fn unquoted(name: &str, quote: char) -> Option<&str> {
    name.strip_prefix(quote)?.strip_suffix(quote).filter(|inner| !inner.contains(quote))
}

fn ids(value: &HeaderValue<'_>) -> Vec<String> {
    let all: Vec<String> = match value {
        HeaderValue::Text(id) => vec![id.to_string()],
        HeaderValue::TextList(list) => list.iter().map(ToString::to_string).collect(),
        _ => Vec::new(),
    };
    let mut ids: Vec<String> = Vec::new();
    for id in all.iter().map(|id| one_line(id, 1000)).filter(|id| !id.is_empty() && !id.contains(' ')) {
        if ids.last() != Some(&id) {
            ids.push(id);
        }
    }
    if ids.len() > MOST_IDS {
        ids.drain(1..=ids.len() - MOST_IDS);
    }
    ids
}

fn instant(date: &DateTime) -> Option<Timestamp> {
    let plausible = date.is_valid() && (1970..=9999).contains(&date.year);
    plausible.then(|| Timestamp::from_seconds(date.to_timestamp()))
}

fn as_written(headers: &[Header<'_>], head: &[u8]) -> Vec<Field> {
    let value = |h: &Header<'_>| {
        let start = usize::try_from(h.offset_start).ok()?;
        let end = usize::try_from(h.offset_end).ok()?;
        let octets = head.get(start..end.min(start + LONGEST_VALUE))?;
        let text = String::from_utf8_lossy(octets);
        let unfolded = text.split_whitespace().collect::<Vec<_>>().join(" ");
        Some(one_line(clip(&unfolded, LONGEST_VALUE), LONGEST_VALUE))
    };
    headers
        .iter()
        .take(MOST_FIELDS)
        .filter_map(|h| Some(Field { name: h.name.as_str().to_ascii_lowercase(), value: value(h)? }))
        .collect()
}
