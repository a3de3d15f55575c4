//! Outreach: people connect their Gmail accounts, hold conversations towards a goal, and have replies recommended or
//! sent for them. Seed 000.
//!
//! Owns the tables `gmail_…`. Promises:
//! - Tokens, client secrets and verifiers are sealed at rest and in no answer and no log.
//! - A consent works once, for who began it, for ten minutes. A caller's client secret never sends us anywhere but to the
//!   configured endpoints.
//! - One row an address in the whole installation, so that no mailbox is synced or answered twice.
//! - A grant that Google ended is said to its owner; nothing else disables an account.

mod config;
mod conversations;
mod grant;
mod http;
mod migrations;
mod model;
mod notices;
mod oauth;
mod ops;
mod replies;
mod sealed;
mod send;
mod store;
mod sync;

use std::sync::Arc;

use accounts::Accounts;
use assistant::Assistant;
use axum::extract::FromRef;
use blobs::Blobs;
use db::Db;
use google::{Endpoints, Governors, OAuth, Pushes};
use kernel::Clock;
use tokio::sync::Semaphore;
use transports::{SetupError, web::Web};

pub use config::{Config, ReplyConfig, SendConfig, SyncConfig};
pub use http::{callbacks, router};
pub use migrations::MIGRATIONS;
pub use model::{AutoReply, CredentialStatus};
pub use replies::{FOLLOW_UP, Replies, TURN};
pub use sealed::SEALED;
pub use send::{ALIASES, Aliases, COLLECT, CollectUpload, SEND, SEND_TIME, SendMail};
pub use sync::{RENEW, Renew, SYNC, Sync, WIPE, Wipe};

/// The slice's state. Cheap to clone.
#[derive(Clone)]
pub struct Gmail(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) accounts: Accounts,
    pub(crate) assistant: Assistant,
    pub(crate) blobs: Blobs,
    pub(crate) config: Config,
    pub(crate) web: Web,
    pub(crate) endpoints: Arc<Endpoints>,
    pub(crate) oauth: OAuth,
    pub(crate) governors: Governors,
    pub(crate) cells: grant::Cells,
    pub(crate) reading: conversations::Shared,
    /// What rings, if anything may.
    pub(crate) pushes: Option<Pushes>,
    pub(crate) watches: sync::Watches,
    /// Room for whole mails in memory.
    pub(crate) bodies: Semaphore,
}

impl Gmail {
    /// The slice on the accounts' database. The assistant summarises and proposes; `blobs` keep what is to be sent.
    ///
    /// # Errors
    /// TLS cannot be set up.
    pub fn new(
        accounts: Accounts,
        assistant: Assistant,
        blobs: Blobs,
        config: Config,
    ) -> Result<Self, SetupError> {
        let web = Web::new(&google::web_settings())?;
        let endpoints = Arc::new(config.endpoints.clone());
        let clock = accounts.clock().clone();
        let expected = config.sync.push.clone();
        let pushes = expected.map(|expected| Pushes::new(&web, &endpoints, expected, clock.clone()));
        let oauth = OAuth::new(&web, Arc::clone(&endpoints), clock.clone());
        let governors = Governors::new(config.quota, clock);
        let cells = grant::Cells::default();
        let reading = conversations::Shared::new(accounts.keyring());
        Ok(Self(Arc::new(Inner {
            accounts,
            assistant,
            blobs,
            config,
            web,
            endpoints,
            oauth,
            governors,
            cells,
            reading,
            pushes,
            watches: sync::Watches::default(),
            bodies: Semaphore::new(sync::BODIES),
        })))
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
