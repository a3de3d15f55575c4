//! The queue: who waits for a person, and who is given to whom.
//!
//! The order is priority, then how long the customer waits. Where the settings say `auto`, a dispatch of kind
//! [`ASSIGN`] gives the next customers to agents who are online, there and have room: to the one who had the customer
//! last, else to the one who was given nothing for the longest time. It locks the sessions, then the agents, and counts
//! after that, so that nobody is given more than they may have, however many nodes assign at once. It is scheduled in the
//! transaction that made somebody wait or made room, and once a minute while anybody waits, should anything be missed.

use std::{collections::BTreeMap, time::Duration};

use db::{Result, Tx};
use dispatch::{Batch, BoxFuture, Dispatch, NewDispatch};
use kernel::Timestamp;

use crate::{
    Desk,
    model::{Actor, Command, Step},
    ops,
    settings::{Assignment, DeskSettings},
    store::{self, AgentRow, SessionRow, Told},
};

/// Gives waiting customers to agents.
pub const ASSIGN: &str = "desk.assign";

/// So many customers are given away in one transaction.
const AT_ONCE: i64 = 100;
/// How often it is looked again while anybody waits.
const AGAIN: Duration = Duration::from_secs(60);

async fn schedule(tx: &mut Tx, id: String, subject: &str, due_at: Timestamp, now: Timestamp) -> Result<()> {
    let assign = NewDispatch {
        id,
        kind: ASSIGN,
        subject: subject.to_owned(),
        destination: String::new(),
        payload: None,
        due_at,
    };
    dispatch::enqueue(tx, now, &[assign]).await.map(drop)
}

/// A locked session changed, so that somebody waits or an agent has room.
pub(crate) async fn changed(
    tx: &mut Tx,
    row: &SessionRow,
    settings: &DeskSettings,
    now: Timestamp,
) -> Result<()> {
    match settings.assignment {
        Assignment::Auto => {
            schedule(tx, format!("{}/assign/{}", row.id, row.version), &row.id, now, now).await
        }
        Assignment::Manual => Ok(()),
    }
}

/// An agent may have room: they came, or may have more; or the rules changed (an empty `agent`).
pub(crate) async fn offer(tx: &mut Tx, agent: &str, now: Timestamp) -> Result<()> {
    match store::settings(tx).await?.assignment {
        Assignment::Auto => schedule(tx, kernel::id::new("assign", now), agent, now, now).await,
        Assignment::Manual => Ok(()),
    }
}

/// The handler of [`ASSIGN`].
pub struct Assign {
    /// The slice.
    pub desk: Desk,
}

impl Batch for Assign {
    fn deliver<'a>(
        &'a self,
        tx: &'a mut Tx,
        _batch: &'a [Dispatch],
        now: Timestamp,
    ) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move { assign(&self.desk, tx, now).await })
    }
}

/// An agent with room.
struct Free {
    agent: AgentRow,
    in_hand: i64,
    room: i64,
}

async fn assign(desk: &Desk, tx: &mut Tx, now: Timestamp) -> Result<()> {
    let settings = store::settings(tx).await?;
    if settings.assignment != Assignment::Auto {
        return Ok(());
    }
    let next = store::waiting(tx, AT_ONCE).await?;
    if next.is_empty() {
        return Ok(());
    }
    let mut told = Vec::new();
    let mut left = next.len();
    // Only when somebody has room is anything locked; it is counted again then.
    if !free(desk, tx, &settings, false, now).await?.is_empty() {
        let rows = store::lock_waiting(tx, &next).await?;
        let mut free = free(desk, tx, &settings, true, now).await?;
        for mut row in rows {
            let Some(agent) = choose(tx, &row, &mut free, now).await? else { break };
            give(tx, &mut row, agent, &mut told, now).await?;
            left = left.saturating_sub(1);
        }
        if left == 0 && i64::try_from(next.len()).is_ok_and(|n| n == AT_ONCE) {
            schedule(tx, kernel::id::new("assign", now), "", now, now).await?;
        }
    }
    if left > 0 {
        // One a minute for all nodes.
        let minute = (now + AGAIN).seconds().div_euclid(60).saturating_add(1);
        let due = Timestamp::from_seconds(minute.saturating_mul(60));
        schedule(tx, format!("desk/assign/{minute}"), "desk", due, now).await?;
    }
    store::tell(tx, &told, now).await
}

/// The agents with room, locked if anything is to be given to them.
async fn free(
    desk: &Desk,
    tx: &mut Tx,
    settings: &DeskSettings,
    lock: bool,
    now: Timestamp,
) -> Result<Vec<Free>> {
    let mut agents = store::agents(tx).await?;
    agents.retain(|agent| agent.is_available(settings, now));
    let ids = desk.staff(tx, agents.iter().map(|agent| agent.agent_id.as_str()).collect()).await?;
    agents.retain(|agent| ids.contains(&agent.agent_id));
    if lock {
        agents = store::lock_agents(tx, ids.iter().map(String::as_str).collect()).await?;
        agents.retain(|agent| agent.is_available(settings, now));
    }
    let counted = store::in_hand(tx, agents.iter().map(|agent| agent.agent_id.as_str()).collect()).await?;
    let counted: BTreeMap<String, i64> = counted.into_iter().collect();
    let with_room = agents.into_iter().map(|agent| {
        let in_hand = counted.get(&agent.agent_id).copied().unwrap_or(0);
        Free { in_hand, room: agent.limit(settings).saturating_sub(in_hand), agent }
    });
    Ok(with_room.filter(|free| free.room > 0).collect())
}

/// Who is given this session; their room is less by one then.
async fn choose(tx: &mut Tx, row: &SessionRow, free: &mut [Free], now: Timestamp) -> Result<Option<String>> {
    let last = store::last_agent(tx, row).await?;
    let known = free.iter().position(|f| f.room > 0 && Some(&f.agent.agent_id) == last.as_ref());
    let idle = || {
        let with_room = free.iter().enumerate().filter(|(_, f)| f.room > 0);
        with_room.min_by_key(|(_, f)| (f.agent.given_at, f.in_hand, &f.agent.agent_id)).map(|(n, _)| n)
    };
    let Some(chosen) = known.or_else(idle).and_then(|n| free.get_mut(n)) else { return Ok(None) };
    chosen.room = chosen.room.saturating_sub(1);
    chosen.in_hand = chosen.in_hand.saturating_add(1);
    // The next one of this round goes to somebody else.
    chosen.agent.given_at = Some(now);
    Ok(Some(chosen.agent.agent_id.clone()))
}

async fn give(
    tx: &mut Tx,
    row: &mut SessionRow,
    to: String,
    told: &mut Vec<Told>,
    now: Timestamp,
) -> Result<()> {
    let (command, actor) = (Command::Assign { to }, Actor::System);
    match row.state().after(&command, &actor) {
        Ok(Step::Change(to)) => ops::settle(tx, row, to, &command, &actor, told, now).await,
        // It was locked while it waited, so this is another version's rule.
        Ok(Step::Stands) | Err(_) => Ok(()),
    }
}
