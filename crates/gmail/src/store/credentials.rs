//! SQL on `gmail_credentials`: the accounts that people connected.

use db::{Conn, Result, Tx, args, sql};
use kernel::Timestamp;

use crate::model::{AutoReply, CredentialStatus};

db::row! {
    /// A connected account. Its `Debug` output shows no secret, for there is none.
    #[derive(Clone)]
    pub(crate) struct CredentialRow {
        /// The seed's id.
        pub(crate) id: i64,
        /// What dispatches and seals name it by.
        pub(crate) key: String,
        pub(crate) user_id: String,
        /// As Gmail has it.
        pub(crate) email: String,
        /// The same without case.
        pub(crate) address: String,
        pub(crate) is_default: bool,
        pub(crate) status: CredentialStatus,
        pub(crate) status_reason: Option<String>,
        /// Client secret and refresh token, sealed.
        pub(crate) grant_sealed: Vec<u8>,
        pub(crate) access_sealed: Option<Vec<u8>>,
        pub(crate) access_expires_at: Option<Timestamp>,
        /// Of the grant, with spaces.
        pub(crate) scopes: String,
        /// Grows with every change of the grant.
        pub(crate) version: i64,
        /// Up to where Gmail's history was read.
        pub(crate) history_id: Option<i64>,
        /// Nothing that came before this is missing.
        pub(crate) good_until: Option<Timestamp>,
        pub(crate) synced_at: Option<Timestamp>,
        /// The topic that is rung.
        pub(crate) topic: Option<String>,
        pub(crate) watch_expires_at: Option<Timestamp>,
        /// Why the watch could not be renewed.
        pub(crate) watch_error: Option<String>,
        /// Until when Google wants no call.
        pub(crate) limited_until: Option<Timestamp>,
        /// Beside its address in what it sends.
        pub(crate) name: Option<String>,
        /// The addresses that it may also send as, with their names: a JSON list.
        pub(crate) aliases: String,
        /// When Google was asked for them last.
        pub(crate) aliases_at: Option<Timestamp>,
        /// Whether anything may be sent here without a person.
        pub(crate) auto_reply: AutoReply,
        /// The most mails a day, if its owner set one.
        pub(crate) daily_cap: Option<i64>,
        /// When what nobody looked at may leave, as JSON; always where its owner said nothing.
        pub(crate) sending_hours: Option<String>,
        pub(crate) created_at: Timestamp,
        pub(crate) updated_at: Timestamp,
    }
}

/// The columns of a [`CredentialRow`].
macro_rules! columns {
    () => {
        "id, key, user_id, email, address, is_default, status, status_reason, grant_sealed, access_sealed,
         access_expires_at, scopes, version, history_id, good_until, synced_at, topic, watch_expires_at,
         watch_error, limited_until, name, aliases, aliases_at, auto_reply, daily_cap, sending_hours,
         created_at, updated_at"
    };
}

/// A user's, the oldest first.
pub(crate) async fn credentials(conn: &mut Conn, user: &str) -> Result<Vec<CredentialRow>> {
    conn.all(
        sql!(concat!("SELECT ", columns!(), " FROM gmail_credentials WHERE user_id = $1 ORDER BY id")),
        args![user],
    )
    .await
}

/// A user's by its id.
pub(crate) async fn credential(conn: &mut Conn, user: &str, id: i64) -> Result<Option<CredentialRow>> {
    conn.opt(
        sql!(concat!("SELECT ", columns!(), " FROM gmail_credentials WHERE id = $1 AND user_id = $2")),
        args![id, user],
    )
    .await
}

/// One by its key.
pub(crate) async fn credential_by_key(conn: &mut Conn, key: &str) -> Result<Option<CredentialRow>> {
    conn.opt(sql!(concat!("SELECT ", columns!(), " FROM gmail_credentials WHERE key = $1")), args![key]).await
}

/// One by its key, locked until the transaction ends.
pub(crate) async fn lock_credential(tx: &mut Tx, key: &str) -> Result<Option<CredentialRow>> {
    tx.opt(
        sql!(
            sqlite: concat!("SELECT ", columns!(), " FROM gmail_credentials WHERE key = $1"),
            postgres: concat!("SELECT ", columns!(), " FROM gmail_credentials WHERE key = $1 FOR UPDATE")
        ),
        args![key],
    )
    .await
}

/// Whoever's it is, by its address, locked until the transaction ends.
pub(crate) async fn lock_address(tx: &mut Tx, address: &str) -> Result<Option<CredentialRow>> {
    tx.opt(
        sql!(
            sqlite: concat!("SELECT ", columns!(), " FROM gmail_credentials WHERE address = $1"),
            postgres: concat!("SELECT ", columns!(), " FROM gmail_credentials WHERE address = $1 FOR UPDATE")
        ),
        args![address],
    )
    .await
}

/// All of a user's, locked until the transaction ends, in order.
pub(crate) async fn lock_credentials(tx: &mut Tx, user: &str) -> Result<Vec<CredentialRow>> {
    tx.all(
        sql!(
            sqlite: concat!("SELECT ", columns!(), " FROM gmail_credentials WHERE user_id = $1 ORDER BY id"),
            postgres: concat!("SELECT ", columns!(), " FROM gmail_credentials WHERE user_id = $1 ORDER BY id FOR UPDATE")
        ),
        args![user],
    )
    .await
}

