//! What has to be done from time to time.

use kernel::{Timestamp, time::days};

use super::{TRIES, watch::RENEWED_BEFORE};
use crate::{Gmail, store};

/// So long a push is known as one that came: Pub/Sub repeats it for a week, unless its subscription says otherwise.
const KNOWN: std::time::Duration = days(8);

impl Gmail {
    /// Reads mailboxes that were quiet for long, renews watches, forgets old pushes and consents, and
    /// images that were kept in memory. To be called every minute or so, by any number of processes.
    ///
    /// # Errors
    /// [`db::DbError`]
    pub async fn look_after_mailboxes(&self) -> db::Result<()> {
        let now = self.now();
        let quiet = store::syncs::quiet(&mut self.db().read().await?, now, TRIES).await?;
        for key in &quiet {
            let mut tx = self.db().begin().await?;
            self.want_sync(&mut tx, key).await?;
            tx.commit().await?;
        }
        let ending = store::to_renew(&mut self.db().read().await?, now + RENEWED_BEFORE).await?;
        if !ending.is_empty() {
            let mut tx = self.db().begin().await?;
            for key in &ending {
                self.want_renewal(&mut tx, key, false).await?;
            }
            tx.commit().await?;
        }
        self.0.reading.tidy(now);
        self.forget_flows(now).await?;
        self.forget_hints(now).await
    }

    /// A consent holds a client's secret, and is good for nothing after its time.
    async fn forget_flows(&self, now: Timestamp) -> db::Result<()> {
        loop {
            let mut tx = self.db().begin().await?;
            let more = store::forget_flows(&mut tx, now).await?;
            tx.commit().await?;
            if !more {
                return Ok(());
            }
        }
    }

    async fn forget_hints(&self, now: Timestamp) -> db::Result<()> {
        loop {
            let mut tx = self.db().begin().await?;
            let forgotten = store::forget_hints(&mut tx, now.minus(KNOWN)).await?;
            tx.commit().await?;
            if forgotten < store::FORGOTTEN {
                return Ok(());
            }
        }
    }
}
