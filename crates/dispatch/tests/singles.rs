//! Single kinds: every end of an attempt, and what may be asked of a dispatch meanwhile.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod common;

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use common::*;
use db::{Db, Tx};
use dispatch::{BoxFuture, Dispatch, Engine, Outcome, Settled, Single, store};
use kernel::{Clock, Timestamp};

const ID: &str = "one/act";

/// Ends its attempts as listed, and keeps what it was given.
fn script(outcomes: Vec<Outcome>) -> (Act, Arc<Mutex<Vec<Dispatch>>>) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (log, left) = (Arc::clone(&seen), Mutex::new(VecDeque::from(outcomes)));
    let act = Act::new(move |d| {
        log.lock().unwrap().push(d);
        let next = left.lock().unwrap().pop_front().expect("one attempt more than the script has");
        async move { next }
    });
    (act, seen)
}

fn engine(db: &Db, clock: &Clock, act: Act) -> Engine {
    Engine::builder(db.clone(), clock.clone()).single("act", options(8, 8), act).build()
}

/// A kind whose ends are recorded each by itself; how many were there when each was.
struct Alone {
    db: Db,
    before: Arc<Mutex<Vec<usize>>>,
    act: Act,
}

impl Single for Alone {
    fn attempt<'a>(&'a self, dispatch: &'a Dispatch) -> BoxFuture<'a, Outcome> {
        self.act.attempt(dispatch)
    }

    fn cares(&self, end: &Settled) -> bool {
        matches!(end, Settled::Dead(_))
    }

    fn alone(&self) -> bool {
        true
    }

    fn settled<'a>(
        &'a self,
        tx: &'a mut Tx,
        dispatch: &'a Dispatch,
        end: &'a Settled,
        now: Timestamp,
    ) -> BoxFuture<'a, db::Result<()>> {
        Box::pin(async move {
            let before = ends(&self.db).await.len();
            self.before.lock().unwrap().push(before);
            self.act.settled(tx, dispatch, end, now).await
        })
    }
}

fn retry(reason: &str, after: Option<Duration>, in_doubt: bool) -> Outcome {
    Outcome::Retry { reason: reason.into(), after, in_doubt }
}

fn snooze(until: kernel::Timestamp) -> Outcome {
    Outcome::Snooze { until, reason: "quiet hours".into() }
}

