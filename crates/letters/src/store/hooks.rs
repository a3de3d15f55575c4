//! SQL on `trigger_hooks` and `hook_nonces`.

use db::{Conn, Result, Tx, args, sql};
use kernel::Timestamp;

db::row! {
    /// A hook by which somebody else reports events for its owner.
    #[derive(Debug, Clone)]
    pub(crate) struct HookRow {
        pub(crate) id: String,
        pub(crate) owner_id: String,
        pub(crate) name: String,
        /// Sealed.
        pub(crate) secret: Vec<u8>,
        pub(crate) created_at: Timestamp,
        pub(crate) used_at: Option<Timestamp>,
    }
}

/// Makes a hook unless its owner has `most` already; whether it was made.
pub(crate) async fn insert_hook(tx: &mut Tx, h: &HookRow, most: i64) -> Result<bool> {
    let made = tx
        .exec(
            sql!(
                "INSERT INTO trigger_hooks (id, owner_id, name, secret, created_at)
                 SELECT CAST($1 AS TEXT), CAST($2 AS TEXT), CAST($3 AS TEXT), $4, CAST($5 AS BIGINT)
                 WHERE (SELECT COUNT(*) FROM trigger_hooks WHERE owner_id = $2) < $6"
            ),
            args![&h.id, &h.owner_id, &h.name, &h.secret, h.created_at, most],
        )
        .await?;
    Ok(made == 1)
}

pub(crate) async fn hooks(conn: &mut Conn, owner: &str) -> Result<Vec<HookRow>> {
    conn.all(
        sql!(
            "SELECT id, owner_id, name, secret, created_at, used_at FROM trigger_hooks
             WHERE owner_id = $1 ORDER BY id"
        ),
        args![owner],
    )
    .await
}

pub(crate) async fn hook(conn: &mut Conn, id: &str) -> Result<Option<HookRow>> {
    conn.opt(
        sql!("SELECT id, owner_id, name, secret, created_at, used_at FROM trigger_hooks WHERE id = $1"),
        args![id],
    )
    .await
}

/// Removes a hook of this owner; whether there was one.
pub(crate) async fn delete_hook(tx: &mut Tx, id: &str, owner: &str) -> Result<bool> {
    let gone =
        tx.exec(sql!("DELETE FROM trigger_hooks WHERE id = $1 AND owner_id = $2"), args![id, owner]).await?;
    if gone == 1 {
        tx.exec(sql!("DELETE FROM hook_nonces WHERE hook_id = $1"), args![id]).await?;
    }
    Ok(gone == 1)
}

/// Notes the use of a hook; false if it is gone.
pub(crate) async fn use_hook(tx: &mut Tx, id: &str, now: Timestamp) -> Result<bool> {
    let used = tx.exec(sql!("UPDATE trigger_hooks SET used_at = $2 WHERE id = $1"), args![id, now]).await?;
    Ok(used == 1)
}

/// Remembers a message's id until `until` and forgets what has run out; false if it is known already.
pub(crate) async fn take_nonce(
    tx: &mut Tx,
    hook: &str,
    nonce: &str,
    until: Timestamp,
    now: Timestamp,
) -> Result<bool> {
    tx.exec(sql!("DELETE FROM hook_nonces WHERE hook_id = $1 AND expires_at < $2"), args![hook, now]).await?;
    let new = tx
        .exec(
            sql!(
                "INSERT INTO hook_nonces (hook_id, nonce, expires_at) VALUES ($1, $2, $3)
                 ON CONFLICT (hook_id, nonce) DO NOTHING"
            ),
            args![hook, nonce, until],
        )
        .await?;
    Ok(new == 1)
}
