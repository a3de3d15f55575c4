//! `POST /auth/password/forgot` and `POST /auth/password/reset`

use axum::extract::State;
use httpkit::{Body, ClientAddr, Failure, OkEnvelope, Refusals, Reply, ok, text};
use kernel::Problem;
use utoipa::ToSchema;

use super::{Email, NewPassword};
use crate::Accounts;

/// Whose password is forgotten.
#[derive(ToSchema)]
#[expect(dead_code, reason = "documents the body, which is read field by field")]
pub(super) struct ForgotRequest {
    #[schema(example = "zhangsan@example.com")]
    email: String,
}

/// Ask for a new password
///
/// Mails a link to the address if it has an account; the answer is the same if it has none.
#[utoipa::path(post, path = "/auth/password/forgot", tag = "accounts", request_body = ForgotRequest,
    security(()),
    responses((status = 200, body = OkEnvelope<Option<String>>, description = "`data` is null"), Refusals))]
pub(super) async fn forgot_password(
    State(accounts): State<Accounts>,
    client: ClientAddr,
    Body(mut f): Body,
) -> Reply<Option<String>> {
    let email: Email = f.required("email");
    f.finish()?;
    let email = email.0.ok_or_else(|| Failure(Problem::internal()))?;
    accounts.forgot_password(&email.normalized(), &client.key()).await?;
    ok(None)
}

/// What the mailed link holds after the `#`, and the new password.
#[derive(ToSchema)]
#[expect(dead_code, reason = "documents the body, which is read field by field")]
pub(super) struct ResetRequest {
    token: String,
    /// 8 to 128 characters.
    #[schema(min_length = 8, max_length = 128)]
    password: String,
}

/// Set a new password
///
/// Ends all logins of the account.
#[utoipa::path(post, path = "/auth/password/reset", tag = "accounts", request_body = ResetRequest,
    security(()),
    responses((status = 200, body = OkEnvelope<Option<String>>, description = "`data` is null"), Refusals))]
pub(super) async fn reset_password(
    State(accounts): State<Accounts>,
    client: ClientAddr,
    Body(mut f): Body,
) -> Reply<Option<String>> {
    let token: text::Opaque<1024> = f.required("token");
    let password: NewPassword = f.required("password");
    f.finish()?;
    accounts.reset_password(&token.0, password.0, &client.key()).await?;
    ok(None)
}
