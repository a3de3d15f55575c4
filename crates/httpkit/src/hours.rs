//! Business hours, in a time zone of their own: when the desk's people answer, when an account's mails leave. Pure.
//!
//! Each weekday has any number of intervals; one whose end is not after its beginning ends on the next day. An interval
//! belongs to the day on which it begins, and a holiday has none. Where a clock change leaves a time out, it is moved by
//! the change; where a time comes twice, an interval begins at the first and ends at the second.

use std::time::Duration;

use jiff::{
    civil::{Date, DateTime, Time},
    tz::TimeZone,
};
use kernel::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::fields::{Fields, text};

/// The minutes of a day.
const DAY: u16 = 24 * 60;
/// So far ahead the next opening is looked for, and time is counted.
const HORIZON_DAYS: usize = 400;
/// So many intervals a day.
const MOST_INTERVALS: usize = 8;
/// So many holidays.
const MOST_HOLIDAYS: usize = 400;

/// From and until, as minutes of the day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "Texts", into = "Texts")]
struct Interval {
    /// 0 to 1439
    from: u16,
    /// 1 to 1440, or at most `from`: on the next day.
    until: u16,
}

/// `09:00` to `18:00`; `24:00` is the end of the day.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = OpenInterval)]
struct Texts {
    #[schema(example = "09:00")]
    from: String,
    #[schema(example = "18:00")]
    to: String,
}

impl Interval {
    /// From texts such as `09:00`.
    ///
    /// # Errors
    /// Which of the two is bad (`from` or `to`), and why.
    fn parse(from: &str, to: &str) -> Result<Self, (&'static str, &'static str)> {
        let problem = "must be a time such as 09:00";
        let from = minutes(from).filter(|m| *m < DAY).ok_or(("from", problem))?;
        let until = minutes(to).ok_or(("to", "must be a time such as 18:00, at most 24:00"))?;
        if from == until {
            return Err(("to", "must differ from the beginning; a whole day is 00:00 to 24:00"));
        }
        Ok(Self { from, until })
    }
}

impl TryFrom<Texts> for Interval {
    type Error = &'static str;

    fn try_from(t: Texts) -> Result<Self, &'static str> {
        Self::parse(&t.from, &t.to).map_err(|(_, problem)| problem)
    }
}

impl From<Interval> for Texts {
    fn from(i: Interval) -> Self {
        let text = |m: u16| format!("{:02}:{:02}", m / 60, m % 60);
        Self { from: text(i.from), to: text(i.until) }
    }
}

fn minutes(text: &str) -> Option<u16> {
    let (hours, minutes) = text.split_once(':')?;
    let two = |t: &str| (t.len() == 2).then(|| t.parse::<u16>().ok()).flatten();
    let (hours, minutes) = (two(hours)?, two(minutes)?);
    (minutes < 60 && hours * 60 + minutes <= DAY).then_some(hours * 60 + minutes)
}

/// When people answer, or mails leave.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
#[schema(as = BusinessHours)]
pub struct Hours {
    /// An IANA name such as `Asia/Shanghai`.
    pub zone: String,
    /// Monday's.
    #[schema(value_type = Vec<Texts>)]
    mon: Vec<Interval>,
    /// Tuesday's.
    #[schema(value_type = Vec<Texts>)]
    tue: Vec<Interval>,
    /// Wednesday's.
    #[schema(value_type = Vec<Texts>)]
    wed: Vec<Interval>,
    /// Thursday's.
    #[schema(value_type = Vec<Texts>)]
    thu: Vec<Interval>,
    /// Friday's.
    #[schema(value_type = Vec<Texts>)]
    fri: Vec<Interval>,
    /// Saturday's.
    #[schema(value_type = Vec<Texts>)]
    sat: Vec<Interval>,
    /// Sunday's.
    #[schema(value_type = Vec<Texts>)]
    sun: Vec<Interval>,
    /// Days without any: `2026-10-01`.
    holidays: Vec<String>,
}

