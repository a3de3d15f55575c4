//! The program itself: the real binary as a process of its own, over real sockets, with real signals.
//!
//! On SQLite, and on PostgreSQL where `HONGYAN_TEST_POSTGRES` names one (a schema for each test); the tests that
//! restart PostgreSQL make a cluster of their own with the programs of `HONGYAN_TEST_PG_BIN`, those about NATS start the
//! server that `HONGYAN_TEST_NATS_SERVER` names.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::panic,
    clippy::print_stderr,
    reason = "tests stop at the first surprise"
)]

mod backup;
mod bounces;
mod channels;
mod cli;
mod client;
mod cluster;
mod keyring;
mod kill;
mod logs;
mod mail;
mod nats;
mod outage;
mod roles;
mod routes;
mod schema;
mod secrets;
mod server;
mod sink;
mod stop;
mod triggers;
mod turns;

use std::time::Duration;

use kernel::{Clock, Timestamp};

/// The time by this machine.
fn now() -> Timestamp {
    Clock::system().now()
}

/// When letters are due that a test is about to write: late enough for a slow machine to schedule them first.
fn soon() -> Timestamp {
    now() + Duration::from_millis(1500)
}

/// Lets real time pass, where a test is about time.
async fn pass(time: Duration) {
    Clock::system().sleep(time).await;
}

/// A random number below `limit`.
fn random(limit: u64) -> u64 {
    u64::from_be_bytes(kernel::id::random().unwrap()) % limit
}

/// Looks again and again until there is something to see.
async fn eventually<T>(within: Duration, what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let until = now() + within;
    loop {
        if let Some(seen) = look().await {
            return seen;
        }
        assert!(now() < until, "not within {within:?}: {what}");
        pass(Duration::from_millis(25)).await;
    }
}
