//! All SQL on `dispatches` and `attempts`.

mod lost;
mod records;
mod redirect;

use db::{Conn, Result, Tx, args, sql};
use kernel::Timestamp;
use serde::Serialize;

use crate::model::{Dispatch, NewDispatch};

pub(crate) use lost::{RESCUED, begun, losses, release, rescue};
pub use records::records;
pub use redirect::redirect;

/// What is due within this time after now is announced to the running engines; what is due later is found
/// by their periodic look, which is more frequent.
pub(crate) const WINDOW: std::time::Duration = std::time::Duration::from_secs(60);

/// The topic of the engine's notices; the payload is the kind.
pub(crate) const TOPIC: &str = "dispatch";

/// Schedules, in the caller's transaction. An id that exists already is left as it is; how many were new.
///
/// # Errors
/// [`db::DbError`]
pub async fn enqueue(tx: &mut Tx, now: Timestamp, new: &[NewDispatch]) -> Result<u64> {
    if new.is_empty() {
        return Ok(0);
    }
    for d in new.iter().filter(|d| d.due_at <= now + WINDOW) {
        tx.notify(TOPIC, d.kind);
    }
    let json = json(&new.iter().map(Row::from).collect::<Vec<_>>())?;
    tx.exec(
        sql!(
            sqlite: "INSERT INTO dispatches
                        (id, kind, subject, destination, payload, state, due_at, next_at, created_at)
                     SELECT value ->> 'id', value ->> 'kind', value ->> 'subject', value ->> 'destination',
                            value ->> 'payload', 'scheduled', value ->> 'due_at', value ->> 'due_at', $2
                     FROM json_each($1) WHERE TRUE ON CONFLICT (id) DO NOTHING",
            postgres: "INSERT INTO dispatches
                          (id, kind, subject, destination, payload, state, due_at, next_at, created_at)
                       SELECT id, kind, subject, destination, payload, 'scheduled', due_at, due_at, CAST($2 AS BIGINT)
                       FROM json_to_recordset($1) AS x(id TEXT, kind TEXT, subject TEXT, destination TEXT,
                          payload TEXT, due_at BIGINT)
                       ON CONFLICT (id) DO NOTHING"
        ),
        args![&json, now],
    )
    .await
}

#[derive(Serialize)]
struct Row<'a> {
    id: &'a str,
    kind: &'a str,
    subject: &'a str,
    destination: &'a str,
    payload: Option<&'a str>,
    due_at: i64,
}

impl<'a> From<&'a NewDispatch> for Row<'a> {
    fn from(d: &'a NewDispatch) -> Self {
        let NewDispatch { id, kind, subject, destination, payload, due_at } = d;
        Self { id, kind, subject, destination, payload: payload.as_deref(), due_at: due_at.micros() }
    }
}

fn json(rows: &impl Serialize) -> Result<String> {
    serde_json::to_string(rows).map_err(|e| db::DbError::Other(e.to_string()))
}

/// Cancels those of `ids` that wait. How many were: whatever is missing had been acted on, is being acted
/// on, or was never there.
///
/// # Errors
/// [`db::DbError`]
pub async fn cancel(tx: &mut Tx, now: Timestamp, ids: &[String]) -> Result<u64> {
    tx.exec(
        sql!(
            sqlite: "UPDATE dispatches SET state = 'cancelled', finished_at = $2
                     WHERE id IN (SELECT value FROM json_each($1)) AND state = 'scheduled'",
            postgres: "UPDATE dispatches SET state = 'cancelled', finished_at = $2
                       WHERE id = ANY($1) AND state = 'scheduled'"
        ),
        args![ids, now],
    )
    .await
}

/// Makes waiting dispatches due at once (a trigger fired, an operator asked). How many were.
///
/// # Errors
/// [`db::DbError`]
pub async fn expedite(tx: &mut Tx, now: Timestamp, kind: &'static str, ids: &[String]) -> Result<u64> {
    tx.notify(TOPIC, kind);
    tx.exec(
        sql!(
            sqlite: "UPDATE dispatches SET due_at = MIN(due_at, $2), next_at = $2
                     WHERE id IN (SELECT value FROM json_each($1)) AND state = 'scheduled' AND kind = $3",
            postgres: "UPDATE dispatches SET due_at = LEAST(due_at, $2), next_at = $2
                       WHERE id = ANY($1) AND state = 'scheduled' AND kind = $3"
        ),
        args![ids, now, kind],
    )
    .await
}

