//! What happens to letters: the use cases behind the routes.

use std::collections::{BTreeMap, BTreeSet};

use accounts::{Caller, Plan, Resource};
use db::Tx;
use dispatch::NewDispatch;
use kernel::{Problem, ProblemKind, Timestamp};

use crate::{
    Letters,
    model::{AttachmentType, RecipientType, Status, Stored, TriggerCondition, TriggerType, ordinal},
    store::{self, ContentRow, LetterRow, NewAttachment},
    triggers, work,
};

/// A letter's fields as they came, checked one by one; `None` was not given.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    pub(crate) title: Option<String>,
    pub(crate) content: Option<String>,
    pub(crate) recipient_type: Option<RecipientType>,
    /// The address as given and normalized.
    pub(crate) recipient_email: Option<(String, String)>,
    pub(crate) send_time: Option<Timestamp>,
    pub(crate) trigger_type: Option<TriggerType>,
    pub(crate) trigger_condition: Option<TriggerCondition>,
    pub(crate) attachments: Option<Vec<Attachment>>,
    pub(crate) is_encrypted: Option<bool>,
    pub(crate) capsule_style: Option<String>,
}

/// An attachment as given.
#[derive(Debug, Clone)]
pub(crate) struct Attachment {
    pub(crate) kind: AttachmentType,
    /// Ours or anybody's.
    pub(crate) url: String,
    pub(crate) thumbnail: Option<String>,
}

/// What scheduling asks for.
#[derive(Debug)]
pub(crate) struct Scheduling {
    pub(crate) mail_id: String,
    pub(crate) send_time: Timestamp,
    pub(crate) trigger_type: Option<TriggerType>,
    pub(crate) trigger_condition: Option<TriggerCondition>,
}

fn premium_only(plan: Plan, trigger: TriggerType) -> Result<(), Problem> {
    if plan == Plan::Free && trigger != TriggerType::Time {
        let text = "LOCATION and EVENT triggers are for premium accounts";
        return Err(Problem::forbidden(text).field("triggerType", text));
    }
    Ok(())
}

fn wrong_state(status: Status, what: &str) -> Problem {
    Problem::rule("status", format!("a letter that is {} {what}", status.as_str()))
}

impl Letters {
    /// Makes a draft and its capsule. `scheduled_soon` is 002's route, where an advanced trigger needs the
    /// plan for it at once.
    pub(crate) async fn create(
        &self,
        caller: &Caller,
        draft: Draft,
        scheduled_soon: bool,
    ) -> Result<LetterRow, Problem> {
        if scheduled_soon {
            premium_only(caller.plan, draft.trigger_type.unwrap_or_default())?;
        }
        let now = self.clock().now();
        let mut letter = LetterRow {
            id: kernel::id::new("mail", now),
            owner_id: caller.id().to_owned(),
            title: String::new(),
            recipient_type: RecipientType::Myself,
            recipient_email: None,
            recipient_key: None,
            stored: Stored::Draft,
            send_time: None,
            trigger_type: None,
            delivered_at: None,
            has_attachments: false,
            is_encrypted: false,
            capsule_style: "default".to_owned(),
            glow: None,
            ordinal: 0,
            schedule_no: 0,
            scheduled_at: None,
            scheduled_month: None,
            created_at: now,
            updated_at: now,
            fired_at: None,
        };
        let attachments = draft.attachments.clone().unwrap_or_default();
        let mut content = ContentRow { content: None, sealed: None, trigger_condition: "{}".to_owned() };
        self.apply(&mut letter, &mut content, draft)?;
        let mut tx = self.db().begin().await?;
        let number = accounts::take_quota(&mut tx, caller.id(), caller.plan, Resource::Created, now).await?;
        letter.ordinal = ordinal(now, number);
        store::insert(&mut tx, &letter, &content).await?;
        if !attachments.is_empty() {
            self.attach(&mut tx, &letter, &attachments).await?;
        }
        tx.commit().await?;
        Ok(letter)
    }

