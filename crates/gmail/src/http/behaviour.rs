//! `PATCH /credentials/{id}/`: how an account behaves.

use accounts::Caller;
use axum::extract::State;
use httpkit::{BareReply, Body, StatusRefusals, bare};
use utoipa::ToSchema;

use super::{Number, credentials::CredentialInfo};
use crate::{Gmail, model::AutoReply, store, sync::TRIES};

/// What to change.
#[derive(ToSchema)]
#[expect(dead_code, reason = "documents the body, which is read field by field")]
pub(super) struct CredentialPatch {
    /// The most mails in 24 hours; `null`: the installation's.
    #[schema(example = 200)]
    daily_cap: Option<i64>,
    /// Whether this account answers by itself where a goal asks for it.
    auto_reply: Option<AutoReply>,
}

/// Set how an account behaves
///
/// What is not named stays.
#[utoipa::path(patch, path = "/credentials/{id}/", tag = "gmail", request_body = CredentialPatch,
    params(("id" = i64, Path, description = "The credential")),
    responses((status = 200, body = CredentialInfo), StatusRefusals))]
pub(super) async fn patch_credential(
    State(gmail): State<Gmail>,
    caller: Caller,
    Number(id): Number,
    Body(mut f): Body,
) -> BareReply<CredentialInfo> {
    let most = gmail.0.config.send.daily_cap;
    let cap: Option<i64> = f.optional("daily_cap");
    if cap.is_some_and(|cap| !(1..=most).contains(&cap)) {
        f.rule("daily_cap", format!("must be from 1 to {most}"));
    }
    let named = f.names("daily_cap").then_some(cap);
    let auto_reply: Option<AutoReply> = f.optional("auto_reply");
    f.finish()?;
    let row = gmail.set_behaviour(caller.id(), id, named, auto_reply).await?;
    let mut conn = gmail.db().read().await?;
    let health = store::fetches::health(&mut conn, std::slice::from_ref(&row.key), TRIES).await?;
    bare(CredentialInfo::of(&gmail, &mut conn, row, health.into_iter().next().unwrap_or_default()).await?)
}
