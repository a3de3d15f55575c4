//! The first answer to a customer: from the knowledge base, or a person's.

use std::{sync::LazyLock, time::Duration};

use nlp::Language;
use regex::Regex;
use serde_json::Value;

use super::{
    Task, integer, list, newest, object, one_of, quoted, same_language, share, string, thread::texts,
};
use crate::{
    check,
    guard::{self, Material},
    model::{DeskAction, DeskAnswer, DeskRequest, Fact, Found, HandoffReason, Message},
    read::Object,
};

/// So many messages and facts are shown to a model.
const MOST_MESSAGES: usize = 10;
const MOST_FACTS: usize = 5;
const MOST_CHARS: usize = 8_000;
/// So many questions are offered.
const CHOICES: usize = 3;
/// Anger that is this sure goes to a person.
const SURE_ANGER: f64 = 0.8;

impl Task for DeskRequest {
    type Answer = DeskAnswer;
    const NAME: &'static str = "desk";
    const PROMPT_VERSION: i64 = 1;
    const MOST_OUT: u32 = 2000;
    const PATIENCE: Option<Duration> = Some(Duration::from_secs(8));
    const SHAPE: &'static str = "The object: {\"action\": \"ANSWER\"|\"CLARIFY\"|\"HANDOFF\", \"answer\": string for the \
        customer, \"citations\": [numbers of the entries], \"handoff_reason\": \"NONE\"|\"REQUESTED\"|\"NOT_IN_KB\"|\
        \"ANGRY\"|\"RISK\"|\"OTHER\", \"confidence\": whole number 0-100}";

    /// What must go to a person goes there without asking anybody.
    fn decided(&self) -> Option<DeskAnswer> {
        let last = self.last()?;
        let text = guard::sanitize(&last.text);
        let feeling = nlp::feeling(&text);
        let angry = feeling.sentiment == nlp::Sentiment::Negative && feeling.confidence >= SURE_ANGER;
        let reason = match () {
            () if matches(&PERSON, &text) => HandoffReason::Requested,
            () if matches(&RISK, &text) => HandoffReason::Risk,
            () if angry => HandoffReason::Angry,
            () if self.asks_again(&text) => HandoffReason::Other,
            () => return None,
        };
        Some(self.handoff(reason))
    }

    fn embedded(&self) -> DeskAnswer {
        match (self.found, self.facts.first()) {
            (Found::Answer, Some(fact)) => DeskAnswer {
                action: DeskAction::Answer,
                answer: fact.answer.clone(),
                citations: vec![fact.id.clone()],
                handoff_reason: HandoffReason::None,
                confidence: share(self.confidence),
            },
            (Found::Clarify, Some(_)) => {
                let choices: Vec<&Fact> = self.facts.iter().take(CHOICES).collect();
                let lines: Vec<String> = choices
                    .iter()
                    .enumerate()
                    .map(|(n, fact)| format!("{}. {}", n + 1, fact.question))
                    .collect();
                let lead = self.say("您是想问：", "Did you mean:");
                DeskAnswer {
                    action: DeskAction::Clarify,
                    answer: format!("{lead}\n{}", lines.join("\n")),
                    citations: choices.iter().map(|fact| fact.id.clone()).collect(),
                    handoff_reason: HandoffReason::None,
                    confidence: share(self.confidence),
                }
            }
            _ => self.handoff(HandoffReason::NotInKb),
        }
    }

    fn brief(&self, material: &mut Material) -> (String, String) {
        let shop = material.inline(&self.shop);
        let brief = format!(
            "You are first-line service of {shop}. Answer only from the numbered KB entries; cite their numbers. If they \
             do not answer the question or the customer wants a person, action HANDOFF and say so kindly. CLARIFY asks \
             one short question back. Never say you will do something later. Plain text; messages from \"us\" are ours."
        );
        let from = self.messages.len().saturating_sub(MOST_MESSAGES);
        let recent = self.messages.get(from..).unwrap_or_default();
        let mut text = quoted(newest(recent, MOST_CHARS), material);
        for (n, fact) in self.facts.iter().take(MOST_FACTS).enumerate() {
            let entry = format!("{}\n{}", fact.question, fact.answer);
            text.push_str(&material.quote(&format!("KB entry {}", n + 1), &entry));
        }
        (brief, text)
    }

    fn schema() -> Value {
        object(&[
            ("action", one_of(DeskAction::ALL)),
            ("answer", string()),
            ("citations", list(integer())),
            ("handoff_reason", one_of(HandoffReason::ALL)),
            ("confidence", integer()),
        ])
    }

