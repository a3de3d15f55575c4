//! What the assistant does for agents: drafts to send or leave, and a summary for whoever takes over. Nothing of it
//! is sent by itself.

use assistant::{Assistant, ReplyRequest, ThreadRequest};
use kernel::{Problem, ProblemKind};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{
    decide::{self, Known},
    policy,
    reading::{Question, Reading},
};
use crate::{Desk, auth::Agent};

/// The most drafts.
const DRAFTS: usize = 3;

/// Drafts of an answer.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Suggestion {
    /// The best first; none where nothing fits.
    drafts: Vec<DraftInfo>,
    /// Who made them: `embedded` (entries of the knowledge base, word for word), or the provider and its model.
    #[schema(example = "embedded")]
    engine: String,
    /// How sure that is, from 0 to 1.
    confidence: f64,
    /// Whether the customer seems to speak to the machine: look twice.
    suspicious: bool,
}

/// A draft.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DraftInfo {
    content: String,
    /// The entries that it rests on: `entryId`, `kbId`, `question`.
    #[schema(value_type = Vec<Object>)]
    sources: Value,
}

/// Where a conversation stands.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Summary {
    summary: String,
    key_points: Vec<String>,
    /// What nobody has answered yet.
    open_questions: Vec<String>,
    /// How the customer feels: `NEUTRAL`, `POSITIVE`, `NEGATIVE`, `MIXED`.
    #[schema(example = "NEUTRAL")]
    sentiment: &'static str,
    /// Who made it: `embedded` (sentences word for word), or the provider and its model.
    #[schema(example = "embedded")]
    engine: String,
}

impl Desk {
    /// Drafts of an answer to what is open in a session.
    ///
    /// # Errors
    /// 404; 400 where the customer wrote no words that are open; 503 if it takes too long.
    pub(crate) async fn suggest(&self, agent: &Agent, id: &str) -> Result<Suggestion, Problem> {
        let reading = self.reading(agent, id).await?;
        let (question, chosen) = match reading.question() {
            Question::Words(text) => (text, None),
            Question::Choice { entry_id, question } => (question, Some(entry_id)),
            Question::Person | Question::Unreadable => {
                return Err(Problem::new(
                    ProblemKind::BadRequest,
                    "there are no words of the customer to answer",
                ));
            }
        };
        let drafting =
            drafts(&self.0.assistant, &reading, &question, chosen.as_deref(), &self.0.config.assistant);
        self.in_time(drafting).await?
    }

    /// Where a session's conversation stands.
    ///
    /// # Errors
    /// 404; 503 if it takes too long.
    pub(crate) async fn summary(&self, agent: &Agent, id: &str) -> Result<Summary, Problem> {
        let reading = self.reading(agent, id).await?;
        let request =
            ThreadRequest { user: "us".to_owned(), messages: reading.conversation(), earlier: None };
        let owner = decide::owner(&reading);
        let answered = self.in_time(self.0.assistant.summarise_thread(&owner, request)).await?;
        let (value, engine) = (answered.value, answered.engine);
        Ok(Summary {
            summary: value.summary,
            key_points: value.key_points,
            open_questions: value.open_questions,
            sentiment: value.sentiment.as_str(),
            engine,
        })
    }

    async fn reading(&self, agent: &Agent, id: &str) -> Result<Reading, Problem> {
        let row = self.visible(agent, id).await?;
        let mut conn = self.db().read().await?;
        Ok(Reading::of(&mut conn, row).await?)
    }

    async fn in_time<T>(&self, work: impl Future<Output = T>) -> Result<T, Problem> {
        tokio::select! {
            done = work => Ok(done),
            () = self.clock().sleep(policy::LONGEST_HELP) => {
                Err(Problem::new(ProblemKind::Unavailable, "the assistant took too long, try again"))
            }
        }
    }
}

async fn drafts(
    assistant: &Assistant,
    reading: &Reading,
    question: &str,
    chosen: Option<&str>,
    policy: &super::Policy,
) -> Result<Suggestion, Problem> {
    let known = Known::of(assistant, question, chosen).await?;
    let request = known.request(policy, reading, question);
    let confidence = request.confidence;
    let suspicious = assistant::is_suspicious(question);
    let own = |known: &Known| Suggestion {
        drafts: known
            .entries()
            .take(DRAFTS)
            .map(|(content, sources)| DraftInfo { content, sources })
            .collect(),
        engine: decide::NO_ENGINE.to_owned(),
        confidence,
        suspicious,
    };
    if assistant.engine() == decide::NO_ENGINE {
        // Its replies are letters made from templates; an agent is better served with the entries themselves.
        return Ok(own(&known));
    }
    let request = ReplyRequest {
        user: request.shop,
        to: String::new(),
        goal: None,
        instructions: None,
        messages: request.messages,
        facts: request.facts,
    };
    let answered = assistant.reply(&decide::owner(reading), request).await;
    if answered.degraded {
        return Ok(own(&known));
    }
    let value = answered.value;
    let sources = known.sources(&value.facts_used);
    let texts = std::iter::once(value.recommended_reply).chain(value.alternative_replies).take(DRAFTS);
    Ok(Suggestion {
        drafts: texts.map(|content| DraftInfo { content, sources: sources.clone() }).collect(),
        engine: answered.engine,
        confidence: value.confidence,
        suspicious: suspicious || value.suspicious,
    })
}
