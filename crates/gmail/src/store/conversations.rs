//! SQL on `gmail_conversations` and `gmail_links`: an account and a counterpart, and which messages they exchanged.

use std::collections::HashSet;

use db::{Conn, FromRow, Result, Row, Tx, args, sql};
use kernel::{PageRequest, Timestamp};

use super::MessageRow;
use crate::model::{Direction, MailKind};

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
        /// Why the listing of that was given up.
        pub(crate) backfill_error: Option<String>,
        pub(crate) created_at: Timestamp,
        pub(crate) updated_at: Timestamp,
    }
}

/// The columns of a [`ConversationRow`].
macro_rules! columns {
    () => {
        "id, user_id, credential_key, user_email, counterpart, address, name, kb_id, held, away_until, last_message_key,
         last_message_at, last_inbound_at, message_count, backfilled_at, backfill_error, created_at, updated_at"
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

/// Adds one whose account and counterpart have none; its account's row is locked.
pub(crate) async fn insert_conversation(tx: &mut Tx, c: &ConversationRow) -> Result<()> {
    tx.exec(
        sql!(
            "INSERT INTO gmail_conversations (id, user_id, credential_key, user_email, counterpart, address, kb_id, held,
                message_count, created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, $9, $9)"
        ),
        args![
            c.id,
            &c.user_id,
            &c.credential_key,
            &c.user_email,
            &c.counterpart,
            &c.address,
            &c.kb_id,
            c.held,
            c.created_at
        ],
    )
    .await
    .map(drop)
}

/// What its owner sets, of one that is locked.
pub(crate) async fn update_conversation(tx: &mut Tx, c: &ConversationRow, now: Timestamp) -> Result<()> {
    tx.exec(
        sql!("UPDATE gmail_conversations SET kb_id = $2, held = $3, updated_at = $4 WHERE id = $1"),
        args![c.id, &c.kb_id, c.held, now],
    )
    .await
    .map(drop)
}

/// Locks all of an account until the transaction ends, in order: while one of them goes, no message of it comes into
/// another. Their ids.
pub(crate) async fn lock_conversations_of(tx: &mut Tx, credential: &str) -> Result<Vec<i64>> {
    let rows: Vec<(i64,)> = tx
        .all(
            sql!(
                sqlite: "SELECT id FROM gmail_conversations WHERE credential_key = $1 ORDER BY id",
                postgres: "SELECT id FROM gmail_conversations WHERE credential_key = $1 ORDER BY id FOR UPDATE"
            ),
            args![credential],
        )
        .await?;
    Ok(rows.into_iter().map(|(id,)| id).collect())
}

/// Removes one with all that is said of it, and its messages that stand in no other. All of its account are locked. A
/// person's mails that wait to be sent stay, without it.
pub(crate) async fn delete_conversation(tx: &mut Tx, id: i64) -> Result<()> {
    /// The messages that stand in this conversation alone.
    macro_rules! alone {
        () => {
            "(SELECT l.message_key FROM gmail_links AS l WHERE l.conversation_id = $1 AND NOT EXISTS
                (SELECT 1 FROM gmail_links AS o WHERE o.message_key = l.message_key AND o.conversation_id <> $1))"
        };
    }
    for statement in [
        sql!(concat!("DELETE FROM gmail_terms WHERE message_key IN ", alone!())),
        sql!(concat!("DELETE FROM gmail_parts WHERE message_key IN ", alone!())),
        sql!(concat!("DELETE FROM gmail_messages WHERE key IN ", alone!())),
        sql!("DELETE FROM gmail_links WHERE conversation_id = $1"),
        sql!("DELETE FROM gmail_notes WHERE conversation_id = $1"),
        sql!("DELETE FROM gmail_summaries WHERE conversation_id = $1"),
        sql!("DELETE FROM gmail_backfills WHERE conversation_id = $1"),
        sql!("DELETE FROM gmail_goals WHERE conversation_id = $1"),
        sql!("DELETE FROM gmail_replies WHERE conversation_id = $1"),
        sql!("DELETE FROM gmail_decisions WHERE conversation_id = $1"),
        sql!("UPDATE gmail_outbox SET conversation_id = NULL WHERE conversation_id = $1"),
        sql!("DELETE FROM gmail_conversations WHERE id = $1"),
    ] {
        tx.exec(statement, args![id]).await?;
    }
    Ok(())
}

