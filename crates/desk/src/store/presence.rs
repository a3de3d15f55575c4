//! SQL on `desk_presence`, `desk_viewers`, `desk_watchers` and `desk_tickets`: who is there, who looks at what.

use db::{Conn, Result, Tx, args, sql};
use kernel::Timestamp;

/// Agents are there; which of them were not before.
pub(crate) async fn seen(tx: &mut Tx, agents: &[String], now: Timestamp) -> Result<Vec<String>> {
    let came: Vec<(String,)> = tx
        .all(
            sql!(
                sqlite: "INSERT INTO desk_presence (agent_id, since, seen_at)
                         SELECT value, $2, $2 FROM json_each($1) WHERE TRUE ORDER BY value
                         ON CONFLICT (agent_id) DO NOTHING RETURNING agent_id",
                postgres: "INSERT INTO desk_presence (agent_id, since, seen_at)
                           SELECT agent, CAST($2 AS BIGINT), CAST($2 AS BIGINT) FROM unnest(CAST($1 AS TEXT[])) AS agent ORDER BY agent
                           ON CONFLICT (agent_id) DO NOTHING RETURNING agent_id"
            ),
            args![agents, now],
        )
        .await?;
    for agent in agents {
        // One by one, in their order: two nodes that do the same never wait for each other in a circle.
        tx.exec(
            sql!("UPDATE desk_presence SET seen_at = $2 WHERE agent_id = $1 AND seen_at < $2"),
            args![agent, now],
        )
        .await?;
    }
    Ok(came.into_iter().map(|(agent,)| agent).collect())
}

/// Forgets those who were last seen before `before`; who they are.
pub(crate) async fn gone(tx: &mut Tx, before: Timestamp) -> Result<Vec<String>> {
    let gone: Vec<(String,)> = tx
        .all(sql!("DELETE FROM desk_presence WHERE seen_at < $1 RETURNING agent_id"), args![before])
        .await?;
    Ok(gone.into_iter().map(|(agent,)| agent).collect())
}

/// Who is there.
pub(crate) async fn present(conn: &mut Conn) -> Result<Vec<String>> {
    let all: Vec<(String,)> =
        conn.all(sql!("SELECT agent_id FROM desk_presence ORDER BY agent_id"), args![]).await?;
    Ok(all.into_iter().map(|(agent,)| agent).collect())
}

/// A socket that shows a session.
#[derive(Debug, Clone)]
pub(crate) struct Viewer<'a> {
    pub(crate) session_id: &'a str,
    pub(crate) socket_id: &'a str,
    pub(crate) agent_id: &'a str,
}

/// The socket shows the session.
pub(crate) async fn view(tx: &mut Tx, viewer: &Viewer<'_>, now: Timestamp) -> Result<()> {
    tx.exec(
        sql!(
            "INSERT INTO desk_viewers (session_id, socket_id, agent_id, seen_at) VALUES ($1, $2, $3, $4)
             ON CONFLICT (session_id, socket_id) DO UPDATE SET seen_at = excluded.seen_at"
        ),
        args![viewer.session_id, viewer.socket_id, viewer.agent_id, now],
    )
    .await?;
    Ok(())
}

/// The socket shows these sessions no more.
pub(crate) async fn leave(tx: &mut Tx, socket: &str, sessions: &[String]) -> Result<()> {
    tx.exec(
        sql!(
            sqlite: "DELETE FROM desk_viewers
                     WHERE socket_id = $1 AND session_id IN (SELECT value FROM json_each($2))",
            postgres: "DELETE FROM desk_viewers WHERE socket_id = $1 AND session_id = ANY($2)"
        ),
        args![socket, sessions],
    )
    .await?;
    Ok(())
}

/// These sockets still show these sessions: (session, socket).
pub(crate) async fn still_viewing(tx: &mut Tx, shown: &[(String, String)], now: Timestamp) -> Result<()> {
    tx.exec(
        sql!(
            sqlite: "UPDATE desk_viewers SET seen_at = $2
                     FROM (SELECT value ->> 0 AS session, value ->> 1 AS socket FROM json_each($1)) AS n
                     WHERE session_id = n.session AND socket_id = n.socket",
            postgres: "UPDATE desk_viewers SET seen_at = $2
                       FROM (SELECT value ->> 0 AS session, value ->> 1 AS socket
                             FROM jsonb_array_elements(CAST(CAST($1 AS TEXT) AS jsonb))) AS n
                       WHERE session_id = n.session AND socket_id = n.socket"
        ),
        args![serde_json::json!(shown).to_string(), now],
    )
    .await
    .map(drop)
}

