//! `GET` and `POST /wecom/callback`

use axum::{
    extract::{RawQuery, Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use httpkit::{ErrorEnvelope, Failure, Refusals};
use kernel::ProblemKind;

use super::{plain, take};
use crate::{Desk, channel::AccountKind, model::ChannelType};

/// Check the URL (WeCom)
///
/// Answers the decrypted `echostr`. A check that fails is 500 with the text `error`, as the contract has it; the reason is
/// in the log. 503 without a configured account.
#[utoipa::path(get, path = "/wecom/callback", tag = "channels", security(()),
    params(
        ("msg_signature" = String, Query), ("timestamp" = String, Query), ("nonce" = String, Query),
        ("echostr" = String, Query),
        ("account" = Option<String>, Query, description = "Which account; without, the one whose signature it is")),
    responses((status = 200, description = "The plain `echostr`", body = String, content_type = "text/plain"),
        (status = 500, description = "`error`", body = String, content_type = "text/plain"),
        (status = 503, description = "No account of WeCom is connected", body = ErrorEnvelope)))]
pub(super) async fn verify_wecom_url(
    State(desk): State<Desk>,
    RawQuery(query): RawQuery,
) -> Result<Response, Failure> {
    match desk.verify_url(&query.unwrap_or_default()).await {
        Ok(echo) => Ok(plain(echo)),
        Err(problem) if problem.kind == ProblemKind::Unavailable => Err(problem.into()),
        Err(problem) => {
            tracing::warn!(%problem, "WeCom's check of the URL is refused");
            Ok((StatusCode::INTERNAL_SERVER_ERROR, plain("error")).into_response())
        }
    }
}

/// Take a callback (WeCom)
///
/// The body is WeCom's encrypted XML. Stored, then answered `success`; its messages are pulled in the background. 401 if
/// the signature is missing, another's, or more than five minutes off; 503 without a configured account.
#[utoipa::path(post, path = "/wecom/callback", tag = "channels", security(()),
    request_body(content = String, content_type = "application/xml"),
    params(
        ("msg_signature" = Option<String>, Query, description = "Required all the same"),
        ("timestamp" = Option<String>, Query, description = "Required all the same"),
        ("nonce" = Option<String>, Query, description = "Required all the same"),
        ("account" = Option<String>, Query, description = "Which account; without, the one whose signature it is")),
    responses((status = 200, description = "`success`", body = String, content_type = "text/plain"), Refusals))]
pub(super) async fn handle_wecom_callback(
    State(desk): State<Desk>,
    request: Request,
) -> Result<Response, Failure> {
    take(&desk, ChannelType::Wechat, Some(AccountKind::Wecom), request).await
}
