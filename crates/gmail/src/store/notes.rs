//! SQL on `gmail_notes` and `gmail_summaries`: what people and the assistant say of a conversation.

use db::{Conn, Result, Tx, args, sql};
use kernel::{PageRequest, Timestamp};

db::row! {
    /// A note.
    #[derive(Debug, Clone)]
    pub(crate) struct NoteRow {
        pub(crate) id: i64,
        pub(crate) conversation_id: i64,
        pub(crate) text: String,
        pub(crate) created_at: Timestamp,
        pub(crate) updated_at: Timestamp,
    }
}

/// A page of a conversation's, the newest first; how many there are.
pub(crate) async fn notes(
    conn: &mut Conn,
    conversation: i64,
    page: PageRequest,
) -> Result<(Vec<NoteRow>, i64)> {
    let rows = conn
        .all(
            sql!(
                "SELECT id, conversation_id, text, created_at, updated_at FROM gmail_notes
                 WHERE conversation_id = $1 ORDER BY id DESC LIMIT $2 OFFSET $3"
            ),
            args![conversation, page.size, page.offset()],
        )
        .await?;
    let (count,) = conn
        .one(sql!("SELECT COUNT(*) FROM gmail_notes WHERE conversation_id = $1"), args![conversation])
        .await?;
    Ok((rows, count))
}

/// One of a conversation's.
pub(crate) async fn note(conn: &mut Conn, conversation: i64, id: i64) -> Result<Option<NoteRow>> {
    conn.opt(
        sql!(
            "SELECT id, conversation_id, text, created_at, updated_at FROM gmail_notes
             WHERE id = $2 AND conversation_id = $1"
        ),
        args![conversation, id],
    )
    .await
}

/// Adds one.
pub(crate) async fn insert_note(tx: &mut Tx, note: &NoteRow) -> Result<()> {
    tx.exec(
        sql!(
            "INSERT INTO gmail_notes (id, conversation_id, text, created_at, updated_at)
             VALUES ($1, $2, $3, $4, $4)"
        ),
        args![note.id, note.conversation_id, &note.text, note.created_at],
    )
    .await
    .map(drop)
}

/// Says something else; false if it is gone.
pub(crate) async fn update_note(
    tx: &mut Tx,
    conversation: i64,
    id: i64,
    text: &str,
    now: Timestamp,
) -> Result<bool> {
    let changed = tx
        .exec(
            sql!("UPDATE gmail_notes SET text = $3, updated_at = $4 WHERE id = $2 AND conversation_id = $1"),
            args![conversation, id, text, now],
        )
        .await?;
    Ok(changed == 1)
}

/// Removes one; false if it is gone.
pub(crate) async fn delete_note(tx: &mut Tx, conversation: i64, id: i64) -> Result<bool> {
    let gone = tx
        .exec(sql!("DELETE FROM gmail_notes WHERE id = $2 AND conversation_id = $1"), args![conversation, id])
        .await?;
    Ok(gone == 1)
}

db::row! {
    /// What the assistant said last of a conversation.
    #[derive(Debug, Clone)]
    pub(crate) struct SummaryRow {
        /// The newest message that it knew of.
        pub(crate) last_message_key: String,
        /// JSON.
        pub(crate) summary: String,
        pub(crate) updated_at: Timestamp,
    }
}

/// A conversation's.
pub(crate) async fn summary(conn: &mut Conn, conversation: i64) -> Result<Option<SummaryRow>> {
    conn.opt(
        sql!("SELECT last_message_key, summary, updated_at FROM gmail_summaries WHERE conversation_id = $1"),
        args![conversation],
    )
    .await
}

/// Keeps one in the place of what was said before; its conversation is locked.
pub(crate) async fn put_summary(tx: &mut Tx, conversation: i64, row: &SummaryRow) -> Result<()> {
    tx.exec(
        sql!(
            "INSERT INTO gmail_summaries (conversation_id, last_message_key, summary, updated_at)
             VALUES ($1, $2, $3, $4)
             ON CONFLICT (conversation_id) DO UPDATE SET last_message_key = excluded.last_message_key,
                summary = excluded.summary, updated_at = excluded.updated_at"
        ),
        args![conversation, &row.last_message_key, &row.summary, row.updated_at],
    )
    .await
    .map(drop)
}
