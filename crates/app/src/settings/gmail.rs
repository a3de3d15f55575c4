//! The section `gmail`: where Google is, and what outreach may do. People's own clients and tokens are no settings.

use gmail::Config;
use google::{Endpoints, Quota};

use super::Reader;

impl Reader {
    pub(super) fn gmail(&mut self) -> Config {
        let quota = Quota::default();
        let units = self.read("gmail.quota_units", units).unwrap_or(quota.units_per_minute);
        Config {
            endpoints: self.google(),
            quota: Quota { units_per_minute: units, ..quota },
            replies: self.gmail_replies(),
            ..Config::default()
        }
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
}
