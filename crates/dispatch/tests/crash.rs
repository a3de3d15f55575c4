//! A process that is killed with SIGKILL, again and again, in the middle of its work: nothing is lost, a
//! batch kind takes effect exactly once, a single kind more than once only where the store says so.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests"
)]

mod common;

use std::{
    collections::BTreeMap,
    fs::OpenOptions,
    io::Write,
    path::Path,
    process::{Child, Command},
    time::{Duration, Instant},
};

use common::*;
use dispatch::{Engine, Outcome, Retry};
use kernel::Clock;
use testkit::TestDb;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

const NOTES: usize = 20_000;
const ACTS: usize = 3_000;
/// `{url}\n{file}\n{which life}`: the test binary is its own worker.
const WORKER: &str = "HONGYAN_TEST_CRASH_WORKER";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn worker() {
    #[expect(clippy::disallowed_methods, reason = "how the test speaks to its worker")]
    let Ok(job) = std::env::var(WORKER) else { return };
    let [url, file, life] = job.lines().collect::<Vec<_>>()[..] else { panic!("{job}") };
    let clock = Clock::system();
    // Each life a minute later, so that the leases of the one before have run out.
    clock.adjust(life.parse::<i64>().unwrap() * 60_000_000);
    let act = {
        let file = file.to_owned();
        Act::new(move |d| {
            let file = file.clone();
            async move {
                let mut file = OpenOptions::new().append(true).open(file).unwrap();
                file.write_all(format!("{}\n", d.id).as_bytes()).unwrap();
                file.sync_data().unwrap();
                Outcome::Done("written".into())
            }
        })
    };
    let engine = Engine::builder(testkit::open(url).await, clock)
        .batch("note", Retry::INTERNAL, Note::default())
        .single("act", options(32, 32), act)
        .build();
    engine.start(&TaskTracker::new(), &CancellationToken::new());
    std::future::pending().await
}

fn spawn(t: &TestDb, file: &Path, life: usize) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "worker", "--nocapture"])
        .env(WORKER, format!("{}\n{}\n{life}", t.url, file.display()))
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap()
}

async fn left(t: &TestDb) -> i64 {
    count(&t.db, "scheduled").await + count(&t.db, "running").await
}

testkit::both! {
    MIGRATIONS;

    async fn killed_again_and_again(t) {
        let due = start_time();
        let new: Vec<_> = (0..NOTES).map(|n| new("note", &format!("{n:05}"), due))
            .chain((0..ACTS).map(|n| new("act", &format!("{n:05}"), due))).collect();
        for part in new.chunks(1000) {
            enqueue(&t.db, due, part).await;
        }
        let file = t.dir.path().join("acts");
        std::fs::write(&file, "").unwrap();
        let (begun, mut kills) = (Instant::now(), 0);
        for life in 0.. {
            let before = left(&t).await;
            let mut child = spawn(&t, &file, life);
            // It has begun to get things done: however slow the machine, no dispatch loses worker after worker without
            // any being of use, which is what the engine takes for a killer.
            tokio::time::timeout(Duration::from_secs(60), async {
                while left(&t).await == before {
                    tokio::task::yield_now().await;
                }
            })
            .await
            .unwrap();
            let [a] = kernel::id::random::<1>().unwrap();
            let spell = Duration::from_millis(60 + u64::from(a));
            let last = kills >= 40 || begun.elapsed() > Duration::from_secs(15);
            let done = async { while left(&t).await > 0 { tokio::task::yield_now().await; } };
            let all = tokio::time::timeout(if last { Duration::from_secs(60) } else { spell }, done).await.is_ok();
            child.kill().unwrap();
            child.wait().unwrap();
            assert!(all || !last, "{} are left after a minute of work", left(&t).await);
            if all {
                break;
            }
            kills += 1;
        }
        assert!(kills >= 3, "the work was done after {kills} kills");
        let effects = effects(&t.db).await;
        assert_eq!(effects.len(), NOTES);
        assert!(effects.values().all(|n| *n == 1), "a batch kind took effect twice");
        let mut acts = BTreeMap::<String, usize>::new();
        for line in std::fs::read_to_string(&file).unwrap().lines() {
            *acts.entry(line.to_owned()).or_default() += 1;
        }
        assert_eq!(acts.len(), ACTS, "an act is missing");
        let mut repeated = 0;
        for (id, _) in acts.iter().filter(|(_, n)| **n > 1) {
            let (r, attempts) = record(&t.db, id).await;
            let lost = attempts.iter().filter(|a| a.outcome == "lost").count();
            assert!(r.in_doubt && lost + 1 >= acts[id], "{id} was repeated, and the store does not say so");
            repeated += 1;
        }
        println!("{kills} kills, {repeated} of {ACTS} acts were repeated, all in doubt");
    }
}
