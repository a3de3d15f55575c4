//! What the assistant does with a customer's question, and in which words. Nothing is written here.

use assistant::{
    Assistant, DeskAction, DeskAnswer, DeskRequest, Fact, HandoffReason,
    kb::{Decision, Hit},
};
use kernel::Problem;
use serde_json::{Value, json};

use super::{
    Policy, TurnOutcome,
    reading::{Question, Reading},
    words,
};
use crate::model::HandoverReason;

/// So many entries of the knowledge base are looked at.
const FACTS: usize = 5;
/// The engine of what needs none.
pub(super) const NO_ENGINE: &str = "embedded";

/// What comes of a turn.
#[derive(Debug, Clone)]
pub(crate) struct Verdict {
    pub(crate) what: What,
    /// Who decided: `embedded`, or the provider and its model.
    pub(crate) engine: String,
    /// Whether a provider was to decide, and could not.
    pub(crate) degraded: bool,
    /// From 0 to 1; `None` where nothing was looked for.
    pub(crate) confidence: Option<f64>,
}

/// What the customer gets.
#[derive(Debug, Clone)]
pub(crate) enum What {
    /// Words of the assistant.
    Say { outcome: TurnOutcome, text: String, payload: Value },
    /// A person.
    HandOver(HandoverReason),
}

impl Verdict {
    pub(super) fn hand_over(reason: HandoverReason) -> Self {
        Self::embedded(What::HandOver(reason))
    }

    fn say(outcome: TurnOutcome, text: &str) -> Self {
        let what = What::Say { outcome, text: text.to_owned(), payload: json!({"engine": NO_ENGINE}) };
        Self::embedded(what)
    }

    /// What needed nobody.
    fn embedded(what: What) -> Self {
        Self { what, engine: NO_ENGINE.to_owned(), degraded: false, confidence: None }
    }
}

/// Decides. Takes as long as the assistant does.
pub(super) async fn decide(
    assistant: &Assistant,
    policy: &Policy,
    reading: &Reading,
) -> Result<Verdict, Problem> {
    let verdict = match reading.question() {
        Question::Person => Verdict::hand_over(HandoverReason::Requested),
        Question::Unreadable => Verdict::say(TurnOutcome::Asked, reading.speech().unreadable()),
        Question::Words(text) => answer(assistant, policy, reading, &text, None).await?,
        Question::Choice { entry_id, question } => {
            answer(assistant, policy, reading, &question, Some(&entry_id)).await?
        }
    };
    Ok(bounded(verdict, policy, reading))
}

/// Who asks back again and again, or says the same again, does not know.
fn bounded(verdict: Verdict, policy: &Policy, reading: &Reading) -> Verdict {
    let doubtful = match &verdict.what {
        What::Say { outcome: TurnOutcome::Asked, .. } => reading.asked_back() >= policy.unanswered,
        What::Say { outcome: TurnOutcome::Answered, text, .. } => reading.was_said(text),
        _ => false,
    };
    match doubtful {
        true => Verdict { what: What::HandOver(HandoverReason::Unsure), ..verdict },
        false => verdict,
    }
}

/// What the knowledge base was found to say.
pub(super) struct Known {
    pub(super) hits: Vec<Hit>,
    found: assistant::Found,
    confidence: f64,
}

impl Known {
    /// Looks a question up. `chosen` is the entry that the customer pointed at.
    pub(super) async fn of(
        assistant: &Assistant,
        question: &str,
        chosen: Option<&str>,
    ) -> Result<Self, Problem> {
        let found = assistant.search_desk(question, FACTS).await?;
        let (mut hits, mut decision, mut confidence) = (found.hits, found.decision, found.confidence);
        if let Some(at) = chosen.and_then(|id| hits.iter().position(|hit| hit.entry_id == id)) {
            // They said which one it is.
            hits.swap(0, at);
            hits.truncate(1);
            (decision, confidence) = (Decision::Answer, 1.0);
        }
        let found = match decision {
            Decision::Answer => assistant::Found::Answer,
            Decision::Clarify => assistant::Found::Clarify,
            Decision::None => assistant::Found::Nothing,
        };
        Ok(Self { hits, found, confidence })
    }

