//! [`OAuth`]: from a person's consent to an access token, and back to none (RFC 6749, RFC 7636, RFC 7009).

use std::{sync::Arc, time::Duration};

use form_urlencoded::Serializer;
use http::{Request, header::CONTENT_TYPE};
use kernel::Clock;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use transports::web::Web;

use crate::{
    AccessToken, ClientSecret, Endpoints, Error, Secret, bytes,
    error::{Effect, Step},
};

/// Reading, sending, labels, watch and aliases; no deletion for ever.
const MODIFY: &str = "https://www.googleapis.com/auth/gmail.modify";
/// Everything of Gmail, so [`MODIFY`] too.
const ALL_OF_GMAIL: &str = "https://mail.google.com/";

/// What is asked for.
pub const SCOPES: [&str; 3] = [MODIFY, "openid", "email"];

/// For a call.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Octets of an answer.
const ANSWER: usize = 64 * 1024;
/// How long a token is good for if Google does not say.
const USUAL: u64 = 3600;

/// Google's OAuth. Cheap to clone.
#[derive(Debug, Clone)]
pub struct OAuth {
    web: Web,
    endpoints: Arc<Endpoints>,
    clock: Clock,
}

/// What the person is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// For whom.
    pub client: &'a ClientSecret,
    /// Where the browser comes back to.
    pub redirect_uri: &'a str,
    /// Comes back with the answer: random, of one use.
    pub state: &'a Secret,
    /// Binds the code to whoever asked.
    pub pkce: &'a Pkce,
    /// The account that is meant, if it is known.
    pub login_hint: Option<&'a str>,
}

/// A proof key for the exchange (RFC 7636, S256).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pkce {
    verifier: Secret,
}

/// What Google gives for a code or a refresh token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// For calls.
    pub access: AccessToken,
    /// For further access tokens. Absent where an earlier one stays good.
    pub refresh: Option<Secret>,
    /// What was granted.
    pub scopes: Scopes,
}

/// What a person granted: the words of the answer's `scope`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scopes(String);

/// What came back from the consent page, pasted or by the redirect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Returned {
    /// To be exchanged.
    pub code: Secret,
    /// Of [`Ask::state`]; absent where the code alone was pasted.
    pub state: Option<Secret>,
}

impl Pkce {
    /// From the system's random source.
    ///
    /// # Errors
    /// [`Error::Retry`] where there is none.
    pub fn random() -> Result<Self, Error> {
        random_text().map(|verifier| Self { verifier })
    }

    /// One that was kept.
    #[must_use]
    pub const fn from_verifier(verifier: Secret) -> Self {
        Self { verifier }
    }

    /// To be kept, sealed, until the exchange.
    #[must_use]
    pub const fn verifier(&self) -> &Secret {
        &self.verifier
    }

    /// What the authorization URL shows of it.
    #[must_use]
    pub fn challenge(&self) -> String {
        bytes::encode(&Sha256::digest(self.verifier.expose().as_bytes()))
    }
}

/// A random text of 256 bits in base64url: a verifier, a state.
fn random_text() -> Result<Secret, Error> {
    let random = kernel::id::random::<32>().map_err(|_| Error::retry("there is no randomness"))?;
    Ok(Secret::new(bytes::encode(&random)))
}

impl Scopes {
    /// The words, as they are kept.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What of [`SCOPES`] a mailbox cannot do without and was not granted: people may untick boxes.
    #[must_use]
    pub fn missing(&self) -> Vec<&'static str> {
        let has = |scope: &str| self.0.split_ascii_whitespace().any(|word| word == scope);
        if has(MODIFY) || has(ALL_OF_GMAIL) { Vec::new() } else { vec![MODIFY] }
    }
}

impl From<String> for Scopes {
    fn from(words: String) -> Self {
        Self(words)
    }
}

