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

/// A [`SealedTable`] of one column of a table with a key of one column:
///
/// ```ignore
/// db::sealed_column! {
///     /// Kept answers; a row's key is its hash.
///     KeptAnswers: "assistant_cache", "hash", "answer", answer_place
/// }
/// ```
///
/// With `if "…"` at the end it is that column of these rows alone; the others have nothing in it.
#[macro_export]
macro_rules! sealed_column {
    ($(#[$doc:meta])* $name:ident: $table:literal, $key:literal, $column:literal, $place:path) => {
        $crate::sealed_column! { $(#[$doc])* $name: $table, $key, $column, $place, if "TRUE" }
    };
    ($(#[$doc:meta])* $name:ident: $table:literal, $key:literal, $column:literal, $place:path, if $only:literal) => {
        $(#[$doc])*
        struct $name;

        impl $crate::SealedTable for $name {
            fn name(&self) -> &'static str {
                $table
            }

            fn stale<'a>(
                &'a self,
                tx: &'a mut $crate::Tx,
                newest: u8,
                after: &'a str,
                limit: i64,
            ) -> $crate::BoxFuture<'a, $crate::Result<Vec<$crate::SealedRow>>> {
                Box::pin(async move {
                    let rows: Vec<(String, Vec<u8>)> = tx
                        .all(
                            $crate::sql!(
                                sqlite: concat!(
                                    "SELECT ", $key, ", ", $column, " FROM ", $table, " WHERE ", $key,
                                    " > $2 AND ", $only, " AND substr(", $column, ", 1, 1) <> $1 ORDER BY ", $key,
                                    " LIMIT $3"
                                ),
                                postgres: concat!(
                                    "SELECT ", $key, ", ", $column, " FROM ", $table, " WHERE ", $key,
                                    " > $2 AND ", $only, " AND substr(", $column, ", 1, 1) <> $1 ORDER BY ", $key,
                                    " LIMIT $3 FOR UPDATE"
                                )
                            ),
                            $crate::args![vec![newest], after, limit],
                        )
                        .await?;
                    let row = |(key, sealed): (String, Vec<u8>)| $crate::SealedRow { place: $place(&key), key, sealed };
                    Ok(rows.into_iter().map(row).collect())
                })
            }

            fn replace<'a>(
                &'a self,
                tx: &'a mut $crate::Tx,
                key: &'a str,
                sealed: Vec<u8>,
            ) -> $crate::BoxFuture<'a, $crate::Result<()>> {
                Box::pin(async move {
                    let update =
                        $crate::sql!(concat!("UPDATE ", $table, " SET ", $column, " = $2 WHERE ", $key, " = $1"));
                    tx.exec(update, $crate::args![key, sealed]).await.map(drop)
                })
            }

            fn in_use<'a>(
                &'a self,
                conn: &'a mut $crate::Conn,
            ) -> $crate::BoxFuture<'a, $crate::Result<Vec<(u8, i64)>>> {
                Box::pin(async move {
                    let count = $crate::sql!(concat!(
                        "SELECT substr(", $column, ", 1, 1), COUNT(*) FROM ", $table, " WHERE ", $only,
                        " GROUP BY substr(", $column, ", 1, 1)"
                    ));
                    Ok($crate::by_key(conn.all(count, $crate::args![]).await?))
                })
            }
        }
    };
}
