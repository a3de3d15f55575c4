//! SQL that finds messages by `gmail_terms`.

use db::{Conn, Result, args, sql};
use kernel::{PageRequest, terms::Sought};

use super::reading::{LineRow, line_columns};

/// What is looked for, and where.
pub(crate) struct Search<'a> {
    pub(crate) sought: &'a Sought,
    /// The keys of the accounts whose messages may be found.
    pub(crate) credentials: Vec<&'a str>,
    /// Only in this conversation.
    pub(crate) conversation: Option<i64>,
}

/// The messages `m` that have all of what is sought: `$1` accounts, `$2` terms, `$3` how many these are, `$4` and `$5` what
/// a further term is between, `$6` the conversation.
macro_rules! found {
    ($one_of_accounts:literal, $one_of_terms:literal) => {
        concat!(
            " FROM gmail_messages AS m LEFT JOIN gmail_outbox AS o ON o.id = m.outbox_id
              WHERE m.credential_key ",
            $one_of_accounts,
            "
                AND ($3 = CAST(0 AS BIGINT) OR m.key IN (SELECT t.message_key FROM gmail_terms AS t
                    WHERE t.term ",
            $one_of_terms,
            " AND t.credential_key ",
            $one_of_accounts,
            "
                    GROUP BY t.message_key HAVING COUNT(*) = $3))
                AND (CAST($4 AS TEXT) IS NULL OR m.key IN (SELECT b.message_key FROM gmail_terms AS b
                    WHERE b.term >= $4 AND b.term < $5 AND b.credential_key ",
            $one_of_accounts,
            "))
                AND EXISTS (SELECT 1 FROM gmail_links AS l WHERE l.message_key = m.key
                    AND (CAST($6 AS BIGINT) IS NULL OR l.conversation_id = $6))"
        )
    };
}

/// A page of what is found, the newest first; how many there are.
pub(crate) async fn search(
    conn: &mut Conn,
    s: &Search<'_>,
    page: PageRequest,
) -> Result<(Vec<LineRow>, i64)> {
    let beginning = s.sought.beginning.as_deref();
    // Everything that begins so is before the last character of all.
    let end = beginning.map(|text| format!("{text}\u{10ffff}"));
    let terms = i64::try_from(s.sought.terms.len()).unwrap_or(i64::MAX);
    let of = || s.credentials.clone();
    let rows = conn
        .all(
            sql!(
                sqlite: concat!("SELECT ", line_columns!(),
                    found!("IN (SELECT value FROM json_each($1))", "IN (SELECT value FROM json_each($2))"),
                    " ORDER BY m.received_at DESC, m.key DESC LIMIT $7 OFFSET $8"),
                postgres: concat!("SELECT ", line_columns!(), found!("= ANY($1::TEXT[])", "= ANY($2::TEXT[])"),
                    " ORDER BY m.received_at DESC, m.key DESC LIMIT $7 OFFSET $8")
            ),
            args![of(), &s.sought.terms, terms, beginning, &end, s.conversation, page.size, page.offset()],
        )
        .await?;
    let (count,) = conn
        .one(
            sql!(
                sqlite: concat!("SELECT COUNT(*)",
                    found!("IN (SELECT value FROM json_each($1))", "IN (SELECT value FROM json_each($2))")),
                postgres: concat!("SELECT COUNT(*)", found!("= ANY($1::TEXT[])", "= ANY($2::TEXT[])"))
            ),
            args![of(), &s.sought.terms, terms, beginning, &end, s.conversation],
        )
        .await?;
    Ok((rows, count))
}

/// In which conversations these messages stand: message's key and conversation's id, in order.
pub(crate) async fn standing_in(conn: &mut Conn, messages: Vec<&str>) -> Result<Vec<(String, i64)>> {
    conn.all(
        sql!(
            sqlite: "SELECT message_key, conversation_id FROM gmail_links
                     WHERE message_key IN (SELECT value FROM json_each($1)) ORDER BY conversation_id",
            postgres: "SELECT message_key, conversation_id FROM gmail_links
                       WHERE message_key = ANY($1) ORDER BY conversation_id"
        ),
        args![messages],
    )
    .await
}
