//! Outreach: people connect their Gmail accounts, hold conversations towards a goal, and have replies recommended or
//! sent for them. Seed 000.
//!
//! Owns the tables `gmail_…`. Promises:
//! - Tokens, client secrets and verifiers are sealed at rest and in no answer and no log.
//! - A consent works once, for who began it, for ten minutes. A caller's client secret never sends us anywhere but to the
//!   configured endpoints.
//! - One row an address in the whole installation, so that no mailbox is synced or answered twice.
//! - A grant that Google ended is said to its owner; nothing else disables an account.

mod grant;
mod http;
mod migrations;
mod model;
mod oauth;
mod ops;
mod sealed;
mod store;

use std::sync::Arc;

use accounts::Accounts;
use axum::extract::FromRef;
use db::Db;
use google::{Endpoints, Governors, OAuth, Quota};
use kernel::Clock;
use transports::{SetupError, web::Web};

pub use http::router;
pub use migrations::MIGRATIONS;
pub use model::CredentialStatus;
pub use sealed::SEALED;

/// How outreach behaves here.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// Where Google is.
    pub endpoints: Endpoints,
    /// Where people reach this server, without a slash at the end.
    pub public_url: String,
    /// The limits of each mailbox.
    pub quota: Quota,
}

impl Config {
    /// Where Google sends the browser back to.
    #[must_use]
    pub fn callback(&self) -> String {
        format!("{}/api/gmail/auth/callback/", self.public_url)
    }
}

/// The slice's state. Cheap to clone.
#[derive(Clone)]
pub struct Gmail(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) accounts: Accounts,
    pub(crate) config: Config,
    pub(crate) web: Web,
    pub(crate) endpoints: Arc<Endpoints>,
    pub(crate) oauth: OAuth,
    pub(crate) governors: Governors,
    pub(crate) cells: grant::Cells,
}

impl Gmail {
    /// The slice on the accounts' database.
    ///
    /// # Errors
    /// TLS cannot be set up.
    pub fn new(accounts: Accounts, config: Config) -> Result<Self, SetupError> {
        let web = Web::new(&google::web_settings())?;
        let endpoints = Arc::new(config.endpoints.clone());
        let clock = accounts.clock().clone();
        let oauth = OAuth::new(&web, Arc::clone(&endpoints), clock.clone());
        let governors = Governors::new(config.quota, clock);
        let cells = grant::Cells::default();
        Ok(Self(Arc::new(Inner { accounts, config, web, endpoints, oauth, governors, cells })))
    }

    pub(crate) fn db(&self) -> &Db {
        self.0.accounts.db()
    }

    pub(crate) fn clock(&self) -> &Clock {
        self.0.accounts.clock()
    }
}

impl FromRef<Gmail> for Accounts {
    fn from_ref(gmail: &Gmail) -> Self {
        gmail.0.accounts.clone()
    }
}
