//! SQL on `gmail_flows`: consents that people were sent to Google for.

use db::{Conn, Result, Tx, args, sql};
use kernel::Timestamp;

db::row! {
    /// A consent.
    #[derive(Clone)]
    pub(crate) struct FlowRow {
        /// SHA-256 of the `state`, hexadecimal.
        pub(crate) state_hash: String,
        pub(crate) user_id: String,
        /// Sealed.
        pub(crate) client: Vec<u8>,
        /// Sealed.
        pub(crate) verifier: Vec<u8>,
        pub(crate) redirect_uri: String,
        pub(crate) created_at: Timestamp,
        pub(crate) expires_at: Timestamp,
        pub(crate) used_at: Option<Timestamp>,
    }
}

/// The columns of a [`FlowRow`].
macro_rules! columns {
    () => {
        "state_hash, user_id, client, verifier, redirect_uri, created_at, expires_at, used_at"
    };
}

/// So many old ones go at a time.
const FORGOTTEN: i64 = 200;
/// So many a user may have open beside the one that begins: who has more has left the oldest.
const OPEN: i64 = 9;

/// Begins one.
pub(crate) async fn begin_flow(tx: &mut Tx, f: &FlowRow) -> Result<()> {
    tx.exec(
        sql!(
            "DELETE FROM gmail_flows WHERE user_id = $1 AND state_hash NOT IN
                (SELECT state_hash FROM gmail_flows WHERE user_id = $1 ORDER BY created_at DESC, state_hash LIMIT $2)"
        ),
        args![&f.user_id, OPEN],
    )
    .await?;
    tx.exec(
        sql!(
            "INSERT INTO gmail_flows (state_hash, user_id, client, verifier, redirect_uri, created_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7)"
        ),
        args![
            &f.state_hash,
            &f.user_id,
            f.client.clone(),
            f.verifier.clone(),
            &f.redirect_uri,
            f.created_at,
            f.expires_at
        ],
    )
    .await
    .map(drop)
}

/// One by its state.
pub(crate) async fn flow(conn: &mut Conn, state_hash: &str) -> Result<Option<FlowRow>> {
    conn.opt(
        sql!(concat!("SELECT ", columns!(), " FROM gmail_flows WHERE state_hash = $1")),
        args![state_hash],
    )
    .await
}

/// A user's that still stand, the newest first: for whoever pasted a code without its state.
pub(crate) async fn open_flows(conn: &mut Conn, user: &str, now: Timestamp) -> Result<Vec<FlowRow>> {
    conn.all(
        sql!(concat!(
            "SELECT ",
            columns!(),
            " FROM gmail_flows WHERE user_id = $1 AND used_at IS NULL AND expires_at > $2
             ORDER BY created_at DESC, state_hash LIMIT 10"
        )),
        args![user, now],
    )
    .await
}

/// Takes one for this call alone; false if somebody did.
pub(crate) async fn use_flow(tx: &mut Tx, state_hash: &str, now: Timestamp) -> Result<bool> {
    let used = tx
        .exec(
            sql!("UPDATE gmail_flows SET used_at = $2 WHERE state_hash = $1 AND used_at IS NULL AND expires_at > $2"),
            args![state_hash, now],
        )
        .await?;
    Ok(used == 1)
}

/// Forgets one of which everything came that may.
pub(crate) async fn end_flow(tx: &mut Tx, state_hash: &str) -> Result<()> {
    tx.exec(sql!("DELETE FROM gmail_flows WHERE state_hash = $1"), args![state_hash]).await.map(drop)
}

/// Forgets some whose time is over; whether there were as many as are forgotten at a time.
pub(crate) async fn forget_flows(tx: &mut Tx, now: Timestamp) -> Result<bool> {
    let forgotten = tx
        .exec(
            sql!(
                "DELETE FROM gmail_flows WHERE state_hash IN
                    (SELECT state_hash FROM gmail_flows WHERE expires_at < $1 ORDER BY expires_at LIMIT $2)"
            ),
            args![now, FORGOTTEN],
        )
        .await?;
    Ok(i64::try_from(forgotten).is_ok_and(|n| n >= FORGOTTEN))
}

/// Gives one back whose exchange Google did not answer, so that the person may try again.
pub(crate) async fn give_back_flow(tx: &mut Tx, state_hash: &str) -> Result<()> {
    tx.exec(sql!("UPDATE gmail_flows SET used_at = NULL WHERE state_hash = $1"), args![state_hash])
        .await
        .map(drop)
}
