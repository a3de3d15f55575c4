//! Days of the calendar, as plain numbers: what lies between two times, and which times a text names.

/// A day of the proleptic Gregorian calendar, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Day {
    pub year: i64,
    /// 1…12
    pub month: i64,
    /// 1…31
    pub day: i64,
}

/// Seconds of a day.
pub(super) const DAY: i64 = 86_400;

impl Day {
    /// The day of a time in seconds since 1970.
    pub fn of(epoch: i64) -> Self {
        // Howard Hinnant's civil_from_days, for any year.
        let z = epoch.div_euclid(DAY) + 719_468;
        let era = z.div_euclid(146_097);
        let doe = z.rem_euclid(146_097);
        let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
        let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
        let mp = (5 * doy + 2) / 153;
        let month = if mp < 10 { mp + 3 } else { mp - 9 };
        let year = yoe + era * 400 + i64::from(month <= 2);
        Self { year, month, day: doy - (153 * mp + 2) / 5 + 1 }
    }

    /// Days since 1970 of the first moment of this day.
    pub fn number(self) -> i64 {
        let year = self.year - i64::from(self.month <= 2);
        let era = year.div_euclid(400);
        let yoe = year.rem_euclid(400);
        let mp = (self.month + 9) % 12;
        let doy = (153 * mp + 2) / 5 + self.day - 1;
        era * 146_097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719_468
    }

    /// 0 Monday … 6 Sunday.
    pub fn weekday(self) -> i64 {
        (self.number() + 3).rem_euclid(7)
    }

