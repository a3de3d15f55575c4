//! The section `gmail`: where Google is, and what outreach may do. People's own clients and tokens are no settings.

use std::time::Duration;

use gmail::{Config, SendConfig, SyncConfig};
use google::{Endpoints, Expected, Quota};
use kernel::time::{days, parse_duration};

use super::{Reader, named};

impl Reader {
    pub(super) fn gmail(&mut self) -> Config {
        let quota = Quota::default();
        let units = self.read("gmail.quota_units", units).unwrap_or(quota.units_per_minute);
        Config {
            endpoints: self.google(),
            quota: Quota { units_per_minute: units, ..quota },
            send: self.gmail_send(),
            sync: self.gmail_sync(),
            replies: self.gmail_replies(),
            ..Config::default()
        }
    }

    fn gmail_send(&mut self) -> SendConfig {
        let send = SendConfig::default();
        SendConfig {
            daily_cap: self.read("gmail.daily_cap", mails).unwrap_or(send.daily_cap),
            warm_up: self.read("gmail.warm_up", mails).unwrap_or(send.warm_up),
            hold: self.read("gmail.hold", hold).unwrap_or(send.hold),
            uploads: self.read("gmail.upload_mib", mib).unwrap_or(send.uploads),
        }
    }

    fn gmail_sync(&mut self) -> SyncConfig {
        let audience = self.text("gmail.push_audience");
        let service_account = self.read("gmail.push_service_account", |text| {
            text.contains('@').then(|| text.to_owned()).ok_or_else(|| "must be an e-mail address".to_owned())
        });
        let subscription = self.read("gmail.push_subscription", |text| resource(text, "subscriptions"));
        let push = match (audience, service_account) {
            (Some(audience), Some(service_account)) => {
                Some(Expected { audience, service_account, subscription })
            }
            (None, None) => {
                if subscription.is_some() {
                    self.errors.push(named("gmail.push_subscription", "needs gmail.push_audience"));
                }
                None
            }
            (audience, _) => {
                let (missing, given) = match audience {
                    Some(_) => ("gmail.push_service_account", "gmail.push_audience"),
                    None => ("gmail.push_audience", "gmail.push_service_account"),
                };
                self.errors.push(named(missing, &format!("is required beside {given}")));
                None
            }
        };
        let default = SyncConfig::default();
        let poll_every = self.duration("gmail.poll_every", default.poll_every);
        if poll_every < Duration::from_secs(60) {
            self.errors.push(named("gmail.poll_every", "must be at least 1m"));
        }
        let topic = self.read("gmail.topic", |text| resource(text, "topics"));
        SyncConfig { push, topic, poll_every }
    }

    fn google(&mut self) -> Endpoints {
        let google = Endpoints::default();
        let mut at = |key: &str, google: String| self.read(key, url).unwrap_or(google);
        Endpoints {
            auth_uri: at("gmail.auth_uri", google.auth_uri),
            token_uri: at("gmail.token_uri", google.token_uri),
            revoke_uri: at("gmail.revoke_uri", google.revoke_uri),
            api_base: at("gmail.api_base", google.api_base),
            jwks_uri: at("gmail.jwks_uri", google.jwks_uri),
        }
    }
}

/// Enough for the dearest call at least.
fn units(text: &str) -> Result<u32, String> {
    let units = text.parse().ok().filter(|n| (200..=1_000_000).contains(n));
    units.ok_or_else(|| "must be a whole number from 200 to 1000000".to_owned())
}

fn mails(text: &str) -> Result<i64, String> {
    let mails = text.parse().ok().filter(|n| (1..=100_000).contains(n));
    mails.ok_or_else(|| "must be a whole number from 1 to 100000".to_owned())
}

/// At least the largest file.
fn mib(text: &str) -> Result<i64, String> {
    let mib: Option<i64> = text.parse().ok().filter(|n| (25..=1_000_000).contains(n));
    mib.map(|mib| mib * 1024 * 1024).ok_or_else(|| "must be a whole number from 25 to 1000000".to_owned())
}

fn hold(text: &str) -> Result<Duration, String> {
    let hold = parse_duration(text)?;
    if hold <= days(1) { Ok(hold) } else { Err("must be at most 1d".to_owned()) }
}

