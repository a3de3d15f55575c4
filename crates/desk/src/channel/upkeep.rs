//! What has to be done from time to time.

use kernel::Timestamp;

use super::{account::AccountKind, pull};
use crate::{Desk, store};

impl Desk {
    /// Asks WeCom for what no callback announced for a while, and forgets old callbacks. To be called every minute or so,
    /// by any number of processes.
    ///
    /// # Errors
    /// [`db::DbError`]
    pub async fn look_after_channels(&self) -> db::Result<()> {
        let now = self.clock().now();
        let config = &self.0.config.channels;
        for account in self.accounts().await?.iter().filter(|account| account.kind() == AccountKind::Wecom) {
            self.poll(&account.id, now.minus(config.poll), now).await?;
        }
        loop {
            let mut tx = self.db().begin().await?;
            let forgotten = store::callbacks::forget(&mut tx, now.minus(config.keep_callbacks)).await?;
            tx.commit().await?;
            if forgotten < store::callbacks::FORGOTTEN {
                return Ok(());
            }
        }
    }

    async fn poll(&self, account: &str, before: Timestamp, now: Timestamp) -> db::Result<()> {
        let idle = store::pulls::idle(&mut self.db().read().await?, account, before).await?;
        for (account, kf) in &idle {
            let mut tx = self.db().begin().await?;
            pull::want(&mut tx, (account, kf), None, now).await?;
            tx.commit().await?;
        }
        Ok(())
    }
}
