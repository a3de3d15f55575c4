//! The bodies of WeCom's requests. Lengths are in bytes of UTF-8, as WeCom counts.

use data_encoding::HEXLOWER;
use serde_json::{Map, Value, json};

use crate::{MediaKind, Unsendable, proof};

/// Of a text; see [`crate::words::split`].
pub const TEXT_LIMIT: usize = 2048;
const MENU_ITEMS: usize = 10;
const CURSOR: usize = 64;
const PULL_TOKEN: usize = 128;
const PAGE: u32 = 1000;

/// What can be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message<'a> {
    /// At most [`TEXT_LIMIT`].
    Text(&'a str),
    /// A file that was uploaded before.
    Media {
        /// What kind.
        kind: MediaKind,
        /// Good for three days.
        media_id: &'a str,
    },
    /// A card that opens a page.
    Link {
        /// At most 128.
        title: &'a str,
        /// At most 512; may be empty.
        desc: &'a str,
        /// At most 2048.
        url: &'a str,
        /// A picture that was uploaded before.
        thumb_media_id: &'a str,
    },
    /// Things to choose from.
    Menu(Menu<'a>),
}

/// A menu.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Menu<'a> {
    /// Above, at most 1024; may be empty.
    pub head: &'a str,
    /// One to ten.
    pub items: Vec<MenuItem<'a>>,
    /// Below, at most 1024; may be empty.
    pub tail: &'a str,
}

/// One line of a menu.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MenuItem<'a> {
    /// Comes back as a text with this `menu_id`.
    Click {
        /// At most 128.
        id: &'a str,
        /// What it says, at most 128.
        content: &'a str,
    },
    /// Opens a page.
    View {
        /// At most 2048.
        url: &'a str,
        /// What it says, at most 1024.
        content: &'a str,
    },
}

/// WeCom's `msgid` for an id of ours: itself where WeCom can take it (1 to 32 of `0-9a-zA-Z_-`), else 32 digits that
/// follow from it. A message that is sent again under its id arrives once.
#[must_use]
pub fn msgid(id: &str) -> String {
    let fits = (1..=32).contains(&id.len());
    if fits && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-') {
        return id.to_owned();
    }
    let digest = proof::sha256(id.as_bytes());
    HEXLOWER.encode(digest.first_chunk::<16>().unwrap_or(&[0; 16]))
}

/// The body for `kf/send_msg`. `id` is ours; see [`msgid`].
///
/// # Errors
/// Names the field that WeCom would refuse.
pub fn send_msg(
    open_kfid: &str,
    customer: &str,
    id: &str,
    message: &Message<'_>,
) -> Result<Value, Unsendable> {
    Unsendable::check("open_kfid", open_kfid, 64)?;
    Unsendable::check("touser", customer, 128)?;
    let head = [("touser", json!(customer)), ("open_kfid", json!(open_kfid)), ("msgid", json!(msgid(id)))];
    body(head, message)
}

/// The body for `kf/send_msg_on_event`: one text or menu for the `code` that came with an event.
///
/// # Errors
/// Names the field that WeCom would refuse.
pub fn send_msg_on_event(code: &str, id: &str, message: &Message<'_>) -> Result<Value, Unsendable> {
    Unsendable::check("code", code, 1024)?;
    if !matches!(message, Message::Text(_) | Message::Menu(_)) {
        return Err(Unsendable::new("msgtype", "must be text or msgmenu in answer to an event"));
    }
    body([("code", json!(code)), ("msgid", json!(msgid(id)))], message)
}

fn body<const N: usize>(head: [(&str, Value); N], message: &Message<'_>) -> Result<Value, Unsendable> {
    let (kind, content) = content(message)?;
    let mut body: Map<String, Value> = head.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    body.insert("msgtype".to_owned(), json!(kind));
    body.insert(kind.to_owned(), content);
    Ok(Value::Object(body))
}

