//! `POST /notification/device`

use axum::extract::State;
use httpkit::{Body, Failure, OkEnvelope, Refusals, Reply, ok, text};
use kernel::Problem;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    Accounts, Caller,
    model::Platform,
    sealed,
    store::{self, NewDevice},
};

/// So many devices may one account have.
const MAX_DEVICES: i64 = 50;

/// A device that wants push messages.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "documents the body, which is read field by field")]
pub(super) struct DeviceRequest {
    /// The client's own id of the device; registering it again replaces what was registered.
    #[schema(min_length = 1, max_length = 200)]
    device_id: String,
    platform: Platform,
    /// What the push service gave the client; for WEB the `PushSubscription` as JSON, whose endpoint must be an https
    /// URL of a public host; nothing can be sent to another WEB token. A token belongs to the account that registered it last.
    #[schema(min_length = 1, max_length = 4096)]
    token: String,
    /// Default true.
    is_enabled: Option<bool>,
}

/// The device is known.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct DeviceData {
    device_id: String,
    is_registered: bool,
}

/// Register a device
#[utoipa::path(post, path = "/notification/device", tag = "accounts", request_body = DeviceRequest,
    responses((status = 200, body = OkEnvelope<DeviceData>), Refusals))]
pub(super) async fn register_device(
    State(accounts): State<Accounts>,
    caller: Caller,
    Body(mut f): Body,
) -> Reply<DeviceData> {
    let text::Line(device) = f.required::<text::Line<200>>("deviceId");
    let platform: Platform = f.required("platform");
    let text::Line(token) = f.required::<text::Line<4096>>("token");
    let enabled = f.optional("isEnabled").unwrap_or(true);
    let known = accounts.read_token(platform, &token).map_err(|reason| f.rule("token", reason));
    f.finish()?;
    let Ok(known) = known else { return Err(Problem::internal().into()) };
    let place = sealed::token_place(caller.id(), &device);
    let sealed = accounts.keyring().seal(&place, token.as_bytes()).map_err(|error| {
        tracing::error!(%error, "a push token cannot be sealed");
        Failure(Problem::internal())
    })?;
    let now = accounts.clock().now();
    let mut tx = accounts.db().begin().await?;
    if store::count_devices(&mut tx, caller.id(), &device).await? >= MAX_DEVICES {
        let reason = format!("an account can have at most {MAX_DEVICES} devices");
        return Err(Problem::rule("deviceId", reason).into());
    }
    let new = NewDevice {
        user: caller.id(),
        device: &device,
        platform,
        token: sealed,
        token_id: known.as_ref().map(|k| k.id.as_str()),
        destination: known.as_ref().map_or("", |k| k.destination.as_str()),
        enabled,
    };
    store::upsert_device(&mut tx, new, now).await?;
    tx.commit().await?;
    ok(DeviceData { device_id: device, is_registered: true })
}
