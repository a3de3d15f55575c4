//! JD: callbacks of 京东到家/秒送 (opendj), the chat messages in them, and the signature of JOS requests.
//!
//! Both sign with MD5 over the secret and the sorted parameters without anything between names and values. What
//! could be moved between neighbours is held in place by what must be there: the known names, a time that can be
//! read, a version, JSON that is whole.

use std::collections::BTreeMap;

use aes::{
    Aes128Dec,
    cipher::{BlockModeDecrypt as _, InnerIvInit as _, KeyInit as _, array::Array},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use data_encoding::{HEXLOWER, HEXUPPER};
use kernel::Timestamp;
use serde_json::{Value, json};

use crate::{BadKey, Content, Inbound, MediaKind, Once, Origin, Refusal, Unsendable, json as read, proof};

/// Chinese time has no summer.
const SHANGHAI_SECONDS: i32 = 8 * 3600;
const TIME: &str = "%Y-%m-%d %H:%M:%S";

/// An app of ours.
#[derive(Clone)]
pub struct App {
    app_key: String,
    app_secret: String,
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App").field("app_key", &self.app_key).finish_non_exhaustive()
    }
}

/// A callback that JD signed.
#[derive(Debug, Clone, PartialEq)]
pub struct Opened {
    /// What it says. Orders and the like are [`Content::Ignored`].
    pub inbound: Inbound,
    /// Keeps it from being taken twice.
    pub once: Once,
}

impl App {
    /// # Errors
    /// Names `app_key` or `app_secret`.
    pub fn new(app_key: &str, app_secret: &str) -> Result<Self, BadKey> {
        for (field, value) in [("app_key", app_key), ("app_secret", app_secret)] {
            if value.is_empty() || value.len() > 256 || !value.bytes().all(|b| b.is_ascii_graphic()) {
                return Err(BadKey { field, reason: "must be what JD's console shows" });
            }
        }
        Ok(Self { app_key: app_key.to_owned(), app_secret: app_secret.to_owned() })
    }

