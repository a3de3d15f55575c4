//! How fast the engine drains what is due, and how late it starts: beside plain batched SQL on the same
//! tables, in the same round, since only such ratios mean anything on a shared machine.
//!
//! `cargo run --profile fast -p dispatch --example drain`; PostgreSQL where `HONGYAN_TEST_POSTGRES` says.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a measurement"
)]

use std::time::{Duration, Instant};

use db::{Db, DbError, Migration, Tx, args, sql};
use dispatch::{Batch, BoxFuture, Dispatch, Engine, NewDispatch, Retry, store};
use kernel::{Clock, Timestamp};
use testkit::TestDb;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

const DUE: usize = 100_000;
const MIGRATIONS: &[Migration] = &[
    dispatch::MIGRATIONS[0],
    Migration {
        name: "bench/001",
        sql: "CREATE TABLE letters (id {ID} NOT NULL PRIMARY KEY, owner {ID} NOT NULL, state {ID} NOT NULL,
                due_at BIGINT NOT NULL, delivered_at BIGINT
              --sqlite ) WITHOUT ROWID;
              --pg ) WITH (fillfactor = 60);
              CREATE TABLE inbox (owner {ID} NOT NULL, letter {ID} NOT NULL, delivered_at BIGINT NOT NULL, PRIMARY KEY (owner, letter)
              --sqlite ) WITHOUT ROWID;
              --pg );
              CREATE TABLE jobs (id {ID} NOT NULL PRIMARY KEY, run_at BIGINT NOT NULL
              --sqlite ) WITHOUT ROWID;
              --pg );
              CREATE INDEX jobs_ready ON jobs (run_at);",
    },
];

/// The in-app delivery as the letters have it: one UPDATE and one INSERT for the batch.
struct Deliver;

async fn deliver(tx: &mut Tx, ids: Vec<&str>, now: Timestamp) -> db::Result<()> {
    tx.exec(
        sql!(
            sqlite: "UPDATE letters SET state = 'DELIVERED', delivered_at = $2 WHERE id IN (SELECT value FROM json_each($1))",
            postgres: "UPDATE letters SET state = 'DELIVERED', delivered_at = $2 WHERE id = ANY($1)"
        ),
        args![ids.clone(), now],
    )
    .await?;
    tx.exec(
        sql!(
            sqlite: "INSERT INTO inbox (owner, letter, delivered_at)
                     SELECT owner, id, $2 FROM letters WHERE id IN (SELECT value FROM json_each($1))",
            postgres: "INSERT INTO inbox (owner, letter, delivered_at)
                       SELECT owner, id, CAST($2 AS BIGINT) FROM letters WHERE id = ANY($1)"
        ),
        args![ids, now],
    )
    .await?;
    Ok(())
}

impl Batch for Deliver {
    fn deliver<'a>(
        &'a self,
        tx: &'a mut Tx,
        batch: &'a [Dispatch],
        now: Timestamp,
    ) -> BoxFuture<'a, db::Result<()>> {
        Box::pin(async move {
            if batch.iter().any(|d| d.payload.is_some()) {
                return Err(DbError::Other("poisoned".into()));
            }
            deliver(tx, batch.iter().map(|d| d.subject.as_str()).collect(), now).await
        })
    }
}

#[tokio::main(worker_threads = 2)]
async fn main() {
    for round in 1..=2 {
        println!("round {round}");
        for poisoned in [false, true] {
            drain(TestDb::sqlite(MIGRATIONS).await, poisoned).await;
            if let Some(t) = TestDb::postgres(MIGRATIONS).await {
                drain(t, poisoned).await;
            }
        }
        lateness(TestDb::sqlite(MIGRATIONS).await).await;
        if let Some(t) = TestDb::postgres(MIGRATIONS).await {
            lateness(t).await;
        }
    }
}

async fn fill(db: &Db, letters: usize, poisoned: bool, due: impl Fn(usize) -> Timestamp) {
    let now = Clock::system().now();
    let mut n = 0;
    while n < letters {
        let part = n..(n + 2000).min(letters);
        n = part.end;
        let new: Vec<NewDispatch> = part
            .map(|n| {
                let id = format!("mail_{n:026}");
                let payload = (poisoned && n % 1000 == 500).then(|| "poison".to_owned());
                NewDispatch {
                    id: format!("{id}/inbox"),
                    kind: "inbox",
                    subject: id,
                    destination: String::new(),
                    payload,
                    due_at: due(n),
                }
            })
            .collect();
        let mut tx = db.begin().await.unwrap();
        for d in &new {
            tx.exec(
                sql!("INSERT INTO letters (id, owner, state, due_at) VALUES ($1, $2, 'PENDING', $3)"),
                args![&d.subject, format!("user_{}", d.due_at.micros() % 97), d.due_at],
            )
            .await
            .unwrap();
            tx.exec(sql!("INSERT INTO jobs (id, run_at) VALUES ($1, $2)"), args![&d.subject, d.due_at])
                .await
                .unwrap();
        }
        store::enqueue(&mut tx, now, &new).await.unwrap();
        tx.commit().await.unwrap();
    }
    if db.is_shared() {
        db.execute_raw("ANALYZE letters; ANALYZE jobs; ANALYZE dispatches").await.unwrap();
    }
}

