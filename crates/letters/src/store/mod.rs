//! All SQL on the letters' tables: single letters here, lists and files below.

mod analysis;
mod archive;
mod evidence;
mod files;
mod hooks;
mod keys;
mod lists;
mod notify;
mod places;
mod reports;
mod statistics;
mod timeline;
mod triggers;

use std::time::Duration;

use db::{Conn, FromRow, Result, Row, Tx, args, sql};
use kernel::Timestamp;

use crate::model::{RecipientType, Status, Stored, TriggerType};

pub(crate) use analysis::*;
pub(crate) use archive::*;
pub(crate) use evidence::*;
pub(crate) use files::*;
pub(crate) use hooks::*;
pub(crate) use keys::*;
pub(crate) use lists::*;
pub(crate) use notify::*;
pub(crate) use places::*;
pub(crate) use reports::*;
pub(crate) use statistics::*;
pub(crate) use timeline::*;
pub(crate) use triggers::*;

db::row! {
    /// A letter without its text.
    #[derive(Debug, Clone)]
    pub(crate) struct LetterRow {
        pub(crate) id: String,
        pub(crate) owner_id: String,
        pub(crate) title: String,
        pub(crate) recipient_type: RecipientType,
        pub(crate) recipient_email: Option<String>,
        pub(crate) recipient_key: Option<String>,
        pub(crate) stored: Stored,
        pub(crate) send_time: Option<Timestamp>,
        pub(crate) trigger_type: Option<TriggerType>,
        pub(crate) delivered_at: Option<Timestamp>,
        pub(crate) has_attachments: bool,
        pub(crate) is_encrypted: bool,
        pub(crate) capsule_style: String,
        pub(crate) glow: Option<f64>,
        pub(crate) ordinal: i64,
        pub(crate) schedule_no: i64,
        pub(crate) scheduled_at: Option<Timestamp>,
        pub(crate) scheduled_month: Option<String>,
        pub(crate) created_at: Timestamp,
        pub(crate) updated_at: Timestamp,
        /// When its trigger fired.
        pub(crate) fired_at: Option<Timestamp>,
    }
}

db::row! {
    /// A letter's text.
    #[derive(Debug, Clone)]
    pub(crate) struct ContentRow {
        /// Plain, unless sealed.
        pub(crate) content: Option<String>,
        /// Sealed, if the letter is encrypted.
        pub(crate) sealed: Option<Vec<u8>>,
        /// JSON.
        pub(crate) trigger_condition: String,
    }
}

impl LetterRow {
    /// An empty draft of this moment.
    pub(crate) fn blank(owner: &str, now: Timestamp) -> Self {
        Self {
            id: kernel::id::new("mail", now),
            owner_id: owner.to_owned(),
            title: String::new(),
            recipient_type: RecipientType::Myself,
            recipient_email: None,
            recipient_key: None,
            stored: Stored::Draft,
            send_time: None,
            trigger_type: None,
            delivered_at: None,
            has_attachments: false,
            is_encrypted: false,
            capsule_style: "default".to_owned(),
            glow: None,
            ordinal: 0,
            schedule_no: 0,
            scheduled_at: None,
            scheduled_month: None,
            created_at: now,
            updated_at: now,
            fired_at: None,
        }
    }

    pub(crate) fn status(&self, now: Timestamp, lead: Duration) -> Status {
        Status::of(self.stored, self.due_at(), now, lead)
    }

    /// When it is due: at its `sendTime`, or since its trigger fired.
    pub(crate) fn due_at(&self) -> Option<Timestamp> {
        self.fired_at.into_iter().chain(self.send_time).min()
    }

    /// The inbox it goes to: a user's id, a normalized address, or [`PUBLIC`].
    pub(crate) fn mailbox(&self) -> &str {
        match self.recipient_type {
            RecipientType::Myself => &self.owner_id,
            RecipientType::Specific => self.recipient_key.as_deref().unwrap_or_default(),
            RecipientType::Public => PUBLIC,
        }
    }
}

/// The mailbox of public letters. Has no `@` and no `_`, so it is neither an address nor a user's id.
pub(crate) const PUBLIC: &str = "public";

