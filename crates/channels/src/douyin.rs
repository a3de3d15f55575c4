//! Douyin's open platform (抖音开放平台): webhooks of private messages, and the answer to one.
//!
//! The signature is SHA-1 over the secret and the raw body. It knows no time, so a callback cannot be too old: what
//! keeps it from being taken twice is the message's id alone.

pub mod oauth;

use kernel::Timestamp;
use serde_json::{Value, json};

use crate::{BadKey, Content, Inbound, MediaKind, Origin, Refusal, Unsendable, json as read, proof};

/// An app of ours on the platform.
#[derive(Clone)]
pub struct App {
    client_key: String,
    client_secret: String,
    /// The accounts that authorised the app; empty: the events' names are believed.
    open_ids: Vec<String>,
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App").field("client_key", &self.client_key).finish_non_exhaustive()
    }
}

/// A callback that Douyin signed.
#[derive(Debug, Clone, PartialEq)]
pub enum Callback {
    /// The check of the URL: this goes back as the body, as it is.
    Challenge(Value),
    /// Something happened.
    Event(Box<Inbound>),
}

impl App {
    /// `open_ids` are our own accounts: a message between two accounts that both authorised the app is pushed for both,
    /// and only these tell which of the two is the customer.
    ///
    /// # Errors
    /// Names `client_key` or `client_secret`.
    pub fn new(client_key: &str, client_secret: &str, open_ids: Vec<String>) -> Result<Self, BadKey> {
        for (field, value) in [("client_key", client_key), ("client_secret", client_secret)] {
            if value.is_empty() || value.len() > 256 || !value.bytes().all(|b| b.is_ascii_graphic()) {
                return Err(BadKey { field, reason: "must be what Douyin's console shows" });
            }
        }
        Ok(Self { client_key: client_key.to_owned(), client_secret: client_secret.to_owned(), open_ids })
    }

    /// The app's key, which is no secret.
    #[must_use]
    pub fn client_key(&self) -> &str {
        &self.client_key
    }

    /// The value of `X-Douyin-Signature` for a body.
    #[must_use]
    pub fn sign(&self, body: &[u8]) -> String {
        data_encoding::HEXLOWER.encode(&self.digest(body))
    }

    fn digest(&self, body: &[u8]) -> [u8; 20] {
        proof::sha1(&[self.client_secret.as_bytes(), body])
    }

    /// Opens a callback: the headers `X-Douyin-Signature` and `Msg-Id`, the raw body, and when it was received.
    ///
    /// # Errors
    /// It is not signed by this app, or no event.
    pub fn open(
        &self,
        signature: Option<&str>,
        msg_id: Option<&str>,
        body: &[u8],
        received: Timestamp,
    ) -> Result<Callback, Refusal> {
        let signature = signature.ok_or(Refusal::Signature("X-Douyin-Signature is required"))?;
        if !proof::is_hex_of(&self.digest(body), signature) {
            return Err(Refusal::Signature("X-Douyin-Signature is not that of this app"));
        }
        let raw: Value = serde_json::from_slice(body)
            .map_err(|e| Refusal::malformed("body", format!("is no JSON: {e}")))?;
        let event = read::text(&raw, "event").ok_or_else(|| Refusal::malformed("event", "is missing"))?;
        let content = read::nested(&raw, "content");
        if event == "verify_webhook" {
            let challenge = content.get("challenge").filter(|c| c.is_number() || c.is_string());
            let challenge = challenge.ok_or_else(|| Refusal::malformed("content.challenge", "is missing"))?;
            return Ok(Callback::Challenge(json!({"challenge": challenge})));
        }
        let fallback = msg_id.filter(|id| !id.is_empty() && id.len() <= 128);
        let push = Push { app: self, event: &event, content: &content, raw: &raw };
        Ok(Callback::Event(Box::new(push.inbound(fallback, body, received).clean())))
    }

    fn is_ours(&self, open_id: &str) -> bool {
        self.open_ids.iter().any(|ours| ours == open_id)
    }
}

/// One event, with what it is read by.
struct Push<'a> {
    app: &'a App,
    event: &'a str,
    content: &'a Value,
    raw: &'a Value,
}

/// Whose side of a conversation an event shows.
struct Sides {
    kf_id: String,
    customer_id: String,
    origin: Origin,
    /// Not ours to act on: sent by our own API, or seen from the customer's side.
    ignored: bool,
}

