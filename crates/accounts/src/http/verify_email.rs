//! `POST /auth/verify-email` and `POST /auth/verify-email/resend`

use axum::extract::State;
use httpkit::{Body, OkEnvelope, Refusals, Reply, ok, text};
use utoipa::ToSchema;

use crate::{Accounts, Caller};

/// What the mailed link holds after the `#`.
#[derive(ToSchema)]
#[expect(dead_code, reason = "documents the body, which is read field by field")]
pub(super) struct TokenRequest {
    token: String,
}

/// Verify an e-mail address
///
/// The mailed link opens a page that calls this; opening the link alone changes nothing.
#[utoipa::path(post, path = "/auth/verify-email", tag = "accounts", request_body = TokenRequest, security(()),
    responses((status = 200, body = OkEnvelope<Option<String>>, description = "`data` is null"), Refusals))]
pub(super) async fn verify_email(
    State(accounts): State<Accounts>,
    Body(mut f): Body,
) -> Reply<Option<String>> {
    let token: text::Opaque<1024> = f.required("token");
    f.finish()?;
    accounts.verify_email(&token.0).await?;
    ok(None)
}

/// Mail the verification link again
#[utoipa::path(post, path = "/auth/verify-email/resend", tag = "accounts",
    responses((status = 200, body = OkEnvelope<Option<String>>, description = "`data` is null"), Refusals))]
pub(super) async fn resend_verification(
    State(accounts): State<Accounts>,
    caller: Caller,
) -> Reply<Option<String>> {
    accounts.resend_verification(&caller).await?;
    ok(None)
}
