//! That Google rings at all: watches, set up by an account's owner, and renewed each day by a dispatch.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use db::Tx;
use dispatch::{BoxFuture, Dispatch, NewDispatch, Outcome, Single};
use google::{ClientSecret, Error, Watch};
use kernel::{Problem, ProblemKind, Timestamp, time::days};

use crate::{
    CredentialStatus, Gmail,
    grant::Kept,
    model::address_key,
    store::{self, CredentialRow},
};

/// Renews the watch of an account, whose key is subject and destination.
pub const RENEW: &str = "gmail.watch";

/// What rings: mails that come, and mails that are sent from elsewhere.
const LABELS: [&str; 2] = ["INBOX", "SENT"];

/// A watch lives for seven days, and Google advises to renew it each day.
pub(super) const RENEWED_BEFORE: Duration = days(6);

/// One change of an account's watch at a time in this process.
#[derive(Default)]
pub(crate) struct Watches(Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>);

impl Watches {
    fn of(&self, key: &str) -> Arc<tokio::sync::Mutex<()>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Whose change has ended is forgotten.
        all.retain(|_, one| Arc::strong_count(one) > 1);
        Arc::clone(all.entry(key.to_owned()).or_default())
    }
}

/// A watch that was set up.
pub(crate) struct Ringing {
    pub(crate) email: String,
    pub(crate) topic: String,
    pub(crate) expires_at: Timestamp,
}

fn unfit(reason: impl Into<String>) -> Problem {
    Problem::rule("topic_name", reason)
}

/// `projects/{project}/topics/{name}` of the client's project; a name alone is of that project.
fn topic_of(wanted: &str, project: Option<&str>) -> Result<String, Problem> {
    let whole = match project {
        Some(project) if !wanted.contains('/') => format!("projects/{project}/topics/{wanted}"),
        _ => wanted.to_owned(),
    };
    let (of, name) = whole
        .strip_prefix("projects/")
        .and_then(|rest| rest.split_once("/topics/"))
        .ok_or_else(|| unfit("must have the form projects/{project}/topics/{name}"))?;
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_.~+%".contains(c);
    let is_name = (3..=255).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(fits)
        && !name.starts_with("goog");
    let is_project = !of.is_empty() && of.len() <= 100 && of.chars().all(|c| fits(c) || c == ':');
    if !is_name || !is_project {
        return Err(unfit("must have the form projects/{project}/topics/{name}"));
    }
    match project {
        Some(project) if project != of => {
            Err(unfit(format!("must be of the OAuth client's own project, {project}")))
        }
        _ => Ok(whole),
    }
}

/// What Google's refusal is to whoever asked for a watch.
fn refused(error: &Error) -> Problem {
    match error {
        Error::Reauthorize { reason } => {
            Problem::new(ProblemKind::Conflict, "the account must be connected again")
                .field("email", reason.clone())
        }
        Error::Permanent { message, .. } => unfit(message.clone()),
        Error::Retry { after: Some(after), limited: true, .. } => {
            Problem::new(ProblemKind::TooMany(*after), "Google wants no call for this account now")
        }
        other => {
            tracing::warn!(error = %other, "Google does not answer");
            Problem::new(ProblemKind::Unavailable, "Google does not answer: try again")
        }
    }
}

impl Gmail {
    /// A user's account by its address.
    async fn own_account(&self, user: &str, email: &str) -> Result<CredentialRow, Problem> {
        let address = address_key(email);
        let rows = store::credentials(&mut self.db().read().await?, user).await?;
        let row = rows.into_iter().find(|row| row.address == address);
        let row = row.ok_or_else(|| Problem::not_found("credential"))?;
        if row.status != CredentialStatus::Active {
            let why = row.status_reason.unwrap_or_else(|| "its grant has ended".to_owned());
            return Err(Problem::new(ProblemKind::Conflict, "the account must be connected again")
                .field("email", why));
        }
        Ok(row)
    }

    fn project_of(&self, row: &CredentialRow) -> Result<Option<String>, Problem> {
        let kept = Kept::open(self.0.accounts.keyring(), row).map_err(|_| Problem::internal())?;
        let client = ClientSecret::read(&kept.client, &self.0.endpoints).map_err(|bad| unfit(bad.reason))?;
        Ok(client.project_id)
    }

