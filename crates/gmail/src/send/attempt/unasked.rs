//! A mail that nobody looked at: whether it may still leave, asked just before it does. What is known here is asked first;
//! then Gmail, whether something stands in the thread that is not known yet, such as an answer that a person wrote in Gmail
//! itself. While that cannot be told, the mail waits.

use dispatch::Outcome;
use google::{Error, Format};
use kernel::Problem;

use super::{LAG, Leaving, RECONNECT, Refusal};
use crate::{
    Gmail,
    model::{SendState, Source},
    store::{self, Ending, Waiting},
};

impl Gmail {
    /// The outcome, where it may not leave (yet).
    pub(super) async fn leaves_unasked(&self, mail: &Leaving<'_>) -> Result<Option<Outcome>, Problem> {
        let row = &mail.row;
        if !matches!(row.source, Source::AutoReply | Source::FollowUp) {
            return Ok(None);
        }
        if let Some(reason) = self.still_right(&mail.credential, &row.id).await? {
            return self.take_back(mail, &reason).await.map(Some);
        }
        let Some(unasked) = self.unasked(&row.id).await? else { return Ok(None) };
        match self.mailbox(&mail.credential).thread(&unasked.thread, Format::Minimal).await {
            Ok(thread) if !self.has_news(&mail.credential, &unasked, &thread).await? => Ok(None),
            Ok(_) => self.read_first(mail).await.map(Some),
            Err(Error::NotFound) => {
                let reason = self.thread_gone(&unasked, &row.id).await?;
                self.take_back(mail, reason).await.map(Some)
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

    async fn take_back(&self, mail: &Leaving<'_>, reason: &str) -> Result<Outcome, Problem> {
        let mut tx = self.db().begin().await?;
        let ending = Ending { state: SendState::Cancelled, code: "not_right", reason, in_doubt: false };
        store::end_held(&mut tx, &mail.row.id, ending, self.now()).await?;
        tx.commit().await?;
        Ok(Outcome::Done(reason.to_owned()))
    }

    /// The mailbox is read first: what came decides about the mail.
    async fn read_first(&self, mail: &Leaving<'_>) -> Result<Outcome, Problem> {
        let now = self.now();
        let reason = "something new stands in the thread; it is read first";
        let until = now + LAG;
        let mut tx = self.db().begin().await?;
        store::note_waiting(&mut tx, &mail.row.id, Waiting { reason, until }, now).await?;
        self.want_sync(&mut tx, &mail.credential.key).await?;
        tx.commit().await?;
        Ok(Outcome::Snooze { until, reason: reason.to_owned() })
    }
}
