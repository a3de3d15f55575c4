//! The desk: customers write on WeCom, Douyin and JD; the assistant answers first, people take over live.
//!
//! Owns the `desk_…` tables. Promises:
//! - A customer's message is stored once however often its channel repeats it, in the order in which it is numbered,
//!   and acknowledged only when it is stored. It is taken in every state of a session.
//! - Of many who act on a session at once one wins; the others are told who did. The assistant's answer to what it
//!   saw is dropped when a person came in between: there are never two voices.
//! - An agent's stream has a number for each thing that they are told, without gaps, in the transaction of the change.
//! - What goes to a customer is a dispatch, sent in the order of its session, under an id that the channel knows it by.
//! - Every change of a session's state is on record with who did it and why.

mod agents;
mod auth;
pub mod channel;
mod contended;
mod details;
mod follow;
mod frames;
mod http;
mod migrations;
mod model;
mod notes;
mod ops;
mod order;
mod queue;
mod rating;
mod receive;
mod repeated;
mod report;
mod sealed;
mod settings;
mod store;
mod stream;
mod supervise;
mod turn;
mod view;
mod watch;
mod webhooks;
mod work;
mod ws;

use std::sync::Arc;

use accounts::Accounts;
use assistant::Assistant;
use axum::extract::FromRef;
use blobs::Blobs;
use db::Db;
use kernel::{Clock, Signer};
use transports::{SetupError, web::Reach};

pub use auth::Agent;
pub use channel::{
    check::{CHECK, Check},
    greet::{PROFILE, Profile, WELCOME, Welcome},
    media::{MEDIA, Media},
    pull::{PULL, Pull},
    send::Send as SendMessage,
    state::{Reconcile, STATE},
    token::{Renew, TOKEN},
};
pub use http::{callbacks, router, socket_router};
pub use migrations::MIGRATIONS;
pub use model::{
    Actor, ChannelType, Command, Event, HandoverReason, MessageStatus, SenderType, State, Status, Step,
};
pub use queue::{ASSIGN, Assign};
pub use receive::{Received, Source};
pub use sealed::SEALED;
pub use turn::{Policy, Turns};
pub use watch::{WATCHDOG, Watchdog};
pub use webhooks::{WEBHOOK, Webhooks};
pub use work::{SEND, TURN};

/// How the desk behaves here.
#[derive(Debug, Clone)]
pub struct Config {
    /// Whether agents need a token; without, whoever reaches the server is a supervisor.
    pub auth: bool,
    /// How far webhooks may reach.
    pub webhooks: Reach,
    /// The channels' accounts.
    pub channels: channel::Config,
    /// How far the assistant goes by itself.
    pub assistant: Policy,
    /// The origins of pages that may open a socket, besides our own; `*`: any.
    pub allowed_origins: Vec<String>,
}

/// The slice's state. Cheap to clone.
#[derive(Clone)]
pub struct Desk(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) accounts: Accounts,
    pub(crate) assistant: Assistant,
    pub(crate) config: Config,
    pub(crate) channels: channel::Channels,
    /// Of files' addresses.
    pub(crate) files: Signer,
    pub(crate) live: stream::Live,
}

impl Desk {
    /// The slice on the accounts' database, with the assistant that answers first; files of messages lie in `blobs`.
    ///
    /// # Errors
    /// TLS cannot be set up.
    pub fn new(
        accounts: Accounts,
        assistant: Assistant,
        blobs: Blobs,
        config: Config,
    ) -> Result<Self, SetupError> {
        let channels = channel::Channels::new(&config.channels, blobs)?;
        let files = Signer::new(accounts.keyring().derive("desk files"), 16);
        let live = stream::Live::new(accounts.clock());
        Ok(Self(Arc::new(Inner { accounts, assistant, config, channels, files, live })))
    }

    pub(crate) fn db(&self) -> &Db {
        self.0.accounts.db()
    }

    pub(crate) fn clock(&self) -> &Clock {
        self.0.accounts.clock()
    }
}

impl FromRef<Desk> for Accounts {
    fn from_ref(desk: &Desk) -> Self {
        desk.0.accounts.clone()
    }
}
