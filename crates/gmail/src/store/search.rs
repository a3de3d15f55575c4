//! SQL that finds messages by `gmail_terms`.

use db::{Conn, Result, args, sql};
use kernel::{PageRequest, terms::Sought};

use super::reading::{LineRow, line_columns};

/// What is looked for, and where.
pub(crate) struct Search<'a> {
    pub(crate) sought: &'a Sought,
    /// The keys of the accounts whose conversations are searched.
    pub(crate) credentials: Vec<&'a str>,
    /// Only in this conversation.
    pub(crate) conversation: Option<i64>,
}

/// The links `l` to messages that have all of what is sought: `$1` accounts, `$2` terms, `$3` how many these are, `$4` and
/// `$5` what a further term is between, `$6` the conversation. Each message is asked for the terms, rather than each term
/// for its messages: that takes the same time whatever is looked for, however much others have.
macro_rules! found {
    ($one_of_accounts:literal, $one_of_terms:literal) => {
        concat!(
            " FROM gmail_conversations AS c JOIN gmail_links AS l ON l.conversation_id = c.id
              WHERE c.credential_key ",
            $one_of_accounts,
            " AND (CAST($6 AS BIGINT) IS NULL OR c.id = $6)
              AND (SELECT COUNT(*) FROM gmail_terms AS t WHERE t.message_key = l.message_key AND t.term ",
            $one_of_terms,
            ") = CAST($3 AS BIGINT)
              AND (CAST($4 AS TEXT) IS NULL OR EXISTS (SELECT 1 FROM gmail_terms AS b
                    WHERE b.message_key = l.message_key AND b.term >= $4 AND b.term < $5))"
        )
    };
}

/// A page of what is found, each message once, and what a list shows of it.
macro_rules! page {
    ($one_of_accounts:literal, $one_of_terms:literal) => {
        concat!(
            "SELECT ",
            line_columns!(),
            " FROM (SELECT l.message_key AS message_key, MAX(l.received_at) AS received_at",
            found!($one_of_accounts, $one_of_terms),
            " GROUP BY l.message_key ORDER BY 2 DESC, 1 DESC LIMIT $7 OFFSET $8) AS f
              JOIN gmail_messages AS m ON m.key = f.message_key LEFT JOIN gmail_outbox AS o ON o.id = m.outbox_id
              ORDER BY f.received_at DESC, f.message_key DESC"
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
                sqlite: page!("IN (SELECT value FROM json_each($1))", "IN (SELECT value FROM json_each($2))"),
                postgres: page!("= ANY($1::TEXT[])", "= ANY($2::TEXT[])")
            ),
            args![of(), &s.sought.terms, terms, beginning, &end, s.conversation, page.size, page.offset()],
        )
        .await?;
    let (count,) = conn
        .one(
            sql!(
                sqlite: concat!("SELECT COUNT(DISTINCT l.message_key)",
                    found!("IN (SELECT value FROM json_each($1))", "IN (SELECT value FROM json_each($2))")),
                postgres: concat!("SELECT COUNT(DISTINCT l.message_key)",
                    found!("= ANY($1::TEXT[])", "= ANY($2::TEXT[])"))
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
