//! `POST /mails/{mailId}/unlock`

use accounts::Caller;
use axum::extract::State;
use httpkit::{Body, OkEnvelope, PathId, Refusals, Reply, ok, text};
use kernel::Problem;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{Letters, store};

/// The one more check.
#[derive(ToSchema)]
#[expect(dead_code, reason = "documents the body, which is read field by field")]
pub(super) struct UnlockRequest {
    /// The caller's own account password.
    password: String,
}

/// The text of an encrypted letter.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct UnlockedMail {
    mail_id: String,
    content: String,
}

/// Open an encrypted letter
///
/// For whoever may see the letter, against their account's password. Wrong ones are limited.
#[utoipa::path(post, path = "/mails/{mailId}/unlock", tag = "letters", request_body = UnlockRequest,
    params(("mailId" = String, Path, description = "`mail_…`")),
    responses((status = 200, body = OkEnvelope<UnlockedMail>), Refusals))]
pub(super) async fn unlock_mail(
    State(letters): State<Letters>,
    caller: Caller,
    PathId(id): PathId,
    Body(mut f): Body,
) -> Reply<UnlockedMail> {
    let password: text::Opaque<1024> = f.required("password");
    f.finish()?;
    let (letter, content) = {
        let mut conn = letters.db().read().await?;
        let letter = letters.readable(&mut conn, Some(&caller), &id).await?;
        let content = store::content(&mut conn, &id).await?;
        (letter, content)
    };
    if letter.is_encrypted && !letters.0.accounts.check_password(&caller, password.0).await? {
        let text = "the password is wrong";
        return Err(Problem::forbidden(text).field("password", text).into());
    }
    ok(UnlockedMail { content: letters.text(&letter, &content)?, mail_id: id })
}
