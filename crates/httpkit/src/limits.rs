//! Rate limits by key, in memory: a leaky bucket each, 429 with `Retry-After` beyond.
//!
//! They protect one process. What must be exact and survive a restart (quotas) is counted in the database.

use std::{
    collections::HashMap,
    num::NonZeroU32,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use governor::{
    Quota, RateLimiter, clock::Clock as _, clock::DefaultClock, state::keyed::DefaultKeyedStateStore,
};
use kernel::{Clock, Problem, ProblemKind, Timestamp};

/// So many calls at once, then one each `every`.
#[derive(Clone)]
pub struct Limiter(Option<Arc<Keyed>>);

type Keyed = RateLimiter<String, DefaultKeyedStateStore<String>, DefaultClock>;

/// Keys are swept when there are more.
const MANY: usize = 100_000;

impl Limiter {
    /// `burst` calls at once and one more each `every`, per key. Without limit if not `enabled`.
    #[must_use]
    pub fn new(enabled: bool, burst: u32, every: Duration) -> Self {
        let quota = Quota::with_period(every).zip(NonZeroU32::new(burst)).map(|(q, b)| q.allow_burst(b));
        Self(quota.filter(|_| enabled).map(|q| Arc::new(RateLimiter::keyed(q))))
    }

    /// Counts a call.
    ///
    /// # Errors
    /// 429 with the time to wait.
    pub fn check(&self, key: &str) -> Result<(), Problem> {
        let Some(limiter) = &self.0 else { return Ok(()) };
        if limiter.len() > MANY {
            limiter.retain_recent();
        }
        limiter.check_key(&key.to_owned()).map_err(|not_until| {
            let wait = not_until.wait_time_from(DefaultClock::default().now());
            Problem::new(ProblemKind::TooMany(wait), "too many requests, slow down")
        })
    }
}

/// Failed attempts by key: so many at once, then one each `every`; a success clears the key. An attempt counts
/// from its beginning, so that parallel guesses are all counted.
#[derive(Clone)]
pub struct Attempts(Option<Arc<Counted>>);

struct Counted {
    burst: u32,
    every: Duration,
    clock: Clock,
    /// For each key, when all of its attempts are forgotten.
    until: Mutex<HashMap<String, Timestamp>>,
}

impl Attempts {
    /// `burst` attempts at once and one more each `every`, per key. Without limit if not `enabled`.
    #[must_use]
    pub fn new(enabled: bool, burst: u32, every: Duration, clock: Clock) -> Self {
        let counted = Counted { burst, every, clock, until: Mutex::default() };
        Self(enabled.then(|| Arc::new(counted)))
    }

    /// Counts an attempt.
    ///
    /// # Errors
    /// 429 with the time to wait.
    pub fn begin(&self, key: &str) -> Result<(), Problem> {
        let Some(c) = &self.0 else { return Ok(()) };
        let now = c.clock.now();
        let mut until = c.until.lock().unwrap_or_else(PoisonError::into_inner);
        if until.len() > MANY {
            until.retain(|_, t| *t > now);
        }
        let next = until.get(key).map_or(now, |t| (*t).max(now)) + c.every;
        let wait = next.since(now + c.every * c.burst);
        if !wait.is_zero() {
            return Err(Problem::new(ProblemKind::TooMany(wait), "too many failed attempts, wait a while"));
        }
        until.insert(key.to_owned(), next);
        Ok(())
    }

    /// The attempt succeeded: all is forgiven.
    pub fn succeeded(&self, key: &str) {
        if let Some(c) = &self.0 {
            c.until.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_count_and_a_success_clears_them() {
        let (clock, sim) = Clock::simulated(Timestamp::EPOCH);
        let attempts = Attempts::new(true, 3, Duration::from_secs(30), clock);
        for _ in 0..20 {
            attempts.begin("a").unwrap();
            attempts.succeeded("a");
        }
        for _ in 0..3 {
            attempts.begin("a").unwrap();
        }
        let refused = attempts.begin("a").unwrap_err();
        assert_eq!(refused.kind, ProblemKind::TooMany(Duration::from_secs(30)));
        attempts.begin("b").unwrap();
        sim.advance(Duration::from_secs(30));
        attempts.begin("a").unwrap();
        assert!(attempts.begin("a").is_err());
    }

    #[test]
    fn burst_then_429_per_key() {
        let limiter = Limiter::new(true, 3, Duration::from_secs(60));
        for _ in 0..3 {
            limiter.check("a").unwrap();
        }
        let ProblemKind::TooMany(wait) = limiter.check("a").unwrap_err().kind else { panic!() };
        assert!(wait > Duration::from_secs(50) && wait <= Duration::from_secs(60));
        limiter.check("b").unwrap();
        let off = Limiter::new(false, 1, Duration::from_secs(60));
        assert!((0..100).all(|_| off.check("a").is_ok()));
    }
}
