//! `gmail.send`: a mail leaves, once.
//!
//! A mail that waits (`held`) is given to one attempt in the transaction that counts it (`sending`), before Gmail is called.
//! So whatever is found in `sending` or `unknown` may have left, whatever became of the attempt that had it: it is looked
//! for in the mailbox, twice with a pause, and only what is not there waits again. What Gmail refused certainly has not
//! left.

mod look;
mod unasked;

use std::{sync::Arc, time::Duration};

use dispatch::{BoxFuture, Dispatch, Outcome, Settled, Single};
use google::{Error, Format};
use kernel::{Problem, Timestamp, time::days};
use tokio::sync::Semaphore;

use super::{
    control::{Why, end_waiting},
    dispatch_id,
    envelope::{Envelope, Marks},
    told::tell_failed,
};
use crate::{
    CredentialStatus, Gmail,
    model::SendState,
    store::{self, CredentialRow, Ending, OutboxRow, Waiting},
};

/// Sends a mail.
pub const SEND: &str = "gmail.send";

/// So long Gmail's search may lag behind what was sent.
const LAG: Duration = Duration::from_secs(30);
/// So long an attempt may take in all: what it is given where attempts are run.
pub const SEND_TIME: Duration = Duration::from_secs(400);
/// So long it waits for other large mails.
const QUEUE: Duration = Duration::from_secs(90);
/// So long Gmail may take with a mail, whatever is tried: then its fate is unknown.
const GIVING: Duration = Duration::from_secs(240);
/// So long after a mail was counted another attempt may still be giving it to Gmail: what is not in the mailbox before may
/// still come.
const CALL: Duration = Duration::from_secs(GIVING.as_secs() + 30);
/// Whatever an attempt does before and after has its time, too.
const _: () = assert!(QUEUE.as_secs() + CALL.as_secs() < SEND_TIME.as_secs());
/// Google's clock is not ours.
const SKEW: Duration = Duration::from_secs(600);
/// An account that must be connected again is looked at so often, if nothing wakes its mails.
const RECONNECT: Duration = Duration::from_secs(600);
/// So long a mail waits for its account, and one whose fate is unknown for being looked up.
const PATIENCE: Duration = days(7);
/// So often a mail is given to Gmail whose answers are lost, and that is never found.
const MOST_SENDS: i64 = 5;
/// Larger mails are written and sent one at a time.
const LARGE: u64 = 1024 * 1024;

/// Sends mails.
pub struct SendMail {
    gmail: Gmail,
    large: Arc<Semaphore>,
}

impl SendMail {
    /// Of this slice.
    #[must_use]
    pub fn new(gmail: Gmail) -> Self {
        Self { gmail, large: Arc::new(Semaphore::new(1)) }
    }
}

impl Single for SendMail {
    fn attempt<'a>(&'a self, d: &'a Dispatch) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            match self.gmail.send_attempt(d, &self.large).await {
                Ok(outcome) => outcome,
                // The mail's own state says whether it may have left.
                Err(problem) => Outcome::Retry { reason: problem.message, after: None, in_doubt: true },
            }
        })
    }

    fn cares(&self, end: &Settled) -> bool {
        matches!(end, Settled::Dead(_))
    }

    fn alone(&self) -> bool {
        true
    }

    fn settled<'a>(
        &'a self,
        tx: &'a mut db::Tx,
        d: &'a Dispatch,
        end: &'a Settled,
        now: Timestamp,
    ) -> BoxFuture<'a, db::Result<()>> {
        Box::pin(async move {
            let Settled::Dead(reason) = end else { return Ok(()) };
            let Some(row) = store::outbox(tx, &d.subject).await? else { return Ok(()) };
            if dispatch_id(&row.id, row.dispatch_no) != d.id {
                return Ok(());
            }
            let in_doubt = row.state != SendState::Held;
            let reason = &if in_doubt { format!("it may have left: {reason}") } else { reason.clone() };
            let ending = Ending { state: SendState::Failed, code: "gave_up", reason, in_doubt };
            if store::end_outbox(tx, &row.id, ending, now).await? {
                tell_failed(tx, &row, reason, now).await?;
            }
            Ok(())
        })
    }
}

/// A mail, its account, and the attempt that has it.
struct Leaving<'a> {
    row: OutboxRow,
    credential: CredentialRow,
    d: &'a Dispatch,
    /// Another attempt had it, and nobody knows whether that has ended.
    abandoned: bool,
}

/// What became of an answer that is no success.
enum Refusal {
    /// Again at a time.
    Later(Timestamp, String),
    /// Never.
    Never(String, String),
    /// Nobody knows.
    Lost(String),
}

