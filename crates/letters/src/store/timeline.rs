//! SQL of the timeline: what an author sent and what came to a mailbox, the latest first.

use db::{Conn, Result, args, sql};
use kernel::Timestamp;

use super::LetterRow;

/// Which events of one kind: later first, from `from` (included) to before `before`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window<'a> {
    pub(crate) from: Timestamp,
    /// An instant and, of that instant, a letter: both not included.
    pub(crate) before: (Timestamp, &'a str),
    pub(crate) most: i64,
}

/// Letters of an author by when they were scheduled.
pub(crate) async fn sent_in(conn: &mut Conn, owner: &str, w: Window<'_>) -> Result<Vec<(Timestamp, String)>> {
    conn.all(
        sql!(
            "SELECT scheduled_at, letter_id FROM sent_letters
             WHERE owner_id = $1 AND scheduled_at >= $2 AND scheduled_at <= $3
               AND (scheduled_at < $3 OR letter_id < $4)
             ORDER BY scheduled_at DESC, letter_id DESC LIMIT $5"
        ),
        args![owner, w.from, w.before.0, w.before.1, w.most],
    )
    .await
}

/// Letters in a mailbox by when they were delivered. One mailbox each, since SQLite would sort all letters of
/// several.
pub(crate) async fn arrived_in(
    conn: &mut Conn,
    mailbox: &str,
    w: Window<'_>,
) -> Result<Vec<(Timestamp, String)>> {
    conn.all(
        sql!(
            "SELECT delivered_at, letter_id FROM inbox
             WHERE mailbox = $1 AND delivered_at >= $2 AND delivered_at <= $3
               AND (delivered_at < $3 OR letter_id < $4)
             ORDER BY delivered_at DESC, letter_id DESC LIMIT $5"
        ),
        args![mailbox, w.from, w.before.0, w.before.1, w.most],
    )
    .await
}

/// Letters by their ids, in no order.
pub(crate) async fn letters(conn: &mut Conn, ids: Vec<&str>) -> Result<Vec<LetterRow>> {
    conn.all(
        sql!(
            sqlite: "SELECT id, owner_id, title, recipient_type, recipient_email, recipient_key, status,
                        send_time, trigger_type, delivered_at, has_attachments, is_encrypted, capsule_style,
                        glow, ordinal, schedule_no, scheduled_at, scheduled_month, created_at, updated_at, fired_at
                     FROM letters WHERE id IN (SELECT value FROM json_each($1))",
            postgres: "SELECT id, owner_id, title, recipient_type, recipient_email, recipient_key, status,
                          send_time, trigger_type, delivered_at, has_attachments, is_encrypted,
                          capsule_style, glow, ordinal, schedule_no, scheduled_at, scheduled_month,
                          created_at, updated_at, fired_at
                       FROM letters WHERE id = ANY($1)"
        ),
        args![ids],
    )
    .await
}
