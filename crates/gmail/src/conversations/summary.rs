//! Where a conversation stands, in the assistant's words: kept until another message comes.

use std::time::Duration;

use assistant::{Message, Sentiment, ThreadRequest, ThreadSummary};
use kernel::{Problem, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{
    Gmail,
    model::{Direction, MailKind},
    store::{self, ConversationRow, SpokenRow, SummaryRow},
};

/// So many messages back the assistant looks.
const MESSAGES: i64 = 100;
/// So many characters of each.
const CHARS_OF_ONE: i64 = 4000;
/// So many of all together.
const CHARS: usize = 20_000;
/// So much of an earlier summary goes into the next, in characters.
const EARLIER: usize = 2000;
/// What the provider was to say and did not is asked again after this.
const DEGRADED_FOR: Duration = Duration::from_secs(600);
/// Who says what machines wrote.
const MACHINE: &str = "mail system";
/// What makes a summary of nothing.
const NOBODY: &str = "none";

/// Where a conversation stands.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Summary {
    pub(crate) summary: ThreadSummary,
    /// `embedded`, the provider and its model, or `none` where there was nothing to summarise.
    pub(crate) engine: String,
    pub(crate) degraded: bool,
    /// Of so many messages.
    pub(crate) message_count: i64,
    pub(crate) updated_at: Timestamp,
}

impl Gmail {
    /// Where a user's conversation stands: as it was said before while no message came, else by the assistant. Of calls at
    /// the same time one asks it.
    ///
    /// # Errors
    /// 503 if the database is away.
    pub(crate) async fn summary(&self, user: &str, row: &ConversationRow) -> Result<Summary, Problem> {
        let lock = self.0.reading.summarising.of(row.id);
        let _one = lock.lock().await;
        // As it is by now: whoever had the lock may have said it of a newer message.
        let row = self.conversation(user, row.id).await?;
        let Some(last) = &row.last_message_key else { return Ok(nothing(row.updated_at)) };
        let mut conn = self.db().read().await?;
        let before = store::summary(&mut conn, row.id).await?;
        let earlier = before.as_ref().and_then(|kept| serde_json::from_str::<Summary>(&kept.summary).ok());
        let same = before.is_some_and(|kept| kept.last_message_key == *last);
        if let Some(known) = earlier.as_ref().filter(|known| same && self.is_good(known, &row)) {
            return Ok(known.clone());
        }
        let spoken = store::spoken(&mut conn, row.id, MESSAGES, CHARS_OF_ONE).await?;
        drop(conn);
        let request = request(&row, spoken, earlier.map(|known| known.summary.summary));
        let answered = self.0.assistant.summarise_thread(user, request).await;
        let made = Summary {
            summary: answered.value,
            engine: answered.engine,
            degraded: answered.degraded,
            message_count: row.message_count,
            updated_at: self.now(),
        };
        self.keep_summary(row.id, last, &made).await?;
        Ok(made)
    }

    /// Whether a summary that knew of the newest message is still what would be said.
    fn is_good(&self, known: &Summary, row: &ConversationRow) -> bool {
        // Older messages come in later, while the mailbox is read for the first time.
        let whole = known.message_count == row.message_count;
        whole && (!known.degraded || self.now() < known.updated_at + DEGRADED_FOR)
    }

    async fn keep_summary(&self, conversation: i64, last: &str, made: &Summary) -> Result<(), Problem> {
        let summary = serde_json::to_string(made).map_err(|error| {
            tracing::error!(%error, "a summary cannot be written");
            Problem::internal()
        })?;
        let row = SummaryRow { last_message_key: last.to_owned(), summary, updated_at: made.updated_at };
        let mut tx = self.db().begin().await?;
        // Nothing is said of a conversation that was removed meanwhile.
        if store::lock_conversation(&mut tx, conversation).await?.is_some() {
            store::put_summary(&mut tx, conversation, &row).await?;
        }
        Ok(tx.commit().await?)
    }
}

/// Of a conversation without a message.
fn nothing(at: Timestamp) -> Summary {
    let summary = ThreadSummary {
        summary: String::new(),
        key_points: Vec::new(),
        sentiment: Sentiment::Neutral,
        open_questions: Vec::new(),
        suspicious: false,
    };
    Summary { summary, engine: NOBODY.to_owned(), degraded: false, message_count: 0, updated_at: at }
}

/// What the assistant is asked: the newest messages that fit, and what was said of those before them, if there are any.
fn request(row: &ConversationRow, spoken: Vec<SpokenRow>, earlier: Option<String>) -> ThreadRequest {
    let mut left = CHARS;
    let mut messages: Vec<Message> = Vec::new();
    for said in spoken {
        let message = message(row, said);
        let chars = message.text.chars().count();
        if chars > left && !messages.is_empty() {
            break;
        }
        left = left.saturating_sub(chars);
        messages.push(message);
    }
    let all = i64::try_from(messages.len()).unwrap_or(i64::MAX) >= row.message_count;
    messages.reverse();
    let earlier = earlier.filter(|text| !all && !text.is_empty()).map(|text| newest_words(&text));
    ThreadRequest { user: row.user_email.clone(), messages, earlier }
}

/// The end of a text that is too long: what was said last.
fn newest_words(text: &str) -> String {
    let over = text.chars().count().saturating_sub(EARLIER);
    text.chars().skip(over).collect()
}

/// A message as the assistant is shown it. What a machine wrote is nobody's words: it is named instead.
fn message(row: &ConversationRow, said: SpokenRow) -> Message {
    let own = said.direction == Direction::Out;
    let named = match said.kind {
        _ if own => None,
        MailKind::Reply | MailKind::OptOut => None,
        MailKind::OutOfOffice => Some(match row.away_until {
            Some(until) => format!("(An automatic answer: away until {}.)", until.date()),
            None => "(An automatic answer: away.)".to_owned(),
        }),
        MailKind::Bounce => Some("(A report: a mail was not delivered.)".to_owned()),
        MailKind::Complaint => Some("(A report: a mail was marked as spam.)".to_owned()),
        MailKind::Notice => Some("(An automatic notice.)".to_owned()),
    };
    let sent_at = said.received_at;
    match named {
        Some(text) => Message { from: MACHINE.to_owned(), own, sent_at, text },
        None => {
            let from = said.from_name.filter(|name| !name.trim().is_empty()).unwrap_or(said.from_address);
            Message { from, own, sent_at, text: said.text }
        }
    }
}
