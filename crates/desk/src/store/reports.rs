//! SQL that counts what happened at the desk within spans of time: from sessions, messages, waits,
//! ratings and the audit log.
//!
//! Spans are given as JSON, `[[name, since, until], …]` in microseconds, half open; each is one search of an index on a
//! time. What happened is counted where it happened, however long the session lasted. Groups are `day` (the span's name),
//! `channel`, `agent`, or all in one; what is nobody's has no group among agents.

use db::{Conn, Result, args, sql};
use kernel::Timestamp;

/// A registered statement that joins the spans as `b`.
macro_rules! spans {
    ($head:expr, $tail:expr) => {
        sql!(
            sqlite: concat!(
                $head,
                " (SELECT value ->> 0 AS name, value ->> 1 AS since, value ->> 2 AS until FROM json_each($1)) AS b ",
                $tail
            ),
            postgres: concat!(
                $head,
                " (SELECT value ->> 0 AS name, CAST(value ->> 1 AS BIGINT) AS since, CAST(value ->> 2 AS BIGINT) AS until
                   FROM jsonb_array_elements(CAST(CAST($1 AS TEXT) AS jsonb))) AS b ",
                $tail
            )
        )
    };
}

/// The group, where `$agent` says whose it is, and `$channel` on which.
macro_rules! group {
    ($agent:expr) => {
        group!($agent, "s.channel_type")
    };
    ($agent:expr, $channel:expr) => {
        concat!(
            "CASE CAST($2 AS TEXT) WHEN 'day' THEN b.name WHEN 'channel' THEN ",
            $channel,
            " WHEN 'agent' THEN ",
            $agent,
            " ELSE '' END"
        )
    };
}

/// Counts changes; with their sessions where the channel is asked for, which costs as much again.
macro_rules! changes {
    ($channel:expr, $join:expr) => {
        spans!(
            concat!(
                "SELECT ",
                group!("CASE WHEN a.to_status = 'manual' THEN a.to_owner ELSE a.from_owner END", $channel),
                ", CASE WHEN a.to_status = 'closed' THEN 'closed' WHEN a.action = 'hand_over' THEN 'handed_over'
                     WHEN a.to_status = 'manual' AND a.from_status = 'manual' THEN 'transferred'
                     WHEN a.to_status = 'manual' THEN 'accepted' WHEN a.to_status = 'pending' THEN 'requeued'
                     ELSE 'handed_back' END,
                   CASE WHEN a.action = 'hand_over' THEN COALESCE(a.reason, '') ELSE '' END, COUNT(*) FROM"
            ),
            concat!("CROSS JOIN desk_audit AS a ", $join, " WHERE a.at >= b.since AND a.at < b.until GROUP BY 1, 2, 3")
        )
    };
}

/// Counts messages; the same.
macro_rules! messages {
    ($channel:expr, $join:expr) => {
        spans!(
            concat!(
                "SELECT ",
                group!("CASE WHEN m.sender_type = 'manual' THEN m.sender_id END", $channel),
                ", m.sender_type, COUNT(*) FROM"
            ),
            concat!(
                "CROSS JOIN desk_messages AS m ",
                $join,
                " WHERE m.created_at >= b.since AND m.created_at < b.until AND m.status <> 'internal' GROUP BY 1, 2"
            )
        )
    };
}

