//! `GET /desk/webhooks/{webhookId}/deliveries`, `POST …/test` and `POST …/redeliver`

use axum::extract::State;
use httpkit::{Body, DeskEnvelope, DeskReply, PathId, Query, Refusals, desk_ok};
use kernel::{Problem, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{Desk, auth::Agent, store};

/// So many deliveries, unless told.
const DEFAULT: i64 = 50;
/// The most deliveries of one answer, and of one request to send again.
const MOST: i64 = 100;

/// An event on its way to a webhook.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct DeliveryInfo {
    /// Its number at this webhook.
    seq: i64,
    /// `evt_…`, the `webhook-id`.
    event_id: String,
    #[serde(rename = "type")]
    kind: Option<String>,
    session_id: Option<String>,
    /// `scheduled`, `running`, `done` or `dead`.
    state: String,
    /// When it happened.
    #[schema(value_type = Option<String>, format = DateTime)]
    created_at: Option<Timestamp>,
    /// When it is tried next, while it waits.
    #[schema(value_type = Option<String>, format = DateTime)]
    next_attempt_at: Option<Timestamp>,
    attempts: Vec<AttemptInfo>,
}

/// One attempt.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct AttemptInfo {
    #[schema(value_type = String, format = DateTime)]
    started_at: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    finished_at: Option<Timestamp>,
    /// `done`, `dead`, `retry`, `snooze` or `lost`; `begun` while one is in hand that was lost three times.
    outcome: String,
    /// The receiver's status, or why there is none.
    answer: Option<String>,
}

/// List a webhook's deliveries
///
/// For supervisors; the newest first, each with its attempts, of the last 7 days. `before` (a `seq`) reads on.
#[utoipa::path(get, path = "/desk/webhooks/{webhookId}/deliveries", tag = "desk",
    params(
        ("webhookId" = String, Path, description = "`hook_…`"),
        ("before" = Option<i64>, Query, description = "Only deliveries before this `seq`", minimum = 1),
        ("limit" = Option<i64>, Query, description = "1 to 100, default 50", minimum = 1, maximum = 100)),
    responses((status = 200, body = DeskEnvelope<Vec<DeliveryInfo>>), Refusals))]
pub(super) async fn webhook_deliveries(
    State(desk): State<Desk>,
    agent: Agent,
    PathId(id): PathId,
    mut query: Query,
) -> DeskReply<Vec<DeliveryInfo>> {
    agent.supervising()?;
    let f = &mut query.0;
    let before = f.optional::<i64>("before").unwrap_or(i64::MAX);
    let limit = f.optional::<i64>("limit").unwrap_or(DEFAULT);
    if !(1..=MOST).contains(&limit) {
        f.bad("limit", format!("must be a whole number from 1 to {MOST}"));
    }
    query.0.finish()?;
    let mut conn = desk.db().read().await?;
    store::webhooks::webhook(&mut conn, &id).await?.ok_or_else(|| Problem::not_found("webhook"))?;
    let rows = store::webhooks::deliveries(&mut conn, &id, before, limit).await?;
    let ids: Vec<String> = rows.iter().map(|row| store::webhooks::dispatch_id(&id, row.seq)).collect();
    let (records, attempts) = dispatch::store::records(&mut conn, &ids).await?;
    let list = rows.into_iter().zip(ids).map(|(row, dispatch)| {
        let record = records.iter().find(|record| record.id == dispatch);
        let attempts = attempts.iter().filter(|attempt| attempt.dispatch_id == dispatch);
        DeliveryInfo {
            seq: row.seq,
            event_id: row.event_id,
            kind: row.kind,
            session_id: row.session_id,
            state: record.map_or_else(|| "done".to_owned(), |record| record.state.clone()),
            created_at: row.created_at,
            next_attempt_at: record.filter(|r| r.state == "scheduled").map(|r| r.next_at),
            attempts: attempts
                .map(|a| AttemptInfo {
                    started_at: a.started_at,
                    finished_at: a.finished_at,
                    outcome: a.outcome.clone(),
                    answer: a.answer.clone(),
                })
                .collect(),
        }
    });
    desk_ok(list.collect())
}

/// What is on its way.
#[derive(Serialize, ToSchema)]
pub(super) struct Sent {
    /// The numbers of the new deliveries.
    seqs: Vec<i64>,
}

/// Test a webhook
///
/// For supervisors. Sends an event of the type `webhook.test`, also to a webhook that is disabled; what became of it is
/// in the list of deliveries.
#[utoipa::path(post, path = "/desk/webhooks/{webhookId}/test", tag = "desk",
    params(("webhookId" = String, Path, description = "`hook_…`")),
    responses((status = 200, body = DeskEnvelope<Sent>), Refusals))]
pub(super) async fn test_webhook(
    State(desk): State<Desk>,
    agent: Agent,
    PathId(id): PathId,
) -> DeskReply<Sent> {
    agent.supervising()?;
    desk_ok(Sent { seqs: vec![desk.test_webhook(&id).await?] })
}

/// Which deliveries to repeat.
#[derive(ToSchema)]
#[expect(dead_code, reason = "documents the body, which is read field by field")]
pub(super) struct RedeliverRequest {
    /// Their numbers, 1 to 100.
    #[schema(min_items = 1, max_items = 100)]
    seqs: Vec<i64>,
}

/// Send events again
///
/// For supervisors. The events of these deliveries are sent once more under their ids, as deliveries of their own.
#[utoipa::path(post, path = "/desk/webhooks/{webhookId}/redeliver", tag = "desk", request_body = RedeliverRequest,
    params(("webhookId" = String, Path, description = "`hook_…`")),
    responses((status = 200, body = DeskEnvelope<Sent>), Refusals))]
pub(super) async fn redeliver(
    State(desk): State<Desk>,
    agent: Agent,
    PathId(id): PathId,
    Body(mut f): Body,
) -> DeskReply<Sent> {
    agent.supervising()?;
    let mut seqs: Vec<i64> = f.required("seqs");
    seqs.sort_unstable();
    seqs.dedup();
    if !(1..=100).contains(&seqs.len()) {
        f.rule("seqs", "must have 1 to 100 entries");
    }
    f.finish()?;
    desk_ok(Sent { seqs: desk.redeliver(&id, &seqs).await? })
}
