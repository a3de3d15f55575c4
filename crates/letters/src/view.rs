//! How letters look from outside: rows and people put together.

use std::collections::HashMap;

use accounts::{Caller, Person, mask_address};
use db::Conn;
use kernel::{Problem, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    Letters,
    model::{AttachmentType, RecipientType, Status, TriggerCondition, TriggerType, capsule_id},
    seal::ReadableBy,
    store::{self, AttachmentRow, ContentRow, LetterRow},
};

/// Where files are served, below the public URL.
const FILES: &str = "/api/v1/files/";

/// A person in a list.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PersonView {
    /// `null`: an address without an account.
    user_id: Option<String>,
    /// A masked address where there is no account.
    username: String,
    avatar: Option<String>,
}

/// A person in a detail.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PersonDetail {
    /// `null`: an address without an account.
    user_id: Option<String>,
    /// A masked address where there is no account.
    pub(crate) username: String,
    avatar: Option<String>,
    /// `null` for those whom it does not concern.
    pub(crate) email: Option<String>,
}

/// A letter in a list.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MailItem {
    mail_id: String,
    title: String,
    sender: PersonView,
    /// `null` for public letters.
    recipient: Option<PersonView>,
    #[schema(value_type = Option<String>, format = DateTime)]
    send_time: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    delivery_time: Option<Timestamp>,
    status: Status,
    has_attachments: bool,
    is_encrypted: bool,
    capsule_style: String,
    /// Whole seconds to `sendTime`; only while PENDING.
    #[serde(skip_serializing_if = "Option::is_none")]
    countdown: Option<u64>,
}

/// A whole letter.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MailDetail {
    mail_id: String,
    capsule_id: String,
    title: String,
    /// `null` for an encrypted letter: see `unlock`.
    content: Option<String>,
    sender: PersonDetail,
    /// `null` for public letters.
    recipient: Option<PersonDetail>,
    recipient_type: RecipientType,
    #[schema(value_type = Option<String>, format = DateTime)]
    send_time: Option<Timestamp>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    delivery_time: Option<Timestamp>,
    status: Status,
    trigger_type: Option<TriggerType>,
    trigger_condition: TriggerCondition,
    /// When its trigger fired; only if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    triggered_at: Option<Timestamp>,
    attachments: Vec<AttachmentView>,
    is_encrypted: bool,
    /// Of an encrypted letter.
    #[serde(skip_serializing_if = "Option::is_none")]
    readable_by: Option<ReadableBy>,
    /// What its author says of its passphrase.
    #[serde(skip_serializing_if = "Option::is_none")]
    passphrase_hint: Option<String>,
    capsule_style: String,
    /// The caller wrote it and it is a draft.
    can_edit: bool,
    /// The caller wrote it and it is pending.
    can_revoke: bool,
    /// Whole seconds to `sendTime`; only while PENDING.
    #[serde(skip_serializing_if = "Option::is_none")]
    countdown: Option<u64>,
}

/// An attachment.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AttachmentView {
    id: String,
    #[serde(rename = "type")]
    kind: AttachmentType,
    url: String,
    thumbnail: Option<String>,
    /// In bytes; `null` for a link to somewhere else.
    size: Option<i64>,
}

/// The URL of a file.
pub(crate) fn file_url(public_url: &str, id: &str) -> String {
    format!("{public_url}{FILES}{id}")
}

/// The URL of a file's thumbnail.
pub(crate) fn thumbnail_url(public_url: &str, id: &str) -> String {
    format!("{public_url}{FILES}{id}/thumbnail")
}

/// The file that a URL of ours names.
pub(crate) fn file_of<'a>(public_url: &str, url: &'a str) -> Option<&'a str> {
    let path = url.strip_prefix(public_url)?;
    path.strip_prefix(FILES).filter(|id| kernel::id::is("attach", id))
}

