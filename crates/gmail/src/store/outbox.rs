//! SQL on `gmail_outbox` and `gmail_recipients`: the mails that go out, and to whom.
//!
//! A mail's state is changed only from the state that it is thought to be in, so that of two who change it one wins.

use db::{Conn, Result, Tx, args, sql};
use kernel::{PageRequest, Timestamp};

use crate::model::{SendState, Source};

db::row! {
    /// A mail on its way out.
    #[derive(Debug, Clone)]
    pub(crate) struct OutboxRow {
        /// `gout_…`
        pub(crate) id: String,
        pub(crate) user_id: String,
        pub(crate) credential_key: String,
        pub(crate) conversation_id: Option<i64>,
        pub(crate) idempotency_key: Option<String>,
        /// What the key was used for; empty without one.
        pub(crate) fingerprint: Vec<u8>,
        pub(crate) source: Source,
        pub(crate) state: SendState,
        /// The Message-ID that it is given, without brackets.
        pub(crate) message_id: String,
        /// JSON: what it says, and to whom.
        pub(crate) envelope: String,
        pub(crate) answers_key: Option<String>,
        pub(crate) reply_id: Option<i64>,
        pub(crate) goal_id: Option<i64>,
        pub(crate) due_at: Timestamp,
        /// Which dispatch sends it: another one after each `retry`.
        pub(crate) dispatch_no: i64,
        /// Of the attempt that had it last.
        pub(crate) fence: i64,
        /// How often it was looked for in vain since it may have left.
        pub(crate) lookups: i64,
        /// How often it was given to Gmail.
        pub(crate) sends: i64,
        /// Since when it may have left.
        pub(crate) attempted_at: Option<Timestamp>,
        /// When it was counted among the account's mails of a day; the mail's date.
        pub(crate) counted_at: Option<Timestamp>,
        pub(crate) gmail_id: Option<String>,
        pub(crate) thread_id: Option<String>,
        /// The Message-ID that Gmail gave it, without brackets.
        pub(crate) sent_message_id: Option<String>,
        pub(crate) sent_at: Option<Timestamp>,
        /// Why it has not left yet.
        pub(crate) waiting_reason: Option<String>,
        /// When it is tried again.
        pub(crate) waiting_until: Option<Timestamp>,
        /// Why it will not leave.
        pub(crate) error: Option<String>,
        /// Google's word for it, or ours.
        pub(crate) error_code: Option<String>,
        pub(crate) created_at: Timestamp,
        pub(crate) updated_at: Timestamp,
    }
}

/// The columns of an [`OutboxRow`].
macro_rules! columns {
    () => {
        "id, user_id, credential_key, conversation_id, idempotency_key, fingerprint, source, state, message_id, envelope,
         answers_key, reply_id, goal_id, due_at, dispatch_no, fence, lookups, sends, attempted_at, counted_at, gmail_id,
         thread_id, sent_message_id, sent_at, waiting_reason, waiting_until, error, error_code, created_at, updated_at"
    };
}

/// The topic of notices that a mail's state has changed; the payload is its id.
pub(crate) const OUTBOX_TOPIC: &str = "gmail.outbox";

/// One by its id.
pub(crate) async fn outbox(conn: &mut Conn, id: &str) -> Result<Option<OutboxRow>> {
    conn.opt(sql!(concat!("SELECT ", columns!(), " FROM gmail_outbox WHERE id = $1")), args![id]).await
}

/// The one that a user put there under this key.
pub(crate) async fn outbox_by_key(conn: &mut Conn, user: &str, key: &str) -> Result<Option<OutboxRow>> {
    conn.opt(
        sql!(concat!(
            "SELECT ",
            columns!(),
            " FROM gmail_outbox WHERE user_id = $1 AND idempotency_key = $2"
        )),
        args![user, key],
    )
    .await
}

/// The one that an account sent under this Message-ID, ours or Gmail's.
pub(crate) async fn outbox_by_message_id(
    conn: &mut Conn,
    credential: &str,
    message_id: &str,
) -> Result<Option<OutboxRow>> {
    conn.opt(
        sql!(concat!(
            "SELECT ",
            columns!(),
            " FROM gmail_outbox WHERE id =
                (SELECT id FROM gmail_outbox WHERE credential_key = $1 AND message_id = $2
                 UNION SELECT id FROM gmail_outbox WHERE credential_key = $1 AND sent_message_id = $2
                 ORDER BY id LIMIT 1)"
        )),
        args![credential, message_id],
    )
    .await
}

/// What a list is narrowed to.
#[derive(Debug, Default)]
pub(crate) struct OutboxFilter {
    pub(crate) state: Option<SendState>,
    pub(crate) conversation_id: Option<i64>,
}

