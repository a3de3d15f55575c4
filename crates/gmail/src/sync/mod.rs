//! Mailboxes are read: rung by Google, or when they were quiet for long.
//!
//! - `push`: what rings; `watch`: that it rings at all; `upkeep`: what is done from time to time;
//! - `run`: the dispatch that reads one mailbox; `history`: what changed in it, and what is listed where history does not
//!   reach back; `backfill`: a new conversation's past; `drain`: the queue of mails to look at; `ingest`: what becomes of
//!   one;
//! - `removal`: messages that Gmail no longer holds, and accounts that were disconnected.
//!
//! Promises: one mailbox is read by one at a time; the place up to which history was read is stored in the transaction
//! after its last page, and everything that it named lies in a queue by then; a mail is stored once; what fails by itself
//! holds nobody up; new mails come before old ones; at most one large mail is in memory.

mod backfill;
mod drain;
mod history;
mod ingest;
mod push;
mod removal;
mod run;
mod upkeep;
mod watch;

use std::time::Duration;

use db::{Result, Tx};
use dispatch::NewDispatch;
use kernel::Timestamp;

use crate::{
    Gmail,
    store::{self, ConversationRow, CredentialRow},
};

pub(crate) use drain::BODIES;
pub(crate) use push::Rung;
pub use removal::{WIPE, Wipe};
pub use run::{SYNC, Sync};
pub use watch::{RENEW, Renew};
pub(crate) use watch::{Ringing, Watches};

/// A mail that failed so often by itself is skipped.
pub(crate) const TRIES: i64 = 5;

/// Gmail's search may not know a mail yet that was there when it was asked: so long after, it is asked once more.
const SEARCH_LAG: Duration = Duration::from_secs(7 * 60);

/// Labels of what is not correspondence: drafts, spam, what was thrown away, and chats.
const HIDDEN: [&str; 4] = ["DRAFT", "SPAM", "TRASH", "CHAT"];

/// Whether a mail with these labels is no correspondence.
pub(crate) fn is_hidden(labels: &[String]) -> bool {
    labels.iter().any(|label| HIDDEN.contains(&label.as_str()))
}

/// The dispatch that reads a mailbox, which was idle until `count`.
fn dispatch_id(credential: &str, count: i64) -> String {
    format!("{credential}/sync/{count}")
}

impl Gmail {
    /// Sees to it that a mailbox is read soon.
    pub(crate) async fn want_sync(&self, tx: &mut Tx, credential: &str) -> Result<()> {
        self.want(tx, credential, None).await
    }

    async fn want(&self, tx: &mut Tx, credential: &str, pushed_at: Option<Timestamp>) -> Result<()> {
        let now = self.now();
        let (count, idle) = store::syncs::want(tx, credential, pushed_at, self.poll_at(now)).await?;
        if !idle {
            return Ok(());
        }
        let read = NewDispatch {
            id: dispatch_id(credential, count),
            kind: SYNC,
            subject: credential.to_owned(),
            destination: credential.to_owned(),
            payload: None,
            due_at: now,
        };
        dispatch::enqueue(tx, now, &[read]).await.map(drop)
    }

    /// When a mailbox that is read now is read again though nothing rings: not all at the same time.
    fn poll_at(&self, now: Timestamp) -> Timestamp {
        let [random] = kernel::id::random::<1>().unwrap_or([128]);
        let every: Duration = self.0.config.sync.poll_every;
        now + every.mul_f64(0.9 + 0.2 * f64::from(random) / 255.0)
    }

    /// Sees to it that all that an account and a counterpart wrote each other before is listed and stored.
    pub(crate) async fn want_backfill(
        &self,
        tx: &mut Tx,
        credential: &CredentialRow,
        conversation: &ConversationRow,
    ) -> Result<()> {
        store::syncs::want_backfill(tx, &credential.key, conversation.id, self.now()).await?;
        self.want_sync(tx, &credential.key).await
    }
}
