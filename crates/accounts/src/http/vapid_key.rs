//! `GET /notification/vapid-key`

use axum::extract::State;
use httpkit::{OkEnvelope, Reply, ok};
use serde::Serialize;
use utoipa::ToSchema;

use crate::Accounts;

/// The server's key for Web Push.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct VapidData {
    /// For `pushManager.subscribe`'s `applicationServerKey`: the public key in base64url.
    #[schema(
        example = "BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8"
    )]
    public_key: String,
}

/// Get the key for Web Push
///
/// The same for all browsers, and no secret.
#[utoipa::path(get, path = "/notification/vapid-key", tag = "accounts", security(()),
    responses((status = 200, body = OkEnvelope<VapidData>)))]
pub(super) async fn vapid_key(State(accounts): State<Accounts>) -> Reply<VapidData> {
    ok(VapidData { public_key: accounts.config().push.vapid_public().to_owned() })
}
