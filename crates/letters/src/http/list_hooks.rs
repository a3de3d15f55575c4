//! `GET /triggers/hooks`

use accounts::Caller;
use axum::extract::State;
use httpkit::{OkEnvelope, Refusals, Reply, ok};
use kernel::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{Letters, store};

/// The caller's hooks.
#[derive(Serialize, ToSchema)]
pub(super) struct HooksData {
    hooks: Vec<HookView>,
}

/// A hook, without its secret.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct HookView {
    hook_id: String,
    name: String,
    /// Where its events go.
    url: String,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When an event last came, if one did.
    #[schema(value_type = Option<String>, format = DateTime)]
    used_at: Option<Timestamp>,
}

/// Where the events of a hook go.
pub(super) fn hook_url(public_url: &str, id: &str) -> String {
    format!("{public_url}/api/v1/hooks/{id}")
}

/// List your hooks
#[utoipa::path(get, path = "/triggers/hooks", tag = "letters",
    responses((status = 200, body = OkEnvelope<HooksData>), Refusals))]
pub(super) async fn list_hooks(State(letters): State<Letters>, caller: Caller) -> Reply<HooksData> {
    let rows = store::hooks(&mut letters.db().read().await?, caller.id()).await?;
    let view = |h: store::HookRow| HookView {
        url: hook_url(letters.public_url(), &h.id),
        hook_id: h.id,
        name: h.name,
        created_at: h.created_at,
        used_at: h.used_at,
    };
    ok(HooksData { hooks: rows.into_iter().map(view).collect() })
}
