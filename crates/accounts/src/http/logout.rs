//! `POST /auth/logout`

use axum::extract::State;
use httpkit::{OkEnvelope, Refusals, Reply, ok};

use crate::{Accounts, Caller};

/// Log out
///
/// The access token and the refresh token of this login are useless from now on.
#[utoipa::path(post, path = "/auth/logout", tag = "accounts",
    responses((status = 200, body = OkEnvelope<Option<String>>, description = "`data` is null"), Refusals))]
pub(super) async fn logout(State(accounts): State<Accounts>, caller: Caller) -> Reply<Option<String>> {
    accounts.logout(&caller).await?;
    ok(None)
}
