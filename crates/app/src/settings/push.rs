//! `push.…`: how push messages leave.

use std::path::PathBuf;

use transports::{
    push::{GOOGLE_TOKEN_URI, Vapid},
    web::Reach,
};

use super::{Reader, boolean, named};

/// How push messages leave.
#[derive(Clone)]
pub struct Push {
    /// Whether browsers' subscriptions may lead into closed networks.
    pub allow_private: bool,
    /// The server's key for Web Push in place of the data folder's.
    pub vapid_key: Option<Vapid>,
    /// Whom push services may write to: `mailto:` or `https:`; derived if `None`.
    pub vapid_subject: Option<String>,
    /// If there is an Android app.
    pub fcm: Option<Fcm>,
    /// If there is an app for Apple's devices.
    pub apns: Option<Apns>,
    /// A file with certificates that these services may present, beside the public ones.
    pub ca_file: Option<PathBuf>,
}

impl std::fmt::Debug for Push {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Push").field("fcm", &self.fcm).field("apns", &self.apns).finish_non_exhaustive()
    }
}

/// Firebase Cloud Messaging.
#[derive(Debug, Clone)]
pub struct Fcm {
    /// The service account's JSON file.
    pub credentials: PathBuf,
    /// Without a slash at the end.
    pub base: String,
    /// Where access tokens come from.
    pub token_uri: String,
}

/// Apple's push notification service.
#[derive(Debug, Clone)]
pub struct Apns {
    /// The `.p8` file.
    pub key: PathBuf,
    /// The key's id.
    pub key_id: String,
    /// The team's id.
    pub team_id: String,
    /// The app's bundle id.
    pub topic: String,
    /// Without a slash at the end.
    pub base: String,
}

impl Reader {
    pub(super) fn push(&mut self) -> Push {
        Push {
            allow_private: self.read("push.allow_private", boolean).unwrap_or(false),
            vapid_key: self.read("push.vapid_key", |text| Vapid::read(text).map_err(|e| e.to_string())),
            vapid_subject: self.read("push.vapid_subject", contact),
            fcm: self.fcm(),
            apns: self.apns(),
            ca_file: self.text("push.ca_file").map(PathBuf::from),
        }
    }

    fn fcm(&mut self) -> Option<Fcm> {
        let base =
            self.read("push.fcm_base", base).unwrap_or_else(|| "https://fcm.googleapis.com".to_owned());
        let token_uri =
            self.read("push.fcm_token_uri", base_or_path).unwrap_or_else(|| GOOGLE_TOKEN_URI.to_owned());
        let credentials = PathBuf::from(self.text("push.fcm_credentials")?);
        Some(Fcm { credentials, base, token_uri })
    }

    fn apns(&mut self) -> Option<Apns> {
        let base =
            self.read("push.apns_base", base).unwrap_or_else(|| "https://api.push.apple.com".to_owned());
        let key = self.text("push.apns_key").map(PathBuf::from);
        let [key_id, team_id, topic] =
            ["push.apns_key_id", "push.apns_team_id", "push.apns_topic"].map(|name| {
                let value = self.text(name);
                if value.is_none() && key.is_some() {
                    self.errors.push(named(name, "is required when push.apns_key is set"));
                }
                value.unwrap_or_default()
            });
        Some(Apns { key: key?, key_id, team_id, topic, base })
    }
}

fn base(text: &str) -> Result<String, String> {
    base_or_path(text).map(|url| url.trim_end_matches('/').to_owned())
}

fn base_or_path(text: &str) -> Result<String, String> {
    Reach::Anywhere.check(text).map(|_| text.to_owned()).map_err(str::to_owned)
}

fn contact(text: &str) -> Result<String, String> {
    let good = match text.strip_prefix("mailto:") {
        Some(address) => transports::parse_address(address).is_ok(),
        None => text.starts_with("https://") && Reach::Anywhere.check(text).is_ok(),
    };
    if good { Ok(text.to_owned()) } else { Err("must be mailto: and an address, or an https URL".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::super::Settings;

    fn load(pairs: &[(&str, &str)]) -> Result<Settings, String> {
        let environment = pairs.iter().map(|(k, v)| (format!("HONGYAN_PUSH__{k}"), (*v).to_owned()));
        Settings::load(None, environment).map_err(|e| e.to_string())
    }

    #[test]
    fn services_are_set_up_whole() {
        let none = load(&[]).unwrap().push;
        assert!(none.fcm.is_none() && none.apns.is_none() && !none.allow_private);
        let both = load(&[
            ("FCM_CREDENTIALS", "/etc/fcm.json"),
            ("APNS_KEY", "/etc/apns.p8"),
            ("APNS_KEY_ID", "K"),
            ("APNS_TEAM_ID", "T"),
            ("APNS_TOPIC", "com.example"),
            ("APNS_BASE", "https://api.sandbox.push.apple.com/"),
        ]);
        let both = both.unwrap().push;
        assert_eq!(both.fcm.unwrap().base, "https://fcm.googleapis.com");
        assert_eq!(both.apns.unwrap().base, "https://api.sandbox.push.apple.com");
        let error = load(&[("APNS_KEY", "/etc/apns.p8"), ("APNS_TOPIC", "com.example")]).unwrap_err();
        assert!(error.contains("push.apns_key_id") && error.contains("push.apns_team_id"), "{error}");
        assert!(!error.contains("push.apns_topic"), "{error}");
    }

    #[test]
    fn mistakes_are_named() {
        let error = load(&[
            ("VAPID_KEY", "geheim"),
            ("VAPID_SUBJECT", "me"),
            ("FCM_BASE", "fcm"),
            ("FCM_TOKEN_URI", "ftp://x/"),
            ("ALLOW_PRIVATE", "perhaps"),
        ])
        .unwrap_err();
        for key in ["vapid_key", "vapid_subject", "fcm_base", "fcm_token_uri", "allow_private"] {
            assert!(error.contains(&format!("push.{key} (HONGYAN_PUSH__")), "{key}: {error}");
        }
        assert!(!error.contains("geheim"));
    }
}
