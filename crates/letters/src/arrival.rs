//! What follows the delivery of letters: the dispatch kind `letter.arrived`.
//!
//! Promises
//! - Delivery does not wait for it, and it gives way to deliveries that are overdue: a delivery writes a few rows for a
//!   whole batch of letters, in its own transaction. Who is told of each letter, and by which dispatches, is decided
//!   after that, in a transaction of its own.
//! - What follows is neither lost nor done twice: the row commits with the delivery, and what it schedules commits with
//!   its end.
//! - What is decided is true then: nobody is told of a letter that was taken down meanwhile, nor a reader of one whose
//!   sender they have blocked.

use db::Tx;
use dispatch::{Batch, BoxFuture, Dispatch, NewDispatch};
use kernel::Timestamp;

use crate::{
    Letters, analysis, notify,
    store::{self, Arrival},
    work::INBOX,
};

/// What follows a delivery.
pub const ARRIVED: &str = "letter.arrived";

/// So many letters are in one dispatch; their ids fit into a row that PostgreSQL does not store elsewhere.
const CHUNK: usize = 50;
/// So many dispatches are taken in one transaction: a thousand letters with a notification or two each, some twenty
/// milliseconds of SQLite's writer. Where letters come one by one, so do these.
const CHUNKS: usize = 20;

/// Schedules what follows, in the transaction of the delivery.
pub(crate) async fn enqueue(tx: &mut Tx, arrived: &[Arrival], now: Timestamp) -> db::Result<()> {
    let ids: Vec<&str> = arrived.iter().map(|a| a.letter_id.as_str()).collect();
    let of = |chunk: &[&str]| {
        let first = *chunk.first()?;
        Some(NewDispatch {
            // Not below the letter: it is no delivery of it. A letter arrives once.
            id: format!("arrived/{first}"),
            kind: ARRIVED,
            subject: first.to_owned(),
            destination: String::new(),
            payload: Some(chunk.join(" ")),
            due_at: now,
        })
    };
    let all: Vec<NewDispatch> = ids.chunks(CHUNK).filter_map(of).collect();
    dispatch::enqueue(tx, now, &all).await.map(drop)
}

/// Has those told whom a letter concerns, and has it analysed.
pub struct Arrivals {
    /// The slice.
    pub letters: Letters,
}

impl Batch for Arrivals {
    fn size(&self) -> usize {
        CHUNKS
    }

    fn after(&self) -> Option<&'static str> {
        Some(INBOX)
    }

    fn deliver<'a>(
        &'a self,
        tx: &'a mut Tx,
        batch: &'a [Dispatch],
        now: Timestamp,
    ) -> BoxFuture<'a, db::Result<()>> {
        Box::pin(async move {
            let ids = batch.iter().filter_map(|d| d.payload.as_deref()).flat_map(|p| p.split(' ')).collect();
            let arrived = store::arrived(tx, ids).await?;
            notify::announce(&self.letters, tx, &arrived, now).await?;
            analysis::enqueue(tx, &arrived, now).await
        })
    }
}
