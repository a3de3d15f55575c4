//! SQL on `gmail_goals`: what people want to reach in their conversations.

use db::{Conn, Result, Tx, args, sql};
use kernel::Timestamp;

use crate::model::GoalState;

db::row! {
    /// What somebody wants to reach.
    #[derive(Debug, Clone)]
    pub(crate) struct GoalRow {
        pub(crate) id: i64,
        pub(crate) user_id: String,
        pub(crate) conversation_id: i64,
        pub(crate) goal_description: String,
        /// 1 to 5; 5 is the highest.
        pub(crate) priority: i64,
        pub(crate) auto_reply: bool,
        /// Whether it is worked towards.
        pub(crate) active: bool,
        pub(crate) progress: GoalState,
        /// Why it stands there.
        pub(crate) progress_note: Option<String>,
        pub(crate) reached_at: Option<Timestamp>,
        /// How its owner wants to be spoken for.
        pub(crate) instructions: Option<String>,
        /// A JSON list of days.
        pub(crate) follow_up_days: String,
        /// Since the counterpart wrote last.
        pub(crate) follow_ups_sent: i64,
        pub(crate) created_at: Timestamp,
        pub(crate) updated_at: Timestamp,
    }
}

/// The columns of a [`GoalRow`].
macro_rules! columns {
    () => {
        "id, user_id, conversation_id, goal_description, priority, auto_reply, active, progress, progress_note, reached_at,
         instructions, follow_up_days, follow_ups_sent, created_at, updated_at"
    };
}

/// A user's by its id.
pub(crate) async fn goal(conn: &mut Conn, user: &str, id: i64) -> Result<Option<GoalRow>> {
    conn.opt(
        sql!(concat!("SELECT ", columns!(), " FROM gmail_goals WHERE id = $1 AND user_id = $2")),
        args![id, user],
    )
    .await
}

/// A page of a user's, of one conversation or of all, active or not or both; the newest first. With how many there are.
pub(crate) async fn goals(
    conn: &mut Conn,
    user: &str,
    conversation: Option<i64>,
    active: Option<bool>,
    (limit, offset): (i64, i64),
) -> Result<(Vec<GoalRow>, i64)> {
    let rows = conn
        .all(
            sql!(concat!(
                "SELECT ",
                columns!(),
                " FROM gmail_goals WHERE user_id = $1
                    AND (CAST($2 AS BIGINT) IS NULL OR conversation_id = $2)
                    AND (CAST($3 AS BOOLEAN) IS NULL OR active = $3)
                  ORDER BY id DESC LIMIT $4 OFFSET $5"
            )),
            args![user, conversation, active, limit, offset],
        )
        .await?;
    let (count,): (i64,) = conn
        .one(
            sql!(
                "SELECT COUNT(*) FROM gmail_goals WHERE user_id = $1
                    AND (CAST($2 AS BIGINT) IS NULL OR conversation_id = $2)
                    AND (CAST($3 AS BOOLEAN) IS NULL OR active = $3)"
            ),
            args![user, conversation, active],
        )
        .await?;
    Ok((rows, count))
}

/// How many a conversation has, whatever they are like.
pub(crate) async fn count_goals(conn: &mut Conn, conversation: i64) -> Result<i64> {
    let (count,): (i64,) = conn
        .one(sql!("SELECT COUNT(*) FROM gmail_goals WHERE conversation_id = $1"), args![conversation])
        .await?;
    Ok(count)
}

/// The one that a conversation is led by: of those that are active and not over the one with the highest priority, of
/// several the newest.
pub(crate) async fn leading_goal(conn: &mut Conn, conversation: i64) -> Result<Option<GoalRow>> {
    conn.opt(
        sql!(concat!(
            "SELECT ",
            columns!(),
            " FROM gmail_goals WHERE conversation_id = $1 AND active = TRUE AND progress IN ('open', 'advanced')
             ORDER BY priority DESC, id DESC LIMIT 1"
        )),
        args![conversation],
    )
    .await
}

/// Whether a conversation has an active goal that is over.
pub(crate) async fn has_goal_over(conn: &mut Conn, conversation: i64) -> Result<bool> {
    let row: Option<(i64,)> = conn
        .opt(
            sql!(
                "SELECT id FROM gmail_goals WHERE conversation_id = $1 AND active = TRUE
                    AND progress IN ('reached', 'failed') LIMIT 1"
            ),
            args![conversation],
        )
        .await?;
    Ok(row.is_some())
}

/// Adds one.
pub(crate) async fn insert_goal(tx: &mut Tx, g: &GoalRow) -> Result<()> {
    tx.exec(
        sql!(concat!(
            "INSERT INTO gmail_goals (",
            columns!(),
            ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)"
        )),
        args![
            g.id,
            &g.user_id,
            g.conversation_id,
            &g.goal_description,
            g.priority,
            g.auto_reply,
            g.active,
            g.progress,
            &g.progress_note,
            g.reached_at,
            &g.instructions,
            &g.follow_up_days,
            g.follow_ups_sent,
            g.created_at,
            g.updated_at
        ],
    )
    .await
    .map(drop)
}

/// Stores all that may change of one.
pub(crate) async fn update_goal(tx: &mut Tx, g: &GoalRow) -> Result<()> {
    tx.exec(
        sql!(
            "UPDATE gmail_goals SET goal_description = $2, priority = $3, auto_reply = $4, active = $5, progress = $6,
                progress_note = $7, reached_at = $8, instructions = $9, follow_up_days = $10, follow_ups_sent = $11,
                updated_at = $12
             WHERE id = $1"
        ),
        args![
            g.id,
            &g.goal_description,
            g.priority,
            g.auto_reply,
            g.active,
            g.progress,
            &g.progress_note,
            g.reached_at,
            &g.instructions,
            &g.follow_up_days,
            g.follow_ups_sent,
            g.updated_at
        ],
    )
    .await
    .map(drop)
}

/// Removes one.
pub(crate) async fn delete_goal(tx: &mut Tx, id: i64) -> Result<()> {
    tx.exec(sql!("DELETE FROM gmail_goals WHERE id = $1"), args![id]).await.map(drop)
}

/// The counterpart wrote: follow-ups begin anew.
pub(crate) async fn reset_follow_ups(tx: &mut Tx, conversation: i64, now: Timestamp) -> Result<()> {
    tx.exec(
        sql!(
            "UPDATE gmail_goals SET follow_ups_sent = 0, updated_at = $2
             WHERE conversation_id = $1 AND follow_ups_sent > 0"
        ),
        args![conversation, now],
    )
    .await
    .map(drop)
}

/// Until when the counterpart is away; `None`: they are back.
pub(crate) async fn set_away(
    tx: &mut Tx,
    conversation: i64,
    until: Option<Timestamp>,
    now: Timestamp,
) -> Result<()> {
    tx.exec(
        sql!("UPDATE gmail_conversations SET away_until = $2, updated_at = $3 WHERE id = $1"),
        args![conversation, until, now],
    )
    .await
    .map(drop)
}

/// A person is to look: nothing more goes out by itself.
pub(crate) async fn hold_conversation(tx: &mut Tx, conversation: i64, now: Timestamp) -> Result<()> {
    tx.exec(
        sql!("UPDATE gmail_conversations SET held = TRUE, updated_at = $2 WHERE id = $1 AND held = FALSE"),
        args![conversation, now],
    )
    .await
    .map(drop)
}
