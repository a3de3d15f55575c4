//! How many mails an account may send in a day, and when there is room again.
//!
//! Counted are the mails of the last 24 hours, at any time: each under its account's lock in the transaction in which it
//! leaves, so that however many leave at once none is over the cap. A new account begins with few and may send twice as
//! many each day.

use std::time::Duration;

use db::{Conn, Result, Tx};
use kernel::{Timestamp, time::days};

use crate::{Gmail, SendConfig, store, store::CredentialRow};

const DAY: Duration = days(1);

/// How an account stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cap {
    /// The most mails in 24 hours, as of now.
    pub(crate) cap: i64,
    /// When that grows, if it does.
    pub(crate) grows_at: Option<Timestamp>,
}

/// The cap of an account: its own, or the settings', and no more than its age allows.
pub(crate) fn cap(config: &SendConfig, credential: &CredentialRow, now: Timestamp) -> Cap {
    let full = credential.daily_cap.unwrap_or(config.daily_cap).min(config.daily_cap);
    let age = u32::try_from(now.since(credential.created_at).as_secs() / DAY.as_secs()).unwrap_or(u32::MAX);
    let warm = config.warm_up.max(1).saturating_mul(1_i64.checked_shl(age.min(40)).unwrap_or(i64::MAX));
    if warm >= full {
        return Cap { cap: full, grows_at: None };
    }
    Cap { cap: warm, grows_at: Some(credential.created_at + DAY * age.saturating_add(1)) }
}

impl Gmail {
    /// How many mails an account sent in the last 24 hours, and its cap.
    pub(crate) async fn sends_today(&self, conn: &mut Conn, c: &CredentialRow) -> Result<(i64, Cap)> {
        let now = self.now();
        let sent = store::sends_since(conn, &c.key, now.minus(DAY)).await?;
        Ok((sent, cap(&self.0.config.send, c, now)))
    }

    /// When a locked account has room for this mail; `None`: now. Each waits for a place of its own, in the order in which
    /// they were asked for, so that not all look again whenever there is one. A mail that something else keeps for longer
    /// has no place.
    pub(super) async fn room_at(
        &self,
        tx: &mut Tx,
        c: &CredentialRow,
        outbox: &str,
    ) -> Result<Option<Timestamp>> {
        let now = self.now();
        let (sent, cap) = self.sends_today(tx, c).await?;
        if sent < cap.cap {
            return Ok(None);
        }
        let mut freed = now + DAY;
        // Who is not awake by the time that all others need could not take a place before that either.
        for _ in 0..2 {
            let before = store::waiting_before(tx, &c.key, outbox, (now, freed)).await?;
            let freeing = sent - cap.cap + before;
            let left = store::nth_send_since(tx, &c.key, now.minus(DAY), freeing).await?;
            freed = left.unwrap_or(now) + DAY;
        }
        Ok(Some(cap.grows_at.map_or(freed, |at| at.min(freed))))
    }
}
