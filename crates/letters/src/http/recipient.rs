//! `PUT /mails/{mailId}/recipient`

use accounts::Caller;
use axum::extract::State;
use httpkit::{Body, OkEnvelope, PathId, Refusals, Reply, ok, text};
use kernel::{Problem, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{Letters, model::Status};

/// Where the letter shall go.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "documents the body, which is read field by field")]
pub(super) struct RecipientRequest {
    #[schema(example = "friend@example.com")]
    recipient_email: String,
}

/// Where the letter goes now.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct RecipientData {
    mail_id: String,
    recipient_email: Option<String>,
    status: Status,
    #[schema(value_type = String, format = DateTime)]
    changed_at: Timestamp,
    /// The letter had arrived at the old address, left it, and is mailed to the new one now.
    resent: bool,
}

/// Give a letter another address
///
/// For the author of a SPECIFIC letter; its content stays as it is. While PENDING the letter goes to the new address
/// instead. Once DELIVERED it is sent again if its mail was refused or came back, and the old address loses it;
/// else 422.
#[utoipa::path(put, path = "/mails/{mailId}/recipient", tag = "letters", request_body = RecipientRequest,
    params(("mailId" = String, Path, description = "`mail_…`")),
    responses((status = 200, body = OkEnvelope<RecipientData>), Refusals))]
pub(super) async fn set_recipient(
    State(letters): State<Letters>,
    caller: Caller,
    PathId(id): PathId,
    Body(mut f): Body,
) -> Reply<RecipientData> {
    let address: text::Opaque<320> = f.required("recipientEmail");
    f.finish()?;
    let to = transports::parse_address(address.0.trim());
    let to = to.map_err(|e| Problem::rule("recipientEmail", e.to_string()))?;
    let changed = letters.readdress(&caller, &id, &to).await?;
    ok(RecipientData {
        status: changed.letter.status(changed.changed_at, letters.0.config.delivering_lead),
        mail_id: changed.letter.id,
        recipient_email: changed.letter.recipient_email,
        changed_at: changed.changed_at,
        resent: changed.resent,
    })
}
