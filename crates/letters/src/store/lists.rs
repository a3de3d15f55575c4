//! SQL that reads many letters.

use std::time::Duration;

use db::{Conn, FromRow, Result, Row, args, sql};
use kernel::{PageRequest, Timestamp};

use super::{LetterRow, PUBLIC};
use crate::model::{Status, Stored};

/// Which letters a page shows.
#[derive(Debug, Clone)]
pub(crate) struct Filter<'a> {
    pub(crate) owner: &'a str,
    /// The mailboxes whose letters the owner may read: their id, and their address if it opens letters.
    pub(crate) mailboxes: Vec<&'a str>,
    pub(crate) stored: Option<Stored>,
    /// Only due later than this.
    pub(crate) after: Option<Timestamp>,
    /// Only due up to this.
    pub(crate) until: Option<Timestamp>,
    pub(crate) page: PageRequest,
}

impl<'a> Filter<'a> {
    /// What came to the public mailbox.
    pub(crate) fn public(page: PageRequest) -> Self {
        Self { owner: "", mailboxes: vec![PUBLIC], stored: None, after: None, until: None, page }
    }

    /// Whether no status was asked for.
    fn is_open(&self) -> bool {
        self.stored.is_none() && self.after.is_none() && self.until.is_none()
    }

    /// `status` as the letters' readers see it, in terms of what is stored.
    pub(crate) fn status(mut self, status: Option<Status>, now: Timestamp, lead: Duration) -> Filter<'a> {
        let edge = now + lead;
        (self.stored, self.after, self.until) = match status {
            None => (None, None, None),
            Some(Status::Draft) => (Some(Stored::Draft), None, None),
            Some(Status::Delivered) => (Some(Stored::Delivered), None, None),
            Some(Status::Pending) => (Some(Stored::Scheduled), Some(edge), None),
            Some(Status::Delivering) => (Some(Stored::Scheduled), None, Some(edge)),
        };
        self
    }
}

/// A row of a page and how many rows all pages have: one statement, hence one round trip, for both.
struct Counted {
    letter: LetterRow,
    total: i64,
}

impl FromRow for Counted {
    fn from_row(row: &Row<'_>) -> Result<Self> {
        Ok(Self { letter: LetterRow::from_row(row)?, total: row.get(LetterRow::COLUMNS)? })
    }
}

/// A page as far as one statement tells. Past the last page no row says how many there are: `None`.
fn page(rows: Vec<Counted>, request: PageRequest) -> Option<(Vec<LetterRow>, i64)> {
    let total = match rows.first() {
        Some(row) => row.total,
        None if request.page == 1 => 0,
        None => return None,
    };
    Some((rows.into_iter().map(|row| row.letter).collect(), total))
}

/// The same first page with one row, for its total.
fn first<'a>(f: &Filter<'a>) -> Filter<'a> {
    Filter { page: PageRequest { page: 1, size: 1 }, mailboxes: f.mailboxes.clone(), ..*f }
}

/// The author's own letters: drafts, or all others. The newest first, and how many there are.
pub(crate) async fn own(conn: &mut Conn, f: &Filter<'_>, drafts: bool) -> Result<(Vec<LetterRow>, i64)> {
    if f.is_open() {
        return own_unfiltered(conn, f, drafts).await;
    }
    let rows = conn
        .all(
            sql!(
                "SELECT id, owner_id, title, recipient_type, recipient_email, recipient_key, status, send_time,
                    trigger_type, delivered_at, has_attachments, is_encrypted, capsule_style, glow, ordinal,
                    schedule_no, scheduled_at, scheduled_month, created_at, updated_at, fired_at,
                    (SELECT COUNT(*) FROM letters
                    WHERE owner_id = $1 AND (status = 'DRAFT') = $2
                      AND (CAST($3 AS TEXT) IS NULL OR status = $3)
                      AND (CAST($4 AS BIGINT) IS NULL OR COALESCE(fired_at, send_time) > $4)
                      AND (CAST($5 AS BIGINT) IS NULL OR COALESCE(fired_at, send_time) <= $5))
                 FROM letters
                    WHERE owner_id = $1 AND (status = 'DRAFT') = $2
                      AND (CAST($3 AS TEXT) IS NULL OR status = $3)
                      AND (CAST($4 AS BIGINT) IS NULL OR COALESCE(fired_at, send_time) > $4)
                      AND (CAST($5 AS BIGINT) IS NULL OR COALESCE(fired_at, send_time) <= $5)
                 ORDER BY id DESC LIMIT $6 OFFSET $7"
            ),
            args![f.owner, drafts, f.stored, f.after, f.until, f.page.size, f.page.offset()],
        )
        .await?;
    match page(rows, f.page) {
        Some(page) => Ok(page),
        None => Ok((Vec::new(), Box::pin(own(conn, &first(f), drafts)).await?.1)),
    }
}

