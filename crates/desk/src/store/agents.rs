//! SQL on `desk_agents`: who works at the desk, and how much each has in hand.

use db::{Conn, Result, Tx, args, sql};
use kernel::Timestamp;

use crate::agents::AgentState;

db::row! {
    /// An agent who has worked here.
    #[derive(Debug, Clone)]
    pub(crate) struct AgentRow {
        pub(crate) agent_id: String,
        /// What they chose.
        pub(crate) state: AgentState,
        /// Sessions at once; `None`: as the settings say.
        pub(crate) capacity: Option<i64>,
        /// When their last connection ended; `None` while there is one, or never was.
        pub(crate) gone_at: Option<Timestamp>,
        /// When they were last given a session.
        pub(crate) given_at: Option<Timestamp>,
    }
}

/// The columns of an [`AgentRow`].
macro_rules! columns {
    () => {
        "agent_id, state, capacity, gone_at, given_at"
    };
}

/// All agents, by their ids.
pub(crate) async fn agents(conn: &mut Conn) -> Result<Vec<AgentRow>> {
    conn.all(sql!(concat!("SELECT ", columns!(), " FROM desk_agents ORDER BY agent_id")), args![]).await
}

/// One agent.
pub(crate) async fn agent(conn: &mut Conn, id: &str) -> Result<Option<AgentRow>> {
    conn.opt(sql!(concat!("SELECT ", columns!(), " FROM desk_agents WHERE agent_id = $1")), args![id]).await
}

/// These agents, whose number of sessions nobody else changes until the transaction ends. After the sessions, before
/// the streams; by their ids.
pub(crate) async fn lock_agents(tx: &mut Tx, ids: Vec<&str>) -> Result<Vec<AgentRow>> {
    tx.all(
        sql!(
            sqlite: concat!("SELECT ", columns!(), " FROM desk_agents
                     WHERE agent_id IN (SELECT value FROM json_each($1)) ORDER BY agent_id"),
            postgres: concat!("SELECT ", columns!(), " FROM desk_agents
                       WHERE agent_id = ANY($1) ORDER BY agent_id FOR UPDATE")
        ),
        args![ids],
    )
    .await
}

/// How many sessions each of these has in hand; whoever has none is missing.
pub(crate) async fn in_hand(conn: &mut Conn, ids: Vec<&str>) -> Result<Vec<(String, i64)>> {
    conn.all(
        sql!(
            sqlite: "SELECT manual_cs_id, COUNT(*) FROM desk_sessions WHERE status = 'manual'
                     AND manual_cs_id IN (SELECT value FROM json_each($1)) GROUP BY manual_cs_id",
            postgres: "SELECT manual_cs_id, COUNT(*) FROM desk_sessions WHERE status = 'manual'
                       AND manual_cs_id = ANY($1) GROUP BY manual_cs_id"
        ),
        args![ids],
    )
    .await
}

/// The sessions that an agent has in hand.
pub(crate) async fn sessions_of(conn: &mut Conn, agent: &str) -> Result<Vec<String>> {
    let rows: Vec<(String,)> = conn
        .all(
            sql!("SELECT id FROM desk_sessions WHERE manual_cs_id = $1 AND status = 'manual' ORDER BY id"),
            args![agent],
        )
        .await?;
    Ok(rows.into_iter().map(|(id,)| id).collect())
}

/// What an agent chose to be.
pub(crate) async fn set_state(tx: &mut Tx, id: &str, state: AgentState, now: Timestamp) -> Result<()> {
    tx.exec(
        sql!(
            "INSERT INTO desk_agents (agent_id, state, updated_at) VALUES ($1, $2, $3)
             ON CONFLICT (agent_id) DO UPDATE SET state = $2, came = TRUE, updated_at = $3"
        ),
        args![id, state, now],
    )
    .await
    .map(drop)
}

/// How much an agent may be given; `None`: as the settings say. One who never came is offline until they do.
pub(crate) async fn set_capacity(tx: &mut Tx, id: &str, capacity: Option<i64>, now: Timestamp) -> Result<()> {
    tx.exec(
        sql!(
            "INSERT INTO desk_agents (agent_id, state, came, capacity, updated_at)
             VALUES ($1, 'offline', FALSE, $2, $3) ON CONFLICT (agent_id) DO UPDATE SET capacity = $2, updated_at = $3"
        ),
        args![id, capacity, now],
    )
    .await
    .map(drop)
}

/// An agent has a connection. Whoever comes for the first time is online.
pub(crate) async fn connected(tx: &mut Tx, id: &str, now: Timestamp) -> Result<()> {
    tx.exec(
        sql!(
            "INSERT INTO desk_agents (agent_id, state, updated_at) VALUES ($1, 'online', $2)
             ON CONFLICT (agent_id) DO UPDATE SET gone_at = NULL, came = TRUE, updated_at = $2,
                state = CASE WHEN desk_agents.came THEN desk_agents.state ELSE 'online' END"
        ),
        args![id, now],
    )
    .await
    .map(drop)
}

/// From now on there is a row of an agent's to lock. One who never came is offline until they do.
pub(crate) async fn named(tx: &mut Tx, id: &str, now: Timestamp) -> Result<()> {
    tx.exec(
        sql!(
            "INSERT INTO desk_agents (agent_id, state, came, updated_at) VALUES ($1, 'offline', FALSE, $2)
             ON CONFLICT (agent_id) DO NOTHING"
        ),
        args![id, now],
    )
    .await
    .map(drop)
}

/// An agent's last connection ended; whether they had one.
pub(crate) async fn disconnected(tx: &mut Tx, id: &str, now: Timestamp) -> Result<bool> {
    let gone = tx
        .exec(
            sql!(
                "UPDATE desk_agents SET gone_at = $2, updated_at = $2 WHERE agent_id = $1 AND gone_at IS NULL"
            ),
            args![id, now],
        )
        .await?;
    Ok(gone == 1)
}

/// An agent was given a session, or took it. Locks them.
pub(crate) async fn given(tx: &mut Tx, id: &str, now: Timestamp) -> Result<()> {
    tx.exec(sql!("UPDATE desk_agents SET given_at = $2 WHERE agent_id = $1"), args![id, now]).await.map(drop)
}
