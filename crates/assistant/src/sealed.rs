//! What the keyring sealed here, to be sealed anew when its keys change.

use db::{BoxFuture, Conn, Result, SealedRow, SealedTable, Tx};

use crate::store;

/// The columns of the assistant that hold what the keyring sealed.
pub const SEALED: &[&dyn SealedTable] = &[&KeptAnswers];

/// Where a kept answer lies.
pub(crate) fn answer_place(hash: &str) -> String {
    format!("assistant_cache:{hash}:answer")
}

/// Kept answers; a row's key is its hash.
struct KeptAnswers;

impl SealedTable for KeptAnswers {
    fn name(&self) -> &'static str {
        "assistant_cache"
    }

    fn stale<'a>(
        &'a self,
        tx: &'a mut Tx,
        newest: u8,
        after: &'a str,
        limit: i64,
    ) -> BoxFuture<'a, Result<Vec<SealedRow>>> {
        Box::pin(async move {
            let rows = store::stale_answers(tx, newest, after, limit).await?;
            let row = |(key, sealed): (String, Vec<u8>)| SealedRow { place: answer_place(&key), key, sealed };
            Ok(rows.into_iter().map(row).collect())
        })
    }

    fn replace<'a>(&'a self, tx: &'a mut Tx, key: &'a str, sealed: Vec<u8>) -> BoxFuture<'a, Result<()>> {
        Box::pin(store::replace_answer(tx, key, sealed))
    }

    fn in_use<'a>(&'a self, conn: &'a mut Conn) -> BoxFuture<'a, Result<Vec<(u8, i64)>>> {
        Box::pin(store::answer_keys(conn))
    }
}
