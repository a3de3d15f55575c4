//! `POST /ai/future-prediction`

use accounts::Caller;
use axum::extract::State;
use httpkit::{Body, Failure, OkEnvelope, Refusals, text};
use kernel::Timestamp;
use utoipa::ToSchema;

use super::{FromEngine, MOST_CHARS, from_engine};
use crate::{
    Assistant,
    model::{Answered, PredictRequest, Prediction},
};

/// A letter whose future is to be imagined.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "documents the body, which is read field by field")]
pub(super) struct FuturePredictionRequest {
    #[schema(min_length = 1, max_length = 20000)]
    content: String,
    /// Later than now.
    #[schema(format = DateTime, example = "2036-10-16T08:03:58.479Z")]
    delivery_time: String,
    #[schema(min_length = 1, max_length = 20000)]
    context: Option<String>,
}

/// Imagine what may have changed when a letter arrives
///
/// Nobody foretells the future, and the answer says so: `confidence` is never more than 0.6, and never more than
/// 0.3 where the embedded engine reckons by rules. `X-Assistant-Engine` and `engine` say who answered.
#[utoipa::path(post, path = "/ai/future-prediction", tag = "assistant", request_body = FuturePredictionRequest,
    responses((status = 200, body = OkEnvelope<Answered<Prediction>>,
        headers(("X-Assistant-Engine" = String, description = "Who answered"))), Refusals))]
pub(super) async fn future_prediction(
    State(assistant): State<Assistant>,
    caller: Caller,
    Body(mut f): Body,
) -> Result<FromEngine<Prediction>, Failure> {
    let text::Lines(content) = f.required::<text::Lines<MOST_CHARS>>("content");
    let delivery: Timestamp = f.required("deliveryTime");
    let context = f.optional::<text::Lines<MOST_CHARS>>("context").map(|text| text.0);
    if f.has("deliveryTime") && delivery <= assistant.clock().now() {
        f.rule("deliveryTime", "must be later than now");
    }
    f.finish()?;
    let request = PredictRequest { content, delivery, context };
    from_engine(assistant.predict(caller.id(), request).await)
}
