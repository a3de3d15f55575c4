//! `POST /mails/{mailId}/revoke`

use accounts::Caller;
use axum::extract::State;
use httpkit::{OkEnvelope, PathId, Refusals, Reply, ok};
use kernel::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{Letters, model::Status};

/// The letter is a draft again.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct RevokedMail {
    mail_id: String,
    status: Status,
    /// Always `REVOKED`.
    #[schema(example = "REVOKED")]
    result: &'static str,
    #[schema(value_type = String, format = DateTime)]
    revoked_at: Timestamp,
}

/// Revoke a pending letter
///
/// Possible while it is PENDING. After a 200 it is not delivered.
#[utoipa::path(post, path = "/mails/{mailId}/revoke", tag = "letters",
    params(("mailId" = String, Path, description = "`mail_…`")),
    responses((status = 200, body = OkEnvelope<RevokedMail>), Refusals))]
pub(super) async fn revoke_mail(
    State(letters): State<Letters>,
    caller: Caller,
    PathId(id): PathId,
) -> Reply<RevokedMail> {
    let revoked_at = letters.revoke(&caller, &id).await?;
    ok(RevokedMail { mail_id: id, status: Status::Draft, result: "REVOKED", revoked_at })
}
