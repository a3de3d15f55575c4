//! Mails on their way out: from the moment that somebody asked for them until Gmail has them.

mod suppress;

use db::Tx;
use kernel::{Problem, Timestamp};
use mail::Mailbox;

use crate::{
    Gmail,
    model::Source,
    store::{CredentialRow, MessageRow},
};

/// A mail that somebody wants sent.
#[derive(Debug, Clone)]
pub(crate) struct NewSend {
    pub(crate) source: Source,
    /// The conversation that it belongs to, if any.
    pub(crate) conversation_id: Option<i64>,
    /// The account's address or an accepted alias of it; `None`: the account's.
    pub(crate) from: Option<Mailbox>,
    pub(crate) to: Vec<Mailbox>,
    pub(crate) cc: Vec<Mailbox>,
    pub(crate) bcc: Vec<Mailbox>,
    pub(crate) subject: String,
    /// At least one of text and HTML.
    pub(crate) text: Option<String>,
    pub(crate) html: Option<String>,
    /// Ids of uploads, in order.
    pub(crate) attachments: Vec<String>,
    /// The mail that it answers: gives the thread, `In-Reply-To` and `References`.
    pub(crate) answers: Option<MessageRow>,
    pub(crate) idempotency_key: Option<String>,
    /// When it leaves; until then it can be taken back.
    pub(crate) due_at: Timestamp,
    /// The recommendation that it came of.
    pub(crate) reply_id: Option<i64>,
    pub(crate) goal_id: Option<i64>,
}

impl Gmail {
    /// Puts a mail into the outbox and schedules it, or finds the one that was put there under the same idempotency key.
    /// Its id, `gout_…`.
    ///
    /// # Errors
    /// 422 names the field; 409 for a key that was used for another mail.
    pub(crate) async fn enqueue(
        &self,
        _tx: &mut Tx,
        _credential: &CredentialRow,
        _new: &NewSend,
    ) -> Result<String, Problem> {
        Err(Problem::internal())
    }

    /// Takes back what waits in a conversation and was not asked for by a person, because of `reason`. How many.
    pub(crate) async fn take_back_automatic(
        &self,
        _tx: &mut Tx,
        _conversation: i64,
        _reason: &str,
    ) -> Result<usize, db::DbError> {
        Ok(0)
    }
}
