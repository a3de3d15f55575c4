//! SQL on `letter_keys` and `unlock_attempts`, and on what the keyring sealed.

use db::{Conn, FromRow, Result, Row, Tx, args, sql};
use kernel::Timestamp;

use super::ContentRow;

db::row! {
    /// The key of an encrypted letter, wrapped.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub(crate) struct KeyRow {
        /// Of the sealed text; part of what it is bound to.
        pub(crate) version: i64,
        /// Wrapped by the keyring, or
        pub(crate) server: Option<Vec<u8>>,
        /// by the passphrase
        pub(crate) passphrase: Option<Vec<u8>>,
        /// and by the recovery key.
        pub(crate) recovery: Option<Vec<u8>>,
        /// What its author says of the passphrase; in the open.
        pub(crate) hint: Option<String>,
    }
}

/// `None` for letters of the first version, whose text the keyring sealed.
pub(crate) async fn letter_key(conn: &mut Conn, letter: &str) -> Result<Option<KeyRow>> {
    conn.opt(
        sql!("SELECT version, server, passphrase, recovery, hint FROM letter_keys WHERE letter_id = $1"),
        args![letter],
    )
    .await
}

/// A letter's text and key of one moment.
pub(crate) struct Kept {
    pub(crate) content: ContentRow,
    pub(crate) key: Option<KeyRow>,
}

impl FromRow for Kept {
    fn from_row(row: &Row<'_>) -> Result<Self> {
        let content = ContentRow::from_row(row)?;
        let at = ContentRow::COLUMNS;
        let Some(version) = row.get::<Option<i64>>(at)? else { return Ok(Self { content, key: None }) };
        let key = KeyRow {
            version,
            server: row.get(at + 1)?,
            passphrase: row.get(at + 2)?,
            recovery: row.get(at + 3)?,
            hint: row.get(at + 4)?,
        };
        Ok(Self { content, key: Some(key) })
    }
}

/// `None` if there is no such letter.
pub(crate) async fn kept(conn: &mut Conn, letter: &str) -> Result<Option<Kept>> {
    conn.opt(
        sql!(
            "SELECT c.content, c.sealed, c.trigger_condition, k.version, k.server, k.passphrase, k.recovery,
                k.hint
             FROM letter_contents AS c LEFT JOIN letter_keys AS k ON k.letter_id = c.letter_id
             WHERE c.letter_id = $1"
        ),
        args![letter],
    )
    .await
}

pub(crate) async fn put_letter_key(tx: &mut Tx, letter: &str, k: &KeyRow) -> Result<()> {
    tx.exec(
        sql!(
            "INSERT INTO letter_keys (letter_id, version, server, passphrase, recovery, hint)
             VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (letter_id) DO UPDATE SET version = excluded.version, server = excluded.server,
                passphrase = excluded.passphrase, recovery = excluded.recovery, hint = excluded.hint"
        ),
        args![
            letter,
            k.version,
            k.server.as_deref(),
            k.passphrase.as_deref(),
            k.recovery.as_deref(),
            &k.hint,
        ],
    )
    .await
    .map(drop)
}

pub(crate) async fn delete_letter_key(tx: &mut Tx, letter: &str) -> Result<()> {
    tx.exec(sql!("DELETE FROM letter_keys WHERE letter_id = $1"), args![letter]).await.map(drop)
}

/// Counts an attempt of a caller at a letter's secret: `burst` at once, one more each `every` microseconds.
/// `None` if it may be made, else when the next one may.
pub(crate) async fn count_attempt(
    tx: &mut Tx,
    (caller, letter): (&str, &str),
    (burst, every): (i64, i64),
    now: Timestamp,
) -> Result<Option<Timestamp>> {
    // Attempts that count no more, of any letter.
    tx.exec(sql!("DELETE FROM unlock_attempts WHERE caller_id = $1 AND until <= $2"), args![caller, now])
        .await?;
    let room = burst.saturating_sub(1).saturating_mul(every);
    let counted: Option<(i64,)> = tx
        .opt(
            sql!(
                "INSERT INTO unlock_attempts (caller_id, letter_id, until)
                 VALUES ($1, $2, CAST($3 AS BIGINT) + CAST($4 AS BIGINT))
                 ON CONFLICT (caller_id, letter_id) DO UPDATE
                    SET until = unlock_attempts.until + CAST($4 AS BIGINT)
                    WHERE unlock_attempts.until <= CAST($3 AS BIGINT) + CAST($5 AS BIGINT)
                 RETURNING until"
            ),
            args![caller, letter, now, every, room],
        )
        .await?;
    if counted.is_some() {
        return Ok(None);
    }
    let (until,): (i64,) = tx
        .one(
            sql!("SELECT until FROM unlock_attempts WHERE caller_id = $1 AND letter_id = $2"),
            args![caller, letter],
        )
        .await?;
    Ok(Some(Timestamp::from_micros(until.saturating_sub(room))))
}

/// The attempts of a caller at a letter are forgiven.
pub(crate) async fn forgive_attempts(tx: &mut Tx, caller: &str, letter: &str) -> Result<()> {
    tx.exec(
        sql!("DELETE FROM unlock_attempts WHERE caller_id = $1 AND letter_id = $2"),
        args![caller, letter],
    )
    .await
    .map(drop)
}