    /// Has Google ring for a user's account.
    ///
    /// # Errors
    /// 404; 409 if it must be connected again; 422 names `topic_name`; 429, 503 by Google.
    pub(crate) async fn ring(
        &self,
        user: &str,
        email: &str,
        topic: Option<&str>,
    ) -> Result<Ringing, Problem> {
        let row = self.own_account(user, email).await?;
        let wanted = topic.or(self.0.config.sync.topic.as_deref());
        let wanted = wanted.ok_or_else(|| unfit("is required: no topic is set for this server"))?;
        let topic = topic_of(wanted, self.project_of(&row)?.as_deref())?;
        let lock = self.0.watches.of(&row.key);
        let alone = lock.lock().await;
        let row = self.own_account(user, email).await?;
        let mailbox = self.mailbox(&row);
        if row.topic.as_ref().is_some_and(|before| *before != topic) {
            mailbox.stop().await.map_err(|e| refused(&e))?;
        }
        let watch = match mailbox.watch(&topic, &LABELS).await {
            Ok(watch) => watch,
            Err(error) => {
                if let Some(before) = row.topic.as_ref().filter(|before| **before != topic) {
                    self.ring_again(&row, before).await?;
                }
                return Err(refused(&error));
            }
        };
        let mut tx = self.db().begin().await?;
        self.keep_watch(&mut tx, &row, &topic, &watch).await?;
        tx.commit().await?;
        drop(alone);
        Ok(Ringing { email: row.email, topic, expires_at: watch.expires_at })
    }

    /// Has Google ring a topic that was stopped for another one, of which nothing came.
    async fn ring_again(&self, row: &CredentialRow, topic: &str) -> Result<(), db::DbError> {
        let watch = self.mailbox(row).watch(topic, &LABELS).await;
        let mut tx = self.db().begin().await?;
        match watch {
            Ok(watch) => self.keep_watch(&mut tx, row, topic, &watch).await?,
            Err(error) => {
                store::watch_lost(&mut tx, &row.key, topic, &error.to_string(), self.now()).await?;
                self.want_renewal(&mut tx, &row.key, true).await?;
            }
        }
        tx.commit().await
    }

    /// What becomes of a topic as an account is connected again: it is rung by the new grant, or, as it is of another
    /// project than the new client, by no one.
    pub(crate) async fn ring_by_new_grant(
        &self,
        tx: &mut Tx,
        row: &CredentialRow,
        project: Option<&str>,
    ) -> db::Result<()> {
        let Some(topic) = &row.topic else { return Ok(()) };
        if topic_of(topic, project).is_ok() {
            return self.want_renewal(tx, &row.key, true).await;
        }
        let error = format!(
            "{topic} is of another project than the OAuth client that the account is connected by now: set up \
             notifications again"
        );
        store::watch_ended(tx, &row.key, &error).await
    }

    async fn keep_watch(
        &self,
        tx: &mut Tx,
        row: &CredentialRow,
        topic: &str,
        watch: &Watch,
    ) -> Result<(), db::DbError> {
        let now = self.now();
        store::lock_credentials(tx, &row.user_id).await?;
        store::watching(tx, &row.key, topic, watch.expires_at, now).await?;
        if let Ok(place) = i64::try_from(watch.history_id) {
            store::anchor(tx, &row.key, place, now).await?;
        }
        self.want_sync(tx, &row.key).await
    }

    /// Has Google ring no more for a user's account.
    ///
    /// # Errors
    /// 404; 409 if it must be connected again; 429, 503 by Google.
    pub(crate) async fn fall_silent(&self, user: &str, email: &str) -> Result<String, Problem> {
        let row = self.own_account(user, email).await?;
        let lock = self.0.watches.of(&row.key);
        let alone = lock.lock().await;
        self.mailbox(&row).stop().await.map_err(|e| refused(&e))?;
        let mut tx = self.db().begin().await?;
        store::not_watching(&mut tx, &row.key, self.now()).await?;
        tx.commit().await?;
        drop(alone);
        Ok(row.email)
    }