/// A user's, the newest first.
pub(crate) async fn outbox_list(
    conn: &mut Conn,
    user: &str,
    f: &OutboxFilter,
    page: PageRequest,
) -> Result<Vec<OutboxRow>> {
    conn.all(
        sql!(concat!(
            "SELECT ",
            columns!(),
            " FROM gmail_outbox WHERE user_id = $1 AND (CAST($2 AS TEXT) IS NULL OR state = $2)
                AND (CAST($3 AS BIGINT) IS NULL OR conversation_id = $3)
             ORDER BY id DESC LIMIT $4 OFFSET $5"
        )),
        args![user, f.state, f.conversation_id, page.size, page.offset()],
    )
    .await
}

/// How many [`outbox_list`] has on all pages.
pub(crate) async fn outbox_count(conn: &mut Conn, user: &str, f: &OutboxFilter) -> Result<i64> {
    let (count,): (i64,) = conn
        .one(
            sql!(
                "SELECT COUNT(*) FROM gmail_outbox WHERE user_id = $1 AND (CAST($2 AS TEXT) IS NULL OR state = $2)
                    AND (CAST($3 AS BIGINT) IS NULL OR conversation_id = $3)"
            ),
            args![user, f.state, f.conversation_id],
        )
        .await?;
    Ok(count)
}

/// Puts one there; false if its user used the key before.
pub(crate) async fn insert_outbox(tx: &mut Tx, o: &OutboxRow, recipients: &[String]) -> Result<bool> {
    let made = tx
        .exec(
            sql!(
                "INSERT INTO gmail_outbox (id, user_id, credential_key, conversation_id, idempotency_key, fingerprint,
                    source, state, message_id, envelope, answers_key, reply_id, goal_id, due_at, dispatch_no, fence,
                    lookups, sends, created_at, updated_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, 1, 0, 0, 0, $15, $15)
                 ON CONFLICT (user_id, idempotency_key) DO NOTHING"
            ),
            args![
                &o.id,
                &o.user_id,
                &o.credential_key,
                o.conversation_id,
                &o.idempotency_key,
                o.fingerprint.clone(),
                o.source,
                o.state,
                &o.message_id,
                &o.envelope,
                &o.answers_key,
                o.reply_id,
                o.goal_id,
                o.due_at,
                o.created_at
            ],
        )
        .await?;
    if made == 0 {
        return Ok(false);
    }
    for address in recipients {
        tx.exec(
            sql!("INSERT INTO gmail_recipients (address, outbox_id) VALUES ($1, $2) ON CONFLICT DO NOTHING"),
            args![address, &o.id],
        )
        .await?;
    }
    Ok(true)
}

/// Gives a mail that waits to an attempt, and counts it; false if it does not wait (any more).
pub(crate) async fn begin_sending(tx: &mut Tx, id: &str, fence: i64, now: Timestamp) -> Result<bool> {
    tx.notify(OUTBOX_TOPIC, id);
    let begun = tx
        .exec(
            sql!(
                "UPDATE gmail_outbox SET state = 'sending', fence = $2, lookups = 0, sends = sends + 1,
                    attempted_at = $3, counted_at = $3, waiting_reason = NULL, waiting_until = NULL, updated_at = $3
                 WHERE id = $1 AND state = 'held'"
            ),
            args![id, fence, now],
        )
        .await?;
    Ok(begun == 1)
}

/// Gives a mail that may have left to another attempt; false if it is not in doubt, or a later attempt has it.
pub(crate) async fn take_over(tx: &mut Tx, id: &str, fence: i64, now: Timestamp) -> Result<bool> {
    let taken = tx
        .exec(
            sql!(
                "UPDATE gmail_outbox SET state = 'unknown', fence = $2, updated_at = $3
                 WHERE id = $1 AND state IN ('sending', 'unknown') AND fence <= $2"
            ),
            args![id, fence, now],
        )
        .await?;
    Ok(taken == 1)
}

/// Notes that Gmail has it, whatever it was thought to be; false if that was noted before.
pub(crate) async fn note_sent(tx: &mut Tx, id: &str, ids: (&str, &str), now: Timestamp) -> Result<bool> {
    tx.notify(OUTBOX_TOPIC, id);
    let (gmail_id, thread_id) = ids;
    let noted = tx
        .exec(
            sql!(
                "UPDATE gmail_outbox SET state = 'sent', gmail_id = $2, thread_id = $3, sent_at = $4,
                    waiting_reason = NULL, waiting_until = NULL, error = NULL, error_code = NULL, updated_at = $4
                 WHERE id = $1 AND state <> 'sent'"
            ),
            args![id, gmail_id, thread_id, now],
        )
        .await?;
    Ok(noted == 1)
}

/// Notes which Message-ID Gmail keeps it under.
pub(crate) async fn note_message_id(tx: &mut Tx, id: &str, message_id: &str, now: Timestamp) -> Result<()> {
    tx.exec(
        sql!(
            "UPDATE gmail_outbox SET sent_message_id = $2, updated_at = $3 WHERE id = $1 AND state = 'sent'"
        ),
        args![id, message_id, now],
    )
    .await
    .map(drop)
}

/// Why a mail waits, and until when.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Waiting<'a> {
    pub(crate) reason: &'a str,
    pub(crate) until: Timestamp,
}

