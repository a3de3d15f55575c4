//! Mails on their way out: from the moment that somebody asked for them until Gmail has them.
//!
//! Promises:
//! - A mail that was put into the outbox leaves once or says why not. Whatever may have left is looked for in the mailbox
//!   before it is given to Gmail again.
//! - The same idempotency key gives the same mail, however many ask at once.
//! - A mail that waits can be taken back; of taking back and leaving exactly one wins.
//! - Whoever gets no mail gets none, whether it was asked for before or after that was known.
//! - No account sends more in any 24 hours than its cap, and what is over it waits.

pub(crate) mod addresses;
mod aliases;
mod attempt;
mod caps;
mod compose;
mod control;
pub(crate) mod envelope;
mod footer;
mod suppress;
mod told;
mod unsubscribe;
mod uploads;
mod words;

use std::collections::BTreeMap;

use db::{Conn, Tx};
use dispatch::NewDispatch;
use kernel::{Problem, ProblemKind, Timestamp};
use mail::{Mailbox, reply};

use crate::{
    Gmail,
    model::{Decided, Direction, SendState, Source, address_key},
    store::{self, CredentialRow, MessageRow, OutboxRow},
};

pub use aliases::{ALIASES, Aliases};
pub use attempt::{SEND, SEND_TIME, SendMail};
pub(crate) use compose::{Request, Timing};
pub use uploads::{COLLECT, CollectUpload};
pub(crate) use uploads::{LARGEST_UPLOAD, Named};

use control::Why;
use envelope::{Enclosed, Envelope, Marks, Party};

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
    /// When it leaves; until then it can be taken back.
    pub(crate) due_at: Timestamp,
    /// The recommendation that it came of.
    pub(crate) reply_id: Option<i64>,
    pub(crate) goal_id: Option<i64>,
}

/// What else whoever wrote a mail may want.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wishes {
    /// Whether its readers are told how to refuse more; `None`: where they never wrote.
    pub(crate) unsubscribe: Option<bool>,
    pub(crate) key: Option<Key>,
}

/// An idempotency key, and what it is used for.
#[derive(Debug, Clone)]
pub(crate) struct Key {
    pub(crate) key: String,
    /// Of what was asked for, as it was asked for: the same call is the same, whatever has changed since.
    pub(crate) fingerprint: Vec<u8>,
}

/// The dispatch that sends a mail.
pub(crate) fn dispatch_id(outbox: &str, no: i64) -> String {
    format!("{outbox}/send/{no}")
}

impl Gmail {
    /// Puts a mail into the outbox and schedules it, or finds the one that was put there under the same idempotency key.
    /// Its id, `gout_…`.
    ///
    /// # Errors
    /// 422 names the field; 409 for a key that was used for another mail.
    pub(crate) async fn enqueue(
        &self,
        tx: &mut Tx,
        credential: &CredentialRow,
        new: &NewSend,
    ) -> Result<String, Problem> {
        self.enqueue_with(tx, credential, new, &Wishes::default()).await.map(|(id, _)| id)
    }

    /// [`Gmail::enqueue`] with what else is wanted; beside the id, whether the mail was put there by this call.
    ///
    /// # Errors
    /// As there.
    pub(crate) async fn enqueue_with(
        &self,
        tx: &mut Tx,
        credential: &CredentialRow,
        new: &NewSend,
        wishes: &Wishes,
    ) -> Result<(String, bool), Problem> {
        // Before anything is checked: what was taken once is not refused for what changed since.
        if let Some(id) = found(tx, &credential.user_id, wishes.key.as_ref()).await? {
            return Ok((id, false));
        }
        let envelope = self.envelope(tx, credential, new, wishes).await?;
        let row = self.new_row(credential, new, &envelope, wishes.key.clone())?;
        self.refuse_suppressed(tx, &credential.user_id, new).await?;
        let recipients = addresses::keys(new.to.iter().chain(&new.cc).chain(&new.bcc));
        if !store::insert_outbox(tx, &row, &recipients).await? {
            // Somebody used the key just now.
            let id = found(tx, &credential.user_id, wishes.key.as_ref()).await?;
            return Ok((id.ok_or_else(Problem::internal)?, false));
        }
        for file in &envelope.files {
            store::use_upload(tx, &file.id, &row.id).await?;
        }
        dispatch::enqueue(tx, row.created_at, &[scheduled(&row, row.due_at)]).await?;
        Ok((row.id, true))
    }

