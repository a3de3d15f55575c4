//! `desk.send`: messages to customers.
//!
//! Promises: the messages of a session leave in their order, each when what became of the one before is known; each under
//! an id that follows from its own, so that a repetition is the same message; what a channel will never take is
//! failed at once, with the reason; agents are told what became of each.

use std::time::Duration;

use channels::wecom::Class;
use db::Result;
use dispatch::{BoxFuture, Dispatch, Outcome, Settled, Single};
use kernel::Timestamp;

use super::{
    account::{Account, Adapter},
    wecom::CallError,
};
use crate::{
    Desk, frames,
    model::MessageStatus,
    store::{self, MessageRow, SessionRow, outbox},
    work::SEND,
};

/// The longest wait for the message before.
const PATIENCE: Duration = Duration::from_secs(30);

/// The handler of [`SEND`].
pub struct Send {
    /// The desk.
    pub desk: Desk,
}

/// A message about to leave.
pub(super) struct Job<'a> {
    pub(super) desk: &'a Desk,
    pub(super) account: &'a Account,
    pub(super) session: &'a SessionRow,
    pub(super) message: &'a MessageRow,
    /// An earlier attempt may have got through.
    pub(super) in_doubt: bool,
}

/// What came of an attempt.
pub(super) enum Sent {
    /// The channel took it; its answer, for the record.
    Took(String),
    /// It never will; why, for agents.
    Never(String),
    /// Not now.
    Later(Outcome),
}

impl Sent {
    /// Again after the policy's delay.
    pub(super) fn again(reason: impl Into<String>, in_doubt: bool) -> Self {
        Self::Later(Outcome::Retry { reason: reason.into(), after: None, in_doubt })
    }
}

/// What a call to WeCom that failed comes to.
impl From<CallError> for Sent {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Limited(until) => {
                Self::Later(Outcome::Snooze { until, reason: "the limit of calls is reached".to_owned() })
            }
            CallError::Api(error) => match error.class {
                Class::Final | Class::WindowOver | Class::QuotaOver | Class::WrongState => {
                    Self::Never(error.to_string())
                }
                _ => Self::again(error.to_string(), false),
            },
            CallError::Failed { reason, in_doubt } => Self::again(reason, in_doubt),
        }
    }
}

/// The message that a dispatch is about: its id is that of the message, or begins with it.
fn message_id(dispatch: &str) -> &str {
    dispatch.split('/').next().unwrap_or(dispatch)
}

impl Single for Send {
    fn attempt<'a>(&'a self, dispatch: &'a Dispatch) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let attempt = self.attempt_one(dispatch).await;
            attempt.unwrap_or_else(|error| Outcome::Retry {
                reason: error.to_string(),
                after: None,
                in_doubt: true,
            })
        })
    }

    fn settled<'a>(
        &'a self,
        tx: &'a mut db::Tx,
        dispatch: &'a Dispatch,
        end: &'a Settled,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let Settled::Dead(reason) = end else { return Ok(()) };
            conclude(tx, message_id(&dispatch.id), Err(reason), now).await
        })
    }

    fn cares(&self, end: &Settled) -> bool {
        matches!(end, Settled::Dead(_))
    }
}

/// Records what became of a message, tells the agents, and lets the next go. Nothing, if it was known before.
async fn conclude(
    tx: &mut db::Tx,
    id: &str,
    end: std::result::Result<(), &str>,
    now: Timestamp,
) -> Result<()> {
    let Some(message) = store::message(tx, id).await? else { return Ok(()) };
    let Some(session) = store::session(tx, &message.session_id).await? else { return Ok(()) };
    let (to, reason) = match end {
        Ok(()) => (MessageStatus::Sent, None),
        Err(reason) => (MessageStatus::Failed, Some(reason)),
    };
    let Some(message) = store::set_status(tx, id, MessageStatus::Queued, to, reason).await? else {
        return Ok(());
    };
    if let Some(next) = outbox::first_queued(tx, &session.id).await? {
        dispatch::store::expedite(tx, now, SEND, &[next]).await?;
    }
    store::tell(tx, &[frames::message_status(&session, &message)], now).await
}

impl Send {
    async fn attempt_one(&self, dispatch: &Dispatch) -> Result<Outcome> {
        let mut conn = self.desk.db().read().await?;
        let Some(message) = store::message(&mut conn, message_id(&dispatch.id)).await? else {
            return Ok(Outcome::Dead("the message is gone".to_owned()));
        };
        if message.status != MessageStatus::Queued {
            return Ok(Outcome::Done(format!("is {} already", message.status.as_str())));
        }
        let Some(session) = store::session(&mut conn, &message.session_id).await? else {
            return Ok(Outcome::Dead("the session is gone".to_owned()));
        };
        let now = self.desk.clock().now();
        if outbox::has_queued_before(&mut conn, &session.id, message.seq).await? {
            // Whoever is before makes it due; this is for when that was just missed.
            let seconds = 1u64 << dispatch.fence.clamp(1, 6).saturating_sub(1).unsigned_abs();
            let until = now + Duration::from_secs(seconds).min(PATIENCE);
            return Ok(Outcome::Snooze { until, reason: "waits for the message before".to_owned() });
        }
        drop(conn);
        let sent = match self.desk.account(&session.account_id).await? {
            None => Sent::Never("the channel's account is not in use".to_owned()),
            Some(account) => {
                let in_doubt = dispatch.in_doubt;
                let job = Job {
                    desk: &self.desk,
                    account: &account,
                    session: &session,
                    message: &message,
                    in_doubt,
                };
                job.send().await?
            }
        };
        self.end(&message.id, sent).await
    }

    /// Puts the end of a message on record before that of its dispatch: if the process ends between the two, the next
    /// attempt finds that there is nothing to do.
    async fn end(&self, id: &str, sent: Sent) -> Result<Outcome> {
        let now = self.desk.clock().now();
        let mut tx = self.desk.db().begin().await?;
        let outcome = match sent {
            Sent::Later(outcome) => return Ok(outcome),
            Sent::Took(answer) => {
                conclude(&mut tx, id, Ok(()), now).await?;
                Outcome::Done(answer)
            }
            Sent::Never(reason) => {
                conclude(&mut tx, id, Err(&reason), now).await?;
                Outcome::Dead(reason)
            }
        };
        tx.commit().await?;
        Ok(outcome)
    }
}

impl Job<'_> {
    async fn send(&self) -> Result<Sent> {
        match &self.account.adapter {
            Adapter::Wecom(wecom) => self.by_wecom(wecom).await,
            Adapter::Douyin(douyin) => self.by_douyin(douyin).await,
            Adapter::Doudian(_) => Ok(Sent::Never("抖店 takes no messages from us".to_owned())),
            Adapter::Jd(jd) => Ok(self.by_jd(jd).await),
            Adapter::Bridge(bridge) => self.by_bridge(bridge).await,
        }
    }
}
