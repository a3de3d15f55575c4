//! The letters' dispatch kinds.
//!
//! | kind | id | does |
//! | --- | --- | --- |
//! | `letter.inbox` | `{letter}/{n}/inbox` | puts the letter into its inbox; a batch kind |
//! | `letter.arrived` | `arrived/{letter}` | see [`arrival`]; a batch kind |
//! | `letter.email` | `{letter}/{n}/email`, `…/email/2`… | mails it to the address of a SPECIFIC letter |
//! | `letter.notice` | `{letter}/{n}/notice`, `…/takedown/…`, `…/restore/…` | tells the author what became of it |
//! | `letter.reminder`, `letter.notify-…` | `{letter}/{n}/…` | see `notify` |
//! | `letter.analysis` | `analysis/{letter}` | finds the emotions of that letter and others of its batch |
//! | `letter.collect-file` | `{file}/collect/…` | removes a file that no letter has |
//! | `letter.collect-object` | `{file}/object/…` | removes bytes that are not a file's any more, or never became it |
//! | `letter.forget` | `forget_…` | leaves nothing in the database's files that was in the open before |

use std::sync::Arc;

use accounts::post::{Letterhead, Post};
use db::Tx;
use dispatch::{Batch, BoxFuture, Dispatch, NewDispatch, Outcome, Settled, Single};
use kernel::{Problem, Timestamp};

use crate::{Letters, arrival, bounces, ids, mail, model::Stored, store};

/// Puts letters into inboxes.
pub const INBOX: &str = "letter.inbox";
/// Mails letters.
pub const EMAIL: &str = "letter.email";
/// Mails authors about letters.
pub const NOTICE: &str = "letter.notice";
/// Removes unused files.
pub const COLLECT_FILE: &str = "letter.collect-file";
/// Removes bytes that belong to no file.
pub const COLLECT_OBJECT: &str = "letter.collect-object";
/// Removes older versions of what was encrypted.
pub const FORGET: &str = "letter.forget";

/// Delivers whole batches of letters to their inboxes. What else follows is left to `arrival`.
pub struct Inbox;

impl Batch for Inbox {
    fn deliver<'a>(
        &'a self,
        tx: &'a mut Tx,
        batch: &'a [Dispatch],
        now: Timestamp,
    ) -> BoxFuture<'a, db::Result<()>> {
        Box::pin(async move {
            let arrived = store::deliver(tx, batch.iter().map(|d| d.id.as_str()).collect(), now).await?;
            arrival::enqueue(tx, &arrived, now).await?;
            bus::publish(tx, bus::Event::LettersDelivered);
            Ok(())
        })
    }
}

/// Mails letters to addresses.
pub struct LetterMail {
    /// The slice.
    pub letters: Letters,
    /// The way out.
    pub post: Arc<Post>,
}

impl Single for LetterMail {
    fn attempt<'a>(&'a self, d: &'a Dispatch) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            match self.letters.mail(d).await {
                Ok(Ok(letterhead)) => self.post.deliver(d, letterhead).await,
                Ok(Err(why_not)) => Outcome::Done(why_not.to_owned()),
                Err(problem) => not_now(problem),
            }
        })
    }

    fn cares(&self, end: &Settled) -> bool {
        matches!(end, Settled::Dead(_))
    }

    fn settled<'a>(
        &'a self,
        tx: &'a mut Tx,
        d: &'a Dispatch,
        end: &'a Settled,
        now: Timestamp,
    ) -> BoxFuture<'a, db::Result<()>> {
        Box::pin(async move {
            let Settled::Dead(reason) = end else { return Ok(()) };
            let status = transports::bounce::status_in(reason);
            let letter = store::letter(tx, &d.subject).await?;
            if let Some((status, key)) = status.zip(letter.and_then(|l| l.recipient_key)) {
                bounces::mark(tx, &key, status, now).await?;
            }
            bounces::tell(tx, &d.id, &d.subject, reason.clone(), now).await
        })
    }
}

