//! `POST /ai/writing-assistant`, whole or while it is written.

use std::convert::Infallible;

use accounts::Caller;
use axum::{
    extract::State,
    http::{HeaderMap, header},
    response::{
        IntoResponse, Response, Sse,
        sse::{Event, KeepAlive},
    },
};
use futures_util::{Stream, stream};
use httpkit::{Body, Failure, OkEnvelope, Refusals, ok, text};
use kernel::Problem;
use tokio::{sync::mpsc, task::JoinHandle};
use utoipa::ToSchema;

use super::{MOST_CHARS, from_engine};
use crate::{
    Assistant,
    model::{Answered, Length, Tone, WriteRequest, WritingKind, Written},
};

/// What is to be written.
#[derive(ToSchema)]
#[expect(dead_code, reason = "documents the body, which is read field by field")]
pub(super) struct WritingAssistantRequest {
    /// What it is to be about.
    #[schema(min_length = 1, max_length = 4000, example = "给十年后的自己写一封信，谈谈毕业和梦想")]
    prompt: String,
    r#type: WritingKind,
    tone: Tone,
    length: Length,
    /// What else is to be known.
    #[schema(min_length = 1, max_length = 20000)]
    context: Option<String>,
}

/// Help with writing a letter
///
/// With `Accept: text/event-stream` the text comes while it is written: `event: piece`, `data: {"text"}`, as a
/// preview, and at last `event: done` whose data is the very answer that comes without that header. Only `done`
/// counts: where a provider broke off, or wrote what is not taken, it differs from the pieces. A stream without
/// `done` broke off.
#[utoipa::path(post, path = "/ai/writing-assistant", tag = "assistant", request_body = WritingAssistantRequest,
    responses((status = 200, body = OkEnvelope<Answered<Written>>,
        headers(("X-Assistant-Engine" = String, description = "Who answered; not with a stream"))), Refusals))]
pub(super) async fn writing_assistant(
    State(assistant): State<Assistant>,
    caller: Caller,
    headers: HeaderMap,
    Body(mut f): Body,
) -> Result<Response, Failure> {
    let request = WriteRequest {
        prompt: f.required::<text::Lines<4000>>("prompt").0,
        kind: f.required("type"),
        tone: f.required("tone"),
        length: f.required("length"),
        context: f.optional::<text::Lines<MOST_CHARS>>("context").map(|text| text.0),
    };
    f.finish()?;
    if wants_stream(&headers) {
        let keep_alive = KeepAlive::default();
        return Ok(Sse::new(written_in_pieces(assistant, &caller, request))
            .keep_alive(keep_alive)
            .into_response());
    }
    Ok(from_engine(assistant.write(caller.id(), request).await)?.into_response())
}

fn wants_stream(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepted.flat_map(|value| value.split(',')).any(|kind| {
        let kind = kind.split(';').next().unwrap_or_default().trim();
        kind.eq_ignore_ascii_case("text/event-stream")
    })
}

/// A text on its way.
struct Writing {
    pieces: mpsc::UnboundedReceiver<String>,
    answer: Option<JoinHandle<Answered<Written>>>,
}

fn written_in_pieces(
    assistant: Assistant,
    caller: &Caller,
    request: WriteRequest,
) -> impl Stream<Item = Result<Event, Infallible>> + use<> {
    let (sender, pieces) = mpsc::unbounded_channel();
    let owner = caller.id().to_owned();
    let answer = tokio::spawn(async move { assistant.write_in_pieces(&owner, request, sender).await });
    let writing = Writing { pieces, answer: Some(answer) };
    stream::unfold(writing, |mut writing| async move {
        let event = writing.next().await?;
        Some((Ok(event), writing))
    })
}

impl Writing {
    async fn next(&mut self) -> Option<Event> {
        if let Some(text) = self.pieces.recv().await {
            let data = serde_json::json!({"text": text});
            return Some(Event::default().event("piece").data(data.to_string()));
        }
        // No piece comes any more: what was written is whole, or given up.
        let answered = self.answer.take()?.await;
        let Ok(answered) = answered else {
            tracing::error!("writing in pieces ended without an answer");
            let problem = Problem::internal();
            let data = serde_json::json!({"code": problem.kind.status(), "message": problem.message});
            return Some(Event::default().event("error").data(data.to_string()));
        };
        let data = ok(answered).ok().and_then(|envelope| serde_json::to_string(&envelope).ok())?;
        Some(Event::default().event("done").data(data))
    }
}
