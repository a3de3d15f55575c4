//! The general form, for bridges of one's own: HMAC-SHA-256 over time, nonce and the raw body, in headers, in the query
//! or in the body. `docs/desk-channels.md` defines it for whoever writes a bridge.
//!
//! Promise: one of the three ways, whole. Parts of one, or parts of two, are refused by name, so that nobody can
//! sign in one place and say something else in another.

use std::borrow::Cow;

use data_encoding::HEXLOWER;
use kernel::Timestamp;
use serde_json::{Map, Value, json};

use crate::{
    BadKey, Content, Inbound, MediaKind, Once, Origin, Refusal, Unsendable, json as read, proof, query::param,
};

/// Of a list.
const MESSAGES: usize = 100;
/// Of ids, in bytes.
const ID: usize = 128;
/// Of a text, in bytes.
const TEXT: usize = 64 * 1024;
/// Of a URL, in bytes.
const URL: usize = 2048;

/// The secret that a bridge shares with us.
#[derive(Clone)]
pub struct Secret(Vec<u8>);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

/// The headers of a request, as far as they are there: `X-Signature`, `X-Timestamp`, `X-Nonce`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Headers<'a> {
    /// `X-Signature`.
    pub signature: Option<&'a str>,
    /// `X-Timestamp`.
    pub timestamp: Option<&'a str>,
    /// `X-Nonce`.
    pub nonce: Option<&'a str>,
}

/// A callback that the bridge signed.
#[derive(Debug, Clone, PartialEq)]
pub struct Opened {
    /// In the bridge's order.
    pub messages: Vec<Inbound>,
    /// Keeps it from being taken twice.
    pub once: Once,
}

/// What we sign a request to a bridge with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// `X-Signature`: lower-case hexadecimal digits.
    pub signature: String,
    /// `X-Timestamp`: seconds since 1970.
    pub timestamp: String,
    /// `X-Nonce`.
    pub nonce: String,
}

/// One way of signing, with what it covers.
struct Claim<'a> {
    signature: Cow<'a, str>,
    timestamp: Cow<'a, str>,
    nonce: Cow<'a, str>,
    payload: Cow<'a, [u8]>,
}

impl Secret {
    /// # Errors
    /// It is shorter than 16 bytes or longer than 256.
    pub fn new(secret: &str) -> Result<Self, BadKey> {
        if !(16..=256).contains(&secret.len()) {
            return Err(BadKey { field: "secret", reason: "must be 16 to 256 bytes long" });
        }
        Ok(Self(secret.as_bytes().to_vec()))
    }

    fn digest(&self, timestamp: &str, nonce: &str, body: &[u8]) -> [u8; 32] {
        proof::hmac_sha256(&self.0, &[timestamp.as_bytes(), b"\n", nonce.as_bytes(), b"\n", body])
    }

    /// Signs a body of ours; `nonce` must be new for each, 8 to 64 letters, digits, `.`, `_`, `~` or `-`.
    #[must_use]
    pub fn sign(&self, body: &[u8], nonce: &str, now: Timestamp) -> Signature {
        let timestamp = now.seconds().to_string();
        let signature = HEXLOWER.encode(&self.digest(&timestamp, nonce, body));
        Signature { signature, timestamp, nonce: nonce.to_owned() }
    }

    /// Opens a callback: its headers, its raw query string and its raw body.
    ///
    /// # Errors
    /// It is not signed with this secret, too old or too new, or a message in it is not to be understood; then none of
    /// them is taken, and the reason says which message it is by its place, from 0.
    pub fn open(
        &self,
        headers: Headers<'_>,
        query: &str,
        body: &[u8],
        now: Timestamp,
    ) -> Result<Opened, Refusal> {
        let json = || {
            serde_json::from_slice(body).map_err(|e| Refusal::malformed("body", format!("is no JSON: {e}")))
        };
        let claim = match (by_headers(headers, body)?, by_query(query, body)?) {
            (Some(_), Some(_)) => {
                return Err(Refusal::malformed("signature", "is given in headers and in the query"));
            }
            (Some(claim), None) | (None, Some(claim)) => claim,
            (None, None) => by_body(json()?)?,
        };
        let once = self.check(&claim, now)?;
        let said: Value = serde_json::from_slice(&claim.payload)
            .map_err(|e| Refusal::malformed("body", format!("is no JSON: {e}")))?;
        if said.get("rawPayload").is_some() {
            return Err(Refusal::malformed("rawPayload", "is signed in another way as well"));
        }
        Ok(Opened { messages: messages(said, now)?, once })
    }

