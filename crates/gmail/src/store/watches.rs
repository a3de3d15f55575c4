//! SQL on `gmail_credentials` that says how far a mailbox was read, and until when it rings.

use db::{Conn, Result, Tx, args, sql};
use kernel::Timestamp;

/// Where reading begins, for an account that has no place yet.
pub(crate) async fn anchor(tx: &mut Tx, key: &str, history_id: i64, now: Timestamp) -> Result<()> {
    tx.exec(
        sql!(
            "UPDATE gmail_credentials SET history_id = $2, good_until = $3, synced_at = $3, limited_until = NULL
             WHERE key = $1 AND history_id IS NULL"
        ),
        args![key, history_id, now],
    )
    .await
    .map(drop)
}

/// Moves an account's place from where it was seen; whether it still was there. Nothing that came before `good_until` is
/// missing.
pub(crate) async fn advance(
    tx: &mut Tx,
    key: &str,
    (from, to): (i64, i64),
    good_until: Timestamp,
    now: Timestamp,
) -> Result<bool> {
    let moved = tx
        .exec(
            sql!(
                "UPDATE gmail_credentials SET history_id = $3, good_until = $4, synced_at = $5, limited_until = NULL
                 WHERE key = $1 AND history_id = $2"
            ),
            args![key, from, to, good_until, now],
        )
        .await?;
    Ok(moved == 1)
}

/// Notes until when Google wants no call.
pub(crate) async fn limit(tx: &mut Tx, key: &str, until: Timestamp) -> Result<()> {
    tx.exec(sql!("UPDATE gmail_credentials SET limited_until = $2 WHERE key = $1"), args![key, until])
        .await
        .map(drop)
}

/// Notes that a topic is rung until a time.
pub(crate) async fn watching(
    tx: &mut Tx,
    key: &str,
    topic: &str,
    expires_at: Timestamp,
    now: Timestamp,
) -> Result<()> {
    tx.exec(
        sql!(
            "UPDATE gmail_credentials SET topic = $2, watch_expires_at = $3, watch_error = NULL, updated_at = $4
             WHERE key = $1"
        ),
        args![key, topic, expires_at, now],
    )
    .await
    .map(drop)
}

/// Notes until when a topic is rung that was rung before; false if another one is by now, or none.
pub(crate) async fn still_watching(
    tx: &mut Tx,
    key: &str,
    topic: &str,
    expires_at: Timestamp,
    now: Timestamp,
) -> Result<bool> {
    let noted = tx
        .exec(
            sql!(
                "UPDATE gmail_credentials SET watch_expires_at = $3, watch_error = NULL, updated_at = $4
                 WHERE key = $1 AND topic = $2"
            ),
            args![key, topic, expires_at, now],
        )
        .await?;
    Ok(noted == 1)
}

/// Notes that a topic is rung no more, though it should be: it is to be renewed.
pub(crate) async fn watch_lost(
    tx: &mut Tx,
    key: &str,
    topic: &str,
    error: &str,
    now: Timestamp,
) -> Result<()> {
    tx.exec(
        sql!(
            "UPDATE gmail_credentials SET watch_expires_at = $4, watch_error = $3 WHERE key = $1 AND topic = $2"
        ),
        args![key, topic, error, now],
    )
    .await
    .map(drop)
}

/// Notes that no topic is rung any more, and why, if nobody wanted that.
pub(crate) async fn watch_ended(tx: &mut Tx, key: &str, error: &str) -> Result<()> {
    tx.exec(
        sql!(
            "UPDATE gmail_credentials SET topic = NULL, watch_expires_at = NULL, watch_error = $2 WHERE key = $1"
        ),
        args![key, error],
    )
    .await
    .map(drop)
}

/// Notes that no topic is rung any more.
pub(crate) async fn not_watching(tx: &mut Tx, key: &str, now: Timestamp) -> Result<()> {
    tx.exec(
        sql!(
            "UPDATE gmail_credentials SET topic = NULL, watch_expires_at = NULL, watch_error = NULL, updated_at = $2
             WHERE key = $1"
        ),
        args![key, now],
    )
    .await
    .map(drop)
}

/// Notes why a topic that is rung could not be renewed.
pub(crate) async fn watch_failed(tx: &mut Tx, key: &str, topic: &str, error: &str) -> Result<()> {
    tx.exec(
        sql!("UPDATE gmail_credentials SET watch_error = $3 WHERE key = $1 AND topic = $2"),
        args![key, topic, error],
    )
    .await
    .map(drop)
}

/// The accounts whose topic is rung no longer than until `before`.
pub(crate) async fn to_renew(conn: &mut Conn, before: Timestamp) -> Result<Vec<String>> {
    let rows: Vec<(String,)> = conn
        .all(
            sql!(
                "SELECT key FROM gmail_credentials
                 WHERE topic IS NOT NULL AND status = 'active' AND watch_expires_at <= $1 ORDER BY watch_expires_at"
            ),
            args![before],
        )
        .await?;
    Ok(rows.into_iter().map(|(key,)| key).collect())
}
