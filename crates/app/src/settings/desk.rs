//! The section `desk`: `desk.auth`, and the channels' accounts (`desk.wecom.corp_id`, `desk.bridge.secret`, …).

use std::{collections::BTreeMap, time::Duration};

use desk::channel::{AccountKind, Config, Named};
use transports::web::Reach;

use super::{Reader, boolean, named};

/// `corpId` → `corp_id`
fn snake(name: &str) -> String {
    let mut key = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() {
            key.push('_');
        }
        key.push(c.to_ascii_lowercase());
    }
    key
}

impl Reader {
    pub(super) fn desk(&mut self, listen: &[std::net::SocketAddr]) -> desk::Config {
        let auth = self.read("desk.auth", |text| match text {
            "jwt" => Ok(true),
            "off" => Ok(false),
            _ => Err("must be jwt or off".to_owned()),
        });
        let accounts = AccountKind::EVERY.into_iter().filter_map(|kind| self.account(kind)).collect();
        let defaults = Config::default();
        let poll = self.duration("desk.wecom_poll", defaults.poll);
        if poll < Duration::from_secs(60) {
            self.errors.push(named("desk.wecom_poll", "must be at least 1m"));
        }
        let keep_callbacks = self.duration("desk.callbacks_keep", defaults.keep_callbacks);
        if keep_callbacks < Duration::from_secs(3600) {
            // A nonce must be known as long as its time is good.
            self.errors.push(named("desk.callbacks_keep", "must be at least 1h"));
        }
        let auth = auth.unwrap_or(true);
        self.loopback_alone(auth, listen);
        let channels = Config { accounts, poll, keep_callbacks };
        let allowed_origins = self.read("desk.allowed_origins", origins).unwrap_or_default();
        let inside = self.read("desk.webhooks_allow_private", boolean).unwrap_or(false);
        let webhooks = if inside { Reach::Anywhere } else { Reach::Public };
        desk::Config { auth, channels, assistant: self.desk_assistant(), allowed_origins, webhooks }
    }

    /// An account, if any of its keys is set; then all that it needs must be.
    fn account(&mut self, kind: AccountKind) -> Option<Named> {
        let key = |name: &str| format!("desk.{}.{}", kind.as_str(), snake(name));
        let mut fields = BTreeMap::new();
        for field in kind.fields() {
            if let Some(value) = self.text(&key(field.name)) {
                fields.insert(field.name.to_owned(), value);
            }
        }
        if fields.is_empty() {
            return None;
        }
        let bad = kind.check(&fields);
        self.errors.extend(bad.iter().map(|bad| named(&key(bad.name), &bad.reason)));
        bad.is_empty().then_some(Named { kind, fields })
    }

    /// Without authentication the server listens on this machine alone, unless told twice.
    fn loopback_alone(&mut self, auth: bool, listen: &[std::net::SocketAddr]) {
        let anywhere = self.read("desk.auth_off_beyond_loopback", boolean).unwrap_or(false);
        if let Some(address) = listen.iter().find(|a| !auth && !anywhere && !a.ip().is_loopback()) {
            let problem = format!(
                "off gives the desk to whoever reaches {address}, which is not this machine alone; if that network is \
                 closed, say so with desk.auth_off_beyond_loopback (HONGYAN_DESK__AUTH_OFF_BEYOND_LOOPBACK)"
            );
            self.errors.push(named("desk.auth", &problem));
        }
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

/// `https://a.example, https://b.example:8443`, or `*`.
fn origins(text: &str) -> Result<Vec<String>, String> {
    let is_origin = |text: &str| {
        let uri: Option<axum::http::Uri> = text.parse().ok();
        let whole = uri.filter(|uri| uri.authority().is_some() && !text.ends_with('/'));
        whole.is_some_and(|uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.path() == "/")
    };
    let all: Vec<String> = text.split(',').map(|origin| origin.trim().to_owned()).collect();
    match all.iter().find(|origin| *origin != "*" && !is_origin(origin)) {
        Some(bad) => Err(format!("must be origins such as https://desk.example.com, or *: {bad}")),
        None => Ok(all),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::{Settings, SettingsError};

    fn load(pairs: &[(&str, &str)]) -> Result<Settings, SettingsError> {
        let pairs = pairs.iter().map(|(k, v)| (format!("HONGYAN_DESK__{k}"), (*v).to_owned()));
        Settings::load(None, pairs)
    }

    #[test]
    fn an_account_is_whole_or_refused_by_the_keys_name() {
        assert!(load(&[]).unwrap().desk.channels.accounts.is_empty());
        let wecom = [
            ("WECOM__CORP_ID", "wx5823bf96d3bd56c7"),
            ("WECOM__TOKEN", "QDG6eK"),
            ("WECOM__ENCODING_AES_KEY", "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C"),
            ("WECOM__SECRET", "top-secret"),
        ];
        let settings = load(&wecom).unwrap();
        assert_eq!(settings.desk.channels.accounts.len(), 1);
        assert!(!format!("{settings:?}").contains("top-secret"));
        let error = load(&wecom[..3]).unwrap_err().to_string();
        assert!(error.contains("desk.wecom.secret (HONGYAN_DESK__WECOM__SECRET): is required"), "{error}");
        let error = load(&[("BRIDGE__SECRET", "short-one"), ("CALLBACKS_KEEP", "1m")]).unwrap_err();
        assert_eq!(error.0.len(), 2, "{error}");
        assert!(!error.to_string().contains("short-one"));
        assert!(load(&[("WECOM__COLOUR", "red")]).is_err());
    }

    #[test]
    fn without_authentication_it_listens_here_alone_unless_told_twice() {
        let load = |pairs: &[(&str, &str)]| {
            let pairs = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
            Settings::load(None, pairs).map_err(|e| e.to_string())
        };
        let off = ("HONGYAN_DESK__AUTH", "off");
        assert!(!load(&[off]).unwrap().desk.auth && load(&[]).unwrap().desk.auth);
        let everywhere = ("HONGYAN_SERVER__LISTEN", "127.0.0.1:5003,0.0.0.0:5004");
        let refused = load(&[off, everywhere]).unwrap_err();
        assert!(refused.contains("desk.auth") && refused.contains("0.0.0.0:5004"), "{refused}");
        let twice = ("HONGYAN_DESK__AUTH_OFF_BEYOND_LOOPBACK", "true");
        assert!(!load(&[off, everywhere, twice]).unwrap().desk.auth);
        assert!(load(&[everywhere]).unwrap().desk.auth);
    }

    #[test]
    fn the_assistant_answers_first() {
        let policy = load(&[]).unwrap().desk.assistant;
        assert!(policy.first && policy.settle == Duration::from_secs(1) && policy.unanswered == 2);
        let set = [("ASSISTANT", "off"), ("ASSISTANT_SETTLE", "0s"), ("SHOP", "鸿雁小店")];
        let policy = load(&set).unwrap().desk.assistant;
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
        let error = load(&set).unwrap_err().to_string();
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
