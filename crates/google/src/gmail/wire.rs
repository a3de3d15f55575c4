//! What Gmail's JSON holds, read leniently: fields may be missing, whole numbers come as texts or numbers, bytes in any
//! base64. What is not used is not read.

use std::{borrow::Cow, str::FromStr};

use kernel::Timestamp;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::bytes;

/// How much of a message is fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format<'a> {
    /// Ids and labels.
    Minimal,
    /// And these headers, or all if none are named.
    Metadata(&'a [&'a str]),
    /// And bodies, except large ones.
    Full,
}

/// A message by its ids.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MessageRef {
    /// Of this mailbox alone.
    pub id: String,
    /// Of this mailbox alone.
    #[serde(default)]
    pub thread_id: String,
}

/// A message in parts.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    /// Of this mailbox alone.
    pub id: String,
    /// Of this mailbox alone.
    #[serde(default)]
    pub thread_id: String,
    /// `INBOX`, `SENT`, `UNREAD`, …
    #[serde(default, rename = "labelIds")]
    pub labels: Vec<String>,
    /// The first words, HTML-escaped; not promised in every format.
    #[serde(default)]
    pub snippet: String,
    /// Its last change.
    #[serde(default, deserialize_with = "number")]
    pub history_id: Option<u64>,
    /// When Gmail took it in: what sorts an inbox.
    #[serde(default, deserialize_with = "millis")]
    pub internal_date: Option<Timestamp>,
    /// Octets, about.
    #[serde(default, deserialize_with = "number", rename = "sizeEstimate")]
    pub size: Option<u64>,
    /// The outermost part; empty where the format has none.
    #[serde(default)]
    pub payload: Part,
}

/// A message as it went over the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Raw {
    /// Of this mailbox alone.
    pub id: String,
    /// Of this mailbox alone.
    pub thread_id: String,
    /// `INBOX`, `SENT`, `UNREAD`, …
    pub labels: Vec<String>,
    /// Its last change.
    pub history_id: Option<u64>,
    /// When Gmail took it in.
    pub internal_date: Option<Timestamp>,
    /// RFC 5322.
    pub bytes: Vec<u8>,
}

/// A MIME part.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Part {
    /// Stays the same however often the message is fetched; empty for the outermost part.
    pub part_id: String,
    /// `text/plain`, …
    pub mime_type: String,
    /// Empty if it has none.
    pub filename: String,
    /// In the message's order.
    pub headers: Vec<Header>,
    /// Its content.
    pub body: Body,
    /// Of a multipart.
    pub parts: Vec<Part>,
}

/// A header's field.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Header {
    /// Of any case.
    pub name: String,
    /// Unfolded, not decoded.
    pub value: String,
}

/// A part's content.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Body {
    /// To fetch it by itself, soon: another one comes with every fetch of the message.
    pub(crate) attachment_id: Option<String>,
    /// Octets.
    #[serde(deserialize_with = "number")]
    pub size: Option<u64>,
    /// The content, decoded from its transfer encoding; absent where it is large, a file, or a multipart's.
    #[serde(deserialize_with = "data")]
    pub data: Option<Vec<u8>>,
}

/// A thread with its messages, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Thread {
    /// Of this mailbox alone.
    pub id: String,
    /// Its last change.
    #[serde(default, deserialize_with = "number")]
    pub history_id: Option<u64>,
    /// Never raw.
    #[serde(default)]
    pub messages: Vec<Message>,
}

/// An address that the mailbox may write as.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SendAs {
    /// The address.
    #[serde(rename = "sendAsEmail")]
    pub address: String,
    /// The name beside it; empty: the account's.
    pub display_name: String,
    /// Where answers go; empty: to the address.
    #[serde(rename = "replyToAddress")]
    pub reply_to: String,
    /// HTML, below what is written.
    pub signature: String,
    /// The account's own.
    pub is_primary: bool,
    /// Chosen if nothing is said.
    pub is_default: bool,
    /// `accepted`, `pending`; empty for the account's own.
    verification_status: String,
}

impl SendAs {
    /// Whether Gmail lets it stand in From. Any other address there it replaces.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        self.is_primary || self.verification_status == "accepted"
    }
}

impl Message {
    /// The first header of this name, whatever its case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.payload.header(name)
    }
}

