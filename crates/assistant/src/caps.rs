//! What a provider may be used for at most: reserved before a call, settled after it.
//!
//! Promises: exact under any number of parallel calls and processes, since the database counts and a
//! reservation is the most that the call can use. What a crash leaves unsettled stays counted until its span
//! is over: rather a call too few.

use std::time::Duration;

use db::Db;
use kernel::{Timestamp, time::days};

use crate::{
    config::Caps,
    provider::Tokens,
    store::{self, Amount, Counter},
};

/// The scope of what all use together.
const ALL: &str = "all";

/// Which cap stood in the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cap {
    Minute,
    Day,
    Month,
}

impl Cap {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Minute => "cap: requests per minute",
            Self::Day => "cap: tokens per day",
            Self::Month => "cap: tokens or spend per month",
        }
    }
}

/// What was reserved.
#[must_use]
pub(crate) struct Reservation {
    owner: String,
    /// The spans that it was counted into.
    started: Vec<(&'static str, bool, Timestamp)>,
    tokens: i64,
    cost: i64,
}

/// What so many tokens cost, in billionths.
pub(crate) fn cost(caps: &Caps, tokens: Tokens) -> i64 {
    let part = |count: i64, price: i64| count.saturating_mul(price);
    part(tokens.input, caps.price_input).saturating_add(part(tokens.output, caps.price_output))
}

/// Counts a call of at most so many tokens, or says which cap it would pass.
pub(crate) async fn reserve(
    db: &Db,
    caps: &Caps,
    owner: &str,
    most: Tokens,
    now: Timestamp,
) -> db::Result<Result<Reservation, Cap>> {
    let (tokens, cost) = (most.input + most.output, cost(caps, most));
    let limit = |cap: i64| if cap == 0 { i64::MAX } else { cap };
    let free = Amount { requests: i64::MAX, tokens: i64::MAX, cost: i64::MAX };
    let spans = [
        (Cap::Minute, "minute", false, Amount { requests: limit(caps.requests_per_minute), ..free }),
        (Cap::Day, "day", false, Amount { tokens: limit(caps.tokens_per_day), ..free }),
        (
            Cap::Month,
            "month",
            true,
            Amount { tokens: limit(caps.tokens_per_month), cost: limit(caps.spend_per_month), ..free },
        ),
    ];
    let add = Amount { requests: 1, tokens, cost };
    let mut tx = db.begin().await?;
    let mut reservation = Reservation { owner: owner.to_owned(), started: Vec::new(), tokens, cost };
    for (cap, span, shared, most) in spans {
        let scope = if shared { ALL } else { owner };
        let counter = Counter { scope, span, started: beginning(span, now) };
        match store::add_usage(&mut tx, &counter, add, most).await? {
            Some(started) => reservation.started.push((span, shared, started)),
            // The transaction goes, and with it what was counted before.
            None => return Ok(Err(cap)),
        }
    }
    tx.commit().await?;
    Ok(Ok(reservation))
}

impl Reservation {
    /// Counts what was used instead of what was reserved.
    pub(crate) async fn settle(self, db: &Db, caps: &Caps, used: Tokens) -> db::Result<()> {
        let tokens = used.input + used.output - self.tokens;
        let cost = cost(caps, used) - self.cost;
        let mut tx = db.begin().await?;
        for (span, shared, started) in self.started {
            let scope = if shared { ALL } else { &self.owner };
            store::settle_usage(&mut tx, &Counter { scope, span, started }, tokens, cost).await?;
        }
        tx.commit().await
    }
}

fn beginning(span: &str, now: Timestamp) -> Timestamp {
    let floor = |d: Duration| {
        let seconds = i64::try_from(d.as_secs()).unwrap_or(1).max(1);
        Timestamp::from_seconds(now.seconds().div_euclid(seconds) * seconds)
    };
    match span {
        "minute" => floor(Duration::from_secs(60)),
        "day" => floor(days(1)),
        _ => now.month_start(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_begin_in_utc() {
        let now: Timestamp = "2028-02-29T23:59:59.5Z".parse().unwrap();
        for (span, start) in [
            ("minute", "2028-02-29T23:59:00Z"),
            ("day", "2028-02-29T00:00:00Z"),
            ("month", "2028-02-01T00:00:00Z"),
        ] {
            assert_eq!(beginning(span, now).to_string(), start);
        }
    }
}
