//! To a customer of WeCom: in parts of 2048 bytes, choices as a menu, within the 48 hours and five messages after the customer's own.

use std::{collections::BTreeMap, time::Duration};

use channels::{
    MediaKind,
    wecom::{Class, Menu, MenuItem, Message, TEXT_LIMIT, parse_sent, send_msg},
    words,
};
use db::{Conn, Result};
use kernel::{Timestamp, time::days};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::{
    channel::{
        media,
        send::{Job, Sent},
        wecom::{Body, CallError, Wecom},
    },
    store::{
        self, MessageRow, SessionRow,
        outbox::{self, PartRow},
        windows,
    },
};

/// So long after a customer's message they can be answered.
pub(crate) const WINDOW: Duration = days(2);
/// So many messages.
pub(crate) const MESSAGES: i64 = 5;

/// What may still be said to a customer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Window {
    /// 48 hours after the customer's last message.
    #[schema(value_type = String, format = DateTime)]
    pub(crate) expires_at: Timestamp,
    /// So many messages may still be sent before the customer writes again; 0 after `expiresAt`.
    pub(crate) left: i64,
}

impl Window {
    /// Of a session's customer; `None` where nothing is known of one.
    pub(crate) async fn of(conn: &mut Conn, session: &SessionRow, now: Timestamp) -> Result<Option<Self>> {
        let Some(row) = windows::window(conn, session).await? else { return Ok(None) };
        let queued = outbox::queued(conn, &session.id).await?;
        let open = now < row.until;
        let left = if open { (MESSAGES - row.used - queued).max(0) } else { 0 };
        Ok(Some(Self { expires_at: row.until, left }))
    }
}

/// A text in the parts in which WeCom takes it.
pub(crate) fn parts(text: &str) -> Vec<String> {
    words::split(text, TEXT_LIMIT)
}

/// What a message gives to choose from: id and words.
fn choices(message: &MessageRow) -> Vec<(String, String)> {
    let payload: Value =
        message.payload.as_deref().and_then(|json| serde_json::from_str(json).ok()).unwrap_or_default();
    let items = payload.get("menu").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let text = |item: &Value, key| item.get(key).and_then(Value::as_str).map(str::to_owned);
    items.iter().filter_map(|item| Some((text(item, "id")?, text(item, "text")?))).collect()
}

/// A menu, if there is something to choose from and WeCom takes it as one; otherwise the words alone must do, which are
/// written so that they do.
fn menu<'a>(head: &'a str, choices: &'a [(String, String)]) -> Option<Message<'a>> {
    let items = choices.iter().map(|(id, content)| MenuItem::Click { id, content }).collect();
    let menu = Message::Menu(Menu { head, items, tail: "" });
    send_msg("kf", "customer", "msg", &menu).is_ok().then_some(menu)
}

/// The id of a part, which WeCom knows it by; another for each time that it failed after WeCom had taken it, since WeCom
/// takes an id once. It has at most 32 characters, so one that has both a part and a number is without our prefix.
fn part_id(message: &str, part: i64, tries: i64) -> String {
    let part = if part == 0 { String::new() } else { format!("-{part}") };
    match tries {
        0 => format!("{message}{part}"),
        tries => format!("{}{part}-r{tries}", message.strip_prefix(PREFIX).unwrap_or(message)),
    }
}

/// What the ids of messages begin with.
const PREFIX: &str = "msg_";

/// Which message's part, and which try of it, WeCom means by an id: the inverse of [`part_id`]. `None` for what is no id
/// of ours.
pub(crate) fn named(id: &str) -> Option<(String, i64, i64)> {
    let number = |digits: &str| digits.parse::<i64>().ok().filter(|n| *n > 0);
    let (id, tries) = match id.rsplit_once("-r") {
        Some((id, tries)) => (id, number(tries)?),
        None => (id, 0),
    };
    let (id, part) = match id.split_once('-') {
        Some((id, part)) => (id, number(part)?),
        None => (id, 0),
    };
    let message = if id.starts_with(PREFIX) { id.to_owned() } else { format!("{PREFIX}{id}") };
    Some((message, part, tries))
}

