//! What is done every few seconds: heartbeats, logins, presence, acknowledgements; and the streams' trimming.

use std::time::Duration;

use kernel::{Timestamp, time::days};
use tokio_util::sync::CancellationToken;

use crate::{Desk, store, webhooks};

/// Close code: log in again, or come with a fresh token.
pub(crate) const LOGIN_OVER: u16 = 4001;

/// How often presence is renewed and looked after.
const PRESENCE: Duration = Duration::from_secs(10);
/// How often a socket hears where its stream ends, and its login is checked.
pub(crate) const HEARTBEAT: Duration = Duration::from_secs(20);
/// How often streams are trimmed.
const TRIM: Duration = Duration::from_secs(60);

/// What was told is kept so long, whether anybody got it or not…
const KEEP: Duration = days(1);
/// …or so long once it is acknowledged: another socket of the agent may be behind…
const KEEP_ACKED: Duration = Duration::from_secs(3600);
/// …but of one stream never more than so many events.
const KEEP_MOST: i64 = 50_000;
/// The stream of an agent who was not there for so long is given up.
const UNUSED: Duration = days(3);

impl Desk {
    /// Looks after this node's sockets.
    pub(super) async fn tend(&self, closed: &CancellationToken) {
        // In rounds, not by the clock on the wall, which may be set.
        let a_beat = HEARTBEAT.as_millis().div_ceil(PRESENCE.as_millis());
        let mut rounds = 0;
        while closed.run_until_cancelled(self.clock().sleep(PRESENCE)).await.is_some() {
            rounds = (rounds + 1) % a_beat;
            let beats = rounds == 0;
            if let Err(error) = self.round(beats).await {
                tracing::warn!(%error, "the desk's sockets cannot be looked after; the next round is soon");
            }
        }
    }

    async fn round(&self, beats: bool) -> db::Result<()> {
        let peers = self.live().peers();
        self.here(&peers.agents()).await?;
        self.miss().await?;
        if !beats {
            return Ok(());
        }
        let logins = peers.logins();
        if !logins.is_empty() {
            let standing = self.0.accounts.standing(&logins).await?;
            for agent in peers.check_logins(&standing, self.clock().now()) {
                let mut tx = self.db().begin().await?;
                store::end_stream(&mut tx, &agent, true).await?;
                tx.commit().await?;
            }
        }
        let acked = peers.acked();
        if !acked.is_empty() {
            let mut tx = self.db().begin().await?;
            store::note_acked(&mut tx, &acked, self.clock().now()).await?;
            tx.commit().await?;
        }
        let streams = peers.streams();
        if !streams.is_empty() {
            let heads = store::heads(&mut self.db().read().await?, &streams).await?;
            // Whatever is there up to these heads goes out first: who is behind a heartbeat has missed something.
            self.look().await?;
            peers.beat(&heads);
        }
        Ok(())
    }

    /// Trims all streams, every minute.
    pub(super) async fn trim(&self, closed: &CancellationToken) {
        while closed.run_until_cancelled(self.clock().sleep(TRIM)).await.is_some() {
            if let Err(error) = self.trim_streams().await {
                tracing::warn!(%error, "agents' streams cannot be trimmed; the next round is in a minute");
            }
        }
    }

    /// Forgets what nobody will ask for. Several nodes may do it at once.
    ///
    /// # Errors
    /// [`db::DbError`]
    pub async fn trim_streams(&self) -> db::Result<()> {
        let now = self.clock().now();
        let (old, ripe, unused) = (now.minus(KEEP), now.minus(KEEP_ACKED), now.minus(UNUSED));
        let streams = store::extents(&mut self.db().read().await?, old, ripe).await?;
        // One stream at a time: whoever tells agents something locks them in order, and waits for none for long.
        for stream in streams {
            let tail = kept_after(&stream);
            if stream.used_at < unused {
                let mut tx = self.db().begin().await?;
                store::drop_stream(&mut tx, &stream.agent_id, unused).await?;
                tx.commit().await?;
            } else if tail > stream.tail {
                let mut tx = self.db().begin().await?;
                store::trim(&mut tx, &stream.agent_id, &stream.epoch, tail).await?;
                tx.commit().await?;
            }
        }
        self.forget(now, old).await?;
        loop {
            let mut tx = self.db().begin().await?;
            let gone = store::webhooks::forget(&mut tx, now.minus(webhooks::KEPT)).await?;
            tx.commit().await?;
            if gone < store::webhooks::FORGOTTEN {
                return Ok(());
            }
        }
    }

    async fn forget(&self, now: Timestamp, old: Timestamp) -> db::Result<()> {
        let mut tx = self.db().begin().await?;
        store::drop_bodies(&mut tx, old).await?;
        store::forget_watchers(&mut tx).await?;
        store::forget_tickets(&mut tx, now).await?;
        tx.commit().await
    }
}

/// The last number that a stream need not keep.
fn kept_after(stream: &store::Extent) -> i64 {
    let many = stream.head.saturating_sub(KEEP_MOST);
    stream.old.max(many).max(stream.ripe.min(stream.acked))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_keeps_what_somebody_may_ask_for() {
        let stream = |acked, old, ripe| store::Extent {
            agent_id: String::new(),
            epoch: String::new(),
            head: 60_000,
            tail: 0,
            acked,
            used_at: Timestamp::EPOCH,
            old,
            ripe,
        };
        assert_eq!(kept_after(&stream(0, 0, 0)), 10_000, "too many");
        assert_eq!(kept_after(&stream(0, 20_000, 30_000)), 20_000, "too old");
        assert_eq!(kept_after(&stream(25_000, 20_000, 30_000)), 25_000, "acknowledged for long");
        assert_eq!(kept_after(&stream(60_000, 20_000, 30_000)), 30_000, "acknowledged just now");
    }
}
