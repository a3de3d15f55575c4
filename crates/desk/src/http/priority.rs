//! `PUT /sessions/{sessionId}/priority`

use axum::extract::State;
use httpkit::{Body, DeskEnvelope, DeskReply, PathId, Refusals, desk_ok};
use utoipa::ToSchema;

use crate::{Desk, auth::Agent, view::SessionInfo};

/// The highest priority.
const HIGHEST: i64 = 9;

/// How soon.
#[derive(ToSchema)]
#[expect(dead_code, reason = "documents the body, which is read field by field")]
pub(super) struct PriorityRequest {
    /// The higher the sooner.
    #[schema(minimum = 0, maximum = 9)]
    priority: i64,
}

/// Set a session's priority
///
/// Among those who wait, the higher priority comes first, whoever waited longer.
#[utoipa::path(put, path = "/sessions/{sessionId}/priority", tag = "desk", request_body = PriorityRequest,
    params(("sessionId" = String, Path, description = "`sess_…`")),
    responses((status = 200, body = DeskEnvelope<SessionInfo>), Refusals))]
pub(super) async fn prioritise_session(
    State(desk): State<Desk>,
    agent: Agent,
    PathId(id): PathId,
    Body(mut f): Body,
) -> DeskReply<SessionInfo> {
    let priority: i64 = f.required("priority");
    if !(0..=HIGHEST).contains(&priority) {
        f.rule("priority", format!("must be a whole number from 0 to {HIGHEST}"));
    }
    f.finish()?;
    desk_ok(SessionInfo::from(&desk.prioritise(&agent, &id, priority).await?))
}
