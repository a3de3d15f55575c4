//! `/unsubscribe/{token}/`: what the readers of a mail may do who want no more.

use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::Response,
};
use kernel::Problem;

use super::page::page;
use crate::Gmail;

fn unknown(problem: &Problem) -> Response {
    let status = StatusCode::from_u16(problem.kind.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if status == StatusCode::NOT_FOUND {
        let text = "<p>This link is not complete, or it is none of ours.</p><p lang=\"zh\">链接不完整，或不是我们发出的。</p>";
        return page(status, "Unknown link · 链接无效", text);
    }
    let text = "<p>Please try again in a moment.</p><p lang=\"zh\">请稍后再试。</p>";
    page(status, "Not yet · 暂时无法处理", text)
}

/// Ask whether a reader wants no more
///
/// By the link of a mail. A page with a button; nothing is changed, for programs open links, too.
#[utoipa::path(get, path = "/unsubscribe/{token}/", tag = "gmail", security(()),
    params(("token" = String, Path, description = "From the mail")),
    responses(
        (status = 200, description = "A page with a button that posts here", content_type = "text/html", body = String),
        (status = 404, description = "None of our links", content_type = "text/html", body = String)))]
pub(super) async fn ask_outreach_unsubscribe(
    State(gmail): State<Gmail>,
    Path(token): Path<String>,
) -> Response {
    match gmail.reader(&token) {
        Ok(reader) => {
            let address = mail::html::escape(&reader.address);
            let body = format!(
                "<p>Send no more mail to {address}?</p><p lang=\"zh\">不再向 {address} 发送邮件？</p>\
                 <form method=\"post\"><input type=\"hidden\" name=\"List-Unsubscribe\" value=\"One-Click\">\
                 <button style=\"font-size:1rem;padding:.5rem 1rem\">Unsubscribe · 退订</button></form>"
            );
            page(StatusCode::OK, "Unsubscribe · 退订", &body)
        }
        Err(problem) => unknown(&problem),
    }
}

/// Unsubscribe at once (RFC 8058)
///
/// What mail programs post to, and the page's button: no more mails from the sender's accounts here to this reader. Whatever
/// the body says; as often as wanted.
#[utoipa::path(post, path = "/unsubscribe/{token}/", tag = "gmail", security(()),
    params(("token" = String, Path, description = "From the mail")),
    responses(
        (status = 200, description = "There will be no more", content_type = "text/html", body = String),
        (status = 404, description = "None of our links", content_type = "text/html", body = String)))]
pub(super) async fn outreach_unsubscribe(State(gmail): State<Gmail>, Path(token): Path<String>) -> Response {
    let done = async {
        let reader = gmail.reader(&token)?;
        gmail.unsubscribe(&reader).await?;
        Ok::<_, Problem>(reader)
    };
    match done.await {
        Ok(reader) => {
            let address = mail::html::escape(&reader.address);
            let body = format!(
                "<p>No more mail is sent to {address}.</p><p lang=\"zh\">不会再向 {address} 发送邮件。</p>"
            );
            page(StatusCode::OK, "Unsubscribed · 已退订", &body)
        }
        Err(problem) => unknown(&problem),
    }
}
