//! What a turn sees: the session as it was read, the conversation, and the question that is open.

use std::time::Duration;

use assistant::Message;
use db::{Conn, Result};
use serde_json::Value;

use super::{
    TurnOutcome,
    words::{self, Speech},
};
use crate::{
    model::SenderType,
    store::{self, MessageRow, SessionRow},
};

/// So many messages back the assistant looks.
const MOST: i64 = 40;

/// A session at one moment, and what was said in it.
#[derive(Debug)]
pub(crate) struct Reading {
    pub(crate) row: SessionRow,
    /// What the customer knows of, the oldest first.
    messages: Vec<MessageRow>,
    /// How the last turns ended, the newest first.
    outcomes: Vec<TurnOutcome>,
}

/// What the customer is waiting for an answer to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Question {
    /// Words: all that they wrote since the last answer.
    Words(String),
    /// One of the questions that were offered: the entry's id and its question.
    Choice {
        /// `kbe_…`
        entry_id: String,
        /// As it was offered.
        question: String,
    },
    /// The menu's entry for a person.
    Person,
    /// Pictures, voice, files alone.
    Unreadable,
}

impl Reading {
    /// Reads around a session as it is.
    pub(crate) async fn of(conn: &mut Conn, row: SessionRow) -> Result<Self> {
        let messages = store::recent(conn, &row.id, MOST).await?;
        let outcomes = store::last_outcomes(conn, &row.id, MOST).await?;
        Ok(Self { row, messages, outcomes })
    }

    /// The customer's language.
    pub(crate) fn speech(&self) -> Speech {
        let said = self.messages.iter().rev().filter(|m| m.sender_type == SenderType::Customer);
        Speech::of(said.map(|m| m.content.as_str()))
    }

    /// Where what is open begins: after the last thing that we said, whoever of us. What led to a hand-over is not
    /// open any more, once the customer wrote something else.
    fn open_from(&self) -> usize {
        let answered = self.messages.iter().rposition(is_answer).map_or(0, |at| at + 1);
        let last = self.messages.iter().rposition(|m| m.sender_type == SenderType::Customer).unwrap_or(0);
        let until_last = self.messages.get(..last).unwrap_or_default();
        let handed_over = until_last.iter().rposition(is_notice).map_or(0, |at| at + 1);
        answered.max(handed_over)
    }

    /// Whether what is open came to us so long after the customer wrote it: after an outage, or with the history of an account
    /// that was connected just now.
    pub(crate) fn came_late(&self, stale: Duration) -> bool {
        let open = self.messages.get(self.open_from()..).unwrap_or_default();
        let last = open.iter().rfind(|m| m.sender_type == SenderType::Customer);
        last.is_some_and(|m| m.created_at.since(m.sent_at) > stale)
    }

    /// What is to be answered.
    pub(crate) fn question(&self) -> Question {
        let open = self.messages.get(self.open_from()..).unwrap_or_default();
        let said: Vec<&MessageRow> = open.iter().filter(|m| m.sender_type == SenderType::Customer).collect();
        let touched = said.last().and_then(|m| payload(m)?.get("menuId")?.as_str().map(str::to_owned));
        if touched.as_deref() == Some(words::MENU_PERSON) {
            return Question::Person;
        }
        let texts: Vec<&str> = said
            .iter()
            .filter(|m| is_readable(m))
            .map(|m| m.content.trim())
            .filter(|t| !t.is_empty())
            .collect();
        if texts.is_empty() {
            return Question::Unreadable;
        }
        let text = texts.join("\n");
        let choices = self.choices();
        let chosen = match touched {
            Some(id) => choices.iter().position(|(entry_id, _)| *entry_id == id),
            None => words::choice(&text, choices.len()),
        };
        match chosen.and_then(|n| choices.into_iter().nth(n)) {
            Some((entry_id, question)) => Question::Choice { entry_id, question },
            None => Question::Words(text),
        }
    }

