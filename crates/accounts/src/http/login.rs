//! `POST /auth/login`

use axum::extract::State;
use httpkit::{Body, ClientAddr, Failure, OkEnvelope, Refusals, Reply, ok, text};
use kernel::Problem;
use utoipa::ToSchema;

use super::{Email, register::LoginData};
use crate::Accounts;

/// Who wants to log in.
#[derive(ToSchema)]
#[expect(dead_code, reason = "documents the body, which is read field by field")]
pub(super) struct LoginRequest {
    #[schema(example = "zhangsan@example.com")]
    email: String,
    #[schema(example = "password123")]
    password: String,
}

/// Log in
///
/// Wrong passwords are limited for each account and caller; 429 says when to try again.
#[utoipa::path(post, path = "/auth/login", tag = "accounts", request_body = LoginRequest, security(()),
    responses((status = 200, body = OkEnvelope<LoginData>), Refusals))]
pub(super) async fn login(
    State(accounts): State<Accounts>,
    client: ClientAddr,
    Body(mut f): Body,
) -> Reply<LoginData> {
    let email: Email = f.required("email");
    let password: text::Opaque<1024> = f.required("password");
    f.finish()?;
    let email = email.0.ok_or_else(|| Failure(Problem::internal()))?;
    ok(accounts.login(&email.normalized(), password.0, &client.key()).await?.into())
}