/// The names of the weekdays in the document, Monday first.
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// Whether this is a time zone that we know.
fn is_zone(name: &str) -> bool {
    TimeZone::get(name).is_ok()
}

/// Whether this is a day such as `2026-10-01`.
fn is_date(text: &str) -> bool {
    text.len() == 10 && text.parse::<Date>().is_ok()
}

impl Hours {
    /// Reads them field by field; every bad one is named.
    #[must_use]
    pub fn read(f: &mut Fields) -> Self {
        let text::Line(zone) = f.required::<text::Line<64>>("zone");
        if !zone.is_empty() && !is_zone(&zone) {
            f.rule("zone", "must be a time zone such as Asia/Shanghai");
        }
        let mut hours = Self { zone, ..Self::default() };
        for (weekday, name) in DAYS.iter().enumerate() {
            let intervals = f.list(name, MOST_INTERVALS, |f| {
                let text::Line(from) = f.required::<text::Line<5>>("from");
                let text::Line(to) = f.required::<text::Line<5>>("to");
                match Interval::parse(&from, &to) {
                    Ok(interval) => Some(interval),
                    Err((field, problem)) => {
                        f.rule(field, problem);
                        None
                    }
                }
            });
            let mut intervals: Vec<Interval> = intervals.unwrap_or_default().into_iter().flatten().collect();
            intervals.sort();
            *hours.day_mut(weekday) = intervals;
        }
        let holidays: Vec<text::Line<10>> = f.optional("holidays").unwrap_or_default();
        if holidays.len() > MOST_HOLIDAYS {
            f.rule("holidays", format!("must have at most {MOST_HOLIDAYS} entries"));
        } else if let Some(n) = holidays.iter().position(|day| !is_date(&day.0)) {
            f.rule(&format!("holidays[{n}]"), "must be a day such as 2026-10-01");
        }
        hours.holidays = holidays.into_iter().map(|day| day.0).collect();
        hours
    }

    /// Whether no weekday has any.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        (0..7).all(|weekday| self.day(weekday).is_empty())
    }

    /// The weekday's intervals, Monday is 0.
    fn day_mut(&mut self, weekday: usize) -> &mut Vec<Interval> {
        match weekday {
            0 => &mut self.mon,
            1 => &mut self.tue,
            2 => &mut self.wed,
            3 => &mut self.thu,
            4 => &mut self.fri,
            5 => &mut self.sat,
            _ => &mut self.sun,
        }
    }

    fn day(&self, weekday: i8) -> &[Interval] {
        match weekday {
            0 => &self.mon,
            1 => &self.tue,
            2 => &self.wed,
            3 => &self.thu,
            4 => &self.fri,
            5 => &self.sat,
            _ => &self.sun,
        }
    }

    /// Whether they have `t`.
    #[must_use]
    pub fn is_open(&self, t: Timestamp) -> bool {
        self.windows(t).take_while(|(from, _)| *from <= t).any(|(_, until)| t < until)
    }

    /// When they begin next: `t` itself where they have it; `None` if not within the next 400 days.
    #[must_use]
    pub fn next_opening(&self, t: Timestamp) -> Option<Timestamp> {
        self.windows(t).find(|(_, until)| t < *until).map(|(from, _)| from.max(t))
    }

    /// When they end, if they have `t`.
    #[must_use]
    pub fn next_closing(&self, t: Timestamp) -> Option<Timestamp> {
        let mut closing = None;
        for (from, until) in self.windows(t).skip_while(|(_, until)| *until <= t) {
            match closing {
                None if from <= t => closing = Some(until),
                Some(before) if from <= before => closing = Some(until.max(before)),
                _ => break,
            }
            if closing.is_some_and(|c| c.since(t) > kernel::time::days(8)) {
                return None;
            }
        }
        closing
    }

    /// When so much of them has passed, counted from `t`; with no hours ahead, by the plain clock.
    #[must_use]
    pub fn after(&self, t: Timestamp, span: Duration) -> Timestamp {
        let (mut left, mut at) = (span, t);
        for (from, until) in self.windows(t).filter(|(_, until)| t < *until) {
            let from = from.max(at);
            let open = until.since(from);
            if open >= left {
                return from + left;
            }
            left = left.saturating_sub(open);
            at = at.max(until);
        }
        t + span
    }

    /// A time as it is written in their zone: `2026-11-23 09:00`.
    #[must_use]
    pub fn local(&self, t: Timestamp) -> Option<String> {
        let zoned = instant(t)?.to_zoned(TimeZone::get(&self.zone).ok()?);
        Some(zoned.strftime("%Y-%m-%d %H:%M").to_string())
    }

    /// The windows of the day before `t` and those that follow, in order of their beginnings.
    fn windows(&self, t: Timestamp) -> impl Iterator<Item = (Timestamp, Timestamp)> {
        let zone = TimeZone::get(&self.zone).ok();
        let start = zone.as_ref().zip(instant(t)).map(|(zone, t)| zone.to_datetime(t).date());
        let days = start.and_then(|d| d.yesterday().ok()).into_iter().flat_map(|first| {
            std::iter::successors(Some(first), |day| day.tomorrow().ok()).take(HORIZON_DAYS)
        });
        days.flat_map(move |day| {
            let holiday = self.holidays.iter().any(|h| h.parse::<Date>().is_ok_and(|h| h == day));
            let of_day = if holiday { &[][..] } else { self.day(day.weekday().to_monday_zero_offset()) };
            let zone = zone.clone();
            of_day.iter().filter_map(move |i| window(zone.as_ref()?, day, *i))
        })
    }
}