    /// The entries that the assistant offered with its last words, if those are what was said last.
    fn choices(&self) -> Vec<(String, String)> {
        let last = self.open_from().checked_sub(1).and_then(|at| self.messages.get(at));
        let offered = last.filter(|m| m.sender_type == SenderType::Ai).and_then(payload);
        let Some(Value::Array(choices)) = offered.and_then(|mut p| p.get_mut("choices").map(Value::take))
        else {
            return Vec::new();
        };
        let text = |choice: &Value, field: &str| choice.get(field)?.as_str().map(str::to_owned);
        choices.iter().filter_map(|c| Some((text(c, "entryId")?, text(c, "question")?))).collect()
    }

    /// The conversation as the assistant is shown it; what is open is one message at its end, with `question` as its
    /// words.
    pub(crate) fn transcript(&self, question: &str) -> Vec<Message> {
        let (before, open) = self.messages.split_at(self.open_from().min(self.messages.len()));
        let mut all: Vec<Message> =
            before.iter().filter(|m| !m.content.is_empty()).map(|m| self.shown(m)).collect();
        if let Some(last) = open.iter().rev().find(|m| m.sender_type == SenderType::Customer) {
            all.push(Message { text: question.to_owned(), ..self.shown(last) });
        }
        all
    }

    /// The whole conversation, a message each.
    pub(crate) fn conversation(&self) -> Vec<Message> {
        self.messages.iter().filter(|m| !m.content.is_empty()).map(|m| self.shown(m)).collect()
    }

    fn shown(&self, m: &MessageRow) -> Message {
        let own = m.sender_type != SenderType::Customer;
        let customer = self.row.customer_name.as_deref().unwrap_or("customer");
        let from = if own { m.sender_type.as_str() } else { customer };
        Message { from: from.to_owned(), own, sent_at: m.created_at, text: m.content.clone() }
    }

    /// Whether the assistant said exactly this before, in this session.
    pub(crate) fn was_said(&self, text: &str) -> bool {
        self.messages.iter().any(|m| m.sender_type == SenderType::Ai && m.content == text)
    }

    /// How often the assistant asked back since it last answered.
    pub(crate) fn asked_back(&self) -> usize {
        let since = self
            .outcomes
            .iter()
            .take_while(|o| !matches!(o, TurnOutcome::Answered | TurnOutcome::HandedOver));
        since.filter(|o| **o == TurnOutcome::Asked).count()
    }

    /// What was said so far, in a few sentences of it with their senders; nothing, if it is short enough to be read.
    pub(crate) fn summary(&self) -> Vec<String> {
        let said: Vec<&MessageRow> = self.messages.iter().filter(|m| !m.content.is_empty()).collect();
        if said.len() <= SHORT {
            return Vec::new();
        }
        let customer = self.row.customer_name.as_deref().unwrap_or("customer");
        let sender =
            |m: &MessageRow| if m.sender_type == SenderType::Customer { customer } else { "us" }.to_owned();
        let senders: Vec<String> = said.iter().map(|m| sender(m)).collect();
        let turns: Vec<nlp::Turn<'_>> =
            said.iter().zip(&senders).map(|(m, sender)| nlp::Turn { sender, text: &m.content }).collect();
        nlp::thread_summary(&turns, 3).into_iter().map(|q| format!("{}: {}", q.sender, q.sentence)).collect()
    }
}

/// A conversation of so many messages is its own summary.
const SHORT: usize = 4;

/// What we said that answers: a person's words or the assistant's, not the desk's notices.
fn is_answer(m: &MessageRow) -> bool {
    matches!(m.sender_type, SenderType::Ai | SenderType::Manual)
}

/// What the assistant said when it handed over.
fn is_notice(m: &MessageRow) -> bool {
    m.sender_type == SenderType::System && m.sender_id == super::ASSISTANT
}

/// Whether its content is the customer's words.
fn is_readable(m: &MessageRow) -> bool {
    m.msg_type == "text"
}

fn payload(m: &MessageRow) -> Option<Value> {
    serde_json::from_str(m.payload.as_deref()?).ok()
}
