//! SQL on `desk_settings`: every version of the desk's settings; the newest holds.

use db::{Conn, DbError, Result, Tx, args, sql};
use kernel::Timestamp;

use crate::settings::DeskSettings;

db::row! {
    /// A version of the settings.
    #[derive(Debug)]
    pub(crate) struct SettingsRow {
        pub(crate) version: i64,
        document: String,
        pub(crate) actor_id: Option<String>,
        pub(crate) at: Timestamp,
    }
}

impl SettingsRow {
    /// What it says.
    pub(crate) fn document(&self) -> Result<DeskSettings> {
        serde_json::from_str(&self.document)
            .map_err(|e| DbError::Other(format!("desk_settings {}: {e}", self.version)))
    }
}

/// The newest version, if the settings were ever changed.
pub(crate) async fn settings_row(conn: &mut Conn) -> Result<Option<SettingsRow>> {
    conn.opt(
        sql!("SELECT version, document, actor_id, at FROM desk_settings ORDER BY version DESC LIMIT 1"),
        args![],
    )
    .await
}

/// The settings that hold.
pub(crate) async fn settings(conn: &mut Conn) -> Result<DeskSettings> {
    settings_row(conn).await?.map_or_else(|| Ok(DeskSettings::default()), |row| row.document())
}

/// Puts a version after `before` (0: the first); whether nobody else did meanwhile.
pub(crate) async fn put_settings(
    tx: &mut Tx,
    before: i64,
    settings: &DeskSettings,
    actor: Option<&str>,
    now: Timestamp,
) -> Result<bool> {
    let document = serde_json::to_string(settings).map_err(|e| DbError::Other(e.to_string()))?;
    let newest = settings_row(tx).await?.map_or(0, |row| row.version);
    if newest != before {
        return Ok(false);
    }
    let new = tx
        .exec(
            sql!(
                "INSERT INTO desk_settings (version, document, actor_id, at) VALUES ($1, $2, $3, $4)
                 ON CONFLICT (version) DO NOTHING"
            ),
            args![before.saturating_add(1), document, actor, now],
        )
        .await?;
    Ok(new == 1)
}

/// Older versions than this one, the newest first.
pub(crate) async fn older_settings(conn: &mut Conn, before: i64, limit: i64) -> Result<Vec<SettingsRow>> {
    conn.all(
        sql!(
            "SELECT version, document, actor_id, at FROM desk_settings WHERE version < $1
             ORDER BY version DESC LIMIT $2"
        ),
        args![before, limit],
    )
    .await
}
