//! SQL on `gmail_fetches`: the mails that are to be looked at, in order.

use db::{Conn, Result, Tx, args, sql};
use kernel::{PageRequest, Timestamp};

/// Why a mail is to be looked at: what comes first is done first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rank {
    /// History says that it came.
    Live,
    /// It was listed where history did not reach back.
    Window,
    /// It was found for a conversation: it belongs there, and is of the past, unless it came after the mailbox was read last.
    Past,
}

impl Rank {
    const fn number(self) -> i64 {
        match self {
            Self::Live => 0,
            Self::Window => 1,
            Self::Past => 2,
        }
    }
}

impl db::FromCell for Rank {
    fn from_cell(cell: db::Cell<'_>) -> Option<Self> {
        [Self::Live, Self::Window, Self::Past].into_iter().find(|rank| cell == db::Cell::Int(rank.number()))
    }
}

db::row! {
    /// A mail that is to be looked at.
    #[derive(Debug, Clone)]
    pub(crate) struct FetchRow {
        pub(crate) gmail_id: String,
        pub(crate) rank: Rank,
        /// Whether it may be a large one: those come into memory one by one.
        pub(crate) large: bool,
        /// How often it failed by itself.
        pub(crate) tries: i64,
    }
}

/// Queues mails that are not there already, the first one first; `place` sorts them among others of their rank. Known
/// mails are queued, too: to be looked at again.
pub(crate) async fn queue(
    tx: &mut Tx,
    credential: &str,
    ids: &[String],
    (rank, large): (Rank, bool),
    places: impl Fn(i64) -> i64,
) -> Result<()> {
    let rows: Vec<(&String, i64)> = ids.iter().zip((0..).map(places)).collect();
    if rows.is_empty() {
        return Ok(());
    }
    let json = serde_json::to_string(&rows).map_err(|e| db::DbError::Other(e.to_string()))?;
    tx.exec(
        sql!(
            sqlite: "INSERT INTO gmail_fetches (credential_key, gmail_id, rank, large, place, tries, next_at)
                     SELECT $1, value ->> 0, $3, $4, value ->> 1, 0, 0 FROM json_each($2) WHERE TRUE
                     ON CONFLICT (credential_key, gmail_id) DO UPDATE SET large = gmail_fetches.large OR excluded.large,
                        rank = CASE WHEN excluded.rank < gmail_fetches.rank THEN excluded.rank
                                    ELSE gmail_fetches.rank END",
            postgres: "INSERT INTO gmail_fetches (credential_key, gmail_id, rank, large, place, tries, next_at)
                       SELECT DISTINCT ON (value ->> 0) CAST($1 AS TEXT), value ->> 0, CAST($3 AS BIGINT), CAST($4 AS BOOLEAN),
                              CAST(value ->> 1 AS BIGINT), 0, 0
                       FROM json_array_elements(CAST($2 AS JSON)) AS t(value)
                       ON CONFLICT (credential_key, gmail_id) DO UPDATE SET
                          large = gmail_fetches.large OR excluded.large,
                          rank = CASE WHEN excluded.rank < gmail_fetches.rank THEN excluded.rank
                                      ELSE gmail_fetches.rank END"
        ),
        args![credential, &json, rank.number(), large],
    )
    .await
    .map(drop)
}

/// What stands in the queue for a thread, whose mails are to be listed. No mail's id looks like it.
const THREAD: &str = "thread/";

/// Queues the listing of a thread, after all that is new.
pub(crate) async fn queue_thread(tx: &mut Tx, credential: &str, thread: &str, now: Timestamp) -> Result<()> {
    queue(tx, credential, &[format!("{THREAD}{thread}")], (Rank::Past, false), |_| now.micros()).await
}

/// The thread that is to be listed, if that is what stands in the queue.
fn thread_of(id: &str) -> Option<&str> {
    id.strip_prefix(THREAD)
}

impl FetchRow {
    /// The thread that is to be listed, if it is none of mails.
    pub(crate) fn thread(&self) -> Option<&str> {
        thread_of(&self.gmail_id)
    }
}

/// Queues what is known of a mailbox since a time: whether it is still there.
pub(crate) async fn queue_known(
    tx: &mut Tx,
    credential: &str,
    since: Timestamp,
    place: Timestamp,
) -> Result<()> {
    tx.exec(
        sql!(
            "INSERT INTO gmail_fetches (credential_key, gmail_id, rank, large, place, tries, next_at)
             SELECT credential_key, gmail_id, 1, FALSE, $3, 0, 0 FROM gmail_messages
             WHERE credential_key = $1 AND received_at >= $2
             ON CONFLICT (credential_key, gmail_id) DO NOTHING"
        ),
        args![credential, since, place],
    )
    .await
    .map(drop)
}

/// The next, at most `most`, that did not fail `tries` times.
pub(crate) async fn next(
    conn: &mut Conn,
    credential: &str,
    (tries, most): (i64, i64),
    now: Timestamp,
) -> Result<Vec<FetchRow>> {
    conn.all(
        sql!(
            "SELECT gmail_id, rank, large, tries FROM gmail_fetches
             WHERE credential_key = $1 AND tries < $2 AND next_at <= $3
             ORDER BY rank, place, gmail_id LIMIT $4"
        ),
        args![credential, tries, now, most],
    )
    .await
}

