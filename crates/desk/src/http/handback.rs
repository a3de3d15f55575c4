//! `POST /sessions/{sessionId}/handback`

use axum::extract::State;
use httpkit::{DeskEnvelope, DeskReply, PathId, Refusals, desk_ok};

use crate::{Desk, auth::Agent, model::Command, view::SessionInfo};

/// Give a session back to the assistant
///
/// From `manual` by its agent or a supervisor, from `pending` by any. The assistant reads what was said meanwhile.
#[utoipa::path(post, path = "/sessions/{sessionId}/handback", tag = "desk",
    params(("sessionId" = String, Path, description = "`sess_…`")),
    responses((status = 200, body = DeskEnvelope<SessionInfo>), Refusals))]
pub(super) async fn hand_back_session(
    State(desk): State<Desk>,
    agent: Agent,
    PathId(id): PathId,
) -> DeskReply<SessionInfo> {
    let row = desk.command(&agent, &agent.actor(None), &id, &Command::HandBack).await?;
    desk_ok(SessionInfo::from(&row))
}
