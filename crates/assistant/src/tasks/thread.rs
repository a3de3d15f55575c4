//! Where a conversation stands.

use serde_json::Value;

use super::{Task, list, newest, object, one_of, quoted, sentiment::sentiment, string};
use crate::{
    check,
    guard::{self, Material},
    model::{Message, Sentiment, ThreadRequest, ThreadSummary},
    read::Object,
};

/// So much of a conversation is shown to a model, in characters: the newest.
const MOST_CHARS: usize = 20_000;

impl Task for ThreadRequest {
    type Answer = ThreadSummary;
    const NAME: &'static str = "thread";
    const PROMPT_VERSION: i64 = 1;
    const MOST_OUT: u32 = 2500;
    const SHAPE: &'static str = "The object: {\"summary\": string, \"key_points\": [string], \"sentiment\": \
        \"POSITIVE\"|\"NEUTRAL\"|\"NEGATIVE\"|\"MIXED\" (of the others), \"open_questions\": [string]}";

    fn embedded(&self) -> ThreadSummary {
        let turns: Vec<nlp::Turn<'_>> =
            self.messages.iter().map(|m| nlp::Turn { sender: &m.from, text: &m.text }).collect();
        let quotes = nlp::thread_summary(&turns, 5);
        let points: Vec<String> = quotes.iter().map(|q| format!("{}: {}", q.sender, q.sentence)).collect();
        let mut summary: Vec<String> = self.earlier.iter().cloned().collect();
        summary.extend(points.iter().take(3).cloned());
        ThreadSummary {
            summary: summary.join("\n"),
            key_points: points,
            sentiment: sentiment(nlp::feeling(&self.others()).sentiment),
            open_questions: self.open_questions(),
            suspicious: suspicious(&self.messages),
        }
    }

    fn brief(&self, material: &mut Material) -> (String, String) {
        let user = material.inline(&self.user);
        let brief = format!(
            "Summarise this e-mail thread for {user}, whose own messages are from \"us\": state, open questions, agreed \
             numbers and dates, who must act. At most 8 key points."
        );
        let mut text = String::new();
        if let Some(earlier) = &self.earlier {
            text.push_str(&material.quote("earlier summary", earlier));
        }
        text.push_str(&quoted(newest(&self.messages, MOST_CHARS), material));
        (brief, text)
    }

    fn schema() -> Value {
        object(&[
            ("summary", string()),
            ("key_points", list(string())),
            ("sentiment", one_of(Sentiment::ALL)),
            ("open_questions", list(string())),
        ])
    }

    fn read(&self, object: &Object) -> Option<ThreadSummary> {
        Some(ThreadSummary {
            summary: object.text("summary", 4000)?,
            key_points: object.texts("key_points", 8, 400)?,
            sentiment: object.choice("sentiment", Sentiment::parse)?,
            open_questions: object.texts("open_questions", 8, 400)?,
            suspicious: suspicious(&self.messages),
        })
    }

    fn check(&self, answer: ThreadSummary) -> Result<ThreadSummary, &'static str> {
        let said = format!(
            "{}\n{}\n{}",
            answer.summary,
            answer.key_points.join("\n"),
            answer.open_questions.join("\n")
        );
        let mut given = texts(&self.messages);
        given.extend(self.earlier.as_deref());
        if !check::foreign(&said, &given).is_empty() {
            return Err("it names what the conversation does not");
        }
        Ok(answer)
    }
}

impl ThreadRequest {
    fn others(&self) -> String {
        let texts: Vec<String> =
            self.messages.iter().filter(|m| !m.own).map(|m| nlp::without_quotes(&m.text)).collect();
        texts.join("\n")
    }

    /// What the others asked since the user's last message.
    fn open_questions(&self) -> Vec<String> {
        let since = self.messages.iter().rposition(|m| m.own).map_or(0, |at| at + 1);
        let open = self.messages.get(since..).unwrap_or_default();
        let mut questions = Vec::new();
        for message in open {
            let text = nlp::without_quotes(&message.text);
            let asked = nlp::sentences(&text).into_iter().map(str::trim).filter(|s| s.ends_with(['?', '？']));
            for question in asked.map(|s| s.split_whitespace().collect::<Vec<_>>().join(" ")) {
                // Asked again, it is still one question.
                if !questions.contains(&question) {
                    questions.push(question);
                }
            }
        }
        questions.truncate(8);
        questions
    }
}

/// Whether one of the others' messages seems to speak to the machine.
pub(super) fn suspicious(messages: &[Message]) -> bool {
    messages.iter().any(|m| !m.own && guard::is_suspicious(&m.text))
}

/// All that was said, and by whom.
pub(super) fn texts(messages: &[Message]) -> Vec<&str> {
    messages.iter().flat_map(|m| [m.from.as_str(), m.text.as_str()]).collect()
}
