//! SQL for archives of accounts: reading all own letters, and `imported_letters`.

use db::{Conn, Result, Tx, args, sql};
use kernel::Timestamp;

use super::LetterRow;

/// The author's own letters whose ids follow `after`, in their order.
pub(crate) async fn own_after(
    conn: &mut Conn,
    owner: &str,
    after: &str,
    most: i64,
) -> Result<Vec<LetterRow>> {
    conn.all(
        sql!(
            "SELECT id, owner_id, title, recipient_type, recipient_email, recipient_key, status, send_time,
                trigger_type, delivered_at, has_attachments, is_encrypted, capsule_style, glow, ordinal,
                schedule_no, scheduled_at, scheduled_month, created_at, updated_at, fired_at
             FROM letters WHERE owner_id = $1 AND id > $2 ORDER BY id LIMIT $3"
        ),
        args![owner, after, most],
    )
    .await
}

/// How many letters of archives an account has taken in.
pub(crate) async fn imports(conn: &mut Conn, owner: &str) -> Result<i64> {
    let (n,): (i64,) =
        conn.one(sql!("SELECT COUNT(*) FROM imported_letters WHERE owner_id = $1"), args![owner]).await?;
    Ok(n)
}

/// Whether an account has taken in this letter of an archive, and still has what became of it.
pub(crate) async fn was_imported(conn: &mut Conn, owner: &str, source: &str) -> Result<bool> {
    let row: Option<(String,)> = conn
        .opt(
            sql!(
                "SELECT l.id FROM imported_letters AS i JOIN letters AS l ON l.id = i.letter_id
                 WHERE i.owner_id = $1 AND i.source_id = $2"
            ),
            args![owner, source],
        )
        .await?;
    Ok(row.is_some())
}

/// Remembers what becomes of a letter of an archive; `false` if there is such a letter already.
pub(crate) async fn remember_import(tx: &mut Tx, owner: &str, source: &str, letter: &str) -> Result<bool> {
    // Waits for whoever imports the same letter; the next statement sees what they made.
    let (known,): (String,) = tx
        .one(
            sql!(
                "INSERT INTO imported_letters (owner_id, source_id, letter_id) VALUES ($1, $2, $3)
                 ON CONFLICT (owner_id, source_id) DO UPDATE SET letter_id = imported_letters.letter_id
                 RETURNING letter_id"
            ),
            args![owner, source, letter],
        )
        .await?;
    if known == letter {
        return Ok(true);
    }
    if super::letter(tx, &known).await?.is_some() {
        return Ok(false);
    }
    tx.exec(
        sql!("UPDATE imported_letters SET letter_id = $3 WHERE owner_id = $1 AND source_id = $2"),
        args![owner, source, letter],
    )
    .await?;
    Ok(true)
}

/// Puts a letter that was delivered long ago into its owner's inbox, at its own date. What was counted of the
/// inbox before is counted anew.
pub(crate) async fn put_delivered(tx: &mut Tx, letter: &LetterRow, at: Timestamp) -> Result<()> {
    tx.exec(
        sql!("UPDATE letters SET status = 'DELIVERED', delivered_at = $2 WHERE id = $1"),
        args![&letter.id, at],
    )
    .await?;
    tx.exec(
        sql!("INSERT INTO inbox (mailbox, delivered_at, letter_id) VALUES ($1, $2, $3)"),
        args![letter.mailbox(), at, &letter.id],
    )
    .await?;
    let first = super::first_arrival(tx, letter.mailbox()).await?.unwrap_or(at);
    // Always another `until` than before: who is counting now, without this letter, must not write it.
    tx.exec(
        sql!(
            "INSERT INTO inbox_counted (mailbox, until, months) VALUES ($1, $2, '{}')
             ON CONFLICT (mailbox) DO UPDATE SET months = excluded.months,
                until = CASE WHEN inbox_counted.until <= excluded.until THEN inbox_counted.until - 1
                    ELSE excluded.until END"
        ),
        args![letter.mailbox(), first],
    )
    .await
    .map(drop)
}