/// What whole seconds are left, rounded up: a letter is never said to be due before it is.
pub(crate) fn countdown(status: Status, send_time: Option<Timestamp>, now: Timestamp) -> Option<u64> {
    let left = send_time.filter(|_| status == Status::Pending)?.since(now);
    Some(left.as_secs() + u64::from(left.subsec_nanos() > 0))
}

/// The people of some letters.
pub(crate) struct People {
    by_id: HashMap<String, Person>,
    by_address: HashMap<String, Person>,
}

impl People {
    /// Looks up whom these letters name; the caller is known already.
    pub(crate) async fn of(
        conn: &mut Conn,
        caller: Option<&Caller>,
        letters: &[LetterRow],
    ) -> db::Result<Self> {
        let mut people = Self { by_id: HashMap::new(), by_address: HashMap::new() };
        if let Some(caller) = caller {
            people.by_id.insert(caller.id().to_owned(), caller.person.clone());
            people.by_address.insert(caller.email_key.clone(), caller.person.clone());
        }
        let mut ids: Vec<&str> = letters.iter().map(|l| l.owner_id.as_str()).collect();
        ids.retain(|id| !people.by_id.contains_key(*id));
        ids.sort_unstable();
        ids.dedup();
        let mut keys: Vec<&str> = letters.iter().filter_map(|l| l.recipient_key.as_deref()).collect();
        keys.retain(|key| !people.by_address.contains_key(*key));
        keys.sort_unstable();
        keys.dedup();
        let by_id = accounts::store::people(conn, ids).await?;
        people.by_id.extend(by_id.into_iter().map(|p| (p.user_id.clone(), p)));
        people.by_address.extend(accounts::store::people_at(conn, keys).await?);
        Ok(people)
    }

    pub(crate) fn sender(&self, letter: &LetterRow) -> PersonDetail {
        self.by_id.get(&letter.owner_id).map_or_else(
            // The account is gone, its letters are not.
            || PersonDetail { user_id: None, username: String::new(), avatar: None, email: None },
            known,
        )
    }

    pub(crate) fn recipient(&self, letter: &LetterRow) -> Option<PersonDetail> {
        match letter.recipient_type {
            RecipientType::Public => None,
            RecipientType::Myself => Some(self.sender(letter)),
            RecipientType::Specific => {
                let email = letter.recipient_email.clone().unwrap_or_default();
                let person = letter.recipient_key.as_ref().and_then(|key| self.by_address.get(key));
                Some(person.map_or_else(
                    || PersonDetail {
                        user_id: None,
                        username: mask_address(&email),
                        avatar: None,
                        email: Some(email.clone()),
                    },
                    known,
                ))
            }
        }
    }
}

fn known(p: &Person) -> PersonDetail {
    PersonDetail {
        user_id: Some(p.user_id.clone()),
        username: p.username.clone(),
        avatar: p.avatar.clone(),
        email: Some(p.email.clone()),
    }
}

impl From<PersonDetail> for PersonView {
    fn from(p: PersonDetail) -> Self {
        Self { user_id: p.user_id, username: p.username, avatar: p.avatar }
    }
}

impl Letters {
    pub(crate) fn item(&self, letter: LetterRow, people: &People, now: Timestamp) -> MailItem {
        let status = letter.status(now, self.0.config.delivering_lead);
        MailItem {
            sender: people.sender(&letter).into(),
            recipient: people.recipient(&letter).map(Into::into),
            countdown: countdown(status, letter.send_time, now),
            mail_id: letter.id,
            title: letter.title,
            send_time: letter.send_time,
            delivery_time: letter.delivered_at,
            status,
            has_attachments: letter.has_attachments,
            is_encrypted: letter.is_encrypted,
            capsule_style: letter.capsule_style,
        }
    }

