//! SQL on what authors have sent: `sent_letters`, and what is counted of them in `sent_counts`; and on what
//! came to mailboxes, `inbox_counted`.
//!
//! Scheduling adds a row to `sent_letters`, revoking removes it. Counting comes later, when somebody asks, many
//! letters in a step: under the author's lock a letter is marked as counted, its words are kept, and its
//! shares are added to `sent_counts`. Removing a counted letter takes exactly those shares back.

use db::{Conn, Result, Tx, args, sql};
use kernel::Timestamp;
use serde::Serialize;

use super::LetterRow;

/// `sent_counts.kind`: letters scheduled in a month, `2026-11`.
pub(crate) const MONTH: &str = "month";
/// Letters whose `sendTime` is in a year, `2036`.
pub(crate) const YEAR: &str = "year";
/// Letters to a recipient: a normalized address, `SELF` or `PUBLIC`.
pub(crate) const RECIPIENT: &str = "recipient";
/// Whole seconds from scheduling to `sendTime`; its row is the author's lock, too.
pub(crate) const SECONDS: &str = "seconds";
/// How often a word occurs.
pub(crate) const WORD: &str = "word";

db::row! {
    /// A letter that was sent, as it is counted.
    #[derive(Debug, Clone)]
    pub(crate) struct SentRow {
        pub(crate) letter_id: String,
        pub(crate) scheduled_at: Timestamp,
        pub(crate) send_time: Timestamp,
        pub(crate) recipient: String,
    }
}

/// A share of `sent_counts`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Share {
    pub(crate) kind: &'static str,
    pub(crate) name: String,
    pub(crate) n: i64,
}

/// A letter and the words that it adds, to be marked as counted.
#[derive(Debug, Serialize)]
pub(crate) struct Worded {
    pub(crate) letter_id: String,
    /// Microseconds.
    pub(crate) scheduled_at: i64,
    /// JSON: how often each word occurs.
    pub(crate) words: String,
}

fn json(rows: &impl Serialize) -> Result<String> {
    serde_json::to_string(rows).map_err(|e| db::DbError::Other(e.to_string()))
}

/// Enters a letter that is being scheduled.
pub(crate) async fn sent(tx: &mut Tx, l: &LetterRow) -> Result<()> {
    let recipient = l.recipient_key.as_deref().unwrap_or(l.recipient_type.as_str());
    tx.exec(
        sql!(
            "INSERT INTO sent_letters (owner_id, scheduled_at, letter_id, send_time, recipient)
             VALUES ($1, $2, $3, $4, $5)"
        ),
        args![&l.owner_id, l.scheduled_at, &l.id, l.send_time, recipient],
    )
    .await
    .map(drop)
}

/// Removes a letter that is being revoked, under [`lock_counts`]: its row and, if it was counted, its words.
pub(crate) async fn unsent(tx: &mut Tx, l: &LetterRow) -> Result<Option<(SentRow, String)>> {
    let rows: Vec<(String, Timestamp, Timestamp, String, bool)> = tx
        .all(
            sql!(
                "DELETE FROM sent_letters WHERE owner_id = $1 AND scheduled_at = $2 AND letter_id = $3
                 RETURNING letter_id, scheduled_at, send_time, recipient, counted"
            ),
            args![&l.owner_id, l.scheduled_at, &l.id],
        )
        .await?;
    let Some((letter_id, scheduled_at, send_time, recipient, true)) = rows.into_iter().next() else {
        return Ok(None);
    };
    let words: Option<(String,)> =
        tx.opt(sql!("DELETE FROM letter_words WHERE letter_id = $1 RETURNING words"), args![&l.id]).await?;
    let row = SentRow { letter_id, scheduled_at, send_time, recipient };
    Ok(words.map(|(words,)| (row, words)))
}

/// Makes others who count this author's letters wait until the transaction ends.
pub(crate) async fn lock_counts(tx: &mut Tx, owner: &str) -> Result<()> {
    tx.exec(
        sql!(
            "INSERT INTO sent_counts (owner_id, kind, name, n) VALUES ($1, 'seconds', '', 0)
             ON CONFLICT (owner_id, kind, name) DO UPDATE SET n = sent_counts.n"
        ),
        args![owner],
    )
    .await
    .map(drop)
}

