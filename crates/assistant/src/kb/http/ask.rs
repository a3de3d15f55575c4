//! `POST /bases/{kbId}/ask`

use accounts::Caller;
use axum::extract::State;
use httpkit::{Body, OkEnvelope, PathId, Refusals, Reply, ok};
use serde::Serialize;
use utoipa::ToSchema;

use super::super::{
    model::{Decision, Question},
    search::Hit,
};
use crate::Assistant;

/// So many hits, unless told.
const HITS: i64 = 3;
/// The most hits.
const MOST: i64 = 10;

/// A question to try.
#[derive(ToSchema)]
#[expect(dead_code, reason = "documents the body, which is read field by field")]
pub(in crate::kb) struct AskRequest {
    #[schema(min_length = 1, max_length = 500)]
    question: String,
    /// How many hits; 3 if absent.
    #[schema(minimum = 1, maximum = 10)]
    limit: Option<i64>,
}

/// What the base says.
#[derive(Serialize, ToSchema)]
pub(in crate::kb) struct Asked {
    decision: Decision,
    /// How sure it is that the first hit answers the question.
    #[schema(minimum = 0, maximum = 1)]
    confidence: f64,
    /// The first hit's answer, word for word; only with `ANSWER`.
    answer: Option<String>,
    /// The best first: the sources.
    hits: Vec<HitView>,
    /// What searched.
    #[schema(example = "embedded")]
    engine: &'static str,
}

/// An entry that was found.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::kb) struct HitView {
    entry_id: String,
    question: String,
    answer: String,
    /// Comparable within one answer only.
    score: f64,
}

impl From<Hit> for HitView {
    fn from(hit: Hit) -> Self {
        Self { entry_id: hit.entry_id, question: hit.question, answer: hit.answer, score: hit.score }
    }
}

/// Try a question
///
/// What the assistant would find in the base: `ANSWER` if it is sure, `CLARIFY` if one of the hits may be meant,
/// `NONE` if a person should answer.
#[utoipa::path(post, path = "/bases/{kbId}/ask", tag = "knowledge", request_body = AskRequest,
    params(("kbId" = String, Path, description = "`kb_…`")),
    responses((status = 200, body = OkEnvelope<Asked>), Refusals))]
pub(super) async fn ask_base(
    State(assistant): State<Assistant>,
    caller: Caller,
    PathId(id): PathId,
    Body(mut f): Body,
) -> Reply<Asked> {
    let question: Question = f.required("question");
    let limit = f.optional::<i64>("limit").unwrap_or(HITS);
    if !(1..=MOST).contains(&limit) {
        f.rule("limit", format!("must be from 1 to {MOST}"));
    }
    f.finish()?;
    let base = assistant.kb_base(&caller, &id).await?;
    let found = assistant.kb_search(&base, &question.0, usize::try_from(limit).unwrap_or(1)).await?;
    let answer = found.hits.first().filter(|_| found.decision == Decision::Answer);
    ok(Asked {
        decision: found.decision,
        confidence: found.confidence,
        answer: answer.map(|hit| hit.answer.clone()),
        hits: found.hits.into_iter().map(HitView::from).collect(),
        engine: "embedded",
    })
}
