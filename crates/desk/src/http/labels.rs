//! `PUT /sessions/{sessionId}/labels` and `GET /desk/labels`

use axum::extract::State;
use httpkit::{Body, DeskEnvelope, DeskReply, PathId, Refusals, desk_ok, text};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    Desk,
    auth::Agent,
    details::{SessionDetails, details},
    store,
};

/// The most labels of one session.
const MAX_LABELS: usize = 20;
/// The most labels of one answer.
const MOST: i64 = 500;

/// What a session is about.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "documents the body, which is read field by field")]
pub(super) struct LabelsRequest {
    /// All of them, of at most 32 characters each; an empty list removes them.
    #[schema(max_items = 20)]
    labels: Vec<String>,
}

/// Label a session
///
/// Puts these labels in the place of those that it had.
#[utoipa::path(put, path = "/sessions/{sessionId}/labels", tag = "desk", request_body = LabelsRequest,
    params(("sessionId" = String, Path, description = "`sess_…`")),
    responses((status = 200, body = DeskEnvelope<SessionDetails>), Refusals))]
pub(super) async fn label_session(
    State(desk): State<Desk>,
    agent: Agent,
    PathId(id): PathId,
    Body(mut f): Body,
) -> DeskReply<SessionDetails> {
    let labels: Vec<text::Line<32>> = f.required("labels");
    if labels.len() > MAX_LABELS {
        f.rule("labels", format!("must have at most {MAX_LABELS} entries"));
    }
    f.finish()?;
    let mut labels: Vec<String> = labels.into_iter().map(|label| label.0).collect();
    labels.sort();
    labels.dedup();
    let row = desk.label(&agent, &id, &labels).await?;
    let mut conn = desk.db().read().await?;
    let with = details(&mut conn, &[row]).await?;
    let session = with.into_iter().next().ok_or_else(crate::ops::missing)?;
    desk_ok(session)
}

/// A label.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LabelInfo {
    name: String,
    /// How many sessions have it.
    sessions: i64,
}

/// List the labels in use
///
/// The most used first, at most 500.
#[utoipa::path(get, path = "/desk/labels", tag = "desk",
    responses((status = 200, body = DeskEnvelope<Vec<LabelInfo>>), Refusals))]
pub(super) async fn list_labels(State(desk): State<Desk>, _: Agent) -> DeskReply<Vec<LabelInfo>> {
    let labels = store::labels(&mut desk.db().read().await?, MOST).await?;
    desk_ok(labels.into_iter().map(|(name, sessions)| LabelInfo { name, sessions }).collect())
}
