//! [`Clock`]: where the time comes from, and how to wait for it.
//!
//! Promises: [`Clock::sleep_until`] never returns before `now()` has reached its argument, however the
//! wall clock is set meanwhile; after a jump forward it returns within [`SLICE`]. [`Clock::sleep`] lasts as long as it was
//! asked to, however the wall clock is set. A simulated clock
//! ([`Sim`]) moves only when a test moves it, and wakes those who sleep.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};
use std::time::Duration;

use tokio::sync::watch;

use crate::Timestamp;

/// The longest uninterrupted sleep: after this the wall clock is read again, since it may have been set.
pub const SLICE: Duration = Duration::from_secs(1);

/// The source of time that is handed to everything that needs one.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The machine's wall clock plus an offset (see [`Clock::adjust`]).
    System(Arc<AtomicI64>),
    /// A clock that a test moves.
    Sim(Arc<Sim>),
}

impl Clock {
    /// The machine's wall clock.
    #[must_use]
    pub fn system() -> Self {
        Self::System(Arc::new(AtomicI64::new(0)))
    }

    /// A simulated clock that stands at `start`.
    #[must_use]
    pub fn simulated(start: Timestamp) -> (Self, Arc<Sim>) {
        let sim = Arc::new(Sim { now: watch::Sender::new(start) });
        (Self::Sim(Arc::clone(&sim)), sim)
    }

    /// The time now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        match self {
            Self::System(offset) => {
                #[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
                let now = std::time::SystemTime::now();
                let micros = match now.duration_since(std::time::UNIX_EPOCH) {
                    Ok(d) => i64::try_from(d.as_micros()).unwrap_or(i64::MAX),
                    Err(_) => 0,
                };
                Timestamp::from_micros(micros.saturating_add(offset.load(Ordering::Relaxed)))
            }
            Self::Sim(sim) => sim.now(),
        }
    }

    /// Shifts the machine's clock by `offset` microseconds, so that several machines that share one
    /// database share its time. Without effect on a simulated clock.
    pub fn adjust(&self, offset: i64) {
        if let Self::System(current) = self {
            current.store(offset, Ordering::Relaxed);
        }
    }

    /// Whether real time passes by itself on this clock.
    #[must_use]
    pub fn is_system(&self) -> bool {
        matches!(self, Self::System(_))
    }

    /// Waits until `now() >= t`.
    pub async fn sleep_until(&self, t: Timestamp) {
        match self {
            Self::System(_) => loop {
                let left = t.since(self.now());
                if left.is_zero() {
                    return;
                }
                #[expect(
                    clippy::disallowed_methods,
                    reason = "the one place that sleeps; rereads the clock after"
                )]
                tokio::time::sleep(left.min(SLICE)).await;
            },
            Self::Sim(sim) => {
                let mut now = sim.now.subscribe();
                // The sender lives as long as `sim`, which we hold.
                let _ = now.wait_for(|now| *now >= t).await;
            }
        }
    }

    /// Waits for `d`, as long as it takes: a wall clock that is set meanwhile changes nothing. For whatever is done every
    /// so often, or must not last longer; what is due at a time waits with [`Clock::sleep_until`].
    pub async fn sleep(&self, d: Duration) {
        match self {
            #[expect(
                clippy::disallowed_methods,
                reason = "the one place that sleeps, by the monotonic clock"
            )]
            Self::System(_) => tokio::time::sleep(d).await,
            Self::Sim(_) => self.sleep_until(self.now() + d).await,
        }
    }
}

/// The state of a simulated clock.
#[derive(Debug)]
pub struct Sim {
    now: watch::Sender<Timestamp>,
}

impl Sim {
    /// The time it shows.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        *self.now.borrow()
    }

    /// Sets it, forwards or backwards.
    pub fn set(&self, t: Timestamp) {
        self.now.send_replace(t);
    }

    /// Moves it forwards.
    pub fn advance(&self, d: Duration) {
        self.now.send_modify(|now| *now = *now + d);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn ten_years_pass_in_no_time() {
        let start: Timestamp = "2026-11-21T00:00:00Z".parse().unwrap();
        let due: Timestamp = "2036-11-21T00:00:00Z".parse().unwrap();
        let (clock, sim) = Clock::simulated(start);
        let sleeper = tokio::spawn({
            let clock = clock.clone();
            async move {
                clock.sleep_until(due).await;
                clock.now()
            }
        });
        sim.set(due - Duration::from_micros(1));
        tokio::task::yield_now().await;
        assert!(!sleeper.is_finished());
        sim.set("2020-01-01T00:00:00Z".parse().unwrap());
        sim.set(due);
        assert_eq!(sleeper.await.unwrap(), due);
    }

    #[tokio::test]
    async fn a_clock_that_is_set_back_keeps_nobody_who_waits_for_a_while() {
        let clock = Clock::system();
        let waiting = tokio::spawn({
            let clock = clock.clone();
            async move { clock.sleep(Duration::from_millis(30)).await }
        });
        tokio::task::yield_now().await;
        clock.adjust(-3_600_000_000);
        tokio::time::timeout(Duration::from_secs(10), waiting).await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn the_system_clock_is_never_early() {
        let clock = Clock::system();
        let due = clock.now() + Duration::from_millis(15);
        clock.sleep_until(due).await;
        assert!(clock.now() >= due);
    }
}