/// The common case of [`own`]. Conditions that hold for every row would hide from PostgreSQL that one plan is
/// good for all values: it planned anew each time, which took longer than the page.
async fn own_unfiltered(conn: &mut Conn, f: &Filter<'_>, drafts: bool) -> Result<(Vec<LetterRow>, i64)> {
    let statement = if drafts {
        sql!(
            "SELECT id, owner_id, title, recipient_type, recipient_email, recipient_key, status, send_time,
                    trigger_type, delivered_at, has_attachments, is_encrypted, capsule_style, glow, ordinal,
                    schedule_no, scheduled_at, scheduled_month, created_at, updated_at, fired_at,
                    (SELECT COUNT(*) FROM letters WHERE owner_id = $1 AND status = 'DRAFT')
                 FROM letters WHERE owner_id = $1 AND status = 'DRAFT' ORDER BY id DESC LIMIT $2 OFFSET $3"
        )
    } else {
        sql!(
            "SELECT id, owner_id, title, recipient_type, recipient_email, recipient_key, status, send_time,
                    trigger_type, delivered_at, has_attachments, is_encrypted, capsule_style, glow, ordinal,
                    schedule_no, scheduled_at, scheduled_month, created_at, updated_at, fired_at,
                    (SELECT COUNT(*) FROM letters WHERE owner_id = $1 AND status <> 'DRAFT')
                 FROM letters WHERE owner_id = $1 AND status <> 'DRAFT' ORDER BY id DESC LIMIT $2 OFFSET $3"
        )
    };
    let rows = conn.all(statement, args![f.owner, f.page.size, f.page.offset()]).await?;
    match page(rows, f.page) {
        Some(page) => Ok(page),
        None => Ok((Vec::new(), Box::pin(own_unfiltered(conn, &first(f), drafts)).await?.1)),
    }
}

/// What was delivered to the mailboxes, the latest first, and how much there is.
pub(crate) async fn received(conn: &mut Conn, f: &Filter<'_>) -> Result<(Vec<LetterRow>, i64)> {
    // Everything in an inbox is delivered.
    if f.stored.is_some_and(|s| s != Stored::Delivered) {
        return Ok((Vec::new(), 0));
    }
    // The page first, then its letters: PostgreSQL's plan for whatever mailboxes would else read all letters.
    let rows = conn
        .all(
            sql!(
                sqlite: "SELECT l.id, l.owner_id, l.title, l.recipient_type, l.recipient_email,
                            l.recipient_key, l.status, l.send_time, l.trigger_type, l.delivered_at,
                            l.has_attachments, l.is_encrypted, l.capsule_style, l.glow, l.ordinal,
                            l.schedule_no, l.scheduled_at, l.scheduled_month, l.created_at, l.updated_at, l.fired_at,
                            (SELECT COUNT(*) FROM inbox WHERE mailbox IN (SELECT value FROM json_each($1)))
                         FROM (SELECT letter_id, delivered_at FROM inbox
                               WHERE mailbox IN (SELECT value FROM json_each($1))
                               ORDER BY delivered_at DESC, letter_id DESC LIMIT $2 OFFSET $3) AS i
                         JOIN letters AS l ON l.id = i.letter_id
                         ORDER BY i.delivered_at DESC, i.letter_id DESC",
                postgres: "SELECT l.id, l.owner_id, l.title, l.recipient_type, l.recipient_email,
                            l.recipient_key, l.status, l.send_time, l.trigger_type, l.delivered_at,
                            l.has_attachments, l.is_encrypted, l.capsule_style, l.glow, l.ordinal,
                            l.schedule_no, l.scheduled_at, l.scheduled_month, l.created_at, l.updated_at, l.fired_at,
                            (SELECT COUNT(*) FROM inbox WHERE mailbox = ANY($1))
                         FROM (SELECT letter_id, delivered_at FROM inbox WHERE mailbox = ANY($1)
                               ORDER BY delivered_at DESC, letter_id DESC LIMIT $2 OFFSET $3) AS i
                         JOIN letters AS l ON l.id = i.letter_id
                         ORDER BY i.delivered_at DESC, i.letter_id DESC"
            ),
            args![f.mailboxes.clone(), f.page.size, f.page.offset()],
        )
        .await?;
    match page(rows, f.page) {
        Some(page) => Ok(page),
        None => Ok((Vec::new(), Box::pin(received(conn, &first(f))).await?.1)),
    }
}

