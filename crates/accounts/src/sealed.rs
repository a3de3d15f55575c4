//! What the keyring sealed here, to be sealed anew when its keys change.

use db::{BoxFuture, Conn, Result, SealedRow, SealedTable, Tx};

use crate::store;

/// The columns of accounts that hold what the keyring sealed.
pub const SEALED: &[&dyn SealedTable] = &[&DeviceTokens];

/// Where a device's push token lies.
pub(crate) fn token_place(user: &str, device: &str) -> String {
    format!("devices:{user}:{device}:token")
}

/// Push tokens. A row's key is `{user}/{device}`; no user's id has a slash.
struct DeviceTokens;

fn parts(key: &str) -> (&str, &str) {
    key.split_once('/').unwrap_or((key, ""))
}

impl SealedTable for DeviceTokens {
    fn name(&self) -> &'static str {
        "devices"
    }

    fn stale<'a>(
        &'a self,
        tx: &'a mut Tx,
        newest: u8,
        after: &'a str,
        limit: i64,
    ) -> BoxFuture<'a, Result<Vec<SealedRow>>> {
        Box::pin(async move {
            let rows = store::stale_devices(tx, newest, parts(after), limit).await?;
            let row = |(user, device, sealed): (String, String, Vec<u8>)| SealedRow {
                key: format!("{user}/{device}"),
                place: token_place(&user, &device),
                sealed,
            };
            Ok(rows.into_iter().map(row).collect())
        })
    }

    fn replace<'a>(&'a self, tx: &'a mut Tx, key: &'a str, sealed: Vec<u8>) -> BoxFuture<'a, Result<()>> {
        Box::pin(store::replace_device_token(tx, parts(key), sealed))
    }

    fn in_use<'a>(&'a self, conn: &'a mut Conn) -> BoxFuture<'a, Result<Vec<(u8, i64)>>> {
        Box::pin(store::device_keys(conn))
    }
}
