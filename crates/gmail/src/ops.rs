//! What people do with their accounts.

use google::Error;
use kernel::{Problem, ProblemKind};

use crate::{
    AutoReply, CredentialStatus, Gmail,
    grant::Kept,
    store::{self, CredentialRow},
    sync::TRIES,
};

/// An account that was disconnected.
pub(crate) struct Gone {
    pub(crate) email: String,
    /// Whether Google knows, or why not.
    pub(crate) revoked: Result<(), String>,
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
        let revoked = self.revoke(&row).await.map_err(|error| error.to_string());
        let mut tx = self.db().begin().await?;
        let rows = store::lock_credentials(&mut tx, user).await?;
        self.wipe(&mut tx, &row.key).await?;
        store::delete_credential(&mut tx, id).await?;
        if row.is_default
            && let Some(next) = rows.iter().find(|other| other.id != id)
        {
            store::set_default(&mut tx, user, next.id, self.now()).await?;
        }
        tx.commit().await?;
        self.0.cells.forget(&row.key);
        Ok(Gone { email: row.email, revoked })
    }

    /// Sets how an account behaves: its daily cap (`Some(None)`: the settings') and whether it answers by itself.
    ///
    /// # Errors
    /// 404
    pub(crate) async fn set_behaviour(
        &self,
        user: &str,
        id: i64,
        daily_cap: Option<Option<i64>>,
        auto_reply: Option<AutoReply>,
    ) -> Result<CredentialRow, Problem> {
        let mut tx = self.db().begin().await?;
        let rows = store::lock_credentials(&mut tx, user).await?;
        let row = rows.into_iter().find(|row| row.id == id).ok_or_else(missing)?;
        let row = CredentialRow {
            daily_cap: daily_cap.unwrap_or(row.daily_cap),
            auto_reply: auto_reply.unwrap_or(row.auto_reply),
            ..row
        };
        if auto_reply.is_some_and(|mode| mode != AutoReply::On) {
            for conversation in store::lock_conversations_of(&mut tx, &row.key).await? {
                self.hand_over_automatic(&mut tx, conversation, "automatic replies were switched off")
                    .await?;
            }
        }
        store::set_behaviour(&mut tx, id, (row.daily_cap, row.auto_reply), self.now()).await?;
        // A higher cap may let go what waits.
        self.wake_outbox(&mut tx, &row.key).await?;
        tx.commit().await?;
        Ok(row)
    }

    async fn revoke(&self, row: &CredentialRow) -> Result<(), Error> {
        if row.status != CredentialStatus::Active {
            return Ok(());
        }
        let stopped = match row.topic {
            Some(_) => self.mailbox(row).stop().await,
            None => Ok(()),
        };
        let kept = Kept::open(self.0.accounts.keyring(), row)?;
        self.0.oauth.revoke(&google::Secret::new(kept.refresh.clone())).await?;
        match stopped {
            // A grant that had ended rings no more than one that was revoked just now.
            Ok(()) | Err(Error::Reauthorize { .. } | Error::NotFound) => Ok(()),
            Err(error) => Err(error),
        }
    }
}