/// The author's own and what was delivered to them, each once, the newest first, and how many there are.
pub(crate) async fn all(conn: &mut Conn, f: &Filter<'_>) -> Result<(Vec<LetterRow>, i64)> {
    let (size, offset) = (f.page.size, f.page.offset());
    let rows = if f.is_open() {
        let statement = sql!(
                sqlite: "WITH hits AS MATERIALIZED (SELECT id FROM letters WHERE owner_id = $1
                            UNION SELECT letter_id FROM inbox WHERE mailbox IN (SELECT value FROM json_each($2)))
                         SELECT l.id, l.owner_id, l.title, l.recipient_type, l.recipient_email,
                            l.recipient_key, l.status, l.send_time, l.trigger_type, l.delivered_at,
                            l.has_attachments, l.is_encrypted, l.capsule_style, l.glow, l.ordinal,
                            l.schedule_no, l.scheduled_at, l.scheduled_month, l.created_at, l.updated_at, l.fired_at,
                            (SELECT COUNT(*) FROM hits)
                         FROM (SELECT id FROM hits ORDER BY id DESC LIMIT $3 OFFSET $4) AS page
                         JOIN letters AS l ON l.id = page.id ORDER BY l.id DESC",
                postgres: "WITH hits AS MATERIALIZED (SELECT id FROM letters WHERE owner_id = $1
                            UNION SELECT letter_id FROM inbox WHERE mailbox = ANY($2))
                         SELECT l.id, l.owner_id, l.title, l.recipient_type, l.recipient_email,
                            l.recipient_key, l.status, l.send_time, l.trigger_type, l.delivered_at,
                            l.has_attachments, l.is_encrypted, l.capsule_style, l.glow, l.ordinal,
                            l.schedule_no, l.scheduled_at, l.scheduled_month, l.created_at, l.updated_at, l.fired_at,
                            (SELECT COUNT(*) FROM hits)
                         FROM (SELECT id FROM hits ORDER BY id DESC LIMIT $3 OFFSET $4) AS page
                         JOIN letters AS l ON l.id = page.id ORDER BY l.id DESC"
        );
        conn.all(statement, args![f.owner, f.mailboxes.clone(), size, offset]).await?
    } else {
        let statement = sql!(
                sqlite: "WITH hits AS MATERIALIZED (SELECT id FROM letters
                            WHERE id IN (SELECT id FROM letters WHERE owner_id = $1
                                  UNION SELECT letter_id FROM inbox WHERE mailbox IN (SELECT value FROM json_each($2)))
                              AND (CAST($5 AS TEXT) IS NULL OR status = $5)
                              AND (CAST($6 AS BIGINT) IS NULL OR COALESCE(fired_at, send_time) > $6)
                              AND (CAST($7 AS BIGINT) IS NULL OR COALESCE(fired_at, send_time) <= $7))
                         SELECT l.id, l.owner_id, l.title, l.recipient_type, l.recipient_email,
                            l.recipient_key, l.status, l.send_time, l.trigger_type, l.delivered_at,
                            l.has_attachments, l.is_encrypted, l.capsule_style, l.glow, l.ordinal,
                            l.schedule_no, l.scheduled_at, l.scheduled_month, l.created_at, l.updated_at, l.fired_at,
                            (SELECT COUNT(*) FROM hits)
                         FROM (SELECT id FROM hits ORDER BY id DESC LIMIT $3 OFFSET $4) AS page
                         JOIN letters AS l ON l.id = page.id ORDER BY l.id DESC",
                postgres: "WITH hits AS MATERIALIZED (SELECT id FROM letters
                            WHERE id IN (SELECT id FROM letters WHERE owner_id = $1
                                  UNION SELECT letter_id FROM inbox WHERE mailbox = ANY($2))
                              AND (CAST($5 AS TEXT) IS NULL OR status = $5)
                              AND (CAST($6 AS BIGINT) IS NULL OR COALESCE(fired_at, send_time) > $6)
                              AND (CAST($7 AS BIGINT) IS NULL OR COALESCE(fired_at, send_time) <= $7))
                         SELECT l.id, l.owner_id, l.title, l.recipient_type, l.recipient_email,
                            l.recipient_key, l.status, l.send_time, l.trigger_type, l.delivered_at,
                            l.has_attachments, l.is_encrypted, l.capsule_style, l.glow, l.ordinal,
                            l.schedule_no, l.scheduled_at, l.scheduled_month, l.created_at, l.updated_at, l.fired_at,
                            (SELECT COUNT(*) FROM hits)
                         FROM (SELECT id FROM hits ORDER BY id DESC LIMIT $3 OFFSET $4) AS page
                         JOIN letters AS l ON l.id = page.id ORDER BY l.id DESC"
        );
        let args = args![f.owner, f.mailboxes.clone(), size, offset, f.stored, f.after, f.until];
        conn.all(statement, args).await?
    };
    match page(rows, f.page) {
        Some(page) => Ok(page),
        None => Ok((Vec::new(), Box::pin(all(conn, &first(f))).await?.1)),
    }
}