/// A letter by its id.
pub(crate) async fn letter(conn: &mut Conn, id: &str) -> Result<Option<LetterRow>> {
    conn.opt(
        sql!(
            "SELECT id, owner_id, title, recipient_type, recipient_email, recipient_key, status, send_time,
                trigger_type, delivered_at, has_attachments, is_encrypted, capsule_style, glow, ordinal,
                schedule_no, scheduled_at, scheduled_month, created_at, updated_at, fired_at
             FROM letters WHERE id = $1"
        ),
        args![id],
    )
    .await
}

/// A letter of this owner, locked until the transaction ends.
pub(crate) async fn lock(tx: &mut Tx, id: &str, owner: &str) -> Result<Option<LetterRow>> {
    tx.opt(
        sql!(
            sqlite: "SELECT id, owner_id, title, recipient_type, recipient_email, recipient_key, status,
                        send_time, trigger_type, delivered_at, has_attachments, is_encrypted, capsule_style,
                        glow, ordinal, schedule_no, scheduled_at, scheduled_month, created_at, updated_at, fired_at
                     FROM letters WHERE id = $1 AND owner_id = $2",
            postgres: "SELECT id, owner_id, title, recipient_type, recipient_email, recipient_key, status,
                          send_time, trigger_type, delivered_at, has_attachments, is_encrypted, capsule_style,
                          glow, ordinal, schedule_no, scheduled_at, scheduled_month, created_at, updated_at, fired_at
                       FROM letters WHERE id = $1 AND owner_id = $2 FOR UPDATE"
        ),
        args![id, owner],
    )
    .await
}

/// A letter to be mailed, its text, and how many attachments it has: one round trip for each mail.
pub(crate) struct Mailing {
    pub(crate) letter: LetterRow,
    /// `None` if it is sealed.
    pub(crate) content: Option<String>,
    pub(crate) attachments: i64,
    /// Which mail of this scheduling is the current one: 1, or more if it was sent to other addresses since.
    pub(crate) mailing_no: i64,
    /// Its address wants no mail from anybody, or none from this sender.
    pub(crate) refused: bool,
    pub(crate) taken_down: bool,
}

impl FromRow for Mailing {
    fn from_row(row: &Row<'_>) -> Result<Self> {
        let letter = LetterRow::from_row(row)?;
        let at = LetterRow::COLUMNS;
        Ok(Self {
            letter,
            content: row.get(at)?,
            attachments: row.get(at + 1)?,
            mailing_no: row.get(at + 2)?,
            refused: row.get(at + 3)?,
            taken_down: row.get(at + 4)?,
        })
    }
}

pub(crate) async fn mailing(conn: &mut Conn, id: &str) -> Result<Option<Mailing>> {
    conn.opt(
        sql!(
            "SELECT l.id, l.owner_id, l.title, l.recipient_type, l.recipient_email, l.recipient_key, l.status,
                l.send_time, l.trigger_type, l.delivered_at, l.has_attachments, l.is_encrypted,
                l.capsule_style, l.glow, l.ordinal, l.schedule_no, l.scheduled_at, l.scheduled_month,
                l.created_at, l.updated_at, l.fired_at, c.content,
                (SELECT COUNT(*) FROM letter_attachments WHERE letter_id = $1),
                (SELECT COALESCE(MAX(mailing_no), 1) FROM letter_recipient_changes
                    WHERE letter_id = $1 AND schedule_no = l.schedule_no),
                EXISTS (SELECT 1 AS one FROM mail_refusals
                    WHERE address_key = l.recipient_key AND sender_id IN ('', l.owner_id)),
                EXISTS (SELECT 1 AS one FROM letter_takedowns WHERE letter_id = $1)
             FROM letters AS l JOIN letter_contents AS c ON c.letter_id = l.id WHERE l.id = $1"
        ),
        args![id],
    )
    .await
}

pub(crate) async fn content(conn: &mut Conn, id: &str) -> Result<ContentRow> {
    conn.one(
        sql!("SELECT content, sealed, trigger_condition FROM letter_contents WHERE letter_id = $1"),
        args![id],
    )
    .await
}

