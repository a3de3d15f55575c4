//! [`Mailbox`]: a person's mailbox by the Gmail API.

mod changes;
mod messages;
mod send;
mod wire;

use std::{fmt, sync::Arc};

use http::{
    Method, Request, StatusCode,
    header::{AUTHORIZATION, CONTENT_TYPE},
};
use kernel::Clock;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::de::DeserializeOwned;
use serde_json::json;
use transports::web::Web;

pub use changes::{Change, HistoryPage, HistoryQuery, HistoryRecord, Labeled, Touched, Watch};
pub use messages::{Page, Query};
pub use send::Sent;
pub use wire::{Body, Format, Header, Message, MessageRef, Part, Raw, SendAs, Thread};

use crate::{AccessToken, Endpoints, Error, Governor, TokenSource, error::Effect, governor::units};

/// A mailbox. Cheap to clone; all clones share the governor.
#[derive(Clone)]
pub struct Mailbox {
    web: Web,
    endpoints: Arc<Endpoints>,
    clock: Clock,
    tokens: Arc<dyn TokenSource>,
    governor: Arc<Governor>,
}

impl fmt::Debug for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mailbox")
    }
}

/// Who the mailbox belongs to, and how it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// Its address, as its owner writes it: to be compared without regard to case.
    pub address: String,
    /// Messages in it.
    pub messages: u64,
    /// Its last change: where history begins for whoever has seen all of it.
    pub history_id: u64,
}

/// One call.
struct Call {
    method: Method,
    /// After the base, with the query.
    path: String,
    body: Option<(String, Vec<u8>)>,
    units: u32,
    effect: Effect,
}

impl Call {
    fn get(path: String, units: u32) -> Self {
        Self { method: Method::GET, path, body: None, units, effect: Effect::Repeatable }
    }

    fn post(path: String, body: &serde_json::Value, units: u32) -> Self {
        let body = Some(("application/json".to_owned(), body.to_string().into_bytes()));
        Self { method: Method::POST, path, body, units, effect: Effect::Repeatable }
    }
}

/// The path of something of the mailbox's.
fn of_me(rest: &str) -> String {
    format!("/gmail/v1/users/me/{rest}")
}

/// An id as a segment of a path, whatever it holds.
fn segment(id: &str) -> impl fmt::Display {
    utf8_percent_encode(id, NON_ALPHANUMERIC)
}

/// `path?a=b`
fn with_query<'a>(path: &str, pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
    if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
}

impl Mailbox {
    /// The mailbox that `tokens` open. Its `governor` is that of the mailbox's address ([`crate::Governors::of`]).
    #[must_use]
    pub fn new(
        web: &Web,
        endpoints: Arc<Endpoints>,
        clock: Clock,
        tokens: Arc<dyn TokenSource>,
        governor: Arc<Governor>,
    ) -> Self {
        Self { web: web.clone(), endpoints, clock, tokens, governor }
    }

    /// Whose it is. The first call after consent: nothing else says reliably which account was chosen.
    ///
    /// # Errors
    /// [`Error`]
    pub async fn profile(&self) -> Result<Profile, Error> {
        let profile: wire::Profile = self.json(Call::get(of_me("profile"), units::PROFILE)).await?;
        let unreadable = || Error::unreadable("Gmail's profile", Effect::Repeatable);
        let history_id = profile.history_id.ok_or_else(unreadable)?;
        if !profile.email_address.contains('@') {
            return Err(unreadable());
        }
        let messages = profile.messages_total.unwrap_or(0);
        Ok(Profile { address: profile.email_address, messages, history_id })
    }

    /// The addresses that the mailbox may write as.
    ///
    /// # Errors
    /// [`Error`]
    pub async fn send_as(&self) -> Result<Vec<SendAs>, Error> {
        let list: wire::SendAsList = self.json(Call::get(of_me("settings/sendAs"), units::SETTINGS)).await?;
        Ok(list.send_as)
    }

    /// Adds labels to a message and takes others away.
    ///
    /// # Errors
    /// [`Error`]
    pub async fn modify(&self, id: &str, add: &[&str], remove: &[&str]) -> Result<(), Error> {
        let path = of_me(&format!("messages/{}/modify", segment(id)));
        let body = json!({"addLabelIds": add, "removeLabelIds": remove});
        self.call(&Call::post(path, &body, units::MODIFY)).await.map(drop)
    }

    async fn json<T: DeserializeOwned>(&self, call: Call) -> Result<T, Error> {
        let body = self.call(&call).await?;
        serde_json::from_slice(&body).map_err(|_| Error::unreadable("Gmail's answer", call.effect))
    }

    /// Makes a call within the mailbox's limits, with a new token if Google takes the one at hand no longer. The body of a
    /// success.
    async fn call(&self, call: &Call) -> Result<Vec<u8>, Error> {
        let _permit = self.governor.acquire(call.units, call.effect).await?;
        let outcome = self.authorized(call).await;
        self.governor.note(outcome, call.effect)
    }

    async fn authorized(&self, call: &Call) -> Result<Vec<u8>, Error> {
        let token = self.tokens.token(None).await?;
        let mut answer = self.once(call, &token).await?;
        if answer.status() == StatusCode::UNAUTHORIZED {
            let token = self.tokens.token(Some(&token)).await?;
            answer = self.once(call, &token).await?;
        }
        if answer.status().is_success() {
            return Ok(answer.into_body());
        }
        Err(Error::of_api(&answer, call.effect, self.clock.now()))
    }

    async fn once(&self, call: &Call, token: &AccessToken) -> Result<http::Response<Vec<u8>>, Error> {
        let mut request = Request::builder()
            .method(call.method.clone())
            .uri(format!("{}{}", self.endpoints.api_base, call.path))
            .header(AUTHORIZATION, format!("Bearer {}", token.secret.expose()));
        if let Some((mime, _)) = &call.body {
            request = request.header(CONTENT_TYPE, mime);
        }
        let body = call.body.as_ref().map(|(_, bytes)| bytes.clone()).unwrap_or_default();
        let request = request.body(body);
        let request = request.map_err(|_| Error::permanent("refused", "the call cannot be written"))?;
        self.web.send(request).await.map_err(|error| Error::unanswered(error, call.effect))
    }
}
