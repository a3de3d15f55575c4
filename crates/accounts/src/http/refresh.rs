//! `POST /auth/refresh`

use axum::extract::State;
use httpkit::{Body, ClientAddr, OkEnvelope, Refusals, Reply, ok, text};
use serde::Serialize;
use utoipa::ToSchema;

use crate::Accounts;

/// The token from login or from the last refresh.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "documents the body, which is read field by field")]
pub(super) struct RefreshRequest {
    refresh_token: String,
}

/// New tokens; the old refresh token is used up.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct RefreshData {
    token: String,
    refresh_token: String,
}

/// Refresh the tokens
///
/// A refresh token works once. If it comes a second time, the whole login is ended.
#[utoipa::path(post, path = "/auth/refresh", tag = "accounts", request_body = RefreshRequest, security(()),
    responses((status = 200, body = OkEnvelope<RefreshData>), Refusals))]
pub(super) async fn refresh(
    State(accounts): State<Accounts>,
    client: ClientAddr,
    Body(mut f): Body,
) -> Reply<RefreshData> {
    let token: text::Opaque<1024> = f.required("refreshToken");
    f.finish()?;
    let tokens = accounts.refresh(&token.0, &client.key()).await?;
    ok(RefreshData { token: tokens.access, refresh_token: tokens.refresh })
}
