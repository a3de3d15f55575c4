//! Apple's push notification service, by provider tokens (ES256) over HTTP/2.

use http::{Request, Response, StatusCode, header};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use kernel::Timestamp;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::Mutex;

use super::{Message, PushError, Pushed, clipped, is_transient, later, sign, unsent};
use crate::web::{Web, retry_after};

/// How to reach APNs.
#[derive(Clone)]
pub struct ApnsSettings {
    /// The `.p8` file's text.
    pub key: String,
    /// The key's id, ten characters.
    pub key_id: String,
    /// The team's id, ten characters.
    pub team_id: String,
    /// The app's bundle id.
    pub topic: String,
    /// `https://api.push.apple.com`, without a slash at the end.
    pub base: String,
}

/// Apple refuses tokens older than an hour, and those renewed more often than every 20 minutes.
const GOOD_FOR: i64 = 40 * 60;

pub(super) struct Apns {
    settings: ApnsSettings,
    key: EncodingKey,
    web: Web,
    token: Mutex<Option<Token>>,
}

#[derive(Clone, PartialEq)]
struct Token {
    jwt: String,
    issued: i64,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    iat: i64,
}

#[derive(Default, Deserialize)]
struct Refusal {
    #[serde(default)]
    reason: String,
}

impl Apns {
    pub(super) fn new(settings: ApnsSettings, web: Web) -> Result<Self, PushError> {
        let key = EncodingKey::from_ec_pem(settings.key.as_bytes()).map_err(|_| PushError::Apns)?;
        let apns = Self { settings, key, web, token: Mutex::new(None) };
        // A key of another curve shows only when it signs.
        apns.issue(0).ok_or(PushError::Apns)?;
        Ok(apns)
    }

    fn issue(&self, now: i64) -> Option<Token> {
        let header = Header { kid: Some(self.settings.key_id.clone()), ..Header::new(Algorithm::ES256) };
        let jwt = sign(&header, &Claims { iss: &self.settings.team_id, iat: now }, &self.key)?;
        Some(Token { jwt, issued: now })
    }

    /// The token in use: a new one if there is none, it is too old, or it is the one that Apple calls expired.
    async fn token(&self, now: i64, expired: Option<&Token>) -> Option<Token> {
        let mut kept = self.token.lock().await;
        let good = |t: &&Token| (0..GOOD_FOR).contains(&(now - t.issued)) && Some(*t) != expired;
        if let Some(token) = kept.as_ref().filter(good) {
            return Some(token.clone());
        }
        kept.clone_from(&self.issue(now));
        kept.clone()
    }

    pub(super) async fn push(&self, device: &str, m: &Message, now: Timestamp) -> Pushed {
        let mut expired = None;
        loop {
            let Some(token) = self.token(now.seconds(), expired.as_ref()).await else {
                return later("the provider token cannot be signed".to_owned(), None);
            };
            let Some(request) = self.request(device, m, now, &token.jwt) else {
                return Pushed::Refused("the request cannot be written".to_owned());
            };
            let answer = match self.web.send(request).await {
                Ok(answer) => answer,
                Err(error) => return unsent(error),
            };
            let reason = serde_json::from_slice::<Refusal>(answer.body()).unwrap_or_default().reason;
            if reason == "ExpiredProviderToken" && expired.is_none() {
                expired = Some(token);
                continue;
            }
            return outcome(&answer, &reason, device, now);
        }
    }

    fn request(&self, device: &str, m: &Message, now: Timestamp, jwt: &str) -> Option<Request<Vec<u8>>> {
        let payload = json!({
            "aps": {
                "alert": {"title": m.title, "body": m.body}, "sound": "default", "thread-id": m.subject
            },
            "type": m.occasion, "mailId": m.subject, "url": m.url,
        });
        let device = utf8_percent_encode(device, NON_ALPHANUMERIC);
        Request::post(format!("{}/3/device/{device}", self.settings.base))
            .header(header::AUTHORIZATION, format!("bearer {jwt}"))
            .header(header::CONTENT_TYPE, "application/json")
            .header("apns-topic", &self.settings.topic)
            .header("apns-push-type", "alert")
            .header("apns-priority", "10")
            .header("apns-expiration", (now + m.ttl).seconds())
            .header("apns-collapse-id", &m.collapse)
            .body(serde_json::to_vec(&payload).ok()?)
            .ok()
    }
}

fn outcome(answer: &Response<Vec<u8>>, reason: &str, device: &str, now: Timestamp) -> Pushed {
    let status = answer.status();
    let words = if reason.is_empty() { answer.body() } else { reason.as_bytes() };
    let said = format!("{} {}", status.as_u16(), clipped(words, device));
    match (status, reason) {
        (status, _) if status.is_success() => Pushed::Taken(said),
        (StatusCode::GONE, _) | (StatusCode::BAD_REQUEST, "BadDeviceToken") => Pushed::Gone(said),
        // Our key, team or topic is at fault, which the operator can repair.
        (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, _)
        | (StatusCode::BAD_REQUEST, "DeviceTokenNotForTopic" | "BadTopic" | "TopicDisallowed") => {
            later(said, None)
        }
        (status, _) if is_transient(status) => later(said, retry_after(answer.headers(), now)),
        _ => Pushed::Refused(said),
    }
}
