//! What the keyring sealed here, to be sealed anew when its keys change.

use db::{BoxFuture, Conn, Result, SealedRow, SealedTable, Tx};

use crate::store::accounts;

/// The columns of the desk that hold what the keyring sealed.
pub const SEALED: &[&dyn SealedTable] = &[&Secrets];

/// Where an account's secrets lie.
pub(crate) fn place(id: &str) -> String {
    format!("desk_accounts:{id}:secrets")
}

/// The secrets of the channels' accounts.
struct Secrets;

impl SealedTable for Secrets {
    fn name(&self) -> &'static str {
        "desk_accounts"
    }

    fn stale<'a>(
        &'a self,
        tx: &'a mut Tx,
        newest: u8,
        after: &'a str,
        limit: i64,
    ) -> BoxFuture<'a, Result<Vec<SealedRow>>> {
        Box::pin(async move {
            let rows = accounts::stale(tx, newest, after, limit).await?;
            let row = |(key, sealed): (String, Vec<u8>)| SealedRow { place: place(&key), key, sealed };
            Ok(rows.into_iter().map(row).collect())
        })
    }

    fn replace<'a>(&'a self, tx: &'a mut Tx, key: &'a str, sealed: Vec<u8>) -> BoxFuture<'a, Result<()>> {
        Box::pin(accounts::reseal(tx, key, sealed))
    }

    fn in_use<'a>(&'a self, conn: &'a mut Conn) -> BoxFuture<'a, Result<Vec<(u8, i64)>>> {
        Box::pin(accounts::keys_in_use(conn))
    }
}
