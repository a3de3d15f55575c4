//! How long a notice takes to another process, its commit included, and how many commits with a notice pass in a second, by
//! PostgreSQL's `NOTIFY` and over NATS: `cargo run -p bus --example latency -- postgres://… nats://…`
#![allow(clippy::print_stdout, reason = "it prints what it measured")]

use std::time::Duration;

use bus::nats::{Link, Url};
use db::{Db, Notice};
use futures_util::future;
use kernel::{Clock, Timestamp};
use tokio::sync::broadcast::Receiver;

const NOTICES: usize = 2000;
const WRITERS: usize = 12;
const COMMITS: usize = 500;

type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

#[tokio::main]
async fn main() -> Outcome {
    let mut args = std::env::args().skip(1);
    let (Some(postgres), Some(nats)) = (args.next(), args.next()) else {
        return Err("usage: latency postgres://… nats://…".into());
    };
    for round in 1..=3 {
        println!("round {round}");
        let nodes = (Db::connect_postgres(&postgres).await?, Db::connect_postgres(&postgres).await?);
        measure("NOTIFY", &nodes.0, &nodes.1).await?;
        let quiet = Db::connect_postgres_silently;
        let nodes = (quiet(&postgres).await?, quiet(&postgres).await?);
        let mut heard = nodes.1.signals().listen();
        let (url, subject): (Url, _) = (nats.parse()?, "hongyan.latency.notice");
        let _links = (
            Link::start(&nodes.0, &url, subject.to_owned()).await?,
            Link::start(&nodes.1, &url, subject.to_owned()).await?,
        );
        acquainted(&nodes.0, &mut heard).await?;
        measure("NATS", &nodes.0, &nodes.1).await?;
    }
    Ok(())
}

/// Returns when it began to commit.
async fn say(db: &Db, payload: &str) -> db::Result<Timestamp> {
    let mut tx = db.begin().await?;
    // As if it had written something: whoever says something has.
    tx.execute_raw("SELECT txid_current()").await?;
    tx.notify("latency", payload);
    let before = Clock::system().now();
    tx.commit().await?;
    Ok(before)
}

async fn until(heard: &mut Receiver<Notice>, payload: &str) -> Outcome {
    while &*heard.recv().await?.payload != payload {}
    Ok(())
}

async fn acquainted(from: &Db, to: &mut Receiver<Notice>) -> Outcome {
    let clock = Clock::system();
    loop {
        say(from, "there").await?;
        tokio::select! {
            heard = until(to, "there") => return heard,
            () = clock.sleep(Duration::from_millis(50)) => {}
        }
    }
}

async fn measure(name: &str, from: &Db, to: &Db) -> Outcome {
    let clock = Clock::system();
    let mut heard = to.signals().listen();
    let mut took = Vec::with_capacity(NOTICES);
    for n in 0..NOTICES {
        let payload = n.to_string();
        let before = say(from, &payload).await?;
        until(&mut heard, &payload).await?;
        took.push(clock.now().since(before).as_micros());
    }
    took.sort_unstable();
    let at = |share: usize| took.get(NOTICES * share / 100).copied().unwrap_or_default();
    let before = clock.now();
    let writers = (0..WRITERS).map(|writer| async move {
        for n in 0..COMMITS {
            say(from, &format!("{writer} {n}")).await?;
        }
        Ok::<_, db::DbError>(())
    });
    future::try_join_all(writers).await?;
    let seconds = clock.now().since(before).as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "a few thousands")]
    let rate = (WRITERS * COMMITS) as f64 / seconds;
    println!("{name:>6}: commit and heard in p50 {} µs, p99 {} µs; {rate:.0} commits/s", at(50), at(99));
    Ok(())
}
