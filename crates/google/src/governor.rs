//! [`Governor`]: what a mailbox may still be asked, so that Google need not say no; and its no, remembered.
//!
//! Promises: in no minute of the clock more units are used than the quota has; never more calls at once than it allows;
//! after Google named a time, nothing is called before it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use kernel::{Clock, Timestamp};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{Error, error::Effect};

const MINUTE: Duration = Duration::from_secs(60);

/// What a call costs, by Google's table of May 2026.
pub(crate) mod units {
    pub(crate) const PROFILE: u32 = 1;
    pub(crate) const SETTINGS: u32 = 1;
    pub(crate) const HISTORY: u32 = 2;
    pub(crate) const LIST: u32 = 5;
    pub(crate) const MODIFY: u32 = 5;
    pub(crate) const GET: u32 = 20;
    pub(crate) const THREAD: u32 = 40;
    pub(crate) const STOP: u32 = 50;
    pub(crate) const WATCH: u32 = 100;
    pub(crate) const SEND: u32 = 100;
    /// The dearest.
    pub(super) const MOST: u32 = 100;
}

/// The limits of each mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Units in a minute.
    pub units_per_minute: u32,
    /// Calls at a time.
    pub concurrency: usize,
    /// How long a call waits for its units, and for others to end; one that would wait longer for units is
    /// [`Error::Retry`] at once.
    pub patience: Duration,
}

/// Google's for projects since May 2026; the concurrency is what it is known to bear.
impl Default for Quota {
    fn default() -> Self {
        Self { units_per_minute: 6000, concurrency: 3, patience: Duration::from_secs(20) }
    }
}

/// One mailbox's.
#[derive(Debug)]
pub struct Governor {
    clock: Clock,
    patience: Duration,
    /// What one unit takes to come back.
    unit: Duration,
    /// What all units that may be used at once take to come back.
    burst: Duration,
    calls: Arc<Semaphore>,
    state: Mutex<State>,
    /// Two watches at a time are an error of Google's.
    pub(crate) watching: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    /// When all units will be back.
    full: Timestamp,
    /// For all calls.
    held: Option<Hold>,
    /// For sends alone: a mailbox's sending limit says nothing about reading.
    held_sends: Option<Hold>,
    /// Limits hit since the last success.
    strikes: u32,
}

#[derive(Debug, Clone)]
struct Hold {
    until: Timestamp,
    why: Error,
}

/// A call may be made while this is kept.
#[derive(Debug)]
pub(crate) struct Permit {
    _call: OwnedSemaphorePermit,
}

