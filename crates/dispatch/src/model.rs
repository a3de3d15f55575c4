//! What a dispatch is, and what a kind must be able to do.

use std::{future::Future, pin::Pin, time::Duration};

use db::Tx;
use kernel::Timestamp;

/// A boxed future, as the kinds return it.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Something to be sent, about to be scheduled.
#[derive(Debug, Clone)]
pub struct NewDispatch {
    /// The idempotency key, `{subject}/…`: the same id is scheduled once.
    pub id: String,
    /// Which kind handles it.
    pub kind: &'static str,
    /// What it is about, such as a letter's id.
    pub subject: String,
    /// Where it goes, for fairness: a mail domain, a channel account; empty for the inbox.
    pub destination: String,
    /// Whatever the kind needs beyond the subject. No secret, no letter's text.
    pub payload: Option<String>,
    /// When it is due.
    pub due_at: Timestamp,
}

db::row! {
    /// A claimed dispatch.
    #[derive(Debug, Clone)]
    pub struct Dispatch {
        /// The idempotency key.
        pub id: String,
        /// What it is about.
        pub subject: String,
        /// Where it goes.
        pub destination: String,
        /// As scheduled.
        pub payload: Option<String>,
        /// When it was promised.
        pub due_at: Timestamp,
        /// Which attempt this is, from 1, snoozes not counted.
        pub attempt: i64,
        /// Grows with every claim; an answer under an old fence is refused.
        pub fence: i64,
        /// An earlier attempt ended without a record: what this one does may be a repetition.
        pub in_doubt: bool,
    }
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Done; the peer's answer, for the record.
    Done(String),
    /// Failed for now: again after the policy's delay, or after `after` if the peer named one.
    Retry {
        /// For the record; no secret, no letter's text.
        reason: String,
        /// What the peer asked for.
        after: Option<Duration>,
        /// The peer may have taken it all the same.
        in_doubt: bool,
    },
    /// Not now: again at `until`. Does not count as an attempt.
    Snooze {
        /// When to look again.
        until: Timestamp,
        /// For the record.
        reason: String,
    },
    /// Failed for good.
    Dead(String),
}

/// How a dispatch ended: given to [`Single::settled`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settled {
    /// With the peer's answer.
    Done(String),
    /// With the reason.
    Dead(String),
}

/// A kind whose whole work is in the database.
pub trait Batch: Send + Sync + 'static {
    /// So many are taken in one transaction, at most: larger batches gain little, and lose more when one dispatch is bad.
    /// Fewer for a kind whose dispatches are each a lot of work.
    fn size(&self) -> usize {
        500
    }

    /// The kind that this one follows from, and gives way to: while something of that kind is overdue, this one rests
    /// most of the time.
    fn after(&self) -> Option<&'static str> {
        None
    }

    /// Does the work of all of `batch` in `tx`, set-based. An error undoes it; the engine then finds the
    /// dispatches that cause it and lets the others pass.
    fn deliver<'a>(
        &'a self,
        tx: &'a mut Tx,
        batch: &'a [Dispatch],
        now: Timestamp,
    ) -> BoxFuture<'a, db::Result<()>>;
}

/// A kind that acts on the outside, one dispatch at a time.
pub trait Single: Send + Sync + 'static {
    /// One attempt. No transaction is open meanwhile. A panic counts as a retry.
    fn attempt<'a>(&'a self, dispatch: &'a Dispatch) -> BoxFuture<'a, Outcome>;

    /// Called in the transaction that records the end of `dispatch`, so that what follows from it (telling
    /// the author, say) is scheduled if and only if the end is on record.
    fn settled<'a>(
        &'a self,
        _tx: &'a mut Tx,
        _dispatch: &'a Dispatch,
        _end: &'a Settled,
        _now: Timestamp,
    ) -> BoxFuture<'a, db::Result<()>> {
        Box::pin(async { Ok(()) })
    }

    /// Whether [`Single::settled`] has anything to do for this end; saves its call in the common case.
    fn cares(&self, _end: &Settled) -> bool {
        false
    }

    /// Whether each end that it cares for is recorded in a transaction of its own, instead of many in one: for a kind
    /// whose `settled` locks rows of its own in an order that holds for one end, and not across several.
    fn alone(&self) -> bool {
        false
    }
}
