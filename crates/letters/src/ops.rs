//! What happens to letters: the use cases behind the routes.

use accounts::{Caller, Plan, Resource};
use db::Tx;
use dispatch::NewDispatch;
use kernel::{Problem, ProblemKind, Timestamp};
use zeroize::Zeroizing;

use crate::{
    Letters,
    attach::{Locked, leaves_open},
    model::{AttachmentType, RecipientType, Status, Stored, TriggerCondition, TriggerType, ordinal},
    notify,
    seal::{Before, KeyChange, ReadableBy, Sealing, Secrecy, Text},
    store::{self, ContentRow, LetterRow},
    triggers, work,
};

/// A letter's fields as they came, checked one by one; `None` was not given.
#[derive(Debug, Default, Clone)]
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
    pub(crate) secrecy: Secrecy,
    pub(crate) capsule_style: Option<String>,
}

/// A letter as it was saved.
pub(crate) struct Saved {
    pub(crate) letter: LetterRow,
    /// `None` if it is not encrypted.
    pub(crate) readable_by: Option<ReadableBy>,
    /// To be shown to its author, once.
    pub(crate) recovery_key: Option<String>,
}

/// So often a change is worked out anew that others overtook.
const TRIES: usize = 4;

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

pub(crate) fn wrong_state(status: Status, what: &str) -> Problem {
    Problem::rule("status", format!("a letter that is {} {what}", status.as_str()))
}

impl Letters {
    /// Makes a draft and its capsule. `scheduled_soon` is 002's route, where an advanced trigger needs the
    /// plan for it at once.
    pub(crate) async fn create(
        &self,
        caller: &Caller,
        mut draft: Draft,
        scheduled_soon: bool,
    ) -> Result<Saved, Problem> {
        if scheduled_soon {
            premium_only(caller.plan, draft.trigger_type.unwrap_or_default())?;
        }
        let now = self.clock().now();
        let mut letter = LetterRow::blank(caller.id(), now);
        let attachments = draft.attachments.clone().unwrap_or_default();
        let mut content = ContentRow { content: None, sealed: None, trigger_condition: "{}".to_owned() };
        let text = draft.content.take().map(Zeroizing::new);
        let sealing = self.sealing(caller, &Before::new(&letter, &content), &draft, text).await?;
        self.apply(&mut letter, &mut content, draft)?;
        set_text(&mut content, &sealing);
        let mut tx = self.db().begin().await?;
        let number = accounts::take_quota(&mut tx, caller.id(), caller.plan, Resource::Created, now).await?;
        letter.ordinal = ordinal(now, number);
        store::insert(&mut tx, &letter, &content).await?;
        let files = self.save_sealing(&mut tx, &letter, &attachments, &sealing).await?;
        let files = files.filter(|files| !leaves_open(&letter, files)).ok_or_else(overtaken)?;
        if !attachments.is_empty() {
            self.attach(&mut tx, &letter, &attachments, &files).await?;
        }
        tx.commit().await?;
        Ok(Saved { letter, readable_by: sealing.readable_by, recovery_key: sealing.recovery_key })
    }

    /// Changes a draft.
    pub(crate) async fn update(&self, caller: &Caller, id: &str, mut draft: Draft) -> Result<Saved, Problem> {
        let text = draft.content.take().map(Zeroizing::new);
        for _ in 0..TRIES {
            let before = self.look(caller, id).await?;
            let sealing = self.sealing(caller, &before, &draft, text.clone()).await?;
            if let Some(letter) = self.save(caller, &before, draft.clone(), &sealing).await? {
                let Sealing { readable_by, recovery_key, .. } = sealing;
                return Ok(Saved { letter, readable_by, recovery_key });
            }
        }
        Err(overtaken())
    }

    /// A draft of the caller's, as it is now.
    async fn look(&self, caller: &Caller, id: &str) -> Result<Before, Problem> {
        let mut conn = self.db().read().await?;
        let letter = store::letter(&mut conn, id).await?.filter(|letter| letter.owner_id == caller.id());
        let letter = letter.ok_or_else(|| Problem::not_found("letter"))?;
        self.must_be_draft(&letter, self.clock().now(), "cannot be changed")?;
        // Gone since, maybe.
        let kept = store::kept(&mut conn, id).await?.ok_or_else(|| Problem::not_found("letter"))?;
        Ok(Before::kept(letter, kept))
    }

