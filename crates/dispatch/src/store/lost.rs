//! SQL for what was in hand when its worker was lost.

use db::{Conn, Result, Tx, args, sql};
use kernel::Timestamp;

use super::TOPIC;
use crate::{model::Dispatch, suspect::Loss};

/// So many are taken back in one transaction.
pub(crate) const RESCUED: usize = 1000;

/// Takes back what a lost worker held: leases that ended before `expired`, except those of `held` (ours,
/// whose heartbeat is only late). Each such attempt is put on record as lost. How many there were. If the worker `fell`, that is
/// held against what is known to have begun.
pub(crate) async fn rescue(
    tx: &mut Tx,
    now: Timestamp,
    expired: Timestamp,
    held: &[String],
    fell: bool,
) -> Result<usize> {
    let lost = tx
        .all(
            sql!(
                sqlite: "SELECT id, kind FROM dispatches WHERE state = 'running' AND lease_until < $1
                            AND id NOT IN (SELECT value FROM json_each($2)) ORDER BY lease_until LIMIT $3",
                postgres: "SELECT id, kind FROM dispatches WHERE state = 'running' AND lease_until < $1
                              AND id <> ALL($2) ORDER BY lease_until LIMIT $3 FOR UPDATE SKIP LOCKED"
            ),
            args![expired, held, i64::try_from(RESCUED).unwrap_or(i64::MAX)],
        )
        .await?;
    let found = fell.then_some(now);
    give_back(tx, now, lost, "the worker was lost before the end was recorded", found).await
}

/// The attempts of a dispatch that were lost with their workers, in order.
pub(crate) async fn losses(conn: &mut Conn, id: &str) -> Result<Vec<Loss>> {
    conn.all(
        sql!(
            "SELECT started_at, finished_at FROM attempts WHERE dispatch_id = $1 AND outcome = 'lost' ORDER BY number"
        ),
        args![id],
    )
    .await
}

/// Puts on record that an attempt begins. 0 if it is lost already.
pub(crate) async fn begun(tx: &mut Tx, dispatch: &Dispatch, now: Timestamp) -> Result<u64> {
    tx.exec(
        sql!(
            "INSERT INTO attempts (dispatch_id, number, started_at, outcome) VALUES ($1, $2, $3, 'begun')
             ON CONFLICT (dispatch_id, number) DO NOTHING"
        ),
        args![&dispatch.id, dispatch.fence, now],
    )
    .await
}

/// Gives back all that `owner` holds.
pub(crate) async fn release(tx: &mut Tx, owner: &str, now: Timestamp) -> Result<usize> {
    let held = tx
        .all(
            sql!(
                sqlite: "SELECT id, kind FROM dispatches WHERE state = 'running' AND owner = $1",
                postgres: "SELECT id, kind FROM dispatches WHERE state = 'running' AND owner = $1 FOR UPDATE"
            ),
            args![owner],
        )
        .await?;
    give_back(tx, now, held, "the worker was stopped before the end was recorded", None).await
}

/// `found` is when those fell that are known to have begun; where there was no fall, they are given up for it no more than
/// those that were merely claimed.
async fn give_back(
    tx: &mut Tx,
    now: Timestamp,
    lost: Vec<(String, String)>,
    reason: &str,
    found: Option<Timestamp>,
) -> Result<usize> {
    if lost.is_empty() {
        return Ok(0);
    }
    let ids: Vec<&str> = lost.iter().map(|(id, _)| id.as_str()).collect();
    tx.exec(
        sql!(
            sqlite: "INSERT INTO attempts (dispatch_id, number, started_at, finished_at, outcome, answer)
                     SELECT id, fence, $2, NULL, 'lost', $3 FROM dispatches
                     WHERE id IN (SELECT value FROM json_each($1))
                     ON CONFLICT (dispatch_id, number) DO UPDATE
                        SET outcome = 'lost', answer = excluded.answer, finished_at = CAST($4 AS BIGINT)",
            postgres: "INSERT INTO attempts (dispatch_id, number, started_at, finished_at, outcome, answer)
                       SELECT id, fence, CAST($2 AS BIGINT), NULL, 'lost', CAST($3 AS TEXT) FROM dispatches
                       WHERE id = ANY($1)
                       ON CONFLICT (dispatch_id, number) DO UPDATE
                          SET outcome = 'lost', answer = excluded.answer, finished_at = CAST($4 AS BIGINT)"
        ),
        args![ids.clone(), now, reason, found],
    )
    .await?;
    tx.exec(
        sql!(
            sqlite: "UPDATE dispatches SET state = 'scheduled', in_doubt = TRUE, next_at = $2, owner = NULL,
                        lease_until = NULL, answer = $3
                     WHERE id IN (SELECT value FROM json_each($1)) AND state = 'running'",
            postgres: "UPDATE dispatches SET state = 'scheduled', in_doubt = TRUE, next_at = $2, owner = NULL,
                          lease_until = NULL, answer = $3
                       WHERE id = ANY($1) AND state = 'running'"
        ),
        args![ids, now, reason],
    )
    .await?;
    for (_, kind) in &lost {
        tx.notify(TOPIC, kind);
    }
    Ok(lost.len())
}
