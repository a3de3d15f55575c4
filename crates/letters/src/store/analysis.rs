//! SQL on `letter_emotions`: what delivered letters feel like.

use db::{Conn, Result, Tx, args, sql};
use kernel::Timestamp;
use serde::Serialize;

/// What an analysis found.
#[derive(Debug, Serialize)]
pub(crate) struct EmotionRow {
    pub(crate) letter_id: String,
    pub(crate) sentiment: &'static str,
    pub(crate) emotion: Option<&'static str>,
    /// Which engine answered.
    pub(crate) engine: String,
}

db::row! {
    /// A letter to be analysed.
    pub(crate) struct Unanalysed {
        pub(crate) letter_id: String,
        pub(crate) owner_id: String,
        pub(crate) content: String,
    }
}

/// Those of these letters that are delivered, not encrypted and not analysed yet.
pub(crate) async fn unanalysed(conn: &mut Conn, letters: Vec<&str>) -> Result<Vec<Unanalysed>> {
    conn.all(
        sql!(
            sqlite: "SELECT l.id, l.owner_id, c.content
                     FROM letters AS l JOIN letter_contents AS c ON c.letter_id = l.id
                     WHERE l.id IN (SELECT value FROM json_each($1)) AND l.status = 'DELIVERED'
                       AND NOT l.is_encrypted AND c.content IS NOT NULL
                       AND NOT EXISTS (SELECT 1 FROM letter_emotions AS e WHERE e.letter_id = l.id)",
            postgres: "SELECT l.id, l.owner_id, c.content
                       FROM letters AS l JOIN letter_contents AS c ON c.letter_id = l.id
                       WHERE l.id = ANY($1) AND l.status = 'DELIVERED'
                         AND NOT l.is_encrypted AND c.content IS NOT NULL
                         AND NOT EXISTS (SELECT 1 FROM letter_emotions AS e WHERE e.letter_id = l.id)"
        ),
        args![letters],
    )
    .await
}

/// Keeps what was found; the first finding of a letter stays.
pub(crate) async fn keep_emotions(tx: &mut Tx, found: &[EmotionRow], now: Timestamp) -> Result<()> {
    let json = serde_json::to_string(found).map_err(|e| db::DbError::Other(e.to_string()))?;
    tx.exec(
        sql!(
            sqlite: "INSERT INTO letter_emotions (letter_id, sentiment, emotion, engine, analysed_at)
                     SELECT value ->> 'letter_id', value ->> 'sentiment', value ->> 'emotion',
                            value ->> 'engine', $2
                     FROM json_each($1) WHERE TRUE ON CONFLICT (letter_id) DO NOTHING",
            postgres: "INSERT INTO letter_emotions (letter_id, sentiment, emotion, engine, analysed_at)
                       SELECT letter_id, sentiment, emotion, engine, CAST($2 AS BIGINT)
                       FROM json_to_recordset($1)
                          AS x(letter_id TEXT, sentiment TEXT, emotion TEXT, engine TEXT)
                       ON CONFLICT (letter_id) DO NOTHING"
        ),
        args![&json, now],
    )
    .await
    .map(drop)
}

/// The emotions of those of these letters that have one.
pub(crate) async fn emotions(conn: &mut Conn, letters: Vec<&str>) -> Result<Vec<(String, String)>> {
    conn.all(
        sql!(
            sqlite: "SELECT letter_id, emotion FROM letter_emotions
                     WHERE letter_id IN (SELECT value FROM json_each($1)) AND emotion IS NOT NULL",
            postgres: "SELECT letter_id, emotion FROM letter_emotions
                       WHERE letter_id = ANY($1) AND emotion IS NOT NULL"
        ),
        args![letters],
    )
    .await
}
