//! `POST /sessions/{sessionId}/transfer`

use axum::extract::State;
use httpkit::{Body, DeskEnvelope, DeskReply, PathId, Refusals, desk_ok, text};
use utoipa::ToSchema;

use super::MAX_NOTE;
use crate::{Desk, auth::Agent, model::Command, ops::With, view::SessionInfo};

/// Who gets the session.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "documents the body, which is read field by field")]
pub(super) struct TransferRequest {
    /// The agent who gets it.
    #[schema(max_length = 64)]
    cs_id: String,
    /// For them; the customer does not see it.
    #[schema(max_length = 2000)]
    note: Option<String>,
    /// Even if they are not online or have no room; for supervisors.
    #[schema(default = false)]
    force: Option<bool>,
}

/// Transfer a session to another agent
///
/// In `manual`, by its agent or a supervisor. The other agent must be online, with fewer sessions than they may have;
/// otherwise 422 says why. To whom it belongs already goes the note alone.
#[utoipa::path(post, path = "/sessions/{sessionId}/transfer", tag = "desk", request_body = TransferRequest,
    params(("sessionId" = String, Path, description = "`sess_…`")),
    responses((status = 200, body = DeskEnvelope<SessionInfo>), Refusals))]
pub(super) async fn transfer_session(
    State(desk): State<Desk>,
    agent: Agent,
    PathId(id): PathId,
    Body(mut f): Body,
) -> DeskReply<SessionInfo> {
    let text::Line(to) = f.required::<text::Line<64>>("csId");
    let note = f.optional::<text::Lines<MAX_NOTE>>("note").map(|note| note.0);
    let force = f.optional("force").unwrap_or(false);
    f.finish()?;
    let command = Command::Transfer { to };
    let with = With { note, force };
    let row = desk.command_with(&agent, &agent.actor(None), &id, &command, &with).await?;
    desk_ok(SessionInfo::from(&row))
}
