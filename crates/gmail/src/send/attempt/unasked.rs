//! A mail that nobody looked at: whether it may still leave, asked just before it does. What is known here is asked first;
//! then Gmail, whether something stands in the thread that is not known yet, such as an answer that a person wrote in Gmail
//! itself, and whether the mail that is answered was thrown away. While that cannot be told, the mail waits; where reading
//! the mailbox does not tell, a person is asked.

use std::time::Duration;

use dispatch::Outcome;
use google::{Error, Format};
use kernel::{Problem, Timestamp};

use super::{LAG, Leaving, RECONNECT, Refusal};
use crate::{
    Gmail,
    model::{Decided, SendState, Source},
    replies::{Against, Unread, hours_of, leaves_at},
    store::{self, Ending, Waiting},
};

/// Why a mail waits for its account's hours.
const OUTSIDE: &str = "it leaves in the hours that the account's owner set";
/// Why a mail waits whose thread has something that is not read yet.
const READ_FIRST: &str = "the thread is not what it was; it is read first";
/// So long it waits for that at a time.
const LONGEST: Duration = Duration::from_secs(900);

/// How long a mail waited for its thread to be read, the last time; `None`: for something else, or nothing.
fn reading_for(mail: &Leaving<'_>) -> Option<Duration> {
    let row = &mail.row;
    let until = row.waiting_until.filter(|_| row.waiting_reason.as_deref() == Some(READ_FIRST))?;
    Some(until.since(row.updated_at))
}

/// Up to when the mailbox was read, if all was read twice since the mail waits for that: history may lag behind, too.
fn read_twice(mail: &Leaving<'_>) -> Option<Timestamp> {
    let again = reading_for(mail)? > LAG;
    mail.credential.good_until.filter(|read| again && *read >= mail.row.updated_at)
}

impl Gmail {
    /// The outcome, where it may not leave (yet).
    pub(super) async fn leaves_unasked(&self, mail: &Leaving<'_>) -> Result<Option<Outcome>, Problem> {
        let row = &mail.row;
        if !matches!(row.source, Source::AutoReply | Source::FollowUp) {
            return Ok(None);
        }
        match self.still_right(row).await? {
            None => {}
            Some(Against::Later(until, reason)) => return self.wait(mail, until, reason).await.map(Some),
            Some(Against::Outside) => return self.wait_for_hours(mail).await.map(Some),
            Some(Against::Never(rule, reason)) => {
                return self.take_back(mail, (rule, &reason), false).await.map(Some);
            }
            Some(Against::Unseen(rule, reason)) => {
                return self.take_back(mail, (rule, &reason), true).await.map(Some);
            }
        }
        let Some(unasked) = self.unasked(&row.id).await? else { return Ok(None) };
        match self.mailbox(&mail.credential).thread(&unasked.thread, Format::Minimal).await {
            Ok(thread) => match self.unread(&mail.credential, &unasked, &thread, read_twice(mail)).await? {
                Unread::Nothing => Ok(None),
                Unread::Soon => self.read_first(mail).await.map(Some),
                Unread::Lost(why) => self.take_back(mail, ("unread_news", why), true).await.map(Some),
            },
            Err(Error::NotFound) => {
                // Whoever deleted it wants nothing more to stand in it.
                let why = ("thread_gone", "its thread was deleted in the mailbox");
                self.take_back(mail, why, false).await.map(Some)
            }
            Err(error) => {
                let (until, why) = match self.refusal(mail, error).await? {
                    Refusal::Later(until, why) => (until, why),
                    Refusal::Never(_, why) | Refusal::Lost(why) => (self.now() + RECONNECT, why),
                };
                let reason = format!("Gmail does not say whether somebody answered meanwhile: {why}");
                self.wait(mail, until, reason).await.map(Some)
            }
        }
    }

    /// A mail is put off until its account's hours begin, as they are by now.
    async fn wait_for_hours(&self, mail: &Leaving<'_>) -> Result<Outcome, Problem> {
        let (row, now) = (&mail.row, self.now());
        let mut tx = self.db().begin().await?;
        let credential = store::lock_credential(&mut tx, &row.credential_key).await?;
        let hours = credential.as_ref().and_then(hours_of);
        let until = leaves_at(hours.as_ref(), row.conversation_id.unwrap_or_default(), now);
        store::put_off(&mut tx, &row.id, until).await?;
        store::note_waiting(&mut tx, &row.id, Waiting { reason: OUTSIDE, until }, now).await?;
        tx.commit().await?;
        Ok(Outcome::Snooze { until, reason: OUTSIDE.to_owned() })
    }

    /// Takes a mail back, which is on record; whether a person may send it all the same.
    async fn take_back(
        &self,
        mail: &Leaving<'_>,
        (rule, reason): (&'static str, &str),
        waits: bool,
    ) -> Result<Outcome, Problem> {
        let id = &mail.row.id;
        let mut tx = self.db().begin().await?;
        if let Some(conversation) = mail.row.conversation_id {
            store::lock_conversation(&mut tx, conversation).await?;
        }
        let ending = Ending { state: SendState::Cancelled, code: "not_right", reason, in_doubt: false };
        if store::end_held(&mut tx, id, ending, self.now()).await? {
            if let Some(reply) = store::reply_of_send(&mut tx, id).await? {
                let outcome = if waits { Decided::Waits } else { Decided::No };
                self.note_taken_back(&mut tx, &reply, id, (outcome, rule, reason)).await?;
            }
            if waits {
                store::reopen_replies_of(&mut tx, std::slice::from_ref(id)).await?;
            }
        }
        tx.commit().await?;
        Ok(Outcome::Done(reason.to_owned()))
    }

    /// The mailbox is read first: what came decides about the mail.
    async fn read_first(&self, mail: &Leaving<'_>) -> Result<Outcome, Problem> {
        let now = self.now();
        let reason = READ_FIRST;
        // Twice as long each time.
        let until = now + reading_for(mail).map_or(LAG, |last| (last * 2).min(LONGEST));
        let mut tx = self.db().begin().await?;
        store::note_waiting(&mut tx, &mail.row.id, Waiting { reason, until }, now).await?;
        self.want_sync(&mut tx, &mail.credential.key).await?;
        tx.commit().await?;
        Ok(Outcome::Snooze { until, reason: reason.to_owned() })
    }
}
