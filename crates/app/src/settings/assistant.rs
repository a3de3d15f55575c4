//! `assistant.…`: which engine helps, and what a provider may cost.

use std::time::Duration;

use ::assistant::{
    Caps, Config, LONGEST_TIMEOUT, Privacy, Protocol, Provider, Secret, is_near, read_base_url,
};
use kernel::time::{days, parse_duration};

use super::{Reader, named};

impl Reader {
    pub(super) fn assistant(&mut self) -> Config {
        let config = Config {
            provider: self.provider(),
            caps: self.caps(),
            cache_ttl: self.duration("assistant.cache_ttl", days(1)),
            records_keep: self.duration("assistant.records_keep", days(90)),
        };
        if config.caps.spend_per_month > 0 && config.caps.price_input + config.caps.price_output == 0 {
            let problem = "needs assistant.price_input and assistant.price_output";
            self.errors.push(named("assistant.spend_per_month", problem));
        }
        config
    }

    fn caps(&mut self) -> Caps {
        let mut count = |key: &str, default| self.read(key, whole).unwrap_or(default);
        let requests_per_minute = count("assistant.requests_per_minute", 20);
        let tokens_per_day = count("assistant.tokens_per_day", 200_000);
        let tokens_per_month = count("assistant.tokens_per_month", 20_000_000);
        // A price is for a million tokens: a billionth of it is the thousandth part of a token's.
        let mut money = |key: &str| self.read(key, billionths).unwrap_or(0);
        Caps {
            requests_per_minute,
            tokens_per_day,
            tokens_per_month,
            spend_per_month: money("assistant.spend_per_month"),
            price_input: money("assistant.price_input") / 1_000_000,
            price_output: money("assistant.price_output") / 1_000_000,
        }
    }

    fn provider(&mut self) -> Option<Provider> {
        let protocol = self.read("assistant.provider", |text| match text {
            "embedded" => Ok(None),
            "openai" => Ok(Some(Protocol::OpenAi)),
            "anthropic" => Ok(Some(Protocol::Anthropic)),
            "gemini" => Ok(Some(Protocol::Gemini)),
            _ => Err("must be embedded, openai, anthropic or gemini".to_owned()),
        });
        let given_url = self.read("assistant.base_url", base_url);
        let bad_url = self.errors.iter().any(|e| e.starts_with("assistant.base_url"));
        let api_key = self.read("assistant.api_key", token);
        let model = self.read("assistant.model", token);
        let privacy = self.read("assistant.privacy", privacy).flatten();
        let timeout = self.read("assistant.timeout", timeout).unwrap_or(Duration::from_secs(20));
        let protocol = protocol.flatten()?;
        let own = given_url.is_some() && protocol == Protocol::OpenAi;
        if api_key.is_none() && !own && !bad_url {
            self.missing("assistant.api_key", protocol);
        }
        if model.is_none() && !self.errors.iter().any(|e| e.starts_with("assistant.model")) {
            self.missing("assistant.model", protocol);
        }
        let base_url = given_url.unwrap_or_else(|| protocol.default_url().to_owned());
        Some(Provider {
            privacy: privacy.unwrap_or(if is_near(&base_url) { Privacy::Allow } else { Privacy::Redact }),
            protocol,
            base_url,
            api_key: Secret(api_key.unwrap_or_default()),
            model: model.unwrap_or_default(),
            timeout,
        })
    }

    fn missing(&mut self, key: &str, protocol: Protocol) {
        let problem = format!("is required when assistant.provider is {}", protocol.as_str());
        self.errors.push(named(key, &problem));
    }
}

fn base_url(text: &str) -> Result<String, String> {
    read_base_url(text).map_err(str::to_owned)
}

/// A key goes into a header, and so does a model's name: no spaces, no line ends.
fn token(text: &str) -> Result<String, String> {
    let plain = text.len() <= 4096 && text.bytes().all(|b| b.is_ascii_graphic());
    plain.then(|| text.to_owned()).ok_or_else(|| "must be printable ASCII without spaces".to_owned())
}

