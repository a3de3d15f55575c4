//! Batch kinds: one bad dispatch fails alone, the others take effect exactly once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod common;

use std::{sync::Mutex, time::Duration};

use common::*;
use db::Db;
use dispatch::{Engine, NewDispatch, Retry};
use kernel::Clock;

const SHORT: Retry = Retry {
    first: MINUTE,
    cap: Duration::from_secs(240),
    max_age: Duration::from_secs(600),
    min_attempts: 2,
};

fn engine(db: &Db, clock: &Clock, note: Note) -> Engine {
    Engine::builder(db.clone(), clock.clone()).batch("note", SHORT, note).build()
}

fn many(n: usize, bad: &[usize]) -> Vec<NewDispatch> {
    let name = |n| if bad.contains(&n) { format!("{n:04}poison") } else { format!("{n:04}") };
    (0..n).map(|n| new("note", &name(n), start_time())).collect()
}

async fn exactly_once_but(db: &Db, new: &[NewDispatch], bad: usize) {
    let effects = effects(db).await;
    assert_eq!(effects.len(), new.len() - bad);
    assert!(effects.values().all(|n| *n == 1), "{effects:?}");
    assert!(effects.keys().all(|id| !id.contains("poison")));
}

testkit::both! {
    MIGRATIONS;

    async fn one_poisoned_among_256(t) {
        let (clock, sim) = sim();
        let (note, new) = (Note::default(), many(256, &[100]));
        let sizes = note.sizes.clone();
        let engine = engine(&t.db, &clock, note);
        enqueue(&t.db, clock.now(), &new).await;
        assert_eq!(engine.run_due().await.unwrap(), 256);
        exactly_once_but(&t.db, &new, 1).await;
        let tried = sizes.lock().unwrap().len();
        assert!(tried <= 1 + 4 * 4, "{tried} tries to find one in 256");

        let id = "0100poison/note";
        let (r, _) = record(&t.db, id).await;
        assert_eq!((r.state.as_str(), r.attempt), ("scheduled", 1));
        assert!(r.next_at > clock.now() + Duration::from_secs(50) && r.next_at < clock.now() + Duration::from_secs(70));
        assert!(r.answer.unwrap().to_lowercase().contains("check"), "the reason is on record");

        // 1 min, 2, 4, 4: the next would be more than 10 min after the due time.
        let mut attempts = 1;
        loop {
            let (r, _) = record(&t.db, id).await;
            if r.state == "dead" {
                assert!(r.answer.unwrap().to_lowercase().contains("check"));
                assert_eq!((r.attempt, r.finished_at), (attempts, Some(clock.now())));
                break;
            }
            sim.set(r.next_at - Duration::from_micros(1));
            assert_eq!(engine.run_due().await.unwrap(), 0);
            sim.set(r.next_at);
            assert_eq!(engine.run_due().await.unwrap(), 1);
            attempts += 1;
        }
        assert!((4..=5).contains(&attempts), "{attempts} attempts");
        exactly_once_but(&t.db, &new, 1).await;
        assert_eq!((count(&t.db, "dead").await, count(&t.db, "done").await), (1, 255));
    }

    async fn several_poisoned(t) {
        let (clock, _) = sim();
        let bad = [0, 1, 17, 255, 256, 300, 511, 599];
        let new = many(600, &bad);
        let engine = engine(&t.db, &clock, Note::default());
        enqueue(&t.db, clock.now(), &new).await;
        assert_eq!(engine.run_due().await.unwrap(), 600);
        exactly_once_but(&t.db, &new, bad.len()).await;
        assert_eq!(count(&t.db, "scheduled").await, 8);
    }

    async fn all_poisoned(t) {
        let (clock, _) = sim();
        let new = many(40, &(0..40).collect::<Vec<_>>());
        let engine = engine(&t.db, &clock, Note::default());
        enqueue(&t.db, clock.now(), &new).await;
        assert_eq!(engine.run_due().await.unwrap(), 40);
        assert_eq!(count(&t.db, "scheduled").await, 40);
        assert!(effects(&t.db).await.is_empty());
    }

    /// A panic, too, concerns its dispatch alone; and the loop lives on.
    async fn a_panic_fails_alone(t) {
        let (clock, _) = sim();
        let note = Note { panics: true, ..Note::default() };
        let running = Running::start(engine(&t.db, &clock, note));
        let (mut new_ones, db) = (many(20, &[]), &t.db);
        new_ones.push(new("note", "panic", start_time()));
        enqueue(&t.db, clock.now(), &new_ones).await;
        until(|| async move { count(db, "done").await == 20 }).await;
        enqueue(&t.db, clock.now(), &[new("note", "later", start_time())]).await;
        until(|| async move { count(db, "done").await == 21 }).await;
        running.stop().await;
        let (r, _) = record(&t.db, "panic/note").await;
        assert_eq!((r.state.as_str(), r.attempt, r.answer.as_deref()), ("scheduled", 1, Some("database error: the handler panicked")));
    }

    async fn a_transient_error_undoes_all_and_is_repeated(t) {
        let (clock, _) = sim();
        let new = many(300, &[]);
        enqueue(&t.db, clock.now(), &new).await;
        let note = Note { transient: Mutex::new(2), ..Note::default() };
        let engine = engine(&t.db, &clock, note);
        assert!(engine.run_due().await.unwrap_err().is_transient());
        assert!(effects(&t.db).await.is_empty());
        assert_eq!(count(&t.db, "scheduled").await, 300);
        let (running, db) = (Running::start(engine), &t.db);
        until(|| async move { count(db, "done").await == 300 }).await;
        running.stop().await;
        exactly_once_but(&t.db, &new, 0).await;
        let (r, _) = record(&t.db, "0000/note").await;
        assert_eq!(r.attempt, 1, "a transient error is nobody's attempt");
    }
}