    /// Changes a draft.
    pub(crate) async fn update(&self, caller: &Caller, id: &str, draft: Draft) -> Result<LetterRow, Problem> {
        let mut tx = self.db().begin().await?;
        let now = self.clock().now();
        let mut letter = self.own(&mut tx, caller, id).await?;
        self.must_be_draft(&letter, now, "cannot be changed")?;
        let mut content = store::content(&mut tx, id).await?;
        if let Some(attachments) = draft.attachments.clone() {
            letter.has_attachments = !attachments.is_empty();
            let old = self.attach(&mut tx, &letter, &attachments).await?;
            work::collect(&mut tx, &old, now, now).await?;
        }
        self.apply(&mut letter, &mut content, draft)?;
        letter.updated_at = now;
        store::update(&mut tx, &letter, &content).await?;
        tx.commit().await?;
        Ok(letter)
    }

    fn must_be_draft(&self, letter: &LetterRow, now: Timestamp, what: &str) -> Result<(), Problem> {
        match letter.status(now, self.0.config.delivering_lead) {
            Status::Draft => Ok(()),
            status => Err(wrong_state(status, what)),
        }
    }

    /// A letter of the caller's, locked.
    async fn own(&self, tx: &mut Tx, caller: &Caller, id: &str) -> Result<LetterRow, Problem> {
        store::lock(tx, id, caller.id()).await?.ok_or_else(|| Problem::not_found("letter"))
    }

    /// Writes what was given over what is there, and checks what only holds for the whole.
    fn apply(&self, letter: &mut LetterRow, content: &mut ContentRow, d: Draft) -> Result<(), Problem> {
        let text = match d.content {
            Some(text) => Some(text),
            // Sealed or unsealed anew where only that changes.
            None if d.is_encrypted.is_some_and(|e| e != letter.is_encrypted) => {
                Some(self.text(letter, content)?)
            }
            None => None,
        };
        letter.title = d.title.unwrap_or_else(|| std::mem::take(&mut letter.title));
        letter.recipient_type = d.recipient_type.unwrap_or(letter.recipient_type);
        letter.send_time = d.send_time.or(letter.send_time);
        letter.trigger_type = d.trigger_type.or(letter.trigger_type);
        letter.is_encrypted = d.is_encrypted.unwrap_or(letter.is_encrypted);
        letter.capsule_style = d.capsule_style.unwrap_or_else(|| std::mem::take(&mut letter.capsule_style));
        if let Some(list) = &d.attachments {
            letter.has_attachments = !list.is_empty();
        }
        if let Some((email, key)) = d.recipient_email {
            (letter.recipient_email, letter.recipient_key) = (Some(email), Some(key));
        }
        if letter.recipient_type != RecipientType::Specific {
            (letter.recipient_email, letter.recipient_key) = (None, None);
        } else if letter.recipient_key.is_none() {
            return Err(Problem::rule("recipientEmail", "is required when recipientType is SPECIFIC"));
        }
        if let Some(condition) = d.trigger_condition {
            content.trigger_condition = to_json(&condition)?;
        }
        if let Some(text) = text {
            self.set_text(letter, content, text)?;
        }
        Ok(())
    }

    fn set_text(&self, letter: &LetterRow, content: &mut ContentRow, text: String) -> Result<(), Problem> {
        if letter.is_encrypted {
            let sealed = self.0.accounts.keyring().seal(&place(&letter.id), text.as_bytes());
            content.sealed = Some(sealed.map_err(|_| sealing_failed())?);
            content.content = None;
        } else {
            (content.content, content.sealed) = (Some(text), None);
        }
        Ok(())
    }

    /// The text of a letter, opened if it is sealed. Only for whoever may read it.
    pub(crate) fn text(&self, letter: &LetterRow, content: &ContentRow) -> Result<String, Problem> {
        match (&content.content, &content.sealed) {
            (Some(text), _) => Ok(text.clone()),
            (None, Some(sealed)) => {
                let plain = self.0.accounts.keyring().open(&place(&letter.id), sealed);
                let plain = plain.map_err(|_| sealing_failed())?;
                String::from_utf8(plain).map_err(|_| sealing_failed())
            }
            (None, None) => Ok(String::new()),
        }
    }

