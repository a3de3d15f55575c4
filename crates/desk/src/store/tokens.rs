//! SQL on `desk_tokens`: access tokens that are renewed here, sealed, and what became of the last renewal.

use db::{Conn, Result, Tx, args, sql};
use kernel::Timestamp;

db::row! {
    /// An account's tokens.
    #[derive(Clone)]
    pub(crate) struct TokenRow {
        /// Of the tokens that the account was given: others make this row void.
        pub(crate) seed: String,
        /// Grows with every renewal.
        pub(crate) generation: i64,
        /// JSON, sealed.
        pub(crate) tokens: Vec<u8>,
        pub(crate) expires_at: Timestamp,
        /// Why it will not be renewed any more.
        pub(crate) refused: Option<String>,
    }
}

/// The tokens of an account, if they come from these.
pub(crate) async fn get(conn: &mut Conn, account: &str, seed: &str) -> Result<Option<TokenRow>> {
    conn.opt(
        sql!(
            "SELECT seed, generation, tokens, expires_at, refused FROM desk_tokens
             WHERE account_id = $1 AND seed = $2"
        ),
        args![account, seed],
    )
    .await
}

/// Puts renewed tokens in the place of the ones before; not if somebody else did meanwhile.
pub(crate) async fn put(tx: &mut Tx, account: &str, row: &TokenRow, now: Timestamp) -> Result<bool> {
    let put = tx
        .exec(
            sql!(
                "INSERT INTO desk_tokens (account_id, seed, generation, tokens, expires_at, refused, updated_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7)
                 ON CONFLICT (account_id) DO UPDATE SET seed = excluded.seed, generation = excluded.generation,
                    tokens = excluded.tokens, expires_at = excluded.expires_at, refused = excluded.refused,
                    updated_at = excluded.updated_at
                 WHERE desk_tokens.seed <> excluded.seed OR desk_tokens.generation < excluded.generation
                    OR desk_tokens.generation = excluded.generation AND excluded.refused IS NOT NULL"
            ),
            args![
                account,
                &row.seed,
                row.generation,
                row.tokens.clone(),
                row.expires_at,
                &row.refused,
                now
            ],
        )
        .await?;
    Ok(put == 1)
}

/// Notes that a token ended before its time; whether it was thought to be good until now.
pub(crate) async fn end(tx: &mut Tx, account: &str, generation: i64, now: Timestamp) -> Result<bool> {
    let ended = tx
        .exec(
            sql!(
                "UPDATE desk_tokens SET expires_at = $3
                 WHERE account_id = $1 AND generation = $2 AND expires_at > $3"
            ),
            args![account, generation, now],
        )
        .await?;
    Ok(ended == 1)
}

/// Notes why an account's tokens will not be renewed any more, if that is not on record.
pub(crate) async fn refuse(tx: &mut Tx, account: &str, reason: &str) -> Result<()> {
    let refuse = sql!("UPDATE desk_tokens SET refused = $2 WHERE account_id = $1 AND refused IS NULL");
    tx.exec(refuse, args![account, reason]).await.map(drop)
}

/// Forgets an account's tokens.
pub(crate) async fn forget(tx: &mut Tx, account: &str) -> Result<()> {
    tx.exec(sql!("DELETE FROM desk_tokens WHERE account_id = $1"), args![account]).await.map(drop)
}

/// Where an account's tokens lie.
pub(crate) fn place(account: &str) -> String {
    format!("desk_tokens:{account}:tokens")
}
