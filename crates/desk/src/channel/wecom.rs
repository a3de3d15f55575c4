//! The client of WeCom's API: one access token for all calls, limits that are kept.
//!
//! Promises: however many calls need a token, one asks for it; a token that ended early is renewed once and the call
//! repeated once; after a limit was hit nothing is called until it is over.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use channels::wecom::{ApiError, Class, Failure, Keys, parse_token};
use http::{Request, Response, header::CONTENT_TYPE};
use kernel::{Clock, Timestamp};
use serde_json::Value;
use transports::web::{Web, WebError};

/// A token is renewed so long before it ends.
const EARLY: Duration = Duration::from_secs(120);
/// After WeCom refused to give a token it is not asked again for so long: too many tries block our address.
const SULK: Duration = Duration::from_secs(30);
/// A limit that is hit again so soon after its minute is the hour's.
const AGAIN: Duration = Duration::from_secs(300);
const HOUR: Duration = Duration::from_secs(3600);

/// An app of ours at WeCom.
pub(crate) struct Wecom {
    pub(crate) keys: Keys,
    pub(crate) welcome: Option<String>,
    corp_id: String,
    secret: String,
    base: String,
    token: tokio::sync::Mutex<Token>,
    limit: Mutex<Limit>,
}

#[derive(Default)]
struct Token {
    held: Option<(String, Timestamp)>,
    refused: Option<(CallError, Timestamp)>,
}

#[derive(Default, Clone, Copy)]
struct Limit {
    until: Option<Timestamp>,
}

/// Why a call has no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CallError {
    /// WeCom says no.
    #[error(transparent)]
    Api(ApiError),
    /// A limit was hit: nothing is called before then.
    #[error("WeCom's limit of calls is reached, until {0}")]
    Limited(Timestamp),
    /// No answer, or none that can be understood.
    #[error("{reason}")]
    Failed {
        /// Why.
        reason: String,
        /// WeCom may have acted on it.
        in_doubt: bool,
    },
}

impl From<Failure> for CallError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Api(error) => Self::Api(error),
            Failure::Unreadable(_) => Self::Failed { reason: failure.to_string(), in_doubt: true },
        }
    }
}

impl From<WebError> for CallError {
    fn from(error: WebError) -> Self {
        match error {
            WebError::Refused(reason) => Self::Failed { reason, in_doubt: false },
            WebError::Failed { reason, in_doubt } => Self::Failed { reason, in_doubt },
        }
    }
}

impl From<http::Error> for CallError {
    fn from(error: http::Error) -> Self {
        Self::Failed { reason: error.to_string(), in_doubt: false }
    }
}

