//! What a customer says of a session that a person had: a score from 1 to 5.
//!
//! The question is one message with a menu, which a channel with menus shows. Promises:
//! - A touch on the menu is about the session that the menu was in, whatever happened since. It counts within a day, once; a
//!   later one stands in that session, too, and changes nothing.
//! - A message that is a digit and nothing else, within a day, while the customer has no open session, is the score of the
//!   session that they were asked about last. Anything else is what a customer writes.
//! - Neither opens a session.

use std::time::Duration;

use channels::{Content, Inbound};
use db::{Conn, Result, Tx};
use kernel::{Timestamp, time::days};
use serde_json::{Value, json};

use crate::{
    channel::out,
    frames,
    model::{ChannelType, MessageStatus, SenderType},
    receive::{Said, Source, refills},
    settings::DeskSettings,
    store::{self, MessageRow, NewMessage, NewSession, SessionRow, Told, windows},
    work,
};

/// So long a score is taken after the question.
const OPEN: Duration = days(1);
/// What the ids of the menu's entries begin with; the score and the session follow.
const MENU: &str = "rate.";

/// Asks the customer of a locked session that has just ended; nobody, where the channel would not take the question.
pub(crate) async fn ask(
    tx: &mut Tx,
    row: &mut SessionRow,
    settings: &DeskSettings,
    told: &mut Vec<Told>,
    now: Timestamp,
) -> Result<()> {
    if out::refusal(tx, row, out::count(Some(&settings.rating_text)), now).await?.is_some() {
        return Ok(());
    }
    let menu: Vec<Value> = (1..=5_usize)
        .rev()
        .map(|n| json!({"id": format!("{MENU}{n}.{}", row.id), "text": format!("{n} {}", "★".repeat(n))}))
        .collect();
    let question = NewMessage {
        sender_type: SenderType::System,
        sender_id: "desk",
        msg_type: "text",
        content: &settings.rating_text,
        payload: Some(json!({"menu": menu}).to_string()),
        status: MessageStatus::Queued,
        external_id: None,
        client_id: None,
        sent_at: now,
    };
    store::ask_rating(tx, row, now).await?;
    let stored = store::append(tx, row, question, now).await?;
    work::schedule_send(tx, row, &stored, now).await?;
    told.push(frames::new_message(row, &stored));
    Ok(())
}

/// What a customer answered, and the closed session that it is about, which is locked.
pub(crate) struct Rating {
    row: SessionRow,
    /// From 1 to 5; `None` if it comes too late.
    score: Option<i64>,
}

/// The score and the session of a menu's entry.
fn touched(id: &str) -> Option<(i64, &str)> {
    let (score, session) = id.strip_prefix(MENU)?.split_once('.')?;
    let score = score.parse().ok().filter(|score| (1..=5).contains(score))?;
    Some((score, session))
}

/// The session that a customer rates with this, and the score; `None` if it comes too late.
async fn about(
    conn: &mut Conn,
    customer: &NewSession<'_>,
    content: &Content,
    now: Timestamp,
) -> Result<Option<(String, Option<i64>)>> {
    let Content::Text { text, menu } = content else { return Ok(None) };
    match menu.as_deref().map(touched) {
        Some(Some((score, session))) => {
            let asked_at = store::asked_about(conn, customer, session).await?;
            Ok(asked_at.map(|at| (session.to_owned(), (now < at + OPEN).then_some(score))))
        }
        Some(None) => Ok(None),
        None => {
            let Some(score) = digit(text) else { return Ok(None) };
            let session = store::asked(conn, customer, OPEN, now).await?;
            Ok(session.map(|session| (session, Some(score))))
        }
    }
}

/// The session that a customer rates with this.
pub(crate) async fn session(
    conn: &mut Conn,
    customer: &NewSession<'_>,
    content: &Content,
    now: Timestamp,
) -> Result<Option<String>> {
    Ok(about(conn, customer, content, now).await?.map(|(session, _)| session))
}

/// The score, if the text is one digit from 1 to 5 and nothing else.
fn digit(text: &str) -> Option<i64> {
    let mut characters = text.trim().chars();
    let (Some(digit), None) = (characters.next(), characters.next()) else { return None };
    // Chinese keyboards have wide digits, too.
    ('1'..='5')
        .zip('\u{ff11}'..='\u{ff15}')
        .zip(1..)
        .find(|((plain, wide), _)| [*plain, *wide].contains(&digit))
        .map(|(_, n)| n)
}

/// Whether what the customer says is a rating.
pub(crate) async fn asked(
    tx: &mut Tx,
    customer: &NewSession<'_>,
    content: &Content,
    now: Timestamp,
) -> Result<Option<Rating>> {
    let Some((session, score)) = about(tx, customer, content, now).await? else { return Ok(None) };
    let row = store::lock(tx, &session).await?;
    Ok(row.map(|row| Rating { row, score }))
}

/// Takes it in.
pub(crate) async fn take(
    tx: &mut Tx,
    source: &Source,
    message: &Inbound,
    said: &Said,
    rating: Rating,
    told: &mut Vec<Told>,
    now: Timestamp,
) -> Result<()> {
    let Rating { mut row, score } = rating;
    let stored = keep(tx, source, message, said, &mut row, now).await?;
    told.push(frames::new_message(&row, &stored));
    if source.channel_type == ChannelType::Wechat && refills(message) {
        windows::refill(tx, &row, message.sent_at + out::WINDOW).await?;
    }
    if let Some(score) = score
        && store::rate(tx, &row.id, score, now).await?
    {
        told.push(frames::session_rated(&row, score));
    }
    Ok(())
}

async fn keep(
    tx: &mut Tx,
    source: &Source,
    message: &Inbound,
    said: &Said,
    row: &mut SessionRow,
    now: Timestamp,
) -> Result<MessageRow> {
    let new = NewMessage {
        sender_type: SenderType::Customer,
        sender_id: &message.customer_id,
        msg_type: &said.msg_type,
        content: &said.content,
        payload: said.payload.clone(),
        status: MessageStatus::Received,
        external_id: Some(&message.external_id),
        client_id: None,
        sent_at: message.sent_at,
    };
    let stored = store::append(tx, row, new, now).await?;
    store::remember(tx, &source.account_id, &message.external_id, &stored).await?;
    Ok(stored)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn menus_and_digits() {
        assert_eq!(touched("rate.5.sess_1"), Some((5, "sess_1")));
        for id in ["rate.0.sess_1", "rate.6.sess_1", "rate.sess_1", "rate.", "person", "kbe_1", "rate.-1.x"] {
            assert_eq!(touched(id), None, "{id}");
        }
        for (text, score) in
            [(" 3\n", Some(3)), ("\u{ff15}", Some(5)), ("0", None), ("6", None), ("33", None), ("", None)]
        {
            assert_eq!(digit(text), score, "{text}");
        }
    }
}