/// Which conversations a page shows: a user's, with an account (its key) and a counterpart (`mail::normal_form`) if these
/// are given, with or without unread mails, with or without mails in the inbox.
pub(crate) struct ConversationFilter<'a> {
    pub(crate) user: &'a str,
    pub(crate) credential: Option<&'a str>,
    pub(crate) address: Option<&'a str>,
    pub(crate) unread: Option<bool>,
    pub(crate) in_inbox: Option<bool>,
}

/// A conversation as Gmail shows it.
pub(crate) struct ListedConversation {
    pub(crate) row: ConversationRow,
    /// How many mails that came in it are unread.
    pub(crate) unread: i64,
    /// How many of its mails lie in the inbox.
    pub(crate) in_inbox: i64,
}

impl FromRow for ListedConversation {
    fn from_row(row: &Row<'_>) -> Result<Self> {
        let (unread, in_inbox) = (row.get(ConversationRow::COLUMNS)?, row.get(ConversationRow::COLUMNS + 1)?);
        Ok(Self { row: ConversationRow::from_row(row)?, unread, in_inbox })
    }
}

/// How many mails of a conversation that came are unread in Gmail, and how many lie in the inbox.
pub(crate) async fn marks(conn: &mut Conn, conversation: i64) -> Result<(i64, i64)> {
    conn.one(
        sql!(
            "SELECT (SELECT COUNT(*) FROM gmail_links WHERE conversation_id = $1 AND unread),
                (SELECT COUNT(*) FROM gmail_links WHERE conversation_id = $1 AND inbox)"
        ),
        args![conversation],
    )
    .await
}

