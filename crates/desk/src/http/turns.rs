//! `GET /sessions/{sessionId}/turns`

use axum::extract::State;
use httpkit::{DeskEnvelope, DeskReply, PathId, Refusals, desk_ok};
use kernel::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    Desk,
    auth::Agent,
    store::{self, TurnRow},
    turn::TurnOutcome,
};

/// The most turns of one answer.
const MOST: i64 = 1000;

/// A turn of the assistant.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct TurnInfo {
    /// The number of the customer's message that it answers.
    seq_no: i64,
    /// The version of the session that it answers to.
    version: i64,
    outcome: TurnOutcome,
    /// Who decided: `embedded`, or the provider and its model; null where nobody was asked.
    engine: Option<String>,
    /// Whether a provider was to decide, and could not.
    degraded: bool,
    /// From 0 to 1; null where nothing was looked for.
    confidence: Option<f64>,
    /// Why it was dropped or handed over.
    reason: Option<String>,
    /// What the customer was told.
    msg_id: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

impl From<TurnRow> for TurnInfo {
    fn from(row: TurnRow) -> Self {
        Self {
            seq_no: row.seq,
            version: row.version,
            outcome: row.outcome,
            engine: row.engine,
            degraded: row.degraded,
            confidence: row.confidence,
            reason: row.reason,
            msg_id: row.message_id,
            created_at: row.created_at,
        }
    }
}

/// List the assistant's turns in a session
///
/// What it answered, asked, handed over, and what it left unsaid because somebody came in between. At most 1000.
#[utoipa::path(get, path = "/sessions/{sessionId}/turns", tag = "desk",
    params(("sessionId" = String, Path, description = "`sess_…`")),
    responses((status = 200, body = DeskEnvelope<Vec<TurnInfo>>), Refusals))]
pub(super) async fn list_turns(
    State(desk): State<Desk>,
    agent: Agent,
    PathId(id): PathId,
) -> DeskReply<Vec<TurnInfo>> {
    let session = desk.visible(&agent, &id).await?;
    let rows = store::turns(&mut desk.db().read().await?, &session.id, MOST).await?;
    desk_ok(rows.into_iter().map(TurnInfo::from).collect())
}
