//! Letters and time capsules: written now, delivered by time, place or event.
//!
//! Owns `letters`, `letter_contents`, `letter_keys`, `letter_attachments`, `files`, `inbox`, `unlock_attempts`,
//! `armed_triggers`, `trigger_hooks`, `hook_nonces`, `imported_letters`, what is counted of letters, and
//! what is known about their delivery. Promises:
//! - A scheduled letter has its dispatches from the same transaction; it arrives at `sendTime`, not earlier,
//!   once in its inbox, and by e-mail where it goes to an address.
//! - An inbox belongs to a user's id or to an address, not to an account: a letter to an address that gets its
//!   account (or its verification) later is there when it does, and nothing has to be moved.
//! - What was answered with 200 stays true: a revoked letter is not delivered, a scheduled one is not lost.
//! - A letter whose trigger fires is due at once, and final; it fires once. Reported positions and texts are
//!   tested and forgotten: they are in no table, log or figure.
//! - Nobody but its author sees anything of a letter before it is delivered.
//! - The text and the files of an encrypted letter are sealed at rest and leave only through `unlock`; with a
//!   passphrase the server itself cannot open them.

mod analysis;
mod archive;
mod arrival;
mod attach;
mod bounces;
mod http;
mod ids;
mod mail;
mod migrations;
mod model;
mod moderation;
mod notify;
mod ops;
mod recipients;
mod refusals;
mod seal;
mod statistics;
mod store;
mod timeline;
mod triggers;
mod view;
mod work;

use std::{sync::Arc, time::Duration};

use accounts::Accounts;
use axum::extract::FromRef;
use blobs::Blobs;
use db::Db;
use httpkit::Limiter;
use kernel::{Clock, Signer, seal::Keyring};
use tokio::sync::{Mutex, watch};

pub use analysis::{ANALYSIS, Analysis};
pub use arrival::{ARRIVED, Arrivals};
pub use bounces::Bounces;
pub use http::router;
pub use migrations::MIGRATIONS;
pub use model::{Moderation, ModerationAction, ReportReason};
pub use moderation::Report;
pub use notify::{NOTIFY_EMAIL, NOTIFY_PUSH, NotificationMail, NotificationPush, REMINDER, Reminders};
pub use seal::SEALED;
pub use work::{
    COLLECT_FILE, COLLECT_OBJECT, CollectFile, CollectObject, EMAIL, FORGET, Forget, INBOX, Inbox,
    LetterMail, NOTICE, NoticeMail,
};

/// How letters behave here.
#[derive(Debug, Clone)]
pub struct Config {
    /// How long before its `sendTime` a letter must be scheduled, the boundary included.
    pub min_lead: Duration,
    /// How long before its `sendTime` a letter becomes final.
    pub delivering_lead: Duration,
    /// How long before its `sendTime` the author of a letter to others is reminded; zero for never.
    pub reminder_lead: Duration,
}

/// The slice's state. Cheap to clone.
#[derive(Clone)]
pub struct Letters(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) accounts: Accounts,
    pub(crate) blobs: Blobs,
    pub(crate) config: Config,
    /// Events of one hook.
    pub(crate) hook_events: Limiter,
    /// Exports and imports of one account.
    pub(crate) archives: Limiter,
    pub(crate) kdf: seal::Kdf,
    /// Signs the tokens of links in letters' mails.
    pub(crate) tokens: Signer,
    /// Reports of one reader.
    pub(crate) reports: Limiter,
    /// True when the process is about to end, so that open streams end too.
    pub(crate) closing: watch::Receiver<bool>,
    /// Held for one step of counting letters, so that a large account does not take all processors.
    pub(crate) counting: Mutex<()>,
}

impl Letters {
    /// The slice on the accounts' database.
    #[must_use]
    pub fn new(accounts: Accounts, blobs: Blobs, config: Config, closing: watch::Receiver<bool>) -> Self {
        let hook_events = Limiter::new(accounts.config().limits, 60, Duration::from_secs(1));
        let archives = Limiter::new(accounts.config().limits, 6, Duration::from_secs(600));
        let kdf = seal::Kdf::new();
        let counting = Mutex::new(());
        let tokens = Signer::new(accounts.keyring().derive("letters: mailed links"), 16);
        let reports = Limiter::new(accounts.config().limits, 10, Duration::from_secs(600));
        Self(Arc::new(Inner {
            accounts,
            blobs,
            config,
            hook_events,
            archives,
            kdf,
            tokens,
            reports,
            closing,
            counting,
        }))
    }

    pub(crate) fn db(&self) -> &Db {
        self.0.accounts.db()
    }

    pub(crate) fn clock(&self) -> &Clock {
        self.0.accounts.clock()
    }

    pub(crate) fn keyring(&self) -> &Keyring {
        self.0.accounts.keyring()
    }

    pub(crate) fn public_url(&self) -> &str {
        &self.0.accounts.config().public_url
    }
}

impl FromRef<Letters> for Accounts {
    fn from_ref(letters: &Letters) -> Self {
        letters.0.accounts.clone()
    }
}