    /// `2036-05-17`
    pub fn iso(self) -> String {
        format!("{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

/// A number in digits or in Chinese characters up to 99: 10, 十, 二十五.
pub(super) fn number(text: &str) -> Option<i64> {
    if let Ok(number) = text.parse() {
        return Some(number);
    }
    let digit = |c: char| "零一二三四五六七八九".chars().position(|d| d == c).or((c == '两').then_some(2));
    let value = |text: &str| -> Option<i64> {
        let mut chars = text.chars();
        let one = digit(chars.next()?)?;
        if chars.next().is_some() { None } else { i64::try_from(one).ok() }
    };
    match text.split_once('十') {
        None => value(text),
        Some((tens, ones)) => {
            let tens = if tens.is_empty() { 1 } else { value(tens)? };
            let ones = if ones.is_empty() { 0 } else { value(ones)? };
            Some(tens * 10 + ones)
        }
    }
}

/// Number words of English, up to what letters speak of.
pub(super) fn english_number(word: &str) -> Option<i64> {
    const WORDS: [&str; 13] = [
        "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven",
        "twelve",
    ];
    let word = word.to_lowercase();
    let word = if word == "a" || word == "an" { "one" } else { word.as_str() };
    match word {
        "fifteen" => Some(15),
        "twenty" => Some(20),
        "thirty" => Some(30),
        "fifty" => Some(50),
        word => word.parse().ok().or_else(|| i64::try_from(WORDS.iter().position(|w| *w == word)?).ok()),
    }
}

/// The last day by which a text wants something done, if it names one: a year, a month of a year, a span from now
/// ("三年内", "in two years", "next year", 明年).
pub(super) fn named_day(text: &str, now: Day) -> Option<Day> {
    span(text, now).or_else(|| year(text, now))
}

/// A span from now on.
fn span(text: &str, now: Day) -> Option<Day> {
    let lower = text.to_lowercase();
    for (word, years) in [("明年", 1), ("后年", 2), ("今年", 0), ("next year", 1), ("this year", 0)] {
        if lower.contains(word) {
            return Some(Day { year: now.year + years, month: 12, day: 31 });
        }
    }
    let chinese = [
        ("年内", 365),
        ("年后", 365),
        ("年之内", 365),
        ("年以内", 365),
        ("个月内", 30),
        ("个月后", 30),
        ("周内", 7),
    ];
    for (unit, days) in chinese {
        if let Some((before, _)) = text.split_once(unit) {
            let digits: String = before
                .chars()
                .rev()
                .take_while(|c| "零一二三四五六七八九十两0123456789".contains(*c))
                .collect();
            let digits: String = digits.chars().rev().collect();
            if let Some(count) = number(&digits).filter(|count| *count < 200) {
                return Some(later(now, count * days));
            }
        }
    }
    let words: Vec<&str> = lower.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()).collect();
    words.windows(3).find_map(|three| {
        let [lead, count, unit] = three else { return None };
        let days = match *unit {
            "year" | "years" => 365,
            "month" | "months" => 30,
            "week" | "weeks" => 7,
            _ => return None,
        };
        let leads = matches!(*lead, "in" | "within" | "next");
        leads
            .then(|| english_number(count))
            .flatten()
            .filter(|count| *count < 200)
            .map(|count| later(now, count * days))
    })
}

fn later(now: Day, days: i64) -> Day {
    Day::of((now.number() + days) * DAY)
}

/// A year with four digits, from the last century to the next, with its month if one stands behind it.
fn year(text: &str, now: Day) -> Option<Day> {
    let digits = |c: char| c.is_ascii_digit();
    let mut rest = text;
    while let Some(at) = rest.find(digits) {
        let tail = rest.get(at..)?;
        let end = tail.find(|c| !digits(c)).unwrap_or(tail.len());
        let (run, after) = (tail.get(..end)?, tail.get(end..)?);
        let lead = rest.get(..at)?;
        rest = after;
        let Some(year) =
            run.parse::<i64>().ok().filter(|y| run.len() == 4 && (now.year..now.year + 100).contains(y))
        else {
            continue;
        };
        let month = after.trim_start_matches(['年', '-', '/', '.']);
        let length = month.find(|c| !digits(c)).unwrap_or(month.len());
        let month = month.get(..length)?.parse::<i64>().ok().filter(|m| (1..=12).contains(m) && length <= 2);
        return Some(match month {
            Some(month) => Day { year, month, day: 28 },
            // Before a year is by the end of the one before it.
            None if is_before(lead, after) && year > now.year => Day { year: year - 1, month: 12, day: 31 },
            None => Day { year, month: 12, day: 31 },
        });
    }
    None
}

/// Whether "before" stands with a year, by what stands in front of and behind it.
fn is_before(lead: &str, after: &str) -> bool {
    let after = after.trim_start_matches('年');
    ["之前", "以前", "前"].iter().any(|word| after.starts_with(word))
        || lead.trim_end().to_lowercase().ends_with("before")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days() {
        let day = Day::of(1_763_683_200);
        assert_eq!(day.iso(), "2025-11-21");
        assert_eq!(day.weekday(), 4);
        assert_eq!(Day::of(-1).iso(), "1969-12-31");
        for number in (-800_000..800_000).step_by(377) {
            assert_eq!(Day::of(number * DAY).number(), number);
        }
    }

    #[test]
    fn days_that_a_text_names() {
        let now = Day { year: 2026, month: 11, day: 21 };
        for (text, expected) in [
            ("2030年5月之前开一家书店", "2030-05-28"),
            ("在2030年之前开一家书店", "2029-12-31"),
            ("before 2031 I will", "2030-12-31"),
            ("by 2031 I will", "2031-12-31"),
            ("三年内买房", "2029-11-20"),
            ("within two years", "2028-11-20"),
            ("明年结婚", "2027-12-31"),
        ] {
            assert_eq!(named_day(text, now).map(Day::iso).as_deref(), Some(expected), "{text}");
        }
        assert_eq!(named_day("order 2020391 of 1999", now), None);
        assert_eq!(
            [number("十"), number("二十五"), number("12"), number("两"), number("x")],
            [Some(10), Some(25), Some(12), Some(2), None]
        );
    }
}