/// What WeCom takes a message as.
struct Shape<'a> {
    kind: Option<MediaKind>,
    menu: Option<Message<'a>>,
    /// The words of each part; one without words for what is no text.
    parts: Vec<String>,
}

impl<'a> Shape<'a> {
    fn of(message: &'a MessageRow, choices: &'a [(String, String)]) -> Self {
        let kind = MediaKind::named(&message.msg_type);
        let menu = menu(&message.content, choices);
        let parts = match (kind, &menu) {
            (None, None) => parts(&message.content),
            _ => vec![String::new()],
        };
        Self { kind, menu, parts }
    }

    /// Those that are still to be sent: which, which try of it, and its words.
    fn missing(&self, taken: &BTreeMap<i64, PartRow>) -> Vec<(i64, i64, &str)> {
        let tries = |part| match taken.get(&part) {
            None => Some(0),
            Some(row) => row.failed.then_some(row.tries),
        };
        let parts = (0..).zip(&self.parts);
        parts.filter_map(|(part, words)| Some((part, tries(part)?, words.as_str()))).collect()
    }
}

impl Job<'_> {
    pub(in crate::channel) async fn by_wecom(&self, wecom: &Wecom) -> Result<Sent> {
        let choices = choices(self.message);
        let shape = Shape::of(self.message, &choices);
        let mut conn = self.desk.db().read().await?;
        let missing = shape.missing(&outbox::parts(&mut conn, &self.message.id).await?);
        let needed = i64::try_from(missing.len()).unwrap_or(i64::MAX);
        if let Some(reason) = self.closed(&mut conn, needed).await? {
            return Ok(Sent::Never(reason));
        }
        drop(conn);
        let mut answer = "nothing to send".to_owned();
        for (part, tries, words) in missing {
            let id = part_id(&self.message.id, part, tries);
            let taken = match (shape.kind, &shape.menu) {
                (Some(kind), _) => self.file(wecom, &id, kind).await?,
                (None, Some(menu)) => self.post(wecom, &id, menu).await?,
                (None, None) => self.post(wecom, &id, &Message::Text(words)).await?,
            };
            match taken {
                Ok(took) => answer = took,
                Err(sent) => {
                    self.exhausted(&sent).await?;
                    return Ok(sent);
                }
            }
            self.left(part, tries).await?;
        }
        Ok(Sent::Took(answer))
    }

    /// Why nothing may be sent, if so.
    async fn closed(&self, conn: &mut Conn, needed: i64) -> Result<Option<String>> {
        let Some(window) = windows::window(conn, self.session).await? else { return Ok(None) };
        Ok(if self.desk.clock().now() >= window.until {
            Some("48 hours have passed since the customer's last message: they must write first".to_owned())
        } else if window.used + needed > MESSAGES {
            let used = window.used;
            Some(format!(
                "WeCom takes five messages for each of the customer's: {used} were sent, {needed} would be: \
                 they must write first"
            ))
        } else {
            None
        })
    }

    /// A part has left: it is counted, once.
    async fn left(&self, part: i64, tries: i64) -> Result<()> {
        let now = self.desk.clock().now();
        let mut tx = self.desk.db().begin().await?;
        // Sessions first: what came in of this customer locks theirs before these rows.
        store::lock(&mut tx, &self.session.id).await?;
        if outbox::part_left(&mut tx, &self.message.id, (part, tries), now).await? {
            windows::spend(&mut tx, self.session).await?;
        }
        tx.commit().await
    }

    /// Where WeCom counted more than we did, it is right.
    async fn exhausted(&self, sent: &Sent) -> Result<()> {
        let Sent::Never(reason) = sent else { return Ok(()) };
        if !reason.starts_with("WeCom answers 95001:") {
            return Ok(());
        }
        let mut tx = self.desk.db().begin().await?;
        windows::exhaust(&mut tx, self.session, MESSAGES).await?;
        tx.commit().await
    }

    async fn post(
        &self,
        wecom: &Wecom,
        id: &str,
        message: &Message<'_>,
    ) -> Result<std::result::Result<String, Sent>> {
        let (kf, customer) = (&self.session.kf_id, &self.session.customer_id);
        let body = match send_msg(kf, customer, id, message) {
            Ok(body) => body,
            Err(unsendable) => return Ok(Err(Sent::Never(unsendable.to_string()))),
        };
        match self.call(wecom, &body).await {
            Err(CallError::Api(error)) if error.class == Class::WrongState => {
                if let Some(sent) = self.wrong_state(wecom).await? {
                    return Ok(Err(sent));
                }
                // The state is ours by now.
                Ok(self.call(wecom, &body).await.map_err(Sent::from))
            }
            answer => Ok(answer.map_err(Sent::from)),
        }
    }

    async fn call(&self, wecom: &Wecom, body: &Value) -> std::result::Result<String, CallError> {
        let (web, clock) = (&self.desk.0.channels.api, self.desk.clock());
        match wecom.call(web, clock, "kf/send_msg", Body::Json(body)).await {
            Ok(answer) => Ok(format!("msgid {}", parse_sent(answer.body())?)),
            // An id is taken once. If an earlier attempt may have got through, this says that it did.
            Err(CallError::Api(error)) if self.in_doubt && is_about_the_request(error.code) => {
                Ok(format!("refused as sent before: {error}"))
            }
            Err(error) => Err(error),
        }
    }

    async fn file(
        &self,
        wecom: &Wecom,
        id: &str,
        kind: MediaKind,
    ) -> Result<std::result::Result<String, Sent>> {
        Ok(match media::upload(self.desk, wecom, self.message, kind).await? {
            Ok(media_id) => return self.post(wecom, id, &Message::Media { kind, media_id: &media_id }).await,
            Err(sent) => Err(sent),
        })
    }
}

