//! `GET /desk/agents`, `PUT /desk/agents/me` and `PUT /desk/agents/{csId}`

use std::collections::BTreeMap;

use axum::extract::State;
use db::Conn;
use httpkit::{Body, DeskEnvelope, DeskReply, PathId, Refusals, desk_ok, text};
use kernel::{Problem, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    Desk,
    agents::AgentState,
    auth::Agent,
    queue,
    settings::{DeskSettings, MOST_CAPACITY},
    store::{self, AgentRow},
};

/// An agent.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct AgentInfo {
    cs_id: String,
    /// Their account's name; null where authentication is off.
    name: Option<String>,
    /// What they chose; whoever lost all connections for longer than the settings allow is `offline`.
    state: AgentState,
    /// How many sessions they have in hand; for supervisors and oneself.
    #[serde(skip_serializing_if = "Option::is_none")]
    in_hand: Option<i64>,
    /// How many they may be given at once; for supervisors and oneself.
    #[serde(skip_serializing_if = "Option::is_none")]
    capacity: Option<i64>,
    /// When they last took a session, or were given one, if ever; for supervisors and oneself.
    #[schema(value_type = Option<String>, format = DateTime)]
    #[serde(skip_serializing_if = "Option::is_none")]
    last_given_at: Option<Timestamp>,
}

/// These agents, as this one may see them.
async fn infos(
    conn: &mut Conn,
    by: &Agent,
    agents: Vec<AgentRow>,
    settings: &DeskSettings,
    now: Timestamp,
) -> db::Result<Vec<AgentInfo>> {
    let ids = || agents.iter().map(|agent| agent.agent_id.as_str()).collect();
    let people = accounts::store::people(conn, ids()).await?;
    let mut names: BTreeMap<String, String> = people.into_iter().map(|p| (p.user_id, p.username)).collect();
    let in_hand: BTreeMap<String, i64> = store::in_hand(conn, ids()).await?.into_iter().collect();
    let info = |agent: AgentRow| {
        let whole = by.supervisor || by.id.as_ref() == Some(&agent.agent_id);
        let state = if agent.is_there(settings, now) { agent.state } else { AgentState::Offline };
        AgentInfo {
            name: names.remove(&agent.agent_id),
            state,
            in_hand: whole.then(|| in_hand.get(&agent.agent_id).copied().unwrap_or(0)),
            capacity: whole.then(|| agent.limit(settings)),
            last_given_at: agent.given_at.filter(|_| whole),
            cs_id: agent.agent_id,
        }
    };
    Ok(agents.into_iter().map(info).collect())
}

async fn info(desk: &Desk, by: &Agent, id: &str) -> Result<AgentInfo, Problem> {
    let mut conn = desk.db().read().await?;
    let agent = store::agent(&mut conn, id).await?;
    let settings = store::settings(&mut conn).await?;
    let all = infos(&mut conn, by, agent.into_iter().collect(), &settings, desk.clock().now()).await?;
    all.into_iter().next().ok_or_else(|| Problem::not_found("agent"))
}

/// List the agents
///
/// All who ever were online. Agents see names and states, supervisors also how much each has in hand.
#[utoipa::path(get, path = "/desk/agents", tag = "desk",
    responses((status = 200, body = DeskEnvelope<Vec<AgentInfo>>), Refusals))]
pub(super) async fn list_agents(State(desk): State<Desk>, by: Agent) -> DeskReply<Vec<AgentInfo>> {
    let mut conn = desk.db().read().await?;
    let (agents, settings) = (store::agents(&mut conn).await?, store::settings(&mut conn).await?);
    desk_ok(infos(&mut conn, &by, agents, &settings, desk.clock().now()).await?)
}

/// What one is.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "documents the body, which is read field by field")]
pub(super) struct StateRequest {
    #[schema(inline)]
    state: AgentState,
    /// One's own id; needed only where authentication is off.
    #[schema(max_length = 64)]
    cs_id: Option<String>,
}

/// Say that you are online, away or offline
///
/// Only who is `online` is given sessions, by the desk or by colleagues. What one has in hand stays.
#[utoipa::path(put, path = "/desk/agents/me", tag = "desk", request_body = StateRequest,
    responses((status = 200, body = DeskEnvelope<AgentInfo>), Refusals))]
pub(super) async fn set_state(
    State(desk): State<Desk>,
    by: Agent,
    Body(mut f): Body,
) -> DeskReply<AgentInfo> {
    let state: AgentState = f.required("state");
    let named = f.optional::<text::Line<64>>("csId").map(|id| id.0);
    f.finish()?;
    let id = by.named(named.as_deref())?;
    let now = desk.clock().now();
    let mut tx = desk.db().begin().await?;
    store::set_state(&mut tx, &id, state, now).await?;
    let action = format!("agent.{}", state.as_str());
    store::note(&mut tx, &by.actor(Some(&id)), &action, &id, None, now).await?;
    if state == AgentState::Online {
        queue::offer(&mut tx, &id, now).await?;
    }
    tx.commit().await?;
    desk_ok(info(&desk, &by, &id).await?)
}

/// How much an agent may be given.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "documents the body, which is read field by field")]
pub(super) struct CapacityRequest {
    /// Sessions at once; null: as the desk's settings say.
    #[schema(minimum = 0, maximum = 1000)]
    capacity: Option<i64>,
}

/// Say how many sessions an agent may be given at once
///
/// For supervisors. It limits what an agent is given, not what they take themselves.
#[utoipa::path(put, path = "/desk/agents/{csId}", tag = "desk", request_body = CapacityRequest,
    params(("csId" = String, Path, description = "The agent's id")),
    responses((status = 200, body = DeskEnvelope<AgentInfo>), Refusals))]
pub(super) async fn set_capacity(
    State(desk): State<Desk>,
    by: Agent,
    PathId(id): PathId,
    Body(mut f): Body,
) -> DeskReply<AgentInfo> {
    by.supervising()?;
    let capacity: Option<i64> = f.optional("capacity");
    if !f.names("capacity") {
        f.bad("capacity", "is required; null: as the settings say");
    }
    if capacity.is_some_and(|n| !(0..=MOST_CAPACITY).contains(&n)) {
        f.rule("capacity", format!("must be a whole number from 0 to {MOST_CAPACITY}"));
    }
    f.finish()?;
    let now = desk.clock().now();
    let mut tx = desk.db().begin().await?;
    if desk.staff(&mut tx, vec![&id]).await?.is_empty() {
        return Err(Problem::not_found("agent").into());
    }
    store::set_capacity(&mut tx, &id, capacity, now).await?;
    let said = capacity.map_or_else(|| "as the settings say".to_owned(), |n| n.to_string());
    store::note(&mut tx, &by.actor(None), "agent.capacity", &id, Some(&said), now).await?;
    queue::offer(&mut tx, &id, now).await?;
    tx.commit().await?;
    desk_ok(info(&desk, &by, &id).await?)
}
