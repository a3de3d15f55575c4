//! [`TokenCell`]: one access token for all calls of a mailbox, renewed ahead of its end by one of them.
//!
//! Promises: however many calls of a process need a token, one asks for it, and the others get the same. Of several
//! processes none undoes what another wrote: a new token is stored only where the one that it renews still stands.
//! Only Google's word ends a grant, never an outage.

use std::{fmt, sync::Arc, time::Duration};

use kernel::{Clock, Timestamp};
use tokio::sync::Mutex;

use crate::{BoxFuture, ClientSecret, Error, OAuth, Secret};

/// A token is renewed so long before it ends.
const EARLY: Duration = Duration::from_secs(600);
/// A token that could not be renewed is used until so long before it ends.
const LAST: Duration = Duration::from_secs(30);
/// Reads of the store in one call: another process may change it in between.
const TRIES: u32 = 3;

/// What opens a mailbox for an hour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessToken {
    /// The bearer token.
    pub secret: Secret,
    /// When Google takes it no longer.
    pub expires_at: Timestamp,
}

/// Where a mailbox's calls have their tokens from.
pub trait TokenSource: Send + Sync {
    /// A token that is good now; another than `refused`, which Google took no longer.
    ///
    /// # Errors
    /// [`Error::Reauthorize`] and others of [`OAuth::refresh`]
    fn token<'a>(&'a self, refused: Option<&'a AccessToken>) -> BoxFuture<'a, Result<AccessToken, Error>>;
}

/// A mailbox's grant as it is stored.
#[derive(Debug, Clone)]
pub struct Authorized {
    /// Differs after every change.
    pub version: i64,
    /// By which client.
    pub client: Arc<ClientSecret>,
    /// For new access tokens.
    pub refresh: Secret,
    /// The last one.
    pub access: Option<AccessToken>,
}

/// Where a [`TokenCell`] keeps a mailbox's grant: a row of the caller's.
pub trait TokenStore: Send + Sync {
    /// The grant; `None` if the mailbox is not connected (any more).
    ///
    /// # Errors
    /// [`Error::retry`] where the store fails.
    fn load(&self) -> BoxFuture<'_, Result<Option<Authorized>, Error>>;

    /// Stores a new access token, and a new refresh token if there is one, in place of those of `version`, under another
    /// version; false if the grant has another version by now, and nothing is changed.
    ///
    /// # Errors
    /// [`Error::retry`] where the store fails.
    fn renewed<'a>(
        &'a self,
        version: i64,
        access: &'a AccessToken,
        refresh: Option<&'a Secret>,
    ) -> BoxFuture<'a, Result<bool, Error>>;

    /// Notes that Google has ended the grant of `version`, for this reason; false if it has another by now.
    ///
    /// # Errors
    /// [`Error::retry`] where the store fails.
    fn ended<'a>(&'a self, version: i64, reason: &'a str) -> BoxFuture<'a, Result<bool, Error>>;
}

/// A mailbox's token in this process.
pub struct TokenCell<S> {
    store: S,
    oauth: OAuth,
    clock: Clock,
    /// Locked while a token is renewed, so that all who need one wait for the same.
    held: Mutex<Option<AccessToken>>,
}

impl<S> fmt::Debug for TokenCell<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenCell")
    }
}

impl<S: TokenStore> TokenCell<S> {
    /// Backed by this store.
    pub fn new(store: S, oauth: OAuth, clock: Clock) -> Self {
        Self { store, oauth, clock, held: Mutex::default() }
    }

    async fn get(&self, refused: Option<&AccessToken>) -> Result<AccessToken, Error> {
        let mut held = self.held.lock().await;
        let good = |token: &AccessToken, spare: Duration| {
            refused.is_none_or(|r| r.secret != token.secret) && self.clock.now() + spare < token.expires_at
        };
        if let Some(token) = held.as_ref().filter(|token| good(token, EARLY)) {
            return Ok(token.clone());
        }
        *held = None;
        for _ in 0..TRIES {
            let Some(grant) = self.store.load().await? else {
                return Err(Error::Reauthorize { reason: "the account is not connected".to_owned() });
            };
            if let Some(token) = grant.access.as_ref().filter(|token| good(token, EARLY)) {
                return Ok(held.insert(token.clone()).clone());
            }
            match self.oauth.refresh(&grant.client, &grant.refresh).await {
                Ok(new) => {
                    // Whoever was faster stored a token that is as good; one of another account would not be, so it is read.
                    if self.store.renewed(grant.version, &new.access, new.refresh.as_ref()).await? {
                        return Ok(held.insert(new.access).clone());
                    }
                }
                Err(Error::Reauthorize { reason }) => {
                    if self.store.ended(grant.version, &reason).await? {
                        return Err(Error::Reauthorize { reason });
                    }
                }
                Err(error) => {
                    let last = grant.access.filter(|token| good(token, LAST));
                    if let Some(token) = last {
                        tracing::warn!(%error, "an access token cannot be renewed ahead of its end");
                        return Ok(token);
                    }
                    return Err(error);
                }
            }
        }
        Err(Error::retry("the account is being connected anew"))
    }
}

impl<S: TokenStore> TokenSource for TokenCell<S> {
    fn token<'a>(&'a self, refused: Option<&'a AccessToken>) -> BoxFuture<'a, Result<AccessToken, Error>> {
        Box::pin(self.get(refused))
    }
}

/// A token that was just given, for the calls before there is anything stored.
impl TokenSource for AccessToken {
    fn token<'a>(&'a self, refused: Option<&'a AccessToken>) -> BoxFuture<'a, Result<AccessToken, Error>> {
        let answer = match refused {
            None => Ok(self.clone()),
            Some(_) => {
                Err(Error::Reauthorize { reason: "Google does not accept its own new token".to_owned() })
            }
        };
        Box::pin(std::future::ready(answer))
    }
}