    /// Writes a change; `None` if the letter is not any more what the change was worked out for.
    async fn save(
        &self,
        caller: &Caller,
        before: &Before,
        draft: Draft,
        sealing: &Sealing,
    ) -> Result<Option<LetterRow>, Problem> {
        let mut tx = self.db().begin().await?;
        let now = self.clock().now();
        let id = before.letter_id.as_str();
        let mut letter = self.own(&mut tx, caller, id).await?;
        self.must_be_draft(&letter, now, "cannot be changed")?;
        let kept = store::kept(&mut tx, id).await?.ok_or_else(|| Problem::not_found("letter"))?;
        if !before.is(&kept) {
            return Ok(None);
        }
        let mut content = kept.content;
        let attachments = draft.attachments.clone();
        self.apply(&mut letter, &mut content, draft)?;
        set_text(&mut content, sealing);
        letter.updated_at = now;
        let list = attachments.as_deref().unwrap_or_default();
        let files = self.save_sealing(&mut tx, &letter, list, sealing).await?;
        let Some(files) = files.filter(|files| !leaves_open(&letter, files)) else { return Ok(None) };
        if let Some(attachments) = &attachments {
            let old = self.attach(&mut tx, &letter, attachments, &files).await?;
            work::collect(&mut tx, &old, now, now).await?;
        }
        store::update(&mut tx, &letter, &content).await?;
        tx.commit().await?;
        Ok(Some(letter))
    }

    /// Writes a letter's keys and what became of its files; the files that are locked now. `None` if one of
    /// them was changed meanwhile.
    pub(crate) async fn save_sealing(
        &self,
        tx: &mut Tx,
        letter: &LetterRow,
        list: &[Attachment],
        sealing: &Sealing,
    ) -> Result<Option<Locked>, Problem> {
        match &sealing.key {
            KeyChange::Keep => {}
            KeyChange::Remove => store::delete_letter_key(tx, &letter.id).await?,
            KeyChange::Put(row) => store::put_letter_key(tx, &letter.id, row).await?,
        }
        if sealing.hides {
            work::forget(tx, letter.updated_at).await?;
        }
        self.change_files(tx, letter, list, &sealing.files).await
    }

    fn must_be_draft(&self, letter: &LetterRow, now: Timestamp, what: &str) -> Result<(), Problem> {
        match letter.status(now, self.0.config.delivering_lead) {
            Status::Draft => Ok(()),
            status => Err(wrong_state(status, what)),
        }
    }

    /// A letter of the caller's, locked.
    pub(crate) async fn own(&self, tx: &mut Tx, caller: &Caller, id: &str) -> Result<LetterRow, Problem> {
        store::lock(tx, id, caller.id()).await?.ok_or_else(|| Problem::not_found("letter"))
    }

    /// Writes what was given, the text apart, over what is there, and checks what only holds for the whole.
    pub(crate) fn apply(
        &self,
        letter: &mut LetterRow,
        content: &mut ContentRow,
        d: Draft,
    ) -> Result<(), Problem> {
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
        Ok(())
    }

    /// Removes a draft and what was attached to it alone.
    pub(crate) async fn delete(&self, caller: &Caller, id: &str) -> Result<(), Problem> {
        let mut tx = self.db().begin().await?;
        let now = self.clock().now();
        let letter = self.own(&mut tx, caller, id).await?;
        self.must_be_draft(&letter, now, "cannot be deleted")?;
        let files = store::set_attachments(&mut tx, id, &[]).await?;
        store::delete_letter_key(&mut tx, id).await?;
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
        let mut new = dispatches(&letter, s.send_time);
        new.extend(notify::reminder(&letter, s.send_time, self.0.config.reminder_lead, now));
        dispatch::enqueue(&mut tx, now, &new).await?;
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
        notify::cancel(&mut tx, &[(id, seen.schedule_no)], now).await?;
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

/// A text that is not given stays.
pub(crate) fn set_text(content: &mut ContentRow, sealing: &Sealing) {
    match &sealing.text {
        None => {}
        Some(Text::Plain(text)) => (content.content, content.sealed) = (Some(text.to_string()), None),
        Some(Text::Sealed(sealed)) => (content.content, content.sealed) = (None, Some(sealed.clone())),
    }
}

pub(crate) fn overtaken() -> Problem {
    Problem::new(ProblemKind::Conflict, "the letter or its files were changed at the same time, try again")
}
