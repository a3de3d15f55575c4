//! The running engine: one loop for each kind, one for leases.
//!
//! A loop claims until nothing is due, asks for the next due time and sleeps until then on the clock. A
//! notice from a committed transaction wakes it earlier. Because notices may be lost, it looks again after
//! [`LOOK`] in any case, which is less than the window within which notices are sent.

use std::{collections::BTreeMap, future::Future, sync::Arc, time::Duration};

use db::{Db, Notice};
use kernel::{Clock, Timestamp};
use tokio::sync::{broadcast, mpsc};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    batch::BatchKind,
    model::{Batch, Single},
    policy::Retry,
    single::{LEASE, Look, SingleKind, SingleOptions, pause},
    store,
};

/// The longest time between two looks at the table.
const LOOK: Duration = Duration::from_secs(5);
/// Between two claims that found something locked elsewhere.
const BREATH: Duration = Duration::from_millis(10);
/// How long a claim waits for more room.
const PATIENCE: Duration = Duration::from_millis(20);
/// A kind gives way to another that is so late.
const OVERDUE: Duration = Duration::from_millis(100);
/// It rests so many times as long as it worked, and no longer than this: what is always late must not stop it.
const REST: u32 = 19;
const LONGEST_REST: Duration = Duration::from_secs(2);
/// A third of the lease.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// Collects the kinds.
pub struct Builder {
    db: Db,
    clock: Clock,
    owner: String,
    batches: Vec<Arc<BatchKind>>,
    singles: Vec<Arc<SingleKind>>,
}

/// Runs the kinds. Cheap to clone.
#[derive(Clone)]
pub struct Engine(Arc<Inner>);

struct Inner {
    db: Db,
    clock: Clock,
    owner: String,
    batches: Vec<Arc<BatchKind>>,
    singles: Vec<Arc<SingleKind>>,
}

impl Builder {
    /// Adds a kind whose work is all in the database.
    #[must_use]
    pub fn batch(mut self, kind: &'static str, retry: Retry, handler: impl Batch) -> Self {
        self.batches.push(Arc::new(BatchKind::new(kind, retry, Arc::new(handler))));
        self
    }

    /// Adds a kind that acts on the outside.
    #[must_use]
    pub fn single(mut self, kind: &'static str, options: SingleOptions, handler: impl Single) -> Self {
        let kind = SingleKind::new(kind, options, Arc::new(handler), self.owner.clone());
        self.singles.push(Arc::new(kind));
        self
    }

    /// The engine, not yet running.
    #[must_use]
    pub fn build(self) -> Engine {
        let Self { db, clock, owner, batches, singles } = self;
        Engine(Arc::new(Inner { db, clock, owner, batches, singles }))
    }
}

impl Engine {
    /// An engine on this database. `now` also names this worker.
    #[must_use]
    pub fn builder(db: Db, clock: Clock) -> Builder {
        let owner = kernel::id::new("worker", clock.now());
        Builder { db, clock, owner, batches: Vec::new(), singles: Vec::new() }
    }

    /// Takes up work until `stop` is cancelled. What is in hand then is finished; `tracker` knows when.
    pub fn start(&self, tracker: &TaskTracker, stop: &CancellationToken) {
        let work = Work { tracker: tracker.clone(), holding: TaskTracker::new(), stop: stop.clone() };
        for kind in &self.0.batches {
            let (inner, kind, stop) = (Arc::clone(&self.0), Arc::clone(kind), stop.clone());
            tracker.spawn(async move { inner.run_batches(&kind, &stop).await });
        }
        for kind in &self.0.singles {
            let (inner, kind, work) = (Arc::clone(&self.0), Arc::clone(kind), work.clone());
            work.clone().spawn(async move { inner.run_singles(&kind, &work).await });
        }
        work.holding.close();
        let inner = Arc::clone(&self.0);
        tracker.spawn(async move { inner.keep_leases(&work.holding).await });
    }

    /// Does everything that is due now and returns how many attempts that were: the engine by hand, for
    /// tests and tools. Not to be mixed with [`Engine::start`].
    ///
    /// # Errors
    /// [`db::DbError`]
    pub async fn run_due(&self) -> db::Result<usize> {
        let mut total = 0;
        loop {
            let mut round = self.0.rescue(self.0.clock.now()).await?;
            for kind in &self.0.batches {
                round += kind.step(&self.0.db, &self.0.clock).await?;
            }
            for kind in &self.0.singles {
                let claimed = kind.claim(&self.0.db, &self.0.clock).await?;
                round += claimed.len();
                let mut ends = Vec::new();
                for d in claimed {
                    ends.push(kind.attempt(&self.0.db, d, &self.0.clock).await);
                }
                if !ends.is_empty() {
                    kind.record_all(&self.0.db, ends).await;
                }
            }
            if round == 0 {
                return Ok(total);
            }
            total += round;
        }
    }

    /// Takes back at once what earlier processes held. Only where no other process can be alive: on SQLite,
    /// whose data folder is locked.
    ///
    /// # Errors
    /// [`db::DbError`]
    pub async fn rescue_all(&self) -> db::Result<usize> {
        self.0.rescue(Timestamp::MAX).await
    }

