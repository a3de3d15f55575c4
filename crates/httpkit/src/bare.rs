//! The dialect of the Gmail module (seed 000): an answer is a bare JSON object, a list `{results, count}`, a refusal
//! `{status: "error", message, errors?}` with the fitting HTTP status.

use std::collections::BTreeMap;

use axum::{
    Json,
    extract::Request,
    http::{HeaderValue, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use kernel::Problem;
use serde::Serialize;
use utoipa::{
    IntoResponses, ToSchema,
    openapi::{RefOr, Response as ResponseDoc},
};

use crate::{
    Failure,
    envelope::{answer, refusals},
};

/// What a handler of this dialect returns.
pub type BareReply<T> = Result<Bare<T>, Failure>;

/// An answer without an envelope.
#[derive(Debug)]
pub struct Bare<T>(pub T);

/// A success.
///
/// # Errors
/// None; the type is a handler's.
pub fn bare<T>(data: T) -> BareReply<T> {
    Ok(Bare(data))
}

impl<T: Serialize> IntoResponse for Bare<T> {
    fn into_response(self) -> Response {
        answer(&self.0)
    }
}

/// One page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct Listed<T> {
    /// The rows of this page, possibly none.
    pub results: Vec<T>,
    /// How many rows there are on all pages.
    pub count: i64,
}

/// `{status: "error", message, errors?}`
#[derive(Debug, Serialize, ToSchema)]
pub struct StatusError {
    /// Always `error`.
    #[schema(example = "error")]
    pub status: &'static str,
    /// What went wrong, in a sentence.
    #[schema(example = "validation failed")]
    pub message: String,
    /// Field name to reason, where the problem is about fields.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(example = json!({"to": "is not an address"}))]
    pub errors: BTreeMap<String, String>,
}

/// Around the routes of this dialect: whatever refused the request, the refusal is in it.
pub async fn refuse_in_status(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let Some(Problem { message, errors, .. }) = response.extensions_mut().remove::<Problem>() else {
        return response;
    };
    let (mut head, _) = response.into_parts();
    head.headers.remove(header::CONTENT_LENGTH);
    head.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let body = Json(StatusError { status: "error", message, errors }).into_response().into_body();
    Response::from_parts(head, body)
}

/// The refusals that any operation of this dialect may answer, for the OpenAPI document.
pub struct StatusRefusals;

impl IntoResponses for StatusRefusals {
    fn responses() -> BTreeMap<String, RefOr<ResponseDoc>> {
        refusals(&StatusError::name())
    }
}

#[cfg(test)]
mod tests {
    use axum::{Router, body::Body, middleware, routing::get};
    use serde_json::{Value, json};
    use tower::ServiceExt;

    use super::*;

    #[tokio::test]
    async fn refusals_speak_the_dialect() {
        let routes = Router::new()
            .route("/bad", get(|| async { Failure(Problem::rule("to", "is not an address")) }))
            .route("/busy", get(|| async { Failure(Problem::internal()) }))
            .route("/good", get(|| async { bare(json!({"id": 1})) }))
            .layer(middleware::from_fn(refuse_in_status));
        for (path, status, expected) in [
            (
                "/bad",
                422,
                json!({"status": "error", "message": "validation failed", "errors": {"to": "is not an address"}}),
            ),
            ("/busy", 500, json!({"status": "error", "message": Problem::internal().message})),
            ("/good", 200, json!({"id": 1})),
        ] {
            let request = Request::builder().uri(path).body(Body::empty()).unwrap();
            let response = routes.clone().oneshot(request).await.unwrap();
            assert_eq!(response.status().as_u16(), status);
            assert_eq!(response.headers()[header::CONTENT_TYPE], "application/json");
            let body = axum::body::to_bytes(response.into_body(), 10_000).await.unwrap();
            assert_eq!(serde_json::from_slice::<Value>(&body).unwrap(), expected, "{path}");
        }
    }
}