/// Plain SQL in batches of 500 over one connection: claim, update, insert, delete.
async fn raw(db: &Db) -> usize {
    let mut total = 0;
    loop {
        let mut tx = db.begin().await.unwrap();
        let jobs: Vec<(String,)> = tx
            .all(
                sql!(
                    sqlite: "SELECT id FROM jobs WHERE run_at <= $1 ORDER BY run_at LIMIT 500",
                    postgres: "SELECT id FROM jobs WHERE run_at <= $1 ORDER BY run_at LIMIT 500 FOR UPDATE SKIP LOCKED"
                ),
                args![Timestamp::MAX],
            )
            .await
            .unwrap();
        if jobs.is_empty() {
            return total;
        }
        let ids: Vec<&str> = jobs.iter().map(|(id,)| id.as_str()).collect();
        deliver(&mut tx, ids.clone(), Timestamp::EPOCH).await.unwrap();
        tx.exec(
            sql!(
                sqlite: "DELETE FROM jobs WHERE id IN (SELECT value FROM json_each($1))",
                postgres: "DELETE FROM jobs WHERE id = ANY($1)"
            ),
            args![ids],
        )
        .await
        .unwrap();
        tx.commit().await.unwrap();
        total += jobs.len();
    }
}

fn engine(db: &Db) -> Engine {
    Engine::builder(db.clone(), Clock::system()).batch("inbox", Retry::INTERNAL, Deliver).build()
}

async fn drain(t: TestDb, poisoned: bool) {
    let due = Clock::system().now() - Duration::from_secs(3600);
    fill(&t.db, DUE, poisoned, |_| due).await;
    let begun = Instant::now();
    let total = raw(&t.db).await;
    let raw = total as f64 / begun.elapsed().as_secs_f64();
    t.db.execute_raw("DELETE FROM inbox; UPDATE letters SET state = 'PENDING', delivered_at = NULL")
        .await
        .unwrap();
    if t.db.is_shared() {
        // Not in a transaction: what `raw` left behind should not slow down what follows.
        vacuum(&t.url).await;
    }
    let begun = Instant::now();
    let total = engine(&t.db).run_due().await.unwrap();
    let ours = total as f64 / begun.elapsed().as_secs_f64();
    println!(
        "{:8} drain{}: raw SQL {raw:6.0}/s, engine {ours:6.0}/s, ratio {:.2}",
        t.db.engine(),
        if poisoned { " with 0.1 % poisoned" } else { "" },
        ours / raw
    );
}

/// A fresh copy of the table, as after `VACUUM FULL`.
async fn vacuum(url: &str) {
    testkit::open(url)
        .await
        .execute_raw("CLUSTER letters USING letters_pkey; ANALYZE letters; CHECKPOINT")
        .await
        .unwrap();
}

/// 1,000 due a second for ten seconds, scheduled beforehand.
async fn lateness(t: TestDb) {
    let begin = Clock::system().now() + Duration::from_secs(20);
    let n = 10_000;
    fill(&t.db, n, false, |n| begin + Duration::from_millis(1) * u32::try_from(n).unwrap_or(0)).await;
    assert!(Clock::system().now() < begin, "filling took too long");
    let (tracker, stop) = (TaskTracker::new(), CancellationToken::new());
    engine(&t.db).start(&tracker, &stop);
    let clock = Clock::system();
    clock.sleep_until(begin + Duration::from_secs(12)).await;
    stop.cancel();
    tracker.close();
    tracker.wait().await;
    let rows: Vec<(i64,)> = t
        .db
        .read()
        .await
        .unwrap()
        .all(
            sql!("SELECT delivered_at - due_at FROM letters WHERE delivered_at IS NOT NULL ORDER BY delivered_at - due_at"),
            args![],
        )
        .await
        .unwrap();
    assert_eq!(rows.len(), n, "not all were delivered in time");
    let at = |permille: usize| {
        rows.get((rows.len() - 1) * permille / 1000).map_or(0.0, |(us,)| *us as f64 / 1000.0)
    };
    println!(
        "{:8} lateness at 1,000/s: least {:.2} ms, p50 {:.2}, p99 {:.2}, most {:.2}",
        t.db.engine(),
        at(0),
        at(500),
        at(990),
        at(1000)
    );
}