/// What is sent with a call.
pub(crate) enum Body<'a> {
    /// A GET with these parameters.
    Query(&'a [(&'a str, &'a str)]),
    /// A POST of JSON.
    Json(&'a Value),
    /// A POST of bytes of this type, with these parameters.
    Bytes(&'a [(&'a str, &'a str)], &'a str, &'a [u8]),
}

impl Wecom {
    pub(crate) fn new(
        keys: Keys,
        corp_id: String,
        secret: String,
        base: String,
        welcome: Option<String>,
    ) -> Self {
        let (token, limit) = (tokio::sync::Mutex::default(), Mutex::default());
        Self { keys, welcome, corp_id, secret, base, token, limit }
    }

    /// Calls `/cgi-bin/{path}`; the answer is a success, whatever it holds.
    ///
    /// # Errors
    /// [`CallError`]
    pub(crate) async fn call(
        &self,
        web: &Web,
        clock: &Clock,
        path: &str,
        body: Body<'_>,
    ) -> Result<Response<Vec<u8>>, CallError> {
        if let Some(until) = self.limited(clock.now()) {
            return Err(CallError::Limited(until));
        }
        let mut token = self.token(web, clock, None).await?;
        let mut renewed = false;
        loop {
            let answer = self.once(web, path, &token, &body).await?;
            let Some(error) = api_error(&answer) else {
                return Ok(answer);
            };
            match error.class {
                Class::Token if !renewed => {
                    renewed = true;
                    token = self.token(web, clock, Some(&token)).await?;
                }
                Class::Limited { wait } => return Err(CallError::Limited(self.hit(wait, clock.now()))),
                _ => return Err(CallError::Api(error)),
            }
        }
    }

    async fn once(
        &self,
        web: &Web,
        path: &str,
        token: &str,
        body: &Body<'_>,
    ) -> Result<Response<Vec<u8>>, CallError> {
        let mut params = vec![("access_token", token)];
        if let Body::Query(more) | Body::Bytes(more, ..) = body {
            params.extend_from_slice(more);
        }
        let url = self.url(path, &params);
        let request = match body {
            Body::Query(_) => Request::get(url).body(Vec::new())?,
            Body::Json(json) => Request::post(url)
                .header(CONTENT_TYPE, "application/json")
                .body(json.to_string().into_bytes())?,
            Body::Bytes(_, mime, bytes) => {
                Request::post(url).header(CONTENT_TYPE, *mime).body(bytes.to_vec())?
            }
        };
        send(web, request).await
    }

    fn url(&self, path: &str, params: &[(&str, &str)]) -> String {
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(params).finish();
        format!("{}/cgi-bin/{path}?{query}", self.base)
    }

    /// The access token; another than `stale`, which WeCom takes no longer. Whoever comes while one asks waits for it.
    async fn token(&self, web: &Web, clock: &Clock, stale: Option<&str>) -> Result<String, CallError> {
        let mut state = self.token.lock().await;
        let now = clock.now();
        if let Some((token, until)) = &state.held
            && now < *until
            && stale != Some(token.as_str())
        {
            return Ok(token.clone());
        }
        if let Some((error, until)) = &state.refused
            && now < *until
        {
            return Err(error.clone());
        }
        let url = self.url("gettoken", &[("corpid", &self.corp_id), ("corpsecret", &self.secret)]);
        let answer = send(web, Request::get(url).body(Vec::new())?).await?;
        match parse_token(answer.body()) {
            Ok(token) => {
                let until = now + token.expires_in.saturating_sub(EARLY);
                *state = Token { held: Some((token.access_token.clone(), until)), refused: None };
                Ok(token.access_token)
            }
            Err(failure) => {
                let error = CallError::from(failure);
                if matches!(error, CallError::Api(_)) {
                    *state = Token { held: None, refused: Some((error.clone(), now + SULK)) };
                }
                Err(error)
            }
        }
    }

    fn limit(&self) -> std::sync::MutexGuard<'_, Limit> {
        self.limit.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn limited(&self, now: Timestamp) -> Option<Timestamp> {
        self.limit().until.filter(|until| now < *until)
    }

    /// Notes that a limit was hit; until when nothing is called.
    fn hit(&self, wait: Duration, now: Timestamp) -> Timestamp {
        let mut limit = self.limit();
        if let Some(until) = limit.until.filter(|until| now + wait < *until) {
            return until;
        }
        let again = limit.until.is_some_and(|until| until <= now && now.since(until) < AGAIN);
        let minute = wait >= Duration::from_secs(60);
        let until = now + if again && minute { HOUR } else { wait };
        // A pause of a second says nothing about the next.
        if minute {
            tracing::warn!(%until, "WeCom's limit of calls is reached");
        }
        limit.until = Some(until);
        until
    }
}

/// Sends a request; an answer that is no success by its status is an error.
async fn send(web: &Web, request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>, CallError> {
    let answer = web.send(request).await?;
    if answer.status().is_success() {
        return Ok(answer);
    }
    let reason = format!("WeCom answers with status {}", answer.status().as_u16());
    Err(CallError::Failed { reason, in_doubt: answer.status().is_server_error() })
}

/// The error that an answer is, if it is one. A file's answer is none.
fn api_error(answer: &Response<Vec<u8>>) -> Option<ApiError> {
    if answer.body().first() != Some(&b'{') {
        return None;
    }
    let value: Value = serde_json::from_slice(answer.body()).ok()?;
    let code = value.get("errcode")?.as_i64().filter(|code| *code != 0)?;
    let message = value.get("errmsg").and_then(Value::as_str).unwrap_or_default().to_owned();
    Some(ApiError { code, message, class: Class::of(code) })
}
