//! `GET /outbox/`, `GET /outbox/{id}/`, `POST /outbox/{id}/cancel/`, `POST /outbox/{id}/retry/`: mails on their way out.

use accounts::Caller;
use axum::extract::State;
use httpkit::{BareReply, Listed, PathId, Query, StatusRefusals, bare};
use kernel::{Problem, Timestamp};
use mail::Mailbox;
use serde::Serialize;
use utoipa::ToSchema;

use super::query::page;
use crate::{
    Gmail,
    model::{SendState, Source},
    send::envelope::{Envelope, Party},
    store::{self, OutboxFilter, OutboxRow},
};

/// A mail on its way out.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OutboxMail {
    #[schema(example = "gout_06ew1q4d3gqv5m2c8r0t7y9z1a")]
    id: String,
    state: SendState,
    source: Source,
    conversation_id: Option<i64>,
    /// `Name <address>`
    from: String,
    to: Vec<String>,
    cc: Vec<String>,
    bcc: Vec<String>,
    subject: String,
    attachments: Vec<OutboxFile>,
    /// When it leaves, or was to leave.
    #[schema(value_type = String, format = DateTime)]
    due_at: Timestamp,
    /// Why it has not left yet.
    waiting_reason: Option<String>,
    /// When it is tried again.
    #[schema(value_type = Option<String>, format = DateTime)]
    waiting_until: Option<Timestamp>,
    /// Why it did not leave, and will not.
    error: Option<String>,
    /// Gmail's id of it.
    message_id: Option<String>,
    /// Gmail's id of its thread.
    thread_id: Option<String>,
    /// Its Message-ID: the one that it was given, then the one that Gmail keeps it under.
    rfc_message_id: String,
    #[schema(value_type = Option<String>, format = DateTime)]
    sent_at: Option<Timestamp>,
    /// The recommended reply that it came of.
    reply_id: Option<i64>,
    goal_id: Option<i64>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

/// A file of a mail on its way out.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OutboxFile {
    id: String,
    filename: String,
    /// Octets.
    size: u64,
    mime_type: String,
}

/// A mail on its way out, and what it says.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OutboxMailWhole {
    #[serde(flatten)]
    mail: OutboxMail,
    /// The words as plain text; `null`: made from the HTML.
    text: Option<String>,
    html: Option<String>,
    /// The Message-ID that it answers.
    in_reply_to: Option<String>,
    /// Whether its readers are told how to refuse more.
    unsubscribe: bool,
}

fn shown(parties: &[Party]) -> Vec<String> {
    parties.iter().map(|party| Mailbox::from(party).to_string()).collect()
}

impl OutboxMail {
    fn of(row: &OutboxRow, envelope: &Envelope) -> Self {
        let files = envelope.files.iter().map(|file| OutboxFile {
            id: file.id.clone(),
            filename: file.name.clone(),
            size: file.size,
            mime_type: file.mime_type.clone(),
        });
        Self {
            id: row.id.clone(),
            state: row.state,
            source: row.source,
            conversation_id: row.conversation_id,
            from: Mailbox::from(&envelope.from).to_string(),
            to: shown(&envelope.to),
            cc: shown(&envelope.cc),
            bcc: shown(&envelope.bcc),
            subject: envelope.subject.clone(),
            attachments: files.collect(),
            due_at: row.due_at,
            waiting_reason: row.waiting_reason.clone(),
            waiting_until: row.waiting_until,
            error: row.error.clone(),
            message_id: row.gmail_id.clone(),
            thread_id: row.thread_id.clone(),
            rfc_message_id: row.sent_message_id.clone().unwrap_or_else(|| row.message_id.clone()),
            sent_at: row.sent_at,
            reply_id: row.reply_id,
            goal_id: row.goal_id,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

/// List mails on their way out
///
/// One's own, those that left or failed too, the newest first.
#[utoipa::path(get, path = "/outbox/", tag = "gmail",
    params(
        ("state" = Option<SendState>, Query, description = "Only these"),
        ("conversation_id" = Option<i64>, Query, description = "Only these"),
        ("page" = Option<i64>, Query, description = "From 1"),
        ("page_size" = Option<i64>, Query, description = "50, at most 100")),
    responses((status = 200, body = Listed<OutboxMail>), StatusRefusals))]
pub(super) async fn list_outbox(
    State(gmail): State<Gmail>,
    caller: Caller,
    mut query: Query,
) -> BareReply<Listed<OutboxMail>> {
    let filter = OutboxFilter {
        state: query.0.optional("state"),
        conversation_id: query.0.optional("conversation_id"),
    };
    let page = page(&mut query.0);
    query.0.finish()?;
    let mut conn = gmail.db().read().await?;
    let list = store::outbox_list(&mut conn, caller.id(), &filter, page).await?;
    let count = store::outbox_count(&mut conn, caller.id(), &filter).await?;
    drop(conn);
    let mails = list.iter().map(|row| Ok(OutboxMail::of(row, &Envelope::of(row)?)));
    let results = mails.collect::<Result<Vec<_>, Problem>>()?;
    bare(Listed { results, count })
}

/// Read a mail on its way out
#[utoipa::path(get, path = "/outbox/{id}/", tag = "gmail",
    params(("id" = String, Path, description = "The mail")),
    responses((status = 200, body = OutboxMailWhole), StatusRefusals))]
pub(super) async fn get_outbox(
    State(gmail): State<Gmail>,
    caller: Caller,
    PathId(id): PathId,
) -> BareReply<OutboxMailWhole> {
    let row = gmail.outbox_of(caller.id(), &id).await?;
    let envelope = Envelope::of(&row)?;
    bare(OutboxMailWhole {
        mail: OutboxMail::of(&row, &envelope),
        text: envelope.text,
        html: envelope.html,
        in_reply_to: envelope.in_reply_to,
        unsubscribe: envelope.unsubscribe,
    })
}

/// Take a mail back
///
/// While it is held. Once this answers 200 it never leaves; 409 if it is leaving or has left.
#[utoipa::path(post, path = "/outbox/{id}/cancel/", tag = "gmail",
    params(("id" = String, Path, description = "The mail")),
    responses((status = 200, body = OutboxMail), StatusRefusals))]
pub(super) async fn cancel_outbox(
    State(gmail): State<Gmail>,
    caller: Caller,
    PathId(id): PathId,
) -> BareReply<OutboxMail> {
    let row = gmail.cancel_outbox(caller.id(), &id).await?;
    bare(OutboxMail::of(&row, &Envelope::of(&row)?))
}

/// Try a failed mail again
///
/// The same mail. One that may have left is looked for in the mailbox first. 409 if it has not failed.
#[utoipa::path(post, path = "/outbox/{id}/retry/", tag = "gmail",
    params(("id" = String, Path, description = "The mail")),
    responses((status = 200, body = OutboxMail), StatusRefusals))]
pub(super) async fn retry_outbox(
    State(gmail): State<Gmail>,
    caller: Caller,
    PathId(id): PathId,
) -> BareReply<OutboxMail> {
    let row = gmail.retry_outbox(caller.id(), &id).await?;
    bare(OutboxMail::of(&row, &Envelope::of(&row)?))
}
