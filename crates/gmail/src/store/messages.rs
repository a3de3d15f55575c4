//! SQL on `gmail_messages` and `gmail_parts`: what Gmail holds of the conversations, once each.

use db::{Conn, Result, Tx, args, sql};
use kernel::Timestamp;

use crate::model::{Direction, MailKind};

db::row! {
    /// A mail.
    #[derive(Debug, Clone)]
    pub(crate) struct MessageRow {
        /// `gmsg_…`: ours.
        pub(crate) key: String,
        pub(crate) credential_key: String,
        /// Gmail's, which the API names it by.
        pub(crate) gmail_id: String,
        pub(crate) thread_id: String,
        /// Its Message-ID, without brackets.
        pub(crate) rfc_message_id: Option<String>,
        pub(crate) direction: Direction,
        pub(crate) from_name: Option<String>,
        pub(crate) from_address: String,
        /// JSON lists of `{name, address}`, as are the next two: where answers go, if not to the author.
        pub(crate) reply_to: String,
        pub(crate) to_list: String,
        pub(crate) cc_list: String,
        pub(crate) subject: String,
        pub(crate) in_reply_to: Option<String>,
        /// A JSON list of Message-IDs without brackets, the oldest first.
        pub(crate) refs: String,
        /// When Gmail took it (`internalDate`).
        pub(crate) received_at: Timestamp,
        /// What was written for this mail.
        pub(crate) new_text: String,
        pub(crate) quoted: String,
        pub(crate) signature: String,
        /// As it came: never shown before it is cleaned.
        pub(crate) html: Option<String>,
        /// Whether a body was too long to be kept whole.
        pub(crate) truncated: bool,
        /// `none`, `hard:…` or `soft:…`: whether a machine wrote it, and by which mark.
        pub(crate) machine: String,
        pub(crate) kind: MailKind,
        /// A JSON list of Gmail's labels.
        pub(crate) labels: String,
        /// It was there before it was looked for: nothing is done because of it.
        pub(crate) backfill: bool,
        /// The mail of ours that it is.
        pub(crate) outbox_id: Option<String>,
        pub(crate) created_at: Timestamp,
    }
}

db::row! {
    /// A file in a mail.
    #[derive(Debug, Clone)]
    pub(crate) struct PartRow {
        /// `gatt_…`
        pub(crate) id: String,
        pub(crate) message_key: String,
        /// Which part of the mail it is, as [`mail::Attachment::id`].
        pub(crate) part_id: String,
        pub(crate) file_name: String,
        pub(crate) mime_type: String,
        pub(crate) content_id: Option<String>,
        pub(crate) inline: bool,
        /// Octets.
        pub(crate) size: i64,
    }
}

/// The columns of a [`MessageRow`].
macro_rules! columns {
    () => {
        "key, credential_key, gmail_id, thread_id, rfc_message_id, direction, from_name, from_address, reply_to, to_list,
         cc_list, subject, in_reply_to, refs, received_at, new_text, quoted, signature, html, truncated, machine, kind,
         labels, backfill, outbox_id, created_at"
    };
}

/// One by its key.
pub(crate) async fn message(conn: &mut Conn, key: &str) -> Result<Option<MessageRow>> {
    conn.opt(sql!(concat!("SELECT ", columns!(), " FROM gmail_messages WHERE key = $1")), args![key]).await
}

/// One of a conversation of this account by Gmail's id.
pub(crate) async fn message_in(
    conn: &mut Conn,
    (credential, conversation): (&str, i64),
    gmail_id: &str,
) -> Result<Option<MessageRow>> {
    conn.opt(
        sql!(concat!(
            "SELECT ",
            columns!(),
            " FROM gmail_messages AS m WHERE credential_key = $3 AND gmail_id = $2 AND EXISTS
                (SELECT 1 FROM gmail_links AS l WHERE l.conversation_id = $1 AND l.message_key = m.key)"
        )),
        args![conversation, gmail_id, credential],
    )
    .await
}

