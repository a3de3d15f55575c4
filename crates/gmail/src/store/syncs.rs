//! SQL on `gmail_syncs` and `gmail_backfills`: which mailboxes are to be read, and how far they were.
//!
//! What a push writes lies apart from the account's row, so that no push waits for a mail that is being stored.

use db::{Conn, Result, Tx, args, sql};
use kernel::Timestamp;

/// Notes that a mailbox is to be read. The count, and whether nobody reads it yet: then the caller must see to it.
pub(crate) async fn want(
    tx: &mut Tx,
    credential: &str,
    pushed_at: Option<Timestamp>,
    poll_at: Timestamp,
) -> Result<(i64, bool)> {
    let (count, since): (i64, i64) = tx
        .one(
            sql!(
                "INSERT INTO gmail_syncs (credential_key, wanted, active, since, poll_at, pushed_at)
                 VALUES ($1, 1, TRUE, 1, $2, $3)
                 ON CONFLICT (credential_key) DO UPDATE SET wanted = gmail_syncs.wanted + 1, active = TRUE,
                    since = CASE WHEN gmail_syncs.active THEN gmail_syncs.since ELSE gmail_syncs.wanted + 1 END,
                    poll_at = excluded.poll_at,
                    pushed_at = COALESCE(excluded.pushed_at, gmail_syncs.pushed_at)
                 RETURNING wanted, since"
            ),
            args![credential, poll_at, pushed_at],
        )
        .await?;
    Ok((count, count == since))
}

/// How often a mailbox was wanted, if ever.
pub(crate) async fn wanted(conn: &mut Conn, credential: &str) -> Result<Option<i64>> {
    let row: Option<(i64,)> =
        conn.opt(sql!("SELECT wanted FROM gmail_syncs WHERE credential_key = $1"), args![credential]).await?;
    Ok(row.map(|(wanted,)| wanted))
}

/// Ends reading, unless more was wanted since `count`; whether it is ended.
pub(crate) async fn rest(tx: &mut Tx, credential: &str, count: i64, poll_at: Timestamp) -> Result<bool> {
    let rested = tx
        .exec(
            sql!(
                "UPDATE gmail_syncs SET active = FALSE, error = NULL, poll_at = $3
                 WHERE credential_key = $1 AND wanted = $2"
            ),
            args![credential, count, poll_at],
        )
        .await?;
    Ok(rested == 1)
}

/// Lets the next who wants something read: this one gave up, for this reason if it is one to be shown. False if more was
/// wanted since `count`, if that is given.
pub(crate) async fn give_up(
    tx: &mut Tx,
    credential: &str,
    count: Option<i64>,
    error: Option<&str>,
    poll_at: Timestamp,
) -> Result<bool> {
    let ended = tx
        .exec(
            sql!(
                "UPDATE gmail_syncs SET active = FALSE, error = $2, poll_at = $3
                 WHERE credential_key = $1 AND (CAST($4 AS BIGINT) IS NULL OR wanted = $4)"
            ),
            args![credential, error, poll_at, count],
        )
        .await?;
    Ok(ended == 1 || count.is_none())
}

/// Accounts that nobody reads and whose time has come: they were quiet for long, a mail is to be tried again, or something
/// is to be listed once more. One that could not be read is not tried again because of what waits in it.
pub(crate) async fn quiet(conn: &mut Conn, now: Timestamp, tries: i64) -> Result<Vec<String>> {
    let rows: Vec<(String,)> = conn
        .all(
            sql!(
                "SELECT s.credential_key FROM gmail_syncs AS s
                 JOIN gmail_credentials AS c ON c.key = s.credential_key
                 WHERE NOT s.active AND c.status = 'active' AND (s.poll_at <= $1 OR s.error IS NULL AND (EXISTS
                    (SELECT 1 FROM gmail_fetches AS f
                     WHERE f.credential_key = s.credential_key AND f.tries < $2 AND f.next_at <= $1)
                    OR s.relist_at <= $1 OR EXISTS
                    (SELECT 1 FROM gmail_backfills AS b
                     WHERE b.credential_key = s.credential_key AND b.asked_at <= $1)))
                 ORDER BY s.poll_at LIMIT 1000"
            ),
            args![now, tries],
        )
        .await?;
    Ok(rows.into_iter().map(|(key,)| key).collect())
}

