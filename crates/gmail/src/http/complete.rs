//! `POST /auth/complete/`

use accounts::Caller;
use axum::extract::State;
use httpkit::{BareReply, BodyOrForm, StatusRefusals, bare, text};
use kernel::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::query::ClientFile;
use crate::{Gmail, store::CredentialRow};

/// What Google gave.
#[derive(ToSchema)]
#[expect(dead_code, reason = "documents the body, which is read field by field")]
pub(super) struct CompleteRequest {
    /// The one that `auth/initiate/` was called with, as a text, or as the object in it.
    client_secret_json: String,
    /// The code, or the whole address that Google sent the browser to.
    auth_code: String,
}

/// A connected account.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ConnectedData {
    id: i64,
    email: String,
    is_default: bool,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// Always `success`.
    status: &'static str,
}

impl From<CredentialRow> for ConnectedData {
    fn from(row: CredentialRow) -> Self {
        Self {
            id: row.id,
            email: row.email,
            is_default: row.is_default,
            created_at: row.created_at,
            status: "success",
        }
    }
}

/// Connect a Gmail account
///
/// Once for each `auth/initiate/`, by its user, within ten minutes. An address that was connected before has its one
/// credential renewed; one that another user connected is refused with 409.
#[utoipa::path(post, path = "/auth/complete/", tag = "gmail", request_body = CompleteRequest,
    responses((status = 200, body = ConnectedData), StatusRefusals))]
pub(super) async fn complete_oauth(
    State(gmail): State<Gmail>,
    caller: Caller,
    BodyOrForm(mut f): BodyOrForm,
) -> BareReply<ConnectedData> {
    let ClientFile(json) = f.required::<ClientFile>("client_secret_json");
    let text::Opaque(code) = f.required::<text::Opaque<8192>>("auth_code");
    f.finish()?;
    bare(gmail.complete(caller.id(), &json, &code).await?.into())
}
