//! The assistant's turn in a session: the dispatch kind `desk.turn`.
//!
//! Promises
//! - What a customer writes in quick succession is answered once, together.
//! - There are never two voices. A turn names the version of the session and the customer's message that it answers
//!   to; its words are committed under the session's lock, if both are still so. A person who accepted or took over, a
//!   colleague who answered in the channel's own client, an end, a newer message: the turn is dropped, on record.
//! - What is stored and not on its way when a person gets the session is taken back (`follow`): a person's word is the last.
//! - A turn ends once. Its end (`desk_turns`), its message, the dispatch that sends it, and the hand-over are one
//!   transaction; an attempt that is repeated after a crash finds the end and says nothing more.
//! - No customer waits for nobody: a turn that fails, takes too long or comes too late hands over to people.
//! - Logs and dispatches hold no word of a conversation.

mod decide;
mod fence;
mod handover;
mod help;
mod policy;
mod reading;
mod words;

use db::Tx;
use dispatch::{BoxFuture, Dispatch, Outcome, Settled, Single};
use httpkit::text_enum;
use kernel::{Problem, Timestamp};

pub(crate) use handover::{Handover, hand_over};
pub(crate) use help::{Suggestion, Summary};
pub use policy::Policy;
pub(crate) use words::Speech;

use crate::{
    Desk,
    model::{HandoverReason, Status},
    store::{self, SessionRow},
};
use decide::Verdict;
use reading::Reading;

/// Who writes its messages.
const ASSISTANT: &str = "assistant";

text_enum! {
    /// How a turn of the assistant ended.
    TurnOutcome {
        /// With an answer from the knowledge base.
        Answered = "answered",
        /// With a question back.
        Asked = "asked",
        /// With a greeting or a "you are welcome".
        Greeted = "greeted",
        /// A person takes over.
        HandedOver = "handed_over",
        /// Unsaid: somebody or something came in between.
        Dropped = "dropped",
    }
}

/// What a turn answers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Turn {
    /// That of its dispatch.
    id: String,
    session_id: String,
    /// The session's version.
    version: i64,
    /// The number of the customer's message.
    seq: i64,
}

impl Turn {
    /// The payload of a turn's dispatch: version and number.
    pub(crate) fn payload(row: &SessionRow) -> String {
        format!("{} {}", row.version, row.last_customer_seq)
    }

    fn of(d: &Dispatch) -> Option<Self> {
        let (version, seq) = d.payload.as_deref()?.split_once(' ')?;
        let (version, seq) = (version.parse().ok()?, seq.parse().ok()?);
        Some(Self { id: d.id.clone(), session_id: d.subject.clone(), version, seq })
    }

    /// Why it must not be answered any more, if so.
    fn passed(&self, row: &SessionRow) -> Option<&'static str> {
        match row.status {
            Status::Closed => Some("the session is closed"),
            Status::Manual => Some("a person has the session"),
            Status::Pending => Some("the session waits for a person"),
            Status::Ai if row.version != self.version => Some("the session changed hands"),
            Status::Ai if row.last_customer_seq != self.seq => Some("a newer message has its own turn"),
            Status::Ai => None,
        }
    }
}

/// Answers customers.
pub struct Turns {
    /// The slice.
    pub desk: Desk,
}

impl Single for Turns {
    fn attempt<'a>(&'a self, d: &'a Dispatch) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let Some(turn) = Turn::of(d) else {
                return Outcome::Dead("the turn names no message".to_owned());
            };
            match self.take(&turn, d.due_at).await {
                Ok(end) => Outcome::Done(end.to_owned()),
                Err(problem) => Outcome::Retry { reason: problem.message, after: None, in_doubt: false },
            }
        })
    }

    fn cares(&self, end: &Settled) -> bool {
        matches!(end, Settled::Dead(_))
    }

    fn alone(&self) -> bool {
        true
    }

    /// Nobody answers any more: people do.
    fn settled<'a>(
        &'a self,
        tx: &'a mut Tx,
        d: &'a Dispatch,
        _end: &'a Settled,
        now: Timestamp,
    ) -> BoxFuture<'a, db::Result<()>> {
        Box::pin(async move {
            match Turn::of(d) {
                Some(turn) => fence::give_up(tx, &turn, now).await,
                None => Ok(()),
            }
        })
    }
}

impl Turns {
    /// One turn; how it ended, for the dispatch's record.
    async fn take(&self, turn: &Turn, due_at: Timestamp) -> Result<&'static str, Problem> {
        let desk = &self.desk;
        let mut conn = desk.db().read().await?;
        if store::turn_is_over(&mut conn, &turn.id).await? {
            return Ok(fence::OVER);
        }
        let Some(row) = store::session(&mut conn, &turn.session_id).await? else {
            return Ok("there is no such session");
        };
        if turn.passed(&row).is_some() {
            drop(conn);
            return Ok(fence::drop_turn(desk, turn).await?);
        }
        let reading = Reading::of(&mut conn, row).await?;
        drop(conn);
        let verdict = self.verdict(&reading, due_at).await?;
        Ok(fence::commit(desk, turn, reading, verdict).await?)
    }

    async fn verdict(&self, reading: &Reading, due_at: Timestamp) -> Result<Verdict, Problem> {
        let (desk, policy) = (&self.desk, &self.desk.0.config.assistant);
        if !policy.first {
            return Ok(Verdict::hand_over(HandoverReason::Policy));
        }
        if desk.clock().now().since(due_at) > policy.stale || reading.came_late(policy.stale) {
            return Ok(Verdict::hand_over(HandoverReason::Failure));
        }
        tokio::select! {
            verdict = decide::decide(&desk.0.assistant, policy, reading) => verdict,
            () = desk.clock().sleep(policy::LONGEST) => {
                tracing::warn!(session = reading.row.id, "the assistant took too long for a turn");
                Ok(Verdict { degraded: true, ..Verdict::hand_over(HandoverReason::Failure) })
            }
        }
    }
}