    async fn envelope(
        &self,
        tx: &mut Tx,
        credential: &CredentialRow,
        new: &NewSend,
        wishes: &Wishes,
    ) -> Result<Envelope, Problem> {
        let from = sender(credential, new)?;
        let (in_reply_to, references, thread_id) = thread(credential, new);
        Ok(Envelope {
            from: (&from).into(),
            to: new.to.iter().map(Party::from).collect(),
            cc: new.cc.iter().map(Party::from).collect(),
            bcc: new.bcc.iter().map(Party::from).collect(),
            subject: new.subject.clone(),
            text: new.text.clone(),
            html: new.html.clone(),
            files: files(tx, credential, new).await?,
            in_reply_to,
            references,
            thread_id,
            unsubscribe: self.tells_how_to_refuse(tx, credential, new, wishes).await?,
        })
    }

    /// The row of a mail that can be written.
    fn new_row(
        &self,
        credential: &CredentialRow,
        new: &NewSend,
        envelope: &Envelope,
        key: Option<Key>,
    ) -> Result<OutboxRow, Problem> {
        let now = self.now();
        let (idempotency_key, fingerprint) = key.map(|k| (k.key, k.fingerprint)).unzip();
        let id = kernel::id::new("gout", now);
        let message_id = message_id(&id, &envelope.from)?;
        let marks = Marks {
            outbox_id: &id,
            user_id: &credential.user_id,
            message_id: &message_id,
            source: new.source,
            date: now,
        };
        let mut mail = self.outgoing(envelope, &marks);
        mail.files = envelope::empty_files(&envelope.files);
        envelope::check(&mail, &envelope.files)?;
        Ok(OutboxRow {
            id,
            user_id: credential.user_id.clone(),
            credential_key: credential.key.clone(),
            conversation_id: new.conversation_id,
            idempotency_key,
            fingerprint: fingerprint.unwrap_or_default(),
            source: new.source,
            state: SendState::Held,
            message_id,
            envelope: envelope.json()?,
            answers_key: new.answers.as_ref().map(|m| m.key.clone()),
            reply_id: new.reply_id,
            goal_id: new.goal_id,
            due_at: new.due_at.max(now),
            dispatch_no: 1,
            fence: 0,
            lookups: 0,
            sends: 0,
            attempted_at: None,
            counted_at: None,
            gmail_id: None,
            thread_id: None,
            sent_message_id: None,
            sent_at: None,
            waiting_reason: None,
            waiting_until: None,
            error: None,
            error_code: None,
            created_at: now,
            updated_at: now,
        })
    }

    /// Takes back what waits in a conversation and was not asked for by a person, because of `reason`. How many.
    pub(crate) async fn take_back_automatic(
        &self,
        tx: &mut Tx,
        conversation: i64,
        reason: &str,
    ) -> Result<usize, db::DbError> {
        let waiting = store::lock_automatic(tx, conversation).await?;
        // Of these none is a person's.
        let why = Why { code: "taken_back", reason, by_owner: false };
        control::end_waiting(tx, &waiting, why, self.now()).await
    }

