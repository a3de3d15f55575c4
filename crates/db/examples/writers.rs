//! How many acknowledged inserts a second: one writer, and 64 at once.
//! `cargo run --profile fast -p db --example writers`; PostgreSQL where `HONGYAN_TEST_POSTGRES` says.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement")]

use std::time::{Duration, Instant};

use db::{Migration, args, sql};
use testkit::TestDb;

const MIGRATIONS: &[Migration] = &[Migration {
    name: "bench/001",
    sql: "CREATE TABLE letters (id {ID} NOT NULL PRIMARY KEY, owner {ID} NOT NULL, due_at BIGINT NOT NULL, body TEXT NOT NULL);
          CREATE INDEX letters_owner ON letters (owner, due_at);",
}];

#[tokio::main(worker_threads = 2)]
async fn main() {
    for (writers, each) in [(1, 3000), (64, 1500)] {
        measure(TestDb::sqlite(MIGRATIONS).await, writers, each).await;
        if let Some(t) = TestDb::postgres(MIGRATIONS).await {
            measure(t, writers, each).await;
        }
    }
}

async fn measure(t: TestDb, writers: usize, each: usize) {
    let begun = Instant::now();
    let tasks: Vec<_> = (0..writers).map(|w| tokio::spawn(write(t.db.clone(), w, each))).collect();
    let mut latencies = Vec::new();
    for task in tasks {
        latencies.extend(task.await.unwrap());
    }
    let took = begun.elapsed().as_secs_f64();
    latencies.sort_unstable();
    let at = |q: usize| latencies.get(latencies.len() * q / 100).copied().unwrap_or_default();
    println!(
        "{:8} {writers:2} writers: {:6.0} acknowledged inserts/s, p50 {:.2?}, p99 {:.2?}",
        t.db.engine(),
        (writers * each) as f64 / took,
        at(50),
        at(99)
    );
}

async fn write(db: db::Db, writer: usize, each: usize) -> Vec<Duration> {
    let body = "Dear future me, ".repeat(16);
    let mut latencies = Vec::with_capacity(each);
    for n in 0..each {
        let begun = Instant::now();
        let id = kernel::id::new("mail", kernel::Clock::system().now());
        let mut tx = db.begin().await.unwrap();
        let due = i64::try_from(n).unwrap();
        let owner = format!("user_{writer}");
        tx.exec(
            sql!("INSERT INTO letters (id, owner, due_at, body) VALUES ($1, $2, $3, $4)"),
            args![id, owner, due, &body],
        )
        .await
        .unwrap();
        tx.commit().await.unwrap();
        latencies.push(begun.elapsed());
    }
    latencies
}