/// The newest of a conversation, the newest first.
pub(crate) async fn newest_messages(
    conn: &mut Conn,
    conversation: i64,
    most: i64,
) -> Result<Vec<MessageRow>> {
    conn.all(
        sql!(concat!(
            "SELECT ",
            columns!(),
            " FROM gmail_messages WHERE key IN
                (SELECT message_key FROM gmail_links WHERE conversation_id = $1
                 ORDER BY received_at DESC, message_key DESC LIMIT $2)
             ORDER BY received_at DESC, key DESC"
        )),
        args![conversation, most],
    )
    .await
}

/// Keeps a mail; false if it was kept before.
pub(crate) async fn insert_message(tx: &mut Tx, m: &MessageRow) -> Result<bool> {
    let made = tx
        .exec(
            sql!(concat!(
                "INSERT INTO gmail_messages (",
                columns!(),
                ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21,
                    $22, $23, $24, $25, $26)
                 ON CONFLICT (credential_key, gmail_id) DO NOTHING"
            )),
            args![
                &m.key,
                &m.credential_key,
                &m.gmail_id,
                &m.thread_id,
                &m.rfc_message_id,
                m.direction,
                &m.from_name,
                &m.from_address,
                &m.reply_to,
                &m.to_list,
                &m.cc_list,
                &m.subject,
                &m.in_reply_to,
                &m.refs,
                m.received_at,
                &m.new_text,
                &m.quoted,
                &m.signature,
                &m.html,
                m.truncated,
                &m.machine,
                m.kind,
                &m.labels,
                m.backfill,
                &m.outbox_id,
                m.created_at
            ],
        )
        .await?;
    Ok(made == 1)
}

/// Keeps what is known of a mail's files.
pub(crate) async fn insert_parts(tx: &mut Tx, parts: &[PartRow]) -> Result<()> {
    for p in parts {
        tx.exec(
            sql!(
                "INSERT INTO gmail_parts (id, message_key, part_id, file_name, mime_type, content_id, inline, size)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"
            ),
            args![
                &p.id,
                &p.message_key,
                &p.part_id,
                &p.file_name,
                &p.mime_type,
                &p.content_id,
                p.inline,
                p.size
            ],
        )
        .await?;
    }
    Ok(())
}

db::row! {
    /// A mail that is kept, as far as its labels go.
    #[derive(Debug, Clone)]
    pub(crate) struct LabelsRow {
        pub(crate) key: String,
        pub(crate) gmail_id: String,
        /// A JSON list.
        pub(crate) labels: String,
    }
}

/// Those of an account that are kept, by Gmail's ids.
pub(crate) async fn kept(conn: &mut Conn, credential: &str, gmail_ids: &[String]) -> Result<Vec<LabelsRow>> {
    conn.all(
        sql!(
            sqlite: "SELECT key, gmail_id, labels FROM gmail_messages
                     WHERE credential_key = $1 AND gmail_id IN (SELECT value FROM json_each($2))",
            postgres: "SELECT key, gmail_id, labels FROM gmail_messages
                       WHERE credential_key = $1 AND gmail_id = ANY($2::TEXT[])"
        ),
        args![credential, gmail_ids],
    )
    .await
}

/// Notes a mail's labels: a JSON list.
pub(crate) async fn label_message(tx: &mut Tx, key: &str, labels: &str) -> Result<()> {
    tx.exec(sql!("UPDATE gmail_messages SET labels = $2 WHERE key = $1"), args![key, labels]).await?;
    tx.exec(
        sql!(
            "UPDATE gmail_links SET inbox = $3, unread = $2 AND EXISTS
                (SELECT 1 FROM gmail_messages AS m WHERE m.key = $1 AND m.direction = 'in')
             WHERE message_key = $1"
        ),
        args![key, labels.contains("\"UNREAD\""), labels.contains("\"INBOX\"")],
    )
    .await
    .map(drop)
}