/// Gives a mail back that certainly has not left: it waits again, and is not counted. False if another attempt has it.
pub(crate) async fn give_back(
    tx: &mut Tx,
    id: &str,
    fence: i64,
    w: Option<Waiting<'_>>,
    now: Timestamp,
) -> Result<bool> {
    tx.notify(OUTBOX_TOPIC, id);
    let given = tx
        .exec(
            sql!(
                "UPDATE gmail_outbox SET state = 'held', attempted_at = NULL, counted_at = NULL, waiting_reason = $3,
                    waiting_until = $4, updated_at = $5
                 WHERE id = $1 AND state IN ('sending', 'unknown') AND fence = $2"
            ),
            args![id, fence, w.map(|w| w.reason), w.map(|w| w.until), now],
        )
        .await?;
    Ok(given == 1)
}

/// Says why a mail that waits, or is in doubt, waits on.
pub(crate) async fn note_waiting(tx: &mut Tx, id: &str, w: Waiting<'_>, now: Timestamp) -> Result<()> {
    tx.notify(OUTBOX_TOPIC, id);
    tx.exec(
        sql!(
            "UPDATE gmail_outbox SET waiting_reason = $2, waiting_until = $3, updated_at = $4
             WHERE id = $1 AND state IN ('held', 'unknown')"
        ),
        args![id, w.reason, w.until, now],
    )
    .await
    .map(drop)
}

/// Puts a mail off that waits: it is due at another time.
pub(crate) async fn put_off(tx: &mut Tx, id: &str, due_at: Timestamp) -> Result<()> {
    tx.exec(sql!("UPDATE gmail_outbox SET due_at = $2 WHERE id = $1 AND state = 'held'"), args![id, due_at])
        .await
        .map(drop)
}

/// Notes that nobody knows whether it left; false if another attempt has it.
pub(crate) async fn note_unknown(
    tx: &mut Tx,
    id: &str,
    (fence, lookups): (i64, i64),
    w: Waiting<'_>,
    now: Timestamp,
) -> Result<bool> {
    tx.notify(OUTBOX_TOPIC, id);
    let noted = tx
        .exec(
            sql!(
                "UPDATE gmail_outbox SET state = 'unknown', lookups = $3, waiting_reason = $4, waiting_until = $5,
                    updated_at = $6
                 WHERE id = $1 AND state IN ('sending', 'unknown') AND fence = $2"
            ),
            args![id, fence, lookups, w.reason, w.until, now],
        )
        .await?;
    Ok(noted == 1)
}

/// How a mail ended that did not leave.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ending<'a> {
    /// `failed` or `cancelled`.
    pub(crate) state: SendState,
    pub(crate) code: &'a str,
    pub(crate) reason: &'a str,
    /// Whether it may have left: then it stays counted.
    pub(crate) in_doubt: bool,
}

/// Ends a mail of whatever state that has not ended; false if it has.
pub(crate) async fn end_outbox(tx: &mut Tx, id: &str, e: Ending<'_>, now: Timestamp) -> Result<bool> {
    tx.notify(OUTBOX_TOPIC, id);
    let ended = tx
        .exec(
            sql!(
                "UPDATE gmail_outbox SET state = $2, error_code = $3, error = $4, waiting_reason = NULL,
                    waiting_until = NULL, counted_at = CASE WHEN $5 THEN counted_at ELSE NULL END, updated_at = $6
                 WHERE id = $1 AND state IN ('held', 'sending', 'unknown')"
            ),
            args![id, e.state, e.code, e.reason, e.in_doubt, now],
        )
        .await?;
    Ok(ended == 1)
}

/// Ends a mail that waits; false if it does not.
pub(crate) async fn end_held(tx: &mut Tx, id: &str, e: Ending<'_>, now: Timestamp) -> Result<bool> {
    tx.notify(OUTBOX_TOPIC, id);
    let ended = tx
        .exec(
            sql!(
                "UPDATE gmail_outbox SET state = $2, error_code = $3, error = $4, waiting_reason = NULL,
                    waiting_until = NULL, updated_at = $5
                 WHERE id = $1 AND state = 'held'"
            ),
            args![id, e.state, e.code, e.reason, now],
        )
        .await?;
    Ok(ended == 1)
}

/// Takes up a mail of a user's that failed, under the next dispatch; false if it has not failed.
pub(crate) async fn retry_outbox(tx: &mut Tx, user: &str, id: &str, now: Timestamp) -> Result<bool> {
    tx.notify(OUTBOX_TOPIC, id);
    let taken = tx
        .exec(
            // What may have left is looked for first.
            sql!(
                "UPDATE gmail_outbox SET state = CASE WHEN attempted_at IS NOT NULL AND counted_at IS NOT NULL
                        THEN 'unknown' ELSE 'held' END,
                    lookups = 0, sends = 0, dispatch_no = dispatch_no + 1, due_at = $3, fence = 0, error = NULL, error_code = NULL,
                    updated_at = $3
                 WHERE id = $2 AND user_id = $1 AND state = 'failed'"
            ),
            args![user, id, now],
        )
        .await?;
    Ok(taken == 1)
}