/// Up to `most` letters of an author that are not counted yet, and how many characters their texts have: none
/// where the text is encrypted.
pub(crate) async fn uncounted(
    conn: &mut Conn,
    owner: &str,
    most: i64,
) -> Result<Vec<(String, Timestamp, i64)>> {
    conn.all(
        sql!(
            "SELECT s.letter_id, s.scheduled_at, CAST(COALESCE(LENGTH(c.content), 0) AS BIGINT)
             FROM (SELECT letter_id, scheduled_at FROM sent_letters
                   WHERE owner_id = $1 AND NOT counted ORDER BY letter_id LIMIT $2) AS s
             LEFT JOIN letter_contents AS c ON c.letter_id = s.letter_id"
        ),
        args![owner, most],
    )
    .await
}

/// The texts of letters that are not encrypted.
pub(crate) async fn texts(conn: &mut Conn, letters: Vec<&str>) -> Result<Vec<(String, String)>> {
    conn.all(
        sql!(
            sqlite: "SELECT letter_id, content FROM letter_contents
                     WHERE letter_id IN (SELECT value FROM json_each($1)) AND content IS NOT NULL",
            postgres: "SELECT letter_id, content FROM letter_contents
                       WHERE letter_id = ANY($1) AND content IS NOT NULL"
        ),
        args![letters],
    )
    .await
}

/// Marks letters as counted, under [`lock_counts`], and keeps their words. Those that were counted or revoked
/// meanwhile are passed over; the others.
pub(crate) async fn mark_counted(tx: &mut Tx, owner: &str, letters: &[Worded]) -> Result<Vec<SentRow>> {
    let marked: Vec<SentRow> = tx
        .all(
            sql!(
                sqlite: "UPDATE sent_letters SET counted = TRUE
                         WHERE owner_id = $1 AND NOT counted AND (scheduled_at, letter_id) IN
                            (SELECT value ->> 'scheduled_at', value ->> 'letter_id' FROM json_each($2))
                         RETURNING letter_id, scheduled_at, send_time, recipient",
                postgres: "UPDATE sent_letters AS s SET counted = TRUE
                           FROM json_to_recordset($2) AS x(letter_id TEXT, scheduled_at BIGINT)
                           WHERE owner_id = $1 AND s.scheduled_at = x.scheduled_at
                             AND s.letter_id = x.letter_id AND NOT counted
                           RETURNING s.letter_id, s.scheduled_at, send_time, recipient"
            ),
            args![owner, json(&letters)?],
        )
        .await?;
    let ids: std::collections::HashSet<&str> = marked.iter().map(|row| row.letter_id.as_str()).collect();
    let kept: Vec<&Worded> = letters.iter().filter(|l| ids.contains(l.letter_id.as_str())).collect();
    tx.exec(
        sql!(
            sqlite: "INSERT INTO letter_words (letter_id, words)
                     SELECT value ->> 'letter_id', value ->> 'words' FROM json_each($1)",
            postgres: "INSERT INTO letter_words (letter_id, words)
                       SELECT letter_id, words FROM json_to_recordset($1) AS x(letter_id TEXT, words TEXT)"
        ),
        args![json(&kept)?],
    )
    .await?;
    Ok(marked)
}

/// Adds shares, which may be negative, to an author's counts, under [`lock_counts`]. What then counts
/// nothing goes: a word of a letter that was revoked is nobody's business any more.
pub(crate) async fn add_counts(tx: &mut Tx, owner: &str, shares: &[Share]) -> Result<()> {
    tx.exec(
        sql!(
            sqlite: "INSERT INTO sent_counts (owner_id, kind, name, n)
                     SELECT $1, value ->> 'kind', value ->> 'name', value ->> 'n' FROM json_each($2) WHERE TRUE
                     ON CONFLICT (owner_id, kind, name) DO UPDATE SET n = sent_counts.n + excluded.n",
            postgres: "INSERT INTO sent_counts (owner_id, kind, name, n)
                       SELECT CAST($1 AS TEXT), kind, name, n
                       FROM json_to_recordset($2) AS x(kind TEXT, name TEXT, n BIGINT)
                       ON CONFLICT (owner_id, kind, name) DO UPDATE SET n = sent_counts.n + excluded.n"
        ),
        args![owner, json(&shares)?],
    )
    .await?;
    if shares.iter().any(|share| share.n < 0) {
        tx.exec(
            sql!(
                "DELETE FROM sent_counts
                 WHERE owner_id = $1 AND kind IN ('month', 'year', 'recipient', 'word') AND n <= 0"
            ),
            args![owner],
        )
        .await?;
    }
    Ok(())
}

