//! SQL that reads what became of named dispatches.

use db::{Conn, Result, args, sql};

use super::{Attempt, Record};

/// Everything on record about these dispatches, each with its attempts in order; ids that do not exist are missing.
///
/// # Errors
/// [`db::DbError`]
pub async fn records(conn: &mut Conn, ids: &[String]) -> Result<(Vec<Record>, Vec<Attempt>)> {
    let records = conn
        .all(
            sql!(
                sqlite: "SELECT id, kind, state, due_at, next_at, attempt, in_doubt, answer, finished_at
                         FROM dispatches WHERE id IN (SELECT value FROM json_each($1)) ORDER BY id",
                postgres: "SELECT id, kind, state, due_at, next_at, attempt, in_doubt, answer, finished_at
                           FROM dispatches WHERE id = ANY($1) ORDER BY id"
            ),
            args![ids],
        )
        .await?;
    let attempts = conn
        .all(
            sql!(
                sqlite: "SELECT dispatch_id, number, started_at, finished_at, outcome, answer
                         FROM attempts WHERE dispatch_id IN (SELECT value FROM json_each($1))
                         ORDER BY dispatch_id, number",
                postgres: "SELECT dispatch_id, number, started_at, finished_at, outcome, answer
                           FROM attempts WHERE dispatch_id = ANY($1) ORDER BY dispatch_id, number"
            ),
            args![ids],
        )
        .await?;
    Ok((records, attempts))
}