    /// Replaces the attachments of a letter; the files that were attached before.
    async fn attach(
        &self,
        tx: &mut Tx,
        letter: &LetterRow,
        list: &[Attachment],
    ) -> Result<Vec<String>, Problem> {
        // In one order for all, so that two letters with the same files do not wait for each other.
        let ids = list.iter().filter_map(|a| crate::view::file_of(self.public_url(), &a.url));
        let mut files = BTreeMap::new();
        for id in ids.collect::<BTreeSet<_>>() {
            files.insert(id, store::lock_file(tx, id).await?);
        }
        let mut problem = Problem::new(ProblemKind::Rule, "validation failed");
        let mut new = Vec::with_capacity(list.len());
        for (n, a) in list.iter().enumerate() {
            let Some(file_id) = crate::view::file_of(self.public_url(), &a.url) else {
                new.push(NewAttachment {
                    id: kernel::id::new("attach", letter.created_at),
                    file_id: None,
                    kind: a.kind,
                    url: Some(a.url.clone()),
                    thumbnail: a.thumbnail.clone(),
                });
                continue;
            };
            match files.get(file_id).cloned().flatten() {
                Some(file) if file.owner_id == letter.owner_id && file.kind == a.kind => {
                    let (id, kind) = (file.id.clone(), file.kind);
                    new.push(NewAttachment { file_id: Some(file.id), id, kind, url: None, thumbnail: None });
                }
                Some(file) if file.owner_id == letter.owner_id => {
                    let reason = format!("this file is of type {}", file.kind.as_str());
                    problem = problem.field(format!("attachments[{n}].type"), reason);
                }
                _ => {
                    problem = problem.field(format!("attachments[{n}].url"), "no such file of yours");
                }
            }
        }
        if !problem.errors.is_empty() {
            return Err(problem);
        }
        Ok(store::set_attachments(tx, &letter.id, &new).await?)
    }

    /// Removes a draft and what was attached to it alone.
    pub(crate) async fn delete(&self, caller: &Caller, id: &str) -> Result<(), Problem> {
        let mut tx = self.db().begin().await?;
        let now = self.clock().now();
        let letter = self.own(&mut tx, caller, id).await?;
        self.must_be_draft(&letter, now, "cannot be deleted")?;
        let files = store::set_attachments(&mut tx, id, &[]).await?;
        store::delete(&mut tx, id).await?;
        work::collect(&mut tx, &files, now, now).await?;
        Ok(tx.commit().await?)
    }

    /// Sends a draft on its way.
    pub(crate) async fn schedule(&self, caller: &Caller, s: Scheduling) -> Result<LetterRow, Problem> {
        let mut tx = self.db().begin().await?;
        let now = self.clock().now();
        let mut letter = self.own(&mut tx, caller, &s.mail_id).await?;
        let trigger = s.trigger_type.or(letter.trigger_type).unwrap_or_default();
        premium_only(caller.plan, trigger)?;
        let mut problem = Problem::new(ProblemKind::Rule, "validation failed");
        let status = letter.status(now, self.0.config.delivering_lead);
        if status != Status::Draft {
            problem = problem.field("status", format!("a letter that is {} is on its way", status.as_str()));
        }
        if s.send_time < now + self.0.config.min_lead {
            let lead = self.0.config.min_lead.as_secs();
            problem = problem.field("sendTime", format!("must be at least {lead} seconds from now"));
        }
        let content = store::content(&mut tx, &letter.id).await?;
        let condition: TriggerCondition = match s.trigger_condition {
            Some(condition) => condition,
            None => serde_json::from_str(&content.trigger_condition).unwrap_or_default(),
        };
        if let Some((field, reason)) = condition.missing(trigger) {
            problem = problem.field(field, reason);
        }
        if letter.recipient_type == RecipientType::Specific && letter.recipient_key.is_none() {
            problem = problem.field("recipientEmail", "is required when recipientType is SPECIFIC");
        }
        if !problem.errors.is_empty() {
            return Err(problem);
        }
        let month = now.month();
        if letter.scheduled_month.as_ref() != Some(&month) {
            accounts::take_quota(&mut tx, caller.id(), caller.plan, Resource::Scheduled, now).await?;
        }
        letter.stored = Stored::Scheduled;
        letter.send_time = Some(s.send_time);
        letter.trigger_type = Some(trigger);
        letter.schedule_no += 1;
        letter.scheduled_at = Some(now);
        letter.scheduled_month = Some(month);
        letter.updated_at = now;
        store::schedule(&mut tx, &letter, &to_json(&condition)?).await?;
        store::arm(&mut tx, &triggers::armed(&letter, &condition)).await?;
        store::sent(&mut tx, &letter).await?;
        dispatch::enqueue(&mut tx, now, &dispatches(&letter, s.send_time)).await?;
        tx.commit().await?;
        Ok(letter)
    }