pub(crate) async fn insert(tx: &mut Tx, l: &LetterRow, c: &ContentRow) -> Result<()> {
    tx.exec(
        sql!(
            "INSERT INTO letters (id, owner_id, title, recipient_type, recipient_email, recipient_key, status,
                send_time, trigger_type, has_attachments, is_encrypted, capsule_style, ordinal, created_at,
                updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $14)"
        ),
        args![
            &l.id,
            &l.owner_id,
            &l.title,
            l.recipient_type,
            &l.recipient_email,
            &l.recipient_key,
            l.stored,
            l.send_time,
            l.trigger_type,
            l.has_attachments,
            l.is_encrypted,
            &l.capsule_style,
            l.ordinal,
            l.created_at,
        ],
    )
    .await?;
    tx.exec(
        sql!(
            "INSERT INTO letter_contents (letter_id, content, sealed, trigger_condition)
             VALUES ($1, $2, $3, $4)"
        ),
        args![&l.id, &c.content, c.sealed.as_deref(), &c.trigger_condition],
    )
    .await
    .map(drop)
}

/// Writes all that an update may change of a locked draft.
pub(crate) async fn update(tx: &mut Tx, l: &LetterRow, c: &ContentRow) -> Result<()> {
    tx.exec(
        sql!(
            "UPDATE letters SET title = $2, recipient_type = $3, recipient_email = $4, recipient_key = $5,
                send_time = $6, trigger_type = $7, has_attachments = $8, is_encrypted = $9,
                capsule_style = $10, updated_at = $11
             WHERE id = $1"
        ),
        args![
            &l.id,
            &l.title,
            l.recipient_type,
            &l.recipient_email,
            &l.recipient_key,
            l.send_time,
            l.trigger_type,
            l.has_attachments,
            l.is_encrypted,
            &l.capsule_style,
            l.updated_at,
        ],
    )
    .await?;
    tx.exec(
        sql!(
            "UPDATE letter_contents SET content = $2, sealed = $3, trigger_condition = $4
             WHERE letter_id = $1"
        ),
        args![&l.id, &c.content, c.sealed.as_deref(), &c.trigger_condition],
    )
    .await
    .map(drop)
}

/// Writes the scheduling of a locked draft.
pub(crate) async fn schedule(tx: &mut Tx, l: &LetterRow, trigger_condition: &str) -> Result<()> {
    tx.exec(
        sql!(
            "UPDATE letters SET status = $2, send_time = $3, trigger_type = $4, schedule_no = $5,
                scheduled_at = $6, scheduled_month = $7, updated_at = $6
             WHERE id = $1"
        ),
        args![
            &l.id,
            l.stored,
            l.send_time,
            l.trigger_type,
            l.schedule_no,
            l.scheduled_at,
            &l.scheduled_month,
        ],
    )
    .await?;
    tx.exec(
        sql!("UPDATE letter_contents SET trigger_condition = $2 WHERE letter_id = $1"),
        args![&l.id, trigger_condition],
    )
    .await
    .map(drop)
}

/// Makes a draft of a locked scheduled letter.
pub(crate) async fn revoke(tx: &mut Tx, id: &str, now: Timestamp) -> Result<()> {
    tx.exec(
        sql!("UPDATE letters SET status = 'DRAFT', scheduled_at = NULL, updated_at = $2 WHERE id = $1"),
        args![id, now],
    )
    .await
    .map(drop)
}

/// Removes a locked draft; its attachments first.
pub(crate) async fn delete(tx: &mut Tx, id: &str) -> Result<()> {
    tx.exec(sql!("DELETE FROM letter_contents WHERE letter_id = $1"), args![id]).await?;
    tx.exec(sql!("DELETE FROM letters WHERE id = $1"), args![id]).await.map(drop)
}

