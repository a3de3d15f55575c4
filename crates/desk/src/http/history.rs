//! `GET /sessions/{sessionId}/history`

use axum::extract::State;
use httpkit::{DeskEnvelope, DeskReply, PathId, Query, Refusals, desk_ok};

use crate::{Desk, auth::Agent, store, supervise, view::MessageInfo};

/// The most messages of one answer; whoever names no limit gets the whole list of any session that people had.
const MOST: i64 = 10_000;

/// Read a session's messages
///
/// In order. `after` (a message's `seqNo`) and `limit` read it page by page: numbers have no gaps and never change,
/// so nothing is missed or seen twice whatever arrives meanwhile. With `before` the last messages before that one are
/// read, for scrolling back; they are in order, too.
#[utoipa::path(get, path = "/sessions/{sessionId}/history", tag = "desk",
    params(
        ("sessionId" = String, Path, description = "`sess_…`"),
        ("after" = Option<i64>, Query, description = "Only messages after this `seqNo`", minimum = 0),
        ("before" = Option<i64>, Query, description = "The last messages before this `seqNo`", minimum = 1),
        ("limit" = Option<i64>, Query, description = "1 to 10000, default 10000", minimum = 1, maximum = 10000)),
    responses((status = 200, body = DeskEnvelope<Vec<MessageInfo>>), Refusals))]
pub(super) async fn history(
    State(desk): State<Desk>,
    agent: Agent,
    PathId(id): PathId,
    mut query: Query,
) -> DeskReply<Vec<MessageInfo>> {
    let f = &mut query.0;
    let after = f.optional::<i64>("after").unwrap_or(0);
    let before = f.optional::<i64>("before");
    if before.is_some_and(|before| before < 1) {
        f.bad("before", "must be a whole number from 1");
    }
    if after < 0 {
        f.bad("after", "must be a whole number from 0");
    }
    let limit = f.optional::<i64>("limit").unwrap_or(MOST);
    if !(1..=MOST).contains(&limit) {
        f.bad("limit", format!("must be a whole number from 1 to {MOST}"));
    }
    query.0.finish()?;
    let session = desk.visible(&agent, &id).await?;
    let mut conn = desk.db().read().await?;
    let rows = match before {
        None => store::history(&mut conn, &session.id, after, limit).await?,
        Some(before) => store::history_before(&mut conn, &session.id, (after, before), limit).await?,
    };
    desk_ok(rows.iter().map(|row| supervise::shown(&agent, row)).collect())
}
