//! SQL on messages that are on their way out: their order, their parts, and those that failed.

use std::collections::BTreeSet;

use db::{Conn, Result, Tx, args, sql};
use kernel::Timestamp;

use super::{MessageRow, messages};

/// Whether an earlier message of the session is still on its way.
pub(crate) async fn has_queued_before(conn: &mut Conn, session: &str, seq: i64) -> Result<bool> {
    let found: Option<(i64,)> = conn
        .opt(
            sql!(
                "SELECT seq FROM desk_messages WHERE session_id = $1 AND seq < $2 AND status = 'queued' LIMIT 1"
            ),
            args![session, seq],
        )
        .await?;
    Ok(found.is_some())
}

/// The first message of the session that is on its way.
pub(crate) async fn first_queued(conn: &mut Conn, session: &str) -> Result<Option<String>> {
    let found: Option<(String,)> = conn
        .opt(
            sql!(
                "SELECT id FROM desk_messages WHERE session_id = $1 AND status = 'queued' ORDER BY seq LIMIT 1"
            ),
            args![session],
        )
        .await?;
    Ok(found.map(|(id,)| id))
}

/// How many messages of the session are on their way, each counted once.
pub(crate) async fn queued(conn: &mut Conn, session: &str) -> Result<i64> {
    let (count,) = conn
        .one(
            sql!("SELECT COUNT(*) FROM desk_messages WHERE session_id = $1 AND status = 'queued'"),
            args![session],
        )
        .await?;
    Ok(count)
}

/// The parts of a message that have left, from 0.
pub(crate) async fn parts(conn: &mut Conn, message: &str) -> Result<BTreeSet<i64>> {
    let rows: Vec<(i64,)> =
        conn.all(sql!("SELECT part FROM desk_parts WHERE message_id = $1"), args![message]).await?;
    Ok(rows.into_iter().map(|(part,)| part).collect())
}

/// Notes that a part has left; whether it was not noted before.
pub(crate) async fn part_left(tx: &mut Tx, message: &str, part: i64, now: Timestamp) -> Result<bool> {
    let noted = tx
        .exec(
            sql!(
                "INSERT INTO desk_parts (message_id, part, sent_at) VALUES ($1, $2, $3)
                 ON CONFLICT (message_id, part) DO NOTHING"
            ),
            args![message, part, now],
        )
        .await?;
    Ok(noted == 1)
}

/// Messages that did not reach their customers, the newest first, older than `before`; of all agents or of one.
pub(crate) async fn failed(
    conn: &mut Conn,
    sender: Option<&str>,
    before: Option<&str>,
    limit: i64,
) -> Result<Vec<MessageRow>> {
    conn.all(
        sql!(concat!(
            "SELECT ",
            messages::columns!(),
            " FROM desk_messages WHERE status = 'failed' AND (CAST($1 AS TEXT) IS NULL OR sender_id = $1)
                AND (CAST($2 AS TEXT) IS NULL OR id < $2)
             ORDER BY id DESC LIMIT $3"
        )),
        args![sender, before, limit],
    )
    .await
}

/// The channel's id of the customer's last message in a session.
pub(crate) async fn last_of_customer(conn: &mut Conn, session: &str) -> Result<Option<String>> {
    let found: Option<(Option<String>,)> = conn
        .opt(
            sql!(
                "SELECT external_id FROM desk_messages
                 WHERE session_id = $1 AND seq = (SELECT last_customer_seq FROM desk_sessions WHERE id = $1)"
            ),
            args![session],
        )
        .await?;
    Ok(found.and_then(|(id,)| id))
}
