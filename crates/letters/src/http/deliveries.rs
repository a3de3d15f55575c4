//! `GET /mails/{mailId}/deliveries`

use accounts::Caller;
use axum::extract::State;
use httpkit::{OkEnvelope, PathId, Refusals, Reply, ok};
use kernel::{Problem, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{Letters, model::RecipientType, notify, store};

/// What became of a letter, channel by channel.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct DeliveriesData {
    mail_id: String,
    deliveries: Vec<DeliveryView>,
}

/// One channel of one scheduling.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct DeliveryView {
    /// `inbox`, `email`, `notice` (the mail to the author about a refusal), `reminder` (when the author's reminders are
    /// made), and notifications: `received-email`, `received-push` (of a letter to oneself), `delivered-push`,
    /// `reminder-email`, `reminder-push`, once for each device.
    #[schema(example = "email")]
    channel: String,
    /// `scheduled`, `running`, `done`, `cancelled` or `dead`.
    #[schema(example = "done")]
    state: String,
    #[schema(value_type = String, format = DateTime)]
    due_at: Timestamp,
    /// When it is tried next; only while `scheduled`.
    #[schema(value_type = Option<String>, format = DateTime)]
    next_attempt_at: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    finished_at: Option<Timestamp>,
    /// How many attempts were made.
    attempts_made: i64,
    /// The end of an attempt was lost: what it did may have been repeated, under the same Message-ID.
    possible_duplicate: bool,
    /// The last answer or reason.
    answer: Option<String>,
    attempts: Vec<AttemptView>,
}

/// One attempt to reach the outside.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct AttemptView {
    #[schema(value_type = String, format = DateTime)]
    started_at: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    finished_at: Option<Timestamp>,
    /// `done`, `dead`, `retry`, `snooze` or `lost`.
    outcome: String,
    /// The peer's answer or the reason.
    answer: Option<String>,
}

/// See what became of a letter
///
/// Every channel, attempt, answer and time; for the author alone.
#[utoipa::path(get, path = "/mails/{mailId}/deliveries", tag = "letters",
    params(("mailId" = String, Path, description = "`mail_…`")),
    responses((status = 200, body = OkEnvelope<DeliveriesData>), Refusals))]
pub(super) async fn deliveries(
    State(letters): State<Letters>,
    caller: Caller,
    PathId(id): PathId,
) -> Reply<DeliveriesData> {
    let mut conn = letters.db().read().await?;
    let letter = store::letter(&mut conn, &id).await?.filter(|l| l.owner_id == caller.id());
    let letter = letter.ok_or_else(|| Problem::not_found("letter"))?;
    let hidden =
        |channel: &str| notify::is_readers(channel) && letter.recipient_type != RecipientType::Myself;
    let (records, attempts) = dispatch::store::history(&mut conn, &id).await?;
    let deliveries = records
        .into_iter()
        .map(|r| (channel(&r.id).to_owned(), r))
        .filter(|(channel, _)| !hidden(channel))
        .map(|(channel, r)| DeliveryView {
            channel,
            next_attempt_at: (r.state == "scheduled").then_some(r.next_at),
            attempts: attempts
                .iter()
                .filter(|a| a.dispatch_id == r.id)
                .map(|a| AttemptView {
                    started_at: a.started_at,
                    finished_at: a.finished_at,
                    outcome: a.outcome.clone(),
                    answer: a.answer.clone(),
                })
                .collect(),
            state: r.state,
            due_at: r.due_at,
            finished_at: r.finished_at,
            attempts_made: r.attempt,
            possible_duplicate: r.in_doubt,
            answer: r.answer,
        })
        .collect();
    ok(DeliveriesData { mail_id: id, deliveries })
}

/// Of `{letter}/{schedule number}/{channel}`, with more behind it or not.
fn channel(id: &str) -> &str {
    id.split('/').nth(2).unwrap_or_default()
}
