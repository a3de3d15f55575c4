//! SQL on `desk_ratings`: what customers say of a session that a person had.

use std::time::Duration;

use db::{Conn, Result, Tx, args, sql};
use kernel::Timestamp;

use super::{NewSession, SessionRow};

/// A customer is asked about a locked session.
pub(crate) async fn ask_rating(tx: &mut Tx, row: &SessionRow, now: Timestamp) -> Result<()> {
    tx.exec(
        sql!(
            "INSERT INTO desk_ratings (session_id, account_id, kf_id, customer_id, agent_id, asked_at)
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (session_id) DO NOTHING"
        ),
        args![&row.id, &row.account_id, &row.kf_id, &row.customer_id, &row.manual_cs_id, now],
    )
    .await
    .map(drop)
}

/// The session about which this customer was asked last, within `span`, and has not answered, if they have no open one.
pub(crate) async fn asked(
    conn: &mut Conn,
    customer: &NewSession<'_>,
    span: Duration,
    now: Timestamp,
) -> Result<Option<String>> {
    let row: Option<(String, bool)> = conn
        .opt(
            sql!(
                "SELECT session_id, score IS NULL FROM desk_ratings
                 WHERE account_id = $1 AND customer_id = $2 AND kf_id = $3 AND asked_at > $4
                    AND NOT EXISTS (SELECT 1 FROM desk_sessions WHERE open_key = $5)
                 ORDER BY asked_at DESC LIMIT 1"
            ),
            args![customer.account_id, customer.customer_id, customer.kf_id, now - span, customer.open_key()],
        )
        .await?;
    Ok(row.filter(|(_, waits)| *waits).map(|(id, _)| id))
}

/// When this customer was asked about this session, answered or not.
pub(crate) async fn asked_about(
    conn: &mut Conn,
    customer: &NewSession<'_>,
    session: &str,
) -> Result<Option<Timestamp>> {
    let row: Option<(Timestamp,)> = conn
        .opt(
            sql!(
                "SELECT asked_at FROM desk_ratings
                 WHERE session_id = $1 AND account_id = $2 AND customer_id = $3 AND kf_id = $4"
            ),
            args![session, customer.account_id, customer.customer_id, customer.kf_id],
        )
        .await?;
    Ok(row.map(|(asked_at,)| asked_at))
}

/// What the customer says of a locked session; whether it is the first time.
pub(crate) async fn rate(tx: &mut Tx, session: &str, score: i64, now: Timestamp) -> Result<bool> {
    let new = tx
        .exec(
            sql!("UPDATE desk_ratings SET score = $2, rated_at = $3 WHERE session_id = $1 AND score IS NULL"),
            args![session, score, now],
        )
        .await?;
    Ok(new == 1)
}

/// What customers said of these sessions.
pub(crate) async fn ratings_of(conn: &mut Conn, sessions: Vec<&str>) -> Result<Vec<(String, i64)>> {
    if sessions.is_empty() {
        return Ok(Vec::new());
    }
    conn.all(
        sql!(
            sqlite: "SELECT session_id, score FROM desk_ratings
                     WHERE session_id IN (SELECT value FROM json_each($1)) AND score IS NOT NULL",
            postgres: "SELECT session_id, score FROM desk_ratings
                       WHERE session_id = ANY($1) AND score IS NOT NULL"
        ),
        args![sessions],
    )
    .await
}
