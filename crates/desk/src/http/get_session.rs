//! `GET /sessions/{sessionId}`

use axum::extract::State;
use httpkit::{DeskEnvelope, DeskReply, PathId, Refusals, desk_ok};

use crate::{
    Desk,
    auth::Agent,
    channel::out::Window,
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
    let mut conn = desk.db().read().await?;
    let window = Window::of(&mut conn, &row, desk.clock().now()).await?;
    let whole = details(&mut conn, &[row]).await?.into_iter().next();
    desk_ok(whole.ok_or_else(ops::missing)?.with_window(window))
}
