//! SQL on `desk_health`: what the last look at each account found.

use db::{Conn, Result, Tx, args, sql};
use kernel::Timestamp;

db::row! {
    /// What was found.
    #[derive(Debug, Clone)]
    pub(crate) struct HealthRow {
        pub(crate) account_id: String,
        /// What is wrong, in words.
        pub(crate) problem: Option<String>,
        /// JSON: the customer-service accounts that it serves.
        pub(crate) served: Option<String>,
        pub(crate) checked_at: Timestamp,
    }
}

/// Of all accounts.
pub(crate) async fn all(conn: &mut Conn) -> Result<Vec<HealthRow>> {
    conn.all(sql!("SELECT account_id, problem, served, checked_at FROM desk_health"), args![]).await
}

/// Puts on record what was found; what it serves stays where nothing is known of it.
pub(crate) async fn set(
    tx: &mut Tx,
    account: &str,
    problem: Option<&str>,
    served: Option<&str>,
    now: Timestamp,
) -> Result<()> {
    tx.exec(
        sql!(
            "INSERT INTO desk_health (account_id, problem, served, checked_at) VALUES ($1, $2, $3, $4)
             ON CONFLICT (account_id) DO UPDATE SET problem = excluded.problem,
                served = COALESCE(excluded.served, desk_health.served), checked_at = excluded.checked_at"
        ),
        args![account, problem, served, now],
    )
    .await
    .map(drop)
}

/// Forgets what was found: the account is another now.
pub(crate) async fn forget(tx: &mut Tx, account: &str) -> Result<()> {
    tx.exec(sql!("DELETE FROM desk_health WHERE account_id = $1"), args![account]).await.map(drop)
}
