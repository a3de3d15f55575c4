//! Doudian (抖店), the shops beside Douyin: another platform with another signature.
//!
//! Its pushes are signed as its library checks them; that it pushes chats (飞鸽) is nowhere written down in public,
//! so every item is taken, identified and kept on record, and none is shown as a message.

use kernel::Timestamp;
use serde_json::Value;

use crate::{BadKey, Content, Inbound, Origin, Refusal, json as read, proof};

/// An app of ours on the platform.
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

impl App {
    /// # Errors
    /// Names `app_key` or `app_secret`.
    pub fn new(app_key: &str, app_secret: &str) -> Result<Self, BadKey> {
        for (field, value) in [("app_key", app_key), ("app_secret", app_secret)] {
            if value.is_empty() || value.len() > 256 || !value.bytes().all(|b| b.is_ascii_graphic()) {
                return Err(BadKey { field, reason: "must be what Doudian's console shows" });
            }
        }
        Ok(Self { app_key: app_key.to_owned(), app_secret: app_secret.to_owned() })
    }

    /// The value of `event-sign` for a body.
    #[must_use]
    pub fn sign(&self, body: &[u8]) -> String {
        data_encoding::HEXLOWER.encode(&self.digest(body))
    }

    fn digest(&self, body: &[u8]) -> [u8; 16] {
        proof::md5(&[self.app_key.as_bytes(), body, self.app_secret.as_bytes()])
    }

    /// Opens a push: the headers `app-id` and `event-sign`, the raw body, and when it was received.
    ///
    /// # Errors
    /// It is not signed by this app, or no list of items.
    pub fn open(
        &self,
        app_id: Option<&str>,
        event_sign: Option<&str>,
        body: &[u8],
        received: Timestamp,
    ) -> Result<Vec<Inbound>, Refusal> {
        let (app_id, sign) =
            app_id.zip(event_sign).ok_or(Refusal::Signature("app-id and event-sign are required"))?;
        if app_id != self.app_key || !proof::is_hex_of(&self.digest(body), sign) {
            return Err(Refusal::Signature("event-sign is not that of this app"));
        }
        let raw: Value = serde_json::from_slice(body)
            .map_err(|e| Refusal::malformed("body", format!("is no JSON: {e}")))?;
        let Value::Array(items) = raw else { return Err(Refusal::malformed("body", "is no list")) };
        Ok(items.into_iter().map(|item| inbound(item, received).clean()).collect())
    }
}

fn inbound(raw: Value, received: Timestamp) -> Inbound {
    let data = read::nested(&raw, "data");
    // The check of the URL is an item with the id 0.
    let id = read::text(&raw, "msg_id").filter(|id| id != "0");
    let external_id =
        id.unwrap_or_else(|| data_encoding::HEXLOWER.encode(&proof::sha1(&[raw.to_string().as_bytes()])));
    Inbound {
        external_id,
        kf_id: read::text_or_empty(&data, "shop_id"),
        customer_id: String::new(),
        customer_name: None,
        conversation: None,
        origin: Origin::System,
        colleague: None,
        sent_at: received,
        content: Content::Ignored,
        raw,
    }
}
