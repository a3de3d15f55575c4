//! What happened on a channel without anybody saying anything.

use channels::{Content, Inbound};
use db::{Result, Tx};
use kernel::Timestamp;

use super::greet;
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
        Content::SendFailed { external_id, reason } => send_failed(tx, external_id, reason, told).await,
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

/// A message of ours did not arrive after all; `external_id` is its id, or that of one of its parts.
async fn send_failed(tx: &mut Tx, external_id: &str, reason: &str, told: &mut Vec<Told>) -> Result<()> {
    let id = external_id.split('-').next().unwrap_or(external_id);
    let Some(message) = store::message(tx, id).await? else { return Ok(()) };
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
    let who = NewSession {
        account_id: &source.account_id,
        channel_type: source.channel_type,
        kf_id: &event.kf_id,
        customer_id: &event.customer_id,
        customer_name: None,
        conversation: None,
    };
    let Some(mut row) = store::lock_open(tx, &who).await? else { return Ok(()) };
    if let Ok(Step::Change(to)) = row.state().after(&Command::Close, &Actor::Channel) {
        ops::settle(tx, &mut row, to, &Command::Close, &Actor::Channel, told, now).await?;
    }
    Ok(())
}
