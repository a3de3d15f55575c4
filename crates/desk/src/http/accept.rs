//! `POST /sessions/{sessionId}/accept`

use axum::extract::State;
use httpkit::{Body, DeskEnvelope, DeskReply, PathId, Refusals, desk_ok, text};
use utoipa::ToSchema;

use crate::{Desk, auth::Agent, view::SessionInfo};

/// Who takes the session.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "documents the body, which is read field by field")]
pub(super) struct AcceptRequest {
    /// The agent's own id; a supervisor may name another.
    #[schema(max_length = 64)]
    cs_id: String,
}

/// Accept a session
///
/// From `pending` only. Of several who accept at once one wins; the others get 400 with `errors.manualCsId` naming
/// the winner. Accepting what is one's own already changes nothing. Whoever has as many sessions as they may gets 422
/// with `errors.csId`, and so does a supervisor who names nobody of the desk.
#[utoipa::path(post, path = "/sessions/{sessionId}/accept", tag = "desk", request_body = AcceptRequest,
    params(("sessionId" = String, Path, description = "`sess_…`")),
    responses((status = 200, body = DeskEnvelope<SessionInfo>), Refusals))]
pub(super) async fn accept_session(
    State(desk): State<Desk>,
    agent: Agent,
    PathId(id): PathId,
    Body(mut f): Body,
) -> DeskReply<SessionInfo> {
    let text::Line(cs_id) = f.required::<text::Line<64>>("csId");
    f.finish()?;
    let row = desk.accept(&agent, &id, &cs_id).await?;
    desk_ok(SessionInfo::from(&row))
}
