//! SQL on `desk_streams`, `desk_events` and `desk_event_bodies`: what agents are told, each in an order without gaps.

use std::collections::BTreeSet;

use db::{Result, Tx, args, sql};
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
    let watching = watchers(tx, all).await?;
    let named: Option<BTreeSet<&str>> = all
        .iter()
        .map(|told| told.to.as_ref())
        .collect::<Option<Vec<_>>>()
        .map(|to| to.into_iter().flatten().map(String::as_str).collect());
    let named = named.map(|mut named| {
        named.extend(watching.iter().map(|(_, agent)| agent.as_str()));
        named.into_iter().collect::<Vec<_>>()
    });
    if named.as_ref().is_some_and(Vec::is_empty) {
        return Ok(());
    }
    let mut heads = lock_streams(tx, named).await?;
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

/// Who watches the sessions of these, and may still see them.
async fn watchers(tx: &mut Tx, all: &[Told]) -> Result<Vec<(String, String)>> {
    let sessions: Vec<&str> = all.iter().map(|told| told.session_id.as_str()).collect();
    tx.all(
        sql!(
            sqlite: "SELECT w.session_id, w.agent_id
                     FROM desk_watchers AS w JOIN desk_sessions AS s ON s.id = w.session_id
                     WHERE w.session_id IN (SELECT value FROM json_each($1)) AND (w.supervising
                        OR s.manual_cs_id = w.agent_id OR s.manual_cs_id IS NULL AND s.status <> 'closed')",
            postgres: "SELECT w.session_id, w.agent_id
                       FROM desk_watchers AS w JOIN desk_sessions AS s ON s.id = w.session_id
                       WHERE w.session_id = ANY($1) AND (w.supervising
                          OR s.manual_cs_id = w.agent_id OR s.manual_cs_id IS NULL AND s.status <> 'closed')"
        ),
        args![sessions],
    )
    .await
}

/// Locks these agents' streams, or all, in the one order in which streams are locked; where they end.
pub(super) async fn lock_streams(tx: &mut Tx, agents: Option<Vec<&str>>) -> Result<Vec<(String, i64)>> {
    let Some(agents) = agents else {
        return tx
            .all(
                sql!(
                    sqlite: "SELECT agent_id, head FROM desk_streams ORDER BY agent_id",
                    postgres: "SELECT agent_id, head FROM desk_streams ORDER BY agent_id FOR UPDATE"
                ),
                args![],
            )
            .await;
    };
    tx.all(
        sql!(
            sqlite: "SELECT agent_id, head FROM desk_streams
                     WHERE agent_id IN (SELECT value FROM json_each($1)) ORDER BY agent_id",
            postgres: "SELECT agent_id, head FROM desk_streams WHERE agent_id = ANY($1) ORDER BY agent_id FOR UPDATE"
        ),
        args![agents],
    )
    .await
}

/// The topic of the notice that streams have grown.
pub(crate) const TOPIC: &str = "desk.streams";
