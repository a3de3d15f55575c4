//! `GET /mails/{mailId}/deliveries`

use accounts::Caller;
use axum::extract::State;
use db::Conn;
use httpkit::{OkEnvelope, PathId, Refusals, Reply, ok};
use kernel::{Problem, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    Letters, ids,
    model::{BounceKind, RecipientType},
    notify,
    recipients::sent_to,
    store::{self, LetterRow},
};

/// An address that was dead so long ago may be alive again.
const STALE: std::time::Duration = kernel::time::days(90);

/// What became of a letter, channel by channel.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct DeliveriesData {
    mail_id: String,
    deliveries: Vec<DeliveryView>,
    /// What came back after it was sent, the earliest first.
    bounces: Vec<BounceView>,
    /// How the letter's address was changed after scheduling, the earliest first.
    recipient_changes: Vec<RecipientChangeView>,
    /// Mail to the letter's address, this letter's or another's, was refused lately because there is no such mailbox.
    dead_address: Option<DeadAddressView>,
    /// Nobody but the author can see the letter any more.
    taken_down: Option<TakenDownView>,
}

/// A report about a mail that had been taken by the receiving side.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct BounceView {
    kind: BounceKind,
    /// The enhanced status code (RFC 3463), if the report has one.
    #[schema(example = "5.1.1")]
    status: Option<String>,
    /// The receiving side's words.
    diagnostic: String,
    /// Whom the mail was sent to.
    recipient_email: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    received_at: Timestamp,
}

/// A change of the letter's address.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct RecipientChangeView {
    old_email: String,
    new_email: String,
    #[schema(value_type = String, format = DateTime)]
    changed_at: Timestamp,
    /// The letter had arrived and was mailed again.
    resent: bool,
}

/// When an address was last found dead.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct DeadAddressView {
    #[schema(example = "5.1.1")]
    status: String,
    #[schema(value_type = String, format = DateTime)]
    seen_at: Timestamp,
}

/// That a letter was taken down by an operator.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct TakenDownView {
    reason: String,
    #[schema(value_type = String, format = DateTime)]
    taken_down_at: Timestamp,
}

/// One channel of one scheduling.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct DeliveryView {
    /// `inbox`, `email` (again for each address that it was sent to), `notice` (the mail to the author about a
    /// failure), `takedown` or `restore` (the mails about those), `reminder` (when the author's reminders are
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
    /// `done`, `dead`, `retry`, `snooze` or `lost`; `begun` while one is in hand that was lost three times.
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
        .map(|r| (ids::channel(&r.id).to_owned(), r))
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
    evidence(&letters, &mut conn, letter, deliveries).await
}

/// What is known beside the dispatches.
async fn evidence(
    letters: &Letters,
    conn: &mut Conn,
    letter: LetterRow,
    deliveries: Vec<DeliveryView>,
) -> Reply<DeliveriesData> {
    let changes = store::recipient_changes(conn, &letter.id).await?;
    let bounces = store::bounces(conn, &letter.id).await?.into_iter().map(|b| BounceView {
        recipient_email: sent_to(&letter, &changes, &b.dispatch_id).map(|(email, _)| email.to_owned()),
        kind: b.kind,
        status: b.status,
        diagnostic: b.diagnostic,
        received_at: b.received_at,
    });
    let bounces = bounces.collect();
    let dead_address = match &letter.recipient_key {
        Some(key) => store::dead_address(conn, key, letters.clock().now() - STALE).await?,
        None => None,
    };
    let taken_down = store::takedown(conn, &letter.id).await?;
    let recipient_changes = changes.into_iter().map(|c| RecipientChangeView {
        old_email: c.old_email,
        new_email: c.new_email,
        changed_at: c.changed_at,
        resent: c.mailing_no > 1,
    });
    ok(DeliveriesData {
        recipient_changes: recipient_changes.collect(),
        mail_id: letter.id,
        deliveries,
        bounces,
        dead_address: dead_address.map(|(status, seen_at)| DeadAddressView { status, seen_at }),
        taken_down: taken_down.map(|(reason, taken_down_at)| TakenDownView { reason, taken_down_at }),
    })
}