/// An author's counts as of one moment, in no order: all months and years and the seconds, the `words` most
/// frequent words, and of the recipients the three most frequent and `SELF` and the author's own address, which
/// may come twice.
pub(crate) async fn counts(
    conn: &mut Conn,
    owner: &str,
    own_address: &str,
    words: i64,
) -> Result<Vec<(String, String, i64)>> {
    conn.all(
        sql!(
            "SELECT kind, name, n FROM sent_counts
             WHERE owner_id = $1 AND kind IN ('month', 'year', 'seconds')
             UNION ALL
             SELECT kind, name, n FROM (SELECT kind, name, n FROM sent_counts
                WHERE owner_id = $1 AND kind = 'word' ORDER BY n DESC, name LIMIT $3) AS w
             UNION ALL
             SELECT kind, name, n FROM (SELECT kind, name, n FROM sent_counts
                WHERE owner_id = $1 AND kind = 'recipient' AND name <> 'PUBLIC'
                ORDER BY n DESC, name LIMIT 3) AS r
             UNION ALL
             SELECT kind, name, n FROM sent_counts
             WHERE owner_id = $1 AND kind = 'recipient' AND name IN ('SELF', CAST($2 AS TEXT))"
        ),
        args![owner, own_address, words],
    )
    .await
}

/// A stretch of time in one month.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Stretch {
    /// `2026-11`
    pub(crate) month: String,
    /// Microseconds, included.
    pub(crate) start: i64,
    /// Microseconds, not included.
    pub(crate) end: i64,
}

/// How many letters came to a mailbox in each stretch of time.
pub(crate) async fn received_in(
    conn: &mut Conn,
    mailbox: &str,
    stretches: &[Stretch],
) -> Result<Vec<(String, i64)>> {
    if stretches.is_empty() {
        return Ok(Vec::new());
    }
    conn.all(
        sql!(
            sqlite: "SELECT value ->> 'month', (SELECT COUNT(*) FROM inbox WHERE mailbox = $1
                        AND delivered_at >= value ->> 'start' AND delivered_at < value ->> 'end')
                     FROM json_each($2)",
            postgres: r#"SELECT month, (SELECT COUNT(*) FROM inbox WHERE mailbox = $1
                            AND delivered_at >= x.start AND delivered_at < x."end")
                         FROM json_to_recordset($2) AS x(month TEXT, start BIGINT, "end" BIGINT)"#
        ),
        args![mailbox, json(&stretches)?],
    )
    .await
}

/// When the first letter came to a mailbox.
pub(crate) async fn first_arrival(conn: &mut Conn, mailbox: &str) -> Result<Option<Timestamp>> {
    let first: Option<(Timestamp,)> = conn
        .opt(
            sql!("SELECT delivered_at FROM inbox WHERE mailbox = $1 ORDER BY delivered_at LIMIT 1"),
            args![mailbox],
        )
        .await?;
    Ok(first.map(|(at,)| at))
}

/// What is counted of a mailbox already: until when (not included), and the months as JSON.
pub(crate) async fn inbox_counted(conn: &mut Conn, mailbox: &str) -> Result<Option<(Timestamp, String)>> {
    conn.opt(sql!("SELECT until, months FROM inbox_counted WHERE mailbox = $1"), args![mailbox]).await
}

/// Writes what is counted of a mailbox, unless somebody else has counted on from `before`.
pub(crate) async fn set_inbox_counted(
    tx: &mut Tx,
    mailbox: &str,
    before: Option<Timestamp>,
    until: Timestamp,
    months: &str,
) -> Result<()> {
    tx.exec(
        sql!(
            "INSERT INTO inbox_counted (mailbox, until, months) VALUES ($1, $3, $4)
             ON CONFLICT (mailbox) DO UPDATE SET until = excluded.until, months = excluded.months
             WHERE inbox_counted.until = $2"
        ),
        args![mailbox, before, until, months],
    )
    .await
    .map(drop)
}
