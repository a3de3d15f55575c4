//! `desk.send`: messages to customers.
//!
//! Promises: the messages of a session leave in their order, each when what became of the one before is known; each under
//! an id that follows from its own, so that a repetition is the same message; what a channel will never take is
//! failed at once, with the reason; agents are told what became of each.

use std::time::Duration;

use channels::wecom::Class;
use db::{DbError, Result};
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
/// After so long a dispatch leaves the rest of its session to theirs.
const LONG: Duration = Duration::from_secs(30);
/// So long one dispatch may be at one message of a session before another may: longer than an attempt may take.
const TURN: Duration = Duration::from_secs(150);

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

    fn alone(&self) -> bool {
        true
    }
}

/// Records what became of a message, tells the agents, and lets the next go. Nothing, if it was known before.
async fn conclude(
    tx: &mut db::Tx,
    id: &str,
    end: std::result::Result<(), &str>,
    now: Timestamp,
) -> Result<()> {
    let queued = |message: &MessageRow| message.status == MessageStatus::Queued;
    let Some(message) = store::message(tx, id).await?.filter(queued) else { return Ok(()) };
    // Whoever has the session now is told, so nobody else takes it meanwhile.
    let Some(session) = store::lock(tx, &message.session_id).await? else { return Ok(()) };
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

/// What keeps a dispatch from its message.
enum Blocked {
    /// There is nothing to do any more, or nothing to be done.
    Settled(Outcome),
    /// Another message of the session is before it, or being sent.
    Waiting,
}

/// A message that is the first on its way in its session, and ours to send.
struct Turn {
    session: SessionRow,
    message: MessageRow,
    in_doubt: bool,
}

impl Send {
    async fn attempt_one(&self, dispatch: &Dispatch) -> Result<Outcome> {
        let id = message_id(&dispatch.id);
        let mut turn = match self.begin(dispatch, id).await? {
            Ok(turn) => turn,
            Err(Blocked::Settled(outcome)) => return Ok(outcome),
            Err(Blocked::Waiting) => {
                let seconds = 1u64 << dispatch.fence.clamp(1, 6).saturating_sub(1).unsigned_abs();
                let until = self.desk.clock().now() + Duration::from_secs(seconds).min(PATIENCE);
                return Ok(Outcome::Snooze { until, reason: "waits for the message before".to_owned() });
            }
        };
        turn.in_doubt |= dispatch.in_doubt;
        let started = self.desk.clock().now();
        let mut own = None;
        loop {
            let sent = self.send(&turn).await?;
            let more = self.desk.clock().now() < started + LONG;
            let (outcome, next) = self.end(&dispatch.id, &turn, sent, more).await?;
            // What comes after its own message is sent along; what becomes of that is not this dispatch's end.
            let own = own.get_or_insert(outcome);
            match next {
                Some(message) => turn = Turn { message, in_doubt: false, ..turn },
                None => return Ok(own.clone()),
            }
        }
    }

    /// Takes the turn in the session.
    async fn begin(&self, dispatch: &Dispatch, id: &str) -> Result<std::result::Result<Turn, Blocked>> {
        let now = self.desk.clock().now();
        let mut tx = self.desk.db().begin().await?;
        let settled = |outcome| Ok(Err(Blocked::Settled(outcome)));
        let Some(message) = store::message(&mut tx, id).await? else {
            return settled(Outcome::Dead("the message is gone".to_owned()));
        };
        let Some(session) = store::session(&mut tx, &message.session_id).await? else {
            return settled(Outcome::Dead("the session is gone".to_owned()));
        };
        if message.status != MessageStatus::Queued {
            // If this dispatch was lost while it sent what came after, that is in doubt, and its own to send.
            outbox::end_turn(&mut tx, &session.id, &dispatch.id, true).await?;
            tx.commit().await?;
            return settled(Outcome::Done(format!("is {} already", message.status.as_str())));
        }
        if outbox::first_queued(&mut tx, &session.id).await?.as_deref() != Some(id) {
            return Ok(Err(Blocked::Waiting));
        }
        let times = (now, now + TURN);
        let Some(in_doubt) = outbox::take_turn(&mut tx, &session.id, &dispatch.id, id, times).await? else {
            return Ok(Err(Blocked::Waiting));
        };
        tx.commit().await?;
        Ok(Ok(Turn { session, message, in_doubt }))
    }

    async fn send(&self, turn: &Turn) -> Result<Sent> {
        let Turn { session, message, in_doubt } = turn;
        let Some(account) = self.desk.account(&session.account_id).await? else {
            return Ok(Sent::Never("the channel's account is not in use".to_owned()));
        };
        let job = Job { desk: &self.desk, account: &account, session, message, in_doubt: *in_doubt };
        job.send().await
    }

    /// Puts the end of a message on record before that of its dispatch, so that the next attempt finds that there is
    /// nothing to do if the process ends between the two. Keeps the turn if there is another message to send.
    async fn end(
        &self,
        holder: &str,
        turn: &Turn,
        sent: Sent,
        more: bool,
    ) -> Result<(Outcome, Option<MessageRow>)> {
        match self.end_once(holder, turn, &sent, more).await {
            Err(DbError::Conflict(_)) => self.end_once(holder, turn, &sent, more).await,
            end => end,
        }
    }

    async fn end_once(
        &self,
        holder: &str,
        turn: &Turn,
        sent: &Sent,
        more: bool,
    ) -> Result<(Outcome, Option<MessageRow>)> {
        let now = self.desk.clock().now();
        let (session, id) = (&turn.session.id, &turn.message.id);
        let mut tx = self.desk.db().begin().await?;
        let (outcome, end) = match sent {
            Sent::Later(outcome) => {
                let lost = matches!(outcome, Outcome::Retry { in_doubt: true, .. });
                outbox::end_turn(&mut tx, session, holder, lost).await?;
                tx.commit().await?;
                return Ok((outcome.clone(), None));
            }
            Sent::Took(answer) => (Outcome::Done(answer.clone()), Ok(())),
            Sent::Never(reason) => (Outcome::Dead(reason.clone()), Err(reason.as_str())),
        };
        // Sessions are locked before whose turn it is, as by whoever takes messages back.
        store::lock(&mut tx, session).await?;
        // The next of them, and the turn, before agents are told: that is last.
        let after = outbox::next_queued(&mut tx, session, turn.message.seq).await?;
        let next = match after {
            Some(next) if more => {
                let times = (now, now + TURN);
                match outbox::take_turn(&mut tx, session, holder, &next, times).await? {
                    Some(_) => store::message(&mut tx, &next).await?,
                    // Taken back just now.
                    None => None,
                }
            }
            _ => None,
        };
        if next.is_none() {
            outbox::end_turn(&mut tx, session, holder, false).await?;
        }
        conclude(&mut tx, id, end, now).await?;
        tx.commit().await?;
        Ok((outcome, next))
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
