//! Around every request: an id, a log line, figures, the answer to a panic, headers.

use std::{any::Any, time::Instant};

use axum::{
    extract::{MatchedPath, Request, State},
    http::{HeaderName, HeaderValue, Method, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use kernel::{Problem, ProblemKind};

use crate::{ClientAddr, Failure, Limiter};

static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Logs and counts the request: method, route template, status and time, and nothing that a caller wrote.
pub async fn observe(request: Request, next: Next) -> Response {
    let started = Instant::now();
    let method = request.method().clone();
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or_else(|| "unmatched".to_owned(), |path| path.as_str().to_owned());
    let id = kernel::id::random::<8>().map_or(0, u64::from_be_bytes);
    let mut response = next.run(request).await;
    let status = response.status().as_u16();
    let seconds = started.elapsed().as_secs_f64();
    if status >= 500 {
        tracing::error!(request.id = %format_args!("{id:016x}"), %method, route, status, seconds, "request failed");
    } else {
        tracing::debug!(request.id = %format_args!("{id:016x}"), %method, route, status, seconds, "request");
    }
    metrics::histogram!(
        "hongyan_http_request_seconds",
        "method" => method_label(&method), "route" => route, "status" => status.to_string()
    )
    .record(seconds);
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(&format!("{id:016x}")) {
        headers.insert(REQUEST_ID.clone(), value);
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.entry(header::X_FRAME_OPTIONS).or_insert(HeaderValue::from_static("DENY"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// A caller may invent methods; a label may not grow without bound.
fn method_label(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "POST" => "POST",
        "PUT" => "PUT",
        "DELETE" => "DELETE",
        "PATCH" => "PATCH",
        "HEAD" => "HEAD",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}

/// Limits all requests of one address.
pub async fn limit(State(limiter): State<Limiter>, request: Request, next: Next) -> Response {
    let client = ClientAddr::of(request.headers(), request.extensions());
    match limiter.check(&client.key()) {
        Ok(()) => next.run(request).await,
        Err(problem) => Failure(problem).into_response(),
    }
}

/// 404 in the envelope.
pub async fn not_found() -> Response {
    Failure(Problem::not_found("path")).into_response()
}

/// 405 in the envelope; axum adds `Allow`.
pub async fn method_not_allowed() -> Response {
    Failure(Problem::new(ProblemKind::MethodNotAllowed, "this path does not take this method"))
        .into_response()
}

/// The answer to a panic, for [`tower_http::catch_panic`].
#[must_use]
pub fn panicked(cause: Box<dyn Any + Send + 'static>) -> Response {
    let text = cause
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| cause.downcast_ref::<&str>().copied())
        .unwrap_or("?");
    tracing::error!(panic = text, "a handler panicked");
    Failure(Problem::internal()).into_response()
}