    /// As the assistant is asked.
    pub(super) fn request(&self, policy: &Policy, reading: &Reading, question: &str) -> DeskRequest {
        let fact = |hit: &Hit| Fact {
            id: hit.entry_id.clone(),
            question: hit.question.clone(),
            answer: hit.answer.clone(),
        };
        let shop = if policy.shop.is_empty() { "our shop" } else { &policy.shop };
        DeskRequest {
            shop: shop.to_owned(),
            messages: reading.transcript(question),
            facts: self.hits.iter().map(fact).collect(),
            found: self.found,
            confidence: self.confidence,
        }
    }

    /// What was found, if it may answer: each entry's answer, and where it is from.
    pub(super) fn entries(&self) -> impl Iterator<Item = (String, Value)> {
        let worth = self.found != assistant::Found::Nothing;
        self.hits
            .iter()
            .filter(move |_| worth)
            .map(|hit| (hit.answer.clone(), self.sources(std::slice::from_ref(&hit.entry_id))))
    }

    /// The entries of these ids, for the record and for the agents.
    pub(super) fn sources(&self, ids: &[String]) -> Value {
        let cited = self.hits.iter().filter(|hit| ids.contains(&hit.entry_id));
        cited
            .map(|hit| json!({"entryId": hit.entry_id, "kbId": hit.kb_id, "question": hit.question}))
            .collect()
    }
}

/// Whose calls count together: one customer's.
pub(super) fn owner(reading: &Reading) -> String {
    format!("desk/{}/{}", reading.row.account_id, reading.row.customer_id)
}

async fn answer(
    assistant: &Assistant,
    policy: &Policy,
    reading: &Reading,
    question: &str,
    chosen: Option<&str>,
) -> Result<Verdict, Problem> {
    let known = Known::of(assistant, question, chosen).await?;
    if known.found == assistant::Found::Nothing
        && let Some(kind) = words::small_talk(question)
    {
        return Ok(Verdict::say(TurnOutcome::Greeted, reading.speech().small_talk(kind)));
    }
    let request = known.request(policy, reading, question);
    let answered = assistant.desk(&owner(reading), request).await;
    let (value, engine) = (answered.value, answered.engine);
    let confidence = Some(value.confidence);
    let what = match value.action {
        DeskAction::Handoff => What::HandOver(reason(value.handoff_reason)),
        DeskAction::Answer => {
            let sources = known.sources(&value.citations);
            let payload = json!({
                "sources": sources, "engine": engine, "degraded": answered.degraded, "confidence": value.confidence
            });
            What::Say { outcome: TurnOutcome::Answered, text: value.answer, payload }
        }
        DeskAction::Clarify => ask_back(reading, &known, value, &engine, answered.degraded),
    };
    Ok(Verdict { what, engine, degraded: answered.degraded, confidence })
}

/// Asks which of a few is meant. The embedded engine numbers them: the customer may answer with the number, or
/// touch it where the channel shows a menu. What a model asks is its own question.
fn ask_back(reading: &Reading, known: &Known, value: DeskAnswer, engine: &str, degraded: bool) -> What {
    let choices = known.sources(&value.citations);
    let mut payload = json!({"engine": engine, "degraded": degraded, "confidence": value.confidence});
    let mut text = value.answer;
    if engine == NO_ENGINE
        && let Some(fields) = payload.as_object_mut()
        && let Some(all) = choices.as_array()
    {
        let speech = reading.speech();
        text = format!("{text}\n{}", speech.choose());
        let item = |id: &Value, text: &Value| json!({"id": id, "text": text});
        let none = Value::Null;
        let mut menu: Vec<Value> = all
            .iter()
            .map(|c| item(c.get("entryId").unwrap_or(&none), c.get("question").unwrap_or(&none)))
            .collect();
        menu.push(json!({"id": words::MENU_PERSON, "text": speech.person()}));
        fields.insert("menu".to_owned(), Value::Array(menu));
        fields.insert("choices".to_owned(), choices);
    }
    What::Say { outcome: TurnOutcome::Asked, text, payload }
}

/// Why a person takes over, in the desk's words.
const fn reason(reason: HandoffReason) -> HandoverReason {
    match reason {
        HandoffReason::Requested => HandoverReason::Requested,
        HandoffReason::Risk => HandoverReason::Risk,
        HandoffReason::Angry => HandoverReason::Anger,
        HandoffReason::NotInKb | HandoffReason::Other | HandoffReason::None => HandoverReason::Unsure,
    }
}
