//! Handing a customer over to people: told once, on record, and never followed by another word of the assistant.

use db::{Result, Tx};
use kernel::Timestamp;
use serde_json::json;

use super::words::Speech;
use crate::{
    follow, frames,
    model::{Actor, Command, HandoverReason, MessageStatus, SenderType, Step},
    ops,
    store::{self, MessageRow, NewMessage, SessionRow, Told},
    work,
};

/// Why, and what is said of it.
#[derive(Debug)]
pub(crate) struct Handover<'a> {
    pub(crate) reason: HandoverReason,
    /// The customer's language.
    pub(crate) speech: Speech,
    /// What was said so far, for whoever takes over.
    pub(crate) summary: &'a [String],
}

/// Hands a locked session over, if it is the assistant's: one message tells the customer, one internal event tells
/// the agents why and what was said so far, and the session waits. Outside of business hours the same message says when
/// people are back: a channel may take few. What the customer was told; `None` where the session is not the
/// assistant's.
pub(crate) async fn hand_over(
    tx: &mut Tx,
    row: &mut SessionRow,
    handover: &Handover<'_>,
    told: &mut Vec<Told>,
    now: Timestamp,
) -> Result<Option<MessageRow>> {
    let command = Command::HandOver(handover.reason);
    let Ok(Step::Change(to)) = row.state().after(&command, &Actor::Assistant) else { return Ok(None) };
    let settings = store::settings(tx).await?;
    let later = follow::closed_notice(&settings, now);
    let text = handover.speech.handed_over(handover.reason, later.as_deref());
    let notice = said(&text, "text", MessageStatus::Queued, now);
    let notice = store::append(tx, row, notice, now).await?;
    work::schedule_send(tx, row, &notice, now).await?;
    let words = event(handover);
    let payload = json!({
        "event": "handover", "reason": handover.reason, "summary": handover.summary,
    });
    let event = NewMessage {
        payload: Some(payload.to_string()),
        ..said(&words, "event", MessageStatus::Internal, now)
    };
    let event = store::append(tx, row, event, now).await?;
    told.push(frames::new_message(row, &notice));
    told.push(frames::new_message(row, &event));
    ops::settle(tx, row, to, &command, &Actor::Assistant, told, now).await?;
    Ok(Some(notice))
}

fn said<'a>(content: &'a str, msg_type: &'a str, status: MessageStatus, now: Timestamp) -> NewMessage<'a> {
    NewMessage {
        sender_type: SenderType::System,
        sender_id: super::ASSISTANT,
        msg_type,
        content,
        payload: None,
        status,
        external_id: None,
        client_id: None,
        sent_at: now,
    }
}

fn event(handover: &Handover<'_>) -> String {
    let why = handover.speech.why(handover.reason);
    match handover.summary {
        [] => why.to_owned(),
        lines => format!("{why}\n{}\n{}", handover.speech.so_far(), lines.join("\n")),
    }
}