/// Forgets sockets that were last heard of before `before`; the sessions that they showed.
pub(crate) async fn forget_viewers(tx: &mut Tx, before: Timestamp) -> Result<Vec<String>> {
    let gone: Vec<(String,)> = tx
        .all(sql!("DELETE FROM desk_viewers WHERE seen_at < $1 RETURNING session_id"), args![before])
        .await?;
    Ok(gone.into_iter().map(|(session,)| session).collect())
}

/// Which agents look at a session, of those who may see it now.
pub(crate) async fn viewers(conn: &mut Conn, session: &str) -> Result<Vec<String>> {
    let all: Vec<(String,)> = conn
        .all(
            sql!(
                "SELECT DISTINCT v.agent_id
                 FROM desk_viewers AS v JOIN desk_sessions AS s ON s.id = v.session_id
                    LEFT JOIN desk_streams AS t ON t.agent_id = v.agent_id
                 WHERE v.session_id = $1
                    AND (t.supervising OR COALESCE(s.manual_cs_id = v.agent_id, s.status <> 'closed'))
                 ORDER BY v.agent_id"
            ),
            args![session],
        )
        .await?;
    Ok(all.into_iter().map(|(agent,)| agent).collect())
}

/// The agent is told a session's messages while they may see it.
pub(crate) async fn watch(tx: &mut Tx, session: &str, agent: &str, now: Timestamp) -> Result<()> {
    tx.exec(
        sql!(
            "INSERT INTO desk_watchers (session_id, agent_id, since) VALUES ($1, $2, $3)
             ON CONFLICT (session_id, agent_id) DO NOTHING"
        ),
        args![session, agent, now],
    )
    .await?;
    Ok(())
}

/// The agent watches a session no more, unless another of their sockets shows it.
pub(crate) async fn unwatch(tx: &mut Tx, session: &str, agent: &str) -> Result<()> {
    tx.exec(
        sql!(
            "DELETE FROM desk_watchers WHERE session_id = $1 AND agent_id = $2 AND NOT EXISTS (
                SELECT 1 FROM desk_viewers AS v WHERE v.session_id = $1 AND v.agent_id = $2)"
        ),
        args![session, agent],
    )
    .await?;
    Ok(())
}

/// Nobody watches what is closed.
pub(crate) async fn forget_watchers(tx: &mut Tx) -> Result<()> {
    tx.exec(
        sql!(
            "DELETE FROM desk_watchers WHERE EXISTS (
                SELECT 1 FROM desk_sessions AS s WHERE s.id = desk_watchers.session_id AND s.status = 'closed')"
        ),
        args![],
    )
    .await?;
    Ok(())
}

/// A ticket that stands for the token of a login, once.
pub(crate) async fn insert_ticket(
    tx: &mut Tx,
    hash: &str,
    login: &str,
    token_expires: Timestamp,
    expires: Timestamp,
) -> Result<()> {
    tx.exec(
        sql!(
            "INSERT INTO desk_tickets (hash, login_id, token_expires_at, expires_at) VALUES ($1, $2, $3, $4)"
        ),
        args![hash, login, token_expires, expires],
    )
    .await?;
    Ok(())
}

/// Takes a ticket: the login and its token's end. Of several who present it one gets it.
pub(crate) async fn take_ticket(
    tx: &mut Tx,
    hash: &str,
    now: Timestamp,
) -> Result<Option<(String, Timestamp)>> {
    tx.opt(
        sql!(
            "DELETE FROM desk_tickets WHERE hash = $1 AND expires_at > $2 RETURNING login_id, token_expires_at"
        ),
        args![hash, now],
    )
    .await
}

/// Forgets tickets that nobody took in time.
pub(crate) async fn forget_tickets(tx: &mut Tx, now: Timestamp) -> Result<()> {
    tx.exec(sql!("DELETE FROM desk_tickets WHERE expires_at <= $1"), args![now]).await?;
    Ok(())
}
