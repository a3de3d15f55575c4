//! Leases, fences and rescue; fairness; several workers on one database.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod common;

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use common::*;
use db::{Db, args, sql};
use dispatch::{Dispatch, Engine, NewDispatch, Outcome, Retry};
use kernel::{Clock, Timestamp};

fn engine(db: &Db, clock: &Clock, gate: &Gate) -> Engine {
    Engine::builder(db.clone(), clock.clone()).single("act", options(8, 8), gate.act()).build()
}

fn to(destination: &str, id: &str, due: Timestamp) -> NewDispatch {
    NewDispatch { destination: destination.into(), ..new("act", id, due) }
}

async fn lease(db: &Db, id: &str) -> Option<Timestamp> {
    let row: (Option<Timestamp>,) = db
        .read()
        .await
        .unwrap()
        .one(sql!("SELECT lease_until FROM dispatches WHERE id = $1"), args![id])
        .await
        .unwrap();
    row.0
}

/// Runs what is due, and falls as soon as the attempt of this number has begun; whether one has.
async fn killed(engine: &Engine, gate: &Gate, number: usize) -> bool {
    let engine = engine.clone();
    let mut doomed = tokio::spawn(async move { engine.run_due().await });
    tokio::select! {
        _ = gate.begun(number) => {
            doomed.abort();
            assert!(doomed.await.unwrap_err().is_cancelled());
            true
        }
        end = &mut doomed => {
            end.unwrap().unwrap();
            false
        }
    }
}

