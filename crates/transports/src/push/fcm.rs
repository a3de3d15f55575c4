//! Firebase Cloud Messaging, HTTP v1, by a service account.

use std::collections::BTreeMap;

use http::{Request, Response, StatusCode, header};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use kernel::Timestamp;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::Mutex;

use super::{Message, Pushed, clipped, is_transient, later, sign, unsent};
use crate::web::{Web, retry_after};

/// Where Google gives access tokens.
pub const GOOGLE_TOKEN_URI: &str = "https://oauth2.googleapis.com/token";
const SCOPE: &str = "https://www.googleapis.com/auth/firebase.messaging";
const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/// A token is not used in the last minutes of its life.
const MARGIN: i64 = 300;

/// How to reach FCM.
#[derive(Clone)]
pub struct FcmSettings {
    /// The service account's JSON file, whole.
    pub credentials: String,
    /// `https://fcm.googleapis.com`, without a slash at the end.
    pub base: String,
    /// Where access tokens come from. The file must name the same: a file alone sends us nowhere.
    pub token_uri: String,
}

#[derive(Deserialize)]
struct Account {
    #[serde(rename = "type")]
    kind: String,
    project_id: String,
    #[serde(default)]
    private_key_id: Option<String>,
    private_key: String,
    client_email: String,
    token_uri: String,
}

pub(super) struct Fcm {
    /// The project's `messages:send`.
    url: String,
    token_uri: String,
    client_email: String,
    key_id: Option<String>,
    key: EncodingKey,
    web: Web,
    /// Locked while a token is fetched, so that all who need one wait for the same.
    token: Mutex<Option<Token>>,
}

#[derive(Clone, PartialEq)]
struct Token {
    bearer: String,
    /// Seconds since the epoch.
    until: i64,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    scope: &'a str,
    aud: &'a str,
    iat: i64,
    exp: i64,
}

#[derive(Deserialize)]
struct Granted {
    access_token: String,
    expires_in: i64,
}

