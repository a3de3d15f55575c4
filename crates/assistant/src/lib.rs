//! The assistant of all three parts: one interface, an engine that is always here and a provider that may be.
//!
//! Owns `assistant_usage`, `assistant_cache` and `assistant_calls`; [`kb`] has its own tables. Promises:
//! - Every task is answered, by the provider within its time limit or by the embedded engine, and every answer
//!   says by whom, and whether it fell back.
//! - Nothing leaves the process unless the operator configured a provider; personal data leaves only as the
//!   operator's policy has it, and comes back into its place in the answer.
//! - What comes from outside is marked as material in every prompt, and what a model writes is checked against
//!   what it was given; a model has no tools and sends nothing.
//! - Caps are exact under any number of parallel calls, in any number of processes.
//! - Records of calls, and logs, hold no text.

mod address;
mod amounts;
mod ask;
mod breaker;
mod caps;
mod check;
mod config;
mod guard;
mod http;
pub mod kb;
mod migrations;
mod model;
mod pieces;
mod provider;
mod read;
mod redact;
mod sealed;
mod store;
mod tasks;
mod trial;

use std::{
    sync::{Arc, atomic::AtomicI64},
    time::Duration,
};

use accounts::Accounts;
use axum::extract::FromRef;
use db::Db;
use kernel::Clock;
use tokio::sync::mpsc;

pub use address::{is_near, read_base_url};
pub use amounts::{amounts, asks_for_new_amount, names_new_amount};
pub use check::{Foreign, foreign, links};
pub use config::{Caps, Config, LONGEST_TIMEOUT, Privacy, Protocol, Provider, Secret};
pub use guard::{is_suspicious, sanitize};
pub use http::{ENGINE_HEADER, router};
pub use migrations::MIGRATIONS;
pub use model::{
    Analysis, Answered, DeskAction, DeskAnswer, DeskRequest, Emotion, EmotionScore, Fact, Found, Goal,
    GoalProgress, HandoffReason, Length, Message, PredictRequest, Prediction, ReplyRequest, Sentiment,
    SuggestedReply, ThreadRequest, ThreadSummary, Tone, WriteRequest, WritingKind, Written,
};
pub use sealed::SEALED;
pub use trial::{Trial, trial};

/// The slice's state. Cheap to clone.
#[derive(Clone)]
pub struct Assistant(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) accounts: Accounts,
    pub(crate) kb: kb::Kb,
    /// What is asked first; with `model`, or neither.
    provider: Option<Provider>,
    model: Option<provider::Model>,
    caps: Caps,
    cache_ttl: Duration,
    records_keep: Duration,
    /// For the hashes of what was asked.
    hash_key: [u8; 32],
    /// When what had its time was last looked for, in microseconds.
    swept: AtomicI64,
}

impl Assistant {
    /// The assistant on the accounts' database. Nothing is sent yet.
    ///
    /// # Errors
    /// The HTTP client cannot be made.
    pub fn new(accounts: Accounts, config: Config) -> Result<Self, std::io::Error> {
        let model = match &config.provider {
            Some(provider) => Some(provider::Model::new(provider, accounts.clock().clone())?),
            None => None,
        };
        Ok(Self(Arc::new(Inner {
            hash_key: accounts.keyring().derive("assistant: what was asked"),
            swept: AtomicI64::new(0),
            accounts,
            kb: kb::Kb::default(),
            provider: config.provider,
            model,
            caps: config.caps,
            cache_ttl: config.cache_ttl,
            records_keep: config.records_keep,
        })))
    }

    /// The engine that is asked first: `embedded`, or the provider and its model.
    #[must_use]
    pub fn engine(&self) -> &str {
        self.0.model.as_ref().map_or(ask::EMBEDDED, provider::Model::label)
    }

    /// Loads the embedded engine's dictionaries, so that nobody waits for them. Takes half a second of a thread of
    /// its own.
    pub fn warm(&self) {
        tokio::task::spawn_blocking(nlp::warm);
    }

    /// Helps with writing a letter.
    pub async fn write(&self, owner: &str, request: WriteRequest) -> Answered<Written> {
        self.ask(owner, request).await
    }

    /// The same; the text goes to `pieces` while it comes, as a preview. A text that broke off is never the
    /// answer, which may then differ from what was previewed.
    pub async fn write_in_pieces(
        &self,
        owner: &str,
        request: WriteRequest,
        pieces: mpsc::UnboundedSender<String>,
    ) -> Answered<Written> {
        self.ask_in_pieces(owner, request, pieces).await
    }

    /// What a text says about its writer's feeling, and what it is about.
    pub async fn analyse(&self, owner: &str, text: &str) -> Answered<Analysis> {
        self.ask(owner, tasks::Analyse { text: text.to_owned() }).await
    }

    /// What may have changed by the time a letter arrives.
    pub async fn predict(&self, owner: &str, request: PredictRequest) -> Answered<Prediction> {
        self.ask(owner, tasks::Predict::new(request, self.clock().now())).await
    }

    /// Where a conversation stands.
    pub async fn summarise_thread(&self, owner: &str, request: ThreadRequest) -> Answered<ThreadSummary> {
        self.ask(owner, request).await
    }

    /// A reply to suggest. Whether it may go out by itself is not decided here; see `needs_human`.
    pub async fn reply(&self, owner: &str, request: ReplyRequest) -> Answered<SuggestedReply> {
        self.ask(owner, request).await
    }

    /// The first answer to a customer. What asks for a person, threatens or rages goes to a person unasked.
    pub async fn desk(&self, owner: &str, request: DeskRequest) -> Answered<DeskAnswer> {
        self.ask(owner, request).await
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
