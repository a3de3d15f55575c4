//! What is to happen when something does not: the watchdogs, each a dispatch of kind [`WATCHDOG`] due at its time.
//!
//! A watchdog names what it saw when it was set (a version, a message's number, a time). If that is not so any more when
//! it is due, it does nothing: it is never cancelled. The settings that hold when it is due count; a span that has become
//! longer lets it sleep on.

use db::{DbError, Result, Tx};
use dispatch::{BoxFuture, Dispatch, NewDispatch, Outcome, Single};
use kernel::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    Desk, follow, frames,
    model::{Actor, Command, HandoverReason, Status, Step},
    ops,
    settings::{DeskSettings, span},
    store::{self, SessionRow},
};

/// Looks whether something happened in time.
pub const WATCHDOG: &str = "desk.watchdog";

/// What a watchdog looks for. Times are microseconds.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "rule", rename_all = "snake_case")]
enum Rule {
    /// The agent has had no connection since then.
    Gone { since: i64 },
    /// The session's customer has waited since `waiting`, for this owner's answer since `since`.
    Unanswered { version: i64, waiting: i64, since: i64 },
    /// The customer has not answered this message of ours.
    Idle { seq: i64 },
    /// The wait with this id is longer than its target.
    Wait { id: String },
}

async fn set(
    tx: &mut Tx,
    (id, subject): (String, &str),
    rule: &Rule,
    due_at: Timestamp,
    now: Timestamp,
) -> Result<()> {
    let payload = serde_json::to_string(rule).map_err(|e| DbError::Other(e.to_string()))?;
    let watchdog = NewDispatch {
        id,
        kind: WATCHDOG,
        subject: subject.to_owned(),
        destination: subject.to_owned(),
        payload: Some(payload),
        due_at,
    };
    dispatch::enqueue(tx, now, &[watchdog]).await.map(drop)
}

/// An agent is gone: their sessions go back to the queue, unless they come back in time.
pub(crate) async fn agent_gone(tx: &mut Tx, agent: &str, s: &DeskSettings, now: Timestamp) -> Result<()> {
    let Some(after) = s.requeue_after_seconds else { return Ok(()) };
    let since = now.micros();
    set(tx, (format!("{agent}/gone/{since}"), agent), &Rule::Gone { since }, now + span(after), now).await
}

/// A locked session's customer waits for its owner.
pub(crate) async fn unanswered(
    tx: &mut Tx,
    row: &SessionRow,
    s: &DeskSettings,
    now: Timestamp,
) -> Result<()> {
    let (Some(after), Some(waiting)) = (s.unanswered_after_seconds, row.waiting_since) else { return Ok(()) };
    // Whoever has just got the session has the whole time.
    let (waiting, since) = (waiting.micros(), now.micros());
    let rule = Rule::Unanswered { version: row.version, waiting, since };
    let id = format!("{}/unanswered/{}/{}", row.id, row.version, row.last_customer_seq);
    set(tx, (id, &row.id), &rule, now + span(after), now).await
}

/// A locked session's customer was written to.
pub(crate) async fn idle(
    tx: &mut Tx,
    row: &SessionRow,
    seq: i64,
    s: &DeskSettings,
    now: Timestamp,
) -> Result<()> {
    let Some(after) = s.close_idle_after_seconds else { return Ok(()) };
    set(tx, (format!("{}/idle/{seq}", row.id), &row.id), &Rule::Idle { seq }, now + span(after), now).await
}

/// A wait with a target began.
pub(crate) async fn wait(
    tx: &mut Tx,
    row: &SessionRow,
    id: &str,
    due_at: Timestamp,
    now: Timestamp,
) -> Result<()> {
    let rule = Rule::Wait { id: id.to_owned() };
    set(tx, (format!("{}/wait/{id}", row.id), &row.id), &rule, due_at, now).await
}

/// The handler of [`WATCHDOG`].
pub struct Watchdog {
    /// The slice.
    pub desk: Desk,
}

impl Single for Watchdog {
    fn attempt<'a>(&'a self, d: &'a Dispatch) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let rule = d.payload.as_deref().map(serde_json::from_str::<Rule>);
            let Some(Ok(rule)) = rule else { return Outcome::Dead("the payload cannot be read".to_owned()) };
            match self.look(&d.subject, &rule).await {
                Ok(Found::Nothing) => Outcome::Done("nothing to do".to_owned()),
                Ok(Found::Done(what)) => Outcome::Done(what.to_owned()),
                Ok(Found::NotYet(until)) => {
                    Outcome::Snooze { until, reason: "the settings give more time".to_owned() }
                }
                Err(e) => Outcome::Retry { reason: e.to_string(), after: None, in_doubt: false },
            }
        })
    }
}