    fn check(&self, claim: &Claim<'_>, now: Timestamp) -> Result<Once, Refusal> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b".-_~".contains(&b);
        if !(8..=64).contains(&claim.nonce.len()) || !claim.nonce.bytes().all(allowed) {
            return Err(Refusal::malformed("nonce", "must be 8 to 64 letters, digits, '.', '_', '~' or '-'"));
        }
        let at = proof::seconds(&claim.timestamp);
        let at = at.ok_or_else(|| Refusal::malformed("timestamp", "must be seconds since 1970"))?;
        let digest = self.digest(&claim.timestamp, &claim.nonce, &claim.payload);
        if !proof::is_hex_of(&digest, &claim.signature) {
            return Err(Refusal::Signature("the signature is not that of this account"));
        }
        let until = proof::fresh(at, now, "timestamp is more than 5 minutes off")?;
        Ok(Once { key: claim.nonce.to_string(), until })
    }
}

/// All three or none; otherwise the first that is missing.
fn whole<'a>(
    named: [(&'static str, Option<Cow<'a, str>>); 3],
    payload: impl Into<Cow<'a, [u8]>>,
) -> Result<Option<Claim<'a>>, Refusal> {
    let missing = named.iter().find(|(_, value)| value.is_none()).map(|(name, _)| *name);
    match (named.map(|(_, value)| value), missing) {
        ([None, None, None], _) => Ok(None),
        ([Some(signature), Some(timestamp), Some(nonce)], _) => {
            Ok(Some(Claim { signature, timestamp, nonce, payload: payload.into() }))
        }
        (_, missing) => Err(Refusal::malformed(
            missing.unwrap_or("signature"),
            "is missing beside the others of its kind",
        )),
    }
}

fn by_headers<'a>(headers: Headers<'a>, body: &'a [u8]) -> Result<Option<Claim<'a>>, Refusal> {
    let Headers { signature, timestamp, nonce } = headers;
    let own = |value: Option<&'a str>| value.map(Cow::Borrowed);
    whole([("X-Signature", own(signature)), ("X-Timestamp", own(timestamp)), ("X-Nonce", own(nonce))], body)
}

fn by_query<'a>(query: &'a str, body: &'a [u8]) -> Result<Option<Claim<'a>>, Refusal> {
    let of = |name| Ok::<_, Refusal>((name, param(query, name)?));
    whole([of("signature")?, of("timestamp")?, of("nonce")?], body)
}

fn by_body(body: Value) -> Result<Claim<'static>, Refusal> {
    let Some(payload) = body.get("rawPayload") else {
        return Err(Refusal::Signature("X-Signature, X-Timestamp and X-Nonce are required"));
    };
    let payload = payload.as_str().ok_or_else(|| Refusal::malformed("rawPayload", "must be a text"))?;
    let of = |name| (name, read::text(&body, name).map(Cow::Owned));
    let claim = whole([of("signature"), of("timestamp"), of("nonce")], payload.as_bytes().to_vec())?;
    claim.ok_or(Refusal::Signature("signature, timestamp and nonce are required beside rawPayload"))
}

fn messages(said: Value, now: Timestamp) -> Result<Vec<Inbound>, Refusal> {
    match said {
        Value::Array(list) if list.is_empty() || list.len() > MESSAGES => {
            Err(Refusal::malformed("body", format!("must hold 1 to {MESSAGES} messages")))
        }
        Value::Array(list) => {
            let placed = |(place, message)| {
                inbound(message, now).map(Inbound::clean).map_err(|refusal| match refusal {
                    Refusal::Malformed { field, reason } => {
                        Refusal::Malformed { field, reason: format!("{reason} (message {place})") }
                    }
                    other => other,
                })
            };
            list.into_iter().enumerate().map(placed).collect()
        }
        one => Ok(vec![inbound(one, now)?.clean()]),
    }
}

/// The fields of one message.
struct Fields<'a>(&'a Map<String, Value>);

