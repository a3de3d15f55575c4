//! `GET /auth/callback/`: where Google sends the browser back to.

use axum::{
    extract::{RawQuery, State},
    http::{StatusCode, header},
    response::{IntoResponse as _, Response},
};

use crate::Gmail;

/// Come back from Google
///
/// Completes what `auth/initiate/` began, whoever's browser it is, and answers a page for it.
#[utoipa::path(get, path = "/auth/callback/", tag = "gmail", security(()),
    params(
        ("state" = Option<String>, Query, description = "Of `auth_url`"),
        ("code" = Option<String>, Query, description = "To be exchanged"),
        ("error" = Option<String>, Query, description = "Why there is no code")),
    responses(
        (status = 200, description = "The account is connected", content_type = "text/html", body = String),
        (status = "4XX", description = "It is not; the page says why", content_type = "text/html", body = String),
        (status = "5XX", description = "It is not yet: try again", content_type = "text/html", body = String)))]
pub(super) async fn oauth_callback(State(gmail): State<Gmail>, RawQuery(query): RawQuery) -> Response {
    match gmail.called_back(query.as_deref().unwrap_or_default()).await {
        Ok(row) => page(
            StatusCode::OK,
            "Connected",
            &format!("{} is connected. You may close this window.", row.email),
        ),
        Err(problem) => {
            let status =
                StatusCode::from_u16(problem.kind.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            let reasons: Vec<&str> = problem.errors.values().map(String::as_str).collect();
            let reason = if reasons.is_empty() { problem.message.clone() } else { reasons.join("; ") };
            page(status, "Not connected", &reason)
        }
    }
}

/// A page without anything that runs or is loaded.
fn page(status: StatusCode, title: &str, text: &str) -> Response {
    let escaped: String = text
        .chars()
        .map(|c| match c {
            '&' => "&amp;".to_owned(),
            '<' => "&lt;".to_owned(),
            '>' => "&gt;".to_owned(),
            '"' => "&quot;".to_owned(),
            c => c.to_string(),
        })
        .collect();
    let html = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>{title}</title><body style=\"font-family:sans-serif;max-width:32rem;margin:4rem auto;padding:0 1rem\">\
         <h1>{title}</h1><p>{escaped}</p></body></html>"
    );
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
        ),
    ];
    (status, headers, html).into_response()
}
