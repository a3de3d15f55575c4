//! What agents say among themselves about a session, and what they write on it: notes, labels, priority.

use db::{Result, Tx};
use kernel::{Problem, Timestamp};
use serde_json::json;

use crate::{
    Desk,
    auth::Agent,
    contended::{Stop, persist},
    frames,
    model::{Actor, MessageStatus, SenderType},
    ops::{may_see, missing},
    repeated::Repeated,
    store::{self, MessageRow, NewMessage, SessionRow, Told},
};

/// A note, which the customer never sees.
pub(crate) struct Note<'a> {
    pub(crate) content: &'a str,
    /// Whom it is for, beside the session's owner.
    pub(crate) mentions: &'a [String],
    /// Its sender's own id for it: the same one is written once.
    pub(crate) client_id: Option<&'a str>,
}

/// A note's type.
const NOTE: &str = "note";

fn author(actor: &Actor) -> &str {
    actor.id().unwrap_or("desk")
}

fn mentions<'a>(note: &Note<'a>) -> Option<&'a [String]> {
    Some(note.mentions).filter(|mentions| !mentions.is_empty())
}

/// Adds a note to a locked session.
pub(crate) async fn write(
    tx: &mut Tx,
    row: &mut SessionRow,
    actor: &Actor,
    note: &Note<'_>,
    told: &mut Vec<Told>,
    now: Timestamp,
) -> Result<MessageRow> {
    let payload = mentions(note).map(|mentions| json!({"mentions": mentions}).to_string());
    let new = NewMessage {
        sender_type: SenderType::Manual,
        sender_id: author(actor),
        msg_type: NOTE,
        content: note.content,
        payload,
        status: MessageStatus::Internal,
        external_id: None,
        client_id: note.client_id,
        sent_at: now,
    };
    let stored = store::append(tx, row, new, now).await?;
    told.push(frames::note(row, &stored, note.mentions));
    Ok(stored)
}

impl Desk {
    /// A session that this agent may see, locked.
    async fn locked(&self, tx: &mut Tx, agent: &Agent, id: &str) -> std::result::Result<SessionRow, Stop> {
        let row = store::lock(tx, id).await?.ok_or_else(missing)?;
        if may_see(agent, &row) { Ok(row) } else { Err(missing().into()) }
    }

    /// An agent's note on a session that they may see, in any state.
    ///
    /// # Errors
    /// 404; 409 if something else was said under its id; 422 if somebody is mentioned who does not work here.
    pub(crate) async fn note(
        &self,
        agent: &Agent,
        actor: &Actor,
        id: &str,
        note: &Note<'_>,
    ) -> std::result::Result<MessageRow, Problem> {
        persist(|| self.note_once(agent, actor, id, note)).await
    }

    async fn note_once(
        &self,
        agent: &Agent,
        actor: &Actor,
        id: &str,
        note: &Note<'_>,
    ) -> std::result::Result<MessageRow, Stop> {
        let now = self.clock().now();
        let mut tx = self.db().begin().await?;
        let mut row = self.locked(&mut tx, agent, id).await?;
        let same = Repeated {
            client_id: note.client_id,
            sender: Some(author(actor)),
            msg_type: NOTE,
            content: note.content,
            about: json!({"mentions": mentions(note)}),
        };
        if let Some(before) = same.find(&mut tx, &row).await? {
            return Ok(before);
        }
        let staff = self.staff(&mut tx, note.mentions.iter().map(String::as_str).collect()).await?;
        if let Some(n) = note.mentions.iter().position(|mentioned| !staff.contains(mentioned)) {
            return Err(Problem::rule(format!("mentions[{n}]"), "is nobody who works at the desk").into());
        }
        let mut told = Vec::new();
        let stored = write(&mut tx, &mut row, actor, note, &mut told, now).await?;
        store::tell(&mut tx, &told, now).await?;
        tx.commit().await?;
        Ok(stored)
    }

    /// Gives a session these labels and no others.
    ///
    /// # Errors
    /// 404
    pub(crate) async fn label(
        &self,
        agent: &Agent,
        id: &str,
        labels: &[String],
    ) -> std::result::Result<SessionRow, Problem> {
        persist(|| self.label_once(agent, id, labels)).await
    }

    async fn label_once(
        &self,
        agent: &Agent,
        id: &str,
        labels: &[String],
    ) -> std::result::Result<SessionRow, Stop> {
        let now = self.clock().now();
        let mut tx = self.db().begin().await?;
        let row = self.locked(&mut tx, agent, id).await?;
        store::set_labels(&mut tx, id, labels).await?;
        store::note(&mut tx, &agent.actor(None), "labels", id, Some(&labels.join(", ")), now).await?;
        store::tell(&mut tx, &[frames::labelled(&row, labels)], now).await?;
        tx.commit().await?;
        Ok(row)
    }

    /// Says how soon a session's customer is to be served: the higher the sooner.
    ///
    /// # Errors
    /// 404
    pub(crate) async fn prioritise(
        &self,
        agent: &Agent,
        id: &str,
        priority: i64,
    ) -> std::result::Result<SessionRow, Problem> {
        persist(|| self.prioritise_once(agent, id, priority)).await
    }

    async fn prioritise_once(
        &self,
        agent: &Agent,
        id: &str,
        priority: i64,
    ) -> std::result::Result<SessionRow, Stop> {
        let now = self.clock().now();
        let mut tx = self.db().begin().await?;
        let mut row = self.locked(&mut tx, agent, id).await?;
        store::set_priority(&mut tx, &mut row, priority, now).await?;
        store::note(&mut tx, &agent.actor(None), "priority", id, Some(&priority.to_string()), now).await?;
        store::tell(&mut tx, &[frames::session_updated(&row)], now).await?;
        tx.commit().await?;
        Ok(row)
    }
}
