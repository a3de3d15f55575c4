//! SQL on how the messages of a conversation are marked in Gmail.

use db::{Conn, Result, args, sql};

db::row! {
    /// A message that is unread, or lies in the inbox.
    #[derive(Debug, Clone)]
    pub(crate) struct MarkedRow {
        pub(crate) gmail_id: String,
        pub(crate) unread: bool,
        pub(crate) inbox: bool,
    }
}

/// The messages of a conversation that came and are unread, or lie in the inbox: the newest first.
pub(crate) async fn marked(conn: &mut Conn, conversation: i64) -> Result<Vec<MarkedRow>> {
    conn.all(
        sql!(
            "SELECT m.gmail_id, l.unread, l.inbox FROM gmail_links AS l
             JOIN gmail_messages AS m ON m.key = l.message_key
             WHERE l.conversation_id = $1 AND (l.unread OR l.inbox) ORDER BY l.received_at DESC, l.message_key DESC"
        ),
        args![conversation],
    )
    .await
}

/// Gmail's id of the newest message of a conversation that came.
pub(crate) async fn newest_that_came(conn: &mut Conn, conversation: i64) -> Result<Option<String>> {
    let row: Option<(String,)> = conn
        .opt(
            sql!(
                "SELECT m.gmail_id FROM gmail_links AS l JOIN gmail_messages AS m ON m.key = l.message_key
                 WHERE l.conversation_id = $1 AND m.direction = 'in'
                 ORDER BY l.received_at DESC, l.message_key DESC LIMIT 1"
            ),
            args![conversation],
        )
        .await?;
    Ok(row.map(|(id,)| id))
}
