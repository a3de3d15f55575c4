//! SQL on `desk_streams` and what they consist of: made, read from any place on, trimmed at their end.

use db::{Conn, Db, Result, Tx, args, sql};
use kernel::Timestamp;
use serde_json::{Value, json};

db::row! {
    /// An agent's stream.
    #[derive(Debug, Clone)]
    pub(crate) struct StreamRow {
        /// Changes when a stream is begun anew; numbers mean something only together with it.
        pub(crate) epoch: String,
        /// The last number.
        pub(crate) head: i64,
        /// The last number that is gone; what comes after it is there.
        pub(crate) tail: i64,
    }
}

db::row! {
    /// Something that an agent was told.
    #[derive(Debug, Clone)]
    pub(crate) struct EventRow {
        pub(crate) agent_id: String,
        pub(crate) seq: i64,
        pub(crate) kind: String,
        pub(crate) session_id: String,
        /// JSON.
        pub(crate) data: String,
    }
}

/// The agent's stream, if there is one.
pub(crate) async fn stream(conn: &mut Conn, agent: &str) -> Result<Option<StreamRow>> {
    conn.opt(sql!("SELECT epoch, head, tail FROM desk_streams WHERE agent_id = $1"), args![agent]).await
}

/// The agent's stream, made if there is none. Whatever was committed before a stream begins can be read when this
/// returns; whatever is committed later is in the stream. It is begun anew if the agent may see more or less than when
/// it was written: what is in it is not for them, or lacks what is.
pub(crate) async fn ensure_stream(
    db: &Db,
    agent: &str,
    supervising: bool,
    now: Timestamp,
) -> Result<StreamRow> {
    let mut tx = db.begin().await?;
    let there = tx
        .opt(
            sql!(
                "UPDATE desk_streams SET used_at = $2 WHERE agent_id = $1 AND supervising = $3
                 RETURNING epoch, head, tail"
            ),
            args![agent, now, supervising],
        )
        .await?;
    tx.commit().await?;
    if let Some(stream) = there {
        return Ok(stream);
    }
    let mut tx = db.begin().await?;
    if tx.is_postgres() {
        // Waits for all who are telling agents something and do not know of this stream: they hold a lock on the
        // table since they looked for streams. SQLite has one writer.
        tx.execute_raw("LOCK TABLE desk_streams IN EXCLUSIVE MODE").await?;
    }
    end_stream(&mut tx, agent, !supervising).await?;
    let made = tx
        .one(
            sql!(
                "INSERT INTO desk_streams (agent_id, epoch, head, tail, acked, used_at, supervising)
                 VALUES ($1, $2, 0, 0, 0, $3, $4)
                 ON CONFLICT (agent_id) DO UPDATE SET used_at = excluded.used_at RETURNING epoch, head, tail"
            ),
            args![agent, kernel::id::new("epoch", now), now, supervising],
        )
        .await?;
    tx.commit().await?;
    Ok(made)
}

/// Ends the agent's stream, if it is one of a supervisor, or none: who was the one and is the other begins anew.
pub(crate) async fn end_stream(tx: &mut Tx, agent: &str, supervising: bool) -> Result<()> {
    let ended = tx
        .exec(
            sql!("DELETE FROM desk_streams WHERE agent_id = $1 AND supervising = $2"),
            args![agent, supervising],
        )
        .await?;
    if ended == 1 {
        tx.exec(sql!("DELETE FROM desk_events WHERE agent_id = $1"), args![agent]).await?;
    }
    Ok(())
}

/// What comes after a place in one stream, in order; nothing if the stream was begun anew.
pub(crate) async fn events_after(
    conn: &mut Conn,
    agent: &str,
    epoch: &str,
    after: i64,
    limit: i64,
) -> Result<Vec<EventRow>> {
    conn.all(
        sql!(
            "SELECT e.agent_id, e.seq, b.type, b.session_id, b.data
             FROM desk_streams AS s JOIN desk_events AS e ON e.agent_id = s.agent_id
                JOIN desk_event_bodies AS b ON b.id = e.event_id
             WHERE s.agent_id = $1 AND s.epoch = $2 AND e.seq > $3 ORDER BY e.seq LIMIT $4"
        ),
        args![agent, epoch, after, limit],
    )
    .await
}

/// A place in a stream: the agent, the epoch, the number.
pub(crate) type Place = (String, String, i64);

fn places(all: &[Place]) -> String {
    all.iter().map(|(agent, epoch, seq)| json!([agent, epoch, seq])).collect::<Value>().to_string()
}

/// What comes after these places, in order for each agent.
pub(crate) async fn news(conn: &mut Conn, after: &[Place], limit: i64) -> Result<Vec<EventRow>> {
    conn.all(
        sql!(
            sqlite: "SELECT e.agent_id, e.seq, b.type, b.session_id, b.data
                     FROM (SELECT value ->> 0 AS agent, value ->> 1 AS epoch, value ->> 2 AS seq FROM json_each($1)) AS w
                        JOIN desk_streams AS s ON s.agent_id = w.agent AND s.epoch = w.epoch AND s.head > w.seq
                        JOIN desk_events AS e ON e.agent_id = s.agent_id AND e.seq > w.seq
                        JOIN desk_event_bodies AS b ON b.id = e.event_id
                     ORDER BY e.agent_id, e.seq LIMIT $2",
            postgres: "SELECT e.agent_id, e.seq, b.type, b.session_id, b.data
                       FROM (SELECT value ->> 0 AS agent, value ->> 1 AS epoch, CAST(value ->> 2 AS BIGINT) AS seq
                             FROM jsonb_array_elements(CAST(CAST($1 AS TEXT) AS jsonb))) AS w
                          JOIN desk_streams AS s ON s.agent_id = w.agent AND s.epoch = w.epoch AND s.head > w.seq
                          JOIN desk_events AS e ON e.agent_id = s.agent_id AND e.seq > w.seq
                          JOIN desk_event_bodies AS b ON b.id = e.event_id
                       ORDER BY e.agent_id, e.seq LIMIT $2"
        ),
        args![places(after), limit],
    )
    .await
}

