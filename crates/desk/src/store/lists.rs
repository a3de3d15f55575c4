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

/// What a list is narrowed by; `$5`, `$6` and the limit differ.
macro_rules! narrowed {
    () => {
        " FROM desk_sessions
         WHERE (CAST($1 AS TEXT) IS NULL OR status = $1) AND (CAST($2 AS TEXT) IS NULL OR manual_cs_id = $2)
            AND (CAST($3 AS TEXT) IS NULL OR channel_type = $3)
            AND (CAST($4 AS TEXT) IS NULL OR manual_cs_id = $4 OR status IN ('ai', 'pending'))
            AND (CAST($5 AS TEXT) IS NULL OR EXISTS (SELECT 1 FROM desk_session_labels
                WHERE session_id = desk_sessions.id AND label = $5))"
    };
}

/// Sessions, the newest first, or as they wait.
pub(crate) async fn list(conn: &mut Conn, f: &Filter<'_>) -> Result<Vec<SessionRow>> {
    if f.queue {
        return conn
            .all(
                sql!(concat!(
                    "SELECT ",
                    sessions::columns!(),
                    narrowed!(),
                    " AND status = 'pending' ORDER BY priority DESC, waiting_since, id LIMIT $6"
                )),
                args![f.status, f.owner, f.channel_type, f.seen_by, f.label, f.limit],
            )
            .await;
    }
    conn.all(
        sql!(concat!(
            "SELECT ",
            sessions::columns!(),
            narrowed!(),
            " AND (CAST($6 AS TEXT) IS NULL OR id < $6) ORDER BY id DESC LIMIT $7"
        )),
        args![f.status, f.owner, f.channel_type, f.seen_by, f.label, f.before, f.limit],
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
