//! `POST /ai/sentiment-analysis`

use accounts::Caller;
use axum::extract::State;
use httpkit::{Body, Failure, OkEnvelope, Refusals, text};
use utoipa::ToSchema;

use super::{FromEngine, MOST_CHARS, from_engine};
use crate::{
    Assistant,
    model::{Analysis, Answered},
};

/// A text to be understood.
#[derive(ToSchema)]
#[expect(dead_code, reason = "documents the body, which is read field by field")]
pub(super) struct SentimentAnalysisRequest {
    #[schema(min_length = 1, max_length = 20000, example = "虽然毕业让我很难过，但我对未来充满希望。")]
    content: String,
}

/// Analyse a text's sentiment
///
/// `X-Assistant-Engine` and `engine` say who answered; `degraded` is there, and true, where the configured
/// provider was to answer and the embedded engine did.
#[utoipa::path(post, path = "/ai/sentiment-analysis", tag = "assistant", request_body = SentimentAnalysisRequest,
    responses((status = 200, body = OkEnvelope<Answered<Analysis>>,
        headers(("X-Assistant-Engine" = String, description = "Who answered"))), Refusals))]
pub(super) async fn sentiment_analysis(
    State(assistant): State<Assistant>,
    caller: Caller,
    Body(mut f): Body,
) -> Result<FromEngine<Analysis>, Failure> {
    let text::Lines(content) = f.required::<text::Lines<MOST_CHARS>>("content");
    f.finish()?;
    from_engine(assistant.analyse(caller.id(), &content).await)
}
