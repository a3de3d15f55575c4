//! `POST /mails/{mailId}/unlock`

use accounts::Caller;
use axum::extract::State;
use httpkit::{Body, OkEnvelope, PathId, Refusals, Reply, ok, text};
use serde::Serialize;
use utoipa::ToSchema;

use super::read;
use crate::{
    Letters,
    seal::{Proof, ReadableBy, Unlocked},
    view::AttachmentView,
};

/// The one more check: `password` for a letter that is `readableBy` the server, the letter's own `passphrase` or
/// `recoveryKey` for one that is `readableBy` the keyholder.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "documents the body, which is read field by field")]
pub(super) struct UnlockRequest {
    /// The caller's own account password.
    password: Option<String>,
    /// The letter's passphrase.
    passphrase: Option<String>,
    /// The letter's recovery key, with or without its dashes.
    recovery_key: Option<String>,
}

/// What is in an encrypted letter.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct UnlockedMail {
    mail_id: String,
    content: String,
    /// Of an encrypted letter.
    #[serde(skip_serializing_if = "Option::is_none")]
    readable_by: Option<ReadableBy>,
    /// URLs of sealed files hold a ticket that is good for 15 minutes, for whoever has it.
    attachments: Vec<AttachmentView>,
}

/// Open an encrypted letter
///
/// For whoever may see the letter. Wrong tries are limited: at an account's password as at its login, at a
/// letter's passphrase to ten and then one a minute, for each caller.
#[utoipa::path(post, path = "/mails/{mailId}/unlock", tag = "letters", request_body = UnlockRequest,
    params(("mailId" = String, Path, description = "`mail_…`")),
    responses((status = 200, body = OkEnvelope<UnlockedMail>), Refusals))]
pub(super) async fn unlock_mail(
    State(letters): State<Letters>,
    caller: Caller,
    PathId(id): PathId,
    Body(mut f): Body,
) -> Reply<UnlockedMail> {
    let proof = Proof {
        password: f.optional::<text::Opaque<1024>>("password").map(|t| t.0),
        passphrase: read::passphrase(&mut f, "passphrase"),
        recovery_key: f.optional::<text::Opaque<200>>("recoveryKey").map(|t| t.0),
    };
    f.finish()?;
    let Unlocked { text, readable_by, attachments } = letters.unlock(&caller, &id, proof).await?;
    let attachments = attachments.into_iter().map(|(a, ticket)| letters.attachment(a, ticket.as_deref()));
    ok(UnlockedMail {
        mail_id: id,
        content: text.to_string(),
        readable_by,
        attachments: attachments.collect(),
    })
}
