//! `POST /channel/{channelType}/callback`

use axum::{
    extract::{Path, Request, State},
    response::Response,
};
use httpkit::{Failure, Refusals};
use kernel::Problem;
use utoipa::ToSchema;

use super::take;
use crate::{Desk, model::ChannelType};

/// What a bridge sends: one of these, a list of at most a hundred, or either as the text `rawPayload` beside its
/// `signature`, `timestamp` and `nonce`. The platforms have forms of their own.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "documents the body, which is read as its signature covers it")]
pub(super) struct BridgeMessage {
    /// The bridge's own id: the same one is taken once. Required.
    #[schema(max_length = 128)]
    message_id: Option<String>,
    /// To which of our accounts. Required.
    #[schema(max_length = 128)]
    kf_id: Option<String>,
    /// From which customer. Required.
    #[schema(max_length = 128)]
    customer_id: Option<String>,
    #[schema(max_length = 128)]
    customer_name: Option<String>,
    /// Comes back with our answers.
    #[schema(max_length = 128)]
    conversation: Option<String>,
    /// When it was written; without, now.
    #[schema(value_type = Option<String>, format = DateTime)]
    sent_at: Option<String>,
    /// `customer`, or `colleague` for one of us who wrote on the platform itself.
    #[schema(default = "customer")]
    sender_type: Option<String>,
    /// `text`, `image`, `voice`, `video`, `file`, or any other kind.
    #[schema(default = "text", max_length = 128)]
    msg_type: Option<String>,
    /// The words; required of `text`.
    #[schema(max_length = 65536)]
    content: Option<String>,
    /// Where the file is, for a day at least; required of files.
    #[schema(max_length = 2048)]
    media_url: Option<String>,
}

/// What JD sends, as a form.
#[derive(ToSchema)]
#[expect(dead_code, reason = "documents the body, which is read as its signature covers it")]
pub(super) struct JdForm {
    /// Of the account.
    app_key: Option<String>,
    /// MD5 over the fields in order, between the account's secret. Required.
    sign: Option<String>,
    /// `2026-01-01 08:00:00`, JD's own time. Required.
    timestamp: Option<String>,
    token: Option<String>,
    format: Option<String>,
    v: Option<String>,
    /// The message, as JSON. Required.
    jd_param_json: Option<String>,
}

/// Take a channel's callback
///
/// `wechat`, `douyin` and `jd` are known by what their platforms sign (`msg_signature`; `X-Douyin-Signature` or
/// `event-sign`; a form with `sign`); anything else is a bridge of one's own, signed with HMAC-SHA256 over
/// `timestamp`, `nonce` and the raw body in headers, in the query, or in the body beside `rawPayload`. Stored, then
/// answered as the platform wants it. 401 if the signature is missing, another's, more than five minutes off, or its
/// nonce was used before; 503 without a configured account.
#[utoipa::path(post, path = "/channel/{channelType}/callback", tag = "channels", security(()),
    request_body(content(
        (BridgeMessage = "application/json"), (JdForm = "application/x-www-form-urlencoded"),
        (String = "application/xml"))),
    params(
        ("channelType" = inline(ChannelType), Path),
        ("X-Signature" = Option<String>, Header), ("X-Timestamp" = Option<String>, Header),
        ("X-Nonce" = Option<String>, Header),
        ("account" = Option<String>, Query, description = "Which account; without, the one whose signature it is")),
    responses((status = 200, description = "`{code: 0, message}`, or what the platform wants: WeCom the text `success`",
            content((serde_json::Value = "application/json"), (String = "text/plain"))),
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
