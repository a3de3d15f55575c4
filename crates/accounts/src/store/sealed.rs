//! SQL on what the keyring sealed: the tokens of devices.

use db::{Conn, Result, Tx, args, sql};

/// Devices whose token is not sealed with the key `newest`, after this user's device: user, device and token.
pub(crate) async fn stale_devices(
    tx: &mut Tx,
    newest: u8,
    (user, device): (&str, &str),
    limit: i64,
) -> Result<Vec<(String, String, Vec<u8>)>> {
    tx.all(
        sql!(
            sqlite: "SELECT user_id, device_id, token FROM devices
                     WHERE (user_id > $2 OR (user_id = $2 AND device_id > $3)) AND substr(token, 1, 1) <> $1
                     ORDER BY user_id, device_id LIMIT $4",
            postgres: "SELECT user_id, device_id, token FROM devices
                       WHERE (user_id > $2 OR (user_id = $2 AND device_id > $3)) AND substr(token, 1, 1) <> $1
                       ORDER BY user_id, device_id LIMIT $4 FOR UPDATE"
        ),
        args![vec![newest], user, device, limit],
    )
    .await
}

pub(crate) async fn replace_device_token(
    tx: &mut Tx,
    (user, device): (&str, &str),
    sealed_token: Vec<u8>,
) -> Result<()> {
    tx.exec(
        sql!("UPDATE devices SET token = $3 WHERE user_id = $1 AND device_id = $2"),
        args![user, device, sealed_token],
    )
    .await
    .map(drop)
}

/// How many tokens each key of the keyring seals.
pub(crate) async fn device_keys(conn: &mut Conn) -> Result<Vec<(u8, i64)>> {
    let rows = conn
        .all(sql!("SELECT substr(token, 1, 1), COUNT(*) FROM devices GROUP BY substr(token, 1, 1)"), args![])
        .await?;
    Ok(db::by_key(rows))
}