fn instant(t: Timestamp) -> Option<jiff::Timestamp> {
    jiff::Timestamp::from_microsecond(t.micros()).ok()
}

/// `None` for an interval that a clock change swallows.
fn window(zone: &TimeZone, day: Date, i: Interval) -> Option<(Timestamp, Timestamp)> {
    let next = if i.until <= i.from { day.tomorrow().ok()? } else { day };
    let from = zone.to_ambiguous_timestamp(at(day, i.from)?).compatible().ok()?;
    let until = zone.to_ambiguous_timestamp(at(next, i.until)?).later().ok()?;
    let from = Timestamp::from_micros(from.as_microsecond());
    let until = Timestamp::from_micros(until.as_microsecond());
    (from < until).then_some((from, until))
}

fn at(day: Date, minutes: u16) -> Option<DateTime> {
    if minutes == DAY {
        return Some(day.tomorrow().ok()?.to_datetime(Time::midnight()));
    }
    let (hour, minute) = (i8::try_from(minutes / 60).ok()?, i8::try_from(minutes % 60).ok()?);
    Some(day.to_datetime(Time::new(hour, minute, 0, 0).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn interval(from: &str, to: &str) -> Interval {
        Interval::parse(from, to).unwrap()
    }

    fn shanghai() -> Hours {
        let day = vec![interval("09:00", "12:00"), interval("13:30", "18:00")];
        Hours {
            zone: "Asia/Shanghai".to_owned(),
            mon: day.clone(),
            tue: day.clone(),
            wed: day.clone(),
            thu: day.clone(),
            fri: day,
            holidays: vec!["2026-10-01".to_owned(), "2026-10-02".to_owned()],
            ..Hours::default()
        }
    }

    #[test]
    fn several_intervals_a_day_and_holidays() {
        let h = shanghai();
        assert!(h.is_open(time("2026-09-30T09:00:00+08:00")));
        assert!(!h.is_open(time("2026-09-30T12:00:00+08:00")), "the end is not part of it");
        assert!(h.is_open(time("2026-09-30T13:30:00+08:00")));
        let evening = time("2026-09-30T18:00:00+08:00");
        assert!(!h.is_open(evening));
        // Thursday and Friday are holidays, then comes the week-end.
        assert_eq!(h.next_opening(evening), Some(time("2026-10-05T09:00:00+08:00")));
        assert_eq!(
            h.next_closing(time("2026-09-30T10:00:00+08:00")),
            Some(time("2026-09-30T12:00:00+08:00"))
        );
        assert_eq!(h.next_closing(evening), None);
        assert_eq!(h.local(time("2026-10-05T01:00:00Z")).as_deref(), Some("2026-10-05 09:00"));
    }

    #[test]
    fn time_is_counted_only_while_open() {
        let h = shanghai();
        let minutes = |n: u64| Duration::from_secs(n * 60);
        let t = time("2026-09-30T11:50:00+08:00");
        assert_eq!(h.after(t, minutes(10)), time("2026-09-30T12:00:00+08:00"));
        assert_eq!(h.after(t, minutes(15)), time("2026-09-30T13:35:00+08:00"));
        let late = time("2026-09-30T17:55:00+08:00");
        assert_eq!(h.after(late, minutes(10)), time("2026-10-05T09:05:00+08:00"));
        let never = Hours { zone: "UTC".to_owned(), ..Hours::default() };
        assert_eq!((never.after(t, minutes(5)), never.next_opening(t)), (t + minutes(5), None));
    }

    #[test]
    fn nights_cross_midnight() {
        let h = Hours {
            zone: "Europe/Berlin".to_owned(),
            fri: vec![interval("22:00", "06:00")],
            sat: vec![interval("05:00", "08:00")],
            ..Hours::default()
        };
        assert!(h.is_open(time("2026-06-06T00:30:00+02:00")));
        assert!(h.is_open(time("2026-06-06T07:59:00+02:00")));
        assert!(!h.is_open(time("2026-06-06T08:00:00+02:00")));
        let friday = time("2026-06-05T22:00:00+02:00");
        assert_eq!(h.next_closing(friday), Some(time("2026-06-06T08:00:00+02:00")), "they overlap");
        let hours = |n: u64| Duration::from_secs(n * 3600);
        assert_eq!(h.after(friday, hours(9)), time("2026-06-06T07:00:00+02:00"), "and count once");
        assert_eq!(h.after(friday, hours(11)), time("2026-06-12T23:00:00+02:00"));
    }

    #[test]
    fn clocks_change() {
        let h = Hours {
            zone: "Europe/Berlin".to_owned(),
            sun: vec![interval("01:00", "04:00")],
            ..Hours::default()
        };
        // In spring the hour from two to three is missing, in autumn it comes twice.
        for (from, until, span) in [
            ("2026-03-29T01:00:00+01:00", "2026-03-29T04:00:00+02:00", 2),
            ("2026-10-25T01:00:00+02:00", "2026-10-25T04:00:00+01:00", 4),
            ("2026-06-07T01:00:00+02:00", "2026-06-07T04:00:00+02:00", 3),
        ] {
            let (from, until) = (time(from), time(until));
            assert_eq!(h.next_closing(from), Some(until));
            assert_eq!(until.since(from), Duration::from_secs(span * 3600));
            assert!(!h.is_open(from - Duration::from_micros(1)) && !h.is_open(until));
        }
        let gap = Hours {
            zone: "Europe/Berlin".to_owned(),
            sun: vec![interval("02:15", "02:45")],
            ..Hours::default()
        };
        let t = time("2026-03-28T12:00:00+01:00");
        let opening = gap.next_opening(t).unwrap();
        assert!(gap.is_open(opening) && opening < time("2026-03-29T04:00:00+02:00"), "moved, not lost");
    }

    #[test]
    fn bad_times_are_named() {
        for (from, to, field) in [
            ("9:00", "18:00", "from"),
            ("24:00", "18:00", "from"),
            ("09:00", "24:01", "to"),
            ("09:00", "09:00", "to"),
        ] {
            assert_eq!(Interval::parse(from, to).unwrap_err().0, field, "{from}–{to}");
        }
        assert!(is_zone("Asia/Shanghai") && !is_zone("Asia/Atlantis") && !is_date("2026-02-30"));
    }
}