impl Fields<'_> {
    /// A text of at most so many bytes; null is as good as nothing.
    fn optional(&self, field: &'static str, limit: usize) -> Result<Option<String>, Refusal> {
        match self.0.get(field) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) if text.len() <= limit => Ok(Some(text.clone())),
            Some(Value::String(_)) => Err(Refusal::malformed(field, format!("is longer than {limit} bytes"))),
            Some(_) => Err(Refusal::malformed(field, "must be a text")),
        }
    }

    fn required(&self, field: &'static str, limit: usize) -> Result<String, Refusal> {
        let text = self.optional(field, limit)?.filter(|text| !text.is_empty());
        text.ok_or_else(|| Refusal::malformed(field, "is required"))
    }

    /// One of a few words, the first of them if none is given.
    fn one_of<const N: usize>(
        &self,
        field: &'static str,
        words: [&'static str; N],
    ) -> Result<usize, Refusal> {
        let Some(word) = self.optional(field, ID)? else { return Ok(0) };
        let place = words.iter().position(|known| *known == word);
        place.ok_or_else(|| Refusal::malformed(field, format!("must be one of {}", words.join(", "))))
    }
}

fn inbound(raw: Value, now: Timestamp) -> Result<Inbound, Refusal> {
    let Some(object) = raw.as_object() else {
        return Err(Refusal::malformed("body", "must be an object or a list"));
    };
    let fields = Fields(object);
    let sent_at = fields.optional("sentAt", 64)?.map(|text| text.parse());
    let sent_at =
        sent_at.transpose().map_err(|_| Refusal::malformed("sentAt", "must be an RFC 3339 time"))?;
    let by_colleague = fields.one_of("senderType", ["customer", "colleague"])? == 1;
    let kf_id = fields.required("kfId", ID)?;
    Ok(Inbound {
        external_id: fields.required("messageId", ID)?,
        customer_id: fields.required("customerId", ID)?,
        customer_name: fields.optional("customerName", ID)?.filter(|name| !name.is_empty()),
        conversation: fields.optional("conversation", ID)?.filter(|id| !id.is_empty()),
        origin: if by_colleague { Origin::Colleague } else { Origin::Customer },
        colleague: by_colleague.then(|| kf_id.clone()),
        kf_id,
        sent_at: sent_at.unwrap_or(now),
        content: content(&fields)?,
        raw,
    })
}

fn content(fields: &Fields<'_>) -> Result<Content, Refusal> {
    let kind = fields.optional("msgType", ID)?.unwrap_or_else(|| "text".to_owned());
    if kind == "text" {
        return Ok(Content::Text { text: fields.required("content", TEXT)?, menu: None });
    }
    let Some(media) = MediaKind::named(&kind) else {
        let text = fields.optional("content", TEXT)?.unwrap_or_default();
        return Ok(Content::Other { kind, text });
    };
    let reference = fields.required("mediaUrl", URL)?;
    if !(reference.starts_with("https://") || reference.starts_with("http://")) {
        return Err(Refusal::malformed("mediaUrl", "must be an http or https URL"));
    }
    Ok(Content::Media { kind: media, reference })
}

/// A message of ours on its way to a bridge.
#[derive(Debug, Clone, Copy)]
pub struct Outgoing<'a> {
    /// Ours: the same message has the same id however often it comes.
    pub message_id: &'a str,
    /// Which account it is from.
    pub kf_id: &'a str,
    /// Whom it is for.
    pub customer_id: &'a str,
    /// As the bridge named it, if it did.
    pub conversation: Option<&'a str>,
    /// Written by the assistant, not by a person.
    pub by_assistant: bool,
    /// `text`, or the kind of file that `media_url` leads to.
    pub media: Option<MediaKind>,
    /// The words, or the file's name.
    pub content: &'a str,
    /// Where the file is.
    pub media_url: Option<&'a str>,
    /// When it was written.
    pub sent_at: Timestamp,
}

/// The body for a bridge; [`Secret::sign`] signs its bytes.
///
/// # Errors
/// Names the field that is missing.
pub fn send(message: &Outgoing<'_>) -> Result<Vec<u8>, Unsendable> {
    for (field, id) in
        [("messageId", message.message_id), ("kfId", message.kf_id), ("customerId", message.customer_id)]
    {
        Unsendable::check(field, id, ID)?;
    }
    if message.media.is_some() {
        Unsendable::check("mediaUrl", message.media_url.unwrap_or_default(), URL)?;
        Unsendable::fits("content", message.content, TEXT)?;
    } else {
        Unsendable::check("content", message.content, TEXT)?;
    }
    let body = json!({
        "messageId": message.message_id,
        "kfId": message.kf_id,
        "customerId": message.customer_id,
        "conversation": message.conversation,
        "senderType": if message.by_assistant { "ai" } else { "manual" },
        "msgType": message.media.map_or("text", MediaKind::name),
        "content": message.content,
        "mediaUrl": message.media_url,
        "sentAt": message.sent_at,
    });
    Ok(body.to_string().into_bytes())
}
