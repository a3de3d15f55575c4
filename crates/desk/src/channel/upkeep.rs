//! What has to be done from time to time.

use kernel::{Timestamp, time::days};

use std::time::Duration;

use super::{account::Adapter, check, pull};
use crate::{Desk, store};

/// What nothing came of is kept so long at least: somebody may still read it again.
const UNREAD: Duration = days(90);
/// So long at least a channel's message is known as one that came: far longer than any channel repeats it.
pub(super) const KNOWN: Duration = days(30);

/// So long a file may wait to be sent.
const UNSENT: Duration = days(1);

impl Desk {
    /// Asks WeCom for what no callback announced for a while, and forgets old callbacks and files that nobody sent. To be
    /// called every minute or so, by any number of processes.
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
        self.forget_callbacks(now).await?;
        self.forget_files(now).await
    }

    /// Forgets files that were uploaded and never sent, a batch at a time. Out of reach first, then the bytes, then the
    /// row: whatever ends this in between, the next time goes on with it.
    async fn forget_files(&self, now: Timestamp) -> db::Result<()> {
        loop {
            let mut tx = self.db().begin().await?;
            let forgotten = store::files::forget(&mut tx, now.minus(UNSENT)).await?;
            tx.commit().await?;
            for id in &forgotten {
                if let Err(error) = self.0.channels.blobs.delete(id).await {
                    tracing::error!(file = id, %error, "a file that nobody sent cannot be removed yet");
                    return Ok(());
                }
                let mut tx = self.db().begin().await?;
                store::files::remove(&mut tx, id).await?;
                tx.commit().await?;
            }
            if forgotten.len() < store::files::BATCH {
                return Ok(());
            }
        }
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
