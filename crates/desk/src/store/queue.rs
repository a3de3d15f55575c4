//! SQL for the queue: who waits for a person, in which order, and who knew them.

use db::{Conn, Result, Tx, args, sql};
use kernel::Timestamp;

use super::{SessionRow, sessions};

/// Those who wait, the next first, at most so many.
pub(crate) async fn waiting(conn: &mut Conn, limit: i64) -> Result<Vec<String>> {
    let rows: Vec<(String,)> = conn
        .all(
            sql!(
                "SELECT id FROM desk_sessions WHERE status = 'pending'
                 ORDER BY priority DESC, waiting_since, id LIMIT $1"
            ),
            args![limit],
        )
        .await?;
    Ok(rows.into_iter().map(|(id,)| id).collect())
}

/// Those of these sessions that still wait, locked by their ids, given back the next first.
pub(crate) async fn lock_waiting(tx: &mut Tx, ids: &[String]) -> Result<Vec<SessionRow>> {
    let mut rows: Vec<SessionRow> = tx
        .all(
            sql!(
                sqlite: concat!("SELECT ", sessions::columns!(), " FROM desk_sessions
                         WHERE id IN (SELECT value FROM json_each($1)) AND status = 'pending' ORDER BY id"),
                postgres: concat!("SELECT ", sessions::columns!(), " FROM desk_sessions
                           WHERE id = ANY($1) AND status = 'pending' ORDER BY id FOR UPDATE")
            ),
            args![ids],
        )
        .await?;
    rows.sort_by(|a, b| {
        let key = |row: &SessionRow| (std::cmp::Reverse(row.priority), row.waiting_since, row.id.clone());
        key(a).cmp(&key(b))
    });
    Ok(rows)
}

/// The places in the queue of those of these sessions that wait, from 1.
pub(crate) async fn positions(conn: &mut Conn, ids: Vec<&str>) -> Result<Vec<(String, i64)>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    conn.all(
        sql!(
            sqlite: "SELECT id, place FROM (SELECT id, ROW_NUMBER() OVER
                        (ORDER BY priority DESC, waiting_since, id) AS place
                        FROM desk_sessions WHERE status = 'pending') AS queue
                     WHERE id IN (SELECT value FROM json_each($1))",
            postgres: "SELECT id, place FROM (SELECT id, ROW_NUMBER() OVER
                          (ORDER BY priority DESC, waiting_since, id) AS place
                          FROM desk_sessions WHERE status = 'pending') AS queue
                       WHERE id = ANY($1)"
        ),
        args![ids],
    )
    .await
}

/// The person who last had a session of this one's customer.
pub(crate) async fn last_agent(conn: &mut Conn, row: &SessionRow) -> Result<Option<String>> {
    let last: Option<(Option<String>,)> = conn
        .opt(
            sql!(
                "SELECT manual_cs_id FROM desk_sessions
                 WHERE account_id = $1 AND customer_id = $2 AND kf_id = $3 AND id < $4 AND manual_cs_id IS NOT NULL
                 ORDER BY id DESC LIMIT 1"
            ),
            args![&row.account_id, &row.customer_id, &row.kf_id, &row.id],
        )
        .await?;
    Ok(last.and_then(|(agent,)| agent))
}

/// The customer waits from now on, unless they did.
pub(crate) async fn waits(tx: &mut Tx, row: &mut SessionRow, now: Timestamp) -> Result<()> {
    row.waiting_since = row.waiting_since.or(Some(now));
    if row.first_response_at.is_none() {
        // Somebody took over while nobody waited: the wait for their first answer begins here.
        row.handed_over_at = row.handed_over_at.max(row.waiting_since);
    }
    tx.exec(
        sql!("UPDATE desk_sessions SET waiting_since = $2, handed_over_at = $3 WHERE id = $1"),
        args![&row.id, row.waiting_since, row.handed_over_at],
    )
    .await
    .map(drop)
}

/// How soon a locked session's customer is served.
pub(crate) async fn set_priority(
    tx: &mut Tx,
    row: &mut SessionRow,
    priority: i64,
    now: Timestamp,
) -> Result<()> {
    (row.priority, row.updated_at) = (priority, now);
    tx.exec(
        sql!("UPDATE desk_sessions SET priority = $2, updated_at = $3 WHERE id = $1"),
        args![&row.id, priority, now],
    )
    .await
    .map(drop)
}

/// The number and time of the last thing that either side said in a session, notices of the desk aside.
pub(crate) async fn last_spoken(conn: &mut Conn, session: &str) -> Result<Option<(i64, Timestamp)>> {
    conn.opt(
        sql!(
            "SELECT seq, created_at FROM desk_messages
             WHERE session_id = $1 AND sender_type <> 'system' AND status <> 'internal' ORDER BY seq DESC LIMIT 1"
        ),
        args![session],
    )
    .await
}
