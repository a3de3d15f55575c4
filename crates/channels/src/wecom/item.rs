//! One item of a page: a message of the customer, of a colleague, or an event.

use kernel::Timestamp;
use serde_json::Value;

use super::page::Unreadable;
use crate::{Content, Inbound, MediaKind, Origin, json};

const CUSTOMER: i64 = 3;
const SERVICER: i64 = 5;

/// Reads an item. What is not understood is kept, as long as it has an id.
pub(super) fn read(raw: Value, received: Timestamp) -> Result<Inbound, Unreadable> {
    let Some(external_id) = json::text(&raw, "msgid") else {
        let reason = if raw.is_object() { "has no msgid" } else { "is no object" };
        return Err(Unreadable { reason, raw });
    };
    let kind = json::text_or_empty(&raw, "msgtype");
    let inner = raw.get(&kind).unwrap_or(&Value::Null);
    // Of events, who they are about is written inside.
    let party = |key: &str| json::text(&raw, key).or_else(|| json::text(inner, key));
    let origin = match json::integer(&raw, "origin") {
        _ if kind == "event" => Origin::System,
        Some(CUSTOMER) => Origin::Customer,
        Some(SERVICER) => Origin::Colleague,
        _ => Origin::System,
    };
    let content = if kind == "event" { event(inner) } else { message(&kind, inner) };
    Ok(Inbound {
        external_id,
        kf_id: party("open_kfid").unwrap_or_default(),
        customer_id: party("external_userid").unwrap_or_default(),
        customer_name: None,
        conversation: None,
        origin,
        colleague: party("servicer_userid").or_else(|| party("new_servicer_userid")),
        sent_at: json::time(&raw, "send_time").unwrap_or(received),
        content: content.unwrap_or_else(|| Content::Other { kind: "unsupported".to_owned(), text: kind }),
        raw,
    })
}

fn message(kind: &str, inner: &Value) -> Option<Content> {
    if let Some(kind) = MediaKind::named(kind) {
        return Some(Content::Media { kind, reference: json::text(inner, "media_id")? });
    }
    let text = match kind {
        "text" => {
            let text = inner.get("content")?.as_str()?.to_owned();
            return Some(Content::Text { text, menu: json::text(inner, "menu_id") });
        }
        "location" => location(inner),
        "link" => json::words(inner, &["title", "desc", "url"]),
        "business_card" => json::words(inner, &["userid"]),
        "miniprogram" => json::words(inner, &["title", "appid", "pagepath"]),
        "msgmenu" => menu(inner),
        "channels_shop_product" => {
            json::words(inner, &["title", "sales_price", "shop_nickname", "product_id"])
        }
        "channels_shop_order" => {
            json::words(inner, &["product_titles", "price_wording", "state", "shop_nickname", "order_id"])
        }
        "merged_msg" => merged(inner),
        "channels" => json::words(inner, &["title", "nickname"]),
        "meeting" | "schedule" | "note" => {
            json::words(inner, &["title", "meeting_code", "content", "desc", "url"])
        }
        _ => return None,
    };
    inner.is_object().then(|| Content::Other { kind: kind.to_owned(), text })
}

fn location(inner: &Value) -> String {
    let place = json::words(inner, &["name", "address"]);
    let number = |key: &str| inner.get(key).filter(|n| n.is_number());
    match (number("latitude"), number("longitude")) {
        (Some(latitude), Some(longitude)) => {
            format!("{place} ({latitude}, {longitude})").trim_start().to_owned()
        }
        _ => place,
    }
}

/// The entries of a list, each as `of` shows it.
fn entries<'a>(list: &'a Value, key: &str, of: impl Fn(&'a Value) -> String) -> Vec<String> {
    let items = list.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    items.iter().map(of).filter(|text| !text.is_empty()).collect()
}

fn menu(inner: &Value) -> String {
    let label = |item: &Value| {
        let kind = json::text_or_empty(item, "type");
        item.get(&kind).map(|entry| json::words(entry, &["content"])).unwrap_or_default()
    };
    let mut lines = vec![json::text_or_empty(inner, "head_content")];
    lines.extend(entries(inner, "list", label));
    lines.push(json::text_or_empty(inner, "tail_content"));
    lines.retain(|line| !line.is_empty());
    lines.join(" / ")
}

/// A forwarded conversation: its title, and who said what; `msg_content` is JSON in a text.
fn merged(inner: &Value) -> String {
    let said = |item: &Value| {
        let (name, kind) = (json::text_or_empty(item, "sender_name"), json::text_or_empty(item, "msgtype"));
        let content = json::nested(item, "msg_content");
        let words = content.get("text").and_then(|t| json::text(t, "content"));
        format!("{name}: {}", words.unwrap_or(kind))
    };
    let mut lines = vec![json::text_or_empty(inner, "title")];
    lines.extend(entries(inner, "item", said));
    lines.retain(|line| !line.is_empty());
    lines.join(" / ")
}

fn event(inner: &Value) -> Option<Content> {
    let kind = json::text(inner, "event_type")?;
    Some(match kind.as_str() {
        "enter_session" => Content::Entered { welcome_code: json::text(inner, "welcome_code") },
        "msg_send_fail" => Content::SendFailed {
            external_id: json::text(inner, "fail_msgid")?,
            reason: failed(json::integer(inner, "fail_type")),
        },
        "user_recall_msg" | "servicer_recall_msg" => {
            Content::Recalled { external_id: json::text(inner, "recall_msgid")? }
        }
        "session_status_change" if json::integer(inner, "change_type") == Some(3) => Content::Ended,
        // Who takes over from whom, who is at work, who wants no messages: on record.
        _ => Content::Ignored,
    })
}

/// Words for a `fail_type`.
fn failed(kind: Option<i64>) -> String {
    let words = match kind {
        Some(0) => "unknown",
        Some(1) => "the customer-service account was deleted",
        Some(2) => "the app was closed",
        Some(4) => "48 hours have passed since the customer's last message",
        Some(5) => "the conversation was closed",
        Some(6) => "more than five messages since the customer's last",
        Some(7) => "no Channels account is bound",
        Some(8) => "the company is not verified",
        Some(9) => "no Channels account is bound, and the company is not verified",
        Some(10) => "the customer refuses messages",
        Some(other) => return format!("fail_type {other}"),
        None => "no fail_type",
    };
    words.to_owned()
}