    fn read(&self, object: &Object) -> Option<DeskAnswer> {
        let fact = |n: usize| Some(self.facts.iter().take(MOST_FACTS).nth(n.checked_sub(1)?)?.id.clone());
        Some(DeskAnswer {
            action: object.choice("action", DeskAction::parse)?,
            answer: object.text("answer", 4000)?,
            citations: object.numbers("citations")?.into_iter().filter_map(fact).collect(),
            handoff_reason: object.choice("handoff_reason", HandoffReason::parse)?,
            confidence: share(object.share("confidence")?),
        })
    }

    /// A doubtful answer is not repaired: a person takes over.
    fn check(&self, mut answer: DeskAnswer) -> Result<DeskAnswer, &'static str> {
        let mut given = texts(&self.messages);
        given.push(&self.shop);
        given.extend(self.facts.iter().flat_map(|fact| [fact.question.as_str(), fact.answer.as_str()]));
        let other_language = self.last().is_some_and(|last| !same_language(&answer.answer, &last.text));
        let doubtful = !check::foreign(&answer.answer, &given).is_empty()
            || check::promises(&answer.answer)
            || check::speaks_as_machine(&answer.answer)
            || other_language
            || self.last().is_some_and(|last| guard::is_suspicious(&last.text));
        if doubtful {
            return Ok(self.handoff(HandoffReason::Other));
        }
        match answer.action {
            DeskAction::Answer if answer.citations.is_empty() => Ok(self.handoff(HandoffReason::NotInKb)),
            DeskAction::Handoff if answer.handoff_reason == HandoffReason::None => {
                answer.handoff_reason = HandoffReason::Other;
                Ok(answer)
            }
            DeskAction::Answer | DeskAction::Clarify => {
                answer.handoff_reason = HandoffReason::None;
                Ok(answer)
            }
            DeskAction::Handoff => Ok(answer),
        }
    }
}

static PERSON: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"(?i)转(?:接)?人工|人工(?:客服|服务|坐席)|(?:找|要|换|叫)(?:个|一个|一位)?(?:真)?人(?:工|来)?(?:客服|说话|处理|$)|真人|(?:^|\W)人工(?:$|\W)|\b(?:human|agent|representative|real person|live person|operator)\b|\b(?:speak|talk) (?:to|with) (?:a|an|the|some)\s?(?:one|body|person|human|agent|manager)\b",
    )
    .ok()
});

static RISK: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"(?i)投诉|举报|律师|起诉|法院|报警|公安|消协|12315|曝光|受伤|烫伤|过敏|中毒|住院|起火|爆炸|自杀|\b(?:lawyer|attorney|lawsuit|sue|court|police|injur(?:y|ed)|hospital|allergic|poison(?:ed|ing)|chargeback|complaint|fraud|suicide)\b",
    )
    .ok()
});

fn matches(pattern: &LazyLock<Option<Regex>>, text: &str) -> bool {
    // What cannot be looked for is taken to be there: a person is never wrong.
    pattern.as_ref().is_none_or(|pattern| pattern.is_match(text))
}

impl DeskRequest {
    /// The customer's last message.
    fn last(&self) -> Option<&Message> {
        self.messages.iter().rev().find(|m| !m.own)
    }

    /// Whether the customer asked the very same before and got an answer that did not help.
    fn asks_again(&self, text: &str) -> bool {
        let plain =
            |text: &str| text.chars().filter(|c| c.is_alphanumeric()).collect::<String>().to_lowercase();
        let asked = plain(text);
        let mut before = self.messages.iter().rev().skip_while(|m| m.own).skip(1).skip_while(|m| !m.own);
        asked.chars().count() >= 4 && before.any(|m| !m.own && plain(&m.text) == asked)
    }

    fn handoff(&self, reason: HandoffReason) -> DeskAnswer {
        let answer = self.say(
            "这个问题我请人工客服来为您解答，请稍候。",
            "A colleague will take over from here, please hold on a moment.",
        );
        DeskAnswer {
            action: DeskAction::Handoff,
            answer: answer.to_owned(),
            citations: Vec::new(),
            handoff_reason: reason,
            confidence: share(1.0 - self.confidence),
        }
    }

    /// In the customer's language.
    fn say(&self, chinese: &'static str, english: &'static str) -> &'static str {
        match self.last().map(|last| nlp::language(&last.text)) {
            Some(Language::English) => english,
            Some(Language::Other) if !self.shop.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c)) => {
                english
            }
            _ => chinese,
        }
    }
}
