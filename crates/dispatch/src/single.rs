//! Single kinds: claim under a lease, act with no transaction open, record under the fence.
//!
//! Fairness: of one kind at most [`SingleOptions::concurrency`] attempts are in hand, of one destination at
//! most [`SingleOptions::per_destination`]. A claim looks at as many rows as it has room for and takes those
//! whose destination still has room; a destination that is full is left out of the next claim altogether, until
//! a quarter of its places are free: to look past a long queue of one destination costs as much as it is long.

use std::{
    collections::{BTreeMap, HashMap},
    panic::AssertUnwindSafe,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use db::{Db, DbError, Tx};
use futures_util::FutureExt;
use kernel::{Clock, Timestamp};
use tokio::sync::{Notify, mpsc};

use crate::{
    batch::count,
    model::{Dispatch, Outcome, Settled, Single},
    policy::{Retry, jitter},
    store::{self, Ended},
    suspect::{Loss, Verdict, merely_claimed, verdict},
};

/// Waits in the machine's own time: for pauses that spare it, and that no simulated clock should stretch.
pub(crate) async fn pause(d: Duration) {
    let _ = tokio::time::timeout(d, std::future::pending::<()>()).await;
}

/// How much of a single kind is in hand at once.
#[derive(Debug, Clone, Copy)]
pub struct SingleOptions {
    /// Attempts of this kind.
    pub concurrency: usize,
    /// Attempts with the same destination.
    pub per_destination: usize,
    /// When to repeat and when to give up.
    pub retry: Retry,
    /// An attempt that takes longer is ended and counts as a retry, in doubt.
    pub timeout: Duration,
}

/// How long a claim holds without a heartbeat.
pub(crate) const LEASE: Duration = Duration::from_secs(30);

pub(crate) struct SingleKind {
    pub(crate) kind: &'static str,
    pub(crate) options: SingleOptions,
    pub(crate) handler: Arc<dyn Single>,
    pub(crate) owner: String,
    in_hand: Mutex<InHand>,
    /// How many were put back into the queue by us.
    requeued: AtomicUsize,
    /// Room was made.
    pub(crate) freed: Notify,
}

#[derive(Default)]
struct InHand {
    ids: BTreeMap<String, String>,
    destinations: HashMap<String, usize>,
}

/// What cannot be tried because its record cannot be kept is looked at again after so long.
const RECORD_AWAY: Duration = Duration::from_secs(5);

/// See [`SingleKind::look`].
#[derive(PartialEq, Eq)]
pub(crate) struct Look {
    pub(crate) saturated: Vec<String>,
    requeued: usize,
}

/// An attempt and how it ended.
pub(crate) struct Finished {
    dispatch: Dispatch,
    /// How many attempts before it may never have begun.
    merely_claimed: i64,
    outcome: Outcome,
    started: Timestamp,
    ended: Timestamp,
}

impl SingleKind {
    pub(crate) fn new(
        kind: &'static str,
        options: SingleOptions,
        handler: Arc<dyn Single>,
        owner: String,
    ) -> Self {
        Self {
            kind,
            options,
            handler,
            owner,
            in_hand: Mutex::default(),
            requeued: AtomicUsize::new(0),
            freed: Notify::new(),
        }
    }

    pub(crate) fn room(&self) -> usize {
        self.options.concurrency.saturating_sub(self.lock().ids.len())
    }

    pub(crate) fn held(&self) -> Vec<String> {
        self.lock().ids.keys().cloned().collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, InHand> {
        // The state is whole between any two statements that touch it.
        self.in_hand.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Claims what there is room for. Nothing, if nothing is due whose destination has room.
    pub(crate) async fn claim(&self, db: &Db, clock: &Clock) -> db::Result<Vec<Dispatch>> {
        let room = self.room();
        if room == 0 {
            return Ok(Vec::new());
        }
        let mut tx = db.begin().await?;
        let now = clock.now();
        let due = store::due(&mut tx, self.kind, now, room, &self.saturated()).await?;
        let taken = self.take(due, room);
        if taken.is_empty() {
            return Ok(taken);
        }
        let ids: Vec<&str> = taken.iter().map(|d| d.id.as_str()).collect();
        let leased = match store::lease(&mut tx, ids, &self.owner, now + LEASE).await {
            Ok(_) => tx.commit().await,
            Err(e) => Err(e),
        };
        if let Err(error) = leased {
            // If the commit took place all the same, the leases run out.
            self.release(taken.into_iter().map(|d| d.id));
            return Err(error);
        }
        Ok(taken)
    }

    /// Takes into hand those of `due` that there is room for; before the lease is on record, so that
    /// nobody in this process takes the lease for a lost one.
    fn take(&self, due: Vec<Dispatch>, room: usize) -> Vec<Dispatch> {
        let mut in_hand = self.lock();
        let mut taken = Vec::new();
        for mut d in due {
            if taken.len() == room {
                break;
            }
            // An attempt of it whose lease has run out is still at work here.
            if in_hand.ids.contains_key(&d.id) {
                continue;
            }
            let count = in_hand.destinations.entry(d.destination.clone()).or_default();
            if *count < self.options.per_destination {
                *count += 1;
                in_hand.ids.insert(d.id.clone(), d.destination.clone());
                d.attempt += 1;
                d.fence += 1;
                taken.push(d);
            }
        }
        taken
    }

    /// What decides, besides the table, whether a claim finds anything.
    pub(crate) fn look(&self) -> Look {
        Look { saturated: self.saturated(), requeued: self.requeued.load(Ordering::Relaxed) }
    }

    /// The destinations that have no room worth a claim, in order.
    pub(crate) fn saturated(&self) -> Vec<String> {
        let places = self.options.per_destination;
        let full = (places + 1).saturating_sub((places / 4).max(1));
        let mut all: Vec<String> =
            self.lock().destinations.iter().filter(|(_, n)| **n >= full).map(|(d, _)| d.clone()).collect();
        all.sort_unstable();
        all
    }

    pub(crate) fn release(&self, ids: impl Iterator<Item = String>) {
        let mut in_hand = self.lock();
        for id in ids {
            let Some(destination) = in_hand.ids.remove(&id) else { continue };
            if let Some(n) = in_hand.destinations.get_mut(&destination) {
                *n -= 1;
                if *n == 0 {
                    in_hand.destinations.remove(&destination);
                }
            }
        }
        drop(in_hand);
        self.freed.notify_one();
    }

    /// What becomes of a dispatch with these losses, instead of another attempt now (see `suspect`). If it is to be tried,
    /// that is on record.
    async fn suspected(
        &self,
        db: &Db,
        dispatch: &Dispatch,
        losses: &[Loss],
        now: Timestamp,
    ) -> db::Result<Option<Outcome>> {
        let reason = format!("its worker was lost {} times", losses.len());
        match verdict(losses, dispatch.due_at, now, &self.options.retry, jitter()) {
            Verdict::Clear => Ok(None),
            Verdict::GiveUp => Ok(Some(Outcome::Dead(format!("given up: {reason}")))),
            Verdict::Wait(until) => Ok(Some(Outcome::Snooze { until, reason })),
            Verdict::Try => {
                let mut tx = db.begin().await?;
                let ours = store::begun(&mut tx, dispatch, now).await? == 1;
                tx.commit().await?;
                let passed_on =
                    || Outcome::Snooze { until: now, reason: "the lease passed to another".to_owned() };
                Ok((!ours).then(passed_on))
            }
        }
    }

    /// Whether something else becomes of it than an attempt, and how many attempts before it may never have begun.
    async fn before(
        &self,
        db: &Db,
        dispatch: &Dispatch,
        now: Timestamp,
    ) -> db::Result<(Option<Outcome>, i64)> {
        if !dispatch.in_doubt {
            return Ok((None, 0));
        }
        let losses = store::losses(&mut db.read().await?, &dispatch.id).await?;
        let instead = self.suspected(db, dispatch, &losses, now).await?;
        Ok((instead, merely_claimed(&losses)))
    }

    /// One attempt, whatever happens in it; none of a suspect whose time has not come.
    pub(crate) async fn attempt(&self, db: &Db, dispatch: Dispatch, clock: &Clock) -> Finished {
        let started = clock.now();
        let (instead, merely_claimed) = self.before(db, &dispatch, started).await.unwrap_or_else(|error| {
            tracing::warn!(dispatch.kind = self.kind, %error, "the record of lost attempts cannot be kept");
            let reason = format!("the record of its attempts cannot be kept: {error}");
            // Nothing was tried: while the database is away that is no reason to come closer to the end.
            let outcome = match error.is_transient() {
                true => Outcome::Snooze { until: started + RECORD_AWAY, reason },
                false => retry(&reason),
            };
            (Some(outcome), 0)
        });
        if let Some(outcome) = instead {
            return Finished { dispatch, merely_claimed, outcome, started, ended: started };
        }
        metrics::histogram!("hongyan_dispatch_lateness_seconds", "kind" => self.kind)
            .record(started.since(dispatch.due_at).as_secs_f64());
        let attempt = AssertUnwindSafe(async { self.handler.attempt(&dispatch).await }).catch_unwind();
        let outcome = match tokio::time::timeout(self.options.timeout, attempt).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => retry("the attempt panicked"),
            Err(_) => retry("the attempt took too long"),
        };
        Finished { dispatch, merely_claimed, outcome, started, ended: clock.now() }
    }

    /// Records ends as they come, many at a time, until the channel closes.
    pub(crate) async fn recorder(self: Arc<Self>, db: Db, mut ends: mpsc::Receiver<Finished>) {
        let mut batch = Vec::new();
        while ends.recv_many(&mut batch, 512).await > 0 {
            self.record_all(&db, std::mem::take(&mut batch)).await;
        }
    }

    /// Records all of `batch`, whatever it takes.
    pub(crate) async fn record_all(&self, db: &Db, batch: Vec<Finished>) {
        let alone = |f: &Finished| {
            self.handler.alone() && settled(&self.ended(f)).is_some_and(|end| self.handler.cares(&end))
        };
        let (alone, together): (Vec<_>, Vec<_>) = batch.into_iter().partition(alone);
        self.record_each(db, &alone).await;
        if !together.is_empty()
            && let Err(error) = self.recorded(db, &together, true).await
        {
            tracing::error!(dispatch.kind = self.kind, %error, "what follows from an end failed");
            self.record_each(db, &together).await;
        }
        self.release(alone.into_iter().chain(together).map(|f| f.dispatch.id));
    }

    /// One bad end must not keep the others from the record, and what follows from it not the end itself.
    async fn record_each(&self, db: &Db, batch: &[Finished]) {
        for one in batch.chunks(1) {
            let Err(error) = self.recorded(db, one, true).await else { continue };
            tracing::error!(dispatch.kind = self.kind, %error, "what follows from an end failed");
            if let Err(error) = self.recorded(db, one, false).await {
                tracing::error!(dispatch.kind = self.kind, %error, "an end is not on record, its lease will run out");
            }
        }
    }

    /// Repeats for as long as the database is away: the answers are worth more than the wait, and the
    /// leases are kept by the heartbeat meanwhile.
    async fn recorded(&self, db: &Db, batch: &[Finished], settle: bool) -> db::Result<()> {
        let mut wait = Duration::from_millis(100);
        loop {
            match self.record(db, batch, settle).await {
                Err(error) if error.is_transient() => {
                    tracing::warn!(dispatch.kind = self.kind, %error, "ends of attempts cannot be recorded yet");
                    pause(wait).await;
                    wait = (wait * 2).min(Duration::from_secs(5));
                }
                end => return end,
            }
        }
    }

    async fn record(&self, db: &Db, batch: &[Finished], settle: bool) -> db::Result<()> {
        let mut tx = db.begin().await?;
        let ended: Vec<Ended> = batch.iter().map(|f| self.ended(f)).collect();
        let kept = store::record(&mut tx, &ended).await?;
        if settle {
            self.settle(&mut tx, batch, &ended, &kept).await?;
        }
        tx.commit().await?;
        for e in &ended {
            count(self.kind, e.outcome, 1);
        }
        let requeued = ended.iter().filter(|e| e.state == "scheduled").count();
        self.requeued.fetch_add(requeued, Ordering::Relaxed);
        if kept.len() < ended.len() {
            tracing::warn!(
                dispatch.kind = self.kind,
                late = ended.len() - kept.len(),
                "attempts ended after their lease had passed to another worker"
            );
        }
        Ok(())
    }

    async fn settle(
        &self,
        tx: &mut Tx,
        batch: &[Finished],
        ended: &[Ended],
        kept: &[String],
    ) -> db::Result<()> {
        for (f, e) in batch.iter().zip(ended) {
            let Some(end) = settled(e) else { continue };
            if self.handler.cares(&end) && kept.contains(&f.dispatch.id) {
                let work =
                    AssertUnwindSafe(async { self.handler.settled(tx, &f.dispatch, &end, f.ended).await });
                work.catch_unwind()
                    .await
                    .unwrap_or_else(|_| Err(DbError::Other("the handler panicked".into())))?;
            }
        }
        Ok(())
    }

    fn ended(&self, f: &Finished) -> Ended {
        let d = &f.dispatch;
        let mut e = Ended {
            k: d.id.clone(),
            fence: d.fence,
            state: "scheduled",
            next_at: f.ended.micros(),
            attempt: d.attempt,
            in_doubt: d.in_doubt,
            answer: String::new(),
            finished_at: None,
            started: f.started.micros(),
            ended: f.ended.micros(),
            outcome: "retry",
        };
        match &f.outcome {
            Outcome::Done(answer) => (e.state, e.outcome, e.answer) = ("done", "done", answer.clone()),
            Outcome::Dead(reason) => (e.state, e.outcome, e.answer) = ("dead", "dead", reason.clone()),
            Outcome::Snooze { until, reason } => {
                (e.outcome, e.answer, e.attempt) = ("snooze", reason.clone(), d.attempt - 1);
                e.next_at = until.micros();
            }
            Outcome::Retry { reason, after, in_doubt } => {
                e.answer.clone_from(reason);
                e.in_doubt |= in_doubt;
                match self.options.retry.next(d.attempt - f.merely_claimed, d.due_at, f.ended, jitter()) {
                    Some(next) => e.next_at = after.map_or(next, |a| f.ended + a).micros(),
                    None => (e.state, e.outcome) = ("dead", "dead"),
                }
            }
        }
        if e.state != "scheduled" {
            e.finished_at = Some(e.ended);
        }
        e.answer = store::clipped(&e.answer);
        e
    }
}

fn retry(reason: &str) -> Outcome {
    Outcome::Retry { reason: reason.to_owned(), after: None, in_doubt: true }
}

/// The end of a dispatch that has come to one.
fn settled(e: &Ended) -> Option<Settled> {
    match e.outcome {
        "done" => Some(Settled::Done(e.answer.clone())),
        "dead" => Some(Settled::Dead(e.answer.clone())),
        _ => None,
    }
}