impl Returned {
    /// Reads what a person pasted: the code, or the address of the page that they were sent to.
    ///
    /// # Errors
    /// [`Error::Permanent`] if it is neither, or says that there was no consent.
    pub fn read(text: &str) -> Result<Self, Error> {
        let text = text.trim();
        let is_url = text.starts_with("http://") || text.starts_with("https://");
        match text.split_once('?') {
            Some((_, query)) if is_url => Self::from_query(query.split('#').next().unwrap_or_default()),
            None if is_url => Err(no_code()),
            // A code has no `&` and no `=`; what browsers show of a query may be pasted alone.
            _ if text.contains("code=") || text.contains("error=") => {
                Self::from_query(text.trim_start_matches('?'))
            }
            _ => code(text).map(|code| Self { code, state: None }),
        }
    }

    /// Reads the query of the redirect.
    ///
    /// # Errors
    /// [`Error::Permanent`] if there is no code, or it says that there was no consent.
    pub fn from_query(query: &str) -> Result<Self, Error> {
        let value = |name: &str| {
            form_urlencoded::parse(query.as_bytes()).find(|(k, _)| k == name).map(|(_, v)| v.into_owned())
        };
        if let Some(error) = value("error") {
            return Err(match error.as_str() {
                "access_denied" => {
                    Error::permanent("access_denied", "the account's owner did not allow the access")
                }
                "admin_policy_enforced" => Error::permanent(
                    "admin_policy_enforced",
                    "the administrator of the account's organization does not allow this app",
                ),
                _ => Error::permanent("consent_failed", "Google's consent page ended with an error"),
            });
        }
        Ok(Self { code: code(&value("code").ok_or_else(no_code)?)?, state: value("state").map(Secret::new) })
    }
}

fn no_code() -> Error {
    Error::permanent(
        "no_code",
        "there is no code in it: paste the whole address that Google sent the browser to",
    )
}

/// A code: Google's are at most 256 octets; those of others may be longer. It goes into a form alone.
fn code(text: &str) -> Result<Secret, Error> {
    // A code that was copied out of an address is still percent-encoded: Google's hold a slash.
    let text = percent_encoding::percent_decode_str(text).decode_utf8().map_err(|_| no_code())?;
    let good = !text.is_empty() && text.len() <= 2048 && text.bytes().all(|b| b.is_ascii_graphic());
    if good { Ok(Secret::new(text.into_owned())) } else { Err(no_code()) }
}

#[derive(Deserialize)]
struct Answer {
    access_token: Secret,
    #[serde(default)]
    expires_in: Option<u64>,
    #[serde(default)]
    refresh_token: Option<Secret>,
    #[serde(default)]
    scope: Option<String>,
}

impl OAuth {
    /// By this client, at these endpoints.
    #[must_use]
    pub fn new(web: &Web, endpoints: Arc<Endpoints>, clock: Clock) -> Self {
        Self { web: web.limited(TIMEOUT, ANSWER), endpoints, clock }
    }

    /// A `state` for [`Ask`].
    ///
    /// # Errors
    /// [`Error::Retry`] where there is no randomness.
    pub fn state() -> Result<Secret, Error> {
        random_text()
    }

    /// Where the person's browser is to go. Google asks for consent even if it was given before, for only then a refresh
    /// token comes for certain.
    #[must_use]
    pub fn authorize_url(&self, ask: &Ask<'_>) -> String {
        let mut query = Serializer::new(String::new());
        query
            .append_pair("client_id", &ask.client.client_id)
            .append_pair("redirect_uri", ask.redirect_uri)
            .append_pair("response_type", "code")
            .append_pair("scope", &SCOPES.join(" "))
            .append_pair("access_type", "offline")
            .append_pair("prompt", "consent")
            .append_pair("include_granted_scopes", "true")
            .append_pair("state", ask.state.expose())
            .append_pair("code_challenge", &ask.pkce.challenge())
            .append_pair("code_challenge_method", "S256");
        if let Some(hint) = ask.login_hint {
            query.append_pair("login_hint", hint);
        }
        format!("{}?{}", self.endpoints.auth_uri, query.finish())
    }

