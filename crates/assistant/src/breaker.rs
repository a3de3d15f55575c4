//! A circuit breaker: after [`FAILURES`] failed calls in a row none is made for [`PAUSE`], then one to try.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use kernel::Timestamp;

/// So many failures in a row open it.
const FAILURES: u32 = 5;
/// So long it stays open.
const PAUSE: Duration = Duration::from_secs(60);

#[derive(Default)]
pub(crate) struct Breaker(Mutex<State>);

#[derive(Default)]
struct State {
    failures: u32,
    /// No call before this.
    until: Option<Timestamp>,
}

impl Breaker {
    /// Whether a call may be made. After the pause the first who asks may; the others wait for what comes of it.
    pub(crate) fn allows(&self, now: Timestamp) -> bool {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match state.until {
            None => true,
            // A clock that was set back must not keep it open for ever.
            Some(until) if now < until && until.since(now) <= PAUSE => false,
            Some(_) => {
                state.until = Some(now + PAUSE);
                true
            }
        }
    }

    pub(crate) fn succeeded(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = State::default();
    }

    /// True if this failure opened it.
    pub(crate) fn failed(&self, now: Timestamp) -> bool {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.failures = state.failures.saturating_add(1);
        if state.failures < FAILURES {
            return false;
        }
        let opens = state.until.is_none();
        state.until = Some(now + PAUSE);
        opens
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_pauses_tries_once_and_closes() {
        let breaker = Breaker::default();
        let start = Timestamp::from_seconds(1_000_000);
        for n in 1..=FAILURES {
            assert!(breaker.allows(start));
            assert_eq!(breaker.failed(start), n == FAILURES);
        }
        assert!(!breaker.allows(start + PAUSE - Duration::from_secs(1)));
        let later = start + PAUSE;
        assert!(breaker.allows(later), "one may try");
        assert!(!breaker.allows(later), "the others wait");
        assert!(!breaker.failed(later), "it is open already");
        assert!(!breaker.allows(later));
        assert!(breaker.allows(start - Duration::from_secs(3600)), "a clock was set back");
        breaker.succeeded();
        assert!(breaker.allows(later) && breaker.allows(later));
    }
}