impl Part {
    /// The first header of this name, whatever its case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|h| h.name.eq_ignore_ascii_case(name)).map(|h| h.value.as_str())
    }

    /// The part with this id, in it or below.
    #[must_use]
    pub fn find(&self, part_id: &str) -> Option<&Self> {
        if self.part_id == part_id {
            return Some(self);
        }
        self.parts.iter().find_map(|part| part.find(part_id))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Profile {
    pub(super) email_address: String,
    #[serde(default, deserialize_with = "number")]
    pub(super) messages_total: Option<u64>,
    #[serde(default, deserialize_with = "number")]
    pub(super) history_id: Option<u64>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct SendAsList {
    pub(super) send_as: Vec<SendAs>,
}

#[derive(Deserialize)]
pub(super) struct Attachment<'a> {
    #[serde(borrow)]
    pub(super) data: Cow<'a, str>,
}

/// `format=raw`; the text is borrowed, for it is most of the answer.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RawAnswer<'a> {
    id: String,
    #[serde(default)]
    thread_id: String,
    #[serde(default)]
    label_ids: Vec<String>,
    #[serde(default, deserialize_with = "number")]
    history_id: Option<u64>,
    #[serde(default, deserialize_with = "millis")]
    internal_date: Option<Timestamp>,
    #[serde(borrow)]
    raw: Cow<'a, str>,
}

impl RawAnswer<'_> {
    /// `None` if the text is no base64.
    pub(super) fn decoded(self) -> Option<Raw> {
        Some(Raw {
            bytes: bytes::decode(&self.raw)?,
            id: self.id,
            thread_id: self.thread_id,
            labels: self.label_ids,
            history_id: self.history_id,
            internal_date: self.internal_date,
        })
    }
}

/// A whole number, as a text or as itself; `None` for anything else.
pub(super) fn number<'de, D: Deserializer<'de>, T: FromStr>(d: D) -> Result<Option<T>, D::Error> {
    Ok(match Value::deserialize(d)? {
        Value::String(text) => text.trim().parse().ok(),
        Value::Number(number) => number.to_string().parse().ok(),
        _ => None,
    })
}

/// Milliseconds since the epoch.
pub(super) fn millis<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Timestamp>, D::Error> {
    let millis: Option<i64> = number(d)?;
    Ok(millis.map(|millis| Timestamp::from_micros(millis.saturating_mul(1000)).min(Timestamp::MAX)))
}

fn data<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Vec<u8>>, D::Error> {
    Ok(Option::<Cow<'de, str>>::deserialize(d)?.and_then(|text| bytes::decode(&text)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn message(value: &Value) -> Message {
        serde_json::from_value(value.clone()).unwrap()
    }

    #[test]
    fn numbers_come_in_both_forms() {
        for id in [json!("18446744073709551615"), json!(u64::MAX)] {
            assert_eq!(message(&json!({"id": "m", "historyId": id})).history_id, Some(u64::MAX));
        }
        for id in [json!("99999999999999999999"), json!(-1), json!(1.5), json!("x"), json!(null), json!([])] {
            assert_eq!(message(&json!({"id": "m", "historyId": id})).history_id, None, "{id}");
        }
        let dated = message(&json!({"id": "m", "internalDate": "1767225600123"}));
        assert_eq!(dated.internal_date.unwrap().to_string(), "2026-01-01T00:00:00.123Z");
        assert!(message(&json!({"id": "m", "internalDate": i64::MAX})).internal_date.is_some());
        assert!(message(&json!({"id": "m", "internalDate": i64::MIN})).internal_date.is_some());
    }

    #[test]
    fn parts_and_headers() {
        let m = message(&json!({"id": "m", "payload": {
            "mimeType": "multipart/mixed", "headers": [{"name": "MESSAGE-ID", "value": "<a@b>"}],
            "parts": [
                {"partId": "0", "mimeType": "text/plain", "body": {"size": 5, "data": "SGVs-G8_"}},
                {"partId": "1", "filename": "报价.pdf", "body": {"attachmentId": "ANGj", "size": "7"}},
            ],
        }}));
        assert_eq!(m.header("Message-Id"), Some("<a@b>"));
        assert_eq!(m.payload.find("0").unwrap().body.data.as_deref(), Some(&b"Hel\xf8o?"[..]));
        assert_eq!(m.payload.find("1").unwrap().body.size, Some(7));
        assert_eq!(m.payload.find("2"), None);
    }

    #[test]
    fn aliases() {
        let one = |value: Value| serde_json::from_value::<SendAs>(value).unwrap().is_usable();
        assert!(one(json!({"sendAsEmail": "a@x", "isPrimary": true})));
        assert!(one(json!({"sendAsEmail": "a@x", "verificationStatus": "accepted"})));
        assert!(!one(json!({"sendAsEmail": "a@x", "verificationStatus": "pending"})));
        assert!(!one(json!({"sendAsEmail": "a@x"})));
    }

    proptest! {
        #[test]
        fn no_answer_panics(text: String, depth in 0usize..200) {
            let deep = format!("{{\"id\":\"m\",\"payload\":{}{}}}", "{\"parts\":[".repeat(depth), "]}".repeat(depth));
            for text in [text.clone(), deep, json!({"id": "m", "raw": text}).to_string()] {
                let _ = serde_json::from_str::<Message>(&text);
                let _ = serde_json::from_str::<RawAnswer<'_>>(&text).ok().and_then(RawAnswer::decoded);
                let _ = serde_json::from_str::<Thread>(&text);
            }
        }
    }
}
