//! `GET /credentials/`, `DELETE /credentials/{id}/`, `POST /credentials/{id}/set_default/`

use accounts::Caller;
use axum::extract::State;
use httpkit::{BareReply, Listed, StatusRefusals, bare};
use kernel::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::Number;
use crate::{
    Gmail,
    model::CredentialStatus,
    store::{self, CredentialRow},
};

/// A connected account, and how it is.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CredentialInfo {
    id: i64,
    email: String,
    is_default: bool,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    status: CredentialStatus,
    /// Why it must be connected again.
    status_reason: Option<String>,
    /// When its mails were read last.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_sync: Option<Timestamp>,
    /// When Google rang last.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_push: Option<Timestamp>,
    /// Until when Google rings; renewed daily.
    #[schema(value_type = Option<String>, format = DateTime)]
    watch_expires: Option<Timestamp>,
    /// Why Google does not ring.
    watch_error: Option<String>,
    /// Until when Google wants no call for this account.
    #[schema(value_type = Option<String>, format = DateTime)]
    limited_until: Option<Timestamp>,
}

impl CredentialInfo {
    fn of(gmail: &Gmail, row: CredentialRow) -> Self {
        Self {
            limited_until: gmail.0.governors.of(&row.address).held_until(),
            id: row.id,
            email: row.email,
            is_default: row.is_default,
            created_at: row.created_at,
            status: row.status,
            status_reason: row.status_reason,
            last_sync: row.synced_at,
            last_push: row.pushed_at,
            watch_expires: row.watch_expires_at,
            watch_error: row.watch_error,
        }
    }
}

/// List the connected accounts
///
/// One's own, with how each is. No token and no client secret is ever shown.
#[utoipa::path(get, path = "/credentials/", tag = "gmail",
    responses((status = 200, body = Listed<CredentialInfo>), StatusRefusals))]
pub(super) async fn list_credentials(
    State(gmail): State<Gmail>,
    caller: Caller,
) -> BareReply<Listed<CredentialInfo>> {
    let rows = store::credentials(&mut gmail.db().read().await?, caller.id()).await?;
    let results: Vec<_> = rows.into_iter().map(|row| CredentialInfo::of(&gmail, row)).collect();
    let count = i64::try_from(results.len()).unwrap_or(i64::MAX);
    bare(Listed { results, count })
}

/// What was done.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DoneData {
    /// Always `success`.
    pub(super) status: &'static str,
    pub(super) message: String,
}

/// Use an account where none is named
#[utoipa::path(post, path = "/credentials/{id}/set_default/", tag = "gmail",
    params(("id" = i64, Path, description = "The credential")),
    responses((status = 200, body = DoneData), StatusRefusals))]
pub(super) async fn set_default_credential(
    State(gmail): State<Gmail>,
    caller: Caller,
    Number(id): Number,
) -> BareReply<DoneData> {
    let row = gmail.make_default(caller.id(), id).await?;
    bare(DoneData { status: "success", message: format!("{} is the default account", row.email) })
}

/// Disconnect an account
///
/// Ends Google's notifications, revokes the grant and forgets tokens and client secret. Conversations go with it. Where
/// Google does not answer, everything is forgotten here all the same, and `message` says so.
#[utoipa::path(delete, path = "/credentials/{id}/", tag = "gmail",
    params(("id" = i64, Path, description = "The credential")),
    responses((status = 200, body = DoneData), StatusRefusals))]
pub(super) async fn delete_credential(
    State(gmail): State<Gmail>,
    caller: Caller,
    Number(id): Number,
) -> BareReply<DoneData> {
    let gone = gmail.disconnect(caller.id(), id).await?;
    let message = match gone.revoked {
        Ok(()) => format!("{} is disconnected", gone.email),
        Err(reason) => format!(
            "{} is disconnected; Google could not be told ({reason}): remove the access in the Google account",
            gone.email
        ),
    };
    bare(DoneData { status: "success", message })
}
