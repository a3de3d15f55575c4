//! SQL that changes where a waiting dispatch goes.

use db::{Result, Tx, args, sql};

/// Sends a waiting dispatch to another destination. How many were: 0 if it has been or is being acted on. The row
/// stays locked until the transaction ends.
///
/// # Errors
/// [`db::DbError`]
pub async fn redirect(tx: &mut Tx, id: &str, destination: &str) -> Result<u64> {
    tx.exec(
        sql!("UPDATE dispatches SET destination = $2 WHERE id = $1 AND state = 'scheduled'"),
        args![id, destination],
    )
    .await
}
