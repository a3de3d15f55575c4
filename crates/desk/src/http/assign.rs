//! `POST /sessions/{sessionId}/assign`

use axum::extract::State;
use httpkit::{Body, DeskEnvelope, DeskReply, PathId, Refusals, desk_ok, text};
use utoipa::ToSchema;

use crate::{Desk, auth::Agent, view::SessionInfo};

/// Who is to have the session.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "documents the body, which is read field by field")]
pub(super) struct AssignRequest {
    /// The agent's id.
    #[schema(max_length = 64)]
    cs_id: String,
    /// For the record.
    #[schema(max_length = 500)]
    reason: Option<String>,
}

/// Give a session to an agent
///
/// For supervisors. From the assistant, the queue or another agent; the reason is in the audit log. To whom it belongs
/// already, nothing changes.
#[utoipa::path(post, path = "/sessions/{sessionId}/assign", tag = "desk", request_body = AssignRequest,
    params(("sessionId" = String, Path, description = "`sess_…`")),
    responses((status = 200, body = DeskEnvelope<SessionInfo>), Refusals))]
pub(super) async fn assign_session(
    State(desk): State<Desk>,
    agent: Agent,
    PathId(id): PathId,
    Body(mut f): Body,
) -> DeskReply<SessionInfo> {
    let text::Line(cs_id) = f.required::<text::Line<64>>("csId");
    let reason = f.optional::<text::Line<500>>("reason").map(|reason| reason.0);
    f.finish()?;
    desk_ok(SessionInfo::from(&desk.assign(&agent, &id, cs_id, reason).await?))
}