fn content(message: &Message<'_>) -> Result<(&'static str, Value), Unsendable> {
    match message {
        Message::Text(text) => {
            Unsendable::check("text.content", text, TEXT_LIMIT)?;
            Ok(("text", json!({"content": text})))
        }
        Message::Media { kind, media_id } => {
            Unsendable::check("media_id", media_id, 1024)?;
            Ok((kind.name(), json!({"media_id": media_id})))
        }
        Message::Link { title, desc, url, thumb_media_id } => {
            Unsendable::check("link.title", title, 128)?;
            Unsendable::fits("link.desc", desc, 512)?;
            Unsendable::check("link.url", url, 2048)?;
            Unsendable::check("link.thumb_media_id", thumb_media_id, 1024)?;
            Ok(("link", json!({"title": title, "desc": desc, "url": url, "thumb_media_id": thumb_media_id})))
        }
        Message::Menu(menu) => Ok(("msgmenu", self::menu(menu)?)),
    }
}

fn menu(menu: &Menu<'_>) -> Result<Value, Unsendable> {
    Unsendable::fits("msgmenu.head_content", menu.head, 1024)?;
    Unsendable::fits("msgmenu.tail_content", menu.tail, 1024)?;
    if menu.items.is_empty() || menu.items.len() > MENU_ITEMS {
        return Err(Unsendable::new("msgmenu.list", format!("must have 1 to {MENU_ITEMS} items")));
    }
    let mut list = Vec::with_capacity(menu.items.len());
    for item in &menu.items {
        list.push(match item {
            MenuItem::Click { id, content } => {
                Unsendable::check("msgmenu.list.click.id", id, 128)?;
                Unsendable::check("msgmenu.list.click.content", content, 128)?;
                json!({"type": "click", "click": {"id": id, "content": content}})
            }
            MenuItem::View { url, content } => {
                Unsendable::check("msgmenu.list.view.url", url, 2048)?;
                Unsendable::check("msgmenu.list.view.content", content, 1024)?;
                json!({"type": "view", "view": {"url": url, "content": content}})
            }
        });
    }
    let mut body = json!({"list": list});
    for (key, text) in [("head_content", menu.head), ("tail_content", menu.tail)] {
        if let Some(body) = body.as_object_mut().filter(|_| !text.is_empty()) {
            body.insert(key.to_owned(), json!(text));
        }
    }
    Ok(body)
}

/// The body for `kf/sync_msg`: the largest page after `cursor` (empty: from three days ago), voices as AMR. `token` is
/// the callback's; without one WeCom limits strictly how often may be asked.
///
/// # Errors
/// Names the field that WeCom would refuse.
pub fn sync_msg(open_kfid: &str, cursor: &str, token: &str) -> Result<Value, Unsendable> {
    Unsendable::check("open_kfid", open_kfid, 64)?;
    Unsendable::fits("cursor", cursor, CURSOR)?;
    Unsendable::fits("token", token, PULL_TOKEN)?;
    let mut body = json!({"open_kfid": open_kfid, "limit": PAGE, "voice_format": 0});
    for (key, text) in [("cursor", cursor), ("token", token)] {
        if let Some(body) = body.as_object_mut().filter(|_| !text.is_empty()) {
            body.insert(key.to_owned(), json!(text));
        }
    }
    Ok(body)
}

/// So many accounts are on a page of [`list_accounts`], at most.
pub const ACCOUNTS: usize = 100;

/// The body for `kf/account/list`: a page after so many.
#[must_use]
pub fn list_accounts(offset: usize) -> Value {
    json!({"offset": offset, "limit": ACCOUNTS})
}

/// The body for `kf/service_state/get`.
#[must_use]
pub fn get_state(open_kfid: &str, customer: &str) -> Value {
    json!({"open_kfid": open_kfid, "external_userid": customer})
}

/// The body for `kf/service_state/trans`. A conversation that is handed to a servicer or to the pool is no longer
/// ours: `send_msg` then fails until it ends.
#[must_use]
pub fn trans_state(open_kfid: &str, customer: &str, to: &super::State) -> Value {
    let (state, servicer) = match to {
        super::State::New => (0, None),
        super::State::Assistant => (1, None),
        super::State::Pool => (2, None),
        super::State::Servicer(servicer) => (3, Some(servicer)),
        super::State::Ended => (4, None),
    };
    let mut body = json!({"open_kfid": open_kfid, "external_userid": customer, "service_state": state});
    if let (Some(body), Some(servicer)) = (body.as_object_mut(), servicer) {
        body.insert("servicer_userid".to_owned(), json!(servicer));
    }
    body
}
