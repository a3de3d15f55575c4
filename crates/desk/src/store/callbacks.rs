//! SQL on `desk_callbacks`: what channels sent, as it came, for a while; and how long `desk_inbound` knows it.

use db::{Conn, Result, Tx, args, sql};
use kernel::Timestamp;

db::row! {
    /// A callback.
    #[derive(Debug, Clone)]
    pub(crate) struct CallbackRow {
        pub(crate) id: String,
        pub(crate) account_id: String,
        /// JSON: headers, query and body, or an item that could not be read.
        pub(crate) request: String,
        /// Why nothing came of it.
        pub(crate) error: Option<String>,
        pub(crate) received_at: Timestamp,
    }
}

/// The columns of a [`CallbackRow`].
macro_rules! columns {
    () => {
        "id, account_id, request, error, received_at"
    };
}

/// A callback to be kept.
#[derive(Debug)]
pub(crate) struct NewCallback<'a> {
    pub(crate) account_id: &'a str,
    /// The same one is kept once.
    pub(crate) once_key: &'a str,
    pub(crate) request: &'a str,
    pub(crate) error: Option<&'a str>,
}

/// Keeps a callback; whether it is the first of its kind. Two transactions with the same one wait for each other.
pub(crate) async fn keep(tx: &mut Tx, new: &NewCallback<'_>, now: Timestamp) -> Result<bool> {
    let kept = tx
        .exec(
            sql!(
                "INSERT INTO desk_callbacks (id, account_id, once_key, request, error, received_at)
                 VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (account_id, once_key) DO NOTHING"
            ),
            args![kernel::id::new("cb", now), new.account_id, new.once_key, new.request, new.error, now],
        )
        .await?;
    Ok(kept == 1)
}

/// Callbacks, the newest first, older than `before`; with `failed` only those that nothing came of.
pub(crate) async fn list(
    conn: &mut Conn,
    failed: bool,
    before: Option<&str>,
    limit: i64,
) -> Result<Vec<CallbackRow>> {
    let sql = if failed {
        sql!(concat!(
            "SELECT ",
            columns!(),
            " FROM desk_callbacks WHERE error IS NOT NULL AND (CAST($1 AS TEXT) IS NULL OR id < $1)
             ORDER BY id DESC LIMIT $2"
        ))
    } else {
        sql!(concat!(
            "SELECT ",
            columns!(),
            " FROM desk_callbacks WHERE (CAST($1 AS TEXT) IS NULL OR id < $1) ORDER BY id DESC LIMIT $2"
        ))
    };
    conn.all(sql, args![before, limit]).await
}

/// A callback, which nobody else changes until the transaction ends.
pub(crate) async fn lock(tx: &mut Tx, id: &str) -> Result<Option<CallbackRow>> {
    tx.opt(
        sql!(
            sqlite: concat!("SELECT ", columns!(), " FROM desk_callbacks WHERE id = $1"),
            postgres: concat!("SELECT ", columns!(), " FROM desk_callbacks WHERE id = $1 FOR UPDATE")
        ),
        args![id],
    )
    .await
}

/// Notes why nothing came of a callback, or that something did.
pub(crate) async fn set_error(tx: &mut Tx, id: &str, error: Option<&str>) -> Result<()> {
    tx.exec(sql!("UPDATE desk_callbacks SET error = $2 WHERE id = $1"), args![id, error]).await.map(drop)
}

/// So many callbacks are forgotten at once.
pub(crate) const FORGOTTEN: u64 = 1000;

/// Forgets callbacks of before `read`, and those that nothing came of only if they are of before `unread`; how many of
/// at most [`FORGOTTEN`].
pub(crate) async fn forget(tx: &mut Tx, read: Timestamp, unread: Timestamp) -> Result<u64> {
    tx.exec(
        sql!(
            "DELETE FROM desk_callbacks WHERE id IN
                (SELECT id FROM desk_callbacks WHERE received_at < $1 AND (error IS NULL OR received_at < $2)
                 ORDER BY received_at LIMIT 1000)"
        ),
        args![read, unread],
    )
    .await
}

/// Forgets which messages came before then: they are not known any more if they come again; how many of at most
/// [`FORGOTTEN`]. The messages stay.
pub(crate) async fn forget_known(tx: &mut Tx, before: Timestamp) -> Result<u64> {
    tx.exec(
        sql!(
            sqlite: "DELETE FROM desk_inbound WHERE rowid IN
                        (SELECT rowid FROM desk_inbound WHERE received_at < $1 ORDER BY received_at LIMIT 1000)",
            postgres: "DELETE FROM desk_inbound WHERE ctid = ANY(ARRAY(
                        SELECT ctid FROM desk_inbound WHERE received_at < $1 ORDER BY received_at LIMIT 1000))"
        ),
        args![before],
    )
    .await
}
