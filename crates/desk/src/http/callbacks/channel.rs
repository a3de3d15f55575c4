//! `POST /channel/{channelType}/callback`

use axum::{
    extract::{Path, Request, State},
    response::Response,
};
use httpkit::{Failure, Refusals};
use kernel::Problem;

use super::take;
use crate::{Desk, model::ChannelType};

/// Take a channel's callback
///
/// `wechat`, `douyin` and `jd` are known by what their platforms sign (`msg_signature`; `X-Douyin-Signature` or
/// `event-sign`; a form with `sign`); anything else is a bridge of one's own, signed with HMAC-SHA256 over
/// `timestamp`, `nonce` and the raw body in headers, in the query, or in the body beside `rawPayload`. Stored, then
/// answered as the platform wants it. 401 if the signature is missing, another's, more than five minutes off, or its
/// nonce was used before; 503 without a configured account.
#[utoipa::path(post, path = "/channel/{channelType}/callback", tag = "channels", security(()),
    request_body(content = serde_json::Value, content_type = "application/json"),
    params(
        ("channelType" = inline(ChannelType), Path),
        ("X-Signature" = Option<String>, Header), ("X-Timestamp" = Option<String>, Header),
        ("X-Nonce" = Option<String>, Header),
        ("account" = Option<String>, Query, description = "Which account; without, the one whose signature it is")),
    responses((status = 200, description = "`{code: 0, message}`, or what the platform wants", body = serde_json::Value),
        Refusals))]
pub(super) async fn handle_channel_callback(
    State(desk): State<Desk>,
    Path(channel_type): Path<String>,
    request: Request,
) -> Result<Response, Failure> {
    let channel_type = ChannelType::parse(&channel_type).ok_or_else(|| {
        Problem::bad_request("channelType", format!("must be one of {}", ChannelType::ALL.join(", ")))
    })?;
    take(&desk, channel_type, None, request).await
}