testkit::both! {
    MIGRATIONS;

    /// Of a kind that wants it each end that matters is a transaction of its own, committed before the next begins; one
    /// whose consequences fail is on record all the same, and the others are.
    async fn ends_of_their_own(t) {
        let (clock, _sim) = sim();
        let before = Arc::default();
        let mut act = Act::new(|d| async move {
            if d.id.contains("well") { Outcome::Done("yes".into()) } else { Outcome::Dead("no".into()) }
        });
        act.refuses = Some("two");
        let alone = Alone { db: t.db.clone(), before: Arc::clone(&before), act };
        let engine = Engine::builder(t.db.clone(), clock.clone()).single("act", options(8, 8), alone).build();
        let all = ["one", "two", "three", "four", "well"].map(|id| new("act", id, clock.now()));
        enqueue(&t.db, clock.now(), &all).await;
        engine.run_due().await.unwrap();
        let mut before = before.lock().unwrap().clone();
        before.sort_unstable();
        assert!(before.last().is_some_and(|n| *n >= 2), "{before:?}: the ends before were committed");
        assert_eq!((ends(&t.db).await.len(), count(&t.db, "dead").await, count(&t.db, "done").await), (3, 4, 1));
    }

    async fn done_at_last(t) {
        let (clock, sim) = sim();
        let (noon, hour) = (start_time() + 12 * 60 * MINUTE, 60 * MINUTE);
        let (act, seen) = script(vec![
            retry("greylisted", None, false),
            retry("slow down", Some(hour), true),
            snooze(noon),
            Outcome::Done("250 queued as \0 X".into()),
        ]);
        let engine = engine(&t.db, &clock, act);
        enqueue(&t.db, clock.now(), &[new("act", "one", clock.now())]).await;
        assert_eq!(engine.run_due().await.unwrap(), 1);
        let (r, _) = record(&t.db, ID).await;
        let delay = r.next_at.since(clock.now());
        assert!(delay >= MINUTE * 9 / 10 && delay <= MINUTE * 11 / 10, "backoff {delay:?}");
        assert_eq!((r.state.as_str(), r.attempt, r.in_doubt, r.answer.as_deref()), ("scheduled", 1, false, Some("greylisted")));

        sim.set(r.next_at);
        assert_eq!(engine.run_due().await.unwrap(), 1);
        let (r, _) = record(&t.db, ID).await;
        assert_eq!((r.attempt, r.in_doubt, r.next_at), (2, true, clock.now() + hour), "as long as the peer asked for");

        sim.set(r.next_at);
        assert_eq!(engine.run_due().await.unwrap(), 1);
        let (r, _) = record(&t.db, ID).await;
        assert_eq!((r.attempt, r.next_at, r.answer.as_deref()), (2, noon, Some("quiet hours")), "a snooze does not count");

        sim.set(noon);
        assert_eq!(engine.run_due().await.unwrap(), 1);
        assert_eq!(engine.run_due().await.unwrap(), 0);
        let (r, attempts) = record(&t.db, ID).await;
        assert_eq!((r.state.as_str(), r.attempt, r.finished_at), ("done", 3, Some(noon)));
        assert_eq!(r.answer.as_deref(), Some("250 queued as  X"));
        let told: Vec<_> = attempts.iter().map(|a| (a.number, a.outcome.as_str())).collect();
        assert_eq!(told, [(1, "retry"), (2, "retry"), (3, "snooze"), (4, "done")]);
        let seen: Vec<_> = seen.lock().unwrap().iter().map(|d| (d.attempt, d.fence, d.in_doubt)).collect();
        assert_eq!(seen, [(1, 1, false), (2, 2, false), (3, 3, true), (3, 4, true)]);
        assert_eq!(ends(&t.db).await, [(ID.into(), "Done(\"250 queued as  X\")".into())], "told once");
    }

    async fn dead_by_the_peers_word(t) {
        let (clock, _) = sim();
        let engine = engine(&t.db, &clock, script(vec![Outcome::Dead("550 no such user".into())]).0);
        enqueue(&t.db, clock.now(), &[new("act", "one", clock.now())]).await;
        assert_eq!(engine.run_due().await.unwrap(), 1);
        let (r, _) = record(&t.db, ID).await;
        assert_eq!((r.state.as_str(), r.answer.as_deref(), r.finished_at), ("dead", Some("550 no such user"), Some(clock.now())));
        assert_eq!(ends(&t.db).await, [(ID.into(), "Dead(\"550 no such user\")".into())]);
        assert_eq!(store::dead(&mut t.db.read().await.unwrap(), "act").await.unwrap(), 1);
    }

    async fn dead_by_the_policy(t) {
        let (clock, sim) = sim();
        let engine = engine(&t.db, &clock, Act::new(|_| async { retry("421 busy", None, false) }));
        enqueue(&t.db, clock.now(), &[new("act", "one", clock.now())]).await;
        let mut attempts = 0;
        loop {
            attempts += engine.run_due().await.unwrap();
            let (r, _) = record(&t.db, ID).await;
            if r.state == "dead" {
                assert_eq!(r.answer.as_deref(), Some("421 busy"));
                break;
            }
            sim.set(r.next_at);
        }
        // 1, 2, 4, 8, 16, 32, 60, 60 min: three hours, give or take the jitter.
        assert!((8..=9).contains(&attempts), "{attempts} attempts");
        assert_eq!(ends(&t.db).await.len(), 1);
    }

    async fn a_panic_and_a_timeout_are_retries_in_doubt(t) {
        let (clock, _) = sim();
        let act = Act::new(|d: Dispatch| {
            assert!(!d.id.starts_with("early"), "as the test wants it");
            async move {
                assert!(!d.id.starts_with("late"), "as the test wants it");
                std::future::pending().await
            }
        });
        let mut options = options(8, 8);
        options.timeout = Duration::from_millis(20);
        let engine = Engine::builder(t.db.clone(), clock.clone()).single("act", options, act).build();
        let running = Running::start(engine);
        let due = clock.now();
        enqueue(&t.db, due, &["early", "late", "never"].map(|id| new("act", id, due))).await;
        for (id, reason) in [("early", "panicked"), ("late", "panicked"), ("never", "too long")] {
            let (id, db) = (format!("{id}/act"), &t.db);
            until(|| async { record(db, &id).await.0.answer.is_some() }).await;
            let (r, attempts) = record(db, &id).await;
            assert!(r.answer.unwrap().contains(reason));
            assert_eq!((r.state.as_str(), r.attempt, r.in_doubt), ("scheduled", 1, true));
            assert_eq!((attempts.len(), attempts[0].outcome.as_str()), (1, "retry"));
        }
        running.stop().await;
    }

    /// What follows from an end fails for good: the end is on record all the same, and the others' too.
    async fn a_failing_consequence(t) {
        let (clock, _) = sim();
        let mut act = Act::new(|_| async { Outcome::Done("ok".into()) });
        act.refuses = Some("bad");
        let running = Running::start(engine(&t.db, &clock, act));
        let due = clock.now();
        enqueue(&t.db, due, &["a", "bad", "c"].map(|id| new("act", id, due))).await;
        let db = &t.db;
        until(|| async move { count(db, "done").await == 3 }).await;
        running.stop().await;
        let told: Vec<_> = ends(&t.db).await.into_iter().map(|(id, _)| id).collect();
        assert_eq!(told, ["a/act", "c/act"], "the bad one's was undone, the others' done once");
    }

    async fn the_same_id_is_scheduled_once(t) {
        let (clock, sim) = sim();
        let engine = engine(&t.db, &clock, script(vec![Outcome::Done("ok".into())]).0);
        let first = new("act", "one", clock.now() + MINUTE);
        assert_eq!(enqueue(&t.db, clock.now(), &[first.clone(), first.clone()]).await, 1);
        assert_eq!(enqueue(&t.db, clock.now(), &[new("act", "one", clock.now())]).await, 0);
        assert_eq!(engine.run_due().await.unwrap(), 0, "the first one's time holds");
        sim.advance(MINUTE);
        assert_eq!(engine.run_due().await.unwrap(), 1);
        assert_eq!(enqueue(&t.db, clock.now(), &[first]).await, 0, "nor again when it is done");
        assert_eq!(engine.run_due().await.unwrap(), 0);
    }

    async fn what_is_enqueued_comes_whole(t) {
        let (clock, _) = sim();
        let (act, seen) = script(vec![Outcome::Done("ok".into())]);
        let mut odd = new("act", "one", clock.now());
        odd.destination = "例え.jp".into();
        odd.payload = Some("{\"a\": \"it's \\\"quoted\\\"\"}\n".into());
        enqueue(&t.db, clock.now(), std::slice::from_ref(&odd)).await;
        engine(&t.db, &clock, act).run_due().await.unwrap();
        let d = seen.lock().unwrap().remove(0);
        assert_eq!(
            (d.id, d.subject, d.destination, d.payload, d.due_at),
            (odd.id, odd.subject, odd.destination, odd.payload, odd.due_at)
        );
    }

    async fn cancelled_while_it_waits_runs_and_is_done(t) {
        let (clock, sim) = sim();
        let gate = Gate::new();
        let running = Running::start(engine(&t.db, &clock, gate.act()));
        enqueue(&t.db, clock.now(), &[new("act", "one", clock.now()), new("act", "two", clock.now() + MINUTE)]).await;
        gate.begun(1).await;
        assert_eq!(cancel(&t.db, clock.now(), ID).await, 0, "it runs");
        assert_eq!(cancel(&t.db, clock.now(), "two/act").await, 1);
        assert_eq!(cancel(&t.db, clock.now(), "two/act").await, 0);
        gate.let_go(10);
        let db = &t.db;
        until(|| async move { count(db, "done").await == 1 }).await;
        assert_eq!(cancel(&t.db, clock.now(), ID).await, 0, "it is done");
        assert_eq!(cancel(&t.db, clock.now(), "nobody/act").await, 0);
        sim.advance(10 * MINUTE);
        enqueue(&t.db, clock.now(), &[new("act", "three", clock.now())]).await;
        gate.begun(2).await;
        running.stop().await;
        assert_eq!(gate.log().iter().map(|d| d.id.as_str()).collect::<Vec<_>>(), [ID, "three/act"]);
        assert_eq!(record(&t.db, "two/act").await.0.state, "cancelled");
    }

    async fn expedited(t) {
        let (clock, _) = sim();
        let gate = Gate::new();
        gate.let_go(10);
        let running = Running::start(engine(&t.db, &clock, gate.act()));
        let far = clock.now() + kernel::time::days(3650);
        enqueue(&t.db, clock.now(), &[new("act", "one", far), new("act", "two", far)]).await;
        let mut tx = t.db.begin().await.unwrap();
        let ids = [ID.to_owned(), "nobody/act".to_owned()];
        assert_eq!(store::expedite(&mut tx, clock.now(), "other kind", &ids).await.unwrap(), 0);
        assert_eq!(store::expedite(&mut tx, clock.now(), "act", &ids).await.unwrap(), 1);
        tx.commit().await.unwrap();
        assert_eq!(gate.begun(1).await[0].id, ID);
        running.stop().await;
        let (r, _) = record(&t.db, ID).await;
        assert_eq!((r.state.as_str(), r.due_at), ("done", clock.now()), "what was promised has changed, too");
        assert_eq!(gate.log().len(), 1);
    }

    async fn the_history_of_one_subject(t) {
        let (clock, _) = sim();
        let engine = engine(&t.db, &clock, Act::new(|_| async { Outcome::Done("ok".into()) }));
        let due = clock.now();
        enqueue(&t.db, due, &["mail", "mail1", "mail0", "mai", "mail/x"].map(|id| new("act", id, due))).await;
        engine.run_due().await.unwrap();
        let (records, attempts) = store::history(&mut t.db.read().await.unwrap(), "mail").await.unwrap();
        assert_eq!(records.iter().map(|r| r.id.as_str()).collect::<Vec<_>>(), ["mail/act", "mail/x/act"]);
        assert_eq!(attempts.len(), 2);
    }
}
