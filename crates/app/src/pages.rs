//! The few pages that mails link to. They hold no data: their script calls the API, and a mailed token stays
//! behind the `#`, where neither logs nor link previews see it.

use axum::{
    Router,
    http::header,
    response::{IntoResponse, Response},
    routing::get,
};

const STYLE: &str = include_str!("pages/style.css");
const HOME: &str = include_str!("pages/home.html");
const VERIFY: &str = include_str!("pages/verify-email.html");
const RESET: &str = include_str!("pages/reset-password.html");
const LETTER: &str = include_str!("pages/letter.html");
const UNSUBSCRIBE: &str = include_str!("pages/unsubscribe.html");
const SCRIPT: &str = include_str!("pages/pages.js");

/// `/`, `/verify-email`, `/reset-password`, `/letters/{id}`, `/unsubscribe`.
pub(crate) fn router() -> Router {
    Router::new()
        .route("/", get(|| async { html(HOME) }))
        .route("/verify-email", get(|| async { html(VERIFY) }))
        .route("/reset-password", get(|| async { html(RESET) }))
        .route("/unsubscribe", get(|| async { html(UNSUBSCRIBE) }))
        .route("/letters/{id}", get(|| async { html(LETTER) }))
        .route("/pages.js", get(|| async { asset("text/javascript; charset=utf-8", SCRIPT) }))
        .route("/pages.css", get(|| async { asset("text/css; charset=utf-8", STYLE) }))
}

fn html(text: &'static str) -> Response {
    let policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                  img-src 'self' https: data:; form-action 'none'; base-uri 'none'; frame-ancestors 'none'";
    let headers =
        [(header::CONTENT_TYPE, "text/html; charset=utf-8"), (header::CONTENT_SECURITY_POLICY, policy)];
    (headers, text).into_response()
}

fn asset(kind: &'static str, text: &'static str) -> Response {
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "public, max-age=300")], text).into_response()
}
