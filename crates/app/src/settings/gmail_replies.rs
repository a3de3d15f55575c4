//! The section `gmail`, its keys `auto_reply…`: what outreach may send without a person.

use std::time::Duration;

use gmail::{AutoReply, ReplyConfig};
use kernel::time::days;

use super::Reader;

impl Reader {
    pub(super) fn gmail_replies(&mut self) -> ReplyConfig {
        let usual = ReplyConfig::default();
        let mut cap = |key: &str, usual: i64| {
            let read = |text: &str| {
                let number = text.parse().ok().filter(|n| (0..=1_000_000).contains(n));
                number.ok_or_else(|| "must be a whole number from 0 to 1000000".to_owned())
            };
            self.read(key, read).unwrap_or(usual)
        };
        let per_thread = cap("gmail.auto_reply_per_thread", usual.per_thread);
        let per_contact = cap("gmail.auto_reply_per_contact", usual.per_contact);
        let per_hour = cap("gmail.auto_reply_per_hour", usual.per_hour);
        let per_day = cap("gmail.auto_reply_per_day", usual.per_day);
        let global = cap("gmail.auto_reply_global", usual.global);
        let mode = self.read("gmail.auto_reply", |text| {
            AutoReply::parse(text).ok_or_else(|| format!("must be one of {}", AutoReply::ALL.join(", ")))
        });
        let confidence = self.read("gmail.auto_reply_confidence", |text| {
            let share = text.parse().ok().filter(|share| (0.0..=1.0).contains(share));
            share.ok_or_else(|| "must be a number from 0 to 1".to_owned())
        });
        let mut time = |key: &str, usual: Duration, most: Duration| {
            let read = |text: &str| {
                let time = kernel::time::parse_duration(text)?;
                (time <= most).then_some(time).ok_or_else(|| format!("must be at most {} s", most.as_secs()))
            };
            self.read(key, read).unwrap_or(usual)
        };
        let week = days(7);
        ReplyConfig {
            mode: mode.unwrap_or(usual.mode),
            hold: time("gmail.auto_reply_hold", usual.hold, days(1)),
            max_age: time("gmail.auto_reply_max_age", usual.max_age, week),
            min_gap: time("gmail.auto_reply_min_gap", usual.min_gap, week),
            per_thread,
            per_contact,
            per_hour,
            per_day,
            global,
            confidence: confidence.unwrap_or(usual.confidence),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Settings;

    #[test]
    fn what_may_go_out_by_itself() {
        let load = |key: &str, value: &str| {
            Settings::load(None, [(format!("HONGYAN_GMAIL__AUTO_REPLY{key}"), value.to_owned())])
        };
        assert_eq!(load("", "dry_run").unwrap().gmail.replies.mode, gmail::AutoReply::DryRun);
        assert_eq!(load("_PER_THREAD", "2").unwrap().gmail.replies.per_thread, 2);
        assert_eq!(load("_HOLD", "5m").unwrap().gmail.replies.hold.as_secs(), 300);
        for (key, bad) in [("", "yes"), ("_PER_THREAD", "-1"), ("_HOLD", "2d"), ("_CONFIDENCE", "1.5")] {
            let named = format!("gmail.auto_reply{}", key.to_lowercase());
            assert!(load(key, bad).unwrap_err().to_string().contains(&named), "{key}");
        }
    }
}
