//! What happened on a channel without anybody saying anything.

use channels::{Content, Inbound};
use db::{Conn, Result, Tx};
use kernel::Timestamp;

use super::{greet, out};
use crate::{
    frames,
    model::{Actor, Command, MessageStatus, Step},
    ops,
    receive::Source,
    store::{self, MessageRow, NewSession, Told},
};

/// Acts on an event that did not come before.
pub(crate) async fn happened(
    tx: &mut Tx,
    source: &Source,
    event: &Inbound,
    told: &mut Vec<Told>,
    now: Timestamp,
) -> Result<()> {
    match &event.content {
        Content::SendFailed { external_id, reason } => send_failed(tx, external_id, reason, told, now).await,
        Content::Recalled { external_id } => {
            let Some(message) = store::by_external(tx, &source.account_id, external_id).await? else {
                return Ok(());
            };
            let (from, to) = (MessageStatus::Received, MessageStatus::Recalled);
            settle(tx, &message, &[from], to, None, told).await
        }
        Content::Ended => ended(tx, source, event, told, now).await,
        Content::Entered { welcome_code: Some(code) } => {
            greet::schedule_welcome(tx, &source.account_id, &event.external_id, code, now).await
        }
        _ => Ok(()),
    }
}

/// The session of the message that an event is about, if it is about one.
pub(crate) async fn about(conn: &mut Conn, source: &Source, event: &Inbound) -> Result<Option<String>> {
    let message = match &event.content {
        Content::SendFailed { external_id, .. } => match out::named(external_id) {
            Some((id, ..)) => store::message(conn, &id).await?,
            None => None,
        },
        Content::Recalled { external_id } => {
            store::by_external(conn, &source.account_id, external_id).await?
        }
        _ => None,
    };
    Ok(message.map(|message| message.session_id))
}

/// Moves a message from one of these to another status, and notes who is to be told.
async fn settle(
    tx: &mut Tx,
    message: &MessageRow,
    from: &[MessageStatus],
    to: MessageStatus,
    reason: Option<&str>,
    told: &mut Vec<Told>,
) -> Result<()> {
    let Some(row) = store::lock(tx, &message.session_id).await? else { return Ok(()) };
    for from in from {
        if let Some(message) = store::set_status(tx, &message.id, *from, to, reason).await? {
            told.push(frames::message_status(&row, &message));
            return Ok(());
        }
    }
    Ok(())
}

/// A message of ours did not arrive after all; `external_id` is that of one of its parts, which is to be sent again.
async fn send_failed(
    tx: &mut Tx,
    external_id: &str,
    reason: &str,
    told: &mut Vec<Told>,
    now: Timestamp,
) -> Result<()> {
    let Some((id, part, tries)) = out::named(external_id) else { return Ok(()) };
    let Some(message) = store::message(tx, &id).await? else { return Ok(()) };
    store::lock(tx, &message.session_id).await?;
    // What was sent again meanwhile did not fail.
    if !store::outbox::part_failed(tx, &id, (part, tries), now).await? {
        return Ok(());
    }
    // The event may overtake the answer.
    let from = [MessageStatus::Sent, MessageStatus::Queued];
    settle(tx, &message, &from, MessageStatus::Failed, Some(reason), told).await
}

/// The channel ended the conversation.
async fn ended(
    tx: &mut Tx,
    source: &Source,
    event: &Inbound,
    told: &mut Vec<Told>,
    now: Timestamp,
) -> Result<()> {
    let who = NewSession { customer_name: None, conversation: None, ..source.customer(event) };
    let Some(mut row) = store::lock_open(tx, &who).await? else { return Ok(()) };
    if let Ok(Step::Change(to)) = row.state().after(&Command::Close, &Actor::Channel) {
        ops::settle(tx, &mut row, to, &Command::Close, &Actor::Channel, told, now).await?;
    }
    Ok(())
}