/// What a watchdog found.
enum Found {
    Nothing,
    Done(&'static str),
    NotYet(Timestamp),
}

impl Watchdog {
    async fn look(&self, subject: &str, rule: &Rule) -> Result<Found> {
        let now = self.desk.clock().now();
        let settings = store::settings(&mut self.desk.db().read().await?).await?;
        let due =
            |since: i64, after: Option<i64>| after.map(|after| Timestamp::from_micros(since) + span(after));
        match rule {
            Rule::Gone { since } => match due(*since, settings.requeue_after_seconds) {
                None => Ok(Found::Nothing),
                Some(due) if now < due => Ok(Found::NotYet(due)),
                Some(_) => self.requeue_all(subject, Timestamp::from_micros(*since), now).await,
            },
            Rule::Unanswered { version, waiting, since } => {
                match due(*since, settings.unanswered_after_seconds) {
                    None => Ok(Found::Nothing),
                    Some(due) if now < due => Ok(Found::NotYet(due)),
                    Some(_) => {
                        self.requeue_silent(subject, *version, Timestamp::from_micros(*waiting), now).await
                    }
                }
            }
            Rule::Idle { seq } => self.close_idle(subject, *seq, &settings, now).await,
            Rule::Wait { id } => self.breach(subject, id, now).await,
        }
    }

    /// Each session in a transaction of its own; the agent is locked after it, so that they cannot come back between.
    async fn requeue_all(&self, agent: &str, since: Timestamp, now: Timestamp) -> Result<Found> {
        let sessions = store::sessions_of(&mut self.desk.db().read().await?, agent).await?;
        let mut found = Found::Nothing;
        for id in sessions {
            let mut tx = self.desk.db().begin().await?;
            let Some(mut row) = store::lock(&mut tx, &id).await? else { continue };
            let locked = store::lock_agents(&mut tx, vec![agent]).await?;
            if locked.first().and_then(|agent| agent.gone_at) != Some(since) {
                return Ok(found);
            }
            if row.status == Status::Manual && row.manual_cs_id.as_deref() == Some(agent) {
                let abandoned = Command::Requeue(HandoverReason::Abandoned);
                act(tx, &mut row, &abandoned, now).await?;
                found = Found::Done("the agent's sessions went back to the queue");
            }
        }
        Ok(found)
    }

    async fn requeue_silent(
        &self,
        id: &str,
        version: i64,
        waiting: Timestamp,
        now: Timestamp,
    ) -> Result<Found> {
        let mut tx = self.desk.db().begin().await?;
        let Some(mut row) = store::lock(&mut tx, id).await? else { return Ok(Found::Nothing) };
        if row.status != Status::Manual || row.version != version || row.waiting_since != Some(waiting) {
            return Ok(Found::Nothing);
        }
        act(tx, &mut row, &Command::Requeue(HandoverReason::Abandoned), now).await?;
        Ok(Found::Done("the session went back to the queue"))
    }

    async fn close_idle(&self, id: &str, seq: i64, settings: &DeskSettings, now: Timestamp) -> Result<Found> {
        let mut tx = self.desk.db().begin().await?;
        let Some(mut row) = store::lock(&mut tx, id).await? else { return Ok(Found::Nothing) };
        let Some(after) = settings.close_idle_after_seconds else { return Ok(Found::Nothing) };
        let answers = matches!(row.status, Status::Ai | Status::Manual) && row.waiting_since.is_none();
        let spoken = store::last_spoken(&mut tx, id).await?;
        let Some((_, at)) = spoken.filter(|(last, _)| answers && *last == seq && row.last_customer_seq < seq)
        else {
            return Ok(Found::Nothing);
        };
        let due = at + span(after);
        if now < due {
            return Ok(Found::NotYet(due));
        }
        act(tx, &mut row, &Command::Close, now).await?;
        Ok(Found::Done("the session was closed"))
    }

    async fn breach(&self, session: &str, id: &str, now: Timestamp) -> Result<Found> {
        let mut tx = self.desk.db().begin().await?;
        let Some(row) = store::lock(&mut tx, session).await? else { return Ok(Found::Nothing) };
        let Some(wait) = store::wait(&mut tx, id).await? else { return Ok(Found::Nothing) };
        // By the target that holds now.
        let settings = store::settings(&mut tx).await?;
        let Some(due) = follow::target(&settings, &wait.kind, wait.since) else { return Ok(Found::Nothing) };
        if now < due {
            store::move_wait(&mut tx, id, due).await?;
            tx.commit().await?;
            return Ok(Found::NotYet(due));
        }
        let owner = row.manual_cs_id.as_deref().filter(|_| row.status == Status::Manual);
        if !store::breach(&mut tx, id, owner, now).await? {
            return Ok(Found::Nothing);
        }
        let Some(wait) = store::wait(&mut tx, id).await? else { return Ok(Found::Nothing) };
        store::tell(&mut tx, &[frames::sla_breached(&row, &wait)], now).await?;
        tx.commit().await?;
        Ok(Found::Done("the target was missed"))
    }
}

/// The desk's own rules act on a locked session; ends the transaction.
async fn act(mut tx: Tx, row: &mut SessionRow, command: &Command, now: Timestamp) -> Result<()> {
    if let Ok(Step::Change(to)) = row.state().after(command, &Actor::System) {
        let mut told = Vec::new();
        ops::settle(&mut tx, row, to, command, &Actor::System, &mut told, now).await?;
        store::tell(&mut tx, &told, now).await?;
        tx.commit().await?;
    }
    Ok(())
}
