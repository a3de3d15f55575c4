//! SQL on `gmail_decisions`: every yes and no of the automatic reply, with its reason.

use db::{Conn, Result, Tx, args, sql};
use kernel::Timestamp;

use crate::model::Decided;

db::row! {
    /// A yes or no.
    #[derive(Debug, Clone)]
    pub(crate) struct DecisionRow {
        /// `gdec_…`
        pub(crate) id: String,
        pub(crate) user_id: String,
        pub(crate) conversation_id: i64,
        /// What it is about: the mail that is answered, or our own that was not.
        pub(crate) message_key: String,
        /// What decided; it decides once.
        pub(crate) turn: String,
        pub(crate) goal_id: Option<i64>,
        pub(crate) outcome: Decided,
        /// Which rule, as a short code.
        pub(crate) rule: String,
        pub(crate) reason: String,
        pub(crate) reply_id: Option<i64>,
        pub(crate) outbox_id: Option<String>,
        pub(crate) at: Timestamp,
    }
}

db::row! {
    /// A yes or no, as it is listed.
    #[derive(Debug, Clone)]
    pub(crate) struct ListedDecision {
        pub(crate) id: String,
        pub(crate) conversation_id: i64,
        /// Gmail's; `None` if the mail has gone.
        pub(crate) gmail_id: Option<String>,
        pub(crate) goal_id: Option<i64>,
        pub(crate) outcome: Decided,
        pub(crate) rule: String,
        pub(crate) reason: String,
        pub(crate) reply_id: Option<i64>,
        pub(crate) outbox_id: Option<String>,
        pub(crate) at: Timestamp,
    }
}

/// Records one; false if this turn has decided.
pub(crate) async fn insert_decision(tx: &mut Tx, d: &DecisionRow) -> Result<bool> {
    let made = tx
        .exec(
            sql!(
                "INSERT INTO gmail_decisions (id, user_id, conversation_id, message_key, turn, goal_id, outcome, rule,
                    reason, reply_id, outbox_id, at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT (turn) DO NOTHING"
            ),
            args![
                &d.id,
                &d.user_id,
                d.conversation_id,
                &d.message_key,
                &d.turn,
                d.goal_id,
                d.outcome,
                &d.rule,
                &d.reason,
                d.reply_id,
                &d.outbox_id,
                d.at
            ],
        )
        .await?;
    Ok(made == 1)
}

/// Whether a turn has decided.
pub(crate) async fn has_decided(conn: &mut Conn, turn: &str) -> Result<bool> {
    let row: Option<(i64,)> =
        conn.opt(sql!("SELECT 1 FROM gmail_decisions WHERE turn = $1"), args![turn]).await?;
    Ok(row.is_some())
}

/// Whether anything of a conversation ever waited for a person.
pub(crate) async fn has_waited(conn: &mut Conn, conversation: i64) -> Result<bool> {
    let row: Option<(i64,)> = conn
        .opt(
            sql!("SELECT 1 FROM gmail_decisions WHERE conversation_id = $1 AND outcome = 'waits' LIMIT 1"),
            args![conversation],
        )
        .await?;
    Ok(row.is_some())
}

/// What a list is narrowed to.
#[derive(Debug, Default)]
pub(crate) struct WhichDecisions {
    pub(crate) conversation: Option<i64>,
    pub(crate) outcome: Option<Decided>,
    pub(crate) rule: Option<String>,
}

/// A page of a user's, the newest first. With how many there are.
pub(crate) async fn decisions(
    conn: &mut Conn,
    user: &str,
    which: &WhichDecisions,
    (limit, offset): (i64, i64),
) -> Result<(Vec<ListedDecision>, i64)> {
    let rows = conn
        .all(
            sql!(
                "SELECT d.id, d.conversation_id, m.gmail_id, d.goal_id, d.outcome, d.rule, d.reason, d.reply_id, d.outbox_id,
                    d.at
                 FROM gmail_decisions AS d LEFT JOIN gmail_messages AS m ON m.key = d.message_key
                 WHERE d.user_id = $1 AND (CAST($2 AS BIGINT) IS NULL OR d.conversation_id = $2)
                    AND (CAST($3 AS TEXT) IS NULL OR d.outcome = $3) AND (CAST($4 AS TEXT) IS NULL OR d.rule = $4)
                 ORDER BY d.id DESC LIMIT $5 OFFSET $6"
            ),
            args![user, which.conversation, which.outcome, &which.rule, limit, offset],
        )
        .await?;
    let (count,): (i64,) = conn
        .one(
            sql!(
                "SELECT COUNT(*) FROM gmail_decisions
                 WHERE user_id = $1 AND (CAST($2 AS BIGINT) IS NULL OR conversation_id = $2)
                    AND (CAST($3 AS TEXT) IS NULL OR outcome = $3) AND (CAST($4 AS TEXT) IS NULL OR rule = $4)"
            ),
            args![user, which.conversation, which.outcome, &which.rule],
        )
        .await?;
    Ok((rows, count))
}
