//! `POST /triggers/hooks`

use accounts::Caller;
use axum::extract::State;
use httpkit::{Body, OkEnvelope, Refusals, Reply, ok, text};
use kernel::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::list_hooks::hook_url;
use crate::Letters;

/// A hook to be made.
#[derive(ToSchema)]
#[expect(dead_code, reason = "documents the body, which is read field by field")]
pub(super) struct NewHookRequest {
    /// For its owner.
    #[schema(example = "Calendar", min_length = 1, max_length = 100)]
    name: String,
}

/// A new hook.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct CreatedHook {
    hook_id: String,
    name: String,
    /// Where its events go.
    url: String,
    /// Shown this once. Requests are signed with it as Standard Webhooks has it.
    #[schema(example = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=")]
    secret: String,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

/// Create a hook for events
///
/// A service that knows its secret may report events for the caller. At most 20.
#[utoipa::path(post, path = "/triggers/hooks", tag = "letters", request_body = NewHookRequest,
    responses((status = 200, body = OkEnvelope<CreatedHook>), Refusals))]
pub(super) async fn create_hook(
    State(letters): State<Letters>,
    caller: Caller,
    Body(mut f): Body,
) -> Reply<CreatedHook> {
    let text::Line(name) = f.required::<text::Line<100>>("name");
    f.finish()?;
    let new = letters.create_hook(&caller, name).await?;
    ok(CreatedHook {
        url: hook_url(letters.public_url(), &new.hook.id),
        hook_id: new.hook.id,
        name: new.hook.name,
        secret: new.secret,
        created_at: new.hook.created_at,
    })
}
