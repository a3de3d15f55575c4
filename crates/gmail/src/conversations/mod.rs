//! Conversations as their owner sees them: made, listed, read, searched, summarised, with notes and files.

mod download;
mod excerpt;
mod kept;
mod mark;
mod show;
mod summary;
mod turns;

use accounts::Caller;
use assistant::kb::KbRef;
use db::Tx;
use google::Error;
use kernel::{Problem, ProblemKind, Signer, Timestamp, seal::Keyring};
use mail::normal_form;
use tokio::sync::Semaphore;

use crate::{
    Gmail,
    model::{address_key, own_addresses},
    store::{self, ConversationRow, CredentialRow},
};

use kept::Kept;
use turns::Turns;

pub(crate) use download::{Place, no_file};
pub(crate) use excerpt::excerpt;
pub(crate) use mark::Marks;
pub(crate) use show::{Look, is_raster};
pub(crate) use summary::Summary;

/// So many mails are in memory at once for the files in them.
const DOWNLOADS: usize = 2;

/// What reading conversations keeps in memory.
pub(crate) struct Shared {
    /// Signs the addresses of images in mails.
    images: Signer,
    downloads: Semaphore,
    /// Who fetches a mail for the files in it: by account's key and Gmail's id.
    fetching: Turns<(String, String)>,
    kept: Kept,
    /// Who makes a conversation's summary.
    summarising: Turns<i64>,
}

impl Shared {
    pub(crate) fn new(keyring: &Keyring) -> Self {
        Self {
            images: Signer::new(keyring.derive("gmail: addresses of images"), 10),
            downloads: Semaphore::new(DOWNLOADS),
            fetching: Turns::default(),
            kept: Kept::default(),
            summarising: Turns::default(),
        }
    }

    /// Gives back the memory of images that nobody asks for any more.
    pub(crate) fn tidy(&self, now: Timestamp) {
        self.kept.forget(now);
    }
}

/// A conversation that somebody wants.
pub(crate) struct NewConversation {
    /// One of their accounts.
    pub(crate) user_email: String,
    pub(crate) influencer_email: String,
    pub(crate) kb: Option<KbRef>,
}

/// What is to change in a conversation; what is `None` stays.
#[derive(Default)]
pub(crate) struct ConversationPatch {
    /// `Some(None)`: none.
    pub(crate) kb: Option<Option<KbRef>>,
    pub(crate) held: Option<bool>,
}

pub(crate) fn missing() -> Problem {
    Problem::not_found("conversation")
}

/// What went wrong with Google, for the account's owner; `None` if there is no such thing in Gmail.
fn refusal(credential: &CredentialRow, error: &Error) -> Option<Problem> {
    let email = &credential.email;
    match error {
        Error::NotFound | Error::HistoryGone => None,
        Error::Reauthorize { reason } => {
            Some(Problem::new(ProblemKind::Conflict, format!("{email} must be connected again: {reason}")))
        }
        Error::Permanent { message, .. } => {
            Some(Problem::new(ProblemKind::Conflict, format!("Gmail refuses it for {email}: {message}")))
        }
        Error::Retry { .. } | Error::DailyLimit { .. } | Error::InDoubt { .. } => {
            tracing::warn!(%error, "Gmail does not do what somebody waits for");
            Some(Problem::new(ProblemKind::Unavailable, "Gmail does not answer at the moment: try again"))
        }
    }
}

impl Gmail {
    /// A caller's conversation.
    ///
    /// # Errors
    /// 404
    pub(crate) async fn conversation(&self, user: &str, id: i64) -> Result<ConversationRow, Problem> {
        let mut conn = self.db().read().await?;
        store::conversation(&mut conn, user, id).await?.ok_or_else(missing)
    }

    /// The id, `kb_…`, of a knowledge base that the caller may read.
    async fn readable(&self, caller: &Caller, named: &KbRef) -> Result<String, Problem> {
        let found = self.0.assistant.readable_kb(caller, named).await?;
        let (id, _) = found.ok_or_else(|| Problem::rule("kb_id", "is no knowledge base of yours"))?;
        Ok(id)
    }

