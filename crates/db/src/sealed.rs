//! [`SealedTable`]: where a slice keeps values that the installation's keyring sealed, so that all of them can
//! be sealed anew when the keys change.

use std::{future::Future, pin::Pin};

use crate::{Conn, Result, Tx};

/// A boxed future, for traits that are used as `dyn`.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A sealed value and where it is.
#[derive(Debug, Clone)]
pub struct SealedRow {
    /// Which row it is, in the order in which [`SealedTable::stale`] answers.
    pub key: String,
    /// What it is bound to: the keyring's `place`.
    pub place: String,
    /// `key id (1) ‖ nonce ‖ ciphertext`.
    pub sealed: Vec<u8>,
}

/// One column of sealed values.
pub trait SealedTable: Send + Sync {
    /// Its table's name.
    fn name(&self) -> &'static str;

    /// Up to `limit` values after the row `after` (empty: from the beginning) that are not sealed with the key
    /// `newest`, locked until the transaction ends.
    fn stale<'a>(
        &'a self,
        tx: &'a mut Tx,
        newest: u8,
        after: &'a str,
        limit: i64,
    ) -> BoxFuture<'a, Result<Vec<SealedRow>>>;

    /// Puts another sealed value into a row that [`SealedTable::stale`] answered in this transaction.
    fn replace<'a>(&'a self, tx: &'a mut Tx, key: &'a str, sealed: Vec<u8>) -> BoxFuture<'a, Result<()>>;

    /// How many values are sealed with each key, by key id.
    fn in_use<'a>(&'a self, conn: &'a mut Conn) -> BoxFuture<'a, Result<Vec<(u8, i64)>>>;
}

/// What `SELECT substr(sealed, 1, 1), COUNT(*) … GROUP BY 1` answered.
#[must_use]
pub fn by_key(rows: Vec<(Vec<u8>, i64)>) -> Vec<(u8, i64)> {
    rows.into_iter().filter_map(|(id, count)| Some((*id.first()?, count))).collect()
}
