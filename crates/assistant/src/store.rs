//! All SQL on the assistant's tables, those of the knowledge bases apart.

use db::{Conn, Result, Tx, args, sql};
use kernel::Timestamp;

/// One counter: whose, over which span of time, and when that began.
#[derive(Debug, Clone)]
pub(crate) struct Counter<'a> {
    /// A user's id, or `all`.
    pub(crate) scope: &'a str,
    /// `minute`, `day` or `month`.
    pub(crate) span: &'static str,
    pub(crate) started: Timestamp,
}

/// What is counted, or at most may be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Amount {
    pub(crate) requests: i64,
    pub(crate) tokens: i64,
    /// In billionths of the prices' currency.
    pub(crate) cost: i64,
}

/// Adds to a counter unless that takes it over its limit; when the span began that it was added to, `None` if
/// nothing was added. The row holds the latest span alone: a later one begins anew, and a process whose clock
/// is behind counts into the later.
pub(crate) async fn add_usage(
    tx: &mut Tx,
    counter: &Counter<'_>,
    add: Amount,
    most: Amount,
) -> Result<Option<Timestamp>> {
    if add.requests > most.requests || add.tokens > most.tokens || add.cost > most.cost {
        return Ok(None);
    }
    let row = tx
        .opt::<(Timestamp,)>(
            sql!(
                "INSERT INTO assistant_usage AS u (scope, span, started, requests, tokens, cost)
                 VALUES ($1, $2, $3, $4, $5, $6)
                 ON CONFLICT (scope, span) DO UPDATE SET
                    requests = CASE WHEN u.started < $3 THEN $4 ELSE u.requests + $4 END,
                    tokens = CASE WHEN u.started < $3 THEN $5 ELSE u.tokens + $5 END,
                    cost = CASE WHEN u.started < $3 THEN $6 ELSE u.cost + $6 END,
                    started = CASE WHEN u.started < $3 THEN $3 ELSE u.started END
                 WHERE u.started < $3
                    OR (u.requests + $4 <= $7 AND u.tokens + $5 <= $8 AND u.cost + $6 <= $9)
                 RETURNING started"
            ),
            args![
                counter.scope,
                counter.span,
                counter.started,
                add.requests,
                add.tokens,
                add.cost,
                most.requests,
                most.tokens,
                most.cost
            ],
        )
        .await?;
    Ok(row.map(|(started,)| started))
}

/// Corrects what was added by the difference to what was used, if the span still runs.
pub(crate) async fn settle_usage(tx: &mut Tx, counter: &Counter<'_>, tokens: i64, cost: i64) -> Result<()> {
    tx.exec(
        sql!(
            "UPDATE assistant_usage SET tokens = tokens + $4, cost = cost + $5
             WHERE scope = $1 AND span = $2 AND started = $3"
        ),
        args![counter.scope, counter.span, counter.started, tokens, cost],
    )
    .await
    .map(drop)
}

/// A sealed answer that has not expired.
pub(crate) async fn cached(
    conn: &mut Conn,
    hash: &str,
    owner: &str,
    now: Timestamp,
) -> Result<Option<Vec<u8>>> {
    let row: Option<(Vec<u8>,)> = conn
        .opt(
            sql!("SELECT answer FROM assistant_cache WHERE hash = $1 AND owner = $2 AND expires_at > $3"),
            args![hash, owner, now],
        )
        .await?;
    Ok(row.map(|(answer,)| answer))
}

/// Keeps a sealed answer.
pub(crate) async fn keep(
    tx: &mut Tx,
    hash: &str,
    owner: &str,
    answer: &[u8],
    expires: Timestamp,
) -> Result<()> {
    tx.exec(
        sql!(
            "INSERT INTO assistant_cache (hash, owner, answer, expires_at) VALUES ($1, $2, $3, $4)
             ON CONFLICT (hash) DO UPDATE SET answer = excluded.answer, expires_at = excluded.expires_at"
        ),
        args![hash, owner, answer, expires],
    )
    .await
    .map(drop)
}

/// The record of a call: what it was, never what was said.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub(crate) id: &'a str,
    pub(crate) owner: &'a str,
    pub(crate) task: &'a str,
    pub(crate) prompt_version: i64,
    /// Who answered.
    pub(crate) engine: &'a str,
    /// Keyed with the installation's key.
    pub(crate) input_hash: &'a str,
    /// How many values were replaced.
    pub(crate) redactions: i64,
    pub(crate) tokens_in: i64,
    pub(crate) tokens_out: i64,
    /// In billionths of the prices' currency.
    pub(crate) cost: i64,
    pub(crate) micros: i64,
    /// `answered`, `repaired`, `cached` or `degraded`.
    pub(crate) outcome: &'a str,
    /// Why it is degraded.
    pub(crate) reason: Option<&'a str>,
    pub(crate) created_at: Timestamp,
}

/// Writes it.
pub(crate) async fn insert_call(tx: &mut Tx, c: &Call<'_>) -> Result<()> {
    tx.exec(
        sql!(
            "INSERT INTO assistant_calls (id, owner, task, prompt_version, engine, input_hash, redactions,
                tokens_in, tokens_out, cost, micros, outcome, reason, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)"
        ),
        args![
            c.id,
            c.owner,
            c.task,
            c.prompt_version,
            c.engine,
            c.input_hash,
            c.redactions,
            c.tokens_in,
            c.tokens_out,
            c.cost,
            c.micros,
            c.outcome,
            c.reason,
            c.created_at
        ],
    )
    .await
    .map(drop)
}

/// Deletes some of what has had its time; the next sweep takes more.
pub(crate) async fn sweep(tx: &mut Tx, now: Timestamp, records_before: Timestamp) -> Result<()> {
    tx.exec(
        sql!(
            "DELETE FROM assistant_cache WHERE hash IN
                (SELECT hash FROM assistant_cache WHERE expires_at <= $1 ORDER BY expires_at LIMIT 1000)"
        ),
        args![now],
    )
    .await?;
    tx.exec(
        sql!(
            "DELETE FROM assistant_calls WHERE id IN
                (SELECT id FROM assistant_calls WHERE created_at < $1 ORDER BY created_at LIMIT 1000)"
        ),
        args![records_before],
    )
    .await
    .map(drop)
}
