//! SQL on `desk_turns`, and what a turn reads of a conversation.

use db::{Conn, Result, Tx, args, sql};
use kernel::Timestamp;

use super::{MessageRow, messages};
use crate::turn::TurnOutcome;

db::row! {
    /// A turn of the assistant that is over.
    #[derive(Debug, Clone)]
    pub(crate) struct TurnRow {
        /// That of its dispatch.
        pub(crate) id: String,
        pub(crate) session_id: String,
        /// The number of the customer's message that it answers.
        pub(crate) seq: i64,
        /// The session's version that it answers to.
        pub(crate) version: i64,
        pub(crate) outcome: TurnOutcome,
        /// Who decided; `None` where nobody was asked.
        pub(crate) engine: Option<String>,
        /// Whether another was to decide, and could not.
        pub(crate) degraded: bool,
        /// From 0 to 1; `None` where nothing was looked for.
        pub(crate) confidence: Option<f64>,
        /// Why it was dropped or handed over.
        pub(crate) reason: Option<String>,
        /// What the customer was told.
        pub(crate) message_id: Option<String>,
        pub(crate) created_at: Timestamp,
    }
}

/// The columns of a [`TurnRow`].
macro_rules! columns {
    () => {
        "id, session_id, seq, version, outcome, engine, degraded, confidence, reason, message_id, created_at"
    };
}

/// Whether this turn is over.
pub(crate) async fn turn_is_over(conn: &mut Conn, id: &str) -> Result<bool> {
    let found: Option<(i64,)> = conn.opt(sql!("SELECT seq FROM desk_turns WHERE id = $1"), args![id]).await?;
    Ok(found.is_some())
}

/// Puts the end of a turn on record; whether it was the first end.
pub(crate) async fn end_turn(tx: &mut Tx, turn: &TurnRow) -> Result<bool> {
    let new = tx
        .exec(
            sql!(
                "INSERT INTO desk_turns
                    (id, session_id, seq, version, outcome, engine, degraded, confidence, reason, message_id,
                     created_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT (id) DO NOTHING"
            ),
            args![
                &turn.id,
                &turn.session_id,
                turn.seq,
                turn.version,
                turn.outcome,
                &turn.engine,
                turn.degraded,
                turn.confidence,
                &turn.reason,
                &turn.message_id,
                turn.created_at
            ],
        )
        .await?;
    Ok(new == 1)
}

/// The turns of a session that are over, in the order of what they answer.
pub(crate) async fn turns(conn: &mut Conn, session: &str, limit: i64) -> Result<Vec<TurnRow>> {
    conn.all(
        sql!(concat!(
            "SELECT ",
            columns!(),
            " FROM desk_turns WHERE session_id = $1 ORDER BY seq, version, id LIMIT $2"
        )),
        args![session, limit],
    )
    .await
}

/// How the last turns of a session ended, the newest first; without those that were dropped.
pub(crate) async fn last_outcomes(conn: &mut Conn, session: &str, limit: i64) -> Result<Vec<TurnOutcome>> {
    let rows: Vec<(TurnOutcome,)> = conn
        .all(
            sql!(
                "SELECT outcome FROM desk_turns WHERE session_id = $1 AND outcome <> 'dropped'
                 ORDER BY seq DESC, version DESC LIMIT $2"
            ),
            args![session, limit],
        )
        .await?;
    Ok(rows.into_iter().map(|(outcome,)| outcome).collect())
}

/// The last messages that the customer knows of, in order.
pub(crate) async fn recent(conn: &mut Conn, session: &str, limit: i64) -> Result<Vec<MessageRow>> {
    let mut rows: Vec<MessageRow> = conn
        .all(
            sql!(concat!(
                "SELECT ",
                messages::columns!(),
                " FROM desk_messages WHERE session_id = $1 AND status NOT IN ('internal', 'recalled')
                 ORDER BY seq DESC LIMIT $2"
            )),
            args![session, limit],
        )
        .await?;
    rows.reverse();
    Ok(rows)
}

/// Whether the customer's last message has no answer yet, neither of a person nor of the assistant. What the desk
/// says itself ("a colleague takes over") is none.
pub(crate) async fn is_unanswered(conn: &mut Conn, session: &str, last_customer_seq: i64) -> Result<bool> {
    if last_customer_seq == 0 {
        return Ok(false);
    }
    let answer: Option<(i64,)> = conn
        .opt(
            sql!(
                "SELECT seq FROM desk_messages WHERE session_id = $1 AND seq > $2 AND sender_type IN ('ai', 'manual')
                    AND status NOT IN ('internal', 'recalled') LIMIT 1"
            ),
            args![session, last_customer_seq],
        )
        .await?;
    Ok(answer.is_none())
}
