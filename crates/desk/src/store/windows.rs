//! SQL on `desk_windows` and `desk_customers`: what may still be said to a customer, and who they are.

use db::{Conn, Result, Tx, args, sql};
use kernel::Timestamp;

use super::SessionRow;

db::row! {
    /// What may still be said to a customer of WeCom.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(crate) struct WindowRow {
        /// 48 hours after their last message.
        pub(crate) until: Timestamp,
        /// So many messages were sent since.
        pub(crate) used: i64,
    }
}

/// A customer wrote: 48 hours and five messages from then on.
pub(crate) async fn refill(tx: &mut Tx, session: &SessionRow, until: Timestamp) -> Result<()> {
    tx.exec(
        sql!(
            sqlite: "INSERT INTO desk_windows (account_id, kf_id, customer_id, until, used) VALUES ($1, $2, $3, $4, 0)
                     ON CONFLICT (account_id, kf_id, customer_id)
                     DO UPDATE SET until = MAX(desk_windows.until, excluded.until), used = 0",
            postgres: "INSERT INTO desk_windows (account_id, kf_id, customer_id, until, used)
                       VALUES ($1, $2, $3, $4, 0)
                       ON CONFLICT (account_id, kf_id, customer_id)
                       DO UPDATE SET until = GREATEST(desk_windows.until, excluded.until), used = 0"
        ),
        args![&session.account_id, &session.kf_id, &session.customer_id, until],
    )
    .await
    .map(drop)
}

/// What may still be said to a session's customer; `None` if they never wrote.
pub(crate) async fn window(conn: &mut Conn, session: &SessionRow) -> Result<Option<WindowRow>> {
    conn.opt(
        sql!(
            "SELECT until, used FROM desk_windows WHERE account_id = $1 AND kf_id = $2 AND customer_id = $3"
        ),
        args![&session.account_id, &session.kf_id, &session.customer_id],
    )
    .await
}

/// One more message was sent.
pub(crate) async fn spend(tx: &mut Tx, session: &SessionRow) -> Result<()> {
    tx.exec(
        sql!(
            "UPDATE desk_windows SET used = used + 1
             WHERE account_id = $1 AND kf_id = $2 AND customer_id = $3"
        ),
        args![&session.account_id, &session.kf_id, &session.customer_id],
    )
    .await
    .map(drop)
}

/// WeCom says that nothing more may be sent: what we counted was less than what it did.
pub(crate) async fn exhaust(tx: &mut Tx, session: &SessionRow, most: i64) -> Result<()> {
    tx.exec(
        sql!("UPDATE desk_windows SET used = $4 WHERE account_id = $1 AND kf_id = $2 AND customer_id = $3"),
        args![&session.account_id, &session.kf_id, &session.customer_id, most],
    )
    .await
    .map(drop)
}

/// Notes who a customer is.
pub(crate) async fn set_customer(
    tx: &mut Tx,
    (account, customer): (&str, &str),
    (name, avatar): (Option<&str>, Option<&str>),
    now: Timestamp,
) -> Result<()> {
    tx.exec(
        sql!(
            "INSERT INTO desk_customers (account_id, customer_id, name, avatar, fetched_at) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (account_id, customer_id)
             DO UPDATE SET name = excluded.name, avatar = excluded.avatar, fetched_at = excluded.fetched_at"
        ),
        args![account, customer, name, avatar, now],
    )
    .await
    .map(drop)
}

/// The name and the picture's address of a session's customer.
pub(crate) async fn customer(
    conn: &mut Conn,
    session: &SessionRow,
) -> Result<Option<(Option<String>, Option<String>)>> {
    conn.opt(
        sql!("SELECT name, avatar FROM desk_customers WHERE account_id = $1 AND customer_id = $2"),
        args![&session.account_id, &session.customer_id],
    )
    .await
}
