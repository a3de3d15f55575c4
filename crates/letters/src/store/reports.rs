//! SQL on readers' reports and on what operators did about them.

use db::{Conn, Result, Tx, args, sql};
use kernel::{PageRequest, Timestamp};

use super::LetterRow;
use crate::model::{Moderation, RecipientType, ReportReason};

db::row! {
    /// A report and the letter that it is about.
    #[derive(Debug, Clone)]
    pub(crate) struct ReportRow {
        pub(crate) id: String,
        pub(crate) letter_id: String,
        pub(crate) reporter: String,
        pub(crate) reason: ReportReason,
        pub(crate) text: Option<String>,
        pub(crate) created_at: Timestamp,
        pub(crate) closed_at: Option<Timestamp>,
        pub(crate) title: String,
        pub(crate) owner_id: String,
        pub(crate) recipient_type: RecipientType,
        /// `None` if the letter is sealed.
        pub(crate) content: Option<String>,
        pub(crate) taken_at: Option<Timestamp>,
    }
}

/// A reader's report.
#[derive(Debug)]
pub(crate) struct NewReport<'a> {
    pub(crate) id: String,
    pub(crate) letter_id: &'a str,
    /// Their normalized address: the same whether they came by a mailed link or signed in.
    pub(crate) reporter: &'a str,
    pub(crate) reason: ReportReason,
    pub(crate) text: Option<String>,
}

/// Stores a report; false if this reader has reported this letter.
pub(crate) async fn insert_report(tx: &mut Tx, r: &NewReport<'_>, now: Timestamp) -> Result<bool> {
    let n = tx
        .exec(
            sql!(
                "INSERT INTO letter_reports (id, letter_id, reporter, reason, text, created_at)
                 VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (letter_id, reporter) DO NOTHING"
            ),
            args![&r.id, r.letter_id, r.reporter, r.reason, &r.text, now],
        )
        .await?;
    Ok(n > 0)
}

/// A page of reports, the open ones or all, the earliest first, and how many there are.
pub(crate) async fn reports(conn: &mut Conn, open: bool, page: PageRequest) -> Result<(Vec<ReportRow>, i64)> {
    let (total,): (i64,) = conn
        .one(
            sql!("SELECT COUNT(*) FROM letter_reports WHERE closed_at IS NULL OR NOT CAST($1 AS BOOLEAN)"),
            args![open],
        )
        .await?;
    let rows = conn
        .all(
            sql!(
                "SELECT r.id, r.letter_id, r.reporter, r.reason, r.text, r.created_at, r.closed_at, l.title,
                    l.owner_id, l.recipient_type, c.content, t.taken_at
                 FROM letter_reports AS r JOIN letters AS l ON l.id = r.letter_id
                 JOIN letter_contents AS c ON c.letter_id = r.letter_id
                 LEFT JOIN letter_takedowns AS t ON t.letter_id = r.letter_id
                 WHERE r.closed_at IS NULL OR NOT CAST($1 AS BOOLEAN) ORDER BY r.id LIMIT $2 OFFSET $3"
            ),
            args![open, page.size, page.offset()],
        )
        .await?;
    Ok((rows, total))
}

/// Closes the open reports of a letter; how many there were.
pub(crate) async fn close_reports(tx: &mut Tx, letter: &str, now: Timestamp) -> Result<u64> {
    tx.exec(
        sql!("UPDATE letter_reports SET closed_at = $2 WHERE letter_id = $1 AND closed_at IS NULL"),
        args![letter, now],
    )
    .await
}

/// A letter, locked until the transaction ends, whosever it is.
pub(crate) async fn lock_any(tx: &mut Tx, id: &str) -> Result<Option<LetterRow>> {
    let Some(letter) = super::letter(tx, id).await? else { return Ok(None) };
    super::lock(tx, id, &letter.owner_id).await
}

/// Puts on record what an operator did.
pub(crate) async fn insert_moderation(
    tx: &mut Tx,
    id: &str,
    letter: &str,
    m: &Moderation,
    now: Timestamp,
) -> Result<()> {
    tx.exec(
        sql!(
            "INSERT INTO letter_moderation (id, letter_id, action, actor, reason, acted_at)
             VALUES ($1, $2, $3, $4, $5, $6)"
        ),
        args![id, letter, m.action, &m.actor, &m.reason, now],
    )
    .await
    .map(drop)
}
