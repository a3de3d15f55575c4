//! [`Pace`]: how fast a client may talk.

use std::time::Duration;

use kernel::{Problem, ProblemKind, Timestamp};

/// So many frames at once…
const BURST: f64 = 50.0;
/// …and so many a second.
const RATE: f64 = 20.0;
/// Whoever goes on after so many refusals is closed.
const PATIENCE: u32 = 100;

/// A bucket of frames.
#[derive(Debug)]
pub(super) struct Pace {
    left: f64,
    at: Timestamp,
    refused: u32,
}

impl Pace {
    pub(super) fn new(now: Timestamp) -> Self {
        Self { left: BURST, at: now, refused: 0 }
    }

    /// Counts a frame.
    pub(super) fn step(&mut self, now: Timestamp) -> Result<(), Problem> {
        let passed = now.since(self.at);
        self.at = self.at.max(now);
        self.left = (self.left + passed.as_secs_f64() * RATE).min(BURST);
        if self.left >= 1.0 {
            self.left -= 1.0;
            self.refused = self.refused.saturating_sub(1);
            return Ok(());
        }
        self.refused = self.refused.saturating_add(1);
        Err(Problem::new(ProblemKind::TooMany(Duration::from_secs(1)), "too many frames, slow down"))
    }

    /// A frame that means nothing counts against its sender, too.
    pub(super) fn stumble(&mut self) {
        self.refused = self.refused.saturating_add(2);
    }

    /// Whether it is enough.
    pub(super) fn is_over(&self) -> bool {
        self.refused > PATIENCE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_hurries_is_slowed_and_in_the_end_stopped() {
        let start = Timestamp::from_seconds(1_800_000_000);
        let mut pace = Pace::new(start);
        let at_once = (0..200).take_while(|_| pace.step(start).is_ok()).count();
        assert_eq!(at_once, 50);
        let later = start + Duration::from_secs(1);
        assert_eq!((0..200).take_while(|_| pace.step(later).is_ok()).count(), 20);
        assert!(!pace.is_over());
        assert_eq!((0..200).filter(|_| pace.step(later).is_ok()).count(), 0);
        assert!(pace.is_over());
    }
}
