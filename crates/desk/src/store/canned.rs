//! SQL on `desk_canned`: answers that are ready. Those without an owner (an empty text) are everybody's.

use db::{Conn, Result, Tx, args, sql};
use kernel::Timestamp;

db::row! {
    /// A ready answer.
    #[derive(Debug, Clone)]
    pub(crate) struct CannedRow {
        pub(crate) id: String,
        /// Empty: everybody's.
        pub(crate) owner_id: String,
        pub(crate) shortcut: String,
        pub(crate) content: String,
        pub(crate) uses: i64,
        pub(crate) used_at: Option<Timestamp>,
        pub(crate) created_at: Timestamp,
        pub(crate) updated_at: Timestamp,
    }
}

/// The columns of a [`CannedRow`].
macro_rules! columns {
    () => {
        "id, owner_id, shortcut, content, uses, used_at, created_at, updated_at"
    };
}

/// Everybody's and this agent's, the most used first, at most so many.
pub(crate) async fn canned_of(conn: &mut Conn, owner: &str, limit: i64) -> Result<Vec<CannedRow>> {
    conn.all(
        sql!(concat!(
            "SELECT ",
            columns!(),
            " FROM desk_canned WHERE owner_id IN ('', $1) ORDER BY uses DESC, shortcut, id LIMIT $2"
        )),
        args![owner, limit],
    )
    .await
}

/// How many this owner has.
pub(crate) async fn canned_count(conn: &mut Conn, owner: &str) -> Result<i64> {
    let (n,): (i64,) =
        conn.one(sql!("SELECT COUNT(*) FROM desk_canned WHERE owner_id = $1"), args![owner]).await?;
    Ok(n)
}

/// One of them.
pub(crate) async fn canned(conn: &mut Conn, id: &str) -> Result<Option<CannedRow>> {
    conn.opt(sql!(concat!("SELECT ", columns!(), " FROM desk_canned WHERE id = $1")), args![id]).await
}

/// Adds one; `None` if its owner has another under this shortcut.
pub(crate) async fn add_canned(
    tx: &mut Tx,
    owner: &str,
    shortcut: &str,
    content: &str,
    now: Timestamp,
) -> Result<Option<CannedRow>> {
    tx.opt(
        sql!(concat!(
            "INSERT INTO desk_canned (id, owner_id, shortcut, content, uses, created_at, updated_at)
             VALUES ($1, $2, $3, $4, 0, $5, $5) ON CONFLICT (owner_id, shortcut) DO NOTHING RETURNING ",
            columns!()
        )),
        args![kernel::id::new("canned", now), owner, shortcut, content, now],
    )
    .await
}

/// Changes one; `None` if it is not there, or its owner has another under this shortcut.
pub(crate) async fn change_canned(
    tx: &mut Tx,
    id: &str,
    shortcut: &str,
    content: &str,
    now: Timestamp,
) -> Result<Option<CannedRow>> {
    tx.opt(
        sql!(concat!(
            "UPDATE desk_canned SET shortcut = $2, content = $3, updated_at = $4
             WHERE id = $1 AND NOT EXISTS (SELECT 1 FROM desk_canned AS other
                WHERE other.owner_id = desk_canned.owner_id AND other.shortcut = $2 AND other.id <> $1)
             RETURNING ",
            columns!()
        )),
        args![id, shortcut, content, now],
    )
    .await
}

/// Removes one; whether it was there.
pub(crate) async fn remove_canned(tx: &mut Tx, id: &str) -> Result<bool> {
    Ok(tx.exec(sql!("DELETE FROM desk_canned WHERE id = $1"), args![id]).await? == 1)
}

/// One was used.
pub(crate) async fn use_canned(tx: &mut Tx, id: &str, now: Timestamp) -> Result<()> {
    tx.exec(sql!("UPDATE desk_canned SET uses = uses + 1, used_at = $2 WHERE id = $1"), args![id, now])
        .await
        .map(drop)
}
