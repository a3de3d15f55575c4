//! What people do with sessions: accept, answer, close. Each is one transaction on the locked session.

use db::Tx;
use kernel::{Problem, Timestamp};

use crate::{
    Desk,
    auth::Agent,
    frames,
    model::{Actor, Command, MessageStatus, SenderType, Status, Step},
    store::{self, MessageRow, NewMessage, SessionRow, Told},
    work,
};

/// A message that an agent sends.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) content: String,
    pub(crate) msg_type: String,
    /// The sender's own id for it: the same one is sent once.
    pub(crate) client_id: Option<String>,
}

fn missing() -> Problem {
    Problem::not_found("session")
}

impl Desk {
    /// A session that this agent may see: theirs, or nobody's, or any for a supervisor.
    ///
    /// # Errors
    /// 404
    pub(crate) async fn visible(&self, agent: &Agent, id: &str) -> Result<SessionRow, Problem> {
        let row = store::session(&mut self.db().read().await?, id).await?.ok_or_else(missing)?;
        if may_see(agent, &row) { Ok(row) } else { Err(missing()) }
    }

    /// Carries out a command on a session and tells the agents. What stands already changes nothing.
    ///
    /// # Errors
    /// 404; 400 in the wrong state; 403 if it is somebody else's.
    pub(crate) async fn command(
        &self,
        agent: &Agent,
        actor: &Actor,
        id: &str,
        command: &Command,
    ) -> Result<SessionRow, Problem> {
        let now = self.clock().now();
        let mut tx = self.db().begin().await?;
        let mut row = store::lock(&mut tx, id).await?.ok_or_else(missing)?;
        let step = match row.state().after(command, actor) {
            // A race that was lost is answered with who won it; what was never theirs to see is not there.
            Err(problem) if may_see(agent, &row) || row.status == Status::Manual => return Err(problem),
            Err(_) => return Err(missing()),
            Ok(step) => step,
        };
        if let Step::Change(to) = step {
            let mut told = Vec::new();
            settle(&mut tx, &mut row, to, command, actor, &mut told, now).await?;
            store::tell(&mut tx, &told, now).await?;
            tx.commit().await?;
        }
        Ok(row)
    }

    /// An agent takes a waiting session, or a supervisor gives it to the one whom they name.
    ///
    /// # Errors
    /// 403 for an agent who names another; as [`Desk::command`].
    pub(crate) async fn accept(&self, agent: &Agent, id: &str, cs_id: &str) -> Result<SessionRow, Problem> {
        let named = agent.named(Some(cs_id))?;
        let actor = agent.actor(Some(&named));
        // Whoever is named by another does not act, but is given the session.
        let command = match actor.id() == Some(named.as_str()) {
            true => Command::Accept,
            false => Command::Assign { to: named },
        };
        self.command(agent, &actor, id, &command).await
    }

    /// An agent's message to the customer.
    ///
    /// # Errors
    /// 404; 400 in any state but `manual`; 403 if it is somebody else's; 409 if another message was sent under its
    /// client's id.
    pub(crate) async fn answer(&self, agent: &Agent, id: &str, draft: &Draft) -> Result<MessageRow, Problem> {
        let now = self.clock().now();
        let mut tx = self.db().begin().await?;
        let mut row = store::lock(&mut tx, id).await?.ok_or_else(missing)?;
        if !may_see(agent, &row) && row.status != Status::Manual {
            return Err(missing());
        }
        if let Some(client_id) = &draft.client_id
            && let Some(before) = store::same_client(&mut tx, id, client_id).await?
        {
            if before.content != draft.content || before.msg_type != draft.msg_type {
                return Err(Problem::new(
                    kernel::ProblemKind::Conflict,
                    "another message was sent under this id: ids are for one message each",
                ));
            }
            return Ok(before);
        }
        let state = row.state();
        if state.status != Status::Manual {
            return Err(Problem::new(
                kernel::ProblemKind::BadRequest,
                format!("a session that is {} takes no message from a person", state.status.as_str()),
            )
            .field("status", format!("is {}", state.status.as_str())));
        }
        let sender = match (&agent.id, &state.owner) {
            (Some(own), owner) if owner.as_ref() == Some(own) || agent.supervisor => own.clone(),
            (None, Some(owner)) => owner.clone(),
            _ => return Err(state.not_yours()),
        };
        let new = NewMessage {
            sender_type: SenderType::Manual,
            sender_id: &sender,
            msg_type: &draft.msg_type,
            content: &draft.content,
            payload: None,
            status: MessageStatus::Queued,
            external_id: None,
            client_id: draft.client_id.as_deref(),
            sent_at: now,
        };
        let stored = store::append(&mut tx, &mut row, new, now).await?;
        store::note_reply(&mut tx, &mut row, now).await?;
        work::schedule_send(&mut tx, &row, &stored, now).await?;
        store::tell(&mut tx, &[frames::new_message(&row, &stored)], now).await?;
        tx.commit().await?;
        Ok(stored)
    }
}

/// Puts a locked session into the state that a command came to, and notes who is to be told of it.
pub(crate) async fn settle(
    tx: &mut Tx,
    row: &mut SessionRow,
    to: crate::model::State,
    command: &Command,
    actor: &Actor,
    told: &mut Vec<Told>,
    now: Timestamp,
) -> db::Result<()> {
    let before = row.status;
    store::change(tx, row, to, command, actor, now).await?;
    told.push(match (before, row.status) {
        (_, Status::Pending) => frames::new_pending_session(row),
        (_, Status::Closed) => frames::session_closed(row),
        (Status::Manual, Status::Manual) | (_, Status::Ai) => frames::session_updated(row),
        (_, Status::Manual) => frames::session_accepted(row),
    });
    Ok(())
}

/// Agents see what is theirs and what is nobody's yet.
pub(crate) fn may_see(agent: &Agent, row: &SessionRow) -> bool {
    agent.supervisor
        || row.manual_cs_id.is_none() && row.status != Status::Closed
        || row.manual_cs_id.is_some() && row.manual_cs_id == agent.id
}
