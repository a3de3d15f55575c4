//! SQL on `gmail_numbers`: the seed's ids are integers.

use db::{Result, Tx, args, sql};

/// The next number of a kind: from 1, never again. Whoever takes one lets nobody else take one until the transaction
/// ends, so it is the last thing before the row that bears it.
pub(crate) async fn number(tx: &mut Tx, kind: &str) -> Result<i64> {
    let (last,): (i64,) = tx
        .one(
            sql!(
                "INSERT INTO gmail_numbers (kind, last) VALUES ($1, 1)
                 ON CONFLICT (kind) DO UPDATE SET last = gmail_numbers.last + 1 RETURNING last"
            ),
            args![kind],
        )
        .await?;
    Ok(last)
}
