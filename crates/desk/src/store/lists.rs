//! SQL for the lists of sessions and messages.

use db::{Conn, Result, args, sql};

use super::{messages, sessions};
use crate::{
    model::{ChannelType, Status},
    store::{MessageRow, SessionRow},
};

/// What a list of sessions is narrowed to.
#[derive(Debug, Default)]
pub(crate) struct Filter<'a> {
    pub(crate) status: Option<Status>,
    pub(crate) owner: Option<&'a str>,
    pub(crate) channel_type: Option<ChannelType>,
    /// Only those that this agent may see: waiting, with the assistant, or their own.
    pub(crate) seen_by: Option<&'a str>,
    pub(crate) label: Option<&'a str>,
    /// Only those who wait, the next first.
    pub(crate) queue: bool,
    /// Sessions older than this one.
    pub(crate) before: Option<&'a str>,
    pub(crate) limit: i64,
}

/// What else a list is narrowed by; `$1` and `$2`.
macro_rules! narrowed {
    () => {
        " AND (CAST($1 AS TEXT) IS NULL OR channel_type = $1)
          AND (CAST($2 AS TEXT) IS NULL OR EXISTS (SELECT 1 FROM desk_session_labels
             WHERE session_id = desk_sessions.id AND label = $2))"
    };
}

/// Sessions, the newest first, or as they wait. State by state, each along an index: among a million closed sessions the few
/// that wait are as near as ever. `conn` is a snapshot, so that none is missed on its way from state to state.
pub(crate) async fn list(conn: &mut Conn, f: &Filter<'_>) -> Result<Vec<SessionRow>> {
    if f.queue {
        if f.owner.is_some() || f.status.is_some_and(|status| status != Status::Pending) {
            return Ok(Vec::new());
        }
        return conn
            .all(
                sql!(concat!(
                    "SELECT ",
                    sessions::columns!(),
                    " FROM desk_sessions WHERE status = 'pending'",
                    narrowed!(),
                    " ORDER BY priority DESC, waiting_since, id LIMIT $3"
                )),
                args![f.channel_type, f.label, f.limit],
            )
            .await;
    }
    let mut rows: Vec<SessionRow> = Vec::new();
    for status in [Status::Ai, Status::Pending, Status::Manual, Status::Closed] {
        if f.status.is_some_and(|wanted| wanted != status) {
            continue;
        }
        let is_somebodys = matches!(status, Status::Manual | Status::Closed);
        let owner = match (f.owner, f.seen_by.filter(|_| is_somebodys)) {
            (Some(wanted), Some(agent)) if wanted != agent => continue,
            (Some(owner), _) | (None, Some(owner)) => Some(owner),
            (None, None) => None,
        };
        rows.extend(of_status(conn, f, status, owner).await?);
    }
    rows.sort_unstable_by(|a, b| b.id.cmp(&a.id));
    rows.truncate(usize::try_from(f.limit).unwrap_or(usize::MAX));
    Ok(rows)
}

async fn of_status(
    conn: &mut Conn,
    f: &Filter<'_>,
    status: Status,
    owner: Option<&str>,
) -> Result<Vec<SessionRow>> {
    let Some(owner) = owner else {
        return conn
            .all(
                sql!(concat!(
                    "SELECT ",
                    sessions::columns!(),
                    " FROM desk_sessions WHERE status = $3",
                    narrowed!(),
                    " AND (CAST($4 AS TEXT) IS NULL OR id < $4) ORDER BY id DESC LIMIT $5"
                )),
                args![f.channel_type, f.label, status, f.before, f.limit],
            )
            .await;
    };
    conn.all(
        sql!(concat!(
            "SELECT ",
            sessions::columns!(),
            " FROM desk_sessions WHERE manual_cs_id = $6 AND status = $3",
            narrowed!(),
            " AND (CAST($4 AS TEXT) IS NULL OR id < $4) ORDER BY id DESC LIMIT $5"
        )),
        args![f.channel_type, f.label, status, f.before, f.limit, owner],
    )
    .await
}

/// The sessions that are not closed and that an agent may see (`None`: all), the newest first.
pub(crate) async fn open_sessions(
    conn: &mut Conn,
    seen_by: Option<&str>,
    limit: i64,
) -> Result<Vec<SessionRow>> {
    conn.all(
        sql!(concat!(
            "SELECT ",
            sessions::columns!(),
            " FROM desk_sessions WHERE status IN ('ai', 'pending', 'manual')
                AND (CAST($1 AS TEXT) IS NULL OR manual_cs_id = $1 OR manual_cs_id IS NULL)
             ORDER BY id DESC LIMIT $2"
        )),
        args![seen_by, limit],
    )
    .await
}

/// A session's messages from one number on, in order.
pub(crate) async fn history(
    conn: &mut Conn,
    session: &str,
    after: i64,
    limit: i64,
) -> Result<Vec<MessageRow>> {
    conn.all(
        sql!(concat!(
            "SELECT ",
            messages::columns!(),
            " FROM desk_messages WHERE session_id = $1 AND seq > $2 ORDER BY seq LIMIT $3"
        )),
        args![session, after, limit],
    )
    .await
}

/// The last of a session's messages between two numbers, both excluded, in order.
pub(crate) async fn history_before(
    conn: &mut Conn,
    session: &str,
    (after, before): (i64, i64),
    limit: i64,
) -> Result<Vec<MessageRow>> {
    let mut rows: Vec<MessageRow> = conn
        .all(
            sql!(concat!(
                "SELECT ",
                messages::columns!(),
                " FROM desk_messages WHERE session_id = $1 AND seq > $2 AND seq < $3 ORDER BY seq DESC LIMIT $4"
            )),
            args![session, after, before, limit],
        )
        .await?;
    rows.reverse();
    Ok(rows)
}
