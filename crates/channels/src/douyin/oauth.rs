//! Douyin's tokens: how an account's access token is renewed before it ends, and what an error says of it.
//!
//! An access token is good for 15 days and is renewed with the refresh token, which stays as it is and ends after 30. Five
//! times a new refresh token can be had for an old one, which ends with that; then the account's owner authorises
//! the app anew.

use std::time::Duration;

use serde_json::Value;

use super::App;
use crate::json;

/// Where an access token is renewed, below the API's base.
pub const REFRESH: &str = "/oauth/refresh_token/";
/// Where a refresh token is exchanged.
pub const RENEW: &str = "/oauth/renew_refresh_token/";

/// What a renewal gives.
#[derive(Clone, PartialEq, Eq)]
pub struct Renewed {
    /// A secret.
    pub access_token: String,
    /// So long it is good.
    pub expires_in: Duration,
    /// So long the refresh token still is, if Douyin says so.
    pub refresh_expires_in: Option<Duration>,
}

impl std::fmt::Debug for Renewed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Renewed").field("expires_in", &self.expires_in).finish_non_exhaustive()
    }
}

/// Why there is no token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Douyin says no; to ask again helps nothing.
    #[error("Douyin answers {code}: {words}")]
    Refused {
        /// `error_code`
        code: i64,
        /// `description`
        words: String,
    },
    /// Douyin is busy, or its answer is not to be understood.
    #[error("{0}")]
    Later(String),
}

/// Whether an error of any call says that the access token is no longer good.
#[must_use]
pub const fn is_about_the_token(code: i64) -> bool {
    matches!(code, 10_008 | 2_190_002 | 2_190_008 | 28_001_003 | 28_001_008)
}

/// Whether an error of any call passes by itself.
#[must_use]
pub const fn is_busy(code: i64) -> bool {
    matches!(code, 2_100_001 | 2_100_004 | 28_001_005 | 28_001_006)
}

impl App {
    /// The form for [`REFRESH`].
    #[must_use]
    pub fn refresh_form<'a>(&'a self, refresh_token: &'a str) -> [(&'static str, &'a str); 3] {
        [("client_key", &self.client_key), ("grant_type", "refresh_token"), ("refresh_token", refresh_token)]
    }

    /// The form for [`RENEW`].
    #[must_use]
    pub fn renew_form<'a>(&'a self, refresh_token: &'a str) -> [(&'static str, &'a str); 2] {
        [("client_key", &self.client_key), ("refresh_token", refresh_token)]
    }
}

/// [`REFRESH`]'s answer.
///
/// # Errors
/// [`Failure`]
pub fn parse_refreshed(answer: &[u8]) -> Result<Renewed, Failure> {
    let data = data(answer)?;
    Ok(Renewed {
        access_token: json::text(&data, "access_token").ok_or_else(|| missing("access_token"))?,
        expires_in: seconds(&data, "expires_in").ok_or_else(|| missing("expires_in"))?,
        refresh_expires_in: seconds(&data, "refresh_expires_in"),
    })
}

/// [`RENEW`]'s answer: the new refresh token, and how long it is good.
///
/// # Errors
/// [`Failure`]
pub fn parse_renewed(answer: &[u8]) -> Result<(String, Duration), Failure> {
    let data = data(answer)?;
    let token = json::text(&data, "refresh_token").ok_or_else(|| missing("refresh_token"))?;
    Ok((token, seconds(&data, "expires_in").ok_or_else(|| missing("expires_in"))?))
}

fn missing(key: &str) -> Failure {
    Failure::Later(format!("Douyin's answer has no {key}"))
}

fn seconds(data: &Value, key: &str) -> Option<Duration> {
    let seconds = json::integer(data, key)?;
    u64::try_from(seconds).ok().map(Duration::from_secs)
}

/// `data` of a success.
fn data(answer: &[u8]) -> Result<Value, Failure> {
    let value: Value = serde_json::from_slice(answer)
        .map_err(|_| Failure::Later("Douyin's answer is not to be understood".to_owned()))?;
    let data = value.get("data").cloned().unwrap_or_default();
    match json::integer(&data, "error_code") {
        Some(0) => Ok(data),
        Some(code) if is_busy(code) => Err(Failure::Later(format!("Douyin is busy ({code})"))),
        Some(code) => Err(Failure::Refused { code, words: json::text_or_empty(&data, "description") }),
        None => Err(missing("error_code")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_may_be_texts() {
        let answer =
            br#"{"data":{"access_token":"act","description":"","error_code":"0","expires_in":"1296000",
            "open_id":"o","refresh_expires_in":2592000,"refresh_token":"rft"},"message":"success"}"#;
        let renewed = parse_refreshed(answer).unwrap();
        assert_eq!((renewed.access_token.as_str(), renewed.expires_in.as_secs()), ("act", 1_296_000));
        assert_eq!(renewed.refresh_expires_in, Some(Duration::from_secs(2_592_000)));
        assert!(!format!("{renewed:?}").contains("act\""));
        let renewed = parse_renewed(answer).unwrap();
        assert_eq!(renewed, ("rft".to_owned(), Duration::from_secs(1_296_000)));
    }

    #[test]
    fn a_refusal_is_told_from_what_passes() {
        let says = |code: i64| format!(r#"{{"data":{{"description":"no","error_code":{code}}}}}"#);
        let refused = parse_refreshed(says(10_010).as_bytes()).unwrap_err();
        assert_eq!(refused.to_string(), "Douyin answers 10010: no");
        assert!(matches!(parse_renewed(says(2_100_004).as_bytes()), Err(Failure::Later(_))));
        assert!(matches!(parse_refreshed(b"<html>"), Err(Failure::Later(_))));
        assert!(matches!(parse_refreshed(br#"{"data":{"error_code":0}}"#), Err(Failure::Later(_))));
        assert!(is_about_the_token(2_190_008) && !is_about_the_token(10_010));
    }
}