    /// The same where it stays right to answer, but a person is to do it: what is taken back waits for them. That it was, and
    /// by which rule, is on record with the decisions.
    pub(crate) async fn hand_over_automatic(
        &self,
        tx: &mut Tx,
        conversation: i64,
        (rule, reason): (&'static str, &str),
    ) -> Result<(), db::DbError> {
        let waiting = store::lock_automatic(tx, conversation).await?;
        let why = Why { code: "taken_back", reason, by_owner: true };
        control::end_waiting(tx, &waiting, why, self.now()).await?;
        let ids: Vec<String> = waiting.into_iter().map(|(id, ..)| id).collect();
        for id in &ids {
            if let Some(reply) = store::reply_of_send(tx, id).await? {
                // Whoever changed their mind knows.
                self.note_taken_back(tx, &reply, id, (Decided::No, rule, reason)).await?;
            }
        }
        store::reopen_replies_of(tx, &ids).await
    }

    /// Whether a mail's readers are told how to refuse more: always where a machine writes; where a person does, if they
    /// say so, or if the mail goes to somebody who never wrote.
    async fn tells_how_to_refuse(
        &self,
        tx: &mut Tx,
        credential: &CredentialRow,
        new: &NewSend,
        wishes: &Wishes,
    ) -> Result<bool, Problem> {
        if matches!(new.source, Source::AutoReply | Source::FollowUp) {
            return Ok(true);
        }
        if let Some(wanted) = wishes.unsubscribe {
            return Ok(wanted);
        }
        // A follow-up answers a mail of ours: that nobody wrote is what it is about.
        if new.answers.as_ref().is_some_and(|answered| answered.direction == Direction::In) {
            return Ok(false);
        }
        let to = addresses::keys(new.to.iter().chain(&new.cc).chain(&new.bcc));
        let known = store::conversations_with(tx, &credential.key, &to).await?;
        Ok(known.iter().all(|conversation| conversation.last_inbound_at.is_none()))
    }
}

/// The dispatch of a mail, due at a time.
pub(crate) fn scheduled(row: &OutboxRow, due_at: Timestamp) -> NewDispatch {
    NewDispatch {
        id: dispatch_id(&row.id, row.dispatch_no),
        kind: SEND,
        subject: row.id.clone(),
        destination: row.credential_key.clone(),
        payload: None,
        due_at,
    }
}

/// The mail that a user put there under the same key.
async fn found(conn: &mut Conn, user: &str, key: Option<&Key>) -> Result<Option<String>, Problem> {
    let Some(key) = key else { return Ok(None) };
    let Some(row) = store::outbox_by_key(conn, user, &key.key).await? else { return Ok(None) };
    if row.fingerprint == key.fingerprint {
        return Ok(Some(row.id));
    }
    let text = "was used for another mail";
    Err(Problem::new(ProblemKind::Conflict, "the key belongs to another mail").field("Idempotency-Key", text))
}

/// Who writes: the account, or an accepted alias of it, by the name that it has in Gmail where no other is given.
fn sender(credential: &CredentialRow, new: &NewSend) -> Result<Mailbox, Problem> {
    let from = new.from.clone().unwrap_or_else(|| Mailbox::new(&credential.email));
    let by = |name: Option<String>| Mailbox { name: from.name.clone().or(name), ..from.clone() };
    if address_key(&from.address) == credential.address {
        return Ok(by(credential.name.clone()));
    }
    if let Some(alias) = aliases::find(credential, &from.address) {
        return Ok(by(alias.name));
    }
    let text = format!("must be {} or an accepted alias of it", credential.email);
    Err(Problem::rule("from", text))
}

/// `unique@domain-of-sender`: known before anything leaves, so that what may have left can be found.
fn message_id(id: &str, from: &Party) -> Result<String, Problem> {
    let address = transports::parse_address(&from.address)
        .map_err(|why| Problem::rule("from", format!("{} {why}", from.address)))?;
    let unique = id.strip_prefix("gout_").unwrap_or(id);
    Ok(format!("{unique}@{}", address.domain()))
}

/// `In-Reply-To`, `References` and Gmail's thread of an answer. Under another subject it is no part of Gmail's thread.
fn thread(credential: &CredentialRow, new: &NewSend) -> (Option<String>, Vec<String>, Option<String>) {
    let Some(answered) = &new.answers else { return (None, Vec::new(), None) };
    let references: Vec<String> = serde_json::from_str(&answered.refs).unwrap_or_default();
    let before: Vec<String> = answered.in_reply_to.iter().cloned().collect();
    let (id, references) = reply::thread_of(answered.rfc_message_id.as_deref(), &before, &references);
    let same = reply::reply_subject(&new.subject) == reply::reply_subject(&answered.subject);
    let own = answered.credential_key == credential.key;
    let thread = (same && own && !answered.thread_id.is_empty()).then(|| answered.thread_id.clone());
    (id, references, thread)
}

/// The files that it sends, each of which is the sender's own.
async fn files(tx: &mut Tx, credential: &CredentialRow, new: &NewSend) -> Result<Vec<Enclosed>, Problem> {
    // Locked in order, whatever order they are sent in.
    let mut ids: Vec<&String> = new.attachments.iter().collect();
    ids.sort_unstable();
    ids.dedup();
    let mut found = BTreeMap::new();
    for id in ids {
        let upload = if kernel::id::is("gup", id) { store::lock_upload(tx, id).await? } else { None };
        if let Some(upload) = upload.filter(|u| u.user_id == credential.user_id) {
            found.insert(id, upload);
        }
    }
    let missing: Vec<&str> =
        new.attachments.iter().filter(|id| !found.contains_key(id)).map(String::as_str).collect();
    if !missing.is_empty() {
        let text = format!("there is no uploaded file {}", missing.join(", "));
        return Err(Problem::rule("attachments", text));
    }
    let enclosed = new.attachments.iter().filter_map(|id| found.get(id)).map(|upload| Enclosed {
        id: upload.id.clone(),
        name: upload.file_name.clone(),
        mime_type: upload.mime_type.clone(),
        size: u64::try_from(upload.size).unwrap_or(0),
        object_key: upload.object_key.clone(),
    });
    Ok(enclosed.collect())
}

#[cfg(test)]
mod tests;
