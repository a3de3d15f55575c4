//! SQL on `gmail_hints`: pushes that rang, so that each rings once.

use db::{Conn, Result, Tx, args, sql};
use kernel::Timestamp;

/// So many are forgotten at a time.
pub(crate) const FORGOTTEN: u64 = 1000;

/// Keeps one; false if it came before.
pub(crate) async fn keep_hint(
    tx: &mut Tx,
    (subscription, message): (&str, &str),
    credential: &str,
    now: Timestamp,
) -> Result<bool> {
    let kept = tx
        .exec(
            sql!(
                "INSERT INTO gmail_hints (subscription, message_id, credential_key, received_at)
                 VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING"
            ),
            args![subscription, message, credential, now],
        )
        .await?;
    Ok(kept == 1)
}

/// Forgets some that came before `before`; how many.
pub(crate) async fn forget_hints(tx: &mut Tx, before: Timestamp) -> Result<u64> {
    tx.exec(
        sql!(
            "DELETE FROM gmail_hints WHERE (subscription, message_id) IN
                (SELECT subscription, message_id FROM gmail_hints WHERE received_at < $1 LIMIT 1000)"
        ),
        args![before],
    )
    .await
}

/// Whose a mailbox is, by its address: its key, and whether its grant stands.
pub(crate) async fn rung(conn: &mut Conn, address: &str) -> Result<Option<(String, bool)>> {
    let row: Option<(String, String)> = conn
        .opt(sql!("SELECT key, status FROM gmail_credentials WHERE address = $1"), args![address])
        .await?;
    Ok(row.map(|(key, status)| (key, status == crate::CredentialStatus::Active.as_str())))
}
