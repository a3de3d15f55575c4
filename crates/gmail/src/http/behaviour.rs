//! `PATCH /credentials/{id}/`: how an account behaves.

use accounts::Caller;
use axum::extract::State;
use httpkit::{BareReply, Body, StatusRefusals, bare, hours::Hours};
use utoipa::ToSchema;

use super::{Number, credentials::CredentialInfo};
use crate::{Gmail, model::AutoReply, ops::Behaviour, store, sync::TRIES};

/// What to change.
#[derive(ToSchema)]
#[expect(dead_code, reason = "documents the body, which is read field by field")]
pub(super) struct CredentialPatch {
    /// The most mails in 24 hours; `null`: the installation's.
    #[schema(example = 200)]
    daily_cap: Option<i64>,
    /// Whether this account answers by itself where a goal asks for it.
    auto_reply: Option<AutoReply>,
    /// When what nobody looked at may leave: automatic replies and follow-ups; `null`: always. Without `mon` to `sun` never,
    /// which is refused.
    sending_hours: Option<Hours>,
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
    let hours = f.object("sending_hours", Hours::read);
    if hours.as_ref().is_some_and(Hours::is_empty) {
        f.rule("sending_hours", "must have an interval on some weekday, mon to sun");
    }
    let sending_hours = f.names("sending_hours").then_some(hours);
    f.finish()?;
    let behaviour = Behaviour { daily_cap: named, auto_reply, sending_hours };
    let row = gmail.set_behaviour(caller.id(), id, behaviour).await?;
    let mut conn = gmail.db().read().await?;
    let health = store::fetches::health(&mut conn, std::slice::from_ref(&row.key), TRIES).await?;
    bare(CredentialInfo::of(&gmail, &mut conn, row, health.into_iter().next().unwrap_or_default()).await?)
}
