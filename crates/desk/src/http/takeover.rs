//! `POST /sessions/{sessionId}/takeover`

use axum::extract::State;
use httpkit::{DeskEnvelope, DeskReply, OptionalBody, PathId, Refusals, desk_ok, text};
use kernel::Problem;
use utoipa::ToSchema;

use crate::{Desk, auth::Agent, model::Command, view::SessionInfo};

/// Who takes over.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "documents the body, which is read field by field")]
pub(super) struct TakeOverRequest {
    /// One's own id; needed only where authentication is off.
    #[schema(max_length = 64)]
    cs_id: Option<String>,
}

/// Take a session over
///
/// From the assistant (`ai`) or out of turn (`pending`) by any agent; from another agent (`manual`) by supervisors. What
/// the assistant was about to say is not sent.
#[utoipa::path(post, path = "/sessions/{sessionId}/takeover", tag = "desk", request_body = Option<TakeOverRequest>,
    params(("sessionId" = String, Path, description = "`sess_…`")),
    responses((status = 200, body = DeskEnvelope<SessionInfo>), Refusals))]
pub(super) async fn take_over_session(
    State(desk): State<Desk>,
    agent: Agent,
    PathId(id): PathId,
    OptionalBody(mut f): OptionalBody,
) -> DeskReply<SessionInfo> {
    let named = f.optional::<text::Line<64>>("csId").map(|id| id.0);
    f.finish()?;
    let named = agent.named(named.as_deref())?;
    let actor = agent.actor(Some(&named));
    if actor.id() != Some(named.as_str()) {
        return Err(
            Problem::rule("csId", "must be your own; a session is given to others by transfer").into()
        );
    }
    let row = desk.command(&agent, &actor, &id, &Command::TakeOver).await?;
    desk_ok(SessionInfo::from(&row))
}
