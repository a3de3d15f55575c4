//! `POST /sessions/{sessionId}/release`

use axum::extract::State;
use httpkit::{DeskEnvelope, DeskReply, OptionalBody, PathId, Refusals, desk_ok, text};
use utoipa::ToSchema;

use super::MAX_NOTE;
use crate::{
    Desk,
    auth::Agent,
    model::{Command, HandoverReason},
    ops::With,
    view::SessionInfo,
};

/// Why, if anything is to be said.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "documents the body, which is read field by field")]
pub(super) struct ReleaseRequest {
    /// For whoever takes it; the customer does not see it.
    #[schema(max_length = 2000)]
    note: Option<String>,
}

/// Give a session back to the queue
///
/// In `manual`, by its agent or a supervisor. A customer who waits for an answer keeps the place.
#[utoipa::path(post, path = "/sessions/{sessionId}/release", tag = "desk", request_body = Option<ReleaseRequest>,
    params(("sessionId" = String, Path, description = "`sess_…`")),
    responses((status = 200, body = DeskEnvelope<SessionInfo>), Refusals))]
pub(super) async fn release_session(
    State(desk): State<Desk>,
    agent: Agent,
    PathId(id): PathId,
    OptionalBody(mut f): OptionalBody,
) -> DeskReply<SessionInfo> {
    let note = f.optional::<text::Lines<MAX_NOTE>>("note").map(|note| note.0);
    f.finish()?;
    let command = Command::Requeue(HandoverReason::Released);
    let with = With { note, force: false };
    let row = desk.command_with(&agent, &agent.actor(None), &id, &command, &with).await?;
    desk_ok(SessionInfo::from(&row))
}
