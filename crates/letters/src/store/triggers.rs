//! SQL on `armed_triggers`: what scheduled LOCATION and EVENT letters wait for, found without looking at any
//! other letter.
//!
//! A letter has its rows from the transaction that schedules it until it is revoked, fired or delivered. They
//! are also the lock on which firing and revoking meet: both take them first, then the dispatches, then the
//! letter. A delivery holds the dispatches already, so it passes over rows that are locked; whoever holds them
//! removes them.

use db::{Conn, FromRow, Result, Row, Tx, args, sql};
use kernel::Timestamp;
use serde::Serialize;

use crate::triggers::geo::{Area, Point};

/// One way in which a letter may be triggered.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct Armed {
    pub(crate) letter: String,
    pub(crate) schedule_no: i64,
    /// From 0; a letter has one for each keyword.
    pub(crate) number: i64,
    pub(crate) owner: String,
    /// Whose reports count: a user's id or a normalized address.
    pub(crate) watcher: String,
    /// By what it is found: `point:…`, `city:…`, `type:…` or `word:…`.
    pub(crate) anchor: String,
    pub(crate) latitude: Option<f64>,
    pub(crate) longitude: Option<f64>,
    /// In metres.
    pub(crate) radius: Option<f64>,
    /// The city or the keyword as its author wrote it.
    pub(crate) text: Option<String>,
    /// The keyword, prepared.
    pub(crate) needle: Option<String>,
    /// The kind of event, folded.
    pub(crate) event_type: Option<String>,
}

impl FromRow for Armed {
    fn from_row(row: &Row<'_>) -> Result<Self> {
        Ok(Self {
            letter: row.get(0)?,
            schedule_no: row.get(1)?,
            number: row.get(2)?,
            owner: row.get(3)?,
            watcher: row.get(4)?,
            anchor: row.get(5)?,
            latitude: row.get(6)?,
            longitude: row.get(7)?,
            radius: row.get(8)?,
            text: row.get(9)?,
            needle: row.get(10)?,
            event_type: row.get(11)?,
        })
    }
}

impl Armed {
    /// The point that it waits for, or the centre of its city.
    pub(crate) fn point(&self) -> Option<Point> {
        let (latitude, longitude) = self.latitude.zip(self.longitude)?;
        Some(Point { latitude, longitude })
    }
}

/// Arms a letter.
pub(crate) async fn arm(tx: &mut Tx, rows: &[Armed]) -> Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let json = serde_json::to_string(rows).map_err(|e| db::DbError::Other(e.to_string()))?;
    tx.exec(
        sql!(
            sqlite: "INSERT INTO armed_triggers (letter_id, schedule_no, number, owner_id, watcher, anchor,
                        latitude, longitude, radius, text, needle, event_type)
                     SELECT value ->> 'letter', value ->> 'schedule_no', value ->> 'number', value ->> 'owner',
                        value ->> 'watcher', value ->> 'anchor', value ->> 'latitude', value ->> 'longitude',
                        value ->> 'radius', value ->> 'text', value ->> 'needle', value ->> 'event_type'
                     FROM json_each($1)",
            postgres: "INSERT INTO armed_triggers (letter_id, schedule_no, number, owner_id, watcher, anchor,
                          latitude, longitude, radius, text, needle, event_type)
                       SELECT letter, schedule_no, number, owner, watcher, anchor, latitude, longitude, radius,
                          text, needle, event_type
                       FROM json_to_recordset($1) AS x(letter TEXT, schedule_no BIGINT, number BIGINT,
                          owner TEXT, watcher TEXT, anchor TEXT, latitude DOUBLE PRECISION,
                          longitude DOUBLE PRECISION, radius DOUBLE PRECISION, text TEXT, needle TEXT,
                          event_type TEXT)"
        ),
        args![&json],
    )
    .await
    .map(drop)
}

/// Disarms letters; waits for whoever is firing them.
pub(crate) async fn disarm(tx: &mut Tx, letters: Vec<&str>) -> Result<()> {
    tx.exec(
        sql!(
            sqlite: "DELETE FROM armed_triggers WHERE letter_id IN (SELECT value FROM json_each($1))",
            postgres: "DELETE FROM armed_triggers WHERE letter_id = ANY($1)"
        ),
        args![letters],
    )
    .await
    .map(drop)
}

/// Lets another reader's reports count for a letter that is armed.
pub(crate) async fn watched_by(tx: &mut Tx, letter: &str, old: &str, new: &str) -> Result<()> {
    tx.exec(
        sql!("UPDATE armed_triggers SET watcher = $3 WHERE letter_id = $1 AND watcher = $2"),
        args![letter, old, new],
    )
    .await
    .map(drop)
}

/// Disarms delivered letters, except those that somebody is firing or revoking just now.
pub(crate) async fn disarm_delivered(tx: &mut Tx, letters: Vec<&str>) -> Result<()> {
    tx.exec(
        sql!(
            sqlite: "DELETE FROM armed_triggers WHERE letter_id IN (SELECT value FROM json_each($1))",
            postgres: "DELETE FROM armed_triggers WHERE (letter_id, schedule_no, number) IN (
                          SELECT letter_id, schedule_no, number FROM armed_triggers
                          WHERE letter_id = ANY($1) FOR UPDATE SKIP LOCKED)"
        ),
        args![letters],
    )
    .await
    .map(drop)
}

