//! The fence: a turn's end, committed whole or not at all, and only if nothing came in between.

use db::{Result, Tx};
use kernel::Timestamp;

use super::{
    Handover, Turn, TurnOutcome,
    decide::{Verdict, What},
    hand_over,
    reading::Reading,
};
use crate::{
    Desk, frames,
    model::{HandoverReason, MessageStatus, SenderType},
    store::{self, MessageRow, NewMessage, SessionRow, Told, TurnRow},
    work,
};

/// The turn had ended before.
pub(super) const OVER: &str = "over already";

/// Ends a turn whose time has passed.
pub(super) async fn drop_turn(desk: &Desk, turn: &Turn) -> Result<&'static str> {
    let now = desk.clock().now();
    let mut tx = desk.db().begin().await?;
    let end = match locked(&mut tx, turn).await? {
        Open::No(end) => end,
        Open::Passed(why) => dropped(&mut tx, turn, None, why, now).await?,
        // It can be taken all the same: the next attempt does.
        Open::Yes(_) => return Err(db::DbError::Conflict("the session changed back".to_owned())),
    };
    tx.commit().await?;
    Ok(end)
}

/// Ends a turn as was decided, or drops it; which.
pub(super) async fn commit(
    desk: &Desk,
    turn: &Turn,
    reading: Reading,
    verdict: Verdict,
) -> Result<&'static str> {
    let speech = reading.speech();
    let summary = match verdict.what {
        What::HandOver(_) => summary(reading).await,
        What::Say { .. } => Vec::new(),
    };
    let now = desk.clock().now();
    let mut tx = desk.db().begin().await?;
    let end = match locked(&mut tx, turn).await? {
        Open::No(end) => end,
        Open::Passed(why) => dropped(&mut tx, turn, Some(&verdict), why, now).await?,
        Open::Yes(mut row) => {
            let mut told = Vec::new();
            let end = match &verdict.what {
                What::Say { outcome, text, payload } => {
                    let message = say(&mut tx, &mut row, text, payload, &mut told, now).await?;
                    let end = ended(turn, *outcome, Some(&verdict), None, Some(&message), now);
                    store::end_turn(&mut tx, &end).await?;
                    outcome.as_str()
                }
                What::HandOver(reason) => {
                    let handover = Handover { reason: *reason, speech, summary: &summary };
                    let notice = hand_over(&mut tx, &mut row, &handover, &mut told, now).await?;
                    let why = Some(reason.as_str());
                    let end = ended(turn, TurnOutcome::HandedOver, Some(&verdict), why, notice.as_ref(), now);
                    store::end_turn(&mut tx, &end).await?;
                    TurnOutcome::HandedOver.as_str()
                }
            };
            store::tell(&mut tx, &told, now).await?;
            end
        }
    };
    tx.commit().await?;
    Ok(end)
}

/// Hands over what nobody answers any more, in the transaction that puts the failure on record.
pub(super) async fn give_up(tx: &mut Tx, turn: &Turn, now: Timestamp) -> Result<()> {
    let mut row = match locked(tx, turn).await? {
        Open::No(_) => return Ok(()),
        Open::Passed(why) => return dropped(tx, turn, None, why, now).await.map(drop),
        Open::Yes(row) => row,
    };
    let speech = Reading::of(tx, (*row).clone()).await?.speech();
    let handover = Handover { reason: HandoverReason::Failure, speech, summary: &[] };
    let mut told = Vec::new();
    let notice = hand_over(tx, &mut row, &handover, &mut told, now).await?;
    let why = Some(HandoverReason::Failure.as_str());
    store::end_turn(tx, &ended(turn, TurnOutcome::HandedOver, None, why, notice.as_ref(), now)).await?;
    store::tell(tx, &told, now).await
}

/// Whether a turn may still be ended, and its locked session.
enum Open {
    Yes(Box<SessionRow>),
    /// Something came in between.
    Passed(&'static str),
    /// There is nothing to end.
    No(&'static str),
}

async fn locked(tx: &mut Tx, turn: &Turn) -> Result<Open> {
    let Some(row) = store::lock(tx, &turn.session_id).await? else {
        return Ok(Open::No("there is no such session"));
    };
    if store::turn_is_over(tx, &turn.id).await? {
        return Ok(Open::No(OVER));
    }
    Ok(turn.passed(&row).map_or_else(|| Open::Yes(Box::new(row)), Open::Passed))
}

async fn say(
    tx: &mut Tx,
    row: &mut SessionRow,
    text: &str,
    payload: &serde_json::Value,
    told: &mut Vec<Told>,
    now: Timestamp,
) -> Result<MessageRow> {
    let new = NewMessage {
        sender_type: SenderType::Ai,
        sender_id: super::ASSISTANT,
        msg_type: "text",
        content: text,
        payload: Some(payload.to_string()),
        status: MessageStatus::Queued,
        external_id: None,
        client_id: None,
        sent_at: now,
    };
    let message = store::append(tx, row, new, now).await?;
    work::schedule_send(tx, row, &message, now).await?;
    told.push(frames::new_message(row, &message));
    Ok(message)
}

async fn dropped(
    tx: &mut Tx,
    turn: &Turn,
    verdict: Option<&Verdict>,
    why: &'static str,
    now: Timestamp,
) -> Result<&'static str> {
    store::end_turn(tx, &ended(turn, TurnOutcome::Dropped, verdict, Some(why), None, now)).await?;
    Ok(why)
}

fn ended(
    turn: &Turn,
    outcome: TurnOutcome,
    verdict: Option<&Verdict>,
    reason: Option<&str>,
    message: Option<&MessageRow>,
    now: Timestamp,
) -> TurnRow {
    TurnRow {
        id: turn.id.clone(),
        session_id: turn.session_id.clone(),
        seq: turn.seq,
        version: turn.version,
        outcome,
        engine: verdict.map(|v| v.engine.clone()),
        degraded: verdict.is_some_and(|v| v.degraded),
        confidence: verdict.and_then(|v| v.confidence),
        reason: reason.map(str::to_owned),
        message_id: message.map(|m| m.id.clone()),
        created_at: now,
    }
}

/// What was said so far, made where it keeps nobody waiting. Without it a hand-over is still one.
async fn summary(reading: Reading) -> Vec<String> {
    let made = tokio::task::spawn_blocking(move || reading.summary()).await;
    made.unwrap_or_else(|error| {
        tracing::error!(panicked = error.is_panic(), "the summary of a conversation failed");
        Vec::new()
    })
}