impl Gmail {
    async fn send_attempt(&self, d: &Dispatch, large: &Semaphore) -> Result<Outcome, Problem> {
        let mut conn = self.db().read().await?;
        let Some(row) = store::outbox(&mut conn, &d.subject).await? else {
            return Ok(Outcome::Done("there is no such mail any more".to_owned()));
        };
        if dispatch_id(&row.id, row.dispatch_no) != d.id {
            return Ok(Outcome::Done("another dispatch has it".to_owned()));
        }
        let ended = matches!(row.state, SendState::Failed | SendState::Cancelled);
        if ended || row.state == SendState::Sent && row.sent_message_id.is_some() {
            return Ok(Outcome::Done(row.error.unwrap_or_else(|| "sent".to_owned())));
        }
        let credential = store::credential_by_key(&mut conn, &row.credential_key).await?;
        drop(conn);
        let Some(credential) = credential else { return self.disconnected(&row).await };
        let abandoned = row.state == SendState::Sending || row.lookups == 0;
        let mut mail = Leaving { row, credential, d, abandoned };
        match mail.row.state {
            SendState::Sent => return self.read_back(&mail).await,
            SendState::Held => {}
            _ => match self.look(&mut mail).await? {
                Some(outcome) => return Ok(outcome),
                None => mail.row.state = SendState::Held,
            },
        }
        self.leave(&mut mail, large).await
    }

    async fn disconnected(&self, row: &OutboxRow) -> Result<Outcome, Problem> {
        let in_doubt = row.state != SendState::Held;
        let reason = if in_doubt {
            "the account was disconnected while nobody knew whether the mail had left"
        } else {
            "the account was disconnected"
        };
        self.fail(row, "disconnected", reason, in_doubt).await
    }

    /// Ends a mail, and its dispatch.
    async fn fail(&self, row: &OutboxRow, code: &str, why: &str, in_doubt: bool) -> Result<Outcome, Problem> {
        let mut tx = self.db().begin().await?;
        let ending = Ending { state: SendState::Failed, code, reason: why, in_doubt };
        let now = self.now();
        // Whoever disconnects an account knows.
        if store::end_outbox(&mut tx, &row.id, ending, now).await? && code != "disconnected" {
            tell_failed(&mut tx, row, why, now).await?;
        }
        tx.commit().await?;
        tracing::warn!(outbox.id = row.id, reason = why, "a mail is not sent");
        Ok(Outcome::Dead(why.to_owned()))
    }

    /// Says why a mail waits on, whether it is held or in doubt.
    async fn wait(&self, mail: &Leaving<'_>, until: Timestamp, reason: String) -> Result<Outcome, Problem> {
        let mut tx = self.db().begin().await?;
        let waiting = Waiting { reason: &reason, until };
        store::note_waiting(&mut tx, &mail.row.id, waiting, self.now()).await?;
        tx.commit().await?;
        Ok(Outcome::Snooze { until, reason })
    }

    /// Sends a mail that waits, if nothing keeps it.
    async fn leave(&self, mail: &mut Leaving<'_>, large: &Semaphore) -> Result<Outcome, Problem> {
        let now = self.now();
        let (row, credential) = (&mail.row, &mail.credential);
        if credential.status != CredentialStatus::Active {
            return self
                .wait_for_account(mail, credential.status_reason.as_deref().unwrap_or_default())
                .await;
        }
        if let Some(until) = credential.limited_until.filter(|until| *until > now) {
            return self
                .wait(mail, until, "Google wants no calls for this account until then".to_owned())
                .await;
        }
        let envelope = Envelope::of(row)?;
        let mut _alone = None;
        if envelope.size() > LARGE {
            let Ok(alone) = tokio::time::timeout(QUEUE, large.acquire()).await else {
                let reason = "other large mails are being sent".to_owned();
                return self.wait(mail, self.now() + LAG, reason).await;
            };
            _alone = alone.ok();
        }
        if let Some(outcome) = self.leaves_unasked(mail).await? {
            return Ok(outcome);
        }
        // It may have waited.
        let now = self.now();
        let octets = match self.octets(row, &envelope, now).await? {
            Ok(octets) => octets,
            Err((code, reason)) => return self.fail(row, code, &reason, false).await,
        };
        if let Some(outcome) = self.begin(mail, now).await? {
            return Ok(outcome);
        }
        mail.row.attempted_at = Some(now);
        mail.row.sends += 1;
        mail.row.lookups = 0;
        mail.abandoned = false;
        let answer = tokio::time::timeout(GIVING, self.give(mail, &octets, envelope.thread_id.as_deref()));
        let answer = answer.await.unwrap_or_else(|_| {
            let reason = format!("Gmail did not answer within {} s", GIVING.as_secs());
            Err(Error::InDoubt { reason })
        });
        match answer {
            Ok(sent) => self.sent(mail, &sent.id, &sent.thread_id).await,
            Err(error) => self.not_sent(mail, error).await,
        }
    }

