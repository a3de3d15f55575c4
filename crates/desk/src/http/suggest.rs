//! `POST /sessions/{sessionId}/suggest`

use axum::extract::State;
use httpkit::{DeskEnvelope, DeskReply, PathId, Refusals, desk_ok};

use crate::{Desk, auth::Agent, turn::Suggestion};

/// Suggest an answer
///
/// Drafts for what the customer wrote since the last answer: the provider's, with the entries of the knowledge base that
/// they rest on, or those entries themselves. Nothing is sent. 400 where the customer wrote no words that are open.
#[utoipa::path(post, path = "/sessions/{sessionId}/suggest", tag = "desk",
    params(("sessionId" = String, Path, description = "`sess_…`")),
    responses((status = 200, body = DeskEnvelope<Suggestion>), Refusals))]
pub(super) async fn suggest(
    State(desk): State<Desk>,
    agent: Agent,
    PathId(id): PathId,
) -> DeskReply<Suggestion> {
    desk_ok(desk.suggest(&agent, &id).await?)
}