    /// Sees to it that a watch is renewed: once a day and for each of its ends, or at once, as its grant is new.
    pub(crate) async fn want_renewal(&self, tx: &mut Tx, key: &str, at_once: bool) -> db::Result<()> {
        let now = self.now();
        let which = if at_once { kernel::id::new("now", now) } else { now.date() };
        let renew = NewDispatch {
            id: format!("{key}/watch/{which}"),
            kind: RENEW,
            subject: key.to_owned(),
            destination: key.to_owned(),
            payload: None,
            due_at: now,
        };
        dispatch::enqueue(tx, now, &[renew]).await.map(drop)
    }

    /// A topic was renewed while somebody, in another process, wanted another one or none: theirs is the last word.
    async fn overtaken(&self, key: &str) -> Result<Result<String, Error>, db::DbError> {
        let row = store::credential_by_key(&mut self.db().read().await?, key).await?;
        let Some(row) = row else { return Ok(Ok("the account is not connected".to_owned())) };
        if row.topic.is_none() {
            return Ok(self.mailbox(&row).stop().await.map(|()| "nothing is to ring".to_owned()));
        }
        let mut tx = self.db().begin().await?;
        self.want_renewal(&mut tx, key, true).await?;
        tx.commit().await?;
        Ok(Ok("another topic is to ring".to_owned()))
    }

    async fn renew(&self, key: &str) -> Result<Result<String, Error>, db::DbError> {
        let lock = self.0.watches.of(key);
        let _alone = lock.lock().await;
        let row = store::credential_by_key(&mut self.db().read().await?, key).await?;
        let Some(row) = row.filter(|row| row.status == CredentialStatus::Active) else {
            return Ok(Ok("the account is not connected".to_owned()));
        };
        let Some(topic) = &row.topic else { return Ok(Ok("nothing is to ring".to_owned())) };
        let watch = self.mailbox(&row).watch(topic, &LABELS).await;
        let mut tx = self.db().begin().await?;
        let end = match watch {
            Ok(watch) => {
                let noted = store::still_watching(&mut tx, key, topic, watch.expires_at, self.now()).await?;
                if !noted {
                    drop(tx);
                    return self.overtaken(key).await;
                }
                Ok(format!("until {}", watch.expires_at))
            }
            Err(error) => {
                store::watch_failed(&mut tx, key, topic, &error.to_string()).await?;
                Err(error)
            }
        };
        tx.commit().await?;
        Ok(end)
    }
}

/// The handler of [`RENEW`].
pub struct Renew {
    /// The slice.
    pub gmail: Gmail,
}

impl Single for Renew {
    fn attempt<'a>(&'a self, dispatch: &'a Dispatch) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let again = |reason: String, after| Outcome::Retry { reason, after, in_doubt: false };
            match self.gmail.renew(&dispatch.subject).await {
                Err(error) => again(error.to_string(), None),
                Ok(Ok(done)) => Outcome::Done(done),
                Ok(Err(error)) => match &error {
                    Error::Retry { after, .. } => again(error.to_string(), *after),
                    Error::DailyLimit { until, .. } => {
                        Outcome::Snooze { until: *until, reason: error.to_string() }
                    }
                    Error::Reauthorize { .. } => Outcome::Done(error.to_string()),
                    Error::Permanent { .. } => Outcome::Dead(error.to_string()),
                    Error::InDoubt { .. } | Error::NotFound | Error::HistoryGone => {
                        again(error.to_string(), None)
                    }
                },
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics() {
        for (wanted, project, topic) in [
            ("projects/test/topics/gmail", Some("test"), Some("projects/test/topics/gmail")),
            ("gmail", Some("test"), Some("projects/test/topics/gmail")),
            ("projects/any/topics/gmail", None, Some("projects/any/topics/gmail")),
            ("gmail", None, None),
            ("projects/other/topics/gmail", Some("test"), None),
            ("projects/test/topics/", Some("test"), None),
            ("projects/test/topics/1ab", Some("test"), None),
            ("projects/test/topics/google", Some("test"), None),
            ("projects/test/topics/a b c", Some("test"), None),
            ("projects/test/topics/a/topics/b", Some("test"), None),
            ("projects//topics/abc", None, None),
            ("topics/abc", Some("test"), None),
        ] {
            assert_eq!(topic_of(wanted, project).ok().as_deref(), topic, "{wanted}");
        }
    }
}