    /// Gives a mail to Gmail.
    async fn give(
        &self,
        mail: &Leaving<'_>,
        octets: &[u8],
        thread: Option<&str>,
    ) -> Result<google::Sent, Error> {
        let mailbox = self.mailbox(&mail.credential);
        match mailbox.send(octets, thread).await {
            Err(Error::Permanent { code, .. }) if code == "threadNotFound" => {
                // Its owner deleted the thread, which did not keep the mail from being one.
                tracing::info!(outbox.id = mail.row.id, "the thread is gone, the mail begins another");
                mailbox.send(octets, None).await
            }
            answer => answer,
        }
    }

    /// The mail as it travels, or why it cannot be written.
    async fn octets(
        &self,
        row: &OutboxRow,
        envelope: &Envelope,
        date: Timestamp,
    ) -> Result<Result<Vec<u8>, (&'static str, String)>, Problem> {
        let files = self.read_files(&envelope.files).await.map_err(|e| httpkit::upload::storage(&e))?;
        let Some(files) = files else {
            return Ok(Err(("file", "a file of the mail is not there any more".to_owned())));
        };
        let marks = Marks {
            outbox_id: &row.id,
            user_id: &row.user_id,
            message_id: &row.message_id,
            source: row.source,
            date,
        };
        let mut mail = self.outgoing(envelope, &marks);
        mail.files = files;
        let written = tokio::task::spawn_blocking(move || mail.write()).await;
        let written = written.map_err(|error| {
            tracing::error!(%error, "writing a mail broke off");
            Problem::internal()
        })?;
        Ok(written.map_err(|invalid| ("invalid", invalid.to_string())))
    }

    /// Takes a mail for this attempt alone, and counts it; the outcome where it may not leave.
    async fn begin(&self, mail: &Leaving<'_>, now: Timestamp) -> Result<Option<Outcome>, Problem> {
        let row = &mail.row;
        let mut tx = self.db().begin().await?;
        let Some(credential) = store::lock_credential(&mut tx, &row.credential_key).await? else {
            drop(tx);
            return self.disconnected(row).await.map(Some);
        };
        if let Some(reason) = self.suppressed(&mut tx, &row.user_id, &row.id).await? {
            let waiter = (row.id.clone(), row.dispatch_no, row.source);
            let why = Why { code: "suppressed", reason: &reason, by_owner: false };
            end_waiting(&mut tx, &[waiter], why, now).await?;
            tx.commit().await?;
            return Ok(Some(Outcome::Done(reason)));
        }
        if let Some(until) = self.room_at(&mut tx, &credential, &row.id).await? {
            let cap = super::caps::cap(&self.0.config.send, &credential, now).cap;
            let reason = format!("the account sent {cap} mails in 24 hours, which is its limit for now");
            drop(tx);
            return self.wait(mail, until, reason).await.map(Some);
        }
        if !store::begin_sending(&mut tx, &row.id, mail.d.fence, now).await? {
            return Ok(Some(Outcome::Done("it does not wait any more".to_owned())));
        }
        tx.commit().await?;
        Ok(None)
    }

    /// Gmail has it.
    async fn sent(&self, mail: &mut Leaving<'_>, id: &str, thread: &str) -> Result<Outcome, Problem> {
        let now = self.now();
        let mut tx = self.db().begin().await?;
        let conversation = match mail.row.conversation_id.filter(|_| mail.row.reply_id.is_some()) {
            Some(conversation) => store::lock_conversation(&mut tx, conversation).await?,
            None => None,
        };
        let noted = store::note_sent(&mut tx, &mail.row.id, (id, thread), now).await?;
        if noted {
            if let Some(conversation) = &conversation {
                self.reply_left(&mut tx, conversation, &mail.row.id, now).await?;
            }
            self.want_sync(&mut tx, &mail.credential.key).await?;
        }
        tx.commit().await?;
        mail.row.gmail_id = Some(id.to_owned());
        self.read_back(mail).await
    }

