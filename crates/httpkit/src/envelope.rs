//! The envelopes of the letters API (seeds 001–003), `{code:200,message,data}`, and of the desk (seed 004),
//! `{code:0,message,data}`. Errors are the same in both: `{code,message,errors?}` with the HTTP status equal to `code`.

use std::collections::BTreeMap;

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use kernel::{Page, Problem, ProblemKind};
use serde::Serialize;
use utoipa::{
    IntoResponses, ToSchema,
    openapi::{ContentBuilder, Ref, RefOr, Response as ResponseDoc, ResponseBuilder},
};

/// What a handler returns.
pub type Reply<T> = Result<OkEnvelope<T>, Failure>;

/// `{code: 200, message: "success", data}`
#[derive(Debug, Serialize, ToSchema)]
pub struct OkEnvelope<T> {
    /// Always 200.
    #[schema(example = 200)]
    pub code: u16,
    /// Always `success`.
    #[schema(example = "success")]
    pub message: &'static str,
    /// The answer.
    pub data: T,
}

/// A success.
///
/// # Errors
/// None; the type is a handler's.
pub fn ok<T>(data: T) -> Reply<T> {
    Ok(OkEnvelope { code: 200, message: "success", data })
}

/// What a handler of the desk returns.
pub type DeskReply<T> = Result<DeskEnvelope<T>, Failure>;

/// `{code: 0, message: "success", data}`
#[derive(Debug, Serialize, ToSchema)]
pub struct DeskEnvelope<T> {
    /// Always 0.
    #[schema(example = 0)]
    pub code: u16,
    /// Always `success`.
    #[schema(example = "success")]
    pub message: &'static str,
    /// The answer.
    pub data: T,
}

/// A success at the desk.
///
/// # Errors
/// None; the type is a handler's.
pub fn desk_ok<T>(data: T) -> DeskReply<T> {
    Ok(DeskEnvelope { code: 0, message: "success", data })
}

impl<T: Serialize> IntoResponse for OkEnvelope<T> {
    fn into_response(self) -> Response {
        answer(&self)
    }
}

impl<T: Serialize> IntoResponse for DeskEnvelope<T> {
    fn into_response(self) -> Response {
        answer(&self)
    }
}

pub(crate) fn answer(envelope: &impl Serialize) -> Response {
    // A page of letters has some 4 KiB: one buffer, not a growing one.
    let mut body = Vec::with_capacity(4096);
    match serde_json::to_writer(&mut body, envelope) {
        Ok(()) => ([(header::CONTENT_TYPE, "application/json")], body).into_response(),
        Err(error) => {
            tracing::error!(%error, "an answer cannot be written");
            Failure(Problem::internal()).into_response()
        }
    }
}

/// One page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct PageData<T> {
    /// The rows of this page, possibly none.
    pub list: Vec<T>,
    /// How many rows there are on all pages.
    pub total: i64,
    /// From 1.
    pub page: i64,
    /// At most 100.
    pub size: i64,
}

/// A success with one page.
///
/// # Errors
/// None; the type is a handler's.
pub fn ok_page<T>(page: Page<T>) -> Reply<PageData<T>> {
    let Page { list, total, request } = page;
    ok(PageData { list, total, page: request.page, size: request.size })
}

/// A [`Problem`] on its way to the caller.
#[derive(Debug)]
pub struct Failure(pub Problem);

impl<E: Into<Problem>> From<E> for Failure {
    fn from(e: E) -> Self {
        Self(e.into())
    }
}

/// `{code, message, errors?}`
#[derive(Debug, Serialize, ToSchema)]
pub struct ErrorEnvelope {
    /// The HTTP status.
    #[schema(example = 422)]
    pub code: u16,
    /// What went wrong, in a sentence.
    #[schema(example = "validation failed")]
    pub message: String,
    /// Field name to reason, where the problem is about fields.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(example = json!({"sendTime": "must be later than now"}))]
    pub errors: BTreeMap<String, String>,
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let problem = self.0.clone();
        let Problem { kind, message, errors } = self.0;
        let code = kind.status();
        let status = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(ErrorEnvelope { code, message, errors })).into_response();
        // For whoever says it in another dialect.
        response.extensions_mut().insert(problem);
        let headers = response.headers_mut();
        match kind {
            ProblemKind::TooMany(wait) => {
                let seconds = wait.as_secs_f64().ceil().max(1.0);
                if let Ok(value) = HeaderValue::from_str(&format!("{seconds:.0}")) {
                    headers.insert(header::RETRY_AFTER, value);
                }
            }
            ProblemKind::Unavailable => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
            }
            ProblemKind::Unauthorized => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            _ => {}
        }
        response
    }
}

/// The refusals that any operation may answer, for the OpenAPI document.
pub struct Refusals;

impl IntoResponses for Refusals {
    fn responses() -> BTreeMap<String, RefOr<ResponseDoc>> {
        refusals(&ErrorEnvelope::name())
    }
}

/// What any operation may refuse, in a dialect's schema.
pub(crate) fn refusals(schema: &str) -> BTreeMap<String, RefOr<ResponseDoc>> {
    let all = [
        (400, "Not JSON, a missing field, a wrong type or an unknown value; `errors` names the fields"),
        (401, "No access token, or one that is invalid, expired or revoked"),
        (403, "Not allowed for this caller: plan, quota or role"),
        (404, "Does not exist, or not for this caller"),
        (405, "Another method"),
        (409, "Exists already"),
        (413, "The body is larger than anything that is read"),
        (422, "Well formed, but against a rule; `errors` names the fields"),
        (429, "Too many requests; `Retry-After` says when to come back"),
        (500, "Our fault"),
        (503, "Something that is needed is away; try again"),
    ];
    all.into_iter()
        .map(|(code, text)| {
            let schema = Ref::from_schema_name(schema);
            let content = ContentBuilder::new().schema(Some(schema)).build();
            let doc = ResponseBuilder::new().description(text).content("application/json", content);
            (code.to_string(), RefOr::T(doc.build()))
        })
        .collect()
}
