//! Whatever happens in whatever order: the promises hold. Random histories of scheduling, cancelling, clocks
//! that jump, workers that run, die in the middle of an attempt and come back.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod common;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
};

use common::*;
use db::Db;
use dispatch::{Dispatch, Engine, NewDispatch, Outcome, store};
use kernel::{Clock, Timestamp};
use proptest::{prelude::*, test_runner::TestRunner};
use testkit::TestDb;
use tokio::sync::Notify;

#[derive(Debug, Clone)]
enum Op {
    Schedule {
        act: bool,
        minutes: i64,
    },
    Cancel(prop::sample::Index),
    Expedite(prop::sample::Index),
    Clock(i64),
    Run(usize),
    /// Dies in the middle of its next attempt (or at the end of its work), and comes back.
    Kill(usize),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        5 => (any::<bool>(), -5i64..90).prop_map(|(act, minutes)| Op::Schedule { act, minutes }),
        2 => any::<prop::sample::Index>().prop_map(Op::Cancel),
        1 => any::<prop::sample::Index>().prop_map(Op::Expedite),
        3 => (0i64..60).prop_map(Op::Clock),
        1 => (-60i64..0).prop_map(Op::Clock),
        3 => (0usize..2).prop_map(Op::Run),
        2 => (0usize..2).prop_map(Op::Kill),
    ]
}

/// What the attempts see and leave behind.
struct World {
    clock: Clock,
    acts: Mutex<Vec<Dispatch>>,
    cancelled: Mutex<BTreeSet<String>>,
    broken: Mutex<Vec<String>>,
    hang: AtomicBool,
    hanging: Notify,
}

impl World {
    async fn act(self: Arc<Self>, d: Dispatch) -> Outcome {
        if self.clock.now() < d.due_at {
            self.broken.lock().unwrap().push(format!("{} is early", d.id));
        }
        if self.cancelled.lock().unwrap().contains(&d.id) {
            self.broken.lock().unwrap().push(format!("{} was cancelled", d.id));
        }
        self.acts.lock().unwrap().push(d.clone());
        if self.hang.swap(false, SeqCst) {
            self.hanging.notify_one();
            std::future::pending::<()>().await;
        }
        let n: i64 = d.subject.parse().unwrap();
        match (n % 7, d.attempt) {
            (1, 1 | 2) => Outcome::Retry { reason: "busy".into(), after: None, in_doubt: false },
            (2, _) => Outcome::Retry { reason: "always busy".into(), after: None, in_doubt: false },
            (3, _) => Outcome::Dead("refused".into()),
            (4, 1) if d.fence == 1 => {
                Outcome::Snooze { until: self.clock.now() + MINUTE, reason: "later".into() }
            }
            _ => Outcome::Done("ok".into()),
        }
    }

    fn worker(self: &Arc<Self>, db: &Db) -> Engine {
        let world = Arc::clone(self);
        Engine::builder(db.clone(), self.clock.clone())
            .batch("note", RETRY, Note::default())
            .single("act", options(4, 4), Act::new(move |d| Arc::clone(&world).act(d)))
            .build()
    }
}

struct History {
    db: Db,
    world: Arc<World>,
    sim: Arc<kernel::Sim>,
    workers: [Engine; 2],
    scheduled: Vec<NewDispatch>,
}

impl History {
    fn new(db: Db) -> Self {
        let (clock, sim) = sim();
        let world = Arc::new(World {
            clock,
            acts: Mutex::default(),
            cancelled: Mutex::default(),
            broken: Mutex::default(),
            hang: AtomicBool::new(false),
            hanging: Notify::new(),
        });
        let workers = [world.worker(&db), world.worker(&db)];
        Self { db, world, sim, workers, scheduled: Vec::new() }
    }

    fn now(&self) -> Timestamp {
        self.sim.now()
    }

    async fn step(&mut self, op: &Op) {
        match op {
            Op::Schedule { act, minutes } => self.schedule(*act, *minutes).await,
            Op::Cancel(at) if !self.scheduled.is_empty() => {
                let id = &at.get(&self.scheduled).id;
                if cancel(&self.db, self.now(), id).await == 1 {
                    self.world.cancelled.lock().unwrap().insert(id.clone());
                }
            }
            Op::Expedite(at) if !self.scheduled.is_empty() => {
                let d = at.get(&self.scheduled);
                let mut tx = self.db.begin().await.unwrap();
                store::expedite(&mut tx, self.now(), d.kind, std::slice::from_ref(&d.id)).await.unwrap();
                tx.commit().await.unwrap();
            }
            Op::Cancel(_) | Op::Expedite(_) => {}
            Op::Clock(minutes) => {
                self.sim.set(Timestamp::from_micros(self.now().micros() + minutes * 60_000_000))
            }
            Op::Run(worker) => drop(within(self.workers[*worker].run_due()).await.unwrap()),
            Op::Kill(worker) => {
                self.world.hang.store(true, SeqCst);
                tokio::select! {
                    done = within(self.workers[*worker].run_due()) => { done.unwrap(); }
                    () = self.world.hanging.notified() => {}
                }
                self.world.hang.store(false, SeqCst);
                self.workers[*worker] = self.world.worker(&self.db);
            }
        }
    }