pub(crate) async fn set_style(
    tx: &mut Tx,
    id: &str,
    style: Option<&str>,
    glow: Option<f64>,
    now: Timestamp,
) -> Result<()> {
    tx.exec(
        sql!(
            "UPDATE letters SET capsule_style = COALESCE(CAST($2 AS TEXT), capsule_style),
                glow = COALESCE(CAST($3 AS DOUBLE PRECISION), glow), updated_at = $4
             WHERE id = $1"
        ),
        args![id, style, glow, now],
    )
    .await
    .map(drop)
}

db::row! {
    /// A letter that has just been delivered.
    #[derive(Debug)]
    pub(crate) struct Arrival {
        pub(crate) letter_id: String,
        /// Where it was put.
        pub(crate) mailbox: String,
        /// It may have triggers that wait.
        pub(crate) is_armed: bool,
    }
}

/// Puts due letters into their inboxes: each that is still scheduled under this schedule number, once.
/// `dispatch_ids` are `{letter}/{schedule number}/inbox`. Those that went.
pub(crate) async fn deliver(tx: &mut Tx, dispatch_ids: Vec<&str>, now: Timestamp) -> Result<Vec<Arrival>> {
    let went: Vec<Arrival> = tx
        .all(
            sql!(
                sqlite: "UPDATE letters SET status = 'DELIVERED', delivered_at = $2
                         FROM (SELECT value AS dispatch, substr(value, 1, instr(value, '/') - 1) AS letter
                               FROM json_each($1)) AS due
                         WHERE id = due.letter AND status = 'SCHEDULED'
                           AND due.dispatch = id || '/' || schedule_no || '/inbox'
                         RETURNING id, CASE recipient_type WHEN 'SELF' THEN owner_id
                            WHEN 'SPECIFIC' THEN CASE WHEN EXISTS (SELECT 1 AS one FROM mail_refusals
                               WHERE address_key = recipient_key AND sender_id = owner_id)
                               THEN 'blocked:' || recipient_key ELSE recipient_key END
                            ELSE 'public' END, COALESCE(trigger_type <> 'TIME', FALSE)",
                postgres: "WITH due AS (
                               SELECT dispatch, split_part(dispatch, '/', 1) AS letter
                               FROM unnest(CAST($1 AS TEXT[])) AS dispatch),
                           went AS (
                               UPDATE letters SET status = 'DELIVERED', delivered_at = $2 FROM due
                               WHERE id = due.letter AND status = 'SCHEDULED'
                                 AND due.dispatch = id || '/' || schedule_no || '/inbox'
                               RETURNING id, delivered_at, CASE recipient_type WHEN 'SELF' THEN owner_id
                                  WHEN 'SPECIFIC' THEN CASE WHEN EXISTS (SELECT 1 AS one FROM mail_refusals
                                     WHERE address_key = recipient_key AND sender_id = owner_id)
                                     THEN 'blocked:' || recipient_key ELSE recipient_key END
                                  ELSE 'public' END AS mailbox,
                                  COALESCE(trigger_type <> 'TIME', FALSE) AS is_armed),
                           arrived AS (
                               INSERT INTO inbox (mailbox, delivered_at, letter_id)
                               SELECT mailbox, delivered_at, id FROM went)
                           SELECT id, mailbox, is_armed FROM went"
            ),
            args![dispatch_ids, now],
        )
        .await?;
    for_sqlite_insert(tx, &went, now).await?;
    let armed: Vec<&str> = went.iter().filter(|a| a.is_armed).map(|a| a.letter_id.as_str()).collect();
    if !armed.is_empty() {
        disarm_delivered(tx, armed).await?;
    }
    Ok(went)
}

/// SQLite's `UPDATE … RETURNING` cannot feed an `INSERT`, so that its half is a statement of its own; on
/// PostgreSQL the rows are there already and the conflict makes this a no-op that is not even sent.
async fn for_sqlite_insert(tx: &mut Tx, went: &[Arrival], now: Timestamp) -> Result<()> {
    if tx.is_postgres() {
        return Ok(());
    }
    for a in went {
        tx.exec(
            sql!("INSERT INTO inbox (mailbox, delivered_at, letter_id) VALUES ($1, $2, $3)"),
            args![&a.mailbox, now, &a.letter_id],
        )
        .await?;
    }
    Ok(())
}