impl Governor {
    /// For one mailbox.
    #[must_use]
    pub fn new(quota: Quota, clock: Clock) -> Self {
        // A bucket of `b` that is filled with `r` a minute gives `b + r` in the worst minute: both together are the quota.
        let quota_units = quota.units_per_minute.max(2 * units::MOST);
        let burst_units = (quota_units / 6).max(units::MOST);
        let unit = MINUTE / (quota_units - burst_units);
        Self {
            clock,
            patience: quota.patience,
            unit,
            burst: unit * burst_units,
            calls: Arc::new(Semaphore::new(quota.concurrency.max(1))),
            state: Mutex::default(),
            watching: tokio::sync::Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until a call of so many units may be made.
    pub(crate) async fn acquire(&self, units: u32, effect: Effect) -> Result<Permit, Error> {
        let call = tokio::time::timeout(self.patience, Arc::clone(&self.calls).acquire_owned()).await;
        let call = call.map_err(|_| Error::Retry {
            reason: "the mailbox's other calls take too long".to_owned(),
            after: Some(self.patience),
            limited: true,
        })?;
        let call = call.map_err(|_| Error::retry("the program ends"))?;
        let at = self.reserve(units, effect)?;
        self.clock.sleep_until(at).await;
        // Another call may have been told to wait meanwhile.
        let now = self.clock.now();
        match self.state().hold(effect, now) {
            Some(hold) => Err(hold.again(now)),
            None => Ok(Permit { _call: call }),
        }
    }

    /// Waits until a call of so many units could be made at once; nothing is taken. For whoever must hold something
    /// else while calling, which is not to be held while waiting.
    pub(crate) async fn paced(&self, units: u32) -> Result<(), Error> {
        let now = self.clock.now();
        let at = {
            let state = self.state();
            if let Some(hold) = state.hold(Effect::Repeatable, now) {
                return Err(hold.again(now));
            }
            let full = state.full.clamp(now, now + self.burst + self.patience) + self.unit * units;
            full - self.burst
        };
        // Who would be refused is told so by the call.
        self.clock.sleep_until(at.min(now + self.patience)).await;
        Ok(())
    }

    /// Takes the units; when the call may be made.
    fn reserve(&self, units: u32, effect: Effect) -> Result<Timestamp, Error> {
        let now = self.clock.now();
        let mut state = self.state();
        if let Some(hold) = state.hold(effect, now) {
            return Err(hold.again(now));
        }
        // A clock that was set back must not hold the mailbox up.
        state.full = state.full.clamp(now, now + self.burst + self.patience);
        let full = state.full + self.unit * units;
        let at = full - self.burst;
        let wait = at.since(now);
        if wait > self.patience {
            let reason = "the mailbox's calls of this minute are used up".to_owned();
            return Err(Error::Retry { reason, after: Some(wait), limited: true });
        }
        state.full = full;
        Ok(at)
    }

    /// Notes what became of a call; the error that its caller is told.
    pub(crate) fn note<T>(&self, outcome: Result<T, Error>, effect: Effect) -> Result<T, Error> {
        let now = self.clock.now();
        let mut state = self.state();
        let error = match outcome {
            Ok(value) => {
                state.strikes = 0;
                return Ok(value);
            }
            Err(error) => error,
        };
        let (until, why) = match error {
            Error::Retry { reason, after, limited: true } => {
                state.strikes = state.strikes.saturating_add(1);
                let after = after.unwrap_or_else(|| Error::backoff(state.strikes));
                (now + after, Error::Retry { reason, after: Some(after), limited: true })
            }
            Error::DailyLimit { until, .. } => (until, error),
            other => return Err(other),
        };
        // The project's limit concerns all calls.
        let sends_only = effect == Effect::Send && !matches!(why, Error::DailyLimit { .. });
        let slot = if sends_only { &mut state.held_sends } else { &mut state.held };
        if slot.as_ref().is_none_or(|hold| hold.until < until) {
            *slot = Some(Hold { until, why: why.clone() });
        }
        Err(why)
    }

    /// Until when Google wants no call of this mailbox, if it does.
    #[must_use]
    pub fn held_until(&self) -> Option<Timestamp> {
        self.state().hold(Effect::Repeatable, self.clock.now()).map(|hold| hold.until)
    }

    /// Until when Google takes no mail from this mailbox, if it does.
    #[must_use]
    pub fn sends_held_until(&self) -> Option<Timestamp> {
        self.state().hold(Effect::Send, self.clock.now()).map(|hold| hold.until)
    }
}

impl State {
    /// What keeps such a call from being made, longest first.
    fn hold(&self, effect: Effect, now: Timestamp) -> Option<Hold> {
        let sends = self.held_sends.iter().filter(|_| effect == Effect::Send);
        self.held.iter().chain(sends).filter(|hold| now < hold.until).max_by_key(|hold| hold.until).cloned()
    }
}

impl Hold {
    /// The same once more, with what is left of the wait.
    fn again(self, now: Timestamp) -> Error {
        match self.why {
            Error::Retry { reason, limited, .. } => {
                Error::Retry { reason, after: Some(self.until.since(now)), limited }
            }
            why => why,
        }
    }
}

/// The governors of all mailboxes: everything in a process that calls for one mailbox shares its governor.
#[derive(Debug)]
pub struct Governors {
    quota: Quota,
    clock: Clock,
    /// One for each mailbox that was used, for as long as the process lives: what is remembered must not be lost.
    all: Mutex<HashMap<String, Arc<Governor>>>,
}

impl Governors {
    /// None yet.
    #[must_use]
    pub fn new(quota: Quota, clock: Clock) -> Self {
        Self { quota, clock, all: Mutex::default() }
    }

    /// That of the mailbox with this address.
    #[must_use]
    pub fn of(&self, address: &str) -> Arc<Governor> {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Arc::new(Governor::new(self.quota, self.clock.clone()));
        Arc::clone(all.entry(address.to_lowercase()).or_insert_with(new))
    }
}

#[cfg(test)]
mod tests;