/// `projects/{project}/{kind}/{name}`
fn resource(text: &str, kind: &str) -> Result<String, String> {
    let parts: Vec<&str> = text.split('/').collect();
    let fits = matches!(parts.as_slice(), ["projects", project, k, name]
        if *k == kind && !project.is_empty() && !name.is_empty());
    fits.then(|| text.to_owned())
        .ok_or_else(|| format!("must have the form projects/{{project}}/{kind}/{{name}}"))
}

fn url(text: &str) -> Result<String, String> {
    let uri: Option<axum::http::Uri> = text.parse().ok();
    let whole = uri.is_some_and(|u| matches!(u.scheme_str(), Some("http" | "https")) && u.query().is_none());
    let trimmed = text.trim_end_matches('/');
    if whole {
        Ok(trimmed.to_owned())
    } else {
        Err("must be an http or https URL without a query".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::super::Settings;

    #[test]
    fn sending_is_bounded() {
        let load = |name: &str, value: &str| {
            Settings::load(None, [(format!("HONGYAN_GMAIL__{name}"), value.to_owned())])
        };
        assert_eq!(load("DAILY_CAP", "1500").unwrap().gmail.send.daily_cap, 1500);
        assert_eq!(load("WARM_UP", "5").unwrap().gmail.send.warm_up, 5);
        assert_eq!(load("HOLD", "30s").unwrap().gmail.send.hold.as_secs(), 30);
        assert_eq!(load("UPLOAD_MIB", "25").unwrap().gmail.send.uploads, 25 * 1024 * 1024);
        for (name, bad) in [("UPLOAD_MIB", "24"), ("DAILY_CAP", "0"), ("WARM_UP", "-1"), ("HOLD", "2d")] {
            let told = load(name, bad).unwrap_err().to_string();
            assert!(told.contains(&format!("gmail.{}", name.to_lowercase())), "{told}");
        }
    }

    #[test]
    fn google_is_elsewhere_where_it_is_said() {
        let load =
            |value: &str| Settings::load(None, [("HONGYAN_GMAIL__TOKEN_URI".to_owned(), value.to_owned())]);
        assert_eq!(
            load("http://127.0.0.1:4712/token/").unwrap().gmail.endpoints.token_uri,
            "http://127.0.0.1:4712/token"
        );
        assert!(
            Settings::load(None, [])
                .unwrap()
                .gmail
                .endpoints
                .token_uri
                .starts_with("https://oauth2.googleapis.com")
        );
        for bad in ["localhost", "ftp://x/", "http://x/?a=b"] {
            assert!(load(bad).unwrap_err().to_string().contains("gmail.token_uri"), "{bad}");
        }
    }
    #[test]
    fn pushes_are_set_up_whole_or_not_at_all() {
        let load = |pairs: &[(&str, &str)]| {
            let pairs = pairs.iter().map(|(k, v)| (format!("HONGYAN_GMAIL__{k}"), (*v).to_owned()));
            Settings::load(None, pairs).map(|settings| settings.gmail.sync)
        };
        let (audience, account) =
            (("PUSH_AUDIENCE", "https://a.example/x/"), ("PUSH_SERVICE_ACCOUNT", "p@x.example"));
        let subscription = ("PUSH_SUBSCRIPTION", "projects/p/subscriptions/s");
        let push = load(&[audience, account, subscription]).unwrap().push.unwrap();
        assert_eq!(push.subscription.as_deref(), Some("projects/p/subscriptions/s"));
        assert!(load(&[]).unwrap().push.is_none());
        for (pairs, named) in [
            (&[audience][..], "gmail.push_service_account"),
            (&[account], "gmail.push_audience"),
            (&[subscription], "gmail.push_subscription"),
            (&[audience, account, ("PUSH_SUBSCRIPTION", "s")], "gmail.push_subscription"),
            (&[audience, ("PUSH_SERVICE_ACCOUNT", "x")], "gmail.push_service_account"),
            (&[("TOPIC", "gmail")], "gmail.topic"),
            (&[("POLL_EVERY", "5s")], "gmail.poll_every"),
        ] {
            assert!(load(pairs).unwrap_err().to_string().contains(named), "{named}");
        }
        assert_eq!(
            load(&[("TOPIC", "projects/p/topics/t")]).unwrap().topic.as_deref(),
            Some("projects/p/topics/t")
        );
    }
}
