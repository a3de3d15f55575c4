//! SQL on `gmail_parts` as people see them: which files there are, and where they lie.

use db::{Conn, Result, args, sql};
use kernel::{PageRequest, Timestamp};

use super::PartRow;

/// The columns of a [`PartRow`].
macro_rules! columns {
    () => {
        "p.id, p.message_key, p.part_id, p.file_name, p.mime_type, p.content_id, p.inline, p.size"
    };
}

/// The files of these messages, in the order in which they stand there.
pub(crate) async fn parts_of(conn: &mut Conn, messages: Vec<&str>) -> Result<Vec<PartRow>> {
    conn.all(
        sql!(
            sqlite: concat!(
                "SELECT ", columns!(), " FROM gmail_parts AS p
                 WHERE p.message_key IN (SELECT value FROM json_each($1)) ORDER BY LENGTH(p.part_id), p.part_id"
            ),
            postgres: concat!(
                "SELECT ", columns!(), " FROM gmail_parts AS p WHERE p.message_key = ANY($1) ORDER BY LENGTH(p.part_id), p.part_id"
            )
        ),
        args![messages],
    )
    .await
}

db::row! {
    /// A file of a conversation.
    #[derive(Debug, Clone)]
    pub(crate) struct FileRow {
        pub(crate) id: String,
        pub(crate) file_name: String,
        pub(crate) size: i64,
        pub(crate) mime_type: String,
        pub(crate) inline: bool,
        /// Gmail's id of its message.
        pub(crate) gmail_id: String,
        pub(crate) received_at: Timestamp,
    }
}

/// A page of a conversation's files, those of the newest message first; how many there are.
pub(crate) async fn files(
    conn: &mut Conn,
    conversation: i64,
    page: PageRequest,
) -> Result<(Vec<FileRow>, i64)> {
    /// The files of a conversation.
    macro_rules! standing {
        () => {
            " FROM gmail_links AS l JOIN gmail_parts AS p ON p.message_key = l.message_key
              JOIN gmail_messages AS m ON m.key = l.message_key WHERE l.conversation_id = $1"
        };
    }
    let rows = conn
        .all(
            sql!(concat!(
                "SELECT p.id, p.file_name, p.size, p.mime_type, p.inline, m.gmail_id, m.received_at",
                standing!(),
                " ORDER BY l.received_at DESC, l.message_key DESC, LENGTH(p.part_id), p.part_id
                  LIMIT $2 OFFSET $3"
            )),
            args![conversation, page.size, page.offset()],
        )
        .await?;
    let (count,) = conn.one(sql!(concat!("SELECT COUNT(*)", standing!())), args![conversation]).await?;
    Ok((rows, count))
}

db::row! {
    /// Where a file of a mail lies.
    #[derive(Debug, Clone)]
    pub(crate) struct PlaceRow {
        pub(crate) id: String,
        pub(crate) part_id: String,
        pub(crate) file_name: String,
        pub(crate) mime_type: String,
        /// Gmail's id of its message.
        pub(crate) gmail_id: String,
        pub(crate) credential_key: String,
    }
}

/// Where a file lies, whoever's it is.
pub(crate) async fn part_place(conn: &mut Conn, id: &str) -> Result<Option<PlaceRow>> {
    conn.opt(
        sql!(
            "SELECT p.id, p.part_id, p.file_name, p.mime_type, m.gmail_id, m.credential_key
             FROM gmail_parts AS p JOIN gmail_messages AS m ON m.key = p.message_key WHERE p.id = $1"
        ),
        args![id],
    )
    .await
}

db::row! {
    /// A file that was uploaded, as it is served.
    #[derive(Debug, Clone)]
    pub(crate) struct UploadedRow {
        pub(crate) id: String,
        pub(crate) file_name: String,
        pub(crate) mime_type: String,
        pub(crate) object_key: String,
    }
}

/// A user's upload by its id.
pub(crate) async fn uploaded(conn: &mut Conn, user: &str, id: &str) -> Result<Option<UploadedRow>> {
    conn.opt(
        sql!("SELECT id, file_name, mime_type, object_key FROM gmail_uploads WHERE id = $2 AND user_id = $1"),
        args![user, id],
    )
    .await
}
