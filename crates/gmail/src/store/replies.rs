//! SQL on `gmail_replies`: what the assistant proposes and what became of it; and what the automatic reply must know of
//! other tables before it says yes.

use db::{Conn, FromRow, Result, Row, Tx, args, sql};
use kernel::Timestamp;

use crate::model::{Direction, ReplyState, Source};

db::row! {
    /// A proposed reply.
    #[derive(Debug, Clone)]
    pub(crate) struct ReplyRow {
        pub(crate) id: i64,
        pub(crate) user_id: String,
        pub(crate) conversation_id: i64,
        /// The account that it would leave by.
        pub(crate) credential_key: String,
        /// The counterpart, as `mail::normal_form` has it.
        pub(crate) address: String,
        pub(crate) thread_id: Option<String>,
        pub(crate) goal_id: Option<i64>,
        /// The mail that it answers; of a follow-up our own; `None`: the conversation's first.
        pub(crate) based_on: Option<String>,
        /// Which follow-up of its goal it is, from 1.
        pub(crate) step: Option<i64>,
        pub(crate) state: ReplyState,
        pub(crate) text: String,
        /// A JSON list of texts.
        pub(crate) alternatives: String,
        pub(crate) summary: String,
        /// Why a person should look, or what the assistant says of it.
        pub(crate) reason: String,
        pub(crate) confidence: f64,
        pub(crate) needs_human: bool,
        pub(crate) suspicious: bool,
        /// [`assistant::GoalProgress`]: how far it brings the goal.
        pub(crate) progress: String,
        pub(crate) engine: String,
        pub(crate) degraded: bool,
        /// A JSON list of `{id, question}`.
        pub(crate) facts: String,
        /// A JSON list of links that nobody had given, and that were taken out.
        pub(crate) removed_links: String,
        pub(crate) outbox_id: Option<String>,
        pub(crate) decided_at: Option<Timestamp>,
        pub(crate) created_at: Timestamp,
    }
}

/// The columns of a [`ReplyRow`].
macro_rules! columns {
    () => {
        "id, user_id, conversation_id, credential_key, address, thread_id, goal_id, based_on, step, state, text,
         alternatives, summary, reason, confidence, needs_human, suspicious, progress, engine, degraded, facts,
         removed_links, outbox_id, decided_at, created_at"
    };
}

/// A user's by its id.
pub(crate) async fn reply(conn: &mut Conn, user: &str, id: i64) -> Result<Option<ReplyRow>> {
    conn.opt(
        sql!(concat!("SELECT ", columns!(), " FROM gmail_replies WHERE id = $1 AND user_id = $2")),
        args![id, user],
    )
    .await
}

/// The one that a mail in the outbox came of.
pub(crate) async fn reply_of_send(conn: &mut Conn, outbox_id: &str) -> Result<Option<ReplyRow>> {
    conn.opt(
        sql!(concat!("SELECT ", columns!(), " FROM gmail_replies WHERE outbox_id = $1")),
        args![outbox_id],
    )
    .await
}

/// A reply with what it is shown with.
#[derive(Debug, Clone)]
pub(crate) struct ShownReply {
    pub(crate) reply: ReplyRow,
    pub(crate) goal: Option<String>,
    pub(crate) from_name: Option<String>,
    /// `None` where it answers no mail, or that has gone.
    pub(crate) from_address: Option<String>,
    pub(crate) subject: Option<String>,
    pub(crate) new_text: Option<String>,
    pub(crate) gmail_id: Option<String>,
    pub(crate) direction: Option<Direction>,
    pub(crate) reply_to: Option<String>,
    pub(crate) counterpart: Option<String>,
}

impl FromRow for ShownReply {
    fn from_row(row: &Row<'_>) -> Result<Self> {
        let at = ReplyRow::COLUMNS;
        Ok(Self {
            reply: ReplyRow::from_row(row)?,
            goal: row.get(at)?,
            from_name: row.get(at + 1)?,
            from_address: row.get(at + 2)?,
            subject: row.get(at + 3)?,
            new_text: row.get(at + 4)?,
            gmail_id: row.get(at + 5)?,
            direction: row.get(at + 6)?,
            reply_to: row.get(at + 7)?,
            counterpart: row.get(at + 8)?,
        })
    }
}

/// Which replies are meant; `None`: whichever.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct WhichReplies {
    pub(crate) id: Option<i64>,
    pub(crate) conversation: Option<i64>,
    pub(crate) state: Option<ReplyState>,
}