    /// The letter as this reader sees it; 404 if they may not.
    pub(crate) async fn detail(
        &self,
        conn: &mut Conn,
        caller: Option<&Caller>,
        id: &str,
    ) -> Result<MailDetail, Problem> {
        let now = self.clock().now();
        let letter = self.readable(conn, caller, id).await?;
        let content = store::content(conn, id).await?;
        let attachments = store::attachments(conn, id).await?;
        let key = if letter.is_encrypted { store::letter_key(conn, id).await? } else { None };
        let people = People::of(conn, caller, std::slice::from_ref(&letter)).await?;
        let is_author = caller.is_some_and(|c| c.id() == letter.owner_id);
        let status = letter.status(now, self.0.config.delivering_lead);
        let mut sender = people.sender(&letter);
        if letter.recipient_type == RecipientType::Public && !is_author {
            // The world may read the letter; the author's address is none of its business.
            sender.email = None;
        }
        Ok(MailDetail {
            capsule_id: capsule_id(&letter.id),
            content: if letter.is_encrypted { None } else { content.content.clone() },
            sender,
            recipient: people.recipient(&letter),
            trigger_condition: trigger_condition(&content),
            triggered_at: letter.fired_at,
            attachments: attachments.into_iter().map(|a| self.attachment(a, None)).collect(),
            can_edit: is_author && status == Status::Draft,
            can_revoke: is_author && status == Status::Pending,
            countdown: countdown(status, letter.send_time, now),
            mail_id: letter.id,
            title: letter.title,
            recipient_type: letter.recipient_type,
            send_time: letter.send_time,
            created_at: letter.created_at,
            delivery_time: letter.delivered_at,
            status,
            trigger_type: letter.trigger_type,
            is_encrypted: letter.is_encrypted,
            readable_by: letter.is_encrypted.then(|| ReadableBy::of(key.as_ref())),
            passphrase_hint: key.and_then(|key| key.hint),
            capsule_style: letter.capsule_style,
        })
    }

    /// A letter that this reader may see: its author always, its recipient and, if it is public, anybody once
    /// it is delivered, unless it was taken down or its sender is blocked. For others it does not exist.
    pub(crate) async fn readable(
        &self,
        conn: &mut Conn,
        caller: Option<&Caller>,
        id: &str,
    ) -> Result<LetterRow, Problem> {
        let not_found = || Problem::not_found("letter");
        let letter = store::letter(conn, id).await?.ok_or_else(not_found)?;
        if caller.is_some_and(|c| c.id() == letter.owner_id) {
            return Ok(letter);
        }
        let reader = letter.delivered_at.is_some() && mailboxes(caller).any(|m| m == letter.mailbox());
        match reader && store::is_in_place(conn, &letter).await? {
            true => Ok(letter),
            false => Err(not_found()),
        }
    }

    /// `ticket` opens it, if it is sealed.
    pub(crate) fn attachment(&self, a: AttachmentRow, ticket: Option<&str>) -> AttachmentView {
        let base = self.public_url();
        let with =
            |url: String| ticket.map_or_else(|| url.clone(), |ticket| format!("{url}?ticket={ticket}"));
        let (url, thumbnail) = match &a.file_id {
            Some(file) => {
                let thumbnail = a.file_thumbnail.is_some().then(|| with(thumbnail_url(base, file)));
                (with(file_url(base, file)), thumbnail)
            }
            None => (a.url.unwrap_or_default(), a.thumbnail),
        };
        AttachmentView { id: a.id, kind: a.kind, url, thumbnail, size: a.size }
    }
}

/// Which mailboxes a reader may open: everybody the public one, a caller their own and their address's.
pub(crate) fn mailboxes(caller: Option<&Caller>) -> impl Iterator<Item = &str> {
    let own = caller
        .into_iter()
        .flat_map(|c| std::iter::once(c.id()).chain(c.opens_address.then_some(c.email_key.as_str())));
    own.chain(std::iter::once(store::PUBLIC))
}

/// Which mailboxes are a caller's own.
pub(crate) fn own_mailboxes(caller: &Caller) -> Vec<&str> {
    mailboxes(Some(caller)).filter(|m| *m != store::PUBLIC).collect()
}

pub(crate) fn trigger_condition(content: &ContentRow) -> TriggerCondition {
    serde_json::from_str(&content.trigger_condition).unwrap_or_default()
}
