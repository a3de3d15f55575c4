//! The assistant of all three parts: one interface, an engine that is always here and providers that may be.

mod address;
mod config;
mod http;
pub mod kb;
mod migrations;

use std::sync::Arc;

use accounts::Accounts;
use axum::extract::FromRef;
use db::Db;
use kernel::Clock;

pub use address::{is_near, read_base_url};
pub use config::{Caps, Config, LONGEST_TIMEOUT, Privacy, Protocol, Provider, Secret};
pub use http::router;
pub use migrations::MIGRATIONS;

/// The slice's state. Cheap to clone.
#[derive(Clone)]
pub struct Assistant(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) accounts: Accounts,
    #[expect(dead_code, reason = "used by what comes next")]
    pub(crate) config: Config,
    pub(crate) kb: kb::Kb,
}

impl Assistant {
    /// The assistant on the accounts' database.
    ///
    /// # Errors
    /// What is wrong with the provider's address.
    pub fn new(accounts: Accounts, config: Config) -> Result<Self, std::io::Error> {
        Ok(Self(Arc::new(Inner { accounts, config, kb: kb::Kb::default() })))
    }

    pub(crate) fn db(&self) -> &Db {
        self.0.accounts.db()
    }

    pub(crate) fn clock(&self) -> &Clock {
        self.0.accounts.clock()
    }
}

impl FromRef<Assistant> for Accounts {
    fn from_ref(assistant: &Assistant) -> Self {
        assistant.0.accounts.clone()
    }
}