/// A page, the one with the newest message first, and how many there are.
pub(crate) async fn conversations(
    conn: &mut Conn,
    f: &ConversationFilter<'_>,
    page: PageRequest,
) -> Result<(Vec<ListedConversation>, i64)> {
    /// Where they are.
    macro_rules! narrowed {
        () => {
            " FROM gmail_conversations WHERE user_id = $1
              AND (CAST($2 AS TEXT) IS NULL OR credential_key = $2) AND (CAST($3 AS TEXT) IS NULL OR address = $3)
              AND (CAST($4 AS BOOLEAN) IS NULL OR $4 = EXISTS (SELECT 1 FROM gmail_links AS l
                    WHERE l.conversation_id = gmail_conversations.id AND l.unread))
              AND (CAST($5 AS BOOLEAN) IS NULL OR $5 = EXISTS (SELECT 1 FROM gmail_links AS l
                    WHERE l.conversation_id = gmail_conversations.id AND l.inbox))"
        };
    }
    let rows = conn
        .all(
            sql!(concat!(
                // The page first: what is unread is counted for what it shows alone.
                "SELECT ",
                columns!(),
                ", (SELECT COUNT(*) FROM gmail_links AS l WHERE l.conversation_id = c.id AND l.unread),
                 (SELECT COUNT(*) FROM gmail_links AS l WHERE l.conversation_id = c.id AND l.inbox)
                 FROM (SELECT ",
                columns!(),
                narrowed!(),
                " ORDER BY COALESCE(last_message_at, created_at) DESC, id DESC LIMIT $6 OFFSET $7) AS c
                 ORDER BY COALESCE(last_message_at, created_at) DESC, id DESC"
            )),
            args![f.user, f.credential, f.address, f.unread, f.in_inbox, page.size, page.offset()],
        )
        .await?;
    let (count,) = conn
        .one(
            sql!(concat!("SELECT COUNT(*)", narrowed!())),
            args![f.user, f.credential, f.address, f.unread, f.in_inbox],
        )
        .await?;
    Ok((rows, count))
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

db::row! {
    /// What matters of a message for the conversations in which it stands.
    #[derive(Debug, Clone)]
    pub(crate) struct StandingRow {
        pub(crate) key: String,
        pub(crate) direction: Direction,
        pub(crate) received_at: Timestamp,
        pub(crate) kind: MailKind,
        pub(crate) from_address: String,
        /// A JSON list of `{name, address}`.
        pub(crate) reply_to: String,
        /// A JSON list.
        pub(crate) labels: String,
    }
}

impl From<&MessageRow> for StandingRow {
    fn from(m: &MessageRow) -> Self {
        Self {
            key: m.key.clone(),
            direction: m.direction,
            received_at: m.received_at,
            kind: m.kind,
            from_address: m.from_address.clone(),
            reply_to: m.reply_to.clone(),
            labels: m.labels.clone(),
        }
    }
}

impl StandingRow {
    /// Whether this is the word of the person with this address (`mail::normal_form`): no machine's, and nobody else's.
    fn is_word_of(&self, address: &str) -> bool {
        let answered = || -> Vec<String> {
            let all: Vec<serde_json::Value> = serde_json::from_str(&self.reply_to).unwrap_or_default();
            all.iter().filter_map(|m| m.get("address")?.as_str()).map(mail::normal_form).collect()
        };
        self.direction == Direction::In
            && matches!(self.kind, MailKind::Reply | MailKind::OptOut)
            && (mail::normal_form(&self.from_address) == address || answered().iter().any(|a| a == address))
    }

    fn is_unread(&self) -> bool {
        self.direction == Direction::In && self.labels.contains("\"UNREAD\"")
    }
}

/// What matters of a message that is kept.
pub(crate) async fn standing(conn: &mut Conn, key: &str) -> Result<Option<StandingRow>> {
    conn.opt(
        sql!(
            "SELECT key, direction, received_at, kind, from_address, reply_to, labels FROM gmail_messages
             WHERE key = $1"
        ),
        args![key],
    )
    .await
}

/// Those of Gmail's ids that stand in a conversation.
pub(crate) async fn standing_ids(
    conn: &mut Conn,
    credential: &str,
    conversation: i64,
    gmail_ids: &[String],
) -> Result<HashSet<String>> {
    let rows: Vec<(String,)> = conn
        .all(
            sql!(
                sqlite: "SELECT m.gmail_id FROM gmail_messages AS m
                         JOIN gmail_links AS l ON l.message_key = m.key AND l.conversation_id = $2
                         WHERE m.credential_key = $1 AND m.gmail_id IN (SELECT value FROM json_each($3))",
                postgres: "SELECT m.gmail_id FROM gmail_messages AS m
                           JOIN gmail_links AS l ON l.message_key = m.key AND l.conversation_id = $2
                           WHERE m.credential_key = $1 AND m.gmail_id = ANY($3::TEXT[])"
            ),
            args![credential, conversation, gmail_ids],
        )
        .await?;
    Ok(rows.into_iter().map(|(id,)| id).collect())
}

/// Notes that a message stands in a locked conversation, and what that makes its last one; false if it stood there.
pub(crate) async fn link_message(
    tx: &mut Tx,
    conversation: &ConversationRow,
    message: &StandingRow,
    now: Timestamp,
) -> Result<bool> {
    let theirs = message.is_word_of(&conversation.address);
    let linked = tx
        .exec(
            sql!(
                "INSERT INTO gmail_links (conversation_id, message_key, received_at, theirs, unread, inbox)
                 VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING"
            ),
            args![
                conversation.id,
                &message.key,
                message.received_at,
                theirs,
                message.is_unread(),
                message.labels.contains("\"INBOX\"")
            ],
        )
        .await?;
    if linked == 0 {
        return Ok(false);
    }
    let inbound = theirs.then_some(message.received_at);
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
        args![conversation.id, &message.key, message.received_at, inbound, now],
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
