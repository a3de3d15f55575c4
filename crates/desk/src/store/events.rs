//! SQL on `desk_streams`, `desk_events` and `desk_event_bodies`: what agents are told, each in an order without gaps.

use db::{Conn, Result, Tx, args, sql};
use kernel::Timestamp;

use crate::model::Event;

/// Something that agents are told.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    /// The frame's `type`.
    pub(crate) kind: &'static str,
    pub(crate) session_id: String,
    /// The frame's `data`.
    pub(crate) data: serde_json::Value,
    /// Who is told: these agents and whoever watches the session, or `None`: all.
    pub(crate) to: Option<Vec<String>>,
    /// What webhooks hear of it, if they do.
    pub(crate) event: Option<Event>,
}

/// Writes these to the streams of those who are told, in order, and says so after the commit. Streams are locked by
/// the order of their agents' ids, after the sessions: it is the last thing that a transaction does, once.
pub(super) async fn tell(tx: &mut Tx, all: &[Told], now: Timestamp) -> Result<()> {
    if all.is_empty() {
        return Ok(());
    }
    let sessions: Vec<&str> = all.iter().map(|told| told.session_id.as_str()).collect();
    let watching: Vec<(String, String)> = tx
        .all(
            sql!(
                sqlite: "SELECT session_id, agent_id FROM desk_watchers
                         WHERE session_id IN (SELECT value FROM json_each($1))",
                postgres: "SELECT session_id, agent_id FROM desk_watchers WHERE session_id = ANY($1)"
            ),
            args![sessions],
        )
        .await?;
    let mut heads: Vec<(String, i64)> = tx
        .all(
            sql!(
                sqlite: "SELECT agent_id, head FROM desk_streams ORDER BY agent_id",
                postgres: "SELECT agent_id, head FROM desk_streams ORDER BY agent_id FOR UPDATE"
            ),
            args![],
        )
        .await?;
    let mut written = false;
    for told in all {
        let id = kernel::id::new("evt", now);
        let mut rows: Vec<(&str, i64)> = Vec::new();
        for (agent, head) in &mut heads {
            let is_told = told.to.as_ref().is_none_or(|to| {
                to.contains(agent) || watching.iter().any(|(s, a)| *s == told.session_id && a == agent)
            });
            if is_told {
                *head = head.saturating_add(1);
                rows.push((agent.as_str(), *head));
            }
        }
        if rows.is_empty() {
            continue;
        }
        written = true;
        tx.exec(
            sql!(
                "INSERT INTO desk_event_bodies (id, type, session_id, data, created_at) VALUES ($1, $2, $3, $4, $5)"
            ),
            args![&id, told.kind, &told.session_id, told.data.to_string(), now],
        )
        .await?;
        let json =
            serde_json::Value::from_iter(rows.iter().map(|(agent, seq)| serde_json::json!([agent, seq])));
        tx.exec(
            sql!(
                sqlite: "INSERT INTO desk_events (agent_id, seq, event_id)
                         SELECT value ->> 0, value ->> 1, $2 FROM json_each($1)",
                postgres: "INSERT INTO desk_events (agent_id, seq, event_id)
                           SELECT value ->> 0, CAST(value ->> 1 AS BIGINT), $2
                           FROM jsonb_array_elements(CAST(CAST($1 AS TEXT) AS jsonb))"
            ),
            args![json.to_string(), &id],
        )
        .await?;
    }
    if written {
        let json =
            serde_json::Value::from_iter(heads.iter().map(|(agent, seq)| serde_json::json!([agent, seq])));
        tx.exec(
            sql!(
                sqlite: "UPDATE desk_streams SET head = n.head FROM
                            (SELECT value ->> 0 AS agent, value ->> 1 AS head FROM json_each($1)) AS n
                         WHERE agent_id = n.agent AND desk_streams.head <> n.head",
                postgres: "UPDATE desk_streams SET head = n.head FROM
                              (SELECT value ->> 0 AS agent, CAST(value ->> 1 AS BIGINT) AS head
                               FROM jsonb_array_elements(CAST(CAST($1 AS TEXT) AS jsonb))) AS n
                           WHERE agent_id = n.agent AND desk_streams.head <> n.head"
            ),
            args![json.to_string()],
        )
        .await?;
        tx.notify(TOPIC, "");
    }
    Ok(())
}

/// Everybody who has a stream.
pub(crate) async fn listeners(conn: &mut Conn) -> Result<Vec<String>> {
    let all: Vec<(String,)> =
        conn.all(sql!("SELECT agent_id FROM desk_streams ORDER BY agent_id"), args![]).await?;
    Ok(all.into_iter().map(|(agent,)| agent).collect())
}

/// The topic of the notice that streams have grown.
pub(crate) const TOPIC: &str = "desk.streams";