/// Up to `limit` that are due, the longest due first, locked until the transaction ends. What another
/// transaction holds is passed over.
pub(crate) async fn due(
    tx: &mut Tx,
    kind: &str,
    now: Timestamp,
    limit: usize,
    saturated: &[String],
) -> Result<Vec<Dispatch>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    // Two statements: the common case has nobody to pass over.
    if saturated.is_empty() {
        return tx
            .all(
                sql!(
                    sqlite: "SELECT id, subject, destination, payload, due_at, attempt, fence, in_doubt
                             FROM dispatches WHERE state = 'scheduled' AND kind = $1 AND next_at <= $2
                             ORDER BY next_at LIMIT $3",
                    postgres: "SELECT id, subject, destination, payload, due_at, attempt, fence, in_doubt
                               FROM dispatches WHERE state = 'scheduled' AND kind = $1 AND next_at <= $2
                               ORDER BY next_at LIMIT $3 FOR UPDATE SKIP LOCKED"
                ),
                args![kind, now, limit],
            )
            .await;
    }
    tx.all(
        sql!(
            sqlite: "SELECT id, subject, destination, payload, due_at, attempt, fence, in_doubt
                     FROM dispatches WHERE state = 'scheduled' AND kind = $1 AND next_at <= $2
                       AND destination NOT IN (SELECT value FROM json_each($4))
                     ORDER BY next_at LIMIT $3",
            postgres: "SELECT id, subject, destination, payload, due_at, attempt, fence, in_doubt
                       FROM dispatches WHERE state = 'scheduled' AND kind = $1 AND next_at <= $2
                         AND destination <> ALL($4)
                       ORDER BY next_at LIMIT $3 FOR UPDATE SKIP LOCKED"
        ),
        args![kind, now, limit, saturated],
    )
    .await
}

/// Takes up to `limit` that are due, the longest due first, and marks them as done at once: until the
/// transaction ends nobody sees it, and a second statement for it would cost as much as the work itself.
pub(crate) async fn take(tx: &mut Tx, kind: &str, now: Timestamp, limit: usize) -> Result<Vec<Dispatch>> {
    let mut taken: Vec<Dispatch> = tx
        .all(
            sql!(
                sqlite: "UPDATE dispatches SET state = 'done', attempt = attempt + 1, finished_at = $2, answer = NULL
                         WHERE id IN (SELECT id FROM dispatches WHERE state = 'scheduled' AND kind = $1
                            AND next_at <= $2 ORDER BY next_at LIMIT $3)
                         RETURNING id, subject, destination, payload, due_at, attempt, fence, in_doubt",
                postgres: "WITH due AS MATERIALIZED (SELECT id FROM dispatches WHERE state = 'scheduled' AND kind = $1
                              AND next_at <= $2 ORDER BY next_at LIMIT $3 FOR UPDATE SKIP LOCKED)
                           UPDATE dispatches AS d
                              SET state = 'done', attempt = attempt + 1, finished_at = $2, answer = NULL
                           FROM due WHERE d.id = due.id
                           RETURNING d.id, subject, destination, payload, due_at, attempt, fence, in_doubt"
            ),
            args![kind, now, i64::try_from(limit).unwrap_or(i64::MAX)],
        )
        .await?;
    taken.sort_unstable_by(|a, b| (a.due_at, &a.id).cmp(&(b.due_at, &b.id)));
    Ok(taken)
}

/// Records the failed attempt of one that [`take`] has taken: again at `next`, or dead.
pub(crate) async fn fail(
    tx: &mut Tx,
    id: &str,
    now: Timestamp,
    next: Option<Timestamp>,
    reason: &str,
) -> Result<u64> {
    tx.exec(
        sql!(
            "UPDATE dispatches SET answer = $2,
                state = CASE WHEN CAST($3 AS BIGINT) IS NULL THEN 'dead' ELSE 'scheduled' END,
                next_at = COALESCE(CAST($3 AS BIGINT), next_at),
                finished_at = CASE WHEN CAST($3 AS BIGINT) IS NULL THEN CAST($4 AS BIGINT) END
             WHERE id = $1"
        ),
        args![id, clipped(reason), next, now],
    )
    .await
}

/// What can be stored of a peer's answer: a NUL cannot, and it may be of any length.
pub(crate) fn clipped(answer: &str) -> String {
    answer.chars().filter(|c| *c != '\0').take(1000).collect()
}

/// Leases locked rows to `owner`.
pub(crate) async fn lease(tx: &mut Tx, ids: Vec<&str>, owner: &str, until: Timestamp) -> Result<u64> {
    tx.exec(
        sql!(
            sqlite: "UPDATE dispatches SET state = 'running', attempt = attempt + 1, fence = fence + 1,
                        owner = $2, lease_until = $3
                     WHERE id IN (SELECT value FROM json_each($1)) AND state = 'scheduled'",
            postgres: "UPDATE dispatches SET state = 'running', attempt = attempt + 1, fence = fence + 1,
                          owner = $2, lease_until = $3
                       WHERE id = ANY($1) AND state = 'scheduled'"
        ),
        args![ids, owner, until],
    )
    .await
}

