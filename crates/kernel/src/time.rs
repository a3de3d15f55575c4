//! [`Timestamp`]: an instant in UTC with microsecond resolution, and its RFC 3339 text.
//!
//! Promise: reading a text never yields an instant before the one written. Digits finer than a
//! microsecond round up, because "never early" is the first thing that Hongyan promises.

use std::{fmt, ops, str::FromStr, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

const MICROS_PER_SECOND: i64 = 1_000_000;

/// Microseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

impl Timestamp {
    /// 1970-01-01T00:00:00Z
    pub const EPOCH: Self = Self(0);
    /// The latest instant that RFC 3339 can write, 9999-12-30T22:00:00Z (the last that fits any offset).
    pub const MAX: Self = Self(253_402_207_200_999_999);

    /// From microseconds since the epoch.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since the epoch.
    #[must_use]
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Whole seconds since the epoch, rounded down.
    #[must_use]
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(MICROS_PER_SECOND)
    }

    /// From whole seconds since the epoch; saturates.
    #[must_use]
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(MICROS_PER_SECOND))
    }

    /// The time from `earlier` to `self`, zero if `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        u64::try_from(self.0.saturating_sub(earlier.0)).map_or(Duration::ZERO, Duration::from_micros)
    }

    /// `self + d`, or [`Timestamp::MAX`] where that cannot be written.
    #[must_use]
    pub fn plus(self, d: Duration) -> Self {
        let micros = i64::try_from(d.as_micros()).unwrap_or(i64::MAX);
        Self(self.0.saturating_add(micros)).min(Self::MAX)
    }

    /// `self - d`; saturates.
    #[must_use]
    pub fn minus(self, d: Duration) -> Self {
        let micros = i64::try_from(d.as_micros()).unwrap_or(i64::MAX);
        Self(self.0.saturating_sub(micros))
    }

    /// Midnight UTC of the first day of this instant's calendar month.
    #[must_use]
    pub fn month_start(self) -> Self {
        let date = self.civil().date().first_of_month();
        date.to_zoned(jiff::tz::TimeZone::UTC).map_or(self, |z| Self(z.timestamp().as_microsecond()))
    }

    /// The calendar month in UTC, `2026-11`.
    #[must_use]
    pub fn month(self) -> String {
        let d = self.civil();
        format!("{:04}-{:02}", d.year(), d.month())
    }

    /// The calendar year in UTC.
    #[must_use]
    pub fn year(self) -> i16 {
        self.civil().year()
    }

    /// The calendar day in UTC, `2026-11-21`.
    #[must_use]
    pub fn date(self) -> String {
        let d = self.civil();
        format!("{:04}-{:02}-{:02}", d.year(), d.month(), d.day())
    }

    /// The time of day in UTC to the second, rounded down: `08:00:00`.
    #[must_use]
    pub fn time_of_day(self) -> String {
        let t = self.civil();
        format!("{:02}:{:02}:{:02}", t.hour(), t.minute(), t.second())
    }

    /// The first instant in UTC of a day written `2026-11-21`; [`Timestamp::MAX`] where it is later.
    ///
    /// # Errors
    /// The text is no day of the calendar in this form.
    pub fn of_date(text: &str) -> Result<Self, InvalidDate> {
        if text.len() != 10 {
            return Err(InvalidDate);
        }
        let date: jiff::civil::Date = text.parse().map_err(|_| InvalidDate)?;
        // jiff's instants end before the last day does.
        let start = date.to_zoned(jiff::tz::TimeZone::UTC);
        Ok(start.map_or(Self::MAX, |z| Self(z.timestamp().as_microsecond())))
    }

    /// RFC 5322 `date-time`, in UTC: `Sat, 21 Nov 2026 02:20:27 +0000`.
    #[must_use]
    pub fn rfc2822(self) -> String {
        jiff::fmt::rfc2822::to_string(&self.jiff().to_zoned(jiff::tz::TimeZone::UTC)).unwrap_or_default()
    }

    fn civil(self) -> jiff::civil::DateTime {
        jiff::tz::Offset::UTC.to_datetime(self.jiff())
    }

    fn jiff(self) -> jiff::Timestamp {
        jiff::Timestamp::from_microsecond(self.0).unwrap_or(if self.0 < 0 {
            jiff::Timestamp::MIN
        } else {
            jiff::Timestamp::MAX
        })
    }
}

impl ops::Add<Duration> for Timestamp {
    type Output = Self;
    fn add(self, d: Duration) -> Self {
        self.plus(d)
    }
}

impl ops::Sub<Duration> for Timestamp {
    type Output = Self;
    fn sub(self, d: Duration) -> Self {
        self.minus(d)
    }
}

/// RFC 3339 in UTC with as many fraction digits as needed: `2026-11-21T02:20:27Z`.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.jiff())
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// A text that is not an RFC 3339 instant with an offset.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be an RFC 3339 time with its offset, such as 2036-11-21T08:00:00Z")]
pub struct InvalidTime;

/// A text that is not a day of the calendar.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be a day such as 2036-11-21")]
pub struct InvalidDate;

