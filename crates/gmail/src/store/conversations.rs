//! SQL on `gmail_conversations` and `gmail_links`: an account and a counterpart, and which messages they exchanged.

use db::{Conn, Result, Tx, args, sql};
use kernel::Timestamp;

db::row! {
    /// What an account and a counterpart wrote each other.
    #[derive(Debug, Clone)]
    pub(crate) struct ConversationRow {
        pub(crate) id: i64,
        pub(crate) user_id: String,
        pub(crate) credential_key: String,
        /// The account's address, as Gmail has it.
        pub(crate) user_email: String,
        /// The counterpart's address, as it was given.
        pub(crate) counterpart: String,
        /// The same as `mail::normal_form` has it.
        pub(crate) address: String,
        /// What the counterpart calls themselves, by their newest mail.
        pub(crate) name: Option<String>,
        /// `kb_…`: what the assistant may draw from.
        pub(crate) kb_id: Option<String>,
        /// A person answers here: nothing goes out by itself.
        pub(crate) held: bool,
        /// Until when the counterpart is away, by their own words.
        pub(crate) away_until: Option<Timestamp>,
        pub(crate) last_message_key: Option<String>,
        pub(crate) last_message_at: Option<Timestamp>,
        pub(crate) last_inbound_at: Option<Timestamp>,
        pub(crate) message_count: i64,
        /// When all that had been written before was listed.
        pub(crate) backfilled_at: Option<Timestamp>,
        pub(crate) created_at: Timestamp,
        pub(crate) updated_at: Timestamp,
    }
}

/// The columns of a [`ConversationRow`].
macro_rules! columns {
    () => {
        "id, user_id, credential_key, user_email, counterpart, address, name, kb_id, held, away_until, last_message_key,
         last_message_at, last_inbound_at, message_count, backfilled_at, created_at, updated_at"
    };
}

/// A user's by its id.
pub(crate) async fn conversation(conn: &mut Conn, user: &str, id: i64) -> Result<Option<ConversationRow>> {
    conn.opt(
        sql!(concat!("SELECT ", columns!(), " FROM gmail_conversations WHERE id = $1 AND user_id = $2")),
        args![id, user],
    )
    .await
}

/// Whoever's it is, locked until the transaction ends: before its messages, goals and mails on their way.
pub(crate) async fn lock_conversation(tx: &mut Tx, id: i64) -> Result<Option<ConversationRow>> {
    tx.opt(
        sql!(
            sqlite: concat!("SELECT ", columns!(), " FROM gmail_conversations WHERE id = $1"),
            postgres: concat!("SELECT ", columns!(), " FROM gmail_conversations WHERE id = $1 FOR UPDATE")
        ),
        args![id],
    )
    .await
}

/// Those of an account with any of these counterparts (`mail::normal_form`), in order.
pub(crate) async fn conversations_with(
    conn: &mut Conn,
    credential: &str,
    addresses: &[String],
) -> Result<Vec<ConversationRow>> {
    conn.all(
        sql!(
            sqlite: concat!(
                "SELECT ", columns!(), " FROM gmail_conversations
                 WHERE credential_key = $1 AND address IN (SELECT value FROM json_each($2)) ORDER BY id"
            ),
            postgres: concat!(
                "SELECT ", columns!(), " FROM gmail_conversations
                 WHERE credential_key = $1 AND address = ANY($2::TEXT[]) ORDER BY id"
            )
        ),
        args![credential, addresses],
    )
    .await
}

/// Those of an account in which a thread stands, in order.
pub(crate) async fn conversations_of_thread(
    conn: &mut Conn,
    credential: &str,
    thread: &str,
) -> Result<Vec<ConversationRow>> {
    conn.all(
        sql!(concat!(
            "SELECT ",
            columns!(),
            " FROM gmail_conversations WHERE id IN
                (SELECT l.conversation_id FROM gmail_links AS l JOIN gmail_messages AS m ON m.key = l.message_key
                 WHERE m.credential_key = $1 AND m.thread_id = $2) ORDER BY id"
        )),
        args![credential, thread],
    )
    .await
}

/// Notes that a message stands in a conversation, and what that makes its last one; false if it stood there.
pub(crate) async fn link_message(
    tx: &mut Tx,
    conversation: i64,
    message: &super::MessageRow,
    now: Timestamp,
) -> Result<bool> {
    let linked = tx
        .exec(
            sql!(
                "INSERT INTO gmail_links (conversation_id, message_key, received_at) VALUES ($1, $2, $3)
                 ON CONFLICT DO NOTHING"
            ),
            args![conversation, &message.key, message.received_at],
        )
        .await?;
    if linked == 0 {
        return Ok(false);
    }
    let inbound = (message.direction == crate::model::Direction::In).then_some(message.received_at);
    tx.exec(
        sql!(
            "UPDATE gmail_conversations SET message_count = message_count + 1,
                last_message_key = CASE WHEN last_message_at IS NULL OR last_message_at <= $3 THEN $2
                                        ELSE last_message_key END,
                last_message_at = CASE WHEN last_message_at IS NULL OR last_message_at <= $3 THEN $3
                                       ELSE last_message_at END,
                last_inbound_at = CASE WHEN CAST($4 AS BIGINT) IS NULL THEN last_inbound_at
                                       WHEN last_inbound_at IS NULL OR last_inbound_at < $4 THEN $4
                                       ELSE last_inbound_at END,
                updated_at = $5
             WHERE id = $1"
        ),
        args![conversation, &message.key, message.received_at, inbound, now],
    )
    .await?;
    Ok(true)
}

/// Notes what a locked conversation's counterpart calls themselves.
pub(crate) async fn name_counterpart(tx: &mut Tx, conversation: i64, name: &str) -> Result<()> {
    tx.exec(sql!("UPDATE gmail_conversations SET name = $2 WHERE id = $1"), args![conversation, name])
        .await
        .map(drop)
}
