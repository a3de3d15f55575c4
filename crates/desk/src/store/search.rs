//! SQL on `desk_terms`: messages by what is in them.

use db::{Conn, Result, Tx, args, sql};
use kernel::terms::{self, Sought};

use super::{MessageRow, SessionRow, messages};

/// Notes what a message is found by.
pub(super) async fn index(tx: &mut Tx, row: &SessionRow, message: &str, content: &str) -> Result<()> {
    let terms = terms::of_message(content);
    if terms.is_empty() {
        return Ok(());
    }
    tx.exec(
        sql!(
            sqlite: "INSERT INTO desk_terms (term, message_id, session_id)
                     SELECT value, $2, $3 FROM json_each($1)",
            postgres: "INSERT INTO desk_terms (term, message_id, session_id) SELECT unnest($1::TEXT[]), $2, $3"
        ),
        args![&terms, message, &row.id],
    )
    .await
    .map(drop)
}

/// What is looked for, by whom, and where the last answer ended.
pub(crate) struct Search<'a> {
    pub(crate) sought: &'a Sought,
    /// Only in sessions that this agent may see.
    pub(crate) seen_by: Option<&'a str>,
    /// Only messages older than this one.
    pub(crate) before: Option<&'a str>,
    pub(crate) limit: i64,
}

/// Who may see the session of a term `t`, and how far it was read; `$1` and `$2`.
macro_rules! narrowed {
    () => {
        " AND (CAST($2 AS TEXT) IS NULL OR t.message_id < $2)
          AND (CAST($1 AS TEXT) IS NULL OR EXISTS (SELECT 1 FROM desk_sessions AS s
             WHERE s.id = t.session_id AND (s.manual_cs_id = $1 OR s.status IN ('ai', 'pending'))))"
    };
}

/// Messages that have all of what is sought, the newest first.
pub(crate) async fn search(conn: &mut Conn, s: &Search<'_>) -> Result<Vec<MessageRow>> {
    let beginning = s.sought.beginning.as_deref();
    // Everything that begins so is before the last character of all.
    let end = beginning.map(|text| format!("{text}\u{10ffff}"));
    if s.sought.terms.is_empty() {
        return conn
            .all(
                sql!(concat!(
                    "SELECT ",
                    messages::columns!(),
                    " FROM desk_messages WHERE id IN (SELECT DISTINCT t.message_id FROM desk_terms AS t
                        WHERE t.term >= $4 AND t.term < $5",
                    narrowed!(),
                    " ORDER BY t.message_id DESC LIMIT $3) ORDER BY id DESC"
                )),
                args![s.seen_by, s.before, s.limit, beginning, end],
            )
            .await;
    }
    let count = i64::try_from(s.sought.terms.len()).unwrap_or(i64::MAX);
    conn.all(
        sql!(
            sqlite: concat!(
                "SELECT ", messages::columns!(),
                " FROM desk_messages WHERE id IN (SELECT t.message_id FROM desk_terms AS t
                    WHERE t.term IN (SELECT value FROM json_each($4))", narrowed!(),
                " AND (CAST($6 AS TEXT) IS NULL OR EXISTS (SELECT 1 FROM desk_terms AS b
                       WHERE b.message_id = t.message_id AND b.term >= $6 AND b.term < $7))
                  GROUP BY t.message_id HAVING COUNT(*) = $5 ORDER BY t.message_id DESC LIMIT $3) ORDER BY id DESC"
            ),
            postgres: concat!(
                "SELECT ", messages::columns!(),
                " FROM desk_messages WHERE id IN (SELECT t.message_id FROM desk_terms AS t
                    WHERE t.term = ANY($4)", narrowed!(),
                " AND (CAST($6 AS TEXT) IS NULL OR EXISTS (SELECT 1 FROM desk_terms AS b
                       WHERE b.message_id = t.message_id AND b.term >= $6 AND b.term < $7))
                  GROUP BY t.message_id HAVING COUNT(*) = $5 ORDER BY t.message_id DESC LIMIT $3) ORDER BY id DESC"
            )
        ),
        args![s.seen_by, s.before, s.limit, &s.sought.terms, count, beginning, end],
    )
    .await
}