/// The end of one attempt of a single kind.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Ended {
    /// The dispatch; not `id`, which PostgreSQL would not tell from the column.
    pub k: String,
    pub fence: i64,
    /// `done`, `dead` or `scheduled`.
    pub state: &'static str,
    pub next_at: i64,
    pub attempt: i64,
    pub in_doubt: bool,
    pub answer: String,
    pub finished_at: Option<i64>,
    /// Of the attempt.
    pub started: i64,
    pub ended: i64,
    /// `done`, `dead`, `retry` or `snooze`.
    pub outcome: &'static str,
}

/// Records ends of attempts under their fences. The ids of those that were still ours to record.
pub(crate) async fn record(tx: &mut Tx, ended: &[Ended]) -> Result<Vec<String>> {
    // In one order everywhere, so that two workers with the same dispatches do not wait for each other.
    let mut ended: Vec<&Ended> = ended.iter().collect();
    ended.sort_by(|a, b| a.k.cmp(&b.k));
    let json = json(&ended)?;
    let kept: Vec<(String,)> = tx
        .all(
            sql!(
                sqlite: "UPDATE dispatches SET state = x.state, next_at = x.next_at, attempt = x.attempt,
                            in_doubt = x.in_doubt, answer = x.answer, finished_at = x.finished_at,
                            owner = NULL, lease_until = NULL
                         FROM (SELECT value ->> 'k' AS k, value ->> 'fence' AS f, value ->> 'state' AS state,
                                      value ->> 'next_at' AS next_at, value ->> 'attempt' AS attempt,
                                      value ->> 'in_doubt' AS in_doubt, value ->> 'answer' AS answer,
                                      value ->> 'finished_at' AS finished_at FROM json_each($1)) AS x
                         WHERE id = x.k AND fence = x.f AND dispatches.state = 'running' RETURNING id",
                postgres: "UPDATE dispatches SET state = x.state, next_at = x.next_at, attempt = x.attempt,
                              in_doubt = x.in_doubt, answer = x.answer, finished_at = x.finished_at,
                              owner = NULL, lease_until = NULL
                           FROM json_to_recordset($1) AS x(k TEXT, fence BIGINT, state TEXT, next_at BIGINT,
                              attempt BIGINT, in_doubt BOOLEAN, answer TEXT, finished_at BIGINT)
                           WHERE id = x.k AND dispatches.fence = x.fence AND dispatches.state = 'running'
                           RETURNING id"
            ),
            args![&json],
        )
        .await?;
    tx.exec(
        sql!(
            sqlite: "INSERT INTO attempts (dispatch_id, number, started_at, finished_at, outcome, answer)
                     SELECT value ->> 'k', value ->> 'fence', value ->> 'started', value ->> 'ended',
                            value ->> 'outcome', value ->> 'answer' FROM json_each($1) WHERE TRUE
                     ON CONFLICT (dispatch_id, number) DO UPDATE
                        SET answer = excluded.answer,
                            finished_at = CASE WHEN attempts.outcome = 'lost' THEN attempts.finished_at
                                               ELSE excluded.finished_at END,
                            outcome = CASE WHEN attempts.outcome = 'begun' THEN excluded.outcome
                                           ELSE attempts.outcome END",
            postgres: "INSERT INTO attempts (dispatch_id, number, started_at, finished_at, outcome, answer)
                       SELECT x.k, x.fence, x.started, x.ended, x.outcome, x.answer
                       FROM json_to_recordset($1) AS x(k TEXT, fence BIGINT, started BIGINT, ended BIGINT,
                          outcome TEXT, answer TEXT)
                       ON CONFLICT (dispatch_id, number) DO UPDATE
                          SET answer = excluded.answer,
                              finished_at = CASE WHEN attempts.outcome = 'lost' THEN attempts.finished_at
                                                 ELSE excluded.finished_at END,
                              outcome = CASE WHEN attempts.outcome = 'begun' THEN excluded.outcome
                                             ELSE attempts.outcome END"
        ),
        args![&json],
    )
    .await?;
    Ok(kept.into_iter().map(|(id,)| id).collect())
}

