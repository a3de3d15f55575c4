//! `GET /sessions/{sessionId}`

use axum::extract::State;
use httpkit::{DeskEnvelope, DeskReply, PathId, Refusals, desk_ok};

use crate::{Desk, auth::Agent, channel::out::Window, view::SessionInfo};

/// Get a session
#[utoipa::path(get, path = "/sessions/{sessionId}", tag = "desk",
    params(("sessionId" = String, Path, description = "`sess_…`")),
    responses((status = 200, body = DeskEnvelope<SessionInfo>), Refusals))]
pub(super) async fn get_session(
    State(desk): State<Desk>,
    agent: Agent,
    PathId(id): PathId,
) -> DeskReply<SessionInfo> {
    let row = desk.visible(&agent, &id).await?;
    let window = Window::of(&mut desk.db().read().await?, &row, desk.clock().now()).await?;
    desk_ok(SessionInfo::from(&row).with_window(window))
}