impl Fcm {
    pub(super) fn new(settings: FcmSettings, web: Web) -> Result<Self, &'static str> {
        let account: Account = serde_json::from_str(&settings.credentials)
            .map_err(|_| "must be a JSON file with project_id, private_key, client_email and token_uri")?;
        if account.kind != "service_account" {
            return Err("must be of type service_account");
        }
        if account.token_uri != settings.token_uri {
            return Err("must name the token_uri that the settings name");
        }
        let key = EncodingKey::from_rsa_pem(account.private_key.as_bytes())
            .map_err(|_| "must hold an RSA private key in PEM")?;
        let project = utf8_percent_encode(&account.project_id, NON_ALPHANUMERIC).to_string();
        let project = project.replace("%2D", "-");
        let fcm = Self {
            url: format!("{}/v1/projects/{project}/messages:send", settings.base),
            token_uri: settings.token_uri,
            client_email: account.client_email,
            key_id: account.private_key_id,
            key,
            web,
            token: Mutex::new(None),
        };
        // A damaged key shows only when it signs.
        fcm.assertion(0).ok_or("must hold an RSA private key in PEM")?;
        Ok(fcm)
    }

    fn assertion(&self, now: i64) -> Option<String> {
        let header = Header { kid: self.key_id.clone(), ..Header::new(Algorithm::RS256) };
        let (iss, aud) = (&self.client_email, &self.token_uri);
        sign(&header, &Claims { iss, scope: SCOPE, aud, iat: now, exp: now + 3600 }, &self.key)
    }

    /// The token in use: a new one if there is none, it is too old, or it is the one that FCM refused.
    async fn token(&self, now: Timestamp, refused: Option<&Token>) -> Result<Token, Pushed> {
        let mut kept = self.token.lock().await;
        let good = |t: &&Token| now.seconds() < t.until && Some(*t) != refused;
        if let Some(token) = kept.as_ref().filter(good) {
            return Ok(token.clone());
        }
        *kept = None;
        let token = self.fetch(now).await?;
        *kept = Some(token.clone());
        Ok(token)
    }

    async fn fetch(&self, now: Timestamp) -> Result<Token, Pushed> {
        let failed = |what: &str| later(format!("no access token for FCM: {what}"), None);
        let assertion =
            self.assertion(now.seconds()).ok_or_else(|| failed("the assertion cannot be signed"))?;
        let form: String = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs([("grant_type", GRANT), ("assertion", &assertion)])
            .finish();
        let request = Request::post(&self.token_uri)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(form.into_bytes())
            .map_err(|_| failed("the request cannot be written"))?;
        let answer = self.web.send(request).await.map_err(|e| failed(&e.to_string()))?;
        if !answer.status().is_success() {
            let said = format!("{} {}", answer.status().as_u16(), clipped(answer.body(), &assertion));
            let reason = format!("no access token for FCM: {said}");
            return Err(later(reason, retry_after(answer.headers(), now)));
        }
        let granted: Granted =
            serde_json::from_slice(answer.body()).map_err(|_| failed("the answer is not understood"))?;
        let lasts = (granted.expires_in - MARGIN).clamp(0, 3600);
        Ok(Token { bearer: granted.access_token, until: now.seconds() + lasts })
    }

    pub(super) async fn push(&self, device: &str, m: &Message, now: Timestamp) -> Pushed {
        let mut refused = None;
        loop {
            let token = match self.token(now, refused.as_ref()).await {
                Ok(token) => token,
                Err(pushed) => return pushed,
            };
            let Some(request) = self.request(device, m, &token.bearer) else {
                return Pushed::Refused("the request cannot be written".to_owned());
            };
            let answer = match self.web.send(request).await {
                Ok(answer) => answer,
                Err(error) => return unsent(error),
            };
            if answer.status() == StatusCode::UNAUTHORIZED && refused.is_none() {
                refused = Some(token);
                continue;
            }
            return outcome(&answer, device, now);
        }
    }

    fn request(&self, device: &str, m: &Message, bearer: &str) -> Option<Request<Vec<u8>>> {
        let data: BTreeMap<&str, &str> =
            [("type", m.occasion), ("mailId", &m.subject), ("url", &m.url)].into();
        let message = json!({"message": {
            "token": device,
            "notification": {"title": m.title, "body": m.body},
            "data": data,
            "android": {
                "collapse_key": m.collapse,
                "ttl": format!("{}s", m.ttl.as_secs()),
                "priority": "HIGH",
                "notification": {"tag": m.collapse},
            },
        }});
        Request::post(&self.url)
            .header(header::AUTHORIZATION, format!("Bearer {bearer}"))
            .header(header::CONTENT_TYPE, "application/json")
            .body(serde_json::to_vec(&message).ok()?)
            .ok()
    }
}

#[derive(Default, Deserialize)]
struct Refusal {
    #[serde(default)]
    error: RefusalError,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RefusalError {
    status: String,
    message: String,
    details: Vec<Detail>,
}

/// Of `FcmError` or `BadRequest`; others have neither field.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Detail {
    error_code: Option<String>,
    field_violations: Vec<Violation>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Violation {
    field: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Sent {
    name: String,
}

/// <https://firebase.google.com/docs/cloud-messaging/error-codes>
fn outcome(answer: &Response<Vec<u8>>, device: &str, now: Timestamp) -> Pushed {
    let status = answer.status();
    if status.is_success() {
        let sent: Sent = serde_json::from_slice(answer.body()).unwrap_or_default();
        return Pushed::Taken(format!("{} {}", status.as_u16(), clipped(sent.name.as_bytes(), device)));
    }
    let RefusalError { status: kind, message, details } =
        serde_json::from_slice::<Refusal>(answer.body()).unwrap_or_default().error;
    let code = details.iter().find_map(|d| d.error_code.clone()).unwrap_or(kind);
    let said = clipped(format!("{} {code} {message}", status.as_u16()).as_bytes(), device);
    let blames_token =
        || details.iter().flat_map(|d| &d.field_violations).any(|v| v.field == "message.token");
    match (status, code.as_str()) {
        (_, "UNREGISTERED") => Pushed::Gone(said),
        (StatusCode::BAD_REQUEST, _) if blames_token() => Pushed::Gone(said),
        // Our account or project is at fault, which the operator can repair.
        (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND, _) => later(said, None),
        (status, _) if is_transient(status) => later(said, retry_after(answer.headers(), now)),
        _ => Pushed::Refused(said),
    }
}