/// Extends the leases of what is still in hand. A row that is locked is being recorded: no need to wait.
pub(crate) async fn heartbeat(tx: &mut Tx, owner: &str, ids: &[String], until: Timestamp) -> Result<u64> {
    tx.exec(
        sql!(
            sqlite: "UPDATE dispatches SET lease_until = $3
                     WHERE id IN (SELECT value FROM json_each($1)) AND state = 'running' AND owner = $2",
            postgres: "UPDATE dispatches SET lease_until = $3
                       WHERE id IN (SELECT id FROM dispatches WHERE id = ANY($1) AND state = 'running'
                                    AND owner = $2 FOR UPDATE SKIP LOCKED)"
        ),
        args![ids, owner, until],
    )
    .await
}

/// The earliest time at which something of this kind is to be tried, whose destination has room.
pub(crate) async fn next(conn: &mut Conn, kind: &str, saturated: &[String]) -> Result<Option<Timestamp>> {
    let row: Option<(Timestamp,)> = conn
        .opt(
            sql!(
                sqlite: "SELECT next_at FROM dispatches WHERE state = 'scheduled' AND kind = $1
                            AND destination NOT IN (SELECT value FROM json_each($2))
                         ORDER BY next_at LIMIT 1",
                postgres: "SELECT next_at FROM dispatches WHERE state = 'scheduled' AND kind = $1
                              AND destination <> ALL($2)
                           ORDER BY next_at LIMIT 1"
            ),
            args![kind, saturated],
        )
        .await?;
    Ok(row.map(|(t,)| t))
}

/// How many of a kind are due at `now` (at most 100,001 are counted).
pub(crate) async fn depth(conn: &mut Conn, kind: &str, now: Timestamp) -> Result<i64> {
    let (n,): (i64,) = conn
        .one(
            sql!(
                "SELECT COUNT(*) FROM (SELECT 1 AS one FROM dispatches
                    WHERE state = 'scheduled' AND kind = $1 AND next_at <= $2 LIMIT 100001) AS due"
            ),
            args![kind, now],
        )
        .await?;
    Ok(n)
}

/// How many of a kind are dead.
///
/// # Errors
/// [`db::DbError`]
pub async fn dead(conn: &mut Conn, kind: &str) -> Result<i64> {
    let (n,): (i64,) = conn
        .one(sql!("SELECT COUNT(*) FROM dispatches WHERE state = 'dead' AND kind = $1"), args![kind])
        .await?;
    Ok(n)
}

db::row! {
    /// What became of a dispatch.
    #[derive(Debug, Clone)]
    pub struct Record {
        /// The idempotency key.
        pub id: String,
        /// The kind.
        pub kind: String,
        /// `scheduled`, `running`, `done`, `cancelled` or `dead`.
        pub state: String,
        /// When it was promised.
        pub due_at: Timestamp,
        /// When it is tried next, while it waits.
        pub next_at: Timestamp,
        /// How many attempts were made.
        pub attempt: i64,
        /// An attempt ended without a record.
        pub in_doubt: bool,
        /// The last answer or reason.
        pub answer: Option<String>,
        /// When it ended.
        pub finished_at: Option<Timestamp>,
    }
}

db::row! {
    /// One attempt of a single kind.
    #[derive(Debug, Clone)]
    pub struct Attempt {
        /// Of which dispatch.
        pub dispatch_id: String,
        /// Grows with every claim.
        pub number: i64,
        /// When it began; for a lost one of which that is not known, when it was found lost.
        pub started_at: Timestamp,
        /// When its end was recorded; for a lost one, when that was found, if it is known to have begun.
        pub finished_at: Option<Timestamp>,
        /// `done`, `dead`, `retry`, `snooze` or `lost`; `begun` while one is in hand that was lost three times.
        pub outcome: String,
        /// The peer's answer or the reason.
        pub answer: Option<String>,
    }
}

/// Everything on record about one subject: ids begin with `{subject}/`.
///
/// # Errors
/// [`db::DbError`]
pub async fn history(conn: &mut Conn, subject: &str) -> Result<(Vec<Record>, Vec<Attempt>)> {
    let (from, to) = (format!("{subject}/"), format!("{subject}0"));
    let records = conn
        .all(
            sql!(
                "SELECT id, kind, state, due_at, next_at, attempt, in_doubt, answer, finished_at
                 FROM dispatches WHERE id >= $1 AND id < $2 ORDER BY id"
            ),
            args![&from, &to],
        )
        .await?;
    let attempts = conn
        .all(
            sql!(
                "SELECT dispatch_id, number, started_at, finished_at, outcome, answer
                 FROM attempts WHERE dispatch_id >= $1 AND dispatch_id < $2 ORDER BY dispatch_id, number"
            ),
            args![&from, &to],
        )
        .await?;
    Ok((records, attempts))
}