    /// Gives back what is still in hand when the process must end: another worker may take it at once,
    /// marked as in doubt.
    ///
    /// # Errors
    /// [`db::DbError`]
    pub async fn release(&self) -> db::Result<usize> {
        let mut tx = self.0.db.begin().await?;
        let n = store::release(&mut tx, &self.0.owner, self.0.clock.now()).await?;
        tx.commit().await?;
        Ok(n)
    }

    /// Sets the gauges of every kind: depth, oldest due, dead, in hand.
    ///
    /// # Errors
    /// [`db::DbError`]
    #[expect(clippy::cast_precision_loss, reason = "counts on a gauge")]
    pub async fn observe(&self) -> db::Result<()> {
        let now = self.0.clock.now();
        let mut conn = self.0.db.read().await?;
        let batches = self.0.batches.iter().map(|k| (k.kind, 0));
        let singles = self.0.singles.iter().map(|k| (k.kind, k.held().len()));
        for (kind, held) in batches.chain(singles).collect::<BTreeMap<_, _>>() {
            let depth = store::depth(&mut conn, kind, now).await?;
            let oldest = store::next(&mut conn, kind, &[]).await?.map_or(0.0, |t| now.since(t).as_secs_f64());
            let dead = store::dead(&mut conn, kind).await?;
            metrics::gauge!("hongyan_dispatch_depth", "kind" => kind).set(depth as f64);
            metrics::gauge!("hongyan_dispatch_oldest_due_seconds", "kind" => kind).set(oldest);
            metrics::gauge!("hongyan_dispatch_dead", "kind" => kind).set(dead as f64);
            metrics::gauge!("hongyan_dispatch_in_hand", "kind" => kind).set(held as f64);
        }
        Ok(())
    }
}

/// What the tasks of one start have in common.
#[derive(Clone)]
struct Work {
    tracker: TaskTracker,
    /// Those that may hold a lease.
    holding: TaskTracker,
    stop: CancellationToken,
}

impl Work {
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tracker.spawn(self.holding.track_future(task));
    }
}

/// That nothing is due before `until`, as long as the same destinations are left out. Without it a long queue
/// of a busy destination would be looked past again with every place that it frees.
struct Nothing {
    look: Look,
    until: Timestamp,
}

impl Nothing {
    fn holds(&self, kind: &SingleKind, now: Timestamp) -> bool {
        // Not if the clock was set back.
        now < self.until && self.until <= now + LOOK && self.look == kind.look()
    }
}

impl Inner {
    async fn run_batches(&self, kind: &BatchKind, stop: &CancellationToken) {
        let mut notices = self.db.signals().listen();
        while !stop.is_cancelled() {
            let began = self.clock.now();
            match kind.step(&self.db, &self.clock).await {
                Ok(0) => drop(self.wait(kind.kind, &mut notices, stop, None).await),
                Ok(_) => self.give_way(kind, began, stop).await,
                Err(error) => pause_after(kind.kind, &error, stop).await,
            }
        }
    }

    /// Rests after a step that began at `began`, if the kind that goes first is overdue.
    async fn give_way(&self, kind: &BatchKind, began: Timestamp, stop: &CancellationToken) {
        let Some(first) = kind.handler.after() else { return };
        let now = self.clock.now();
        match self.next(first, &[]).await {
            Ok(next) if next.is_some_and(|next| next + OVERDUE <= now) => {
                let rest = now.since(began).saturating_mul(REST).min(LONGEST_REST);
                tokio::select! {
                    () = pause(rest) => {}
                    () = stop.cancelled() => {}
                }
            }
            Ok(_) => {}
            Err(error) => pause_after(kind.kind, &error, stop).await,
        }
    }

    async fn run_singles(&self, kind: &Arc<SingleKind>, work: &Work) {
        let stop = &work.stop;
        let mut notices = self.db.signals().listen();
        let (ends, received) = mpsc::channel(kind.options.concurrency.max(1));
        work.spawn(Arc::clone(kind).recorder(self.db.clone(), received));
        let mut nothing: Option<Nothing> = None;
        while !stop.is_cancelled() {
            if let Some(known) = nothing.take_if(|n| n.holds(kind, self.clock.now())) {
                let freed = self.rest(kind.kind, &mut notices, stop, Some(kind), known.until, LOOK).await;
                nothing = freed.then_some(known);
                continue;
            }
            let claimed = match kind.claim(&self.db, &self.clock).await {
                Ok(claimed) => claimed,
                Err(error) => {
                    pause_after(kind.kind, &error, stop).await;
                    continue;
                }
            };
            if claimed.is_empty() {
                nothing = self.wait(kind.kind, &mut notices, stop, Some(kind)).await;
                continue;
            }
            for d in claimed {
                let (kind, ends) = (Arc::clone(kind), ends.clone());
                let (db, clock) = (self.db.clone(), self.clock.clone());
                work.spawn(async move {
                    let finished = kind.attempt(&db, d, &clock).await;
                    // The recorder lives as long as this sender.
                    let _ = ends.send(finished).await;
                });
            }
            wait_for_room(kind, stop).await;
        }
    }