/// Tells authors what became of their letters.
pub struct NoticeMail {
    /// The slice.
    pub letters: Letters,
    /// The way out.
    pub post: Arc<Post>,
}

impl Single for NoticeMail {
    fn attempt<'a>(&'a self, d: &'a Dispatch) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            match self.letters.notice(d).await {
                Ok(Some(letterhead)) => self.post.deliver(d, letterhead).await,
                Ok(None) => Outcome::Done("nobody to tell, or not wanted".to_owned()),
                Err(problem) => not_now(problem),
            }
        })
    }
}

pub(crate) fn not_now(problem: Problem) -> Outcome {
    Outcome::Retry { reason: problem.message, after: None, in_doubt: false }
}

impl Letters {
    /// The mail of a letter, or why there is none.
    async fn mail(&self, d: &Dispatch) -> Result<Result<Letterhead, &'static str>, Problem> {
        const OVER: &str = "the letter is not on its way any more";
        let mut conn = self.db().read().await?;
        let Some(mailing) = store::mailing(&mut conn, &d.subject).await? else { return Ok(Err(OVER)) };
        let letter = &mailing.letter;
        if d.id != ids::email(&letter.id, letter.schedule_no, mailing.mailing_no)
            || letter.stored == Stored::Draft
        {
            return Ok(Err(OVER));
        }
        if mailing.taken_down {
            return Ok(Err("not sent: the letter was taken down"));
        }
        if mailing.refused {
            // The same for those who want no mail at all and for those who blocked this sender.
            return Ok(Err("not sent: the address does not want mail from here"));
        }
        let (Some(to), Some(key)) = (letter.recipient_email.clone(), &letter.recipient_key) else {
            return Ok(Err(OVER));
        };
        let senders = accounts::store::people(&mut conn, vec![&letter.owner_id]).await?;
        let mail = mail::letter(&mail::Written {
            to,
            token: &self.refusal_token(&letter.id, key),
            sender: senders.into_iter().next(),
            letter,
            content: mailing.content.as_deref(),
            attachments: mailing.attachments,
            public_url: self.public_url(),
        });
        Ok(Ok(Letterhead { reference: ids::reference(&d.id), ..mail }))
    }

    async fn notice(&self, d: &Dispatch) -> Result<Option<Letterhead>, Problem> {
        let mut conn = self.db().read().await?;
        let Some(letter) = store::letter(&mut conn, &d.subject).await? else { return Ok(None) };
        let authors = accounts::store::people(&mut conn, vec![&letter.owner_id]).await?;
        let Some(author) = authors.into_iter().next() else { return Ok(None) };
        let reason = d.payload.as_deref().unwrap_or_default();
        match ids::channel(&d.id) {
            // Whoever takes something away owes its author the reason, wanted or not.
            "takedown" => return Ok(Some(mail::taken_down(&author, &letter, reason))),
            "restore" => return Ok(Some(mail::restored(&author, &letter, self.public_url()))),
            _ => {}
        }
        if !accounts::store::notifications(&mut conn, &author.user_id).await?.email {
            return Ok(None);
        }
        Ok(Some(mail::refused(&author, &letter, reason, self.public_url())))
    }
}

/// Schedules files to be removed if no letter has them by then.
pub(crate) async fn collect(
    tx: &mut Tx,
    files: &[String],
    due_at: Timestamp,
    now: Timestamp,
) -> db::Result<()> {
    let all: Vec<NewDispatch> = files
        .iter()
        .map(|file| NewDispatch {
            id: format!("{file}/collect/{}", kernel::id::new("c", now)),
            kind: COLLECT_FILE,
            subject: file.clone(),
            destination: String::new(),
            payload: None,
            due_at,
        })
        .collect();
    dispatch::enqueue(tx, now, &all).await.map(drop)
}