/// Where these agents' streams end: agent, epoch, head.
pub(crate) async fn heads(conn: &mut Conn, agents: &[String]) -> Result<Vec<Place>> {
    conn.all(
        sql!(
            sqlite: "SELECT agent_id, epoch, head FROM desk_streams WHERE agent_id IN (SELECT value FROM json_each($1))",
            postgres: "SELECT agent_id, epoch, head FROM desk_streams WHERE agent_id = ANY($1)"
        ),
        args![agents],
    )
    .await
}

/// Notes up to where agents have everything, and that their streams are in use.
pub(crate) async fn note_acked(tx: &mut Tx, acked: &[Place], now: Timestamp) -> Result<()> {
    let agents: Vec<&str> = acked.iter().map(|(agent, ..)| agent.as_str()).collect();
    super::events::lock_streams(tx, Some(agents), false).await?;
    tx.exec(
        sql!(
            sqlite: "UPDATE desk_streams SET used_at = $2, acked = MAX(acked, MIN(n.seq, head))
                     FROM (SELECT value ->> 0 AS agent, value ->> 1 AS epoch, value ->> 2 AS seq FROM json_each($1)) AS n
                     WHERE agent_id = n.agent AND desk_streams.epoch = n.epoch",
            postgres: "UPDATE desk_streams SET used_at = $2, acked = GREATEST(acked, LEAST(n.seq, head))
                       FROM (SELECT value ->> 0 AS agent, value ->> 1 AS epoch, CAST(value ->> 2 AS BIGINT) AS seq
                             FROM jsonb_array_elements(CAST(CAST($1 AS TEXT) AS jsonb))) AS n
                       WHERE agent_id = n.agent AND desk_streams.epoch = n.epoch"
        ),
        args![places(acked), now],
    )
    .await?;
    Ok(())
}

db::row! {
    /// What decides how much of a stream is kept.
    #[derive(Debug)]
    pub(crate) struct Extent {
        pub(crate) agent_id: String,
        pub(crate) epoch: String,
        pub(crate) head: i64,
        pub(crate) tail: i64,
        pub(crate) acked: i64,
        pub(crate) used_at: Timestamp,
        /// The last number that is old.
        pub(crate) old: i64,
        /// The last number that is old enough to go once it is acknowledged.
        pub(crate) ripe: i64,
    }
}

/// All streams; `old` and `ripe` are what was told before these instants.
pub(crate) async fn extents(conn: &mut Conn, old: Timestamp, ripe: Timestamp) -> Result<Vec<Extent>> {
    conn.all(
        sql!(
            "SELECT s.agent_id, s.epoch, s.head, s.tail, s.acked, s.used_at,
                COALESCE((SELECT e.seq - 1 FROM desk_events AS e WHERE e.agent_id = s.agent_id AND e.event_id >= $1
                          ORDER BY e.seq LIMIT 1), s.head),
                COALESCE((SELECT e.seq - 1 FROM desk_events AS e WHERE e.agent_id = s.agent_id AND e.event_id >= $2
                          ORDER BY e.seq LIMIT 1), s.head)
             FROM desk_streams AS s ORDER BY s.agent_id"
        ),
        args![first_id(old), first_id(ripe)],
    )
    .await
}

/// Ids are ordered by time: none that was made at `t` or later sorts before this.
fn first_id(t: Timestamp) -> String {
    let mut id = kernel::id::new("evt", t);
    // An id begins with the milliseconds; nine characters hold 45 of their 48 bits.
    id.truncate("evt_".len() + 9);
    id
}

/// Forgets what a stream holds up to `tail`.
pub(crate) async fn trim(tx: &mut Tx, agent: &str, epoch: &str, tail: i64) -> Result<()> {
    let trimmed = tx
        .exec(
            sql!("UPDATE desk_streams SET tail = $3 WHERE agent_id = $1 AND epoch = $2 AND tail < $3"),
            args![agent, epoch, tail],
        )
        .await?;
    if trimmed == 1 {
        tx.exec(sql!("DELETE FROM desk_events WHERE agent_id = $1 AND seq <= $2"), args![agent, tail])
            .await?;
    }
    Ok(())
}

/// Gives up the stream of an agent who has not been there since `unused`, and what they watch.
pub(crate) async fn drop_stream(tx: &mut Tx, agent: &str, unused: Timestamp) -> Result<()> {
    let dropped = tx
        .exec(sql!("DELETE FROM desk_streams WHERE agent_id = $1 AND used_at < $2"), args![agent, unused])
        .await?;
    if dropped == 1 {
        tx.exec(sql!("DELETE FROM desk_events WHERE agent_id = $1"), args![agent]).await?;
        tx.exec(sql!("DELETE FROM desk_watchers WHERE agent_id = $1"), args![agent]).await?;
    }
    Ok(())
}

/// Deletes what was told before `old` and is in no stream any more.
pub(crate) async fn drop_bodies(tx: &mut Tx, old: Timestamp) -> Result<u64> {
    tx.exec(
        sql!(
            "DELETE FROM desk_event_bodies WHERE id < $1
                AND NOT EXISTS (SELECT 1 FROM desk_events AS e WHERE e.event_id = desk_event_bodies.id)"
        ),
        args![first_id(old)],
    )
    .await
}
