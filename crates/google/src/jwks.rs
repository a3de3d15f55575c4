//! [`Keys`]: the public keys that Google signs with, fetched when they are needed.
//!
//! Promises: kept as long as the answer's `Cache-Control` says; an unknown key's id has them fetched again, once, and not
//! more often than [`PAUSE`] whatever ids strangers make up; while Google cannot be reached, keys that were good stay so
//! for a day.

use std::{collections::HashMap, time::Duration};

use http::{HeaderMap, Request, header::CACHE_CONTROL};
use jsonwebtoken::{DecodingKey, jwk::Jwk};
use kernel::{Clock, Timestamp, time::days};
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::RwLock;
use transports::web::Web;

/// For a fetch: a push waits for it, and Pub/Sub for ten seconds.
const TIMEOUT: Duration = Duration::from_secs(8);
/// Octets of an answer.
const ANSWER: usize = 256 * 1024;
/// Between two fetches.
const PAUSE: Duration = Duration::from_secs(60);
/// Between two fetches while there are no keys at all.
const PAUSE_WITHOUT: Duration = Duration::from_secs(5);
/// Of an answer that does not say.
const USUAL: Duration = Duration::from_secs(3600);
/// So long keys are used after their time if there are no newer ones.
const STALE: Duration = days(1);

pub(crate) struct Keys {
    web: Web,
    uri: String,
    clock: Clock,
    state: RwLock<State>,
}

#[derive(Default)]
struct State {
    keys: HashMap<String, DecodingKey>,
    /// To be fetched again after it.
    until: Timestamp,
    /// The last try.
    tried: Option<Timestamp>,
    /// What came of it, if nothing good.
    failed: Option<String>,
}

/// There is no answer to the question for a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NoKey {
    /// Google has no such key.
    Unknown,
    /// Google's keys cannot be had.
    Unavailable(String),
}

impl Keys {
    pub(crate) fn new(web: &Web, uri: String, clock: Clock) -> Self {
        Self { web: web.limited(TIMEOUT, ANSWER), uri, clock, state: RwLock::default() }
    }

    /// The key with this id.
    pub(crate) async fn get(&self, id: &str) -> Result<DecodingKey, NoKey> {
        {
            let state = self.state.read().await;
            if let Some(key) = state.keys.get(id).filter(|_| self.clock.now() < state.until) {
                return Ok(key.clone());
            }
        }
        // Whoever comes while one fetches waits for it.
        let mut state = self.state.write().await;
        let now = self.clock.now();
        let fresh = now < state.until;
        if let Some(key) = state.keys.get(id).filter(|_| fresh) {
            return Ok(key.clone());
        }
        let pause = if state.keys.is_empty() { PAUSE_WITHOUT } else { PAUSE };
        // A clock that was set back must not keep us from fetching.
        let due = state.tried.is_none_or(|tried| now < tried || now >= tried + pause);
        if due {
            state.tried = Some(now);
            match self.fetch().await {
                Ok((keys, lasts)) => {
                    *state = State { keys, until: now + lasts, tried: Some(now), failed: None }
                }
                Err(reason) => {
                    tracing::warn!(%reason, "Google's keys cannot be fetched");
                    state.failed = Some(reason);
                }
            }
        }
        let usable = now < state.until + STALE;
        match (state.keys.get(id).filter(|_| usable), &state.failed) {
            (Some(key), _) => Ok(key.clone()),
            (None, Some(reason)) => Err(NoKey::Unavailable(reason.clone())),
            (None, None) => Err(NoKey::Unknown),
        }
    }

    async fn fetch(&self) -> Result<(HashMap<String, DecodingKey>, Duration), String> {
        let request = Request::get(&self.uri).body(Vec::new()).map_err(|_| "the URL cannot be called")?;
        let answer = self.web.send(request).await.map_err(|error| error.to_string())?;
        if !answer.status().is_success() {
            return Err(format!("the answer is {}", answer.status().as_u16()));
        }
        let keys = read(answer.body());
        if keys.is_empty() {
            return Err("the answer holds no key".to_owned());
        }
        Ok((keys, max_age(answer.headers())))
    }
}

#[derive(Deserialize)]
struct Set {
    keys: Vec<Value>,
}

/// The RSA keys with an id; others are left out.
fn read(body: &[u8]) -> HashMap<String, DecodingKey> {
    let set: Option<Set> = serde_json::from_slice(body).ok();
    let key = |value: Value| {
        let jwk: Jwk = serde_json::from_value(value).ok()?;
        let rsa = matches!(jwk.algorithm, jsonwebtoken::jwk::AlgorithmParameters::RSA(_));
        let id = jwk.common.key_id.clone().filter(|_| rsa)?;
        Some((id, DecodingKey::from_jwk(&jwk).ok()?))
    };
    set.into_iter().flat_map(|set| set.keys).filter_map(key).collect()
}

/// Between a minute and a day.
fn max_age(headers: &HeaderMap) -> Duration {
    let text = headers.get(CACHE_CONTROL).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let seconds = text
        .split(',')
        .filter_map(|word| word.trim().split_once('='))
        .find(|(name, _)| name.eq_ignore_ascii_case("max-age"))
        .and_then(|(_, value)| value.trim_matches('"').parse::<u64>().ok());
    seconds.map_or(USUAL, Duration::from_secs).clamp(PAUSE, days(1))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn how_long_keys_are_kept() {
        let age =
            |text: &str| max_age(&HeaderMap::from_iter([(CACHE_CONTROL, text.parse().unwrap())])).as_secs();
        assert_eq!(age("public, max-age=19285, must-revalidate, no-transform"), 19285);
        assert_eq!((age("Max-Age=\"600\""), age("no-cache"), age("max-age=0")), (600, 3600, 60));
        assert_eq!(age("max-age=99999999"), 86400);
    }

    #[test]
    fn other_keys_are_left_out() {
        let good = json!({"kty": "RSA", "kid": "a", "alg": "RS256", "use": "sig", "n": "sXch", "e": "AQAB"});
        let odd = [
            json!({"kty": "EC", "kid": "b", "crv": "P-256", "x": "AA", "y": "AA"}),
            json!({"kty": "oct", "kid": "c", "k": "AAAA"}),
            json!({"kty": "RSA", "n": "sXch", "e": "AQAB"}),
            json!({"kty": "new", "kid": "d"}),
            json!(7),
        ];
        let keys: Vec<Value> = odd.into_iter().chain([good]).collect();
        let read = read(json!({"keys": keys}).to_string().as_bytes());
        assert_eq!(read.keys().collect::<Vec<_>>(), ["a"]);
    }

    proptest! {
        #[test]
        fn no_answer_panics(body: Vec<u8>, text: String) {
            let _ = read(&body);
            let odd = json!({"keys": [{"kty": "RSA", "kid": text, "n": text, "e": text}]});
            let _ = read(odd.to_string().as_bytes());
        }
    }
}
