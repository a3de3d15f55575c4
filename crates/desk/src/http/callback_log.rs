//! `GET /desk/callbacks` and `POST /desk/callbacks/{id}/replay`

use axum::extract::State;
use httpkit::{DeskEnvelope, DeskReply, PathId, Query, Refusals, desk_ok, text};
use kernel::Timestamp;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::{
    Desk,
    auth::Agent,
    store::callbacks::{self, CallbackRow},
};

/// The most callbacks of one answer.
const MOST: i64 = 200;

/// A callback as it came.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct CallbackInfo {
    /// `cb_…`
    callback_id: String,
    account_id: String,
    /// Its headers, query and body; of a page's item that cannot be read, the item.
    request: Value,
    /// Why nothing came of it; null if something did.
    error: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    received_at: Timestamp,
}

impl From<&CallbackRow> for CallbackInfo {
    fn from(row: &CallbackRow) -> Self {
        Self {
            callback_id: row.id.clone(),
            account_id: row.account_id.clone(),
            request: serde_json::from_str(&row.request).unwrap_or_else(|_| row.request.clone().into()),
            error: row.error.clone(),
            received_at: row.received_at,
        }
    }
}

/// List callbacks as they came
///
/// For supervisors, the newest first. They are kept for `desk.callbacks_keep`. `before` (a callback's id) reads on.
#[utoipa::path(get, path = "/desk/callbacks", tag = "desk",
    params(
        ("failed" = Option<bool>, Query, description = "Only those that nothing came of"),
        ("before" = Option<String>, Query, description = "Only older callbacks than this", max_length = 64),
        ("limit" = Option<i64>, Query, description = "1 to 200, default 50", minimum = 1, maximum = 200)),
    responses((status = 200, body = DeskEnvelope<Vec<CallbackInfo>>), Refusals))]
pub(super) async fn list_callbacks(
    State(desk): State<Desk>,
    agent: Agent,
    mut query: Query,
) -> DeskReply<Vec<CallbackInfo>> {
    agent.supervising()?;
    let f = &mut query.0;
    let failed = match f.optional::<text::Line<8>>("failed").map(|text| text.0).as_deref() {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => {
            f.bad("failed", "must be true or false");
            false
        }
    };
    let before: Option<text::Line<64>> = f.optional("before");
    let limit = f.optional::<i64>("limit").unwrap_or(50);
    if !(1..=MOST).contains(&limit) {
        f.bad("limit", format!("must be a whole number from 1 to {MOST}"));
    }
    query.0.finish()?;
    let before = before.as_ref().map(|before| before.0.as_str());
    let rows = callbacks::list(&mut desk.db().read().await?, failed, before, limit).await?;
    desk_ok(rows.iter().map(CallbackInfo::from).collect())
}

/// Read a callback once more
///
/// For supervisors. As of when it came; what it said before is not said again. 422 if it is still not to be understood.
#[utoipa::path(post, path = "/desk/callbacks/{callbackId}/replay", tag = "desk",
    params(("callbackId" = String, Path, description = "`cb_…`")),
    responses((status = 200, body = DeskEnvelope<CallbackInfo>), Refusals))]
pub(super) async fn replay_callback(
    State(desk): State<Desk>,
    agent: Agent,
    PathId(id): PathId,
) -> DeskReply<CallbackInfo> {
    agent.supervising()?;
    desk_ok(CallbackInfo::from(&desk.replay(&id).await?))
}
