//! [`Pushes`]: Pub/Sub's pushes, checked and read.
//!
//! Promises: only what a token of Google's vouches for is read at all, a token for us from the service account that the
//! settings name. The body is not signed: what is read is a hint that a mailbox may have changed, never a position in its
//! history.

use std::time::Duration;

use http::{HeaderMap, header::AUTHORIZATION};
use jsonwebtoken::{Algorithm, Validation};
use kernel::{Clock, Timestamp};
use serde::Deserialize;
use serde_json::Value;
use transports::web::Web;

use crate::{
    Endpoints, bytes,
    jwks::{Keys, NoKey},
};

/// Between Google's clock and ours.
const LEEWAY: Duration = Duration::from_secs(60);
/// Octets of a token.
const LONGEST_TOKEN: usize = 8 * 1024;
const ISSUERS: [&str; 2] = ["https://accounts.google.com", "accounts.google.com"];

/// What the subscription is set up with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// The audience, to the letter.
    pub audience: String,
    /// The service account's address.
    pub service_account: String,
    /// `projects/{project}/subscriptions/{name}`; any if it is not set.
    pub subscription: Option<String>,
}

/// Takes pushes of one subscription.
pub struct Pushes {
    expected: Expected,
    keys: Keys,
    clock: Clock,
}

/// A mailbox may have changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hint {
    /// Whose, in lower case.
    pub address: String,
    /// How far its history went. For the record: history is walked from one's own position.
    pub history_id: Option<u64>,
    /// The same each time that Pub/Sub repeats the push.
    pub message_id: Option<String>,
    /// When Gmail told Pub/Sub.
    pub published_at: Option<Timestamp>,
    /// `projects/{project}/subscriptions/{name}`, where the push says so.
    pub subscription: Option<String>,
}