    /// Asks which Message-ID the mail has got: replies and reports name that one.
    async fn read_back(&self, mail: &Leaving<'_>) -> Result<Outcome, Problem> {
        let row = &mail.row;
        let Some(gmail_id) = &row.gmail_id else { return Err(Problem::internal()) };
        let answer =
            self.mailbox(&mail.credential).message(gmail_id, Format::Metadata(&["Message-ID"])).await;
        let bare = |id: &str| id.trim().trim_start_matches('<').trim_end_matches('>').to_owned();
        let message_id = match answer {
            Ok(message) => message.header("Message-ID").map(bare).filter(|id| !id.is_empty()),
            Err(Error::NotFound | Error::Permanent { .. } | Error::Reauthorize { .. }) => None,
            Err(error) => {
                let until = match &error {
                    Error::DailyLimit { until, .. } => *until,
                    Error::Retry { after: Some(after), .. } => self.now() + *after,
                    _ => self.now() + LAG,
                };
                return Ok(Outcome::Snooze { until, reason: format!("sent; {error}") });
            }
        };
        let message_id = message_id.unwrap_or_else(|| row.message_id.clone());
        let mut tx = self.db().begin().await?;
        store::note_message_id(&mut tx, &row.id, &message_id, self.now()).await?;
        tx.commit().await?;
        Ok(Outcome::Done(format!("sent as {gmail_id}")))
    }

    /// Gmail did not take it, or its answer was lost.
    async fn not_sent(&self, mail: &mut Leaving<'_>, error: Error) -> Result<Outcome, Problem> {
        match self.refusal(mail, error).await? {
            Refusal::Lost(reason) => {
                tracing::warn!(outbox.id = mail.row.id, reason, "it is not known whether a mail left");
                if let Some(outcome) = self.look(mail).await? {
                    return Ok(outcome);
                }
                // Unreached: the first look never ends in vain for good.
                Ok(Outcome::Snooze { until: self.now() + LAG, reason })
            }
            Refusal::Never(code, reason) => self.fail(&mail.row, &code, &reason, false).await,
            Refusal::Later(until, reason) => {
                let mut tx = self.db().begin().await?;
                let waiting = Some(Waiting { reason: &reason, until });
                store::give_back(&mut tx, &mail.row.id, mail.d.fence, waiting, self.now()).await?;
                tx.commit().await?;
                self.again(mail, until, reason).await
            }
        }
    }

    /// A mail that was given back is tried again, until patience ends: a week, and some tries however late it was.
    async fn again(&self, mail: &Leaving<'_>, until: Timestamp, reason: String) -> Result<Outcome, Problem> {
        if self.now() > mail.row.due_at + PATIENCE && mail.row.sends >= MOST_SENDS {
            return self.fail(&mail.row, "gave_up", &reason, false).await;
        }
        Ok(Outcome::Snooze { until, reason })
    }

    async fn wait_for_account(&self, mail: &Leaving<'_>, reason: &str) -> Result<Outcome, Problem> {
        let now = self.now();
        // Since the mail was due, or Google ended the grant.
        if now > mail.row.due_at.max(mail.credential.updated_at) + PATIENCE {
            let reason = format!("the account was not connected again within a week: {reason}");
            return self.fail(&mail.row, "reconnect", &reason, mail.row.state != SendState::Held).await;
        }
        self.wait(mail, now + RECONNECT, format!("the account must be connected again: {reason}")).await
    }

    /// What an error of Google's means for a mail; what it means for its account is noted.
    async fn refusal(&self, mail: &Leaving<'_>, error: Error) -> Result<Refusal, Problem> {
        let now = self.now();
        let pause = Duration::from_secs(10 << mail.row.sends.clamp(0, 8)).min(Duration::from_secs(3600));
        Ok(match error {
            Error::InDoubt { reason } => Refusal::Lost(reason),
            Error::Retry { reason, after, .. } => {
                if let Some(until) = self.0.governors.of(&mail.credential.address).held_until() {
                    self.limited(mail, until).await?;
                }
                Refusal::Later(now + after.unwrap_or(pause), reason)
            }
            Error::DailyLimit { until, reason } => {
                self.limited(mail, until).await?;
                Refusal::Later(until, reason)
            }
            Error::Reauthorize { reason } => {
                Refusal::Later(now + RECONNECT, format!("the account must be connected again: {reason}"))
            }
            Error::Permanent { code, message } => Refusal::Never(code, message),
            error @ (Error::NotFound | Error::HistoryGone) => {
                Refusal::Never("not_found".to_owned(), error.to_string())
            }
        })
    }

    async fn limited(&self, mail: &Leaving<'_>, until: Timestamp) -> Result<(), Problem> {
        let mut tx = self.db().begin().await?;
        store::note_limited(&mut tx, &mail.credential.key, until).await?;
        tx.commit().await?;
        Ok(())
    }
}

#[cfg(test)]
impl Gmail {
    /// A mail as it would travel now.
    pub(super) async fn octets_of(&self, row: &OutboxRow, envelope: &Envelope) -> Vec<u8> {
        self.octets(row, envelope, self.now()).await.unwrap().unwrap()
    }
}
