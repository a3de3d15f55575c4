//! SQL on messages that are on their way out: their order, their parts, and those that failed.

use std::collections::BTreeMap;

use db::{Conn, Result, Tx, args, sql};
use kernel::Timestamp;

use super::{MessageRow, messages};

/// Takes the right to send this message of a session, until then. `None` if somebody else has it, or the message is not to
/// be sent any more; otherwise whether whoever had it was lost over this very message, which may have got through.
pub(crate) async fn take_turn(
    tx: &mut Tx,
    session: &str,
    holder: &str,
    message: &str,
    (now, until): (Timestamp, Timestamp),
) -> Result<Option<bool>> {
    let made = tx
        .exec(
            sql!(
                "INSERT INTO desk_senders (session_id, holder, message_id, until) VALUES ($1, $2, $3, $4)
                 ON CONFLICT (session_id) DO NOTHING"
            ),
            args![session, holder, message, until],
        )
        .await?;
    if made == 1 {
        return Ok(hold_queued(tx, message).await?.then_some(false));
    }
    let before: Option<(String, String, Timestamp)> = tx
        .opt(
            sql!(
                sqlite: "SELECT holder, message_id, until FROM desk_senders WHERE session_id = $1",
                postgres: "SELECT holder, message_id, until FROM desk_senders WHERE session_id = $1 FOR UPDATE"
            ),
            args![session],
        )
        .await?;
    // Given back between the two: the next attempt takes it.
    let Some((held_by, sending, until_then)) = before else { return Ok(None) };
    if held_by != holder && now < until_then {
        return Ok(None);
    }
    tx.exec(
        sql!("UPDATE desk_senders SET holder = $2, message_id = $3, until = $4 WHERE session_id = $1"),
        args![session, holder, message, until],
    )
    .await?;
    Ok(hold_queued(tx, message).await?.then_some(sending == message))
}

/// Whether a message is still to be sent: it is until the transaction ends. After the right to send, so that whoever takes
/// messages back sees either that nobody has it or who does.
async fn hold_queued(tx: &mut Tx, message: &str) -> Result<bool> {
    let queued: Option<(i64,)> = tx
        .opt(
            sql!(
                sqlite: "SELECT seq FROM desk_messages WHERE id = $1 AND status = 'queued'",
                postgres: "SELECT seq FROM desk_messages WHERE id = $1 AND status = 'queued' FOR UPDATE"
            ),
            args![message],
        )
        .await?;
    Ok(queued.is_some())
}

/// Takes back what the assistant says in a locked session and nobody has begun to send; those messages, in order.
pub(crate) async fn take_back(tx: &mut Tx, session: &str) -> Result<Vec<MessageRow>> {
    let waiting: Vec<(String,)> = tx
        .all(
            sql!(
                sqlite: "SELECT id FROM desk_messages
                         WHERE session_id = $1 AND status = 'queued' AND sender_type = 'ai' ORDER BY seq",
                postgres: "SELECT id FROM desk_messages
                           WHERE session_id = $1 AND status = 'queued' AND sender_type = 'ai' ORDER BY seq FOR UPDATE"
            ),
            args![session],
        )
        .await?;
    let mut taken = Vec::new();
    for (id,) in waiting {
        // A statement of its own: whoever was about to send it has said so since.
        let message: Option<MessageRow> = tx
            .opt(
                sql!(concat!(
                    "UPDATE desk_messages SET status = 'recalled' WHERE id = $1
                        AND NOT EXISTS (SELECT 1 FROM desk_senders WHERE session_id = $2 AND message_id = $1)
                        AND NOT EXISTS (SELECT 1 FROM desk_parts WHERE message_id = $1)
                     RETURNING ",
                    messages::columns!()
                )),
                args![&id, session],
            )
            .await?;
        taken.extend(message);
    }
    Ok(taken)
}

/// Gives the right to send back. What was being sent when a holder was lost stays known, so that it is in doubt.
pub(crate) async fn end_turn(tx: &mut Tx, session: &str, holder: &str, lost: bool) -> Result<()> {
    let sql = if lost {
        sql!("UPDATE desk_senders SET until = 0 WHERE session_id = $1 AND holder = $2")
    } else {
        sql!("DELETE FROM desk_senders WHERE session_id = $1 AND holder = $2")
    };
    tx.exec(sql, args![session, holder]).await.map(drop)
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

/// The first message on its way that comes after this number.
pub(crate) async fn next_queued(conn: &mut Conn, session: &str, seq: i64) -> Result<Option<String>> {
    let found: Option<(String,)> = conn
        .opt(
            sql!(
                "SELECT id FROM desk_messages WHERE session_id = $1 AND status = 'queued' AND seq > $2
                 ORDER BY seq LIMIT 1"
            ),
            args![session, seq],
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

db::row! {
    /// A part of a message, from 0, that WeCom took.
    #[derive(Debug)]
    pub(crate) struct PartRow {
        pub(crate) part: i64,
        /// How often it failed after that: its next id follows from it.
        pub(crate) tries: i64,
        /// It did not arrive, and is to be sent again.
        pub(crate) failed: bool,
    }
}

/// The parts of a message that WeCom took.
pub(crate) async fn parts(conn: &mut Conn, message: &str) -> Result<BTreeMap<i64, PartRow>> {
    let rows: Vec<PartRow> = conn
        .all(sql!("SELECT part, tries, failed FROM desk_parts WHERE message_id = $1"), args![message])
        .await?;
    Ok(rows.into_iter().map(|row| (row.part, row)).collect())
}

/// Notes that this try of a part has left; whether it was not noted before.
pub(crate) async fn part_left(
    tx: &mut Tx,
    message: &str,
    (part, tries): (i64, i64),
    now: Timestamp,
) -> Result<bool> {
    let noted = tx
        .exec(
            sql!(
                "INSERT INTO desk_parts (message_id, part, sent_at, tries, failed) VALUES ($1, $2, $3, $4, FALSE)
                 ON CONFLICT (message_id, part) DO UPDATE SET sent_at = excluded.sent_at, failed = FALSE
                 WHERE desk_parts.failed AND desk_parts.tries = excluded.tries"
            ),
            args![message, part, now, tries],
        )
        .await?;
    Ok(noted == 1)
}

/// Notes that this try of a part did not arrive, which may be known before it is known to have left; whether that is news.
pub(crate) async fn part_failed(
    tx: &mut Tx,
    message: &str,
    (part, tries): (i64, i64),
    now: Timestamp,
) -> Result<bool> {
    let next = tries.saturating_add(1);
    let noted = tx
        .exec(
            sql!(
                "INSERT INTO desk_parts (message_id, part, sent_at, tries, failed) VALUES ($1, $2, $3, $4, TRUE)
                 ON CONFLICT (message_id, part) DO UPDATE SET tries = excluded.tries, failed = TRUE
                 WHERE desk_parts.tries = $5"
            ),
            args![message, part, now, next, tries],
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