testkit::both! {
    MIGRATIONS;

    async fn a_killed_worker_is_replaced_within_a_minute(t) {
        let (clock, sim) = sim();
        let (first, second) = (Gate::new(), Gate::new());
        let killed = Killable::start(&t.url, {
            let (clock, gate) = (clock.clone(), first.clone());
            move |db| engine(&db, &clock, &gate)
        }).await;
        enqueue(&t.db, clock.now(), &[new("act", "one", clock.now())]).await;
        // The notice is heard in another handle on PostgreSQL alone: on SQLite the engine looks by itself.
        sim.advance(Duration::from_secs(6));
        first.begun(1).await;
        killed.kill();
        let running = Running::start(engine(&t.db, &clock, &second));
        let (killed_at, db) = (clock.now(), &t.db);
        while second.log().is_empty() {
            sim.advance(Duration::from_secs(5));
            assert!(clock.now().since(killed_at) <= MINUTE, "nobody took over within a minute");
            let begun = tokio::time::timeout(Duration::from_millis(300), second.begun(1)).await;
            drop(begun);
        }
        let d = second.log().remove(0);
        assert_eq!((d.attempt, d.fence, d.in_doubt), (2, 2, true));
        second.let_go(1);
        until(|| async move { count(db, "done").await == 1 }).await;
        running.stop().await;
        let (r, attempts) = record(&t.db, "one/act").await;
        assert!(r.in_doubt);
        assert_eq!(attempts.iter().map(|a| a.outcome.as_str()).collect::<Vec<_>>(), ["lost", "done"]);
    }

    /// A worker that was only slow answers under its old fence: refused, but kept.
    async fn a_late_answer(t) {
        let (clock, sim) = sim();
        let (slow, fast) = (Gate::new(), Gate::new());
        let slow_act = Act::new({
            let slow = slow.clone();
            move |d| {
                let slow = slow.clone();
                async move {
                    slow.enter(d).await;
                    Outcome::Dead("too late".into())
                }
            }
        });
        let first = Engine::builder(t.db.clone(), clock.clone()).single("act", options(8, 8), slow_act).build();
        let second = engine(&t.db, &clock, &fast);
        enqueue(&t.db, clock.now(), &[new("act", "one", clock.now())]).await;
        // By hand it has no heartbeat.
        let first = tokio::spawn(async move { first.run_due().await });
        slow.begun(1).await;
        assert_eq!(second.run_due().await.unwrap(), 0, "the lease holds");
        sim.advance(Duration::from_secs(31));
        fast.let_go(1);
        assert_eq!(second.run_due().await.unwrap(), 2, "rescued and done");
        slow.let_go(1);
        first.await.unwrap().unwrap();
        let (r, attempts) = record(&t.db, "one/act").await;
        assert_eq!((r.state.as_str(), r.answer.as_deref()), ("done", Some("through the gate")));
        let told: Vec<_> = attempts.iter().map(|a| (a.number, a.outcome.as_str(), a.answer.as_deref().unwrap())).collect();
        assert_eq!(told, [(1, "lost", "too late"), (2, "done", "through the gate")]);
        assert_eq!(ends(&t.db).await.len(), 1, "what follows from it follows once");
    }

    /// What takes its process down each time is tried at once three times, then ever less often, and given up when it
    /// would be too late by its kind's policy.
    async fn a_killer_is_given_up(t) {
        let (clock, sim) = sim();
        let gate = Gate::new();
        let due = clock.now();
        enqueue(&t.db, due, &[new("act", "one", due)]).await;
        let mut tried = Vec::new();
        while record(&t.db, "one/act").await.0.state != "dead" {
            if killed(&engine(&t.db, &clock, &gate), &gate, tried.len() + 1).await {
                tried.push(clock.now().since(due).as_secs() / 60);
            }
            sim.advance(Duration::from_secs(31));
        }
        let (r, _) = record(&t.db, "one/act").await;
        assert_eq!(r.answer.as_deref(), Some(format!("given up: its worker was lost {} times", tried.len()).as_str()));
        assert_eq!(ends(&t.db).await.len(), 1);
        // Half a minute after each at first; then 1, 2, 4, 8, 16, 32, 60 minutes, for three hours.
        assert!((9..=11).contains(&tried.len()) && tried[2] <= 2 && tried[5] >= 7, "{tried:?}");
        assert!(tried.last().is_some_and(|last| (90..180).contains(last)), "{tried:?}");
    }

    /// A process that falls again and again for another reason, within minutes: what it held waits, and is done.
    async fn what_stood_beside_a_killer_is_done(t) {
        let (clock, sim) = sim();
        let gate = Gate::new();
        enqueue(&t.db, clock.now(), &[new("act", "one", clock.now())]).await;
        let mut begun = 0;
        for _ in 0..20 {
            begun += usize::from(killed(&engine(&t.db, &clock, &gate), &gate, begun + 1).await);
            sim.advance(Duration::from_secs(31));
        }
        assert!((4..10).contains(&begun), "{begun} attempts were begun within ten minutes");
        // It may have been in hand in the last round: another process, of other kinds, finds it lost.
        Engine::builder(t.db.clone(), clock.clone()).build().run_due().await.unwrap();
        assert_eq!(record(&t.db, "one/act").await.0.state, "scheduled");
        sim.advance(Duration::from_secs(3600));
        gate.let_go(1);
        engine(&t.db, &clock, &gate).run_due().await.unwrap();
        assert_eq!(record(&t.db, "one/act").await.0.state, "done");
    }

    /// The process falls often and then is down for longer than its kind's policy allows: when it is back, what it held is done.
    async fn an_outage_is_no_reason_to_give_up(t) {
        let (clock, sim) = sim();
        let gate = Gate::new();
        enqueue(&t.db, clock.now(), &[new("act", "one", clock.now())]).await;
        let mut begun = 0;
        while begun < 6 {
            begun += usize::from(killed(&engine(&t.db, &clock, &gate), &gate, begun + 1).await);
            sim.advance(Duration::from_secs(31));
        }
        sim.advance(kernel::time::days(3));
        let engine = engine(&t.db, &clock, &gate);
        // Found lost only now, so it waits once more.
        engine.run_due().await.unwrap();
        sim.advance(Duration::from_secs(3600));
        let running = tokio::spawn(async move { engine.run_due().await });
        gate.begun(begun + 1).await;
        let told = async || -> Vec<(String, bool)> {
            let (_, attempts) = record(&t.db, "one/act").await;
            let of = |a: dispatch::Attempt| (a.outcome, a.finished_at.is_some());
            attempts.into_iter().map(of).filter(|(outcome, _)| outcome != "snooze").collect()
        };
        let lost = |begun: bool| ("lost".to_owned(), begun);
        let mut all = vec![lost(false), lost(false), lost(false), lost(true), lost(true), lost(true)];
        all.push(("begun".to_owned(), false));
        assert_eq!(told().await, all);
        gate.let_go(1);
        running.await.unwrap().unwrap();
        all.pop();
        all.push(("done".to_owned(), true));
        assert_eq!(told().await, all);
        let (r, _) = record(&t.db, "one/act").await;
        assert_eq!((r.state.as_str(), r.in_doubt), ("done", true));
    }

    /// Of a suspect it stays on record that an attempt had begun, and when it was found lost, whatever comes late; a worker
    /// that is stopped says nothing against it.
    async fn a_suspect_on_record(t) {
        let (clock, sim) = sim();
        let gate = Gate::new();
        enqueue(&t.db, clock.now(), &[new("act", "one", clock.now())]).await;
        for n in 1..=3 {
            assert!(killed(&engine(&t.db, &clock, &gate), &gate, n).await);
            sim.advance(Duration::from_secs(31));
        }
        let last = async || record(&t.db, "one/act").await.1.into_iter().rfind(|a| a.outcome != "snooze").unwrap();
        let told = |a: &dispatch::Attempt| (a.outcome.clone(), a.finished_at, a.answer.clone());
        // Whatever was lost is found so, has waited, and is tried.
        let begin = |worker: Engine| {
            let sim = Arc::clone(&sim);
            tokio::spawn(async move {
                worker.run_due().await.unwrap();
                sim.advance(Duration::from_secs(3600));
                worker.run_due().await
            })
        };
        let (slow, stopped, quick) = (Gate::new(), Gate::new(), Gate::new());
        let running = begin(engine(&t.db, &clock, &slow));
        slow.begun(1).await;
        assert_eq!(told(&last().await), ("begun".to_owned(), None, None));
        sim.advance(Duration::from_secs(31));
        let found = clock.now();
        let second = engine(&t.db, &clock, &stopped);
        second.run_due().await.unwrap();
        slow.let_go(1);
        running.await.unwrap().unwrap();
        assert_eq!(told(&last().await), ("lost".to_owned(), Some(found), Some("through the gate".to_owned())));
        let running = begin(second.clone());
        stopped.begun(1).await;
        assert_eq!(second.release().await.unwrap(), 1);
        let (outcome, finished, _) = told(&last().await);
        assert_eq!((outcome.as_str(), finished), ("lost", None));
        running.abort();
        quick.let_go(1);
        begin(engine(&t.db, &clock, &quick)).await.unwrap().unwrap();
        assert_eq!(record(&t.db, "one/act").await.0.state, "done");
    }

    /// What was claimed each time that another one took the process down, and never had its turn, is done in the end, though
    /// it is late by then.
    async fn what_was_merely_claimed_is_done(t) {
        let (clock, sim) = sim();
        let gate = Gate::new();
        let due = clock.now();
        enqueue(&t.db, due, &[new("act", "one", due)]).await;
        for n in 0..12 {
            // The longest due has its turn first.
            let killer = format!("killer{n}");
            let first = Timestamp::from_micros(due.micros() - 1_000_000);
            enqueue(&t.db, clock.now(), &[NewDispatch { destination: killer.clone(), ..new("act", &killer, first) }]).await;
            assert!(killed(&engine(&t.db, &clock, &gate), &gate, n + 1).await);
            sim.advance(Duration::from_secs(20 * 60));
        }
        // Found lost once more, it waits; then it is refused for the time being, which is its first attempt.
        let action = Act::new(|d| async move {
            match d.in_doubt && d.subject == "one" && d.attempt < 14 {
                true => Outcome::Retry { reason: "busy".into(), after: None, in_doubt: false },
                false => Outcome::Done("at last".into()),
            }
        });
        let last = Engine::builder(t.db.clone(), clock.clone()).single("act", options(8, 8), action).build();
        for _ in 0..3 {
            last.run_due().await.unwrap();
            sim.advance(Duration::from_secs(2 * 3600));
        }
        let (r, attempts) = record(&t.db, "one/act").await;
        assert_eq!(r.state, "done", "{attempts:?}");
        assert!(attempts.iter().filter(|a| a.outcome == "lost").all(|a| a.finished_at.is_none()), "{attempts:?}");
        assert_eq!(attempts.iter().filter(|a| a.outcome == "retry").count(), 1, "{attempts:?}");
    }

    /// A worker that was paused does not take up again what it is still at.
    async fn still_in_hand(t) {
        let (clock, sim) = sim();
        let gate = Gate::new();
        enqueue(&t.db, clock.now(), &[new("act", "one", clock.now())]).await;
        let paused = engine(&t.db, &clock, &gate);
        let first = paused.clone();
        let first = tokio::spawn(async move { first.run_due().await });
        gate.begun(1).await;
        sim.advance(Duration::from_secs(31));
        // Another process, of other kinds.
        Engine::builder(t.db.clone(), clock.clone()).build().run_due().await.unwrap();
        assert_eq!(record(&t.db, "one/act").await.0.state, "scheduled");
        within(paused.run_due()).await.unwrap();
        assert_eq!(gate.log().len(), 1);
        gate.let_go(2);
        first.await.unwrap().unwrap();
        paused.run_due().await.unwrap();
        assert_eq!((record(&t.db, "one/act").await.0.state.as_str(), gate.log().len()), ("done", 2));
    }

    async fn heartbeats_keep_a_long_attempt(t) {
        let (clock, sim) = sim();
        let (long, other) = (Gate::new(), Gate::new());
        let one = Running::start(engine(&t.db, &clock, &long));
        enqueue(&t.db, clock.now(), &[new("act", "one", clock.now())]).await;
        long.begun(1).await;
        let two = Running::start(engine(&t.db, &clock, &other));
        let db = &t.db;
        for n in 0..15 {
            if n == 12 {
                // Stopping is no reason to let go of what is in hand.
                one.begin_stop();
            }
            sim.advance(Duration::from_secs(10));
            let kept = clock.now() + Duration::from_secs(25);
            until(|| async move { lease(db, "one/act").await.unwrap() > kept }).await;
        }
        long.let_go(1);
        until(|| async move { count(db, "done").await == 1 }).await;
        one.stop().await;
        two.stop().await;
        let (r, attempts) = record(&t.db, "one/act").await;
        assert_eq!((r.attempt, r.in_doubt, attempts.len(), other.log().len()), (1, false, 1, 0));
    }

    /// What is given back at the end of a process is on record as lost, and another one's at once.
    async fn given_back(t) {
        let (clock, _) = sim();
        let (held, next) = (Gate::new(), Gate::new());
        let one = Running::start(engine(&t.db, &clock, &held));
        enqueue(&t.db, clock.now(), &[new("act", "one", clock.now())]).await;
        held.begun(1).await;
        one.begin_stop();
        assert_eq!(one.engine.release().await.unwrap(), 1);
        let two = Running::start(engine(&t.db, &clock, &next));
        assert!(next.begun(1).await[0].in_doubt);
        next.let_go(1);
        held.let_go(1);
        one.stop().await;
        two.stop().await;
        let (r, attempts) = record(&t.db, "one/act").await;
        assert_eq!(r.state, "done");
        assert_eq!(attempts.iter().map(|a| a.outcome.as_str()).collect::<Vec<_>>(), ["lost", "done"]);
    }

    /// Its own lease, too, if it has lost count of it: the commit of a claim was not answered, say.
    async fn a_lease_that_nobody_holds(t) {
        let (clock, sim) = sim();
        let gate = Gate::new();
        let running = Running::start(engine(&t.db, &clock, &gate));
        enqueue(&t.db, clock.now(), &[new("act", "one", clock.now())]).await;
        gate.begun(1).await;
        enqueue(&t.db, clock.now(), &[new("act", "two", clock.now() + 60 * MINUTE)]).await;
        t.db.execute_raw("UPDATE dispatches SET state = 'running', fence = 1, attempt = 1, lease_until = 1,
            owner = (SELECT owner FROM dispatches WHERE id = 'one/act') WHERE id = 'two/act'").await.unwrap();
        sim.advance(Duration::from_secs(10));
        let log = gate.begun(2).await;
        assert_eq!((log[1].id.as_str(), log[1].fence, log[1].in_doubt), ("two/act", 2, true));
        gate.let_go(2);
        running.stop().await;
        assert_eq!(record(&t.db, "one/act").await.1.len(), 1, "what it does hold it keeps");
    }

    async fn at_the_start_of_the_only_process(t) {
        let (clock, _) = sim();
        let (held, next) = (Gate::new(), Gate::new());
        let due = clock.now();
        let new: Vec<_> = (0..1200).map(|n| new("act", &n.to_string(), due)).collect();
        enqueue(&t.db, due, &new).await;
        let all = options(2000, 2000);
        let one = Engine::builder(t.db.clone(), clock.clone()).single("act", all, held.act()).build();
        let killed = tokio::spawn(async move { one.run_due().await });
        held.begun(1).await;
        killed.abort();
        assert!(killed.await.unwrap_err().is_cancelled());
        let two = Engine::builder(t.db.clone(), clock.clone()).single("act", all, next.act()).build();
        next.let_go(2000);
        assert_eq!(two.rescue_all().await.unwrap(), 1200, "however many");
        assert_eq!(two.run_due().await.unwrap(), 1200);
        assert_eq!(count(&t.db, "done").await, 1200);
    }

    /// 10,000 for a slow destination, then 50 for others; and another kind.
    async fn a_slow_destination_holds_up_nobody(t) {
        let (clock, _) = sim();
        let due = clock.now() - MINUTE;
        let slow: Vec<_> = (0..10_000).map(|n| to("slow", &format!("slow{n}"), due)).collect();
        enqueue(&t.db, clock.now(), &slow).await;
        let others: Vec<_> = (0..50).map(|n| to(&format!("quick{}", n % 10), &format!("quick{n}"), clock.now())).collect();
        enqueue(&t.db, clock.now(), &others).await;
        enqueue(&t.db, clock.now(), &[new("note", "batch", clock.now())]).await;
        let (gate, quick, in_hand, most) = (Gate::new(), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let act = Act::new({
            let (gate, quick, in_hand, most) = (gate.clone(), quick.clone(), in_hand.clone(), most.clone());
            move |d| {
                let (gate, quick, in_hand, most) = (gate.clone(), quick.clone(), in_hand.clone(), most.clone());
                async move {
                    most.fetch_max(in_hand.fetch_add(1, SeqCst) + 1, SeqCst);
                    if d.destination == "slow" {
                        gate.enter(d).await;
                    } else {
                        tokio::task::yield_now().await;
                        quick.fetch_add(1, SeqCst);
                    }
                    in_hand.fetch_sub(1, SeqCst);
                    Outcome::Done("ok".into())
                }
            }
        });
        let engine = Engine::builder(t.db.clone(), clock.clone())
            .single("act", options(16, 3), act)
            .batch("note", Retry::INTERNAL, Note::default())
            .build();
        let (running, db) = (Running::start(engine), &t.db);
        until(|| async { quick.load(SeqCst) == 50 && count(db, "done").await == 51 }).await;
        assert_eq!(gate.log().len(), 3, "the slow one has its share and no more");
        gate.let_go(100);
        gate.begun(103).await;
        assert!(most.load(SeqCst) <= 16, "{} in hand", most.load(SeqCst));
        running.begin_stop();
        gate.let_go(100);
        running.stop().await;
    }

    /// Two workers share 5,000 of both kinds: none is done twice.
    async fn two_workers(t) {
        let (clock, _) = sim();
        let due = clock.now();
        let new: Vec<_> = (0..5000).map(|n| new(if n % 2 == 0 { "note" } else { "act" }, &format!("{n:04}"), due)).collect();
        enqueue(&t.db, due, &new).await;
        let log = Arc::new(Mutex::new(Vec::<(usize, Dispatch)>::new()));
        let build = |worker: usize, db: &Db| {
            let log = Arc::clone(&log);
            let act = Act::new(move |d| {
                log.lock().unwrap().push((worker, d));
                async { Outcome::Done("ok".into()) }
            });
            Engine::builder(db.clone(), clock.clone())
                .batch("note", Retry::INTERNAL, Note::default())
                .single("act", options(64, 64), act)
                .build()
        };
        // On SQLite there is one process, hence one handle.
        let other = if t.db.is_shared() { t.again().await } else { t.db.clone() };
        let (one, two, db) = (Running::start(build(1, &t.db)), Running::start(build(2, &other)), &t.db);
        until(|| async move { count(db, "done").await == 5000 }).await;
        one.stop().await;
        two.stop().await;
        let effects = effects(&t.db).await;
        assert_eq!(effects.len(), 2500);
        assert!(effects.values().all(|n| *n == 1));
        let mut acted = BTreeMap::<String, usize>::new();
        let mut of = [0; 3];
        for (worker, d) in log.lock().unwrap().iter() {
            *acted.entry(d.id.clone()).or_default() += 1;
            of[*worker] += 1;
        }
        assert_eq!(acted.len(), 2500);
        assert!(acted.values().all(|n| *n == 1));
        assert!(of[1] > 0 && of[2] > 0, "both had a share: {of:?}");
    }
}
