//! What supervisors do with sessions of others: they give them to somebody, and whisper to who has them.

use kernel::{Problem, ProblemKind};
use serde_json::json;

use crate::{
    Desk,
    auth::Agent,
    contended::{Stop, persist},
    frames,
    model::{Command, MessageStatus, SenderType, Status},
    ops,
    repeated::Repeated,
    store::{self, MessageRow, NewMessage, SessionRow},
    view::MessageInfo,
};

/// The type of a message from a supervisor to the one who has the session.
pub(crate) const WHISPER: &str = "whisper";

impl Desk {
    /// Gives a session to an agent, whoever answers now.
    ///
    /// # Errors
    /// 403 for agents; 422 if nobody of that id works here; 404; 400 if it is closed.
    pub(crate) async fn assign(
        &self,
        agent: &Agent,
        id: &str,
        to: String,
        reason: Option<String>,
    ) -> Result<SessionRow, Problem> {
        agent.supervising()?;
        let command = Command::Reassign { to, reason };
        self.command(agent, &agent.actor(None), id, &command).await
    }

    /// Says something to the person who has a session; the customer does not hear it.
    ///
    /// # Errors
    /// 403 for agents; 404; 409 if something else was said under its id; 400 if no person has it.
    pub(crate) async fn whisper(
        &self,
        agent: &Agent,
        id: &str,
        content: &str,
        client_id: Option<&str>,
    ) -> Result<MessageRow, Problem> {
        agent.supervising()?;
        persist(|| self.whisper_once(agent, id, content, client_id)).await
    }

    async fn whisper_once(
        &self,
        agent: &Agent,
        id: &str,
        content: &str,
        client_id: Option<&str>,
    ) -> Result<MessageRow, Stop> {
        let now = self.clock().now();
        let mut tx = self.db().begin().await?;
        let mut row = store::lock(&mut tx, id).await?.ok_or_else(ops::missing)?;
        let actor = agent.actor(None);
        let sender = actor.id().unwrap_or_else(|| actor.kind());
        let same = Repeated { client_id, sender: Some(sender), msg_type: WHISPER, content, about: json!({}) };
        if let Some(before) = same.find(&mut tx, &row).await? {
            return Ok(before);
        }
        let owner = match (row.status, row.manual_cs_id.clone()) {
            (Status::Manual, Some(owner)) => owner,
            (status, _) => {
                let text = format!("a session that is {} has nobody to whisper to", status.as_str());
                return Err(Problem::new(ProblemKind::BadRequest, text)
                    .field("status", format!("is {}", status.as_str()))
                    .into());
            }
        };
        let new = NewMessage {
            sender_type: SenderType::Manual,
            sender_id: sender,
            msg_type: WHISPER,
            content,
            payload: Some(json!({"to": owner}).to_string()),
            status: MessageStatus::Internal,
            external_id: None,
            client_id,
            sent_at: now,
        };
        let stored = store::append(&mut tx, &mut row, new, now).await?;
        store::tell(&mut tx, &[frames::new_message(&row, &stored)], now).await?;
        tx.commit().await?;
        Ok(stored)
    }
}

/// A message as this agent may see it: a whisper has words only for supervisors and the one whom it is for.
pub(crate) fn shown(agent: &Agent, message: &MessageRow) -> MessageInfo {
    let info = MessageInfo::from(message);
    let is_for = || {
        let payload: Option<serde_json::Value> =
            message.payload.as_deref().and_then(|json| serde_json::from_str(json).ok());
        payload.as_ref().and_then(|payload| payload["to"].as_str()) == agent.id.as_deref()
    };
    if message.msg_type != WHISPER || agent.supervisor || is_for() { info } else { info.withheld() }
}
