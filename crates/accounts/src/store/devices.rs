//! Devices, and whom a notification reaches by them.

use db::{Conn, Result, Tx, args, sql};
use kernel::Timestamp;

use crate::model::Platform;

/// What a device registers.
pub(crate) struct NewDevice<'a> {
    pub(crate) user: &'a str,
    pub(crate) device: &'a str,
    pub(crate) platform: Platform,
    /// Sealed for its place.
    pub(crate) token: Vec<u8>,
    /// What the token is found by; `None` if it leads nowhere.
    pub(crate) token_id: Option<&'a str>,
    /// Its push service; empty if there is none.
    pub(crate) destination: &'a str,
    pub(crate) enabled: bool,
}

/// Registers a device, or replaces what it registered. Whoever else had the same token loses it: who signs in on a
/// device takes it over from whoever was signed in there before.
pub(crate) async fn upsert_device(tx: &mut Tx, d: NewDevice<'_>, now: Timestamp) -> Result<()> {
    tx.exec(
        sql!("DELETE FROM devices WHERE token_id = $1 AND (user_id <> $2 OR device_id <> $3)"),
        args![d.token_id, d.user, d.device],
    )
    .await?;
    tx.exec(
        sql!(
            "INSERT INTO devices (user_id, device_id, platform, token, token_id, destination, is_enabled, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
             ON CONFLICT (user_id, device_id) DO UPDATE SET platform = excluded.platform,
                token = excluded.token, token_id = excluded.token_id, destination = excluded.destination,
                is_enabled = excluded.is_enabled, updated_at = excluded.updated_at"
        ),
        args![d.user, d.device, d.platform, d.token, d.token_id, d.destination, d.enabled, now],
    )
    .await
    .map(drop)
}

pub(crate) async fn count_devices(tx: &mut Tx, user: &str, except: &str) -> Result<i64> {
    let (n,): (i64,) = tx
        .one(sql!("SELECT COUNT(*) FROM devices WHERE user_id = $1 AND device_id <> $2"), args![user, except])
        .await?;
    Ok(n)
}

/// Forgets a device whose token its service does not know any more. One that has registered another token since keeps
/// it.
pub(crate) async fn delete_device(tx: &mut Tx, token_id: &str) -> Result<()> {
    tx.exec(sql!("DELETE FROM devices WHERE token_id = $1"), args![token_id]).await.map(drop)
}

db::row! {
    /// A device, and what its user wants to be told.
    #[derive(Debug, Clone)]
    pub(crate) struct DeviceRow {
        pub(crate) user_id: String,
        pub(crate) email_key: String,
        pub(crate) email_verified: bool,
        pub(crate) device_id: String,
        pub(crate) platform: Platform,
        pub(crate) token: Vec<u8>,
        pub(crate) is_enabled: bool,
        pub(crate) email: bool,
        pub(crate) push: bool,
        pub(crate) delivery: bool,
        pub(crate) received: bool,
    }
}

/// This user's device with this token, if it still has it.
pub(crate) async fn device(conn: &mut Conn, user: &str, token_id: &str) -> Result<Option<DeviceRow>> {
    conn.opt(
        sql!(
            "SELECT d.user_id, u.email_key, u.email_verified, d.device_id, d.platform, d.token, d.is_enabled, u.notify_email, u.notify_push,
                u.notify_delivery, u.notify_received
             FROM devices AS d JOIN users AS u ON u.id = d.user_id WHERE d.token_id = $2 AND d.user_id = $1"
        ),
        args![user, token_id],
    )
    .await
}

db::row! {
    /// A user, once for each enabled device, or once without one.
    pub(crate) struct AudienceRow {
        pub(crate) user_id: String,
        pub(crate) email_key: String,
        pub(crate) email_verified: bool,
        pub(crate) email: bool,
        pub(crate) push: bool,
        pub(crate) delivery: bool,
        pub(crate) received: bool,
        pub(crate) platform: Option<Platform>,
        pub(crate) token_id: Option<String>,
        pub(crate) destination: Option<String>,
    }
}

/// The users with these ids or (normalized) addresses, and their devices.
pub(crate) async fn audience(
    conn: &mut Conn,
    ids: Vec<&str>,
    email_keys: Vec<&str>,
) -> Result<Vec<AudienceRow>> {
    conn.all(
        sql!(
            sqlite: "SELECT u.id, u.email_key, u.email_verified, u.notify_email, u.notify_push, u.notify_delivery,
                        u.notify_received, d.platform, d.token_id, d.destination
                     FROM users AS u LEFT JOIN devices AS d
                        ON d.user_id = u.id AND d.is_enabled AND d.token_id IS NOT NULL
                     WHERE (u.id IN (SELECT value FROM json_each($1))
                        OR u.email_key IN (SELECT value FROM json_each($2)))
                       AND (u.notify_email OR u.notify_push) AND (u.notify_delivery OR u.notify_received)
                     ORDER BY u.id",
            postgres: "SELECT u.id, u.email_key, u.email_verified, u.notify_email, u.notify_push, u.notify_delivery,
                          u.notify_received, d.platform, d.token_id, d.destination
                       FROM users AS u LEFT JOIN devices AS d
                          ON d.user_id = u.id AND d.is_enabled AND d.token_id IS NOT NULL
                       WHERE (u.id = ANY($1) OR u.email_key = ANY($2))
                         AND (u.notify_email OR u.notify_push) AND (u.notify_delivery OR u.notify_received)
                       ORDER BY u.id"
        ),
        args![ids, email_keys],
    )
    .await
}