    fn digest<'a>(&self, params: impl Iterator<Item = (&'a str, &'a str)>) -> [u8; 16] {
        let sorted: BTreeMap<&str, &str> = params.collect();
        let secret = self.app_secret.as_bytes();
        let mut parts = vec![secret];
        parts.extend(sorted.into_iter().flat_map(|(key, value)| [key.as_bytes(), value.as_bytes()]));
        parts.push(secret);
        proof::md5(&parts)
    }

    /// The `sign` of a request to JOS (`router.jd.com`): parameters without a value are left out, as JD's own client
    /// leaves them out.
    #[must_use]
    pub fn sign_jos(&self, params: &[(&str, &str)]) -> String {
        HEXUPPER.encode(&self.digest(params.iter().copied().filter(|(_, value)| !value.is_empty())))
    }

    /// Opens a callback: the form as it came.
    ///
    /// # Errors
    /// It is not signed by this app, too old or too new, or no such form.
    pub fn open(&self, form: &[u8], now: Timestamp) -> Result<Opened, Refusal> {
        let mut params = fields(form)?;
        let sign = params.remove("sign").ok_or(Refusal::Signature("sign is required"))?;
        if let Some(sealed) = params.remove("encrypt_jd_param_json").filter(|text| !text.is_empty()) {
            // What was signed is the plain text.
            params.insert("jd_param_json".to_owned(), self.decrypt(&sealed)?);
        }
        let digest = self.digest(params.iter().map(|(key, value)| (key.as_str(), value.as_str())));
        if !proof::is_hex_of(&digest, &sign) {
            return Err(Refusal::Signature("sign is not that of this app"));
        }
        let field = |name: &'static str| {
            let value = params.get(name).map(String::as_str).filter(|value| !value.is_empty());
            value.ok_or_else(|| Refusal::malformed(name, "is missing"))
        };
        field("token")?;
        for (name, only) in [("app_key", self.app_key.as_str()), ("format", "json"), ("v", "1.0")] {
            if field(name)? != only {
                return Err(Refusal::malformed(name, format!("must be {only}")));
            }
        }
        let at = shanghai(field("timestamp")?);
        let at = at.ok_or_else(|| Refusal::malformed("timestamp", "must be yyyy-MM-dd HH:mm:ss"))?;
        let until = proof::fresh(at, now, "timestamp is more than 5 minutes off")?;
        let text = field("jd_param_json")?;
        let raw: Value = serde_json::from_str(text)
            .map_err(|e| Refusal::malformed("jd_param_json", format!("is no JSON: {e}")))?;
        if !raw.is_object() {
            return Err(Refusal::malformed("jd_param_json", "is no object"));
        }
        let inbound = inbound(raw, text, at).clean();
        Ok(Opened { inbound, once: Once { key: sign.to_ascii_lowercase(), until } })
    }

    /// AES-128-CBC with the secret's first 16 bytes as the key and its second as the start.
    fn decrypt(&self, sealed: &str) -> Result<String, Refusal> {
        let refused = Refusal::Signature("encrypt_jd_param_json is not sealed by this app");
        let secret = self.app_secret.as_bytes().first_chunk::<32>().and_then(|s| s.split_first_chunk::<16>());
        let Some((key, iv)) = secret.and_then(|(key, iv)| Some((key, iv.first_chunk::<16>()?))) else {
            return Err(Refusal::malformed("encrypt_jd_param_json", "needs an app_secret of 32 bytes"));
        };
        let mut bytes = STANDARD.decode(sealed).map_err(|_| refused.clone())?;
        let (blocks, odd) = Array::slice_as_chunks_mut(&mut bytes);
        if blocks.is_empty() || !odd.is_empty() {
            return Err(refused);
        }
        cbc::Decryptor::inner_iv_init(Aes128Dec::new(key.into()), iv.into()).decrypt_blocks(blocks);
        // This text is signed only after it is opened: one refusal for all that can be wrong, so that the padding
        // tells nobody anything.
        let padding = usize::from(bytes.last().copied().unwrap_or_default());
        let end = bytes.len().checked_sub(padding).filter(|_| (1..=16).contains(&padding));
        let end = end.ok_or_else(|| refused.clone())?;
        if bytes.iter().skip(end).any(|b| usize::from(*b) != padding) {
            return Err(refused);
        }
        bytes.truncate(end);
        String::from_utf8(bytes).map_err(|_| refused)
    }

    /// A chat message to a customer of 秒送, as the form's `jd_param_json`, signed for `token`.
    ///
    /// `customer` is their pin, `waiter` ours, `conversation` the `sid` that came with their message.
    ///
    /// # Errors
    /// Names the field that is missing.
    pub fn send(
        &self,
        token: &str,
        message: &Outgoing<'_>,
        now: Timestamp,
    ) -> Result<Vec<(&'static str, String)>, Unsendable> {
        Unsendable::check("token", token, 512)?;
        for (field, value) in [("id", message.id), ("to.pin", message.customer), ("from.pin", message.waiter)]
        {
            Unsendable::check(field, value, 128)?;
        }
        Unsendable::check("body.content", message.text, 8192)?;
        let param = json!({
            "id": message.id, "lang": "zh_CN", "type": "chat_message",
            "from": {"pin": message.waiter, "app": "im.waiter", "clientType": "gw"},
            "to": {"pin": message.customer, "app": "im.customer"},
            "body": {"type": "text", "content": message.text, "chatinfo": {
                "venderId": message.vender_id, "askAllocateType": "multiChat", "sid": message.conversation}},
            "timestamp": now.micros() / 1000,
        });
        let mut form = vec![
            ("token", token.to_owned()),
            ("app_key", self.app_key.clone()),
            ("timestamp", in_shanghai(now)),
            ("format", "json".to_owned()),
            ("v", "1.0".to_owned()),
            ("jd_param_json", param.to_string()),
        ];
        let sign = self.digest(form.iter().map(|(key, value)| (*key, value.as_str())));
        form.push(("sign", HEXUPPER.encode(&sign)));
        Ok(form)
    }
}

