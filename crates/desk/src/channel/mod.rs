//! The channels' accounts, and all that goes in and out through them.
//!
//! - `account`: what an account is made of; `registry`: those of the settings and of the database;
//! - `intake`: whose callback this is, kept in one transaction with what it says;
//! - `pull`: WeCom's messages, page by page; `events`: what happened without anybody saying anything;
//! - `send`: messages to customers, in order, and `out`: how each channel takes them; `media`: files in and out; `greet`: welcomes and customers' names;
//! - `wecom`: the client of WeCom's API; `state`: where WeCom has a conversation; `check`: whether an account can do what it
//!   is for; `token`: access tokens that are renewed.

pub(crate) mod account;
pub(crate) mod check;
pub(crate) mod events;
pub(crate) mod greet;
pub(crate) mod intake;
pub(crate) mod media;
pub(crate) mod out;
pub(crate) mod pull;
pub(crate) mod registry;
pub(crate) mod send;
pub(crate) mod state;
pub(crate) mod token;
mod upkeep;
pub(crate) mod wecom;

use std::{collections::BTreeMap, time::Duration};

use blobs::Blobs;
use transports::{
    SetupError,
    web::{Reach, Web, WebSettings},
};

pub use account::{AccountKind, BadField};

/// The largest file of a message, in bytes: what WeCom takes.
pub(crate) const MAX_FILE: u64 = 20 * 1024 * 1024;
/// The largest answer of a channel's API, in bytes: a page of a thousand messages.
const MAX_ANSWER: usize = 32 * 1024 * 1024;

/// How the channels behave here.
#[derive(Debug, Clone)]
pub struct Config {
    /// The settings' accounts.
    pub accounts: Vec<Named>,
    /// After so long without a callback WeCom is asked all the same.
    pub poll: Duration,
    /// So long callbacks are kept as they came.
    pub keep_callbacks: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            accounts: Vec::new(),
            poll: Duration::from_secs(5 * 60),
            keep_callbacks: Duration::from_secs(30 * 24 * 3600),
        }
    }
}

/// An account of the settings. Its `Debug` output shows no value.
#[derive(Clone)]
pub struct Named {
    /// Its kind.
    pub kind: AccountKind,
    /// By the names of [`AccountKind::fields`].
    pub fields: BTreeMap<String, String>,
}

impl std::fmt::Debug for Named {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Named").field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// What the channels' work needs.
pub(crate) struct Channels {
    pub(crate) registry: registry::Registry,
    /// To the channels' own servers, which the operator named.
    pub(crate) api: Web,
    /// To where customers' messages lead.
    pub(crate) public: Web,
    pub(crate) blobs: Blobs,
}

impl Channels {
    /// # Errors
    /// TLS cannot be set up.
    pub(crate) fn new(config: &Config, blobs: Blobs) -> Result<Self, SetupError> {
        let web = |reach, max_answer| {
            let timeout = Duration::from_secs(20);
            Web::new(&WebSettings { max_answer, timeout, ..WebSettings::new(reach) })
        };
        let largest = usize::try_from(MAX_FILE).unwrap_or(MAX_ANSWER);
        Ok(Self {
            registry: registry::Registry::new(&config.accounts),
            api: web(Reach::Anywhere, MAX_ANSWER)?,
            public: web(Reach::Public, largest)?,
            blobs,
        })
    }
}
