//! When what nobody looked at leaves: within the hours that its account's owner set, or at any time.

use std::time::Duration;

use httpkit::hours::Hours;
use kernel::{Problem, Timestamp, time::days};

use crate::store::CredentialRow;

/// What comes together at the beginning of the hours is spread over so much of them.
const SPREAD: Duration = Duration::from_secs(1800);

/// The hours in which an account's automatic mails leave; `None`: always.
pub(crate) fn hours_of(credential: &CredentialRow) -> Option<Hours> {
    let read = |json: &String| match serde_json::from_str(json) {
        Ok(hours) => Some(hours),
        Err(error) => {
            tracing::error!(credential = credential.key, %error, "sending hours cannot be read");
            None
        }
    };
    credential.sending_hours.as_ref().and_then(read)
}

/// Those as an account's row keeps them.
pub(crate) fn written(hours: &Hours) -> Result<String, Problem> {
    serde_json::to_string(hours).map_err(|error| {
        tracing::error!(%error, "sending hours cannot be written");
        Problem::internal()
    })
}

/// When a conversation's mail leaves that could at `t`. What waits for the hours to begin does not leave all at once; hours
/// that holidays swallow are looked at again a day later.
pub(crate) fn leaves_at(hours: Option<&Hours>, conversation: i64, t: Timestamp) -> Timestamp {
    let Some(hours) = hours else { return t };
    let begins = hours.next_opening(t).unwrap_or_else(|| t.plus(days(1)));
    // Numbers in a row are far from each other.
    let share = u64::try_from(conversation).unwrap_or(0).wrapping_mul(613) % SPREAD.as_secs();
    let later = begins.plus(Duration::from_secs(share));
    if begins > t && hours.is_open(later) { later } else { begins }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn in_the_hours_at_once_and_else_spread_over_their_beginning() {
        let day = serde_json::json!([{"from": "09:00", "to": "18:00"}]);
        let short = serde_json::json!([{"from": "09:00", "to": "09:10"}]);
        let hours: Hours = serde_json::from_value(
            serde_json::json!({"zone": "Asia/Shanghai", "mon": day, "fri": day, "sat": short}),
        )
        .unwrap();
        let hours = Some(&hours);
        let friday = at("2026-11-20T17:59:59+08:00");
        assert_eq!(leaves_at(hours, 1, friday), friday);
        assert_eq!(leaves_at(None, 1, at("2026-11-21T03:00:00Z")), at("2026-11-21T03:00:00Z"));
        // Saturday's ten minutes have no room for everybody's share.
        let evening = at("2026-11-20T18:00:00+08:00");
        let saturday = at("2026-11-21T09:00:00+08:00");
        let all: Vec<Timestamp> = (1..=60).map(|id| leaves_at(hours, id, evening)).collect();
        assert!(all.iter().all(|t| *t >= saturday && *t < saturday.plus(Duration::from_secs(600))));
        let monday = at("2026-11-23T09:00:00+08:00");
        let mut all: Vec<Timestamp> =
            (1..=60).map(|id| leaves_at(hours, id, at("2026-11-22T09:00:00+08:00"))).collect();
        assert!(all.iter().all(|t| *t >= monday && *t < monday.plus(SPREAD)));
        all.sort_unstable();
        let most =
            all.iter().map(|t| all.iter().filter(|u| u.seconds() / 60 == t.seconds() / 60).count()).max();
        assert!(most <= Some(4), "{most:?} of 60 in one minute");
    }

    #[test]
    fn hours_that_never_come_are_asked_for_daily() {
        let never: Hours = serde_json::from_value(serde_json::json!({"zone": "UTC"})).unwrap();
        let t = at("2026-11-21T03:00:00Z");
        assert_eq!(leaves_at(Some(&never), 1, t), t.plus(days(1)));
    }
}
