//! Batch kinds: claim, work and completion of many dispatches in one transaction.
//!
//! If the batch fails, it is undone, cut into quarters, and each tried in the same transaction, and so on:
//! about 4·log₄ n further tries find one bad dispatch among n. It alone gets a retry; the others pass. Since bad
//! ones seldom come alone, the next batches are smaller, and less of them is undone.

use std::{
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use db::{Db, DbError, Tx};
use futures_util::FutureExt;
use kernel::{Clock, Timestamp};

use crate::{
    model::{Batch, Dispatch},
    policy::{Retry, jitter},
    store,
};

/// So many at most in the batches after a failed one, and in how many of them.
const WARY_SIZE: usize = 128;
const WARY_BATCHES: u32 = 32;

pub(crate) struct BatchKind {
    pub(crate) kind: &'static str,
    pub(crate) retry: Retry,
    pub(crate) handler: Arc<dyn Batch>,
    /// How many batches are to be smaller yet.
    wary: AtomicU32,
}

impl BatchKind {
    pub(crate) fn new(kind: &'static str, retry: Retry, handler: Arc<dyn Batch>) -> Self {
        Self { kind, retry, handler, wary: AtomicU32::new(0) }
    }

    fn size(&self) -> usize {
        let fewer = |wary: u32| wary.checked_sub(1);
        match self.wary.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fewer) {
            Ok(_) => WARY_SIZE.min(self.handler.size()),
            Err(_) => self.handler.size(),
        }
    }

    /// Takes up to [`Batch::size`] due dispatches and delivers them; how many it took.
    pub(crate) async fn step(&self, db: &Db, clock: &Clock) -> db::Result<usize> {
        let mut tx = db.begin().await?;
        // After the transaction has begun: on SQLite it may have waited for the writer.
        let now = clock.now();
        let batch = store::take(&mut tx, self.kind, now, self.size()).await?;
        if batch.is_empty() {
            return Ok(0);
        }
        let failed = self.pieces(&mut tx, &batch, now).await?;
        tx.commit().await?;
        if failed > 0 {
            self.wary.store(WARY_BATCHES, Ordering::Relaxed);
        }
        let lateness = metrics::histogram!("hongyan_dispatch_lateness_seconds", "kind" => self.kind);
        for d in &batch {
            lateness.record(now.since(d.due_at).as_secs_f64());
        }
        count(self.kind, "done", batch.len() - failed);
        count(self.kind, "failed", failed);
        Ok(batch.len())
    }

    async fn pieces(&self, tx: &mut Tx, batch: &[Dispatch], now: Timestamp) -> db::Result<usize> {
        let mut failed = 0;
        let mut todo: Vec<&[Dispatch]> = vec![batch];
        while let Some(piece) = todo.pop() {
            tx.savepoint().await?;
            let error = match self.deliver(tx, piece, now).await {
                Ok(()) => {
                    tx.release_savepoint().await?;
                    continue;
                }
                Err(e) if e.is_transient() => return Err(e),
                Err(e) => e,
            };
            tx.rollback_to_savepoint().await?;
            if let [one] = piece {
                failed += 1;
                self.failed(tx, one, now, &error).await?;
            } else {
                todo.extend(piece.chunks(piece.len().div_ceil(4)).rev());
            }
        }
        Ok(failed)
    }

    async fn deliver(&self, tx: &mut Tx, piece: &[Dispatch], now: Timestamp) -> db::Result<()> {
        let work = AssertUnwindSafe(async { self.handler.deliver(tx, piece, now).await }).catch_unwind();
        work.await.unwrap_or_else(|_| Err(DbError::Other("the handler panicked".into())))
    }

    async fn failed(&self, tx: &mut Tx, d: &Dispatch, now: Timestamp, error: &DbError) -> db::Result<()> {
        let next = self.retry.next(d.attempt, d.due_at, now, jitter());
        tracing::error!(dispatch.id = %d.id, dispatch.kind = self.kind, %error, retry_at = ?next, "a dispatch failed");
        store::fail(tx, &d.id, now, next, &error.to_string()).await?;
        Ok(())
    }
}

pub(crate) fn count(kind: &'static str, outcome: &'static str, n: usize) {
    if n > 0 {
        metrics::counter!("hongyan_dispatch_attempts_total", "kind" => kind, "outcome" => outcome)
            .increment(u64::try_from(n).unwrap_or(u64::MAX));
    }
}
