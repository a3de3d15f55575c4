//! What the keyring sealed here, to be sealed anew when its keys change.

use db::{BoxFuture, Conn, Result, SealedRow, SealedTable, Tx};

use crate::{store::webhooks, webhooks::place};

/// The columns of the desk that hold what the keyring sealed.
pub const SEALED: &[&dyn SealedTable] = &[&WebhookSecrets];

/// Webhooks' secrets. A row's key is the webhook's id.
struct WebhookSecrets;

impl SealedTable for WebhookSecrets {
    fn name(&self) -> &'static str {
        "desk_webhooks"
    }

    fn stale<'a>(
        &'a self,
        tx: &'a mut Tx,
        newest: u8,
        after: &'a str,
        limit: i64,
    ) -> BoxFuture<'a, Result<Vec<SealedRow>>> {
        Box::pin(async move {
            let rows = webhooks::stale(tx, newest, after, limit).await?;
            let row = |(id, sealed): (String, Vec<u8>)| SealedRow { place: place(&id), key: id, sealed };
            Ok(rows.into_iter().map(row).collect())
        })
    }

    fn replace<'a>(&'a self, tx: &'a mut Tx, key: &'a str, sealed: Vec<u8>) -> BoxFuture<'a, Result<()>> {
        Box::pin(webhooks::replace_secret(tx, key, sealed))
    }

    fn in_use<'a>(&'a self, conn: &'a mut Conn) -> BoxFuture<'a, Result<Vec<(u8, i64)>>> {
        Box::pin(webhooks::keys(conn))
    }
}