/// Those of these mails that are in the queue, be it that they were given up.
pub(crate) async fn queued(conn: &mut Conn, credential: &str, ids: &[String]) -> Result<Vec<FetchRow>> {
    conn.all(
        sql!(
            sqlite: "SELECT gmail_id, rank, large, tries FROM gmail_fetches
                     WHERE credential_key = $1 AND gmail_id IN (SELECT value FROM json_each($2))",
            postgres: "SELECT gmail_id, rank, large, tries FROM gmail_fetches
                       WHERE credential_key = $1 AND gmail_id = ANY($2::TEXT[])"
        ),
        args![credential, ids],
    )
    .await
}

/// Takes mails off the queue: they were dealt with.
pub(crate) async fn done(tx: &mut Tx, credential: &str, ids: &[String]) -> Result<()> {
    tx.exec(
        sql!(
            sqlite: "DELETE FROM gmail_fetches
                     WHERE credential_key = $1 AND gmail_id IN (SELECT value FROM json_each($2))",
            postgres: "DELETE FROM gmail_fetches WHERE credential_key = $1 AND gmail_id = ANY($2::TEXT[])"
        ),
        args![credential, ids],
    )
    .await
    .map(drop)
}

/// Notes that a mail failed by itself now, and when to try it again.
pub(crate) async fn failed(
    tx: &mut Tx,
    credential: &str,
    gmail_id: &str,
    error: &str,
    (now, next_at): (Timestamp, Timestamp),
) -> Result<()> {
    tx.exec(
        sql!(
            "UPDATE gmail_fetches SET tries = tries + 1, error = $3, failed_at = $4, next_at = $5
             WHERE credential_key = $1 AND gmail_id = $2"
        ),
        args![credential, gmail_id, error, now, next_at],
    )
    .await
    .map(drop)
}

/// Gives what was skipped another chance: a person asked for it.
pub(crate) async fn retry_skipped(tx: &mut Tx, credential: &str, tries: i64) -> Result<u64> {
    tx.exec(
        sql!("UPDATE gmail_fetches SET tries = 0, next_at = 0 WHERE credential_key = $1 AND tries >= $2"),
        args![credential, tries],
    )
    .await
}

db::row! {
    /// What was given up.
    #[derive(Debug, Clone)]
    pub(crate) struct SkippedRow {
        pub(crate) gmail_id: String,
        pub(crate) tries: i64,
        pub(crate) error: Option<String>,
        pub(crate) failed_at: Option<Timestamp>,
    }
}

impl SkippedRow {
    /// The thread whose mails could not be listed, if it is no mail.
    pub(crate) fn thread(&self) -> Option<&str> {
        thread_of(&self.gmail_id)
    }
}

/// A page of what was given up after so many tries, the last one first; how much there is.
pub(crate) async fn skipped(
    conn: &mut Conn,
    credential: &str,
    tries: i64,
    page: PageRequest,
) -> Result<(Vec<SkippedRow>, i64)> {
    let rows = conn
        .all(
            sql!(
                "SELECT gmail_id, tries, error, failed_at FROM gmail_fetches
                 WHERE credential_key = $1 AND tries >= $2
                 ORDER BY COALESCE(failed_at, 0) DESC, gmail_id LIMIT $3 OFFSET $4"
            ),
            args![credential, tries, page.size, page.offset()],
        )
        .await?;
    let (count,) = conn
        .one(
            sql!("SELECT COUNT(*) FROM gmail_fetches WHERE credential_key = $1 AND tries >= $2"),
            args![credential, tries],
        )
        .await?;
    Ok((rows, count))
}

db::row! {
    /// How reading an account goes.
    #[derive(Debug, Clone, Default)]
    pub(crate) struct HealthRow {
        pub(crate) credential_key: String,
        pub(crate) pushed_at: Option<Timestamp>,
        /// Why it cannot be read.
        pub(crate) error: Option<String>,
        /// Mails that are still to be looked at.
        pub(crate) waiting: i64,
        /// Mails that were given up.
        pub(crate) skipped: i64,
    }
}

/// How reading these accounts goes.
pub(crate) async fn health(conn: &mut Conn, credentials: &[String], tries: i64) -> Result<Vec<HealthRow>> {
    conn.all(
        sql!(
            sqlite: "SELECT s.credential_key, s.pushed_at, s.error,
                        (SELECT COUNT(*) FROM gmail_fetches AS f
                         WHERE f.credential_key = s.credential_key AND f.tries < $2),
                        (SELECT COUNT(*) FROM gmail_fetches AS f
                         WHERE f.credential_key = s.credential_key AND f.tries >= $2)
                     FROM gmail_syncs AS s WHERE s.credential_key IN (SELECT value FROM json_each($1))",
            postgres: "SELECT s.credential_key, s.pushed_at, s.error,
                          (SELECT COUNT(*) FROM gmail_fetches AS f
                           WHERE f.credential_key = s.credential_key AND f.tries < $2),
                          (SELECT COUNT(*) FROM gmail_fetches AS f
                           WHERE f.credential_key = s.credential_key AND f.tries >= $2)
                       FROM gmail_syncs AS s WHERE s.credential_key = ANY($1::TEXT[])"
        ),
        args![credentials, tries],
    )
    .await
}
