//! What people do with their accounts.

use std::time::Duration;

use google::Error;
use httpkit::hours::Hours;
use kernel::{Problem, ProblemKind};

use crate::{
    AutoReply, CredentialStatus, Gmail,
    grant::Kept,
    replies::written,
    store::{self, CredentialRow},
    sync::TRIES,
};

/// An account that was disconnected.
pub(crate) struct Gone {
    pub(crate) email: String,
    /// Whether Google knows, or why not.
    pub(crate) revoked: Result<(), String>,
}

/// How an account is to behave from now on; what is `None` stays as it is.
#[derive(Debug, Default)]
pub(crate) struct Behaviour {
    /// `Some(None)`: the settings'.
    pub(crate) daily_cap: Option<Option<i64>>,
    pub(crate) auto_reply: Option<AutoReply>,
    /// When what nobody looked at may leave; `Some(None)`: always.
    pub(crate) sending_hours: Option<Option<Hours>>,
}

/// So long Google has to answer whoever disconnects an account.
const PATIENCE: Duration = Duration::from_secs(5);

/// What became of a call that somebody waits for.
async fn in_time<T>(call: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let end = tokio::time::timeout(PATIENCE, call).await;
    end.unwrap_or_else(|_| Err(Error::retry("Google does not answer in time")))
}

fn missing() -> Problem {
    Problem::not_found("credential")
}

impl Gmail {
    /// Makes an account its user's default.
    ///
    /// # Errors
    /// 404
    pub(crate) async fn make_default(&self, user: &str, id: i64) -> Result<CredentialRow, Problem> {
        let mut tx = self.db().begin().await?;
        let rows = store::lock_credentials(&mut tx, user).await?;
        let row = rows.into_iter().find(|row| row.id == id).ok_or_else(missing)?;
        store::set_default(&mut tx, user, id, self.now()).await?;
        tx.commit().await?;
        Ok(row)
    }

    /// Sees to it that an account is read, and what was skipped tried again.
    ///
    /// # Errors
    /// 404; 409 if it must be connected again.
    pub(crate) async fn read_soon(&self, user: &str, id: i64) -> Result<CredentialRow, Problem> {
        let mut tx = self.db().begin().await?;
        let row = store::credential(&mut tx, user, id).await?.ok_or_else(missing)?;
        if row.status != CredentialStatus::Active {
            return Err(Problem::new(ProblemKind::Conflict, "the account must be connected again"));
        }
        store::fetches::retry_skipped(&mut tx, &row.key, TRIES).await?;
        self.want_sync(&mut tx, &row.key).await?;
        tx.commit().await?;
        Ok(row)
    }

    /// Disconnects an account: the watch is stopped first, for it needs the grant; then the grant is revoked; then
    /// everything is forgotten, whatever Google said. The oldest of the user's others becomes the default.
    ///
    /// # Errors
    /// 404
    pub(crate) async fn disconnect(&self, user: &str, id: i64) -> Result<Gone, Problem> {
        let row = store::credential(&mut self.db().read().await?, user, id).await?.ok_or_else(missing)?;
        let revoked = self.revoke(&row).await;
        let mut tx = self.db().begin().await?;
        let rows = store::lock_credentials(&mut tx, user).await?;
        // Somebody else may have been faster; connected again it has another id.
        let row = rows.into_iter().find(|row| row.id == id).ok_or_else(missing)?;
        self.wipe(&mut tx, &row.key).await?;
        store::delete_credential(&mut tx, id).await?;
        // Read anew: what was connected meanwhile counts as well.
        let others = store::credentials(&mut tx, user).await?;
        if let Some(next) = others.first().filter(|_| !others.iter().any(|other| other.is_default)) {
            store::set_default(&mut tx, user, next.id, self.now()).await?;
        }
        tx.commit().await?;
        self.0.cells.forget(&row.key);
        Ok(Gone { email: row.email, revoked })
    }

    /// Sets how an account behaves; what is `None` stays.
    ///
    /// # Errors
    /// 404
    pub(crate) async fn set_behaviour(
        &self,
        user: &str,
        id: i64,
        Behaviour { daily_cap, auto_reply, sending_hours }: Behaviour,
    ) -> Result<CredentialRow, Problem> {
        let mut tx = self.db().begin().await?;
        let rows = store::lock_credentials(&mut tx, user).await?;
        let row = rows.into_iter().find(|row| row.id == id).ok_or_else(missing)?;
        let was_on = row.auto_reply == AutoReply::On;
        let row = CredentialRow {
            daily_cap: daily_cap.unwrap_or(row.daily_cap),
            auto_reply: auto_reply.unwrap_or(row.auto_reply),
            sending_hours: match sending_hours {
                Some(hours) => hours.as_ref().map(written).transpose()?,
                None => row.sending_hours,
            },
            ..row
        };
        if was_on && row.auto_reply != AutoReply::On {
            for conversation in store::lock_conversations_of(&mut tx, &row.key).await? {
                let why = ("switched_off", "automatic replies were switched off");
                self.hand_over_automatic(&mut tx, conversation, why).await?;
            }
        }
        store::set_behaviour(&mut tx, &row, self.now()).await?;
        // A higher cap, or other hours, may let go what waits.
        self.wake_outbox(&mut tx, &row.key).await?;
        tx.commit().await?;
        Ok(row)
    }

    /// Tells Google, for a few seconds each; why it was not told.
    async fn revoke(&self, row: &CredentialRow) -> Result<(), String> {
        if row.status != CredentialStatus::Active {
            return Ok(());
        }
        let stopped = match row.topic {
            Some(_) => in_time(self.mailbox(row).stop()).await,
            None => Ok(()),
        };
        let kept = Kept::open(self.0.accounts.keyring(), row).map_err(|error| error.to_string())?;
        in_time(self.0.oauth.revoke(&google::Secret::new(kept.refresh.clone())))
            .await
            .map_err(|error| error.to_string())?;
        match stopped {
            // A grant that had ended rings no more than one that was revoked just now.
            Ok(()) | Err(Error::Reauthorize { .. } | Error::NotFound) => Ok(()),
            Err(error) => Err(error.to_string()),
        }
    }
}