    /// A code for tokens. The address that they open is what [`crate::Mailbox::profile`] says.
    ///
    /// # Errors
    /// [`Error::Reauthorize`]: the code is no longer good; [`Error::Permanent`]: the client is not; [`Error::Retry`].
    pub async fn exchange(
        &self,
        client: &ClientSecret,
        code: &Secret,
        redirect_uri: &str,
        pkce: &Pkce,
    ) -> Result<Grant, Error> {
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code.expose()),
            ("redirect_uri", redirect_uri),
            ("code_verifier", pkce.verifier.expose()),
        ];
        self.grant(client, &form, Step::Exchange).await
    }

    /// A refresh token for an access token; Google's refresh tokens stay good.
    ///
    /// # Errors
    /// [`Error::Reauthorize`]: the grant has ended; [`Error::Permanent`]: the client is not good; [`Error::Retry`].
    pub async fn refresh(&self, client: &ClientSecret, refresh: &Secret) -> Result<Grant, Error> {
        let form = [("grant_type", "refresh_token"), ("refresh_token", refresh.expose())];
        self.grant(client, &form, Step::Refresh).await
    }

    /// Ends a grant, by its refresh or access token: with it every token of this person for this project. A mailbox's
    /// watch is to be stopped before ([`crate::Mailbox::stop`]). A grant that has ended already is a success.
    ///
    /// # Errors
    /// [`Error::Retry`], [`Error::Permanent`]
    pub async fn revoke(&self, token: &Secret) -> Result<(), Error> {
        let answer = self.post(&self.endpoints.revoke_uri, &[("token", token.expose())]).await?;
        if answer.status().is_success() {
            return Ok(());
        }
        match Error::of_oauth(&answer, Step::Revoke, self.clock.now()) {
            Error::Reauthorize { .. } => Ok(()),
            error => Err(error),
        }
    }

    async fn grant(&self, client: &ClientSecret, form: &[(&str, &str)], step: Step) -> Result<Grant, Error> {
        let us = [("client_id", client.client_id.as_str()), ("client_secret", client.secret.expose())];
        let asked = self.clock.now();
        let answer = self.post(&self.endpoints.token_uri, &[form, &us].concat()).await?;
        if !answer.status().is_success() {
            return Err(Error::of_oauth(&answer, step, self.clock.now()));
        }
        let unreadable = || Error::unreadable("Google's answer with tokens", Effect::Repeatable);
        let given: Answer = serde_json::from_slice(answer.body()).map_err(|_| unreadable())?;
        // It becomes a header's value.
        if given.access_token.expose().is_empty()
            || !given.access_token.expose().bytes().all(|b| b.is_ascii_graphic())
        {
            return Err(unreadable());
        }
        let lasts = Duration::from_secs(given.expires_in.unwrap_or(USUAL).min(24 * USUAL));
        Ok(Grant {
            access: AccessToken { secret: given.access_token, expires_at: asked + lasts },
            refresh: given.refresh_token.filter(|token| !token.expose().is_empty()),
            // What is not said is what was asked for (RFC 6749, 5.1).
            scopes: Scopes(given.scope.unwrap_or_else(|| SCOPES.join(" "))),
        })
    }

    async fn post(&self, url: &str, form: &[(&str, &str)]) -> Result<http::Response<Vec<u8>>, Error> {
        let body = Serializer::new(String::new()).extend_pairs(form).finish();
        let request = Request::post(url)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(body.into_bytes())
            .map_err(|_| Error::permanent("configuration", "an OAuth endpoint in the settings is no URL"))?;
        self.web.send(request).await.map_err(|error| Error::unanswered(error, Effect::Repeatable))
    }
}

#[cfg(test)]
mod tests;