/// A text to a customer of 秒送.
#[derive(Debug, Clone, Copy)]
pub struct Outgoing<'a> {
    /// Ours; JD wants it unique.
    pub id: &'a str,
    /// Who answers.
    pub waiter: &'a str,
    /// The customer's pin.
    pub customer: &'a str,
    /// The shop.
    pub vender_id: &'a str,
    /// The `sid` of the customer's message.
    pub conversation: &'a str,
    /// The words.
    pub text: &'a str,
}

/// The answer to a callback that was taken.
#[must_use]
pub fn accepted() -> Value {
    json!({"code": "0", "msg": "success", "data": ""})
}

/// The answer to a callback that JD shall send again: it does so for four hours.
#[must_use]
pub fn again() -> Value {
    json!({"code": "-10000", "msg": "try again", "data": ""})
}

fn fields(form: &[u8]) -> Result<BTreeMap<String, String>, Refusal> {
    let mut params = BTreeMap::new();
    for (key, value) in form_urlencoded::parse(form) {
        if params.insert(key.into_owned(), value.into_owned()).is_some() {
            return Err(Refusal::malformed("body", "gives a field twice"));
        }
    }
    Ok(params)
}

/// `yyyy-MM-dd HH:mm:ss` by the clock of Shanghai.
fn shanghai(text: &str) -> Option<Timestamp> {
    let civil = jiff::civil::DateTime::strptime(TIME, text).ok().filter(|_| text.len() == 19)?;
    let offset = jiff::tz::Offset::from_seconds(SHANGHAI_SECONDS).ok()?;
    Some(Timestamp::from_micros(offset.to_timestamp(civil).ok()?.as_microsecond()))
}

fn in_shanghai(at: Timestamp) -> String {
    let (offset, at) =
        (jiff::tz::Offset::from_seconds(SHANGHAI_SECONDS), jiff::Timestamp::from_microsecond(at.micros()));
    let civil = offset.ok().zip(at.ok()).map(|(offset, at)| offset.to_datetime(at));
    civil.map(|civil| civil.strftime(TIME).to_string()).unwrap_or_default()
}

fn inbound(raw: Value, text: &str, at: Timestamp) -> Inbound {
    let part = |key: &str| raw.get(key).cloned().unwrap_or(Value::Null);
    let (from, to, body) = (part("from"), part("to"), read::nested(&raw, "body"));
    let chat = read::nested(&body, "chatinfo");
    let is_chat = read::text(&raw, "type").is_some_and(|kind| kind == "chat_message");
    let from_customer = read::text(&from, "app").is_none_or(|app| app != "im.waiter");
    let (customer, ours) = if from_customer { (&from, &to) } else { (&to, &from) };
    let (origin, content) = match (is_chat, from_customer) {
        (false, _) => (Origin::System, Content::Ignored),
        (true, true) => (Origin::Customer, message(&body)),
        (true, false) => (Origin::Colleague, message(&body)),
    };
    // An order's callback has no id: the same text is the same callback.
    let id = read::text(&raw, "id").filter(|_| is_chat);
    Inbound {
        external_id: id.unwrap_or_else(|| HEXLOWER.encode(&proof::sha1(&[text.as_bytes()]))),
        kf_id: read::text(&chat, "venderId").or_else(|| read::text(ours, "pin")).unwrap_or_default(),
        customer_id: read::text_or_empty(customer, "pin"),
        customer_name: None,
        conversation: read::text(&chat, "sid"),
        origin,
        colleague: read::text(ours, "pin").filter(|_| origin == Origin::Colleague),
        sent_at: read::time(&raw, "timestamp").unwrap_or(at),
        content,
        raw,
    }
}

fn message(body: &Value) -> Content {
    let kind = read::text_or_empty(body, "type");
    let text = body.get("content").and_then(Value::as_str).map(str::to_owned);
    let url = text.clone().filter(|url| url.starts_with("https://") || url.starts_with("http://"));
    let url = url.or_else(|| read::text(body, "url"));
    let media = match kind.as_str() {
        "img" => Some(MediaKind::Image),
        other => MediaKind::named(other),
    };
    match (kind.as_str(), media, text, url) {
        ("text", _, Some(text), _) => Content::Text { text, menu: None },
        (_, Some(kind), _, Some(reference)) => Content::Media { kind, reference },
        _ => Content::Other { kind: "unsupported".to_owned(), text: kind },
    }
}
