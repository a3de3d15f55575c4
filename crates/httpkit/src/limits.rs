//! Rate limits by key, in memory: a leaky bucket each, 429 with `Retry-After` beyond.
//!
//! They protect one process. What must be exact and survive a restart (quotas) is counted in the database.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use governor::{
    Quota, RateLimiter, clock::Clock as _, clock::DefaultClock, state::keyed::DefaultKeyedStateStore,
};
use kernel::{Problem, ProblemKind};

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

#[cfg(test)]
mod tests {
    use super::*;

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
