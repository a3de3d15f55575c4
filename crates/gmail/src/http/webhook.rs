//! `POST /api/gmail/webhook/`: what Pub/Sub calls; outside the limits of clients, authenticated by Google's token.

use axum::{
    body::Body,
    extract::{Request, State},
};
use httpkit::{BareReply, StatusRefusals, bare};
use kernel::{Problem, ProblemKind};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{Gmail, sync::Rung};

/// The largest push, in bytes; Gmail's have some hundred.
const MOST: usize = 64 * 1024;

/// What Pub/Sub pushes; unwrapped ones, too.
#[derive(ToSchema)]
#[expect(dead_code, reason = "documents the body, which is read leniently")]
pub(super) struct PushRequest {
    message: PushMessage,
    /// `projects/{project}/subscriptions/{name}`
    subscription: String,
}

/// A message of Pub/Sub's.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "documents the body, which is read leniently")]
pub(super) struct PushMessage {
    /// `{"emailAddress", "historyId"}` in base64.
    data: String,
    /// The same whenever the push is repeated.
    message_id: Option<String>,
    attributes: Option<serde_json::Value>,
}

/// Taken.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PushData {
    /// `success`, or `ignored` for a push about nothing that is known here.
    status: &'static str,
    received: bool,
}

/// What Google calls, relative to `/`.
pub fn callbacks(gmail: Gmail) -> OpenApiRouter {
    OpenApiRouter::new().routes(routes!(take_gmail_push)).with_state(gmail)
}

/// Take a push of Google's
///
/// With an OIDC token of Google's for the audience and from the service account of the settings. What it tells is a hint:
/// it is kept, then acknowledged, and the mailbox is read from where it was read last. 401, 403 for anybody else's; 503
/// where it could not be kept, or no pushes are set up.
#[utoipa::path(post, path = "/api/gmail/webhook/", tag = "gmail", security(()), request_body = PushRequest,
    responses((status = 200, body = PushData), StatusRefusals))]
pub(super) async fn take_gmail_push(State(gmail): State<Gmail>, request: Request) -> BareReply<PushData> {
    let (parts, body) = request.into_parts();
    let pushes = gmail.expect_push(&parts.headers).await?;
    let body = read(body).await?;
    bare(match gmail.take_push(pushes, &parts.headers, &body).await? {
        Rung::Received => PushData { status: "success", received: true },
        Rung::Ignored => PushData { status: "ignored", received: false },
    })
}

async fn read(body: Body) -> Result<Vec<u8>, Problem> {
    let read = axum::body::to_bytes(body, MOST).await;
    read.map(Into::into).map_err(|_| {
        Problem::new(ProblemKind::TooLarge, format!("the body broke off, or is larger than {MOST} bytes"))
    })
}
