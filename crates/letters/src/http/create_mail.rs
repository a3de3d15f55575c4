//! `POST /mails` (001) and `POST /mails/create` (002): a draft and its capsule.

use accounts::{Caller, Plan};
use axum::extract::State;
use httpkit::{Body, Fields, OkEnvelope, Refusals, Reply, ok};
use kernel::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::read::{self, AttachmentRequest, Content, Title};
use crate::{
    Letters,
    model::{RecipientType, Status, TriggerCondition, TriggerType, capsule_id},
    ops::Saved,
    seal::ReadableBy,
};

/// A letter to be kept as a capsule.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "documents the body, which is read field by field")]
pub(super) struct CapsuleMailRequest {
    #[schema(example = "写给未来的自己", min_length = 1, max_length = 200)]
    title: String,
    #[schema(example = "亲爱的未来的我", min_length = 1, max_length = 200_000)]
    content: String,
    recipient_type: RecipientType,
    /// Required for SPECIFIC.
    recipient_email: Option<String>,
    /// Later than now.
    #[schema(value_type = Option<String>, format = DateTime, example = "2035-12-31T23:59:59Z")]
    send_time: Option<Timestamp>,
    trigger_type: Option<TriggerType>,
    trigger_condition: Option<TriggerCondition>,
    /// At most 20.
    attachments: Option<Vec<AttachmentRequest>>,
    is_encrypted: Option<bool>,
    /// With `isEncrypted`: only this opens the letter, or the `recoveryKey` that is answered; the server cannot.
    #[schema(min_length = 8, max_length = 1024)]
    passphrase: Option<String>,
    /// Shown to whoever may see the letter, before it is opened.
    #[schema(max_length = 200)]
    passphrase_hint: Option<String>,
    #[schema(example = "default", max_length = 64)]
    capsule_style: Option<String>,
    status: DraftOnly,
}

/// A letter for the future.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "documents the body, which is read field by field")]
pub(super) struct FutureMailRequest {
    #[schema(example = "给未来的一封信", min_length = 1, max_length = 200)]
    title: String,
    #[schema(example = "亲爱的未来的我", min_length = 1, max_length = 200_000)]
    content: String,
    recipient_type: RecipientType,
    /// Required for SPECIFIC.
    recipient_email: Option<String>,
    /// Later than now.
    #[schema(value_type = String, format = DateTime, example = "2036-10-16T08:03:58.479Z")]
    send_time: Timestamp,
    trigger_type: TriggerType,
    trigger_condition: Option<TriggerCondition>,
    /// At most 20.
    attachments: Option<Vec<AttachmentRequest>>,
    is_encrypted: Option<bool>,
    /// With `isEncrypted`: only this opens the letter, or the `recoveryKey` that is answered; the server cannot.
    #[schema(min_length = 8, max_length = 1024)]
    passphrase: Option<String>,
    /// Shown to whoever may see the letter, before it is opened.
    #[schema(max_length = 200)]
    passphrase_hint: Option<String>,
    #[schema(example = "default", max_length = 64)]
    capsule_style: Option<String>,
}

/// `DRAFT`
#[derive(ToSchema)]
#[expect(dead_code, reason = "documents the body, which is read field by field")]
enum DraftOnly {
    #[schema(rename = "DRAFT")]
    Draft,
}

/// The new draft.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct CreatedMail {
    mail_id: String,
    capsule_id: String,
    status: Status,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// `keyholder`, of a letter that only its passphrase opens.
    #[serde(skip_serializing_if = "Option::is_none")]
    readable_by: Option<ReadableBy>,
    /// Opens a letter whose passphrase is forgotten. Shown here only: nobody can make it again.
    #[serde(skip_serializing_if = "Option::is_none")]
    recovery_key: Option<String>,
}

/// Save a letter as a capsule
///
/// Makes a draft. The free plan has ten a month.
#[utoipa::path(post, path = "/mails", tag = "letters", request_body = CapsuleMailRequest,
    responses((status = 200, body = OkEnvelope<CreatedMail>), Refusals))]
pub(super) async fn create_capsule_mail(
    State(letters): State<Letters>,
    caller: Caller,
    Body(mut f): Body,
) -> Reply<CreatedMail> {
    let status: Option<Status> = f.optional("status");
    match status {
        Some(Status::Draft) => {}
        Some(_) => f.bad("status", "must be DRAFT"),
        None => f.bad("status", "is required and must be DRAFT"),
    }
    create(&letters, &caller, f, false).await
}

/// Create a letter for the future
///
/// Makes a draft with a time and a trigger. LOCATION and EVENT need a premium plan.
#[utoipa::path(post, path = "/mails/create", tag = "letters", request_body = FutureMailRequest,
    responses((status = 200, body = OkEnvelope<CreatedMail>), Refusals))]
pub(super) async fn create_future_mail(
    State(letters): State<Letters>,
    caller: Caller,
    Body(mut f): Body,
) -> Reply<CreatedMail> {
    let _: Timestamp = f.required("sendTime");
    let trigger: TriggerType = f.required("triggerType");
    let condition = read::condition(&mut f).unwrap_or_default();
    // On the free plan the trigger itself is refused, whatever its condition.
    if let Some((field, reason)) = condition.missing(trigger).filter(|_| caller.plan == Plan::Premium) {
        f.rule(field, reason);
    }
    create(&letters, &caller, f, true).await
}

async fn create(
    letters: &Letters,
    caller: &Caller,
    mut f: Fields,
    scheduled_soon: bool,
) -> Reply<CreatedMail> {
    let _: Title = f.required("title");
    let _: Content = f.required("content");
    let to: RecipientType = f.required("recipientType");
    let draft = read::draft(&mut f, letters.clock().now());
    if to == RecipientType::Specific && draft.recipient_email.is_none() {
        f.rule("recipientEmail", "is required when recipientType is SPECIFIC");
    }
    f.finish()?;
    let Saved { letter, readable_by, recovery_key } = letters.create(caller, draft, scheduled_soon).await?;
    ok(CreatedMail {
        capsule_id: capsule_id(&letter.id),
        mail_id: letter.id,
        status: Status::Draft,
        created_at: letter.created_at,
        readable_by: readable_by.filter(|by| *by == ReadableBy::Keyholder),
        recovery_key,
    })
}
