//! `DELETE /mails/{mailId}`

use accounts::Caller;
use axum::extract::State;
use httpkit::{OkEnvelope, PathId, Refusals, Reply, ok};
use serde::Serialize;
use utoipa::ToSchema;

use crate::Letters;

/// What is gone.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct DeletedMail {
    mail_id: String,
}

/// Delete a draft
#[utoipa::path(delete, path = "/mails/{mailId}", tag = "letters",
    params(("mailId" = String, Path, description = "`mail_…`")),
    responses((status = 200, body = OkEnvelope<DeletedMail>), Refusals))]
pub(super) async fn delete_mail(
    State(letters): State<Letters>,
    caller: Caller,
    PathId(id): PathId,
) -> Reply<DeletedMail> {
    letters.delete(&caller, &id).await?;
    ok(DeletedMail { mail_id: id })
}
