//! SQL on `desk_accounts`: the channels' accounts, their secrets sealed.

use db::{Conn, Result, Tx, args, sql};
use kernel::Timestamp;

use crate::{channel::AccountKind, model::ChannelType};

db::row! {
    /// An account.
    #[derive(Clone)]
    pub(crate) struct AccountRow {
        pub(crate) id: String,
        pub(crate) kind: AccountKind,
        pub(crate) channel_type: ChannelType,
        pub(crate) name: String,
        /// JSON: what is no secret.
        pub(crate) fields: String,
        /// JSON, sealed: what is.
        pub(crate) secrets: Vec<u8>,
        pub(crate) enabled: bool,
        /// Grows with every change.
        pub(crate) version: i64,
        pub(crate) created_at: Timestamp,
        pub(crate) updated_at: Timestamp,
    }
}

/// The columns of an [`AccountRow`].
macro_rules! columns {
    () => {
        "id, kind, channel_type, name, fields, secrets, enabled, version, created_at, updated_at"
    };
}

/// All accounts, the oldest first.
pub(crate) async fn all(conn: &mut Conn) -> Result<Vec<AccountRow>> {
    conn.all(sql!(concat!("SELECT ", columns!(), " FROM desk_accounts ORDER BY id")), args![]).await
}

/// An account, which nobody else changes until the transaction ends.
pub(crate) async fn lock(tx: &mut Tx, id: &str) -> Result<Option<AccountRow>> {
    tx.opt(
        sql!(
            sqlite: concat!("SELECT ", columns!(), " FROM desk_accounts WHERE id = $1"),
            postgres: concat!("SELECT ", columns!(), " FROM desk_accounts WHERE id = $1 FOR UPDATE")
        ),
        args![id],
    )
    .await
}

pub(crate) async fn insert(tx: &mut Tx, row: &AccountRow) -> Result<()> {
    tx.exec(
        sql!(
            "INSERT INTO desk_accounts (id, kind, channel_type, name, fields, secrets, enabled, version, created_at,
                updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"
        ),
        args![
            &row.id,
            row.kind,
            row.channel_type,
            &row.name,
            &row.fields,
            row.secrets.clone(),
            row.enabled,
            row.version,
            row.created_at,
            row.updated_at
        ],
    )
    .await
    .map(drop)
}

/// Writes all that may change of a locked account.
pub(crate) async fn update(tx: &mut Tx, row: &AccountRow) -> Result<()> {
    tx.exec(
        sql!(
            "UPDATE desk_accounts SET name = $2, fields = $3, secrets = $4, enabled = $5, version = $6,
                updated_at = $7 WHERE id = $1"
        ),
        args![&row.id, &row.name, &row.fields, row.secrets.clone(), row.enabled, row.version, row.updated_at],
    )
    .await
    .map(drop)
}

/// Whether it was there. Sessions and messages of it stay.
pub(crate) async fn delete(tx: &mut Tx, id: &str) -> Result<bool> {
    Ok(tx.exec(sql!("DELETE FROM desk_accounts WHERE id = $1"), args![id]).await? == 1)
}
