//! `POST /sessions/{sessionId}/close`

use axum::extract::State;
use httpkit::{DeskEnvelope, DeskReply, PathId, Refusals, desk_ok};

use crate::{Desk, auth::Agent, model::Command, view::SessionInfo};

/// Close a session
///
/// From any state; closing again changes nothing; 404 to whoever may not see it by then. In `manual` by its agent or a supervisor. A customer who writes
/// again opens a new session.
#[utoipa::path(post, path = "/sessions/{sessionId}/close", tag = "desk",
    params(("sessionId" = String, Path, description = "`sess_…`")),
    responses((status = 200, body = DeskEnvelope<SessionInfo>), Refusals))]
pub(super) async fn close_session(
    State(desk): State<Desk>,
    agent: Agent,
    PathId(id): PathId,
) -> DeskReply<SessionInfo> {
    let row = desk.command(&agent, &agent.actor(None), &id, &Command::Close).await?;
    desk_ok(SessionInfo::from(&row))
}