/// A page of a user's; the newest first. With how many there are.
pub(crate) async fn replies(
    conn: &mut Conn,
    user: &str,
    which: WhichReplies,
    (limit, offset): (i64, i64),
) -> Result<(Vec<ShownReply>, i64)> {
    let rows = conn
        .all(
            sql!(
                "SELECT r.id, r.user_id, r.conversation_id, r.credential_key, r.address, r.thread_id, r.goal_id, r.based_on,
                    r.step, r.state, r.text, r.alternatives, r.summary, r.reason, r.confidence, r.needs_human, r.suspicious,
                    r.progress, r.engine, r.degraded, r.facts, r.removed_links, r.outbox_id, r.decided_at, r.created_at,
                    g.goal_description, m.from_name, m.from_address, m.subject, m.new_text, m.gmail_id, m.direction,
                    m.reply_to, c.counterpart
                 FROM gmail_replies AS r LEFT JOIN gmail_goals AS g ON g.id = r.goal_id
                    LEFT JOIN gmail_messages AS m ON m.key = r.based_on
                    LEFT JOIN gmail_conversations AS c ON c.id = r.conversation_id
                 WHERE r.user_id = $1
                    AND (CAST($2 AS BIGINT) IS NULL OR r.id = $2)
                    AND (CAST($3 AS BIGINT) IS NULL OR r.conversation_id = $3)
                    AND (CAST($4 AS TEXT) IS NULL OR r.state = $4)
                 ORDER BY r.id DESC LIMIT $5 OFFSET $6"
            ),
            args![user, which.id, which.conversation, which.state, limit, offset],
        )
        .await?;
    let (count,): (i64,) = conn
        .one(
            sql!(
                "SELECT COUNT(*) FROM gmail_replies WHERE user_id = $1
                    AND (CAST($2 AS BIGINT) IS NULL OR id = $2)
                    AND (CAST($3 AS BIGINT) IS NULL OR conversation_id = $3)
                    AND (CAST($4 AS TEXT) IS NULL OR state = $4)"
            ),
            args![user, which.id, which.conversation, which.state],
        )
        .await?;
    Ok((rows, count))
}

/// Adds one.
pub(crate) async fn insert_reply(tx: &mut Tx, r: &ReplyRow) -> Result<()> {
    tx.exec(
        sql!(concat!(
            "INSERT INTO gmail_replies (",
            columns!(),
            ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22,
                $23, $24, $25)"
        )),
        args![
            r.id,
            &r.user_id,
            r.conversation_id,
            &r.credential_key,
            &r.address,
            &r.thread_id,
            r.goal_id,
            &r.based_on,
            r.step,
            r.state,
            &r.text,
            &r.alternatives,
            &r.summary,
            &r.reason,
            r.confidence,
            r.needs_human,
            r.suspicious,
            &r.progress,
            &r.engine,
            r.degraded,
            &r.facts,
            &r.removed_links,
            &r.outbox_id,
            r.decided_at,
            r.created_at
        ],
    )
    .await
    .map(drop)
}

/// Notes what became of one, and the text that left.
pub(crate) async fn settle_reply(
    tx: &mut Tx,
    id: i64,
    state: ReplyState,
    (text, outbox_id): (Option<&str>, Option<&str>),
    now: Timestamp,
) -> Result<()> {
    tx.exec(
        sql!(
            "UPDATE gmail_replies SET state = $2, text = COALESCE($3, text), outbox_id = COALESCE($4, outbox_id),
                decided_at = $5
             WHERE id = $1"
        ),
        args![id, state, text, outbox_id, now],
    )
    .await
    .map(drop)
}

/// A reply that was to leave is waiting, or stale, again: its mail was taken back.
pub(crate) async fn reopen_reply(tx: &mut Tx, id: i64, state: ReplyState, now: Timestamp) -> Result<()> {
    tx.exec(
        sql!(
            "UPDATE gmail_replies SET state = $2, outbox_id = NULL,
                decided_at = CASE WHEN CAST($2 AS TEXT) = 'waiting' THEN NULL ELSE CAST($3 AS BIGINT) END
             WHERE id = $1 AND state IN ('approved', 'automatic')"
        ),
        args![id, state, now],
    )
    .await
    .map(drop)
}

/// The same for those whose mails these are: they wait for a person.
pub(crate) async fn reopen_replies_of(tx: &mut Tx, outbox_ids: &[String]) -> Result<()> {
    for id in outbox_ids {
        tx.exec(
            sql!(
                "UPDATE gmail_replies SET state = 'waiting', outbox_id = NULL, decided_at = NULL
                 WHERE outbox_id = $1 AND state = 'automatic'"
            ),
            args![id],
        )
        .await?;
    }
    Ok(())
}

/// The conversation went on: what waits in it is stale. How many.
pub(crate) async fn make_stale(tx: &mut Tx, conversation: i64, now: Timestamp) -> Result<u64> {
    tx.exec(
        sql!(
            "UPDATE gmail_replies SET state = 'stale', decided_at = $2 WHERE conversation_id = $1 AND state = 'waiting'"
        ),
        args![conversation, now],
    )
    .await
}

