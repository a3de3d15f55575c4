//! What has to be done from time to time.

use kernel::{Timestamp, time::days};

use std::time::Duration;

use super::{account::Adapter, check, pull};
use crate::{Desk, store};

/// What nothing came of is kept so long at least: somebody may still read it again.
const UNREAD: Duration = days(90);
/// So long at least a channel's message is known as one that came: far longer than any channel repeats it.
pub(super) const KNOWN: Duration = days(30);

impl Desk {
    /// Asks WeCom for what no callback announced for a while, and forgets old callbacks. To be called every minute or so,
    /// by any number of processes.
    ///
    /// # Errors
    /// [`db::DbError`]
    pub async fn look_after_channels(&self) -> db::Result<()> {
        let now = self.clock().now();
        let config = &self.0.config.channels;
        for account in self.accounts().await?.iter() {
            match &account.adapter {
                Adapter::Wecom(_) => {
                    self.poll(&account.id, now.minus(config.poll), now).await?;
                    let mut tx = self.db().begin().await?;
                    check::plan(&mut tx, account, now).await?;
                    tx.commit().await?;
                }
                Adapter::Douyin(douyin) => self.plan_renewal(account, douyin).await?,
                Adapter::Doudian(_) | Adapter::Jd(_) | Adapter::Bridge(_) => {}
            }
        }
        self.forget_callbacks(now).await
    }

    /// Forgets what came long ago, a batch at a time.
    async fn forget_callbacks(&self, now: Timestamp) -> db::Result<()> {
        let keep = self.0.config.channels.keep_callbacks;
        let (read, unread) = (now.minus(keep), now.minus(keep.max(UNREAD)));
        let known = now.minus(keep.max(KNOWN));
        loop {
            let mut tx = self.db().begin().await?;
            let callbacks = store::callbacks::forget(&mut tx, read, unread).await?;
            let messages = store::callbacks::forget_known(&mut tx, known).await?;
            tx.commit().await?;
            if callbacks.max(messages) < store::callbacks::FORGOTTEN {
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
