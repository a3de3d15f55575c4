//! The desk's dispatch kinds.

use db::{Result, Tx};
use dispatch::{NewDispatch, Outcome};
use kernel::Timestamp;

use crate::{
    follow,
    store::{MessageRow, SessionRow},
    turn::Turn,
};

/// The assistant's turn in a session; its payload is the version and the message that it answers to.
pub const TURN: &str = "desk.turn";
/// One message on its way to a customer; its id is that of the message, or begins with it and `/`.
pub const SEND: &str = "desk.send";

/// The assistant is to answer all that the customer wrote up to now. A turn has one id for each version of the session:
/// what is handed back to the assistant gets a turn of its own.
pub(crate) async fn schedule_turn(
    tx: &mut Tx,
    row: &SessionRow,
    due_at: Timestamp,
    now: Timestamp,
) -> Result<()> {
    let turn = NewDispatch {
        id: format!("{}/turn/{}.{}", row.id, row.version, row.last_customer_seq),
        kind: TURN,
        subject: row.id.clone(),
        destination: "assistant".to_owned(),
        payload: Some(Turn::payload(row)),
        due_at,
    };
    dispatch::enqueue(tx, now, &[turn]).await.map(drop)
}

/// A failed message is to go to its customer once more, under an id of this time.
pub(crate) async fn schedule_retry(
    tx: &mut Tx,
    row: &SessionRow,
    message: &MessageRow,
    now: Timestamp,
) -> Result<()> {
    let send = NewDispatch {
        id: format!("{}/{}", message.id, kernel::id::new("retry", now)),
        kind: SEND,
        subject: row.id.clone(),
        destination: row.account_id.clone(),
        payload: None,
        due_at: now,
    };
    dispatch::enqueue(tx, now, &[send]).await.map(drop)
}

/// A queued message is to go to its customer, who may leave it unanswered.
pub(crate) async fn schedule_send(
    tx: &mut Tx,
    row: &SessionRow,
    message: &MessageRow,
    now: Timestamp,
) -> Result<()> {
    let send = NewDispatch {
        id: message.id.clone(),
        kind: SEND,
        subject: row.id.clone(),
        destination: row.account_id.clone(),
        payload: None,
        due_at: now,
    };
    dispatch::enqueue(tx, now, &[send]).await?;
    follow::answered(tx, row, message, now).await
}

/// Not now: again by the kind's policy. Nothing has left.
pub(crate) fn again(reason: impl std::fmt::Display) -> Outcome {
    Outcome::Retry { reason: reason.to_string(), after: None, in_doubt: false }
}
