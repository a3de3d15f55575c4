//! How far the assistant goes by itself.

use std::time::Duration;

/// What the operator decides about the assistant's turns.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Whether it answers first; without, every customer waits for a person.
    pub first: bool,
    /// What a customer writes within this time is answered together.
    pub settle: Duration,
    /// After asking back so many times without an answer it hands over.
    pub unanswered: usize,
    /// A turn that is later than this hands over: nobody wants an answer to a question of an hour ago.
    pub stale: Duration,
    /// The shop's name, as customers know it.
    pub shop: String,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            first: true,
            settle: Duration::from_secs(1),
            unanswered: 2,
            stale: Duration::from_secs(600),
            shop: String::new(),
        }
    }
}

/// How long the assistant may take for one turn, whatever it does: its own limits are shorter.
pub(super) const LONGEST: Duration = Duration::from_secs(20);
/// How long an agent waits for a suggestion or a summary.
pub(super) const LONGEST_HELP: Duration = Duration::from_secs(30);
