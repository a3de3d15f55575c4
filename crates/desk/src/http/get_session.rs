//! `GET /sessions/{sessionId}`

use axum::extract::State;
use httpkit::{DeskEnvelope, DeskReply, PathId, Refusals, desk_ok};

use crate::{
    Desk,
    auth::Agent,
    details::{SessionDetails, details},
    ops,
};

/// Get a session
#[utoipa::path(get, path = "/sessions/{sessionId}", tag = "desk",
    params(("sessionId" = String, Path, description = "`sess_…`")),
    responses((status = 200, body = DeskEnvelope<SessionDetails>), Refusals))]
pub(super) async fn get_session(
    State(desk): State<Desk>,
    agent: Agent,
    PathId(id): PathId,
) -> DeskReply<SessionDetails> {
    let row = desk.visible(&agent, &id).await?;
    let with = details(&mut desk.db().read().await?, &[row]).await?;
    desk_ok(with.into_iter().next().ok_or_else(ops::missing)?)
}