/// Whether a mail was answered by itself, whatever became of the answer.
pub(crate) async fn was_answered(conn: &mut Conn, message: &str) -> Result<bool> {
    let row: Option<(i64,)> = conn
        .opt(sql!("SELECT id FROM gmail_replies WHERE based_on = $1 AND state = 'automatic'"), args![message])
        .await?;
    Ok(row.is_some())
}

/// Whether the same mail, which several accounts have got, was answered by itself by any of them, and that was not taken
/// back. Whoever relies on it holds [`lock_counters`].
pub(crate) async fn was_answered_elsewhere(conn: &mut Conn, rfc_message_id: &str) -> Result<bool> {
    let row: Option<(i64,)> = conn
        .opt(
            sql!(
                "SELECT r.id FROM gmail_messages AS m JOIN gmail_replies AS r ON r.based_on = m.key AND r.state = 'automatic'
                 WHERE m.rfc_message_id = $1 AND m.direction = 'in'
                    AND NOT EXISTS (SELECT 1 FROM gmail_outbox AS o WHERE o.id = r.outbox_id AND o.state = 'cancelled')
                 LIMIT 1"
            ),
            args![rfc_message_id],
        )
        .await?;
    Ok(row.is_some())
}

/// The last that went out by itself in a conversation before reply `before`, if it was not taken back.
pub(crate) async fn last_automatic(
    conn: &mut Conn,
    conversation: i64,
    before: i64,
) -> Result<Option<String>> {
    let row: Option<(String,)> = conn
        .opt(
            sql!(
                "SELECT r.text FROM gmail_replies AS r
                 WHERE r.conversation_id = $1 AND r.state = 'automatic' AND r.id < $2
                    AND NOT EXISTS (SELECT 1 FROM gmail_outbox AS o WHERE o.id = r.outbox_id AND o.state = 'cancelled')
                 ORDER BY r.id DESC LIMIT 1"
            ),
            args![conversation, before],
        )
        .await?;
    Ok(row.map(|(text,)| text))
}

db::row! {
    /// How many mails went out by themselves, those that were taken back not counted.
    #[derive(Debug, Clone, Default)]
    pub(crate) struct AutomaticCounts {
        /// In the thread, ever.
        pub(crate) thread: i64,
        /// When the last one in the thread was written.
        pub(crate) last_in_thread: Option<Timestamp>,
        /// To the counterpart, from whichever account, in 24 hours.
        pub(crate) contact: i64,
        /// By the account in an hour.
        pub(crate) hour: i64,
        /// By the account in 24 hours.
        pub(crate) day: i64,
        /// By all accounts in 24 hours.
        pub(crate) all: i64,
        /// Of the account's, how many left in the last hour, whenever they were written.
        pub(crate) left: i64,
    }
}

/// Whose mails are counted, and since when.
pub(crate) struct Counted<'a> {
    pub(crate) credential: &'a str,
    pub(crate) thread: Option<&'a str>,
    pub(crate) address: &'a str,
    /// Replies from this one on are not counted.
    pub(crate) before: i64,
    pub(crate) an_hour_ago: Timestamp,
    pub(crate) a_day_ago: Timestamp,
}

/// Counts. Whoever relies on it holds [`lock_counters`].
pub(crate) async fn automatic_counts(conn: &mut Conn, c: &Counted<'_>) -> Result<AutomaticCounts> {
    conn.one(
        sql!(
            "WITH gone AS (
                SELECT r.credential_key, r.thread_id, r.address, r.created_at FROM gmail_replies AS r
                WHERE r.state = 'automatic' AND r.id < $4
                    AND (r.created_at > $6 OR (r.credential_key = $1 AND r.thread_id = $2))
                    AND NOT EXISTS (SELECT 1 FROM gmail_outbox AS o WHERE o.id = r.outbox_id AND o.state = 'cancelled'))
             SELECT
                COALESCE(SUM(CASE WHEN credential_key = $1 AND thread_id = $2 THEN 1 ELSE 0 END), 0),
                MAX(CASE WHEN credential_key = $1 AND thread_id = $2 THEN created_at END),
                COALESCE(SUM(CASE WHEN address = $3 AND created_at > $6 THEN 1 ELSE 0 END), 0),
                COALESCE(SUM(CASE WHEN credential_key = $1 AND created_at > $5 THEN 1 ELSE 0 END), 0),
                COALESCE(SUM(CASE WHEN credential_key = $1 AND created_at > $6 THEN 1 ELSE 0 END), 0),
                COALESCE(SUM(CASE WHEN created_at > $6 THEN 1 ELSE 0 END), 0),
                (SELECT COUNT(*) FROM gmail_outbox AS o
                 WHERE o.credential_key = $1 AND o.counted_at > $5 AND o.source IN ('auto_reply', 'follow_up'))
             FROM gone"
        ),
        args![c.credential, c.thread, c.address, c.before, c.an_hour_ago, c.a_day_ago],
    )
    .await
}

