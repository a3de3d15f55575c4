//! A kind that follows from another gives way to it while that one is overdue, and is not stopped by it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod common;

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use common::*;
use db::Tx;
use dispatch::{Batch, BoxFuture, Dispatch, Engine, Retry};
use kernel::{Sim, Timestamp};

/// Takes ten at a time, each ten milliseconds of the clock.
struct Follower {
    sim: Arc<Sim>,
    /// When each batch was worked on, and how many it had.
    log: Arc<Mutex<Vec<(Instant, usize)>>>,
}

impl Batch for Follower {
    fn size(&self) -> usize {
        10
    }

    fn after(&self) -> Option<&'static str> {
        Some("first")
    }

    fn deliver<'a>(
        &'a self,
        _: &'a mut Tx,
        batch: &'a [Dispatch],
        _: Timestamp,
    ) -> BoxFuture<'a, db::Result<()>> {
        self.log.lock().unwrap().push((Instant::now(), batch.len()));
        self.sim.advance(Duration::from_millis(10));
        Box::pin(async { Ok(()) })
    }
}

testkit::both! {
    MIGRATIONS;

    /// Nobody here does what goes first: it is late for good.
    async fn rests_between_batches_and_goes_on(t) {
        let (clock, sim) = sim();
        let log = Arc::new(Mutex::new(Vec::new()));
        let now = clock.now();
        let mut new: Vec<_> = (0..40).map(|n| new("then", &n.to_string(), now)).collect();
        new.push(common::new("first", "late", now - MINUTE));
        enqueue(&t.db, now, &new).await;
        let engine = Engine::builder(t.db.clone(), clock)
            .batch("then", Retry::INTERNAL, Follower { sim, log: Arc::clone(&log) })
            .build();
        let running = Running::start(engine);
        while count(&t.db, "done").await < 40 {
            tokio::task::yield_now().await;
        }
        running.stop().await;
        let log = log.lock().unwrap();
        assert_eq!(log.iter().map(|(_, n)| *n).collect::<Vec<_>>(), [10; 4]);
        for pair in log.windows(2) {
            let rest = pair[1].0 - pair[0].0;
            assert!(rest >= Duration::from_millis(190), "{rest:?}");
        }
    }
}