/// Whether an error is about a parameter of the request itself, rather than rights, windows or accounts.
fn is_about_the_request(code: i64) -> bool {
    Class::of(code) == Class::Final && (40_002..=41_999).contains(&code)
}

/// How many messages of WeCom's a text is; one for anything else.
pub(crate) fn count(text: Option<&str>) -> i64 {
    text.map_or(1, |text| i64::try_from(parts(text).len()).unwrap_or(i64::MAX))
}

/// How many messages of WeCom's are still missing of one that failed.
pub(crate) async fn missing(conn: &mut Conn, message: &MessageRow) -> Result<i64> {
    let choices = choices(message);
    let missing = Shape::of(message, &choices).missing(&outbox::parts(conn, &message.id).await?).len();
    Ok(i64::try_from(missing).unwrap_or(i64::MAX))
}

/// What is refused before it is even queued: so many messages that WeCom would not take. `None` for what it would.
pub(crate) async fn refusal(
    conn: &mut Conn,
    session: &SessionRow,
    needed: i64,
    now: Timestamp,
) -> Result<Option<String>> {
    let Some(window) = Window::of(conn, session, now).await? else { return Ok(None) };
    Ok(if window.expires_at <= now {
        Some("48 hours have passed since the customer's last message: they must write first".to_owned())
    } else if window.left < needed {
        let left = window.left;
        Some(format!("the customer can be sent {left} more before they write again, and this takes {needed}"))
    } else {
        None
    })
}

#[cfg(test)]
mod tests {
    use channels::wecom::msgid;

    use super::*;

    #[test]
    fn ids_lead_back_to_their_parts() {
        let message = kernel::id::new("msg", Timestamp::from_seconds(1_767_225_600));
        for part in 0..8 {
            for tries in [0, 1, 2, 9, 10, 99] {
                let id = part_id(&message, part, tries);
                assert_eq!(msgid(&id), id, "WeCom takes it as it is");
                assert_eq!(named(&id), Some((message.clone(), part, tries)));
            }
        }
        assert!(["a-b", "a-r", "a-0", "a-1-r0", "a--1"].iter().all(|id| named(id).is_none()));
    }
}
