//! What must be done with dispatches that come from another installation.

use db::{Result, Tx};
use kernel::Timestamp;

use crate::store;

/// Takes back everything that was in hand where the dispatches came from: its workers do not exist here. Each
/// such attempt is put on record as lost, as after a crash. How many there were.
///
/// # Errors
/// [`db::DbError`]
pub async fn take_back_all(tx: &mut Tx, now: Timestamp) -> Result<usize> {
    let mut total = 0;
    loop {
        let taken = store::rescue(tx, now, Timestamp::MAX, &[], false).await?;
        total += taken;
        if taken < store::RESCUED {
            return Ok(total);
        }
    }
}
