//! Never early, and not late either, whatever the clock does.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod common;

use std::{collections::BTreeMap, time::Duration};

use common::*;
use dispatch::{Engine, Outcome, Retry};
use kernel::{Timestamp, time::days};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

testkit::both! {
    MIGRATIONS;

    /// A microsecond before: nothing. On the microsecond: all. After ten years, on a leap day, and where
    /// daylight saving would begin or end if anything here had a local time.
    async fn by_hand(t) {
        let (clock, sim) = sim();
        let engine = Engine::builder(t.db.clone(), clock.clone())
            .batch("note", Retry::INTERNAL, Note::default())
            .single("act", options(4, 4), Act::new(|_| async { Outcome::Done("ok".into()) }))
            .build();
        let times = [
            "2026-11-21T00:00:00.000001Z", "2027-03-28T01:00:00Z", "2027-10-31T01:30:00Z", "2028-02-29T23:59:59.999999Z",
            "2028-03-01T00:00:00Z", "2036-11-21T00:00:00Z", "9999-12-30T22:00:00Z",
        ];
        for (n, time) in times.iter().enumerate() {
            let two = [new("note", &n.to_string(), at(time)), new("act", &n.to_string(), at(time))];
            assert_eq!(enqueue(&t.db, clock.now(), &two).await, 2);
        }
        for time in times {
            sim.set(at(time) - Duration::from_micros(1));
            assert_eq!(engine.run_due().await.unwrap(), 0, "before {time}");
            sim.set(at("2001-01-01T00:00:00Z"));
            assert_eq!(engine.run_due().await.unwrap(), 0, "after a jump back");
            sim.set(at(time));
            assert_eq!(engine.run_due().await.unwrap(), 2, "at {time}");
        }
        assert_eq!(count(&t.db, "done").await, 14);
    }

    /// The running engine: each of 200 between now and ten years is delivered in the step that reaches it.
    async fn started(t) {
        let (clock, sim) = sim();
        let step = days(3653) / 20;
        let ids: BTreeMap<String, Timestamp> =
            (0u32..200).map(|n| (format!("{n:03}/note"), start_time() + step / 10 * (n + 1))).collect();
        let all: Vec<_> = ids.iter().map(|(id, due)| new("note", id.trim_end_matches("/note"), *due)).collect();
        enqueue(&t.db, clock.now(), &all).await;
        let engine = Engine::builder(t.db.clone(), clock.clone()).batch("note", Retry::INTERNAL, Note::default()).build();
        let running = Running::start(engine);
        for _ in 0..20 {
            sim.advance(step);
            let (now, db) = (clock.now(), &t.db);
            let due: Vec<&String> = ids.iter().filter(|(_, due)| **due <= now).map(|(id, _)| id).collect();
            let n = i64::try_from(due.len()).unwrap();
            until(|| async move { count(db, "done").await >= n }).await;
            assert!(effects(&t.db).await.keys().eq(due), "others than those due at {now}");
        }
        running.stop().await;
    }

    /// The clock is set back by years under a sleeping engine: what is due by the new time is found.
    async fn set_back(t) {
        let (clock, sim) = sim();
        let engine = Engine::builder(t.db.clone(), clock.clone()).batch("note", Retry::INTERNAL, Note::default()).build();
        enqueue(&t.db, clock.now(), &[new("note", "first", clock.now())]).await;
        let running = Running::start(engine);
        let db = &t.db;
        until(|| async move { count(db, "done").await == 1 }).await;
        sim.set(at("2020-01-01T00:00:00Z"));
        let due = clock.now() + 10 * MINUTE;
        enqueue(&t.db, clock.now(), &[new("note", "second", due)]).await;
        sim.set(due - Duration::from_micros(1));
        sim.set(due);
        until(|| async move { count(db, "done").await == 2 }).await;
        running.stop().await;
    }

    async fn scheduled_while_it_sleeps(t) {
        let (clock, sim) = sim();
        let gate = Gate::new();
        gate.let_go(100);
        let running = Running::start(
            Engine::builder(t.db.clone(), clock.clone()).single("act", options(4, 4), gate.act()).build(),
        );
        for n in 0..20usize {
            let due = clock.now() + Duration::from_secs(2);
            enqueue(&t.db, clock.now(), &[new("act", &n.to_string(), due)]).await;
            assert_eq!(gate.log().len(), n);
            sim.set(due);
            gate.begun(n + 1).await;
        }
        running.stop().await;
        assert_eq!(count(&t.db, "done").await, 20);
    }

    async fn every_statement_prepares(t) {
        testkit::prepare_all(&t.db, "crates/dispatch/", 20).await;
    }
}
