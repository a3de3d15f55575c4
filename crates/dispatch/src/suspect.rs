//! Suspects: dispatches whose attempts keep being lost with their workers.
//!
//! Each may be what takes its process down, or was only claimed beside what does. So from the third loss on it waits
//! like one whose attempts fail, and each attempt of it is put on record before it begins: it is given up as late as
//! any other, but only on attempts that are known to have begun, reckoned from when they began. What was merely
//! claimed, or was lost before a long outage, is tried again however late.

use kernel::Timestamp;

use crate::policy::Retry;

/// After so many losses a dispatch is a suspect.
const SUSPECT: usize = 3;

db::row! {
    /// An attempt that was lost.
    #[derive(Debug, Clone)]
    pub(crate) struct Loss {
        /// When it began, where that is on record; else when it was found lost.
        pub started_at: Timestamp,
        /// When it was found lost, where it is on record that it began.
        pub finished_at: Option<Timestamp>,
    }
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// No suspect.
    Clear,
    /// A suspect whose time has come.
    Try,
    Wait(Timestamp),
    GiveUp,
}

/// What becomes of a dispatch with these losses, in their order. `jitter` is 0..=255.
pub(crate) fn verdict(losses: &[Loss], due: Timestamp, now: Timestamp, retry: &Retry, jitter: u8) -> Verdict {
    let Some(last) = losses.last().filter(|_| losses.len() >= SUSPECT) else { return Verdict::Clear };
    // One of the first three, of which nothing is known, counts as an attempt.
    let begun = || losses.iter().filter(|loss| loss.finished_at.is_some());
    let late = begun().rfind(|loss| loss.started_at <= now).is_some_and(|loss| {
        let attempts = i64::try_from(begun().count() + 1).unwrap_or(i64::MAX);
        retry.next(attempts, due, loss.started_at, jitter).is_none()
    });
    if late {
        return Verdict::GiveUp;
    }
    let waits = i64::try_from(losses.len() - SUSPECT + 1).unwrap_or(i64::MAX);
    let delay = retry.delay(waits, jitter);
    let until = last.finished_at.unwrap_or(last.started_at) + delay;
    // What is further ahead was written by a clock that has been set back.
    if now < until && until <= now + 2 * delay { Verdict::Wait(until) } else { Verdict::Try }
}

/// How many of these attempts may never have begun: they count for the wait, but not towards the end.
pub(crate) fn merely_claimed(losses: &[Loss]) -> i64 {
    i64::try_from(losses.iter().filter(|loss| loss.finished_at.is_none()).count()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use kernel::time::days;
    use proptest::prelude::*;

    use super::*;

    const RETRY: Retry = Retry {
        first: Duration::from_secs(60),
        cap: Duration::from_secs(3600),
        max_age: Duration::from_secs(3 * 3600),
        min_attempts: 3,
    };

    fn at(minutes: i64) -> Timestamp {
        let due: Timestamp = "2036-01-01T00:00:00Z".parse().unwrap();
        Timestamp::from_micros(due.micros() + minutes * 60_000_000)
    }

    fn claimed(found: i64) -> Loss {
        Loss { started_at: at(found), finished_at: None }
    }

    fn begun(began: i64, found: i64) -> Loss {
        Loss { started_at: at(began), finished_at: Some(at(found)) }
    }

    fn ask(losses: &[Loss], now: i64) -> Verdict {
        // 128 is no jitter to the minute.
        match verdict(losses, at(0), at(now), &RETRY, 128) {
            Verdict::Wait(until) => {
                Verdict::Wait(at((until.micros() - at(0).micros() + 30_000_000) / 60_000_000))
            }
            other => other,
        }
    }

    #[test]
    fn three_losses_make_a_suspect() {
        let losses = [claimed(1), claimed(2), claimed(3)];
        assert_eq!(ask(&losses[..2], 2), Verdict::Clear);
        assert_eq!(ask(&losses, 3), Verdict::Wait(at(4)));
        assert_eq!(ask(&losses, 5), Verdict::Try);
    }

    #[test]
    fn the_wait_counts_from_the_fall() {
        let losses = [claimed(1), claimed(2), claimed(3), begun(5, 30)];
        assert_eq!(ask(&losses, 30), Verdict::Wait(at(32)));
    }

    #[test]
    fn an_outage_is_no_attempt() {
        let losses =
            [claimed(1), claimed(2), claimed(3), begun(5, 30_000), begun(10, 30_001), begun(20, 30_002)];
        assert_eq!(ask(&losses, 30_100), Verdict::Try);
        let mut again = losses.to_vec();
        again.push(begun(30_100, 30_101));
        assert_eq!(ask(&again, 30_102), Verdict::GiveUp);
        // What is known of an attempt is not forgotten because a later one was only claimed.
        again.push(claimed(30_103));
        assert_eq!(ask(&again, 30_104), Verdict::GiveUp);
    }

    #[test]
    fn a_clock_that_was_fast() {
        let ahead = 10 * 24 * 60;
        let losses = [claimed(1), claimed(2), begun(ahead, ahead), begun(ahead, ahead), begun(ahead, ahead)];
        assert_eq!(ask(&losses, 10), Verdict::Try);
        assert_eq!(ask(&losses, 1000), Verdict::Try);
        let mut again = losses.to_vec();
        again.push(begun(10, 11));
        assert_eq!(ask(&again, 11), Verdict::Wait(at(19)));
    }

    proptest! {
        /// It is given up only on attempts that are known to have begun, some of them late; and waits no longer than
        /// twice the policy's cap.
        #[test]
        fn given_up_on_what_began(
            losses in prop::collection::vec((0i64..2000, prop::option::of(0i64..2000)), 0..12),
            now in 0i64..4000,
            jitter: u8,
        ) {
            let losses: Vec<Loss> = losses.into_iter().map(|(t, lasted)| match lasted {
                Some(lasted) => begun(t, t + lasted),
                None => claimed(t),
            }).collect();
            let begun: Vec<_> = losses.iter().filter(|l| l.finished_at.is_some()).collect();
            match verdict(&losses, at(0), at(now), &RETRY, jitter) {
                Verdict::Clear => prop_assert!(losses.len() < SUSPECT),
                Verdict::Try => prop_assert!(losses.len() >= SUSPECT),
                Verdict::Wait(until) => {
                    let longest = 2 * RETRY.cap.mul_f64(1.1) + Duration::from_secs(1);
                    prop_assert!(until > at(now) && until <= at(now) + longest);
                }
                Verdict::GiveUp => {
                    let last = begun.iter().rfind(|l| l.started_at <= at(now)).map(|l| l.started_at);
                    let late = last.is_some_and(|t| t + RETRY.cap.mul_f64(1.1) > at(0) + RETRY.max_age);
                    prop_assert!(late && begun.len() + 1 >= 3 && losses.len() >= SUSPECT);
                }
            }
            let claimed: Vec<Loss> = losses.iter().map(claimed_as).collect();
            prop_assert_ne!(verdict(&claimed, at(0), at(now) + days(365), &RETRY, jitter), Verdict::GiveUp);
        }
    }

    fn claimed_as(loss: &Loss) -> Loss {
        Loss { finished_at: None, ..loss.clone() }
    }
}