impl Push<'_> {
    fn inbound(&self, msg_id: Option<&str>, body: &[u8], received: Timestamp) -> Inbound {
        let Sides { kf_id, customer_id, origin, ignored } = self.sides();
        let content = if ignored { Content::Ignored } else { self.what() };
        let server_id = read::text(self.content, "server_message_id");
        // A recall names the message that it takes back, so it needs an id of its own.
        let external_id = match (self.event, server_id) {
            ("im_receive_msg" | "im_send_msg", Some(id)) => id,
            ("im_recall_msg", Some(id)) => format!("recall/{id}"),
            (event, _) => {
                let id = msg_id.map(str::to_owned).or_else(|| read::text(self.raw, "log_id"));
                let id = id.unwrap_or_else(|| data_encoding::HEXLOWER.encode(&proof::sha1(&[body])));
                format!("{event}/{id}")
            }
        };
        Inbound {
            external_id,
            customer_name: self.name_of(&customer_id),
            colleague: (origin == Origin::Colleague).then(|| kf_id.clone()),
            kf_id,
            customer_id,
            conversation: read::text(self.content, "conversation_short_id"),
            origin,
            sent_at: read::time(self.content, "create_time").unwrap_or(received),
            content,
            raw: self.raw.clone(),
        }
    }

    fn sides(&self) -> Sides {
        let (from, to) =
            (read::text_or_empty(self.raw, "from_user_id"), read::text_or_empty(self.raw, "to_user_id"));
        let known = !self.app.open_ids.is_empty();
        match self.event {
            "im_send_msg" => {
                let by_us =
                    read::text(self.content, "source").is_some_and(|source| source == self.app.client_key);
                // What one account of ours writes to another is a customer's message there.
                let ignored = by_us || (known && (!self.app.is_ours(&from) || self.app.is_ours(&to)));
                Sides { kf_id: from, customer_id: to, origin: Origin::Colleague, ignored }
            }
            "im_receive_msg" => {
                let ignored = known && !self.app.is_ours(&to);
                Sides { kf_id: to, customer_id: from, origin: Origin::Customer, ignored }
            }
            _ if self.app.is_ours(&from) && !self.app.is_ours(&to) => {
                Sides { kf_id: from, customer_id: to, origin: Origin::System, ignored: false }
            }
            _ => {
                let ignored = known && !self.app.is_ours(&to);
                Sides { kf_id: to, customer_id: from, origin: Origin::System, ignored }
            }
        }
    }

    fn what(&self) -> Content {
        match self.event {
            "im_receive_msg" | "im_send_msg" => message(self.content),
            "im_enter_direct_msg" => Content::Entered { welcome_code: None },
            "im_recall_msg" => match read::text(self.content, "server_message_id") {
                Some(external_id) => Content::Recalled { external_id },
                None => Content::Ignored,
            },
            _ => Content::Ignored,
        }
    }

    fn name_of(&self, open_id: &str) -> Option<String> {
        let users = self.content.get("user_infos")?.as_array()?;
        let user = users.iter().find(|user| user.get("open_id").and_then(Value::as_str) == Some(open_id))?;
        read::text(user, "nick_name")
    }
}

fn message(content: &Value) -> Content {
    let kind = read::text_or_empty(content, "message_type");
    let reference = ["resource_url", "url"].iter().find_map(|key| read::text(content, key));
    let media = match kind.as_str() {
        "text" => {
            if let Some(text) = content.get("text").and_then(Value::as_str) {
                return Content::Text { text: text.to_owned(), menu: None };
            }
            None
        }
        "image" | "user_local_image" | "emoji" => Some(MediaKind::Image),
        "video" | "user_local_video" => Some(MediaKind::Video),
        _ => None,
    };
    match (media, reference) {
        (Some(kind), Some(reference)) => Content::Media { kind, reference },
        // A video of the platform has an id and no address; a card asks for a telephone number.
        (Some(_), None) => Content::Other { kind, text: read::words(content, &["item_id"]) },
        (None, _) if kind == "retain_consult_card" => {
            Content::Other { kind, text: read::words(content, &["card_id", "card_status"]) }
        }
        (None, _) => Content::Other { kind: "unsupported".to_owned(), text: kind },
    }
}

/// The body for `POST /im/send/msg/?open_id=…`: a text for a customer.
///
/// `message` is the `server_message_id` of the customer's message that is answered, `conversation` the
/// `conversation_short_id` that came with it.
///
/// # Errors
/// Names the field that is missing.
pub fn send(customer: &str, conversation: &str, message: &str, text: &str) -> Result<Value, Unsendable> {
    for (field, value) in [("to_user_id", customer), ("conversation_id", conversation), ("msg_id", message)] {
        Unsendable::check(field, value, 512)?;
    }
    Unsendable::check("content.text.text", text, 8192)?;
    Ok(json!({
        "msg_id": message,
        "conversation_id": conversation,
        "to_user_id": customer,
        "scene": "im_reply_msg",
        "content": {"msg_type": 1, "text": {"text": text}},
    }))
}