/// `auto` is nothing said: it depends on where the provider is.
fn privacy(text: &str) -> Result<Option<Privacy>, String> {
    match text {
        "auto" => Ok(None),
        "allow" => Ok(Some(Privacy::Allow)),
        "redact" => Ok(Some(Privacy::Redact)),
        "block" => Ok(Some(Privacy::Block)),
        _ => Err("must be auto, allow, redact or block".to_owned()),
    }
}

fn timeout(text: &str) -> Result<Duration, String> {
    let timeout = parse_duration(text)?;
    let fits = (Duration::from_secs(1)..=LONGEST_TIMEOUT).contains(&timeout);
    fits.then_some(timeout).ok_or_else(|| "must be from 1s to 120s".to_owned())
}

fn whole(text: &str) -> Result<i64, String> {
    let number = text.parse().ok().filter(|n| (0..=1_000_000_000_000).contains(n));
    number.ok_or_else(|| "must be a whole number from 0 (no limit)".to_owned())
}

/// An amount of money in billionths of its unit: `12.50`.
fn billionths(text: &str) -> Result<i64, String> {
    const EXPECTED: &str = "must be an amount such as 0.15 or 20";
    let (units, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |t: &str| (1..=9).contains(&t.len()) && t.bytes().all(|b| b.is_ascii_digit());
    if !digits(units) || !digits(fraction) {
        return Err(EXPECTED.to_owned());
    }
    let padded = format!("{units}{fraction:0<9}");
    padded.parse().map_err(|_| EXPECTED.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Settings, SettingsError};

    fn load(pairs: &[(&str, &str)]) -> Result<Config, SettingsError> {
        let name = |k: &str| format!("HONGYAN_ASSISTANT__{k}");
        let pairs = pairs.iter().map(|(k, v)| (name(k), (*v).to_owned()));
        Settings::load(None, pairs).map(|settings| settings.assistant)
    }

    #[test]
    fn nothing_leaves_by_default() {
        let config = load(&[]).unwrap();
        assert!(config.provider.is_none());
        assert_eq!(config.caps.requests_per_minute, 20);
    }

    #[test]
    fn a_provider_is_whole_or_refused_by_the_keys_name() {
        let error = load(&[("PROVIDER", "anthropic"), ("BASE_URL", "http://169.254.169.254/")]).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("assistant.model (HONGYAN_ASSISTANT__MODEL): is required"), "{text}");
        assert!(text.contains("assistant.base_url"), "{text}");
        let error = load(&[("PROVIDER", "gemini"), ("MODEL", "m"), ("SPEND_PER_MONTH", "5")]).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("assistant.api_key (HONGYAN_ASSISTANT__API_KEY): is required"), "{text}");
        assert!(text.contains("assistant.spend_per_month"), "{text}");
        let error = load(&[("PROVIDER", "magic"), ("API_KEY", "a b"), ("TIMEOUT", "1h")]).unwrap_err();
        assert_eq!(error.0.len(), 3, "{error}");
        assert!(!error.to_string().contains("a b"));
    }

    #[test]
    fn a_local_server_needs_no_key_and_hides_nothing() {
        let local =
            [("PROVIDER", "openai"), ("BASE_URL", "http://127.0.0.1:11434/v1"), ("MODEL", "qwen3:8b")];
        let provider = load(&local).unwrap().provider.unwrap();
        assert_eq!(provider.base_url, "http://127.0.0.1:11434/v1/");
        assert_eq!((provider.privacy, provider.api_key), (Privacy::Allow, Secret::default()));
        let far = [("PROVIDER", "openai"), ("API_KEY", "sk-x"), ("MODEL", "m")];
        let config = load(&far).unwrap();
        assert!(!format!("{config:?}").contains("sk-x"));
        assert_eq!(config.provider.unwrap().privacy, Privacy::Redact);
    }

    #[test]
    fn money() {
        assert_eq!(billionths("0.15"), Ok(150_000_000));
        assert_eq!(billionths("20"), Ok(20_000_000_000));
        let caps = load(&[("PRICE_INPUT", "0.15"), ("PRICE_OUTPUT", "2")]).unwrap().caps;
        assert_eq!((caps.price_input, caps.price_output), (150, 2000));
        for bad in ["", "-1", "1e3", "1,5", ".5", "5."] {
            assert!(billionths(bad).is_err(), "{bad}");
        }
    }
}
