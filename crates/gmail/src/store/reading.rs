//! SQL on messages as people read them: lines of a list without bodies that may be long, threads, files.

use db::{Conn, Result, args, sql};
use kernel::{PageRequest, Timestamp};

use crate::model::{Direction, MailKind, Source};

db::row! {
    /// A message as a list shows it.
    #[derive(Debug, Clone)]
    pub(crate) struct LineRow {
        pub(crate) key: String,
        pub(crate) gmail_id: String,
        pub(crate) thread_id: String,
        pub(crate) direction: Direction,
        pub(crate) from_name: Option<String>,
        pub(crate) from_address: String,
        /// JSON lists of `{name, address}`.
        pub(crate) to_list: String,
        pub(crate) cc_list: String,
        pub(crate) subject: String,
        pub(crate) received_at: Timestamp,
        /// The new text, of which a list shows 20,000 characters.
        pub(crate) text: String,
        /// Whether that is not all of it.
        pub(crate) truncated: bool,
        pub(crate) has_quoted: bool,
        pub(crate) has_html: bool,
        pub(crate) kind: MailKind,
        pub(crate) machine: String,
        /// A JSON list.
        pub(crate) labels: String,
        /// Who asked for it, if it was sent from here.
        pub(crate) source: Option<Source>,
    }
}

/// The columns of a [`LineRow`], of `m` and the mail `o` of ours that it is.
macro_rules! line_columns {
    () => {
        "m.key, m.gmail_id, m.thread_id, m.direction, m.from_name, m.from_address, m.to_list, m.cc_list, m.subject,
         m.received_at, SUBSTR(m.new_text, 1, 20000), (m.truncated OR LENGTH(m.new_text) > 20000), m.quoted <> '',
         m.html IS NOT NULL, m.kind, m.machine, m.labels, o.source"
    };
}
pub(super) use line_columns;

/// A page of a conversation's messages, of one thread if it is given, the newest first; how many there are.
pub(crate) async fn message_page(
    conn: &mut Conn,
    conversation: i64,
    thread: Option<&str>,
    page: PageRequest,
) -> Result<(Vec<LineRow>, i64)> {
    /// Where they stand.
    macro_rules! standing {
        () => {
            " WHERE l.conversation_id = $1 AND (CAST($2 AS TEXT) IS NULL OR m.thread_id = $2)"
        };
    }
    let rows = conn
        .all(
            sql!(concat!(
                "SELECT ",
                line_columns!(),
                " FROM gmail_links AS l JOIN gmail_messages AS m ON m.key = l.message_key
                  LEFT JOIN gmail_outbox AS o ON o.id = m.outbox_id",
                standing!(),
                " ORDER BY l.received_at DESC, l.message_key DESC LIMIT $3 OFFSET $4"
            )),
            args![conversation, thread, page.size, page.offset()],
        )
        .await?;
    let (count,) = conn
        .one(
            sql!(concat!(
                "SELECT COUNT(*) FROM gmail_links AS l JOIN gmail_messages AS m ON m.key = l.message_key",
                standing!()
            )),
            args![conversation, thread],
        )
        .await?;
    Ok((rows, count))
}

/// Who asked for a mail that was sent from here.
pub(crate) async fn source_of(conn: &mut Conn, outbox_id: &str) -> Result<Option<Source>> {
    let row: Option<(Source,)> =
        conn.opt(sql!("SELECT source FROM gmail_outbox WHERE id = $1"), args![outbox_id]).await?;
    Ok(row.map(|(source,)| source))
}

db::row! {
    /// A thread of a conversation.
    #[derive(Debug, Clone)]
    pub(crate) struct ThreadRow {
        pub(crate) thread_id: String,
        /// Of its first message.
        pub(crate) subject: String,
        pub(crate) message_count: i64,
        pub(crate) last_message_at: Timestamp,
        /// When a person of the other side wrote last.
        pub(crate) last_inbound_at: Option<Timestamp>,
        /// When we wrote last.
        pub(crate) last_outbound_at: Option<Timestamp>,
    }
}

/// A page of a conversation's threads, the one with the newest message first; how many there are.
pub(crate) async fn threads(
    conn: &mut Conn,
    conversation: i64,
    page: PageRequest,
) -> Result<(Vec<ThreadRow>, i64)> {
    let rows = conn
        .all(
            sql!(
                "SELECT thread_id, subject, total, newest, theirs, ours FROM
                    (SELECT m.thread_id AS thread_id, m.subject AS subject,
                        ROW_NUMBER() OVER (PARTITION BY m.thread_id ORDER BY l.received_at, l.message_key) AS nth,
                        COUNT(*) OVER (PARTITION BY m.thread_id) AS total,
                        MAX(l.received_at) OVER (PARTITION BY m.thread_id) AS newest,
                        MAX(CASE WHEN m.direction = 'in' AND m.kind IN ('reply', 'opt_out') THEN l.received_at END)
                            OVER (PARTITION BY m.thread_id) AS theirs,
                        MAX(CASE WHEN m.direction = 'out' THEN l.received_at END)
                            OVER (PARTITION BY m.thread_id) AS ours
                     FROM gmail_links AS l JOIN gmail_messages AS m ON m.key = l.message_key
                     WHERE l.conversation_id = $1) AS t
                 WHERE nth = 1 ORDER BY newest DESC, thread_id DESC LIMIT $2 OFFSET $3"
            ),
            args![conversation, page.size, page.offset()],
        )
        .await?;
    let (count,) = conn
        .one(
            sql!(
                "SELECT COUNT(DISTINCT m.thread_id) FROM gmail_links AS l
                 JOIN gmail_messages AS m ON m.key = l.message_key WHERE l.conversation_id = $1"
            ),
            args![conversation],
        )
        .await?;
    Ok((rows, count))
}

db::row! {
    /// A message as the assistant is shown it.
    #[derive(Debug, Clone)]
    pub(crate) struct SpokenRow {
        pub(crate) direction: Direction,
        pub(crate) from_name: Option<String>,
        pub(crate) from_address: String,
        pub(crate) received_at: Timestamp,
        /// The beginning of the new text.
        pub(crate) text: String,
        pub(crate) kind: MailKind,
    }
}

/// The newest of a conversation, the newest first, so many characters of each.
pub(crate) async fn spoken(
    conn: &mut Conn,
    conversation: i64,
    most: i64,
    chars: i64,
) -> Result<Vec<SpokenRow>> {
    conn.all(
        sql!(
            "SELECT m.direction, m.from_name, m.from_address, m.received_at,
                SUBSTR(m.new_text, 1, CAST($3 AS INTEGER)), m.kind
             FROM gmail_links AS l JOIN gmail_messages AS m ON m.key = l.message_key
             WHERE l.conversation_id = $1 ORDER BY l.received_at DESC, l.message_key DESC LIMIT $2"
        ),
        args![conversation, most, chars],
    )
    .await
}