/// Since which count a mailbox is being read: the dispatch that does is named after it.
pub(crate) async fn reading_since(conn: &mut Conn, credential: &str) -> Result<Option<i64>> {
    let row: Option<(i64,)> = conn
        .opt(sql!("SELECT since FROM gmail_syncs WHERE credential_key = $1 AND active"), args![credential])
        .await?;
    Ok(row.map(|(since,)| since))
}

db::row! {
    /// A conversation whose past is still to be listed.
    #[derive(Debug, Clone)]
    pub(crate) struct BackfillRow {
        pub(crate) conversation_id: i64,
        /// Whether only large mails are listed yet.
        pub(crate) large: bool,
        /// Where the next page begins; the first without.
        pub(crate) page: Option<String>,
        /// Whether it was listed before.
        pub(crate) again: bool,
        pub(crate) counterpart: String,
        /// The same as `mail::normal_form` has it.
        pub(crate) address: String,
    }
}

/// Notes that a conversation's past is to be listed, from its beginning.
pub(crate) async fn want_backfill(
    tx: &mut Tx,
    credential: &str,
    conversation: i64,
    now: Timestamp,
) -> Result<()> {
    tx.exec(
        sql!(
            "INSERT INTO gmail_backfills (conversation_id, credential_key, large, page, tries, asked_at)
             VALUES ($1, $2, TRUE, NULL, 0, $3)
             ON CONFLICT (conversation_id) DO UPDATE SET large = TRUE, page = NULL, tries = 0, again = FALSE,
                asked_at = excluded.asked_at"
        ),
        args![conversation, credential, now],
    )
    .await?;
    tx.exec(sql!("UPDATE gmail_conversations SET backfill_error = NULL WHERE id = $1"), args![conversation])
        .await
        .map(drop)
}

/// The one that has waited longest, of those whose time has come.
pub(crate) async fn next_backfill(
    conn: &mut Conn,
    credential: &str,
    now: Timestamp,
) -> Result<Option<BackfillRow>> {
    conn.opt(
        sql!(
            "SELECT b.conversation_id, b.large, b.page, b.again, c.counterpart, c.address
             FROM gmail_backfills AS b JOIN gmail_conversations AS c ON c.id = b.conversation_id
             WHERE b.credential_key = $1 AND b.asked_at <= $2 ORDER BY b.asked_at, b.conversation_id LIMIT 1"
        ),
        args![credential, now],
    )
    .await
}

/// Conversations of an account of whose past all is known that ever will be, though nobody noted it: it is listed, or Gmail
/// refused to, and no mail of the account is to be looked at any more, but for those that failed `tries` times.
pub(crate) async fn pasts_to_note(conn: &mut Conn, credential: &str, tries: i64) -> Result<Vec<i64>> {
    let rows: Vec<(i64,)> = conn
        .all(
            sql!(
                "SELECT c.id FROM gmail_conversations AS c
                 WHERE c.credential_key = $1 AND NOT c.past_read
                    AND NOT EXISTS (SELECT 1 FROM gmail_backfills AS b WHERE b.conversation_id = c.id AND NOT b.again)
                    AND NOT EXISTS (SELECT 1 FROM gmail_fetches AS f WHERE f.credential_key = $1 AND f.tries < $2)
                 ORDER BY c.id LIMIT 100"
            ),
            args![credential, tries],
        )
        .await?;
    Ok(rows.into_iter().map(|(id,)| id).collect())
}

/// Notes whether all of a locked conversation's past is known.
pub(crate) async fn note_past(tx: &mut Tx, conversation: i64, read: bool) -> Result<()> {
    tx.exec(
        sql!("UPDATE gmail_conversations SET past_read = $2 WHERE id = $1 AND past_read <> $2"),
        args![conversation, read],
    )
    .await
    .map(drop)
}

/// Whether all of a conversation's past is known.
pub(crate) async fn is_past_read(conn: &mut Conn, conversation: i64) -> Result<bool> {
    let row: Option<(bool,)> = conn
        .opt(sql!("SELECT past_read FROM gmail_conversations WHERE id = $1"), args![conversation])
        .await?;
    Ok(row.is_some_and(|(read,)| read))
}

