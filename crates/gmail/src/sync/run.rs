//! `gmail.sync`: one mailbox is read, until nothing is left to be looked at.

use std::time::Duration;

use db::{DbError, Result, Tx};
use dispatch::{BoxFuture, Dispatch, Outcome, Settled, Single};
use google::Error;
use kernel::Timestamp;

use super::drain::Looked;
use crate::{
    CredentialStatus, Gmail,
    store::{self, CredentialRow, syncs},
};

/// Reads a mailbox; subject and destination are its account's key.
pub const SYNC: &str = "gmail.sync";

/// So long a mailbox is read before others have a turn.
const TURN: Duration = Duration::from_secs(240);
/// So long its past is: somebody else's news must not wait for it.
const PAST_TURN: Duration = Duration::from_secs(15);

/// The handler of [`SYNC`].
pub struct Sync {
    /// The slice.
    pub gmail: Gmail,
}

/// Why reading does not go on.
pub(super) enum Stop {
    /// What Google says.
    Google(Error),
    Store(DbError),
    /// The account was disconnected meanwhile.
    Gone,
    /// Others have a turn.
    Turn,
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Google(error)
    }
}

impl From<DbError> for Stop {
    fn from(error: DbError) -> Self {
        Self::Store(error)
    }
}

impl Single for Sync {
    fn attempt<'a>(&'a self, dispatch: &'a Dispatch) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            match self.read(&dispatch.subject).await {
                Ok(outcome) => outcome,
                Err(error) => Outcome::Retry { reason: error.to_string(), after: None, in_doubt: false },
            }
        })
    }

    fn settled<'a>(
        &'a self,
        tx: &'a mut Tx,
        dispatch: &'a Dispatch,
        end: &'a Settled,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let Settled::Dead(reason) = end else { return Ok(()) };
            tracing::warn!(credential = dispatch.subject, reason, "a mailbox cannot be read");
            syncs::give_up(tx, &dispatch.subject, None, Some(reason), self.gmail.poll_at(now)).await.map(drop)
        })
    }

    fn cares(&self, end: &Settled) -> bool {
        matches!(end, Settled::Dead(_))
    }
}

impl Sync {
    async fn read(&self, key: &str) -> Result<Outcome> {
        let gmail = &self.gmail;
        // Before the row: who connects the account again wants it read after that.
        let count = syncs::wanted(&mut gmail.db().read().await?, key).await?;
        let row = store::credential_by_key(&mut gmail.db().read().await?, key).await?;
        let Some(row) = row else {
            gmail.wipe_rest(key).await?;
            return Ok(Outcome::Done("the account is not connected".to_owned()));
        };
        if row.status != CredentialStatus::Active {
            return self.give_up(key, count, None, "the account must be connected again").await;
        }
        let now = gmail.now();
        if let Some(until) = row.limited_until.filter(|until| now < *until) {
            return Ok(Outcome::Snooze { until, reason: "Google wants no call".to_owned() });
        }
        match gmail.read_mailbox(&row, now).await {
            Ok(()) => Ok(Outcome::Done("read".to_owned())),
            Err(Stop::Google(error)) => self.stopped(&row, count, error).await,
            Err(Stop::Store(error)) => Err(error),
            Err(Stop::Gone) => {
                gmail.wipe_rest(key).await?;
                Ok(Outcome::Done("the account is not connected".to_owned()))
            }
            Err(Stop::Turn) => {
                Ok(Outcome::Snooze { until: gmail.now(), reason: "others have a turn".to_owned() })
            }
        }
    }

    /// What follows from Google's refusal.
    async fn stopped(&self, row: &CredentialRow, count: Option<i64>, error: Error) -> Result<Outcome> {
        let now = self.gmail.now();
        let until = match &error {
            Error::Retry { after, limited: true, .. } => {
                // What the mailbox's own pace asks for is no limit of Google's, but must be waited for as well.
                let held = self.gmail.0.governors.of(&row.address).held_until();
                held.unwrap_or(now + after.unwrap_or(Duration::from_secs(60)))
            }
            Error::DailyLimit { until, .. } => *until,
            Error::Retry { reason, after, .. } => {
                return Ok(Outcome::Retry { reason: reason.clone(), after: *after, in_doubt: false });
            }
            // Mostly the grant's end is noted by now. Where Google refuses a token that it gave just before, nothing
            // else says so.
            Error::Reauthorize { reason } => {
                return self.give_up(&row.key, count, Some(reason), reason).await;
            }
            Error::Permanent { message, .. } => {
                return self.give_up(&row.key, count, Some(message), message).await;
            }
            Error::InDoubt { .. } | Error::NotFound | Error::HistoryGone => {
                return Ok(Outcome::Retry { reason: error.to_string(), after: None, in_doubt: false });
            }
        };
        let mut tx = self.gmail.db().begin().await?;
        store::limit(&mut tx, &row.key, until).await?;
        tx.commit().await?;
        Ok(Outcome::Snooze { until, reason: error.to_string() })
    }

    /// Ends reading until somebody wants it again: not if somebody has since `count`.
    async fn give_up(
        &self,
        key: &str,
        count: Option<i64>,
        error: Option<&str>,
        reason: &str,
    ) -> Result<Outcome> {
        let now = self.gmail.now();
        let mut tx = self.gmail.db().begin().await?;
        let ended = syncs::give_up(&mut tx, key, count, error, self.gmail.poll_at(now)).await?;
        tx.commit().await?;
        if !ended {
            return Ok(Outcome::Snooze { until: now, reason: "it was wanted again".to_owned() });
        }
        Ok(Outcome::Done(reason.to_owned()))
    }
}

impl Gmail {
    /// Reads a mailbox until nothing is left and nobody wants more, or others have a turn.
    async fn read_mailbox(&self, row: &CredentialRow, began: Timestamp) -> std::result::Result<(), Stop> {
        let key = &row.key;
        loop {
            let Some(count) = syncs::wanted(&mut self.db().read().await?, key).await? else {
                return Err(Stop::Gone);
            };
            self.read_changes(key).await?;
            // What rang meanwhile is read before anything else is looked at.
            while syncs::wanted(&mut self.db().read().await?, key).await? == Some(count) {
                let turn = match self.look_at_some(key).await? {
                    Looked::Nothing => break,
                    Looked::Past => PAST_TURN,
                    Looked::News => TURN,
                };
                if self.now() >= began + turn {
                    return Err(Stop::Turn);
                }
            }
            let mut tx = self.db().begin().await?;
            let rested = syncs::rest(&mut tx, key, count, self.poll_at(self.now())).await?;
            tx.commit().await?;
            if rested {
                return Ok(());
            }
        }
    }

    /// An account's row as it is now.
    pub(super) async fn fresh(&self, key: &str) -> std::result::Result<CredentialRow, Stop> {
        store::credential_by_key(&mut self.db().read().await?, key).await?.ok_or(Stop::Gone)
    }

    /// An account's row, locked before its conversations and messages.
    pub(super) async fn locked(
        &self,
        tx: &mut Tx,
        row: &CredentialRow,
    ) -> std::result::Result<CredentialRow, Stop> {
        let all = store::lock_credentials(tx, &row.user_id).await?;
        all.into_iter().find(|own| own.key == row.key).ok_or(Stop::Gone)
    }
}
