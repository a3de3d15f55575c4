//! `DELETE /triggers/hooks/{hookId}`

use accounts::Caller;
use axum::extract::State;
use httpkit::{OkEnvelope, PathId, Refusals, Reply, ok};
use kernel::Problem;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{Letters, store};

/// The hook is gone.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct DeletedHook {
    hook_id: String,
}

/// Delete a hook
///
/// What is signed with its secret is refused from now on.
#[utoipa::path(delete, path = "/triggers/hooks/{hookId}", tag = "letters",
    params(("hookId" = String, Path, description = "`hook_…`")),
    responses((status = 200, body = OkEnvelope<DeletedHook>), Refusals))]
pub(super) async fn delete_hook(
    State(letters): State<Letters>,
    caller: Caller,
    PathId(id): PathId,
) -> Reply<DeletedHook> {
    let mut tx = letters.db().begin().await?;
    if !store::delete_hook(&mut tx, &id, caller.id()).await? {
        return Err(Problem::not_found("hook").into());
    }
    tx.commit().await?;
    ok(DeletedHook { hook_id: id })
}
