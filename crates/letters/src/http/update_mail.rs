//! `PUT /mails/{mailId}`

use accounts::Caller;
use axum::extract::State;
use httpkit::{Body, OkEnvelope, PathId, Refusals, Reply, ok};
use kernel::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::read::{self, AttachmentRequest};
use crate::{
    Letters,
    model::{RecipientType, Status, TriggerCondition, TriggerType, capsule_id},
    ops::Saved,
    seal::ReadableBy,
};

/// What to change; absent fields stay.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "documents the body, which is read field by field")]
pub(super) struct UpdateMailRequest {
    #[schema(min_length = 1, max_length = 200)]
    title: Option<String>,
    #[schema(min_length = 1, max_length = 200_000)]
    content: Option<String>,
    recipient_type: Option<RecipientType>,
    recipient_email: Option<String>,
    /// Later than now.
    #[schema(value_type = Option<String>, format = DateTime)]
    send_time: Option<Timestamp>,
    trigger_type: Option<TriggerType>,
    trigger_condition: Option<TriggerCondition>,
    /// Replaces all attachments.
    attachments: Option<Vec<AttachmentRequest>>,
    is_encrypted: Option<bool>,
    /// Of a letter that has one: needed to change its text, to add files, to decrypt it. Else, with
    /// `isEncrypted`, the one that it gets.
    #[schema(min_length = 8, max_length = 1024)]
    passphrase: Option<String>,
    /// Instead of the one that the letter has; with that, or with a new `content`. Makes a new `recoveryKey`.
    #[schema(min_length = 8, max_length = 1024)]
    new_passphrase: Option<String>,
    /// Shown to whoever may see the letter, before it is opened.
    #[schema(max_length = 200)]
    passphrase_hint: Option<String>,
    #[schema(max_length = 64)]
    capsule_style: Option<String>,
}

/// The draft after the change.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct UpdatedMail {
    mail_id: String,
    capsule_id: String,
    status: Status,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
    /// `keyholder`, of a letter that only its passphrase opens.
    #[serde(skip_serializing_if = "Option::is_none")]
    readable_by: Option<ReadableBy>,
    /// Where the letter got a passphrase. Shown here only: nobody can make it again.
    #[serde(skip_serializing_if = "Option::is_none")]
    recovery_key: Option<String>,
}

/// Update a draft
#[utoipa::path(put, path = "/mails/{mailId}", tag = "letters", request_body = UpdateMailRequest,
    params(("mailId" = String, Path, description = "`mail_…`")),
    responses((status = 200, body = OkEnvelope<UpdatedMail>), Refusals))]
pub(super) async fn update_mail(
    State(letters): State<Letters>,
    caller: Caller,
    PathId(id): PathId,
    Body(mut f): Body,
) -> Reply<UpdatedMail> {
    let draft = read::draft(&mut f, letters.clock().now());
    f.finish()?;
    let Saved { letter, readable_by, recovery_key } = letters.update(&caller, &id, draft).await?;
    ok(UpdatedMail {
        capsule_id: capsule_id(&letter.id),
        mail_id: letter.id,
        status: Status::Draft,
        created_at: letter.created_at,
        updated_at: letter.updated_at,
        readable_by: readable_by.filter(|by| *by == ReadableBy::Keyholder),
        recovery_key,
    })
}