/// The ranks of the durations `d` in the groups `k`.
macro_rules! ranked {
    ($base:expr) => {
        concat!(
            "SELECT k, COUNT(*), CAST(SUM(d) AS BIGINT), MIN(CASE WHEN n * 100 >= total * 50 THEN d END),
                MIN(CASE WHEN n * 100 >= total * 90 THEN d END), MIN(CASE WHEN n * 100 >= total * 99 THEN d END)
             FROM (SELECT k, d, ROW_NUMBER() OVER (PARTITION BY k ORDER BY d) AS n,
                      COUNT(*) OVER (PARTITION BY k) AS total FROM (",
            $base
        )
    };
}

/// What [`ranked`] ends with.
macro_rules! ranks_end {
    () => {
        ") AS base) AS ranks GROUP BY k"
    };
}

/// How many there are in a group.
pub(crate) type Counted = (Option<String>, i64);

/// Sessions that were opened.
pub(crate) async fn opened(conn: &mut Conn, spans: &str, by: &str) -> Result<Vec<Counted>> {
    conn.all(
        spans!(
            concat!("SELECT ", group!("NULL"), ", COUNT(*) FROM"),
            "CROSS JOIN desk_sessions AS s WHERE s.created_at >= b.since AND s.created_at < b.until GROUP BY 1"
        ),
        args![spans, by],
    )
    .await
}

/// Sessions that were closed without any person, after the assistant had answered.
pub(crate) async fn deflected(conn: &mut Conn, spans: &str, by: &str) -> Result<Vec<Counted>> {
    conn.all(
        spans!(
            concat!("SELECT ", group!("NULL"), ", COUNT(*) FROM"),
            "CROSS JOIN desk_sessions AS s WHERE s.closed_at >= b.since AND s.closed_at < b.until
                AND s.handed_over_at IS NULL AND EXISTS (SELECT 1 FROM desk_messages AS m
                   WHERE m.session_id = s.id AND m.sender_type = 'ai' AND m.status <> 'internal')
             GROUP BY 1"
        ),
        args![spans, by],
    )
    .await
}

/// Changes of sessions: group, what (`handed_over`, `accepted`, `transferred`, `requeued`, `handed_back`, `closed`),
/// of a hand-over why, how many.
pub(crate) async fn changed(
    conn: &mut Conn,
    spans: &str,
    by: &str,
) -> Result<Vec<(Option<String>, String, String, i64)>> {
    let statement = match by {
        "channel" => changes!("s.channel_type", "JOIN desk_sessions AS s ON s.id = a.session_id"),
        _ => changes!("''", ""),
    };
    conn.all(statement, args![spans, by]).await
}

/// Messages: group, who said them, how many.
pub(crate) async fn said(
    conn: &mut Conn,
    spans: &str,
    by: &str,
) -> Result<Vec<(Option<String>, String, i64)>> {
    let statement = match by {
        "channel" => messages!("s.channel_type", "JOIN desk_sessions AS s ON s.id = m.session_id"),
        _ => messages!("''", ""),
    };
    conn.all(statement, args![spans, by]).await
}

db::row! {
    /// The durations of a group, in microseconds.
    #[derive(Debug, Clone)]
    pub(crate) struct RanksRow {
        pub(crate) group: Option<String>,
        pub(crate) count: i64,
        pub(crate) sum: i64,
        /// So many percent took at most so long: by the nearest rank.
        pub(crate) p50: i64,
        pub(crate) p90: i64,
        pub(crate) p99: i64,
    }
}

/// From the hand-over to the first answer of a person, counted when they answered.
pub(crate) async fn first_responses(conn: &mut Conn, spans: &str, by: &str) -> Result<Vec<RanksRow>> {
    conn.all(
        spans!(
            ranked!(concat!(
                "SELECT ",
                group!(
                    "(SELECT m.sender_id FROM desk_messages AS m WHERE m.session_id = s.id AND m.sender_type = 'manual'
                        AND m.status <> 'internal' ORDER BY m.seq LIMIT 1)"
                ),
                " AS k, CASE WHEN s.first_response_at > s.handed_over_at
                     THEN s.first_response_at - s.handed_over_at ELSE 0 END AS d FROM"
            )),
            concat!(
                "CROSS JOIN desk_sessions AS s WHERE s.first_response_at >= b.since AND s.first_response_at < b.until
                    AND s.handed_over_at IS NOT NULL",
                ranks_end!()
            )
        ),
        args![spans, by],
    )
    .await
}

/// From the first person who took it to the end, counted when it ended, for whoever had it last.
pub(crate) async fn handled(conn: &mut Conn, spans: &str, by: &str) -> Result<Vec<RanksRow>> {
    conn.all(
        spans!(
            ranked!(concat!(
                "SELECT ",
                group!("s.manual_cs_id"),
                " AS k, s.closed_at - s.accepted_at AS d FROM"
            )),
            concat!(
                "CROSS JOIN desk_sessions AS s WHERE s.closed_at >= b.since AND s.closed_at < b.until
                    AND s.accepted_at IS NOT NULL",
                ranks_end!()
            )
        ),
        args![spans, by],
    )
    .await
}

/// Waits of customers that went beyond their target, counted when they did; for whoever had the session then.
pub(crate) async fn breached(conn: &mut Conn, spans: &str, by: &str) -> Result<Vec<Counted>> {
    conn.all(
        spans!(
            concat!("SELECT ", group!("l.agent_id"), ", COUNT(*) FROM"),
            "CROSS JOIN desk_sla AS l JOIN desk_sessions AS s ON s.id = l.session_id
             WHERE l.breached_at >= b.since AND l.breached_at < b.until GROUP BY 1"
        ),
        args![spans, by],
    )
    .await
}

/// Customers' ratings, counted when they rated: group, how many, their sum.
pub(crate) async fn rated(conn: &mut Conn, spans: &str, by: &str) -> Result<Vec<(Option<String>, i64, i64)>> {
    conn.all(
        spans!(
            concat!("SELECT ", group!("r.agent_id"), ", COUNT(*), CAST(SUM(r.score) AS BIGINT) FROM"),
            "CROSS JOIN desk_ratings AS r JOIN desk_sessions AS s ON s.id = r.session_id
             WHERE r.rated_at >= b.since AND r.rated_at < b.until GROUP BY 1"
        ),
        args![spans, by],
    )
    .await
}

/// How many customers wait for a person, since when the first of them does, and how many are with one.
pub(crate) async fn now(conn: &mut Conn) -> Result<(i64, Option<Timestamp>, i64)> {
    let (waiting, since) = conn
        .one(sql!("SELECT COUNT(*), MIN(waiting_since) FROM desk_sessions WHERE status = 'pending'"), args![])
        .await?;
    let (manual,) =
        conn.one(sql!("SELECT COUNT(*) FROM desk_sessions WHERE status = 'manual'"), args![]).await?;
    Ok((waiting, since, manual))
}