impl FromStr for Timestamp {
    type Err = InvalidTime;

    fn from_str(text: &str) -> Result<Self, InvalidTime> {
        // jiff also takes ISO 8601 basic format and bracketed zones; the wire format is RFC 3339.
        let bytes = text.as_bytes();
        let dashed = bytes.len() >= 20 && bytes.len() <= 64 && bytes.get(4) == Some(&b'-');
        if !dashed || text.contains('[') {
            return Err(InvalidTime);
        }
        let t: jiff::Timestamp = text.parse().map_err(|_| InvalidTime)?;
        let nanos = t.as_nanosecond();
        let micros = nanos.div_euclid(1000) + i128::from(nanos.rem_euclid(1000) != 0);
        let micros = i64::try_from(micros).map_err(|_| InvalidTime)?;
        // From the year 1: RFC 3339 has no sign.
        let written = -62_135_596_800 * MICROS_PER_SECOND..=Self::MAX.0;
        written.contains(&micros).then_some(Self(micros)).ok_or(InvalidTime)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        <std::borrow::Cow<'de, str>>::deserialize(d)?.parse().map_err(D::Error::custom)
    }
}

/// Days, for settings and tests that read better so.
#[must_use]
pub const fn days(n: u64) -> Duration {
    Duration::from_secs(n * 86_400)
}

/// Reads a duration as settings write it: `250ms`, `90s`, `10m`, `1h`, `7d`, or `0`.
///
/// # Errors
/// Says what is expected.
pub fn parse_duration(text: &str) -> Result<Duration, &'static str> {
    const EXPECTED: &str = "must be a duration such as 250ms, 90s, 10m, 1h or 7d";
    let text = text.trim();
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let split = text.find(|c: char| !c.is_ascii_digit()).ok_or(EXPECTED)?;
    let (number, unit) = text.split_at_checked(split).ok_or(EXPECTED)?;
    let n: u64 = number.parse().map_err(|_| EXPECTED)?;
    let millis = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(EXPECTED),
    };
    n.checked_mul(millis)
        .filter(|ms| *ms <= 100 * 366 * 86_400_000)
        .map(Duration::from_millis)
        .ok_or(EXPECTED)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect(text)
    }

    #[test]
    fn any_offset_is_one_instant() {
        assert_eq!(at("2026-10-16T16:03:58.479+08:00").to_string(), "2026-10-16T08:03:58.479Z");
        assert_eq!(at("2024-02-29T00:00:00-00:30").to_string(), "2024-02-29T00:30:00Z");
    }

    #[test]
    fn finer_than_a_microsecond_rounds_up() {
        assert_eq!(at("2030-01-01T00:00:00.0000001Z").to_string(), "2030-01-01T00:00:00.000001Z");
        assert_eq!(at("2030-01-01T00:00:00.999999999Z").to_string(), "2030-01-01T00:00:01Z");
    }

    #[test]
    fn what_is_not_rfc_3339_is_refused() {
        for bad in [
            "",
            "now",
            "2026-10-16",
            "2026-10-16T08:03:58",
            "20261016T080358Z",
            "2026-02-30T00:00:00Z",
            "2026-10-16T08:03:58Z[UTC]",
            "2026-10-16T25:00:00Z",
            "99999-01-01T00:00:00Z",
            "9999-12-31T23:59:59Z",
        ] {
            assert!(bad.parse::<Timestamp>().is_err(), "{bad} was taken");
        }
    }

    #[test]
    fn months_are_utc_months() {
        assert_eq!(at("2026-11-01T07:59:59+08:00").month(), "2026-10");
        assert_eq!(at("2024-02-29T23:59:59Z").month_start(), at("2024-02-01T00:00:00Z"));
    }

    #[test]
    fn days_of_the_calendar() {
        let leap = Timestamp::of_date("2024-02-29").unwrap();
        assert_eq!(leap, at("2024-02-29T00:00:00Z"));
        assert_eq!((leap - Duration::from_micros(1)).date(), "2024-02-28");
        assert_eq!(at("2027-01-01T07:59:59.999999+08:00").date(), "2026-12-31");
        assert_eq!(at("2027-01-01T07:59:59.999999+08:00").time_of_day(), "23:59:59");
        assert_eq!(Timestamp::of_date("9999-12-31"), Ok(Timestamp::MAX));
        for bad in
            ["", "2023-02-29", "2024-13-01", "2024-2-9", "20240229", "2024-02-29Z", "+24-02-029", "二〇二四"]
        {
            assert!(Timestamp::of_date(bad).is_err(), "{bad} was taken");
        }
    }

    #[test]
    fn durations() {
        assert_eq!(parse_duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(parse_duration("7d"), Ok(days(7)));
        for bad in ["", "10", "h", "-1s", "1.5h", "1 year", "99999999999999d", "1µ"] {
            assert!(parse_duration(bad).is_err(), "{bad} was taken");
        }
    }

    #[test]
    fn rfc_2822() {
        assert_eq!(at("2026-11-21T02:20:27Z").rfc2822(), "Sat, 21 Nov 2026 02:20:27 +0000");
    }
}
