//! To a customer of WeCom: in parts of 2048 bytes, choices as a menu, within the 48 hours and five messages after the customer's own.

use std::time::Duration;

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
    store::{MessageRow, SessionRow, outbox, windows},
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

/// The id of a part, which WeCom knows it by.
fn part_id(message: &str, part: usize) -> String {
    if part == 0 { message.to_owned() } else { format!("{message}-{part}") }
}

impl Job<'_> {
    pub(in crate::channel) async fn by_wecom(&self, wecom: &Wecom) -> Result<Sent> {
        let kind = MediaKind::named(&self.message.msg_type);
        let choices = choices(self.message);
        let menu = menu(&self.message.content, &choices);
        let parts = match (kind, &menu) {
            (None, None) => parts(&self.message.content),
            _ => vec![String::new()],
        };
        let mut conn = self.desk.db().read().await?;
        let left = outbox::parts(&mut conn, &self.message.id).await?;
        let needed = i64::try_from(parts.len().saturating_sub(left.len())).unwrap_or(i64::MAX);
        if let Some(reason) = self.closed(&mut conn, needed).await? {
            return Ok(Sent::Never(reason));
        }
        drop(conn);
        let mut answer = "nothing to send".to_owned();
        for (n, part) in parts.iter().enumerate() {
            let number = i64::try_from(n).unwrap_or(i64::MAX);
            if left.contains(&number) {
                continue;
            }
            let id = part_id(&self.message.id, n);
            let taken = match (kind, &menu) {
                (Some(kind), _) => self.file(wecom, &id, kind).await?,
                (None, Some(menu)) => self.post(wecom, &id, menu).await?,
                (None, None) => self.post(wecom, &id, &Message::Text(part)).await?,
            };
            match taken {
                Ok(took) => answer = took,
                Err(sent) => {
                    self.exhausted(&sent).await?;
                    return Ok(sent);
                }
            }
            self.left(number).await?;
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
    async fn left(&self, part: i64) -> Result<()> {
        let now = self.desk.clock().now();
        let mut tx = self.desk.db().begin().await?;
        if outbox::part_left(&mut tx, &self.message.id, part, now).await? {
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

/// What is refused before it is even queued: a message that WeCom would not take. `None` for what it would.
pub(crate) async fn refusal(
    conn: &mut Conn,
    session: &SessionRow,
    text: Option<&str>,
    now: Timestamp,
) -> Result<Option<String>> {
    let Some(window) = Window::of(conn, session, now).await? else { return Ok(None) };
    let needed = text.map_or(1, |text| i64::try_from(parts(text).len()).unwrap_or(i64::MAX));
    Ok(if window.expires_at <= now {
        Some("48 hours have passed since the customer's last message: they must write first".to_owned())
    } else if window.left < needed {
        let left = window.left;
        Some(format!("the customer can be sent {left} more before they write again, and this takes {needed}"))
    } else {
        None
    })
}
