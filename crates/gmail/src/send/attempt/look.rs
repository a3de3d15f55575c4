//! A mail that may have left: it is looked for in the mailbox.

use dispatch::Outcome;
use google::Error;
use kernel::Problem;

use super::{CALL, LAG, Leaving, MOST_SENDS, PATIENCE, RECONNECT, Refusal, SKEW};
use crate::{
    CredentialStatus, Gmail,
    model::SendState,
    store::{self, Waiting},
};

impl Gmail {
    /// Looks for a mail that may have left. `None`: it has not, and waits again.
    pub(super) async fn look(&self, mail: &mut Leaving<'_>) -> Result<Option<Outcome>, Problem> {
        let (now, fence) = (self.now(), mail.d.fence);
        let mut tx = self.db().begin().await?;
        if !store::take_over(&mut tx, &mail.row.id, fence, now).await? {
            return Ok(Some(Outcome::Done("a later attempt has it".to_owned())));
        }
        tx.commit().await?;
        mail.row.state = SendState::Unknown;
        if mail.credential.status != CredentialStatus::Active {
            let reason = mail.credential.status_reason.clone().unwrap_or_default();
            return self.wait_for_account(mail, &reason).await.map(Some);
        }
        let begun = mail.row.attempted_at.unwrap_or(mail.row.created_at);
        let span = begun.minus(SKEW)..begun + CALL + SKEW;
        let found = self.mailbox(&mail.credential).find_sent(&mail.row.message_id, span).await;
        match found {
            Ok(Some(message)) => self.sent(mail, &message.id, &message.thread_id).await.map(Some),
            Ok(None) => self.missed(mail).await,
            Err(error) => self.unlooked(mail, error).await.map(Some),
        }
    }

    /// It was not found: what was sent just now may not be seen yet.
    async fn missed(&self, mail: &mut Leaving<'_>) -> Result<Option<Outcome>, Problem> {
        let (now, fence) = (self.now(), mail.d.fence);
        let lookups = mail.row.lookups + 1;
        let mut tx = self.db().begin().await?;
        if lookups < 2 {
            let ended = mail.row.attempted_at.filter(|_| mail.abandoned).map(|at| at + CALL);
            let until = ended.map_or(now + LAG, |at| at.max(now + LAG));
            let reason = "Gmail's answer was lost; the mailbox is searched once more";
            let waiting = Waiting { reason, until };
            store::note_unknown(&mut tx, &mail.row.id, (fence, lookups), waiting, now).await?;
            tx.commit().await?;
            return Ok(Some(Outcome::Snooze { until, reason: reason.to_owned() }));
        }
        if mail.row.sends >= MOST_SENDS {
            drop(tx);
            let reason =
                format!("Gmail's answer was lost {MOST_SENDS} times, and the mailbox has no such mail");
            // Tried again, it is looked for first.
            return self.fail(&mail.row, "lost", &reason, true).await.map(Some);
        }
        if !store::give_back(&mut tx, &mail.row.id, fence, None, now).await? {
            return Ok(Some(Outcome::Done("a later attempt has it".to_owned())));
        }
        tx.commit().await?;
        mail.row.lookups = 0;
        Ok(None)
    }

    /// It could not be looked for.
    async fn unlooked(&self, mail: &Leaving<'_>, error: Error) -> Result<Outcome, Problem> {
        let now = self.now();
        let reason = format!("Gmail's answer was lost, and the mailbox cannot be searched: {error}");
        if now > mail.row.attempted_at.unwrap_or(mail.row.due_at) + PATIENCE {
            return self.fail(&mail.row, "in_doubt", &format!("it may have left: {reason}"), true).await;
        }
        let until = match self.refusal(mail, error).await? {
            Refusal::Later(until, _) => until,
            Refusal::Never(..) | Refusal::Lost(_) => now + RECONNECT,
        };
        let mut tx = self.db().begin().await?;
        let waiting = Waiting { reason: &reason, until };
        let looked = (mail.d.fence, mail.row.lookups);
        store::note_unknown(&mut tx, &mail.row.id, looked, waiting, now).await?;
        tx.commit().await?;
        Ok(Outcome::Snooze { until, reason })
    }
}
