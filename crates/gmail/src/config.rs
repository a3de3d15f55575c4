//! How outreach behaves here: what the settings say.

use std::time::Duration;

use google::{Endpoints, Expected, Quota};

use crate::AutoReply;

/// How outreach behaves here.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// Where Google is.
    pub endpoints: Endpoints,
    /// Where people reach this server, without a slash at the end.
    pub public_url: String,
    /// The limits of each mailbox.
    pub quota: Quota,
    /// How mailboxes are read.
    pub sync: SyncConfig,
    /// How mails are sent.
    pub send: SendConfig,
    /// What may go out without a person.
    pub replies: ReplyConfig,
}

impl Config {
    /// Where Google sends the browser back to.
    #[must_use]
    pub fn callback(&self) -> String {
        format!("{}/api/gmail/auth/callback/", self.public_url)
    }
}

/// How mailboxes are read.
#[derive(Debug, Clone)]
pub struct SyncConfig {
    /// What pushes must be signed for; without it none is taken.
    pub push: Option<Expected>,
    /// The topic that mailboxes ring, `projects/{project}/topics/{name}`, unless a call names another.
    pub topic: Option<String>,
    /// A mailbox that was quiet for so long is read.
    pub poll_every: Duration,
}

impl Default for SyncConfig {
    fn default() -> Self {
        Self { push: None, topic: None, poll_every: Duration::from_secs(600) }
    }
}

/// How mails are sent.
#[derive(Debug, Clone)]
pub struct SendConfig {
    /// The most mails that one account sends in 24 hours, unless its owner set fewer.
    pub daily_cap: i64,
    /// The most in an account's first 24 hours here; doubles each day until [`SendConfig::daily_cap`].
    pub warm_up: i64,
    /// So long a mail can be taken back, unless a call says otherwise.
    pub hold: Duration,
    /// Octets: the most that the files to send of one user have together.
    pub uploads: i64,
}

impl Default for SendConfig {
    fn default() -> Self {
        Self { daily_cap: 400, warm_up: 50, hold: Duration::ZERO, uploads: 1000 * 1024 * 1024 }
    }
}

/// What may go out without a person, and how often.
#[derive(Debug, Clone)]
pub struct ReplyConfig {
    /// The kill switch of the whole installation.
    pub mode: AutoReply,
    /// So long an automatic reply can be taken back.
    pub hold: Duration,
    /// An older mail is not answered.
    pub max_age: Duration,
    /// In one thread.
    pub per_thread: i64,
    /// To one counterpart in 24 hours.
    pub per_contact: i64,
    /// Between two in one thread.
    pub min_gap: Duration,
    /// By one account in an hour.
    pub per_hour: i64,
    /// By one account in 24 hours.
    pub per_day: i64,
    /// By all accounts in 24 hours.
    pub global: i64,
    /// What the assistant is less sure of waits for a person; from 0 to 1.
    pub confidence: f64,
}

impl Default for ReplyConfig {
    fn default() -> Self {
        Self {
            mode: AutoReply::On,
            hold: Duration::from_secs(60),
            max_age: Duration::from_secs(24 * 3600),
            per_thread: 5,
            per_contact: 3,
            min_gap: Duration::from_secs(600),
            per_hour: 20,
            per_day: 100,
            global: 1000,
            confidence: 0.7,
        }
    }
}