/// Adds one; false if its address was connected just now.
pub(crate) async fn insert_credential(tx: &mut Tx, c: &CredentialRow) -> Result<bool> {
    let made = tx
        .exec(
            sql!(
                "INSERT INTO gmail_credentials (id, key, user_id, email, address, is_default, status, grant_sealed,
                    access_sealed, access_expires_at, scopes, version, aliases, auto_reply, created_at, updated_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $14, $15, $13, $13)
                 ON CONFLICT (address) DO NOTHING"
            ),
            args![
                c.id,
                &c.key,
                &c.user_id,
                &c.email,
                &c.address,
                c.is_default,
                c.status,
                c.grant_sealed.clone(),
                c.access_sealed.clone(),
                c.access_expires_at,
                &c.scopes,
                c.version,
                c.created_at,
                &c.aliases,
                c.auto_reply
            ],
        )
        .await?;
    Ok(made == 1)
}

/// Puts another grant into a locked one.
pub(crate) async fn renew_credential(tx: &mut Tx, c: &CredentialRow) -> Result<()> {
    tx.exec(
        sql!(
            "UPDATE gmail_credentials SET email = $2, status = 'active', status_reason = NULL, grant_sealed = $3,
                access_sealed = $4, access_expires_at = $5, scopes = $6, version = version + 1, updated_at = $7
             WHERE id = $1"
        ),
        args![
            c.id,
            &c.email,
            c.grant_sealed.clone(),
            c.access_sealed.clone(),
            c.access_expires_at,
            &c.scopes,
            c.updated_at
        ],
    )
    .await
    .map(drop)
}

/// Stores tokens in place of those of `version`; false if it has another by now.
pub(crate) async fn store_tokens(
    tx: &mut Tx,
    key: &str,
    version: i64,
    (grant, access): (Option<Vec<u8>>, Vec<u8>),
    expires_at: Timestamp,
) -> Result<bool> {
    let stored = tx
        .exec(
            sql!(
                "UPDATE gmail_credentials SET grant_sealed = COALESCE($3, grant_sealed), access_sealed = $4,
                    access_expires_at = $5, version = version + 1
                 WHERE key = $1 AND version = $2"
            ),
            args![key, version, grant, access, expires_at],
        )
        .await?;
    Ok(stored == 1)
}

/// Notes that Google ended the grant of `version`; false if it has another by now, or was noted.
pub(crate) async fn end_grant(
    tx: &mut Tx,
    key: &str,
    version: i64,
    reason: &str,
    now: Timestamp,
) -> Result<bool> {
    let ended = tx
        .exec(
            sql!(
                "UPDATE gmail_credentials SET status = 'needs_reconnect', status_reason = $3, access_sealed = NULL,
                    access_expires_at = NULL, version = version + 1, updated_at = $4
                 WHERE key = $1 AND version = $2 AND status = 'active'"
            ),
            args![key, version, reason, now],
        )
        .await?;
    Ok(ended == 1)
}

/// Makes this one, or none, the default of its user.
pub(crate) async fn set_default(tx: &mut Tx, user: &str, id: i64, now: Timestamp) -> Result<()> {
    tx.exec(
        sql!(
            "UPDATE gmail_credentials SET is_default = (id = $2), updated_at = $3
             WHERE user_id = $1 AND is_default <> (id = $2)"
        ),
        args![user, id, now],
    )
    .await
    .map(drop)
}

/// Removes one with all that lies in its row.
pub(crate) async fn delete_credential(tx: &mut Tx, id: i64) -> Result<()> {
    tx.exec(sql!("DELETE FROM gmail_credentials WHERE id = $1"), args![id]).await.map(drop)
}

/// An account's name and what it may also send as, by Google's own word just now.
pub(crate) async fn store_aliases(
    tx: &mut Tx,
    key: &str,
    (name, aliases): (Option<&str>, &str),
    now: Timestamp,
) -> Result<()> {
    tx.exec(
        sql!("UPDATE gmail_credentials SET name = $2, aliases = $3, aliases_at = $4 WHERE key = $1"),
        args![key, name, aliases, now],
    )
    .await
    .map(drop)
}

/// Notes until when Google wants no call for an account.
pub(crate) async fn note_limited(tx: &mut Tx, key: &str, until: Timestamp) -> Result<()> {
    tx.exec(sql!("UPDATE gmail_credentials SET limited_until = $2 WHERE key = $1"), args![key, until])
        .await
        .map(drop)
}

/// Stores how an account behaves, as its row has it.
pub(crate) async fn set_behaviour(tx: &mut Tx, c: &CredentialRow, now: Timestamp) -> Result<()> {
    tx.exec(
        sql!(
            "UPDATE gmail_credentials SET daily_cap = $2, auto_reply = $3, sending_hours = $4, updated_at = $5
             WHERE id = $1"
        ),
        args![c.id, c.daily_cap, c.auto_reply, c.sending_hours.as_deref(), now],
    )
    .await
    .map(drop)
}
