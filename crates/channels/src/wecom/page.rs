//! A page of `kf/sync_msg`.
//!
//! Promise: an item that is not to be understood never costs the others. What has a `msgid` becomes a message of
//! the type `unsupported`, what has none is handed over as it came.

use kernel::Timestamp;
use serde_json::Value;

use super::{
    answer::{Failure, answer},
    item,
};
use crate::{Inbound, json};

/// One page, and where the next begins.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// To be stored in the transaction that stores the messages.
    pub next_cursor: String,
    /// Whether to ask again at once. True also of empty pages; fewer messages than asked for say nothing.
    pub has_more: bool,
    /// In WeCom's order.
    pub messages: Vec<Inbound>,
    /// Items that no message can be made of.
    pub unreadable: Vec<Unreadable>,
}

/// An item of a page without an identity.
#[derive(Debug, Clone, PartialEq)]
pub struct Unreadable {
    /// What is wrong with it.
    pub reason: &'static str,
    /// As it came.
    pub raw: Value,
}

/// Reads an answer of `kf/sync_msg`. What says no time is of the time when it was `received`.
///
/// # Errors
/// WeCom refused, or it is no page at all: the cursor then stays where it was.
pub fn parse_page(bytes: &[u8], received: Timestamp) -> Result<Page, Failure> {
    let mut answer = answer(bytes)?;
    let bad = |what: &str| Failure::Unreadable(what.to_owned());
    let items = match answer.get_mut("msg_list").map(Value::take) {
        Some(Value::Array(items)) => items,
        None | Some(Value::Null) => Vec::new(),
        Some(_) => return Err(bad("msg_list is no list")),
    };
    let has_more = match answer.get("has_more") {
        None => false,
        Some(Value::Bool(more)) => *more,
        Some(_) => json::integer(&answer, "has_more").ok_or_else(|| bad("has_more"))? != 0,
    };
    let next_cursor = json::text_or_empty(&answer, "next_cursor");
    if has_more && next_cursor.is_empty() {
        return Err(bad("has_more without next_cursor"));
    }
    let mut page =
        Page { next_cursor, has_more, messages: Vec::with_capacity(items.len()), unreadable: Vec::new() };
    for raw in items {
        match item::read(raw, received) {
            Ok(message) => page.messages.push(message.clean()),
            Err(unreadable) => page.unreadable.push(unreadable),
        }
    }
    Ok(page)
}