/// The letters of this watcher that wait for a point in the area, or for a city whose centre is in it: about the
/// nearest, at most `most`. Looks at all that wait for a place.
pub(crate) async fn places_in(
    conn: &mut Conn,
    watcher: &str,
    near: Point,
    area: &Area,
    most: i64,
) -> Result<Vec<Armed>> {
    let [(west, east), (west2, east2)] = area.east;
    conn.all(
        sql!(
            "SELECT letter_id, schedule_no, number, owner_id, watcher, anchor, latitude, longitude, radius, text,
                needle, event_type
             FROM armed_triggers
             WHERE watcher = $1 AND anchor >= 'city:' AND anchor < 'point;' AND latitude BETWEEN $2 AND $3
               AND (longitude BETWEEN $4 AND $5 OR longitude BETWEEN $6 AND $7)
             ORDER BY ABS(latitude - $8) + ABS(longitude - $9) LIMIT $10"
        ),
        args![
            watcher,
            area.south,
            area.north,
            west,
            east,
            west2,
            east2,
            near.latitude,
            near.longitude,
            most
        ],
    )
    .await
}

/// The letters of this watcher with one of these anchors that want this kind of event or none in particular;
/// with `any_type`, whatever kind they want.
pub(crate) async fn anchored(
    conn: &mut Conn,
    watcher: &str,
    anchors: Vec<&str>,
    event_type: Option<&str>,
    any_type: bool,
) -> Result<Vec<Armed>> {
    conn.all(
        sql!(
            sqlite: "SELECT letter_id, schedule_no, number, owner_id, watcher, anchor, latitude, longitude,
                        radius, text, needle, event_type
                     FROM armed_triggers
                     WHERE watcher = $1 AND anchor IN (SELECT value FROM json_each($2))
                       AND (event_type IS NULL OR event_type = $3 OR $4)",
            postgres: "SELECT letter_id, schedule_no, number, owner_id, watcher, anchor, latitude, longitude,
                          radius, text, needle, event_type
                       FROM armed_triggers
                       WHERE watcher = $1 AND anchor = ANY($2)
                         AND (event_type IS NULL OR event_type = CAST($3 AS TEXT) OR $4)"
        ),
        args![watcher, anchors, event_type, any_type],
    )
    .await
}

/// The letters of this watcher that want this kind of event, at most `most`.
pub(crate) async fn of_type(
    conn: &mut Conn,
    watcher: &str,
    event_type: &str,
    most: i64,
) -> Result<Vec<Armed>> {
    conn.all(
        sql!(
            "SELECT letter_id, schedule_no, number, owner_id, watcher, anchor, latitude, longitude, radius, text,
                needle, event_type
             FROM armed_triggers WHERE watcher = $1 AND event_type = $2 ORDER BY letter_id LIMIT $3"
        ),
        args![watcher, event_type, most],
    )
    .await
}

/// Locks the armed rows of letters, in one order for all; which letters are still armed, and under which
/// schedule number.
pub(crate) async fn lock_armed(tx: &mut Tx, letters: Vec<&str>) -> Result<Vec<(String, i64)>> {
    tx.all(
        sql!(
            sqlite: "SELECT letter_id, schedule_no FROM armed_triggers
                     WHERE letter_id IN (SELECT value FROM json_each($1)) ORDER BY letter_id, number",
            postgres: "SELECT letter_id, schedule_no FROM armed_triggers
                       WHERE letter_id = ANY($1) ORDER BY letter_id, schedule_no, number FOR UPDATE"
        ),
        args![letters],
    )
    .await
}

/// Records that a trigger fired: from now on the letters are final. Those that were on their way.
pub(crate) async fn set_fired(tx: &mut Tx, letters: Vec<&str>, now: Timestamp) -> Result<Vec<String>> {
    let fired: Vec<(String,)> = tx
        .all(
            sql!(
                sqlite: "UPDATE letters SET fired_at = $2
                         WHERE id IN (SELECT value FROM json_each($1)) AND status = 'SCHEDULED'
                           AND fired_at IS NULL RETURNING id",
                postgres: "UPDATE letters SET fired_at = $2
                           WHERE id = ANY($1) AND status = 'SCHEDULED' AND fired_at IS NULL RETURNING id"
            ),
            args![letters, now],
        )
        .await?;
    Ok(fired.into_iter().map(|(id,)| id).collect())
}

/// Which of these letters wait for their trigger.
pub(crate) async fn waiting(conn: &mut Conn, letters: Vec<&str>) -> Result<Vec<String>> {
    let waiting: Vec<(String,)> = conn
        .all(
            sql!(
                sqlite: "SELECT id FROM letters
                         WHERE id IN (SELECT value FROM json_each($1)) AND status = 'SCHEDULED'
                           AND fired_at IS NULL",
                postgres: "SELECT id FROM letters
                           WHERE id = ANY($1) AND status = 'SCHEDULED' AND fired_at IS NULL"
            ),
            args![letters],
        )
        .await?;
    Ok(waiting.into_iter().map(|(id,)| id).collect())
}
