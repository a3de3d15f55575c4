//! The routes of seed 002 §4.

mod future_prediction;
mod sentiment_analysis;
mod writing_assistant;

use axum::{
    http::{HeaderName, HeaderValue},
    response::{IntoResponse, Response},
};
use httpkit::{OkEnvelope, ok};
use serde::Serialize;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{Assistant, model::Answered};

/// Who answered, as in the answer itself.
pub const ENGINE_HEADER: HeaderName = HeaderName::from_static("x-assistant-engine");

/// The longest text that is taken, in characters: some twenty pages.
const MOST_CHARS: usize = 20_000;

/// All routes, relative to `/api/v1`.
pub fn router(assistant: Assistant) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(writing_assistant::writing_assistant))
        .routes(routes!(sentiment_analysis::sentiment_analysis))
        .routes(routes!(future_prediction::future_prediction))
        .with_state(assistant)
}

/// An answer in the envelope, and who gave it in a header.
struct FromEngine<T>(OkEnvelope<Answered<T>>);

fn from_engine<T>(answered: Answered<T>) -> Result<FromEngine<T>, httpkit::Failure> {
    ok(answered).map(FromEngine)
}

impl<T: Serialize> IntoResponse for FromEngine<T> {
    fn into_response(self) -> Response {
        // A model's name is printable ASCII: the settings see to it.
        let engine = HeaderValue::from_str(&self.0.data.engine);
        let mut response = self.0.into_response();
        if let Ok(engine) = engine {
            response.headers_mut().insert(ENGINE_HEADER, engine);
        }
        response
    }
}