/// Schedules an object of a file to be removed, with its thumbnail, if by then the file's bytes are elsewhere.
pub(crate) async fn collect_object(
    tx: &mut Tx,
    file: &str,
    object: &str,
    due_at: Timestamp,
    now: Timestamp,
) -> db::Result<()> {
    let dispatch = NewDispatch {
        id: format!("{file}/object/{}", kernel::id::new("c", now)),
        kind: COLLECT_OBJECT,
        subject: file.to_owned(),
        destination: String::new(),
        payload: Some(object.to_owned()),
        due_at,
    };
    dispatch::enqueue(tx, now, &[dispatch]).await.map(drop)
}

/// Schedules that what this transaction writes over is forgotten.
pub(crate) async fn forget(tx: &mut Tx, now: Timestamp) -> db::Result<()> {
    let id = kernel::id::new("forget", now);
    let dispatch = NewDispatch {
        subject: id.clone(),
        id,
        kind: FORGET,
        destination: String::new(),
        payload: None,
        due_at: now,
    };
    dispatch::enqueue(tx, now, &[dispatch]).await.map(drop)
}

/// Leaves nothing in the database's own files that was written over.
pub struct Forget {
    /// The slice.
    pub letters: Letters,
}

impl Single for Forget {
    fn attempt<'a>(&'a self, _: &'a Dispatch) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            match self.letters.db().forget_old_versions().await {
                Ok(()) => Outcome::Done("forgotten".to_owned()),
                Err(error) => Outcome::Retry { reason: error.to_string(), after: None, in_doubt: false },
            }
        })
    }
}

/// Removes bytes that belong to no file.
pub struct CollectObject {
    /// The slice.
    pub letters: Letters,
}

impl Single for CollectObject {
    fn attempt<'a>(&'a self, d: &'a Dispatch) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let object = d.payload.as_deref().unwrap_or_default();
            match self.letters.collect_object(&d.subject, object).await {
                Ok(answer) => Outcome::Done(answer.to_owned()),
                Err(problem) => not_now(problem),
            }
        })
    }
}

/// Removes files that no letter has.
pub struct CollectFile {
    /// The slice.
    pub letters: Letters,
}

impl Single for CollectFile {
    fn attempt<'a>(&'a self, d: &'a Dispatch) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            match self.letters.collect_file(&d.subject).await {
                Ok(answer) => Outcome::Done(answer.to_owned()),
                Err(problem) => not_now(problem),
            }
        })
    }
}

impl Letters {
    async fn collect_file(&self, id: &str) -> Result<&'static str, Problem> {
        let mut tx = self.db().begin().await?;
        if let Some(file) = store::lock_file(&mut tx, id).await? {
            if store::file_is_attached(&mut tx, id).await? {
                return Ok("in use");
            }
            store::delete_file(&mut tx, id).await?;
            if let Some(object) = &file.object_key {
                // Only its row knew where its bytes are.
                let now = self.clock().now();
                collect_object(&mut tx, id, object, now, now).await?;
            }
            tx.commit().await?;
        }
        // After the row: bytes without a row are found by nobody, and a repetition removes them.
        self.remove_object(id).await
    }

    async fn collect_object(&self, file: &str, object: &str) -> Result<&'static str, Problem> {
        let in_use = {
            let mut conn = self.db().read().await?;
            store::file(&mut conn, file).await?.is_some_and(|f| f.object() == object)
        };
        // An object that is a file's when this is due stays its own, and one that is not never becomes one.
        if in_use { Ok("in use") } else { self.remove_object(object).await }
    }

    async fn remove_object(&self, object: &str) -> Result<&'static str, Problem> {
        for key in [object.to_owned(), thumbnail_key(object)] {
            self.0.blobs.delete(&key).await.map_err(|e| httpkit::upload::storage(&e))?;
        }
        Ok("removed")
    }
}

/// Where a file's thumbnail is stored.
pub(crate) fn thumbnail_key(file: &str) -> String {
    format!("{file}-t")
}
