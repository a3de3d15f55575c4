//! Agents: what they chose to be, whether they are there, and how much they may be given.
//!
//! An agent is *there* while a connection of theirs is open, and for `awayAfterSeconds` after the last one ended, so that
//! a blink changes nothing. Whoever never opened one (a client that only uses REST) is there for as long as they say so.
//! Whoever keeps connections calls [`seen`] when an agent's first one opens and [`gone`] when the last one ended.

use db::{Result, Tx};
use httpkit::text_enum;
use kernel::{Problem, ProblemKind, Timestamp};

use crate::{
    Desk,
    auth::Agent,
    queue,
    settings::{DeskSettings, span},
    store::{self, AgentRow},
    watch,
};

text_enum! {
    /// What an agent chose to be.
    AgentState {
        /// At work: may be given sessions.
        Online = "online",
        /// Back soon: keeps what they have and is given nothing.
        Away = "away",
        /// Not at work.
        Offline = "offline",
    }
}

impl AgentRow {
    /// Whether a connection is open, or was just now.
    pub(crate) fn is_there(&self, settings: &DeskSettings, now: Timestamp) -> bool {
        self.gone_at.is_none_or(|gone| now < gone + span(settings.away_after_seconds))
    }

    /// Whether they may be given sessions.
    pub(crate) fn is_available(&self, settings: &DeskSettings, now: Timestamp) -> bool {
        self.state == AgentState::Online && self.is_there(settings, now)
    }

    /// How many sessions they may be given at once.
    pub(crate) fn limit(&self, settings: &DeskSettings) -> i64 {
        self.capacity.unwrap_or(settings.capacity)
    }
}

/// An agent has a connection: they keep what they have, and may be given more.
///
/// # Errors
/// [`db::DbError`]
pub(crate) async fn seen(tx: &mut Tx, agent: &str, now: Timestamp) -> Result<()> {
    store::connected(tx, agent, now).await?;
    queue::offer(tx, agent, now).await
}

/// An agent's last connection ended. If none is opened in time, their sessions go back to the queue.
///
/// # Errors
/// [`db::DbError`]
pub(crate) async fn gone(tx: &mut Tx, agent: &str, now: Timestamp) -> Result<()> {
    if store::disconnected(tx, agent, now).await? {
        let settings = store::settings(tx).await?;
        watch::agent_gone(tx, agent, &settings, now).await?;
    }
    Ok(())
}

impl Desk {
    /// Notes that an agent's first connection was opened.
    ///
    /// # Errors
    /// [`db::DbError`]
    pub async fn agent_seen(&self, agent: &str) -> Result<()> {
        let mut tx = self.db().begin().await?;
        seen(&mut tx, agent, self.clock().now()).await?;
        tx.commit().await
    }

    /// Notes that an agent's last connection ended.
    ///
    /// # Errors
    /// [`db::DbError`]
    pub async fn agent_gone(&self, agent: &str) -> Result<()> {
        let mut tx = self.db().begin().await?;
        gone(&mut tx, agent, self.clock().now()).await?;
        tx.commit().await
    }

    /// Those of these who work at the desk: by their account's role, or all where nobody is known.
    ///
    /// # Errors
    /// [`db::DbError`]
    pub(crate) async fn staff(&self, tx: &mut Tx, ids: Vec<&str>) -> Result<Vec<String>> {
        if !self.0.config.auth {
            return Ok(ids.into_iter().map(str::to_owned).collect());
        }
        let roles = accounts::store::roles(tx, ids).await?;
        Ok(roles.into_iter().filter(|(_, role)| *role != accounts::Role::User).map(|(id, _)| id).collect())
    }

    /// Checks that an agent who is about to have a locked session has room, and locks them: of two sessions that they
    /// accept at once, the second waits here and is counted after the first.
    ///
    /// # Errors
    /// 422 if they have as many sessions as they may.
    pub(crate) async fn check_room(
        &self,
        tx: &mut Tx,
        target: &str,
        now: Timestamp,
    ) -> std::result::Result<(), Problem> {
        store::named(tx, target, now).await?;
        let locked = store::lock_agents(tx, vec![target]).await?;
        let settings = store::settings(tx).await?;
        match locked.first() {
            Some(agent) => has_room(tx, agent, &settings).await,
            None => Ok(()),
        }
    }

    /// Checks that a session may be given to this agent, and locks them: at work, there, with room.
    ///
    /// # Errors
    /// 404 if nobody of that id works here; 422 with the reason unless `force` is a supervisor's.
    pub(crate) async fn check_target(
        &self,
        tx: &mut Tx,
        by: &Agent,
        target: &str,
        force: bool,
        now: Timestamp,
    ) -> std::result::Result<(), Problem> {
        if force {
            by.supervising()?;
        }
        if self.staff(tx, vec![target]).await?.is_empty() {
            return Err(Problem::rule("csId", "is nobody who works at the desk"));
        }
        let settings = store::settings(tx).await?;
        let locked = store::lock_agents(tx, vec![target]).await?;
        if force {
            return Ok(());
        }
        let Some(agent) = locked.first().filter(|agent| agent.is_available(&settings, now)) else {
            return Err(refused("is not online"));
        };
        has_room(tx, agent, &settings).await
    }
}

fn refused(reason: &str) -> Problem {
    let text = "the agent cannot be given the session; a supervisor may force it";
    Problem::new(ProblemKind::Rule, text).field("csId", reason)
}

/// Checks that a locked agent has fewer sessions than they may have.
async fn has_room(
    tx: &mut Tx,
    agent: &AgentRow,
    settings: &DeskSettings,
) -> std::result::Result<(), Problem> {
    let (limit, counted) = (agent.limit(settings), store::in_hand(tx, vec![&agent.agent_id]).await?);
    let in_hand = counted.first().map_or(0, |(_, n)| *n);
    if in_hand < limit {
        return Ok(());
    }
    Err(refused(&format!("has {in_hand} of at most {limit} sessions")))
}
