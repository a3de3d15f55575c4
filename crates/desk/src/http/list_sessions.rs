//! `GET /sessions`

use axum::extract::State;
use httpkit::{DeskEnvelope, DeskReply, Query, Refusals, desk_ok, text};

use crate::{
    Desk,
    auth::Agent,
    model::{ChannelType, Status},
    store::{self, Filter},
    view::SessionInfo,
};

/// So many sessions, unless told.
const DEFAULT: i64 = 100;
/// The most sessions.
const MOST: i64 = 500;

/// List sessions
///
/// The newest first. Agents see what is theirs and what is nobody's yet; supervisors see all. `before` (a session's
/// id) reads on.
#[utoipa::path(get, path = "/sessions", tag = "desk",
    params(
        ("status" = inline(Option<Status>), Query),
        ("csId" = Option<String>, Query, description = "Who answers", max_length = 64),
        ("channelType" = inline(Option<ChannelType>), Query),
        ("before" = Option<String>, Query, description = "Only older sessions than this", max_length = 64),
        ("limit" = Option<i64>, Query, description = "1 to 500, default 100", minimum = 1, maximum = 500)),
    responses((status = 200, body = DeskEnvelope<Vec<SessionInfo>>), Refusals))]
pub(super) async fn list_sessions(
    State(desk): State<Desk>,
    agent: Agent,
    mut query: Query,
) -> DeskReply<Vec<SessionInfo>> {
    let f = &mut query.0;
    let status: Option<Status> = f.optional("status");
    let owner: Option<text::Line<64>> = f.optional("csId");
    let channel_type: Option<ChannelType> = f.optional("channelType");
    let before: Option<text::Line<64>> = f.optional("before");
    let limit = f.optional::<i64>("limit").unwrap_or(DEFAULT);
    if !(1..=MOST).contains(&limit) {
        f.bad("limit", format!("must be a whole number from 1 to {MOST}"));
    }
    query.0.finish()?;
    let filter = Filter {
        status,
        owner: owner.as_ref().map(|owner| owner.0.as_str()),
        channel_type,
        seen_by: agent.id.as_deref().filter(|_| !agent.supervisor),
        before: before.as_ref().map(|before| before.0.as_str()),
        limit,
    };
    let rows = store::list(&mut desk.db().read().await?, &filter).await?;
    desk_ok(rows.iter().map(SessionInfo::from).collect())
}
