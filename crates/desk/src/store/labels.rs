//! SQL on `desk_session_labels`: what sessions are about, in the desk's own words.

use db::{Conn, Result, Tx, args, sql};

/// The labels of these sessions, each with its session, by name.
pub(crate) async fn labels_of(conn: &mut Conn, sessions: Vec<&str>) -> Result<Vec<(String, String)>> {
    if sessions.is_empty() {
        return Ok(Vec::new());
    }
    conn.all(
        sql!(
            sqlite: "SELECT session_id, label FROM desk_session_labels
                     WHERE session_id IN (SELECT value FROM json_each($1)) ORDER BY session_id, label",
            postgres: "SELECT session_id, label FROM desk_session_labels
                       WHERE session_id = ANY($1) ORDER BY session_id, label"
        ),
        args![sessions],
    )
    .await
}

/// Gives a locked session these labels and no others.
pub(crate) async fn set_labels(tx: &mut Tx, session: &str, labels: &[String]) -> Result<()> {
    tx.exec(sql!("DELETE FROM desk_session_labels WHERE session_id = $1"), args![session]).await?;
    for label in labels {
        tx.exec(
            sql!(
                "INSERT INTO desk_session_labels (session_id, label) VALUES ($1, $2)
                 ON CONFLICT (session_id, label) DO NOTHING"
            ),
            args![session, label],
        )
        .await?;
    }
    Ok(())
}

/// All labels in use with how many sessions have each, the most used first, at most so many.
pub(crate) async fn labels(conn: &mut Conn, limit: i64) -> Result<Vec<(String, i64)>> {
    conn.all(
        sql!(
            "SELECT label, COUNT(*) FROM desk_session_labels GROUP BY label ORDER BY COUNT(*) DESC, label LIMIT $1"
        ),
        args![limit],
    )
    .await
}