    /// Makes a conversation, or finds the one that an account has with this counterpart, in whatever spelling.
    ///
    /// # Errors
    /// 422 names the field: the account is not the caller's, the counterpart is the account itself, the knowledge base is
    /// not theirs to read.
    pub(crate) async fn converse(
        &self,
        caller: &Caller,
        new: &NewConversation,
    ) -> Result<ConversationRow, Problem> {
        let kb = match &new.kb {
            Some(named) => Some(self.readable(caller, named).await?),
            None => None,
        };
        let (account, address) = (address_key(&new.user_email), normal_form(&new.influencer_email));
        let now = self.now();
        let mut tx = self.db().begin().await?;
        let rows = store::lock_credentials(&mut tx, caller.id()).await?;
        let credential = rows.into_iter().find(|row| row.address == account);
        let not_connected = || Problem::rule("user_email", "is no account that you connected");
        let credential = credential.ok_or_else(not_connected)?;
        if own_addresses([&credential]).contains(&new.influencer_email) {
            return Err(Problem::rule("influencer_email", "is the account's own address"));
        }
        let before =
            store::conversations_with(&mut tx, &credential.key, std::slice::from_ref(&address)).await?;
        let row = match before.into_iter().next() {
            Some(mut row) => {
                row.kb_id = kb.or(row.kb_id);
                store::update_conversation(&mut tx, &row, now).await?;
                row
            }
            None => {
                let mut row = fresh(&credential, new, address, now);
                row.kb_id = kb;
                row.id = store::number(&mut tx, "conversation").await?;
                store::insert_conversation(&mut tx, &row).await?;
                row
            }
        };
        if row.backfilled_at.is_none() || row.backfill_error.is_some() {
            self.want_backfill(&mut tx, &credential, &row).await?;
        }
        tx.commit().await?;
        Ok(row)
    }

    /// Changes a conversation.
    ///
    /// # Errors
    /// 404; 422 for a knowledge base that is not the caller's to read.
    pub(crate) async fn change_conversation(
        &self,
        caller: &Caller,
        id: i64,
        patch: &ConversationPatch,
    ) -> Result<ConversationRow, Problem> {
        self.conversation(caller.id(), id).await?;
        let kb = match &patch.kb {
            Some(Some(named)) => Some(Some(self.readable(caller, named).await?)),
            Some(None) => Some(None),
            None => None,
        };
        let mut tx = self.db().begin().await?;
        let row = store::lock_conversation(&mut tx, id).await?;
        let mut row = row.filter(|row| row.user_id == caller.id()).ok_or_else(missing)?;
        row.kb_id = kb.unwrap_or(row.kb_id);
        if patch.held == Some(true) && !row.held {
            let why = ("held", "a person answers in this conversation");
            self.hand_over_automatic(&mut tx, id, why).await?;
        }
        row.held = patch.held.unwrap_or(row.held);
        row.updated_at = self.now();
        store::update_conversation(&mut tx, &row, row.updated_at).await?;
        tx.commit().await?;
        Ok(row)
    }

    /// Removes a conversation with all that is kept of it here. Nothing happens in Gmail.
    ///
    /// # Errors
    /// 404
    pub(crate) async fn remove_conversation(&self, user: &str, id: i64) -> Result<(), Problem> {
        let row = self.conversation(user, id).await?;
        let mut tx = self.db().begin().await?;
        let there = store::lock_conversations_of(&mut tx, &row.credential_key).await?;
        if !there.contains(&id) {
            return Err(missing());
        }
        self.forget_conversation(&mut tx, id).await?;
        Ok(tx.commit().await?)
    }

    /// Removes a conversation of an account whose conversations are all locked
    /// ([`store::lock_conversations_of`]); what would have gone out of it by itself is taken back.
    pub(crate) async fn forget_conversation(&self, tx: &mut Tx, id: i64) -> db::Result<()> {
        self.take_back_automatic(tx, id, "the conversation was removed").await?;
        store::delete_conversation(tx, id).await
    }
}

/// A conversation of which nothing is known yet.
fn fresh(
    credential: &CredentialRow,
    new: &NewConversation,
    address: String,
    now: Timestamp,
) -> ConversationRow {
    ConversationRow {
        id: 0,
        user_id: credential.user_id.clone(),
        credential_key: credential.key.clone(),
        user_email: credential.email.clone(),
        counterpart: new.influencer_email.clone(),
        address,
        name: None,
        kb_id: None,
        held: false,
        away_until: None,
        last_message_key: None,
        last_message_at: None,
        last_inbound_at: None,
        message_count: 0,
        backfilled_at: None,
        backfill_error: None,
        created_at: now,
        updated_at: now,
    }
}
