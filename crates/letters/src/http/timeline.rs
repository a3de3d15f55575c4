//! `GET /timeline`

use accounts::Caller;
use axum::extract::State;
use httpkit::{Fields, OkEnvelope, Query, Refusals, Reply, ok, text};
use kernel::{Timestamp, time::days};

use crate::{
    Letters,
    timeline::{Cursor, Question, Timeline, TimelineType},
};

/// Get the caller's timeline
///
/// Days are UTC, the latest first. `SENT`: when a letter was scheduled; `RECEIVED`: when one was delivered to the
/// caller. A letter to oneself has both. At most 1000 events an answer; `nextCursor` leads to the next.
#[utoipa::path(get, path = "/timeline", tag = "personal space",
    params(
        ("startDate" = Option<String>, Query, description = "A day or an RFC 3339 time, included",
            example = "2025-10-01"),
        ("endDate" = Option<String>, Query, description = "A day or an RFC 3339 time, included",
            example = "2025-10-31"),
        ("type" = inline(Option<TimelineType>), Query, description = "Default ALL"),
        ("cursor" = Option<String>, Query, description = "The `nextCursor` of the answer before")),
    responses((status = 200, body = OkEnvelope<Timeline>), Refusals))]
pub(super) async fn timeline(
    State(letters): State<Letters>,
    caller: Caller,
    Query(mut f): Query,
) -> Reply<Timeline> {
    let start = moment(&mut f, "startDate");
    let end = moment(&mut f, "endDate");
    let question = Question {
        kind: f.optional("type").unwrap_or(TimelineType::All),
        from: start.map_or(Timestamp::from_micros(i64::MIN), |(first, _)| first),
        until: end.map_or(Timestamp::from_micros(i64::MAX), |(_, next)| next),
        after: cursor(&mut f),
    };
    if question.from >= question.until {
        f.rule("endDate", "must not be before startDate");
    }
    f.finish()?;
    ok(letters.timeline(&caller, &question).await?)
}

/// A day or an instant: when it begins, and when the next does.
fn moment(f: &mut Fields, name: &str) -> Option<(Timestamp, Timestamp)> {
    let text = f.optional::<text::Opaque<64>>(name)?.0;
    if let Ok(day) = Timestamp::of_date(&text) {
        return Some((day, day + days(1)));
    }
    if let Ok(instant) = text.parse::<Timestamp>() {
        return Some((instant, Timestamp::from_micros(instant.micros() + 1)));
    }
    f.bad(name, "must be a day such as 2036-11-21 or an RFC 3339 time with its offset");
    None
}

fn cursor(f: &mut Fields) -> Option<Cursor> {
    let text = f.optional::<text::Opaque<128>>("cursor")?.0;
    text.parse().map_err(|reason: &str| f.bad("cursor", reason)).ok()
}
