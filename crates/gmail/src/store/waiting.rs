//! SQL on `gmail_outbox` and `gmail_recipients` for many mails at once: those that wait, those that left, and to whom they go.

use db::{Conn, Result, Tx, args, sql};
use kernel::Timestamp;

use crate::model::Source;

/// A mail that waits: its id, the number of its dispatch, and who asked for it.
pub(crate) type Waiter = (String, i64, Source);

/// Those of a conversation that wait and that no person asked for, locked, in order.
pub(crate) async fn lock_automatic(tx: &mut Tx, conversation: i64) -> Result<Vec<Waiter>> {
    tx.all(
        sql!(
            sqlite: "SELECT id, dispatch_no, source FROM gmail_outbox WHERE conversation_id = $1 AND state = 'held'
                        AND source IN ('auto_reply', 'follow_up') ORDER BY id",
            postgres: "SELECT id, dispatch_no, source FROM gmail_outbox WHERE conversation_id = $1 AND state = 'held'
                          AND source IN ('auto_reply', 'follow_up') ORDER BY id FOR UPDATE"
        ),
        args![conversation],
    )
    .await
}

/// Those of a user that wait and go to an address, locked, in order.
pub(crate) async fn lock_waiting_to(tx: &mut Tx, user: &str, address: &str) -> Result<Vec<Waiter>> {
    tx.all(
        sql!(
            sqlite: "SELECT id, dispatch_no, source FROM gmail_outbox WHERE user_id = $1 AND state = 'held'
                        AND id IN (SELECT outbox_id FROM gmail_recipients WHERE address = $2) ORDER BY id",
            postgres: "SELECT id, dispatch_no, source FROM gmail_outbox WHERE user_id = $1 AND state = 'held'
                          AND id IN (SELECT outbox_id FROM gmail_recipients WHERE address = $2) ORDER BY id FOR UPDATE"
        ),
        args![user, address],
    )
    .await
}

/// Those of an account that have not ended, locked, in order.
pub(crate) async fn lock_unfinished(tx: &mut Tx, credential: &str) -> Result<Vec<Waiter>> {
    tx.all(
        sql!(
            sqlite: "SELECT id, dispatch_no, source FROM gmail_outbox WHERE credential_key = $1 AND state IN ('held', 'sending', 'unknown')
                     ORDER BY id",
            postgres: "SELECT id, dispatch_no, source FROM gmail_outbox
                       WHERE credential_key = $1 AND state IN ('held', 'sending', 'unknown')
                       ORDER BY id FOR UPDATE"
        ),
        args![credential],
    )
    .await
}

/// Removes all of an account's.
pub(crate) async fn remove_outbox(tx: &mut Tx, credential: &str) -> Result<()> {
    for statement in [
        sql!(
            "DELETE FROM gmail_upload_uses
             WHERE outbox_id IN (SELECT id FROM gmail_outbox WHERE credential_key = $1)"
        ),
        sql!(
            "DELETE FROM gmail_recipients
             WHERE outbox_id IN (SELECT id FROM gmail_outbox WHERE credential_key = $1)"
        ),
        sql!("DELETE FROM gmail_outbox WHERE credential_key = $1"),
    ] {
        tx.exec(statement, args![credential]).await?;
    }
    Ok(())
}

/// Those of an account that something keeps from leaving: their ids, and the numbers of their dispatches. Not those that
/// were looked for: between two looks there must be time.
pub(crate) async fn kept_waiting(conn: &mut Conn, credential: &str) -> Result<Vec<(String, i64)>> {
    conn.all(
        sql!(
            "SELECT id, dispatch_no FROM gmail_outbox WHERE credential_key = $1 AND waiting_until IS NOT NULL
                AND (state = 'held' OR state = 'unknown' AND lookups = 0) ORDER BY id"
        ),
        args![credential],
    )
    .await
}

/// How many an account sent, or may have sent, after this time.
pub(crate) async fn sends_since(conn: &mut Conn, credential: &str, since: Timestamp) -> Result<i64> {
    let (count,): (i64,) = conn
        .one(
            sql!("SELECT COUNT(*) FROM gmail_outbox WHERE credential_key = $1 AND counted_at > $2"),
            args![credential, since],
        )
        .await?;
    Ok(count)
}

/// How many of an account's mails that are due wait before this one, and are tried again by a time: not those that something
/// keeps for longer.
pub(crate) async fn waiting_before(
    conn: &mut Conn,
    credential: &str,
    outbox: &str,
    (now, by): (Timestamp, Timestamp),
) -> Result<i64> {
    let (count,): (i64,) = conn
        .one(
            sql!(
                "SELECT COUNT(*) FROM gmail_outbox
                 WHERE credential_key = $1 AND state = 'held' AND id < $2 AND due_at <= $3
                    AND (waiting_until IS NULL OR waiting_until <= $4)"
            ),
            args![credential, outbox, now, by],
        )
        .await?;
    Ok(count)
}

/// When the one was counted before which `older` others were counted after this time.
pub(crate) async fn nth_send_since(
    conn: &mut Conn,
    credential: &str,
    since: Timestamp,
    older: i64,
) -> Result<Option<Timestamp>> {
    let row: Option<(Timestamp,)> = conn
        .opt(
            sql!(
                "SELECT counted_at FROM gmail_outbox WHERE credential_key = $1 AND counted_at > $2
                 ORDER BY counted_at LIMIT 1 OFFSET $3"
            ),
            args![credential, since, older],
        )
        .await?;
    Ok(row.map(|(at,)| at))
}

/// Whether an address is one of a mail's recipients.
pub(crate) async fn is_recipient(conn: &mut Conn, outbox: &str, address: &str) -> Result<bool> {
    let row: Option<(String,)> = conn
        .opt(
            sql!("SELECT outbox_id FROM gmail_recipients WHERE address = $1 AND outbox_id = $2"),
            args![address, outbox],
        )
        .await?;
    Ok(row.is_some())
}

/// Whether a user put a mail to an address into the outbox, ever.
pub(crate) async fn has_written_to(conn: &mut Conn, user: &str, address: &str) -> Result<bool> {
    let row: Option<(String,)> = conn
        .opt(
            sql!(
                "SELECT r.outbox_id FROM gmail_recipients AS r JOIN gmail_outbox AS o ON o.id = r.outbox_id
                 WHERE r.address = $1 AND o.user_id = $2 LIMIT 1"
            ),
            args![address, user],
        )
        .await?;
    Ok(row.is_some())
}

/// A mail's recipients.
pub(crate) async fn recipients_of(conn: &mut Conn, outbox: &str) -> Result<Vec<String>> {
    let rows: Vec<(String,)> = conn
        .all(
            sql!("SELECT address FROM gmail_recipients WHERE outbox_id = $1 ORDER BY address"),
            args![outbox],
        )
        .await?;
    Ok(rows.into_iter().map(|(address,)| address).collect())
}
