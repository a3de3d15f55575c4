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
/// `{url}\n{file}\n{seconds}`: the test binary is its own worker.
const WORKER: &str = "HONGYAN_TEST_CRASH_WORKER";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn worker() {
    #[expect(clippy::disallowed_methods, reason = "how the test speaks to its worker")]
    let Ok(job) = std::env::var(WORKER) else { return };
    let [url, file, later] = job.lines().collect::<Vec<_>>()[..] else { panic!("{job}") };
    let clock = Clock::system();
    clock.adjust(later.parse::<i64>().unwrap() * 1_000_000);
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

/// So many seconds each life is later than the one before: its leases have run out.
const LIFE: i64 = 31;

fn spawn(t: &TestDb, file: &Path, later: i64) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "worker", "--nocapture"])
        .env(WORKER, format!("{}\n{}\n{later}", t.url, file.display()))
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap()
}

async fn left(t: &TestDb) -> i64 {
    count(&t.db, "scheduled").await + count(&t.db, "running").await
}

/// Whether at most `n` are left within so long.
async fn gets_to(t: &TestDb, n: i64, within: Duration) -> bool {
    let gets = async {
        while left(t).await > n {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(within, gets).await.is_ok()
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
        while kills < 40 && begun.elapsed() < Duration::from_secs(15) {
            let before = left(&t).await;
            let mut child = spawn(&t, &file, LIFE * kills);
            // It has begun to get things done: however slow the machine, each life is of use.
            gets_to(&t, before - 1, Duration::from_secs(10)).await;
            let [a] = kernel::id::random::<1>().unwrap();
            let all = gets_to(&t, 0, Duration::from_millis(60 + u64::from(a))).await;
            child.kill().unwrap();
            child.wait().unwrap();
            if all {
                break;
            }
            kills += 1;
        }
        // What lost worker after worker waits for up to an hour; the first quiet life finds what the last one lost.
        for hour in 1..=2 {
            if left(&t).await > 0 {
                let mut child = spawn(&t, &file, LIFE * kills + 3600 * hour);
                gets_to(&t, 0, Duration::from_secs(30)).await;
                child.kill().unwrap();
                child.wait().unwrap();
            }
        }
        assert_eq!(left(&t).await, 0, "are left");
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
