//! SQL on what is known about the mails of letters: what came back, which addresses are dead, how recipients
//! were changed.

use db::{Conn, Result, Tx, args, sql};
use kernel::Timestamp;

use crate::model::BounceKind;

db::row! {
    /// A report about a letter's mail.
    #[derive(Debug, Clone)]
    pub(crate) struct BounceRow {
        pub(crate) dispatch_id: String,
        pub(crate) kind: BounceKind,
        pub(crate) status: Option<String>,
        pub(crate) diagnostic: String,
        pub(crate) received_at: Timestamp,
    }
}

/// Stores a report once: `fact` is what makes it another one. False if it was there, or if there are `most` about
/// this dispatch already.
pub(crate) async fn insert_bounce(
    tx: &mut Tx,
    letter: &str,
    fact: &str,
    b: &BounceRow,
    most: i64,
) -> Result<bool> {
    let n = tx
        .exec(
            sql!(
                "INSERT INTO letter_bounces (letter_id, dispatch_id, fact, kind, status, diagnostic, received_at)
                 SELECT $1, $2, $3, $4, $5, $6, $7
                 WHERE (SELECT COUNT(*) FROM letter_bounces WHERE letter_id = $1 AND dispatch_id = $2) < $8
                 ON CONFLICT (letter_id, dispatch_id, fact) DO NOTHING"
            ),
            args![letter, &b.dispatch_id, fact, b.kind, &b.status, &b.diagnostic, b.received_at, most],
        )
        .await?;
    Ok(n > 0)
}

/// All reports about a letter, the earliest first.
pub(crate) async fn bounces(conn: &mut Conn, letter: &str) -> Result<Vec<BounceRow>> {
    conn.all(
        sql!(
            "SELECT dispatch_id, kind, status, diagnostic, received_at FROM letter_bounces
             WHERE letter_id = $1 ORDER BY received_at, dispatch_id, fact"
        ),
        args![letter],
    )
    .await
}

/// Whether a report says that this dispatch's mail did not arrive.
pub(crate) async fn has_bounced(conn: &mut Conn, letter: &str, dispatch: &str) -> Result<bool> {
    let row: Option<(String,)> = conn
        .opt(
            sql!(
                "SELECT fact FROM letter_bounces
                 WHERE letter_id = $1 AND dispatch_id = $2 AND kind <> 'DELAYED' LIMIT 1"
            ),
            args![letter, dispatch],
        )
        .await?;
    Ok(row.is_some())
}

/// Marks an address that takes no mail at all.
pub(crate) async fn mark_dead(tx: &mut Tx, address_key: &str, status: &str, now: Timestamp) -> Result<()> {
    tx.exec(
        sql!(
            "INSERT INTO dead_addresses (address_key, status, seen_at) VALUES ($1, $2, $3)
             ON CONFLICT (address_key) DO UPDATE SET status = excluded.status, seen_at = excluded.seen_at"
        ),
        args![address_key, status, now],
    )
    .await
    .map(drop)
}

/// The status and the time of an address's mark, if it was made after `since`.
pub(crate) async fn dead_address(
    conn: &mut Conn,
    address_key: &str,
    since: Timestamp,
) -> Result<Option<(String, Timestamp)>> {
    conn.opt(
        sql!("SELECT status, seen_at FROM dead_addresses WHERE address_key = $1 AND seen_at > $2"),
        args![address_key, since],
    )
    .await
}

db::row! {
    /// A change of a letter's recipient.
    #[derive(Debug, Clone)]
    pub(crate) struct RecipientChangeRow {
        pub(crate) number: i64,
        /// Of which scheduling.
        pub(crate) schedule_no: i64,
        /// Which mail of that scheduling goes to the new address: the first, or one that was sent again.
        pub(crate) mailing_no: i64,
        pub(crate) old_email: String,
        pub(crate) old_key: String,
        pub(crate) new_email: String,
        pub(crate) changed_at: Timestamp,
    }
}

/// All changes of a letter's recipient, the earliest first.
pub(crate) async fn recipient_changes(conn: &mut Conn, letter: &str) -> Result<Vec<RecipientChangeRow>> {
    conn.all(
        sql!(
            "SELECT number, schedule_no, mailing_no, old_email, old_key, new_email, changed_at
             FROM letter_recipient_changes WHERE letter_id = $1 ORDER BY number"
        ),
        args![letter],
    )
    .await
}

/// Gives a locked letter another recipient, and puts the change on record.
pub(crate) async fn change_recipient(
    tx: &mut Tx,
    letter: &str,
    c: &RecipientChangeRow,
    new_key: &str,
) -> Result<()> {
    tx.exec(
        sql!("UPDATE letters SET recipient_email = $2, recipient_key = $3, updated_at = $4 WHERE id = $1"),
        args![letter, &c.new_email, new_key, c.changed_at],
    )
    .await?;
    tx.exec(
        sql!(
            "INSERT INTO letter_recipient_changes
                (letter_id, number, schedule_no, mailing_no, old_email, old_key, new_email, changed_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"
        ),
        args![
            letter,
            c.number,
            c.schedule_no,
            c.mailing_no,
            &c.old_email,
            &c.old_key,
            &c.new_email,
            c.changed_at,
        ],
    )
    .await
    .map(drop)
}