/// The author's newest letters, for the capsule view.
pub(crate) async fn capsules(conn: &mut Conn, owner: &str, most: i64) -> Result<Vec<LetterRow>> {
    conn.all(
        sql!(
            "SELECT id, owner_id, title, recipient_type, recipient_email, recipient_key, status, send_time,
                trigger_type, delivered_at, has_attachments, is_encrypted, capsule_style, glow, ordinal,
                schedule_no, scheduled_at, scheduled_month, created_at, updated_at, fired_at
             FROM letters WHERE owner_id = $1 ORDER BY id DESC LIMIT $2"
        ),
        args![owner, most],
    )
    .await
}

/// What came to the mailboxes after a moment and a letter of that moment: letter and moment, the earliest
/// first.
pub(crate) async fn arrived_after(
    conn: &mut Conn,
    mailboxes: Vec<&str>,
    (after, letter): &(Timestamp, String),
    most: usize,
) -> Result<Vec<(String, Timestamp)>> {
    conn.all(
        sql!(
            sqlite: "SELECT letter_id, delivered_at FROM inbox
                     WHERE mailbox IN (SELECT value FROM json_each($1)) AND delivered_at >= $2
                       AND (delivered_at > $2 OR letter_id > $3)
                     ORDER BY delivered_at, letter_id LIMIT $4",
            postgres: "SELECT letter_id, delivered_at FROM inbox
                       WHERE mailbox = ANY($1) AND delivered_at >= $2
                         AND (delivered_at > $2 OR letter_id > $3)
                       ORDER BY delivered_at, letter_id LIMIT $4"
        ),
        args![mailboxes, *after, letter, i64::try_from(most).unwrap_or(i64::MAX)],
    )
    .await
}
