//! `POST /auth/register`

use axum::extract::State;
use httpkit::{Body, ClientAddr, Failure, OkEnvelope, Refusals, Reply, ok, text};
use kernel::Problem;
use serde::Serialize;
use utoipa::ToSchema;

use super::{Email, NewPassword, Url};
use crate::{
    Accounts,
    ops::{LoggedIn, Registration},
};

/// A new account.
#[derive(ToSchema)]
#[expect(dead_code, reason = "documents the body, which is read field by field")]
pub(super) struct RegisterRequest {
    /// The name that others see, at most 64 characters; need not be unique.
    #[schema(example = "张三", min_length = 1, max_length = 64)]
    username: String,
    /// One account per address, compared case-insensitively.
    #[schema(example = "zhangsan@example.com", max_length = 254)]
    email: String,
    /// 8 to 128 characters.
    #[schema(example = "password123", min_length = 8, max_length = 128)]
    password: String,
    /// An absolute http(s) URL.
    #[schema(example = "https://example.com/avatar.jpg")]
    avatar: Option<String>,
}

/// An account and its tokens.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct LoginData {
    #[schema(example = "user_06ew1v8k3m2n4p5q6r7s8t9v0w")]
    user_id: String,
    username: String,
    email: String,
    avatar: Option<String>,
    /// JWT for `Authorization: Bearer`, good for 24 hours.
    token: String,
    /// Good for 7 days and for one use.
    refresh_token: String,
}

impl From<LoggedIn> for LoginData {
    fn from(LoggedIn { user, tokens }: LoggedIn) -> Self {
        Self {
            user_id: user.id,
            username: user.username,
            email: user.email,
            avatar: user.avatar,
            token: tokens.access,
            refresh_token: tokens.refresh,
        }
    }
}

/// Register
///
/// Makes an account and logs it in. Where addresses are verified, a link is mailed to the address.
#[utoipa::path(post, path = "/auth/register", tag = "accounts", request_body = RegisterRequest, security(()),
    responses((status = 200, body = OkEnvelope<LoginData>), Refusals))]
pub(super) async fn register(
    State(accounts): State<Accounts>,
    client: ClientAddr,
    Body(mut f): Body,
) -> Reply<LoginData> {
    let username: text::Line<64> = f.required("username");
    let email: Email = f.required("email");
    let password: NewPassword = f.required("password");
    let avatar: Option<Url> = f.optional("avatar");
    if let Some(Err(reason)) = avatar.as_ref().map(|url| accounts.check_avatar(&url.0, None)) {
        f.rule("avatar", reason);
    }
    f.finish()?;
    let email = email.0.ok_or_else(|| Failure(Problem::internal()))?;
    let new =
        Registration { username: username.0, email, password: password.0, avatar: avatar.map(|url| url.0) };
    ok(accounts.register(new, &client.key()).await?.into())
}
