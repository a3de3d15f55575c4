//! When to try again, and when to give up.
//!
//! The age at which a dispatch is given up counts from its due time, not from its creation: a letter that
//! slept for ten years gets the same week as one that slept for an hour. A few attempts are made however
//! old it is, since the outage may have been ours.

use std::time::Duration;

use kernel::Timestamp;

/// Exponential backoff with jitter.
#[derive(Debug, Clone, Copy)]
pub struct Retry {
    /// The delay after the first failed attempt; doubles with each further one.
    pub first: Duration,
    /// The longest delay.
    pub cap: Duration,
    /// How long after the due time to give up.
    pub max_age: Duration,
    /// So many attempts are made however late it is.
    pub min_attempts: i64,
}

impl Retry {
    /// For work inside the database, where only a bug or an outage fails.
    pub const INTERNAL: Self = Self {
        first: Duration::from_secs(1),
        cap: Duration::from_secs(3600),
        max_age: kernel::time::days(30),
        min_attempts: 20,
    };

    /// How long to wait after `attempt` attempts. `jitter` is 0..=255.
    pub(crate) fn delay(&self, attempt: i64, jitter: u8) -> Duration {
        let doublings = u32::try_from(attempt.saturating_sub(1).clamp(0, 30)).unwrap_or(0);
        let delay = self.first.saturating_mul(1 << doublings).min(self.cap);
        // ±10 %, so that what failed together does not come back together.
        delay.mul_f64(0.9 + 0.2 * f64::from(jitter) / 255.0)
    }

    /// When to try again after `attempt` attempts, or `None` to give up. `jitter` is 0..=255.
    #[must_use]
    pub fn next(&self, attempt: i64, due: Timestamp, now: Timestamp, jitter: u8) -> Option<Timestamp> {
        let next = now + self.delay(attempt, jitter);
        (attempt < self.min_attempts || next <= due + self.max_age).then_some(next)
    }
}

/// Random bits for [`Retry::next`]; without a random source there is no jitter.
pub(crate) fn jitter() -> u8 {
    kernel::id::random::<1>().map_or(128, |[b]| b)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAIL: Retry = Retry {
        first: Duration::from_secs(300),
        cap: Duration::from_secs(8 * 3600),
        max_age: kernel::time::days(7),
        min_attempts: 5,
    };

    #[test]
    fn doubles_up_to_the_cap_for_a_week_after_the_due_time() {
        let due: Timestamp = "2036-01-01T00:00:00Z".parse().unwrap();
        let (mut now, mut delays, mut attempt) = (due, Vec::new(), 1);
        while let Some(next) = MAIL.next(attempt, due, now, 128) {
            delays.push(next.since(now).as_secs() / 60);
            now = next;
            attempt += 1;
        }
        assert_eq!(delays[..8], [5, 10, 20, 40, 80, 160, 320, 480]);
        assert!(now.since(due) <= kernel::time::days(7) && now.since(due) > kernel::time::days(6));
    }

    #[test]
    fn a_late_start_still_gets_its_attempts() {
        let due: Timestamp = "2036-01-01T00:00:00Z".parse().unwrap();
        let late = due + kernel::time::days(60);
        assert!(MAIL.next(4, due, late, 0).is_some());
        assert!(MAIL.next(5, due, late, 0).is_none());
    }
}
