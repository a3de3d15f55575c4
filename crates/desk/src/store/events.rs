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
    /// Whether supervisors are told besides.
    pub(crate) supervisors: bool,
    /// For a session that not everybody may see: what others get than its owner and supervisors.
    pub(crate) reduced: Option<Reduced>,
    /// What webhooks hear of it, if they do.
    pub(crate) event: Option<Event>,
}

/// A session's frame for whom the session is not there: that it changed, and nothing of its customer.
#[derive(Debug, Clone)]
pub(crate) struct Reduced {
    /// The frame's `data`.
    pub(crate) data: serde_json::Value,
    /// Who gets the whole, beside supervisors.
    pub(crate) owner: Option<String>,
}

/// A locked stream.
struct Stream {
    agent: String,
    head: i64,
    /// Whether its agent may see all sessions.
    supervising: bool,
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
        named.extend(watching.iter().map(|(_, agent, _)| agent.as_str()));
        named.into_iter().collect::<Vec<_>>()
    });
    let supervisors = all.iter().any(|told| told.supervisors);
    if !supervisors && named.as_ref().is_some_and(Vec::is_empty) {
        return Ok(());
    }
    let mut streams: Vec<Stream> = lock_streams(tx, named, supervisors)
        .await?
        .into_iter()
        .map(|(agent, head, supervising)| Stream { agent, head, supervising })
        .collect();
    let mut written = false;
    for told in all {
        let (mut whole, mut rest) = (Vec::new(), Vec::new());
        for stream in &mut streams {
            if !is_told(told, stream, &watching) {
                continue;
            }
            stream.head = stream.head.saturating_add(1);
            let rows = if sees(told, stream) { &mut whole } else { &mut rest };
            rows.push((stream.agent.as_str(), stream.head));
        }
        written |= !whole.is_empty() || !rest.is_empty();
        insert(tx, told, &told.data, &whole, now).await?;
        if let Some(reduced) = &told.reduced {
            insert(tx, told, &reduced.data, &rest, now).await?;
        }
    }
    if written {
        move_heads(tx, &streams).await?;
        tx.notify(TOPIC, "");
    }
    Ok(())
}

fn is_told(told: &Told, stream: &Stream, watching: &[Watcher]) -> bool {
    let Some(to) = &told.to else { return true };
    let watches = |(session, agent, may_see): &Watcher| {
        *session == told.session_id && *agent == stream.agent && (*may_see || stream.supervising)
    };
    to.contains(&stream.agent) || told.supervisors && stream.supervising || watching.iter().any(watches)
}

fn sees(told: &Told, stream: &Stream) -> bool {
    let whole = |reduced: &Reduced| stream.supervising || reduced.owner.as_ref() == Some(&stream.agent);
    told.reduced.as_ref().is_none_or(whole)
}

/// Writes what is told under these numbers of these agents' streams.
async fn insert(
    tx: &mut Tx,
    told: &Told,
    data: &serde_json::Value,
    rows: &[(&str, i64)],
    now: Timestamp,
) -> Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let id = kernel::id::new("evt", now);
    tx.exec(
        sql!(
            "INSERT INTO desk_event_bodies (id, type, session_id, data, created_at) VALUES ($1, $2, $3, $4, $5)"
        ),
        args![&id, told.kind, &told.session_id, data.to_string(), now],
    )
    .await?;
    tx.exec(
        sql!(
            sqlite: "INSERT INTO desk_events (agent_id, seq, event_id)
                     SELECT value ->> 0, value ->> 1, $2 FROM json_each($1)",
            postgres: "INSERT INTO desk_events (agent_id, seq, event_id)
                       SELECT value ->> 0, CAST(value ->> 1 AS BIGINT), $2
                       FROM jsonb_array_elements(CAST(CAST($1 AS TEXT) AS jsonb))"
        ),
        args![serde_json::json!(rows).to_string(), &id],
    )
    .await
    .map(drop)
}

/// Notes where these streams end now.
async fn move_heads(tx: &mut Tx, streams: &[Stream]) -> Result<()> {
    let heads = serde_json::Value::from_iter(streams.iter().map(|s| serde_json::json!([s.agent, s.head])));
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
        args![heads.to_string()],
    )
    .await
    .map(drop)
}

/// A session, who watches it, and whether they may see it whoever they are: supervisors see all.
type Watcher = (String, String, bool);

/// Who watches the sessions of these.
async fn watchers(tx: &mut Tx, all: &[Told]) -> Result<Vec<Watcher>> {
    let sessions: Vec<&str> = all.iter().map(|told| told.session_id.as_str()).collect();
    tx.all(
        sql!(
            sqlite: "SELECT w.session_id, w.agent_id, COALESCE(s.manual_cs_id = w.agent_id, s.status <> 'closed')
                     FROM desk_watchers AS w JOIN desk_sessions AS s ON s.id = w.session_id
                     WHERE w.session_id IN (SELECT value FROM json_each($1))",
            postgres: "SELECT w.session_id, w.agent_id, COALESCE(s.manual_cs_id = w.agent_id, s.status <> 'closed')
                       FROM desk_watchers AS w JOIN desk_sessions AS s ON s.id = w.session_id
                       WHERE w.session_id = ANY($1)"
        ),
        args![sessions],
    )
    .await
}

/// Locks these agents' streams and, if `supervisors`, those of supervisors, or all, in the one order in which streams
/// are locked; whose they are, where they end, and whether they are supervisors'.
pub(super) async fn lock_streams(
    tx: &mut Tx,
    agents: Option<Vec<&str>>,
    supervisors: bool,
) -> Result<Vec<(String, i64, bool)>> {
    let Some(agents) = agents else {
        return tx
            .all(
                sql!(
                    sqlite: "SELECT agent_id, head, supervising FROM desk_streams ORDER BY agent_id",
                    postgres: "SELECT agent_id, head, supervising FROM desk_streams ORDER BY agent_id FOR UPDATE"
                ),
                args![],
            )
            .await;
    };
    tx.all(
        sql!(
            sqlite: "SELECT agent_id, head, supervising FROM desk_streams
                     WHERE agent_id IN (SELECT value FROM json_each($1)) OR $2 AND supervising ORDER BY agent_id",
            postgres: "SELECT agent_id, head, supervising FROM desk_streams
                       WHERE agent_id = ANY($1) OR $2 AND supervising ORDER BY agent_id FOR UPDATE"
        ),
        args![agents, supervisors],
    )
    .await
}

/// Locks supervisors' streams, for who has to lock something else before they are told.
pub(crate) async fn lock_supervisors(tx: &mut Tx) -> Result<()> {
    lock_streams(tx, Some(Vec::new()), true).await.map(drop)
}

/// The topic of the notice that streams have grown.
pub(crate) const TOPIC: &str = "desk.streams";
