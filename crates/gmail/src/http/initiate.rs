//! `POST /auth/initiate/`

use accounts::Caller;
use axum::extract::State;
use httpkit::{BareReply, BodyOrForm, StatusRefusals, bare, text};
use kernel::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::query::ClientFile;
use crate::{Gmail, oauth::Initiated};

/// An OAuth client. One of the two.
#[derive(ToSchema)]
#[expect(dead_code, reason = "documents the body, which is read field by field")]
pub(super) struct InitiateRequest {
    /// The file of Google's console, as a text, or as the object in it.
    #[schema(example = "{\"web\":{\"client_id\":\"…\",\"client_secret\":\"…\"}}")]
    client_secret_json: Option<String>,
    /// The same, uploaded (`multipart/form-data`).
    #[schema(value_type = Option<String>, format = Binary)]
    client_secret_file: Option<Vec<u8>>,
    /// Where Google is to send the browser back to: one of the client's `redirect_uris`. Ours without.
    redirect_uri: Option<String>,
    /// The address that is meant, if it is known.
    login_hint: Option<String>,
}

/// Where to send the person.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct InitiateData {
    auth_url: String,
    /// Always `success`.
    status: &'static str,
    redirect_uri: String,
    /// Whether the browser comes back to us; otherwise call `auth/complete/` with the address that it was sent to.
    completes_itself: bool,
    /// Until when.
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
}

/// Begin to connect a Gmail account
///
/// With the file of an OAuth client (`web` or `installed`) of Google's console. Its `auth_uri` and `token_uri` must be the
/// configured ones. Send the person to `auth_url` within ten minutes.
#[utoipa::path(post, path = "/auth/initiate/", tag = "gmail",
    request_body(content((InitiateRequest = "application/json"), (InitiateRequest = "multipart/form-data"))),
    responses((status = 200, body = InitiateData), StatusRefusals))]
pub(super) async fn initiate_oauth(
    State(gmail): State<Gmail>,
    caller: Caller,
    BodyOrForm(mut f): BodyOrForm,
) -> BareReply<InitiateData> {
    let json = f.optional::<ClientFile>("client_secret_json").map(|json| json.0);
    let file = f.optional::<ClientFile>("client_secret_file").map(|json| json.0);
    let wanted = f.optional::<text::Line<2048>>("redirect_uri").map(|uri| uri.0);
    let hint = f.optional::<text::Line<320>>("login_hint").map(|hint| hint.0);
    let json = match (json, file) {
        (Some(json), None) | (None, Some(json)) => json,
        (Some(_), Some(_)) => {
            f.bad("client_secret_file", "must not come beside client_secret_json");
            String::new()
        }
        (None, None) => {
            if !f.has("client_secret_json") && !f.has("client_secret_file") {
                f.bad("client_secret_json", "is required, or client_secret_file");
            }
            String::new()
        }
    };
    f.finish()?;
    let begun = gmail.initiate(caller.id(), &json, wanted.as_deref(), hint.as_deref()).await?;
    let Initiated { auth_url, redirect_uri, completes_itself, expires_at } = begun;
    bare(InitiateData { auth_url, status: "success", redirect_uri, completes_itself, expires_at })
}
