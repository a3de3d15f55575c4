//! SQL on where delivered letters lie. A row of `inbox` is what shows a letter to its readers: a letter whose
//! sender is blocked, or that was taken down, lies in a mailbox that nobody opens, until it is put back.

use db::{Conn, Result, Tx, args, sql};
use kernel::Timestamp;

use super::LetterRow;

/// The mailbox of letters that were taken down. Has no `@` and no `_`, so it is neither an address nor a user's id.
const TAKEN_DOWN: &str = "taken-down";

/// Whether a delivered letter lies in the mailbox that it was sent to.
pub(crate) async fn is_in_place(conn: &mut Conn, letter: &LetterRow) -> Result<bool> {
    let row: Option<(String,)> = conn
        .opt(
            sql!("SELECT letter_id FROM inbox WHERE mailbox = $1 AND delivered_at = $2 AND letter_id = $3"),
            args![letter.mailbox(), letter.delivered_at, &letter.id],
        )
        .await?;
    Ok(row.is_some())
}

/// Puts a locked, delivered letter where it belongs now, from wherever its recipient at `old_mailbox` had it.
pub(crate) async fn put_in_place(tx: &mut Tx, letter: &LetterRow, old_mailbox: &str) -> Result<()> {
    let mailbox = if takedown(tx, &letter.id).await?.is_some() {
        TAKEN_DOWN.to_owned()
    } else if is_blocked(tx, letter.mailbox(), &letter.owner_id).await? {
        blocked(letter.mailbox())
    } else {
        letter.mailbox().to_owned()
    };
    tx.exec(
        sql!(
            "UPDATE inbox SET mailbox = $4
             WHERE mailbox IN ($1, $2, $3) AND delivered_at = $5 AND letter_id = $6"
        ),
        args![old_mailbox, &blocked(old_mailbox), TAKEN_DOWN, &mailbox, letter.delivered_at, &letter.id],
    )
    .await?;
    recount(tx, old_mailbox, letter.mailbox()).await
}

/// What was counted of mailboxes does not hold once letters move; it is counted anew when somebody asks.
async fn recount(tx: &mut Tx, one: &str, other: &str) -> Result<()> {
    tx.exec(sql!("DELETE FROM inbox_counted WHERE mailbox IN ($1, $2)"), args![one, other]).await.map(drop)
}

/// Where `deliver` puts the letters of a sender whom the address has blocked.
fn blocked(mailbox: &str) -> String {
    format!("blocked:{mailbox}")
}

/// Hides a sender's letters from an address, or shows them again. The letters are locked first, so that a delivery
/// that began before the block is waited for.
pub(crate) async fn sweep(tx: &mut Tx, address_key: &str, sender: &str, hide: bool) -> Result<()> {
    tx.all::<(String,)>(
        sql!(
            sqlite: "SELECT id FROM letters WHERE owner_id = $1 AND recipient_key = $2",
            postgres: "SELECT id FROM letters WHERE owner_id = $1 AND recipient_key = $2 ORDER BY id FOR UPDATE"
        ),
        args![sender, address_key],
    )
    .await?;
    let hidden = blocked(address_key);
    let (from, to) = if hide { (address_key, hidden.as_str()) } else { (hidden.as_str(), address_key) };
    tx.exec(
        sql!(
            "UPDATE inbox SET mailbox = $2
             WHERE mailbox = $1 AND letter_id IN (SELECT id FROM letters WHERE owner_id = $3)"
        ),
        args![from, to, sender],
    )
    .await?;
    recount(tx, from, to).await
}

/// Who wants no mail: an address, of everybody's letters (`sender` is empty) or of one sender's.
pub(crate) async fn refuse(tx: &mut Tx, address_key: &str, sender: &str, now: Timestamp) -> Result<()> {
    tx.exec(
        sql!(
            "INSERT INTO mail_refusals (address_key, sender_id, created_at) VALUES ($1, $2, $3)
             ON CONFLICT (address_key, sender_id) DO NOTHING"
        ),
        args![address_key, sender, now],
    )
    .await
    .map(drop)
}

/// Takes a refusal back.
pub(crate) async fn accept(tx: &mut Tx, address_key: &str, sender: &str) -> Result<()> {
    tx.exec(
        sql!("DELETE FROM mail_refusals WHERE address_key = $1 AND sender_id = $2"),
        args![address_key, sender],
    )
    .await
    .map(drop)
}

/// The refusals of an address: senders (empty: everybody's mail) and since when, the newest first.
pub(crate) async fn refusals(conn: &mut Conn, address_key: &str) -> Result<Vec<(String, Timestamp)>> {
    conn.all(
        sql!(
            "SELECT sender_id, created_at FROM mail_refusals WHERE address_key = $1
             ORDER BY created_at DESC, sender_id"
        ),
        args![address_key],
    )
    .await
}

async fn is_blocked(conn: &mut Conn, mailbox: &str, sender: &str) -> Result<bool> {
    let row: Option<(Timestamp,)> = conn
        .opt(
            sql!("SELECT created_at FROM mail_refusals WHERE address_key = $1 AND sender_id = $2"),
            args![mailbox, sender],
        )
        .await?;
    Ok(row.is_some())
}

/// Why and when a letter was taken down, if it is.
pub(crate) async fn takedown(conn: &mut Conn, letter: &str) -> Result<Option<(String, Timestamp)>> {
    conn.opt(sql!("SELECT reason, taken_at FROM letter_takedowns WHERE letter_id = $1"), args![letter]).await
}

/// Marks a letter as taken down; false if it was.
pub(crate) async fn insert_takedown(tx: &mut Tx, letter: &str, reason: &str, now: Timestamp) -> Result<bool> {
    let n = tx
        .exec(
            sql!(
                "INSERT INTO letter_takedowns (letter_id, reason, taken_at) VALUES ($1, $2, $3)
                 ON CONFLICT (letter_id) DO NOTHING"
            ),
            args![letter, reason, now],
        )
        .await?;
    Ok(n > 0)
}

/// Takes that back; false if it was not.
pub(crate) async fn delete_takedown(tx: &mut Tx, letter: &str) -> Result<bool> {
    let n = tx.exec(sql!("DELETE FROM letter_takedowns WHERE letter_id = $1"), args![letter]).await?;
    Ok(n > 0)
}
