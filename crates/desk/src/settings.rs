//! The desk's settings: one document that supervisors change, read field by field. Pure.

use std::time::Duration;

use httpkit::{Fields, hours::Hours, text, text_enum};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

text_enum! {
    /// Who gives waiting customers to agents.
    Assignment {
        /// Nobody: agents accept.
        Manual = "manual",
        /// The desk.
        Auto = "auto",
    }
}

/// So many sessions at once for an agent of whom nothing else is said.
const CAPACITY: i64 = 5;
/// The most that an agent may be given.
pub(crate) const MOST_CAPACITY: i64 = 1000;
/// The longest of all spans, in seconds.
const LONGEST: i64 = 30 * 24 * 3600;
/// The longest text to a customer.
const MAX_TEXT: usize = 500;

/// How the desk works. Spans are in seconds; a span that is null is never over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct DeskSettings {
    pub(crate) assignment: Assignment,
    /// Sessions at once, for agents without a number of their own.
    pub(crate) capacity: i64,
    /// An agent whose last connection ended so long ago is gone.
    pub(crate) away_after_seconds: i64,
    /// The sessions of an agent whose last connection ended so long ago go back to the queue.
    pub(crate) requeue_after_seconds: Option<i64>,
    /// A session whose customer waits for the agent's answer so long goes back to the queue.
    pub(crate) unanswered_after_seconds: Option<i64>,
    /// A session whose customer has not answered us for so long is closed.
    pub(crate) close_idle_after_seconds: Option<i64>,
    /// From the hand-over to the first answer of a person, in business hours.
    pub(crate) first_response_seconds: Option<i64>,
    /// From a later message of the customer to the answer, in business hours.
    pub(crate) next_response_seconds: Option<i64>,
    /// When people answer; null: always.
    pub(crate) hours: Option<Hours>,
    /// What a customer is told who wants a person outside of them; `{opensAt}` is when people are back.
    pub(crate) closed_text: String,
    /// Whether customers are asked for a rating when a session with a person ends.
    pub(crate) rating: bool,
    /// How they are asked: with a digit from 1 to 5.
    pub(crate) rating_text: String,
}

impl Default for DeskSettings {
    fn default() -> Self {
        Self {
            assignment: Assignment::Manual,
            capacity: CAPACITY,
            away_after_seconds: 30,
            requeue_after_seconds: Some(300),
            unanswered_after_seconds: None,
            close_idle_after_seconds: None,
            first_response_seconds: None,
            next_response_seconds: None,
            hours: None,
            closed_text: "现在是非工作时间,人工客服将于 {opensAt} 恢复服务,届时会尽快回复您。".to_owned(),
            rating: false,
            rating_text: "请为本次服务打分:回复数字 1(很不满意)到 5(非常满意)。".to_owned(),
        }
    }
}

/// A span of the document.
pub(crate) fn span(seconds: i64) -> Duration {
    Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
}

impl DeskSettings {
    /// Reads a whole document; what it does not have is as in a new desk.
    pub(crate) fn read(f: &mut Fields) -> Self {
        let d = Self::default();
        let mut whole = |name: &str, least: i64, most: i64| {
            let n: Option<i64> = f.optional(name);
            if n.is_some_and(|n| !(least..=most).contains(&n)) {
                f.rule(name, format!("must be a whole number from {least} to {most}"));
            }
            n
        };
        let capacity = whole("capacity", 0, MOST_CAPACITY).unwrap_or(d.capacity);
        let away_after_seconds = whole("awayAfterSeconds", 1, 3600).unwrap_or(d.away_after_seconds);
        let mut optional = |name: &str| whole(name, 1, LONGEST);
        let (requeue, unanswered) = (optional("requeueAfterSeconds"), optional("unansweredAfterSeconds"));
        let idle = optional("closeIdleAfterSeconds");
        let (first, next) = (optional("firstResponseSeconds"), optional("nextResponseSeconds"));
        let said = |f: &mut Fields, name: &str, default: String| {
            f.optional::<text::Lines<MAX_TEXT>>(name).map_or(default, |t| t.0)
        };
        // Null switches it off; a document that does not name it leaves it as it is in a new desk.
        let requeue_after_seconds =
            if f.names("requeueAfterSeconds") { requeue } else { d.requeue_after_seconds };
        if requeue.is_some_and(|r| r < away_after_seconds) {
            f.rule("requeueAfterSeconds", "must not be less than awayAfterSeconds");
        }
        Self {
            assignment: f.optional("assignment").unwrap_or(d.assignment),
            capacity,
            away_after_seconds,
            requeue_after_seconds,
            unanswered_after_seconds: unanswered,
            close_idle_after_seconds: idle,
            first_response_seconds: first,
            next_response_seconds: next,
            hours: f.object("hours", Hours::read),
            closed_text: said(f, "closedText", d.closed_text),
            rating: f.optional("rating").unwrap_or(d.rating),
            rating_text: said(f, "ratingText", d.rating_text),
        }
    }
}