/// A push that is not taken. How it is answered matters: anything but a 2xx makes Pub/Sub repeat it and slow down the whole
/// subscription.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// 401: no token, or none of Google's that is good now.
    #[error("the push is not authenticated: {0}")]
    Unauthenticated(&'static str),
    /// 403: a good token, but for somebody else or from somebody else.
    #[error("the push is somebody else's: {0}")]
    Forbidden(&'static str),
    /// 503: it cannot be checked now.
    #[error("the push cannot be checked: {0}")]
    Unavailable(String),
    /// 2xx, and counted: it will be no better when it is repeated.
    #[error("the push is not understood: {0}")]
    Undecodable(&'static str),
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    exp: i64,
    iat: i64,
    #[serde(default)]
    email: String,
    #[serde(default)]
    email_verified: bool,
}

impl Pushes {
    /// What this subscription pushes.
    #[must_use]
    pub fn new(web: &Web, endpoints: &Endpoints, expected: Expected, clock: Clock) -> Self {
        Self { expected, keys: Keys::new(web, endpoints.jwks_uri.clone(), clock.clone()), clock }
    }

    /// Checks and reads a push.
    ///
    /// # Errors
    /// [`Refused`]
    pub async fn verify(&self, headers: &HeaderMap, body: &[u8]) -> Result<Hint, Refused> {
        self.authenticate(headers).await?;
        self.read(headers, body)
    }

    /// Checks who pushes, by the head alone: nobody else's body need be read.
    ///
    /// # Errors
    /// [`Refused`], but for [`Refused::Undecodable`]
    pub async fn authenticate(&self, headers: &HeaderMap) -> Result<(), Refused> {
        let value = headers.get(AUTHORIZATION).ok_or(Refused::Unauthenticated("there is no token"))?;
        let (scheme, token) = value
            .to_str()
            .ok()
            .and_then(|text| text.trim().split_once(' '))
            .ok_or(Refused::Unauthenticated("there is no bearer token"))?;
        if !scheme.eq_ignore_ascii_case("bearer") || token.len() > LONGEST_TOKEN {
            return Err(Refused::Unauthenticated("there is no bearer token"));
        }
        let claims = self.signed(token.trim()).await?;
        self.check(&claims)
    }

    /// Reads a push whose head was checked.
    ///
    /// # Errors
    /// [`Refused::Undecodable`]
    pub fn read(&self, headers: &HeaderMap, body: &[u8]) -> Result<Hint, Refused> {
        let envelope = Envelope::read(body, headers)?;
        if let (Some(expected), Some(named)) = (&self.expected.subscription, &envelope.subscription)
            && expected != named
        {
            return Err(Refused::Undecodable("it is of another subscription"));
        }
        Ok(Hint { subscription: envelope.subscription, ..envelope.hint })
    }

    /// The claims of a token that Google signed, whatever they say.
    async fn signed(&self, token: &str) -> Result<Claims, Refused> {
        let bad = |_| Refused::Unauthenticated("the token is no JWT");
        let header = jsonwebtoken::decode_header(token).map_err(bad)?;
        if header.alg != Algorithm::RS256 {
            return Err(Refused::Unauthenticated("the token is not signed with RS256"));
        }
        let id = header.kid.ok_or(Refused::Unauthenticated("the token names no key"))?;
        let key = self.keys.get(&id).await.map_err(|error| match error {
            NoKey::Unknown => Refused::Unauthenticated("the token names no key of Google's"),
            NoKey::Unavailable(reason) => Refused::Unavailable(reason),
        })?;
        let mut validation = Validation::new(Algorithm::RS256);
        // Times are compared with our clock, and names where the answer can say which is wrong: see `check`.
        validation.validate_exp = false;
        validation.validate_aud = false;
        validation.set_required_spec_claims(&["exp", "aud", "iss"]);
        let claims = jsonwebtoken::decode::<Claims>(token, &key, &validation);
        claims
            .map(|data| data.claims)
            .map_err(|_| Refused::Unauthenticated("the token's signature or form is wrong"))
    }

    fn check(&self, claims: &Claims) -> Result<(), Refused> {
        let now = self.clock.now();
        if !ISSUERS.contains(&claims.iss.as_str()) {
            return Err(Refused::Unauthenticated("the token is not Google's"));
        }
        if now >= Timestamp::from_seconds(claims.exp) + LEEWAY {
            return Err(Refused::Unauthenticated("the token has expired"));
        }
        if Timestamp::from_seconds(claims.iat) > now + LEEWAY {
            return Err(Refused::Unauthenticated("the token is of the future"));
        }
        if claims.aud != self.expected.audience {
            return Err(Refused::Forbidden("the token is for another audience"));
        }
        if !claims.email_verified || !claims.email.eq_ignore_ascii_case(&self.expected.service_account) {
            return Err(Refused::Forbidden("the token is of another service account"));
        }
        Ok(())
    }
}

struct Envelope {
    hint: Hint,
    subscription: Option<String>,
}

impl Envelope {
    /// Reads both forms: wrapped, with the payload in base64, and unwrapped, the bare payload.
    fn read(body: &[u8], headers: &HeaderMap) -> Result<Self, Refused> {
        let value: Value = serde_json::from_slice(body).map_err(|_| Refused::Undecodable("it is no JSON"))?;
        let text = |v: &Value, names: [&str; 2]| {
            names.iter().find_map(|name| v.get(name)).and_then(Value::as_str).map(str::to_owned)
        };
        let subscription = text(&value, ["subscription", "subscription"]);
        let Some(message) = value.get("message").filter(|message| message.is_object()) else {
            let header = headers.get("x-goog-pubsub-message-id").and_then(|v| v.to_str().ok());
            let hint = hint(&value, header.map(str::to_owned), None)?;
            return Ok(Self { hint, subscription });
        };
        let data =
            message.get("data").and_then(Value::as_str).ok_or(Refused::Undecodable("it holds no data"))?;
        let payload = bytes::decode(data).ok_or(Refused::Undecodable("its data is no base64"))?;
        let payload: Value =
            serde_json::from_slice(&payload).map_err(|_| Refused::Undecodable("its data is no JSON"))?;
        let published = text(message, ["publishTime", "publish_time"]).and_then(|text| text.parse().ok());
        let id = text(message, ["messageId", "message_id"]);
        Ok(Self { hint: hint(&payload, id, published)?, subscription })
    }
}

fn hint(
    payload: &Value,
    message_id: Option<String>,
    published_at: Option<Timestamp>,
) -> Result<Hint, Refused> {
    let address = payload.get("emailAddress").and_then(Value::as_str).map(str::trim).unwrap_or_default();
    if !address.contains('@') || address.len() > 320 {
        return Err(Refused::Undecodable("it names no mailbox"));
    }
    let history_id = match payload.get("historyId") {
        Some(Value::String(text)) => text.trim().parse().ok(),
        Some(Value::Number(number)) => number.as_u64(),
        _ => None,
    };
    let message_id = message_id.filter(|id| !id.is_empty() && id.len() <= 256);
    let address = address.to_lowercase();
    Ok(Hint { address, history_id, message_id, published_at, subscription: None })
}

#[cfg(test)]
mod tests;
