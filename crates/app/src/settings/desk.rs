//! The section `desk`.

use std::time::Duration;

use super::Reader;

impl Reader {
    pub(super) fn desk(&mut self) -> desk::Config {
        let auth = self.read("desk.auth", |text| match text {
            "jwt" => Ok(true),
            "off" => Ok(false),
            _ => Err("must be jwt or off".to_owned()),
        });
        desk::Config { auth: auth.unwrap_or(true), assistant: self.desk_assistant() }
    }

    fn desk_assistant(&mut self) -> desk::Policy {
        let default = desk::Policy::default();
        let first = self.read("desk.assistant", |text| match text {
            "first" => Ok(true),
            "off" => Ok(false),
            _ => Err("must be first or off".to_owned()),
        });
        let settle =
            self.read("desk.assistant_settle", |text| within(text, Duration::ZERO, Duration::from_secs(30)));
        let stale = self.read("desk.assistant_stale", |text| {
            within(text, Duration::from_secs(60), Duration::from_secs(86_400))
        });
        let unanswered = self.read("desk.assistant_unanswered", |text| {
            let number = text.parse().ok().filter(|n| (1..=10).contains(n));
            number.ok_or_else(|| "must be a whole number from 1 to 10".to_owned())
        });
        let shop = self.read("desk.shop", |text| {
            let fits = text.chars().count() <= 100 && !text.contains(char::is_control);
            fits.then(|| text.to_owned())
                .ok_or_else(|| "must be one line of at most 100 characters".to_owned())
        });
        desk::Policy {
            first: first.unwrap_or(default.first),
            settle: settle.unwrap_or(default.settle),
            unanswered: unanswered.unwrap_or(default.unanswered),
            stale: stale.unwrap_or(default.stale),
            shop: shop.unwrap_or(default.shop),
        }
    }
}

fn within(text: &str, least: Duration, most: Duration) -> Result<Duration, String> {
    let duration = kernel::time::parse_duration(text)?;
    let fits = (least..=most).contains(&duration);
    fits.then_some(duration)
        .ok_or_else(|| format!("must be from {}s to {}s", least.as_secs(), most.as_secs()))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::settings::Settings;

    fn load(pairs: &[(&str, &str)]) -> Result<desk::Config, String> {
        let pairs = pairs.iter().map(|(k, v)| (format!("HONGYAN_DESK__{k}"), (*v).to_owned()));
        Settings::load(None, pairs).map(|settings| settings.desk).map_err(|error| error.to_string())
    }

    #[test]
    fn the_assistant_answers_first() {
        let policy = load(&[]).unwrap().assistant;
        assert!(policy.first && policy.settle == Duration::from_secs(1) && policy.unanswered == 2);
        let set = [("ASSISTANT", "off"), ("ASSISTANT_SETTLE", "0s"), ("SHOP", "鸿雁小店")];
        let policy = load(&set).unwrap().assistant;
        assert!(!policy.first && policy.settle.is_zero() && policy.shop == "鸿雁小店");
    }

    #[test]
    fn what_is_wrong_is_named() {
        let set = [
            ("ASSISTANT", "maybe"),
            ("ASSISTANT_SETTLE", "1h"),
            ("ASSISTANT_STALE", "1s"),
            ("ASSISTANT_UNANSWERED", "0"),
        ];
        let error = load(&set).unwrap_err();
        for key in [
            "desk.assistant ",
            "desk.assistant_settle ",
            "desk.assistant_stale ",
            "desk.assistant_unanswered ",
        ] {
            assert!(error.contains(key), "{key} is not in {error}");
        }
    }
}