    async fn schedule(&mut self, act: bool, minutes: i64) {
        let (n, due) =
            (self.scheduled.len(), Timestamp::from_micros(self.now().micros() + minutes * 60_000_000));
        let name = if !act && n % 5 == 4 { format!("{n}poison") } else { n.to_string() };
        let new = new(if act { "act" } else { "note" }, &name, due);
        assert_eq!(enqueue(&self.db, self.now(), std::slice::from_ref(&new)).await, 1);
        self.scheduled.push(new);
    }

    /// Enough time, and live workers.
    async fn finish(&mut self) {
        for round in 0.. {
            self.sim.advance(kernel::time::days(1));
            within(self.workers[round % 2].run_due()).await.unwrap();
            if count(&self.db, "scheduled").await + count(&self.db, "running").await == 0 {
                return;
            }
            assert!(round < 40, "something is never done");
        }
    }

    async fn check(&self) {
        assert!(self.world.broken.lock().unwrap().is_empty(), "{:?}", self.world.broken.lock().unwrap());
        let effects = effects(&self.db).await;
        let mut acts = BTreeMap::<String, Vec<Dispatch>>::new();
        for d in self.world.acts.lock().unwrap().iter() {
            acts.entry(d.id.clone()).or_default().push(d.clone());
        }
        for d in &self.scheduled {
            let cancelled = self.world.cancelled.lock().unwrap().contains(&d.id);
            let (r, attempts) = record(&self.db, &d.id).await;
            assert_eq!(r.state == "cancelled", cancelled, "{r:?}");
            if d.kind == "note" {
                let want = i64::from(r.state == "done");
                assert_eq!(effects.get(&d.id).copied().unwrap_or(0), want, "{r:?}");
                assert_eq!(r.state == "dead", d.id.contains("poison") && !cancelled, "{r:?}");
            } else {
                explained(&r, &attempts, acts.get(&d.id).map_or(&[], Vec::as_slice));
            }
        }
    }
}

/// Every act of a single kind has its attempt on record, and nothing followed an end that was recorded.
fn explained(r: &dispatch::Record, attempts: &[dispatch::Attempt], acts: &[Dispatch]) {
    let lost = attempts.iter().filter(|a| a.outcome == "lost").count();
    assert!(!acts.is_empty() || r.state == "cancelled", "{r:?} was never tried");
    assert_eq!(r.in_doubt, lost > 0, "{r:?} {attempts:?}");
    for d in acts {
        let attempt = attempts.iter().find(|a| a.number == d.fence);
        assert!(attempt.is_some(), "{d:?} is not on record: {attempts:?}");
        let lost_before = attempts.iter().any(|a| a.number < d.fence && a.outcome == "lost");
        assert_eq!(d.in_doubt, lost_before, "{d:?} {attempts:?}");
    }
    let ends = attempts.iter().filter(|a| a.outcome == "done" || a.outcome == "dead").count();
    assert_eq!(ends, usize::from(r.state != "cancelled"), "{r:?} {attempts:?}");
    let fences: BTreeSet<i64> = acts.iter().map(|d| d.fence).collect();
    assert_eq!(fences.len(), acts.len(), "one act for each claim");
}

fn histories(cases: u32, database: impl AsyncFn() -> Option<TestDb>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let config = ProptestConfig {
        failure_persistence: None,
        max_shrink_iters: 200,
        ..ProptestConfig::with_cases(cases)
    };
    let run = TestRunner::new(config).run(&prop::collection::vec(op(), 5..60), |ops| {
        runtime.block_on(async {
            let Some(t) = database().await else { return };
            let mut history = History::new(t.db.clone());
            for op in &ops {
                history.step(op).await;
            }
            history.finish().await;
            history.check().await;
        });
        Ok(())
    });
    run.unwrap_or_else(|e| panic!("{e}"));
}

#[test]
fn sqlite() {
    histories(96, async || Some(TestDb::sqlite(MIGRATIONS).await));
}

#[test]
fn postgres() {
    histories(32, async || TestDb::postgres(MIGRATIONS).await);
}
