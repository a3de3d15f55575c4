//! `POST /sessions/{sessionId}/summary`

use axum::extract::State;
use httpkit::{DeskEnvelope, DeskReply, PathId, Refusals, desk_ok};

use crate::{Desk, auth::Agent, turn::Summary};

/// Sum a session up
///
/// Its last messages: where it stands, what was agreed, what is open. For whoever takes over; the customer gets
/// nothing of it.
#[utoipa::path(post, path = "/sessions/{sessionId}/summary", tag = "desk",
    params(("sessionId" = String, Path, description = "`sess_…`")),
    responses((status = 200, body = DeskEnvelope<Summary>), Refusals))]
pub(super) async fn summary(
    State(desk): State<Desk>,
    agent: Agent,
    PathId(id): PathId,
) -> DeskReply<Summary> {
    desk_ok(desk.summary(&agent, &id).await?)
}
