//! What people do with sessions: accept, answer, close. Each is one transaction on the locked session.

use db::Tx;
use kernel::{Problem, ProblemKind, Timestamp};
use serde_json::json;

use crate::{
    Desk,
    auth::Agent,
    channel::{account::AccountKind, media, out, state},
    contended::{Stop, persist},
    follow, frames,
    model::{Actor, Command, MessageStatus, SenderType, Status, Step},
    notes,
    repeated::Repeated,
    store::{self, MessageRow, NewMessage, SessionRow, Told, files, files::FileRow},
    work,
};

/// A message that an agent sends.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) content: String,
    pub(crate) msg_type: String,
    /// The file that it is, uploaded before.
    pub(crate) file: Option<FileRow>,
    /// The sender's own id for it: the same one is sent once.
    pub(crate) client_id: Option<String>,
}

/// What may come with a command.
#[derive(Debug, Default)]
pub(crate) struct With {
    /// For the colleagues.
    pub(crate) note: Option<String>,
    /// To an agent who is not there, or has no room; for supervisors.
    pub(crate) force: bool,
}

pub(crate) fn missing() -> Problem {
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
        self.command_with(agent, actor, id, command, &With::default()).await
    }

    /// The same, with a note for the colleagues, and for a transfer with a check of whom it goes to.
    ///
    /// # Errors
    /// Those, and 422 if the agent cannot be given the session.
    pub(crate) async fn command_with(
        &self,
        agent: &Agent,
        actor: &Actor,
        id: &str,
        command: &Command,
        with: &With,
    ) -> Result<SessionRow, Problem> {
        persist(|| self.command_once(agent, actor, id, command, with)).await
    }

    async fn command_once(
        &self,
        agent: &Agent,
        actor: &Actor,
        id: &str,
        command: &Command,
        with: &With,
    ) -> Result<SessionRow, Stop> {
        let now = self.clock().now();
        let mut tx = self.db().begin().await?;
        let mut row = store::lock(&mut tx, id).await?.ok_or_else(missing)?;
        let step = match row.state().after(command, actor) {
            // A race that was lost is answered with who won it; what was never theirs to see is not there.
            Err(problem) if may_see(agent, &row) || row.status == Status::Manual => {
                return Err(problem.into());
            }
            Err(_) => return Err(missing().into()),
            Ok(step) => step,
        };
        let mut told = Vec::new();
        let Step::Change(to) = step else {
            // Whoever ended what was nobody's may say so again; to others what they may not see is not there.
            let ended_it = agent.id.is_some() && row.manual_cs_id.is_none() && row.closed_by == agent.id;
            if !ended_it && !may_see(agent, &row) {
                return Err(missing().into());
            }
            write_note(&mut tx, &mut row, actor, with, &mut told, now).await?;
            store::tell(&mut tx, &told, now).await?;
            tx.commit().await?;
            return Ok(row);
        };
        match command {
            Command::Transfer { to } => self.check_target(&mut tx, agent, to, with.force, now).await?,
            // A supervisor's word is enough.
            Command::Reassign { to, .. } => self.check_target(&mut tx, agent, to, true, now).await?,
            Command::Accept => {
                self.check_room(&mut tx, to.owner.as_deref().unwrap_or_default(), now).await?;
            }
            Command::Assign { to } => {
                self.check_target(&mut tx, agent, to, true, now).await?;
                self.check_room(&mut tx, to, now).await?;
            }
            _ => {}
        }
        settle(&mut tx, &mut row, to, command, actor, &mut told, now).await?;
        write_note(&mut tx, &mut row, actor, with, &mut told, now).await?;
        store::tell(&mut tx, &told, now).await?;
        tx.commit().await?;
        Ok(row)
    }

    /// An agent takes a waiting session, or a supervisor gives it to the one whom they name.
    ///
    /// # Errors
    /// 403 for an agent who names another; 422 if whoever is named has as many sessions as they may; as
    /// [`Desk::command`].
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
    /// 404; 400 in any state but `manual`, or for a file where the channel takes none; 403 if it is somebody else's; 409 if another message was sent under its
    /// client's id; 422 if the channel would not take it.
    pub(crate) async fn answer(&self, agent: &Agent, id: &str, draft: &Draft) -> Result<MessageRow, Problem> {
        persist(|| self.answer_once(agent, id, draft)).await
    }

    async fn answer_once(&self, agent: &Agent, id: &str, draft: &Draft) -> Result<MessageRow, Stop> {
        let now = self.clock().now();
        let accounts = self.accounts().await?;
        let mut tx = self.db().begin().await?;
        let mut row = store::lock(&mut tx, id).await?.ok_or_else(missing)?;
        if !may_see(agent, &row) && row.status != Status::Manual {
            return Err(missing().into());
        }
        let same = Repeated {
            client_id: draft.client_id.as_deref(),
            sender: agent.id.as_deref(),
            msg_type: &draft.msg_type,
            content: &draft.content,
            about: json!({"fileId": draft.file.as_ref().map(|file| &file.id)}),
        };
        if let Some(before) = same.find(&mut tx, &row).await? {
            return Ok(before);
        }
        let sender = writer(agent, &row)?;
        let channel = accounts.iter().find(|account| account.id == row.account_id).map(|a| a.kind());
        let payload = fit(&mut tx, &row, draft, channel, now).await?;
        let new = NewMessage {
            sender_type: SenderType::Manual,
            sender_id: &sender,
            msg_type: &draft.msg_type,
            content: &draft.content,
            payload,
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

/// The note that came with a command, if one did.
async fn write_note(
    tx: &mut Tx,
    row: &mut SessionRow,
    actor: &Actor,
    with: &With,
    told: &mut Vec<Told>,
    now: Timestamp,
) -> db::Result<()> {
    let Some(content) = &with.note else { return Ok(()) };
    let note = notes::Note { content, mentions: &[], client_id: None };
    notes::write(tx, row, actor, &note, told, now).await.map(drop)
}

/// The agent as whom this one writes to a session's customer.
///
/// # Errors
/// 404; 400 in any state but `manual`; 403 if it is somebody else's.
fn writer(agent: &Agent, row: &SessionRow) -> Result<String, Problem> {
    if !may_see(agent, row) && row.status != Status::Manual {
        return Err(missing());
    }
    let state = row.state();
    if state.status != Status::Manual {
        return Err(Problem::new(
            ProblemKind::BadRequest,
            format!("a session that is {} takes no message from a person", state.status.as_str()),
        )
        .field("status", format!("is {}", state.status.as_str())));
    }
    match (&agent.id, &state.owner) {
        (Some(own), owner) if owner.as_ref() == Some(own) || agent.supervisor => Ok(own.clone()),
        (None, Some(owner)) => Ok(owner.clone()),
        _ => Err(state.not_yours()),
    }
}

/// Refuses what the channel would not take, and gives the draft's file to the session; what the message's type needs
/// beyond words.
async fn fit(
    tx: &mut Tx,
    row: &SessionRow,
    draft: &Draft,
    channel: Option<AccountKind>,
    now: Timestamp,
) -> Result<Option<String>, Stop> {
    if draft.file.is_some() && channel.is_some_and(|kind| !kind.takes_files()) {
        return Err(
            Problem::bad_request("msgType", "must be text: this channel takes no files from us").into()
        );
    }
    let by_wecom = channel == Some(AccountKind::Wecom);
    if by_wecom {
        let needed = out::count(draft.file.is_none().then_some(draft.content.as_str()));
        if let Some(reason) = out::refusal(tx, row, needed, now).await? {
            return Err(Problem::rule("window", reason).into());
        }
    }
    let Some(file) = &draft.file else { return Ok(None) };
    let kind = channels::MediaKind::named(&draft.msg_type);
    if let Some(reason) = kind.filter(|_| by_wecom).and_then(|kind| media::unfit(kind, file)) {
        return Err(Problem::rule("fileId", reason).into());
    }
    if !files::claim(tx, &file.id, &row.id).await? {
        return Err(Problem::rule("fileId", "was sent in another session").into());
    }
    Ok(Some(media::described(file).to_string()))
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
    let before = row.state();
    store::change(tx, row, to, command, actor, now).await?;
    told.push(match (before.status, row.status) {
        (_, Status::Pending) => frames::new_pending_session(row),
        (_, Status::Closed) => frames::session_closed(row),
        (Status::Manual, Status::Manual) => frames::session_transferred(row),
        (_, Status::Ai) => frames::session_updated(row),
        (_, Status::Manual) => frames::session_accepted(row),
    });
    // Back with the assistant, a customer whom nobody answered is answered at once.
    if row.status == Status::Ai && store::is_unanswered(tx, &row.id, row.last_customer_seq).await? {
        work::schedule_turn(tx, row, now, now).await?;
    }
    state::plan(tx, row, before.status, now).await?;
    follow::changed(tx, row, &before, actor, told, now).await
}

/// Agents see what is theirs and what is nobody's yet.
pub(crate) fn may_see(agent: &Agent, row: &SessionRow) -> bool {
    agent.supervisor
        || row.manual_cs_id.is_none() && row.status != Status::Closed
        || row.manual_cs_id.is_some() && row.manual_cs_id == agent.id
}

impl Desk {
    /// Sends a failed message again.
    ///
    /// # Errors
    /// As [`Desk::answer`]; 422 if the message did not fail, or the channel would not take it.
    pub(crate) async fn retry(&self, agent: &Agent, session: &str, id: &str) -> Result<MessageRow, Problem> {
        persist(|| self.retry_once(agent, session, id)).await
    }

    async fn retry_once(&self, agent: &Agent, session: &str, id: &str) -> Result<MessageRow, Stop> {
        let now = self.clock().now();
        let accounts = self.accounts().await?;
        let mut tx = self.db().begin().await?;
        let row = store::lock(&mut tx, session).await?.ok_or_else(missing)?;
        writer(agent, &row)?;
        let message = store::message(&mut tx, id).await?.filter(|message| message.session_id == row.id);
        let message = message.ok_or_else(|| Problem::not_found("message"))?;
        if accounts.iter().any(|a| a.id == row.account_id && a.kind() == AccountKind::Wecom) {
            let needed = out::missing(&mut tx, &message).await?;
            if let Some(reason) = out::refusal(&mut tx, &row, needed, now).await? {
                return Err(Problem::rule("window", reason).into());
            }
        }
        let (from, to) = (MessageStatus::Failed, MessageStatus::Queued);
        let queued = store::set_status(&mut tx, id, from, to, None).await?;
        let queued = queued.ok_or_else(|| {
            Problem::rule(
                "msgId",
                format!("is {}: only a failed message can be retried", message.status.as_str()),
            )
        })?;
        work::schedule_retry(&mut tx, &row, &queued, now).await?;
        store::tell(&mut tx, &[frames::message_status(&row, &queued)], now).await?;
        tx.commit().await?;
        Ok(queued)
    }
}
