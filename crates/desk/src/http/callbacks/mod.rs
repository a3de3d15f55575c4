//! What channels call: below `/`, outside the limits of clients, authenticated by what their senders sign.

mod channel;
mod wecom;

use axum::{
    Json,
    body::Body,
    extract::Request,
    http::header,
    response::{IntoResponse, Response},
};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use httpkit::Failure;
use kernel::{Problem, ProblemKind};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    Desk,
    channel::{
        AccountKind,
        intake::{self, Answer},
    },
    model::ChannelType,
};

/// The largest callback, in bytes: a bridge's hundred long messages.
const MOST: usize = 2 * 1024 * 1024;

/// The routes that channels call, relative to `/`.
pub fn callbacks(desk: Desk) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(wecom::verify_wecom_url, wecom::handle_wecom_callback))
        .routes(routes!(channel::handle_channel_callback))
        .with_state(desk)
}

/// Takes a request in as a callback of this channel, and of this kind of account if the route has one.
async fn take(
    desk: &Desk,
    channel_type: ChannelType,
    kind: Option<AccountKind>,
    request: Request,
) -> Result<Response, Failure> {
    let (parts, body) = request.into_parts();
    let body = read(body).await?;
    let request = intake::Request::new(&parts.headers, parts.uri.query().unwrap_or_default(), &body)?;
    match desk.take_callback(channel_type, kind, &request).await {
        Ok(Answer::Text(text)) => Ok(plain(text)),
        Ok(Answer::Json(json)) => Ok(Json(json).into_response()),
        Err(problem) => Err(problem.into()),
    }
}

async fn read(body: Body) -> Result<Vec<u8>, Problem> {
    match Limited::new(body, MOST).collect().await {
        Ok(bytes) => Ok(bytes.to_bytes().into()),
        Err(error) if error.downcast_ref::<LengthLimitError>().is_some() => {
            Err(Problem::new(ProblemKind::TooLarge, format!("the body is larger than {MOST} bytes")))
        }
        Err(_) => Err(Problem::new(ProblemKind::BadRequest, "the body broke off")),
    }
}

fn plain(text: impl Into<String>) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text.into()).into_response()
}