    /// Waits until something of this kind may be due, or room was made for it. If only room was made, what is
    /// known of the rest.
    async fn wait(
        &self,
        kind: &'static str,
        notices: &mut broadcast::Receiver<Notice>,
        stop: &CancellationToken,
        single: Option<&SingleKind>,
    ) -> Option<Nothing> {
        // Notices since the last look first: what they announce is seen by the query below.
        while matches!(notices.try_recv(), Ok(_) | Err(broadcast::error::TryRecvError::Lagged(_))) {}
        let now = self.clock.now();
        if single.is_some_and(|s| s.room() == 0) {
            self.rest(kind, notices, stop, single, now + LOOK, LOOK).await;
            return None;
        }
        let look = single.map(SingleKind::look);
        let next = match self.next(kind, look.as_ref().map_or(&[], |l| &l.saturated)).await {
            Ok(next) => next,
            Err(error) => {
                pause_after(kind, &error, stop).await;
                return None;
            }
        };
        // If something is due all the same, another worker has it locked.
        let locked = next.is_some_and(|next| next <= now);
        let until = next.filter(|_| !locked).unwrap_or(now + LOOK).min(now + LOOK);
        let longest = if locked { BREATH } else { LOOK };
        let freed = self.rest(kind, notices, stop, single, until, longest).await;
        look.filter(|_| freed && !locked).map(|look| Nothing { look, until })
    }

    /// Waits until then, or `longest` by the machine's own time (the clock may be set back), or for a notice,
    /// or for room; whether it was room.
    async fn rest(
        &self,
        kind: &'static str,
        notices: &mut broadcast::Receiver<Notice>,
        stop: &CancellationToken,
        single: Option<&SingleKind>,
        until: Timestamp,
        longest: Duration,
    ) -> bool {
        let freed = async {
            match single {
                Some(single) => single.freed.notified().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = stop.cancelled() => false,
            () = heard(notices, kind) => false,
            () = self.clock.sleep_until(until) => false,
            () = freed => true,
            () = pause(longest) => false,
        }
    }

    async fn next(&self, kind: &str, saturated: &[String]) -> db::Result<Option<Timestamp>> {
        store::next(&mut self.db.read().await?, kind, saturated).await
    }

    async fn rescue(&self, expired: Timestamp) -> db::Result<usize> {
        let mut total = 0;
        loop {
            let mut tx = self.db.begin().await?;
            let held = self.held();
            let n = store::rescue(&mut tx, self.clock.now(), expired, &held, true).await?;
            if n > 0 {
                tracing::warn!(dispatches = n, "took back what a lost worker held");
                tx.commit().await?;
            }
            total += n;
            if n < store::RESCUED {
                return Ok(total);
            }
        }
    }

    fn held(&self) -> Vec<String> {
        self.singles.iter().flat_map(|k| k.held()).collect()
    }

    /// Heartbeats as long as any of `holding` is there (also while stopping), rescues what others left.
    async fn keep_leases(&self, holding: &TaskTracker) {
        loop {
            let next = self.clock.now() + HEARTBEAT;
            if let Err(error) = self.beat().await {
                tracing::warn!(%error, "a heartbeat failed");
            }
            tokio::select! {
                () = self.clock.sleep_until(next) => {}
                // As in `wait`.
                () = pause(HEARTBEAT) => {}
                () = holding.wait() => return,
            }
        }
    }

    async fn beat(&self) -> db::Result<()> {
        let held = self.held();
        if !held.is_empty() {
            let mut tx = self.db.begin().await?;
            store::heartbeat(&mut tx, &self.owner, &held, self.clock.now() + LEASE).await?;
            tx.commit().await?;
        }
        self.rescue(self.clock.now()).await.map(drop)
    }
}

/// A claim for each single freed place would cost a transaction each, so waits for a quarter of the
/// places, but not for long: the rest may be stuck with slow peers.
async fn wait_for_room(kind: &SingleKind, stop: &CancellationToken) {
    let wanted = (kind.options.concurrency / 4).max(1);
    let enough = async {
        while kind.room() < wanted {
            kind.freed.notified().await;
        }
    };
    tokio::select! {
        () = enough => {}
        () = pause(PATIENCE) => {}
        () = stop.cancelled() => {}
    }
}

async fn pause_after(kind: &'static str, error: &db::DbError, stop: &CancellationToken) {
    tracing::error!(dispatch.kind = kind, %error, "the engine cannot work, it tries again in a second");
    metrics::counter!("hongyan_dispatch_errors_total", "kind" => kind).increment(1);
    tokio::select! {
        () = pause(Duration::from_secs(1)) => {}
        () = stop.cancelled() => {}
    }
}

/// Waits for a notice about this kind, or for the sign that some were missed.
async fn heard(notices: &mut broadcast::Receiver<Notice>, kind: &str) {
    loop {
        match notices.recv().await {
            Ok(n) if &*n.topic == "*" || (&*n.topic == store::TOPIC && &*n.payload == kind) => return,
            Ok(_) => {}
            Err(broadcast::error::RecvError::Lagged(_)) => return,
            Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
        }
    }
}