    /// Calls a letter back that is still pending.
    pub(crate) async fn revoke(&self, caller: &Caller, id: &str) -> Result<Timestamp, Problem> {
        let mut tx = self.db().begin().await?;
        let now = self.clock().now();
        let pending = |letter: &LetterRow| match letter.status(now, self.0.config.delivering_lead) {
            Status::Pending => Ok(()),
            status => Err(wrong_state(status, "cannot be revoked")),
        };
        let seen = store::letter(&mut tx, id).await?.filter(|letter| letter.owner_id == caller.id());
        let seen = seen.ok_or_else(|| Problem::not_found("letter"))?;
        pending(&seen)?;
        let ids: Vec<String> =
            dispatches(&seen, seen.send_time.unwrap_or(now)).into_iter().map(|d| d.id).collect();
        let expected = u64::try_from(ids.len()).unwrap_or(u64::MAX);
        // What a trigger locks first, then the dispatches and the letter: the order in which a delivery locks them.
        store::disarm(&mut tx, vec![id]).await?;
        let cancelled = dispatch::cancel(&mut tx, now, &ids).await?;
        let letter = self.own(&mut tx, caller, id).await?;
        pending(&letter)?;
        if cancelled != expected {
            // Some part of it has been acted on, by a worker whose clock is ahead.
            return Err(wrong_state(Status::Delivering, "cannot be revoked"));
        }
        store::revoke(&mut tx, id, now).await?;
        crate::statistics::take_back(&mut tx, &letter).await?;
        tx.commit().await?;
        Ok(now)
    }
}

/// What is sent when a letter is due: `{letter}/{schedule number}/{channel}`.
fn dispatches(letter: &LetterRow, due_at: Timestamp) -> Vec<NewDispatch> {
    let of = |channel: &str, kind, destination: &str| NewDispatch {
        id: format!("{}/{}/{channel}", letter.id, letter.schedule_no),
        kind,
        subject: letter.id.clone(),
        destination: destination.to_owned(),
        payload: None,
        due_at,
    };
    let mut all = vec![of("inbox", work::INBOX, "")];
    if let (RecipientType::Specific, Some(key)) = (letter.recipient_type, &letter.recipient_key) {
        let domain = key.rsplit_once('@').map_or("", |(_, domain)| domain);
        all.push(of("email", work::EMAIL, domain));
    }
    all
}

fn to_json(condition: &TriggerCondition) -> Result<String, Problem> {
    serde_json::to_string(condition).map_err(|error| {
        tracing::error!(%error, "a trigger condition cannot be written");
        Problem::internal()
    })
}

fn place(letter: &str) -> String {
    format!("letter_contents:{letter}:content")
}

fn sealing_failed() -> Problem {
    tracing::error!("a letter cannot be sealed or opened with the keys at hand");
    Problem::internal()
}
