//! SQL on `desk_sla`: the waits that had a target, and what became of them.

use db::{Conn, Result, Tx, args, sql};
use kernel::Timestamp;

db::row! {
    /// A wait with a target.
    #[derive(Debug, Clone)]
    pub(crate) struct SlaRow {
        pub(crate) id: String,
        pub(crate) session_id: String,
        /// `first_response` or `next_response`
        pub(crate) kind: String,
        pub(crate) since: Timestamp,
        pub(crate) due_at: Timestamp,
        /// When it was over; `None` while the customer waits.
        pub(crate) ended_at: Option<Timestamp>,
        pub(crate) breached_at: Option<Timestamp>,
    }
}

/// The columns of an [`SlaRow`].
macro_rules! columns {
    () => {
        "id, session_id, kind, since, due_at, ended_at, breached_at"
    };
}

/// The wait of a session that is not over.
pub(crate) async fn open_wait(conn: &mut Conn, session: &str) -> Result<Option<SlaRow>> {
    conn.opt(
        sql!(concat!(
            "SELECT ",
            columns!(),
            " FROM desk_sla WHERE session_id = $1 AND ended_at IS NULL ORDER BY id LIMIT 1"
        )),
        args![session],
    )
    .await
}

/// A wait.
pub(crate) async fn wait(conn: &mut Conn, id: &str) -> Result<Option<SlaRow>> {
    conn.opt(sql!(concat!("SELECT ", columns!(), " FROM desk_sla WHERE id = $1")), args![id]).await
}

/// A locked session's customer waits, with a target.
pub(crate) async fn begin_wait(
    tx: &mut Tx,
    id: &str,
    session: &str,
    kind: &str,
    (since, due_at): (Timestamp, Timestamp),
) -> Result<()> {
    tx.exec(
        sql!("INSERT INTO desk_sla (id, session_id, kind, since, due_at, answered) VALUES ($1, $2, $3, $4, $5, $6)"),
        args![id, session, kind, since, due_at, false],
    )
    .await
    .map(drop)
}

/// The wait of a locked session is over: it was answered, or there is nobody any more who waits.
pub(crate) async fn end_wait(tx: &mut Tx, session: &str, answered: bool, now: Timestamp) -> Result<()> {
    tx.exec(
        sql!("UPDATE desk_sla SET ended_at = $2, answered = $3 WHERE session_id = $1 AND ended_at IS NULL"),
        args![session, now, answered],
    )
    .await
    .map(drop)
}

/// A wait's target has become another.
pub(crate) async fn move_wait(tx: &mut Tx, id: &str, due_at: Timestamp) -> Result<()> {
    tx.exec(sql!("UPDATE desk_sla SET due_at = $2 WHERE id = $1"), args![id, due_at]).await.map(drop)
}

/// A wait is longer than its target; who has the session then. Whether that is news.
pub(crate) async fn breach(tx: &mut Tx, id: &str, agent: Option<&str>, now: Timestamp) -> Result<bool> {
    let new = tx
        .exec(
            sql!(
                "UPDATE desk_sla SET breached_at = $2, agent_id = $3
                 WHERE id = $1 AND breached_at IS NULL AND ended_at IS NULL"
            ),
            args![id, now, agent],
        )
        .await?;
    Ok(new == 1)
}