/// Lets nobody else count or add automatic mails until the transaction ends, in any process. After the conversation's
/// lock, before anything is counted.
pub(crate) async fn lock_counters(tx: &mut Tx) -> Result<()> {
    tx.exec(
        sql!(
            "INSERT INTO gmail_counters (scope, span, n) VALUES ('automatic', 0, 1)
             ON CONFLICT (scope, span) DO UPDATE SET n = gmail_counters.n + 1"
        ),
        args![],
    )
    .await
    .map(drop)
}

/// The addresses of all accounts of the installation, each with its aliases (JSON).
pub(crate) async fn all_addresses(conn: &mut Conn) -> Result<Vec<(String, String)>> {
    conn.all(sql!("SELECT address, aliases FROM gmail_credentials"), args![]).await
}

/// Whether a Message-ID is one that was written here, for whichever account.
pub(crate) async fn is_own_message_id(conn: &mut Conn, message_id: &str) -> Result<bool> {
    let row: Option<(i64,)> =
        conn.opt(sql!("SELECT 1 FROM gmail_outbox WHERE message_id = $1"), args![message_id]).await?;
    Ok(row.is_some())
}

/// Why an address gets no more mail of a user.
pub(crate) async fn suppressed_for(conn: &mut Conn, user: &str, address: &str) -> Result<Option<String>> {
    let row: Option<(String,)> = conn
        .opt(
            sql!("SELECT reason FROM gmail_suppressions WHERE user_id = $1 AND address IN ($2, $3) LIMIT 1"),
            args![user, address, &crate::model::address_key(address)],
        )
        .await?;
    Ok(row.map(|(reason,)| reason))
}

/// Whether a person put a mail into the conversation's outbox after `since`, and it left or will.
pub(crate) async fn person_sent_since(conn: &mut Conn, conversation: i64, since: Timestamp) -> Result<bool> {
    let row: Option<(i64,)> = conn
        .opt(
            sql!(
                "SELECT 1 FROM gmail_outbox WHERE conversation_id = $1 AND source IN ('person', 'approved')
                    AND state NOT IN ('failed', 'cancelled') AND created_at > $2 LIMIT 1"
            ),
            args![conversation, since],
        )
        .await?;
    Ok(row.is_some())
}

/// Whether a mail that nobody looked at leaves just now, or left after `since`.
pub(crate) async fn automatic_left_since(
    conn: &mut Conn,
    conversation: i64,
    since: Timestamp,
) -> Result<bool> {
    let row: Option<(i64,)> = conn
        .opt(
            sql!(
                "SELECT 1 FROM gmail_outbox WHERE conversation_id = $1 AND source IN ('auto_reply', 'follow_up')
                    AND (state IN ('sending', 'unknown') OR state = 'sent' AND sent_at > $2) LIMIT 1"
            ),
            args![conversation, since],
        )
        .await?;
    Ok(row.is_some())
}

/// Who asked for a mail in the outbox.
pub(crate) async fn asked_by(conn: &mut Conn, outbox_id: &str) -> Result<Option<Source>> {
    let row: Option<(Source,)> =
        conn.opt(sql!("SELECT source FROM gmail_outbox WHERE id = $1"), args![outbox_id]).await?;
    Ok(row.map(|(source,)| source))
}

/// The key of the newest mail that somebody wrote to the account in a conversation; where there is none, of any that came.
pub(crate) async fn newest_inbound(conn: &mut Conn, conversation: i64) -> Result<Option<String>> {
    let row: Option<(String,)> = conn
        .opt(
            sql!(
                "SELECT m.key FROM gmail_links AS l JOIN gmail_messages AS m ON m.key = l.message_key
                 WHERE l.conversation_id = $1 AND m.direction = 'in'
                 ORDER BY CASE WHEN m.kind IN ('reply', 'opt_out') THEN 0 ELSE 1 END, l.received_at DESC,
                    l.message_key DESC LIMIT 1"
            ),
            args![conversation],
        )
        .await?;
    Ok(row.map(|(key,)| key))
}

/// Whether a Message-ID is that of a mail that the account sent.
pub(crate) async fn is_sent_by(conn: &mut Conn, credential: &str, message_id: &str) -> Result<bool> {
    let row: Option<(i64,)> = conn
        .opt(
            sql!(
                "SELECT 1 FROM gmail_messages WHERE credential_key = $1 AND rfc_message_id = $2 AND direction = 'out'
                 LIMIT 1"
            ),
            args![credential, message_id],
        )
        .await?;
    Ok(row.is_some())
}