/// Notes how far the listing of a conversation's past has come.
pub(crate) async fn move_backfill(
    tx: &mut Tx,
    conversation: i64,
    large: bool,
    page: Option<&str>,
) -> Result<()> {
    tx.exec(
        sql!("UPDATE gmail_backfills SET large = $2, page = $3 WHERE conversation_id = $1"),
        args![conversation, large, page],
    )
    .await
    .map(drop)
}

/// Notes that Gmail refused a listing: it begins anew, after the others, or is given up after so many tries.
pub(crate) async fn fail_backfill(
    tx: &mut Tx,
    conversation: i64,
    reason: &str,
    tries: i64,
    now: Timestamp,
) -> Result<()> {
    let tried: Option<(i64,)> = tx
        .opt(
            sql!(
                "UPDATE gmail_backfills SET tries = tries + 1, large = TRUE, page = NULL, asked_at = $2
                 WHERE conversation_id = $1 RETURNING tries"
            ),
            args![conversation, now],
        )
        .await?;
    match tried {
        Some((tried,)) if tried >= tries => give_up_backfill(tx, conversation, reason, now).await,
        _ => Ok(()),
    }
}

/// Notes that a conversation's past is not listed, and why, for whoever looks at it.
pub(crate) async fn give_up_backfill(
    tx: &mut Tx,
    conversation: i64,
    reason: &str,
    now: Timestamp,
) -> Result<()> {
    tx.exec(sql!("DELETE FROM gmail_backfills WHERE conversation_id = $1"), args![conversation]).await?;
    tx.exec(
        sql!("UPDATE gmail_conversations SET backfill_error = $2, updated_at = $3 WHERE id = $1"),
        args![conversation, reason, now],
    )
    .await
    .map(drop)
}

/// Notes that all of a conversation's past is listed, and when it is listed once more: a search may lag behind.
pub(crate) async fn repeat_backfill(
    tx: &mut Tx,
    conversation: i64,
    at: Timestamp,
    now: Timestamp,
) -> Result<()> {
    tx.exec(
        sql!(
            "UPDATE gmail_backfills SET again = TRUE, large = TRUE, page = NULL, tries = 0, asked_at = $2
             WHERE conversation_id = $1"
        ),
        args![conversation, at],
    )
    .await?;
    tx.exec(
        sql!("UPDATE gmail_conversations SET backfilled_at = $2, backfill_error = NULL, updated_at = $2 WHERE id = $1"),
        args![conversation, now],
    )
    .await
    .map(drop)
}

/// Notes that what came since a time is to be listed once more, and when.
pub(crate) async fn relist(tx: &mut Tx, credential: &str, since: Timestamp, at: Timestamp) -> Result<()> {
    tx.exec(
        sql!(
            "UPDATE gmail_syncs SET relist_at = $3,
                relist_since = CASE WHEN relist_since < $2 THEN relist_since ELSE $2 END
             WHERE credential_key = $1"
        ),
        args![credential, since, at],
    )
    .await
    .map(drop)
}

/// Since when what came is to be listed once more, if it is time.
pub(crate) async fn to_relist(
    conn: &mut Conn,
    credential: &str,
    now: Timestamp,
) -> Result<Option<Timestamp>> {
    let row: Option<(Option<Timestamp>,)> = conn
        .opt(
            sql!("SELECT relist_since FROM gmail_syncs WHERE credential_key = $1 AND relist_at <= $2"),
            args![credential, now],
        )
        .await?;
    Ok(row.and_then(|(since,)| since))
}

/// Notes that it was.
pub(crate) async fn relisted(tx: &mut Tx, credential: &str) -> Result<()> {
    tx.exec(
        sql!("UPDATE gmail_syncs SET relist_since = NULL, relist_at = NULL WHERE credential_key = $1"),
        args![credential],
    )
    .await
    .map(drop)
}

/// Notes that all of a conversation's past is listed.
pub(crate) async fn end_backfill(tx: &mut Tx, conversation: i64, now: Timestamp) -> Result<()> {
    tx.exec(sql!("DELETE FROM gmail_backfills WHERE conversation_id = $1"), args![conversation]).await?;
    tx.exec(
        sql!("UPDATE gmail_conversations SET backfilled_at = $2, backfill_error = NULL, updated_at = $2 WHERE id = $1"),
        args![conversation, now],
    )
    .await
    .map(drop)
}
