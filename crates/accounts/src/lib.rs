//! Accounts: who is calling, and what they may do. The foundation slice: letters, outreach and desk know
//! people only through it, since there is one user table.
//!
//! Owns `users`, `sessions`, `refresh_tokens`, `mail_tokens`, `devices` and `quotas`. Promises:
//! - A password is stored as Argon2id only; refresh and mailed tokens as SHA-256 only; push tokens sealed.
//! - A refresh token works once. Used twice, it ends its whole family: one of the two users is a thief.
//! - Log-out makes the access token useless at once, in every process: each request reads its session.
//! - A push token belongs to the account that registered it last, and goes when its service says that it is gone.
//! - Addresses are compared case-insensitively, one account each.
//! - Quotas are exact under any number of parallel requests.
//! - No answer tells whether an address has an account, but registering with it (409) must.

mod auth;
mod http;
mod migrations;
mod model;
mod ops;
mod password;
pub mod post;
pub mod push;
mod sealed;
pub mod store;
mod tokens;
mod work;

use std::{sync::Arc, time::Duration};

use blobs::Blobs;
use db::Db;
use httpkit::{Attempts, Limiter};
use kernel::{Clock, Problem, seal::Keyring};
use transports::push::Push;

pub use auth::MaybeCaller;
pub use http::{AVATARS, AccountData, Url, router};
pub use migrations::MIGRATIONS;
pub use model::{Caller, Person, Plan, Resource, Role, Scene, check_url, mask_address};
pub use ops::{admin, take_quota};
pub use sealed::SEALED;
pub use work::{ACCOUNT_MAIL, AccountMail, Notice, tell};

/// How accounts behave here.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where people reach this server, without a slash at the end.
    pub public_url: String,
    /// Whether an address must be verified before it opens letters that others sent to it.
    pub verify_email: bool,
    /// Whether requests and login attempts are limited by rate.
    pub limits: bool,
    /// The way out for push messages.
    pub push: Push,
}

/// The slice's state. Cheap to clone.
#[derive(Clone)]
pub struct Accounts(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) db: Db,
    pub(crate) clock: Clock,
    pub(crate) keyring: Keyring,
    pub(crate) blobs: Blobs,
    pub(crate) config: Config,
    tokens: tokens::AccessTokens,
    passwords: password::Passwords,
    /// Requests of one user.
    requests: Limiter,
    /// Registrations from one address.
    registrations: Limiter,
    /// Logins from one address, right or wrong.
    logins: Limiter,
    /// Failed logins to one account from one address.
    failures: Attempts,
    /// Mails that one account can be sent.
    mails: Limiter,
}

impl Accounts {
    /// The slice on this database.
    ///
    /// # Errors
    /// No randomness.
    pub fn new(
        db: Db,
        clock: Clock,
        keyring: Keyring,
        blobs: Blobs,
        config: Config,
    ) -> Result<Self, Problem> {
        let limiter = |burst, every| Limiter::new(config.limits, burst, every);
        Ok(Self(Arc::new(Inner {
            tokens: tokens::AccessTokens::new(&keyring),
            passwords: password::Passwords::new()?,
            requests: limiter(200, Duration::from_millis(20)),
            registrations: limiter(60, Duration::from_secs(10)),
            logins: limiter(60, Duration::from_secs(1)),
            failures: Attempts::new(config.limits, 10, Duration::from_secs(30), clock.clone()),
            mails: limiter(3, Duration::from_secs(600)),
            db,
            clock,
            keyring,
            blobs,
            config,
        })))
    }

    /// The database.
    #[must_use]
    pub fn db(&self) -> &Db {
        &self.0.db
    }

    /// The clock.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// How accounts behave here.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.0.config
    }

    /// Whether letters that others sent to an address may be opened by its account.
    pub(crate) fn opens_address(&self, verified: bool) -> bool {
        verified || !self.0.config.verify_email
    }

    /// The sealing keys.
    #[must_use]
    pub fn keyring(&self) -> &Keyring {
        &self.0.keyring
    }
}
