//! A letter of an archive, checked like one that a client sends.

use std::collections::BTreeMap;

use accounts::Url;
use httpkit::{Fields, text};
use kernel::{Problem, Timestamp};
use serde_json::{Map, Value};

use super::{Kind, Member};
use crate::{
    http::read::{Content, MAX_ATTACHMENTS, Title, condition, email},
    model::{AttachmentType, RecipientType, Status},
    ops::Draft,
};

/// A letter about to be made.
pub(super) struct Source {
    /// Its id where it comes from.
    pub(super) id: String,
    /// Without attachments.
    pub(super) draft: Draft,
    pub(super) created_at: Timestamp,
    /// `None`: it becomes a draft.
    pub(super) delivered_at: Option<Timestamp>,
    pub(super) attachments: Vec<Incoming>,
    /// Why it cannot be taken in.
    pub(super) unreadable: Option<&'static str>,
}

/// An attachment about to be made.
pub(super) struct Incoming {
    pub(super) kind: AttachmentType,
    pub(super) from: From,
}

/// Where an attachment is.
pub(super) enum From {
    /// Somewhere else.
    Link { url: String, thumbnail: Option<String> },
    /// In the archive.
    File { member: Member, name: String },
    /// Nowhere: it was not opened for the archive.
    Nowhere,
}

impl Source {
    /// Reads a letter; errors name its member and the field.
    pub(super) fn read(
        id: &str,
        mut values: Map<String, Value>,
        members: &BTreeMap<String, Member>,
        now: Timestamp,
    ) -> Result<Self, Problem> {
        // Nobody can send an empty text, but a draft may have been saved without one.
        let is_empty = values.get("content").and_then(Value::as_str) == Some("");
        if is_empty {
            values.remove("content");
        }
        let mut f = Fields::new(values);
        let source = fields((id, is_empty), &mut f, members, now);
        f.finish().map_err(|problem| {
            let named = |(name, reason)| (format!("letters/{id}.json: {name}"), reason);
            Problem { errors: problem.errors.into_iter().map(named).collect(), ..problem }
        })?;
        Ok(source)
    }

    /// The files of the archive that it has.
    pub(super) fn files(&self) -> impl Iterator<Item = &Member> {
        self.attachments.iter().filter_map(|a| match &a.from {
            From::File { member, .. } => Some(member),
            _ => None,
        })
    }
}

fn fields(
    (id, is_empty): (&str, bool),
    f: &mut Fields,
    members: &BTreeMap<String, Member>,
    now: Timestamp,
) -> Source {
    if f.required::<text::Opaque<64>>("mailId").0 != id {
        f.rule("mailId", "is not that of the member's name");
    }
    let status: Option<Status> = f.optional("status");
    if status.is_none() {
        f.bad("status", "is required: DRAFT, PENDING, DELIVERING or DELIVERED");
    }
    let created_at = past(f, "createdAt", now);
    if created_at.is_none() {
        f.bad("createdAt", "is required");
    }
    let delivered = status == Some(Status::Delivered);
    let delivered_at = if delivered { past(f, "deliveredAt", now) } else { None };
    if delivered && delivered_at.is_none() {
        f.bad("deliveredAt", "is required of a letter that was delivered");
    }
    let is_encrypted: bool = f.optional("isEncrypted").unwrap_or_default();
    let content = f.optional::<Content>("content").map(|t| t.0).or_else(|| is_empty.then(String::new));
    let unreadable = match (is_encrypted && content.is_none(), f.has("sealed")) {
        (false, _) => None,
        (true, true) => {
            Some("only its passphrase opens it, and what is sealed is bound to the original letter")
        }
        (true, false) => Some("its text is not in the archive, which was exported without the password"),
    };
    let mut draft = Draft {
        title: Some(f.required::<Title>("title").0),
        content,
        send_time: f.optional("sendTime"),
        is_encrypted: Some(is_encrypted),
        capsule_style: f.optional::<text::Line<64>>("capsuleStyle").map(|t| t.0),
        ..Draft::default()
    };
    if !delivered {
        draft.recipient_type = f.optional("recipientType");
        draft.recipient_email = email(f);
        draft.trigger_type = f.optional("triggerType");
        draft.trigger_condition = condition(f);
        if draft.recipient_type == Some(RecipientType::Specific) && draft.recipient_email.is_none() {
            f.rule("recipientEmail", "is required when recipientType is SPECIFIC");
        }
    }
    let attachments = f.list("attachments", MAX_ATTACHMENTS, |f| incoming(f, members)).unwrap_or_default();
    Source {
        id: id.to_owned(),
        draft,
        created_at: created_at.unwrap_or(now),
        delivered_at,
        attachments,
        unreadable,
    }
}

/// A time that has been.
fn past(f: &mut Fields, name: &str, now: Timestamp) -> Option<Timestamp> {
    let time: Timestamp = f.optional(name)?;
    if time > now || time < Timestamp::EPOCH {
        f.rule(name, "must be a time between 1970 and now");
        return Some(now);
    }
    Some(time)
}

fn incoming(f: &mut Fields, members: &BTreeMap<String, Member>) -> Incoming {
    let kind = f.required("type");
    let file = f.optional::<text::Opaque<200>>("file").map(|t| t.0);
    let url = f.optional::<Url>("url").map(|t| t.0);
    let from = match (file, url) {
        (None, Some(url)) => From::Link { url, thumbnail: f.optional::<Url>("thumbnail").map(|t| t.0) },
        (None, None) => From::Nowhere,
        (Some(file), _) => match (Kind::of(&file), members.get(&file)) {
            (Some(Kind::Sealed), Some(_)) => From::Nowhere,
            (Some(Kind::File), Some(member)) => {
                let name = f.optional::<text::Line<200>>("name").map(|t| t.0);
                From::File { member: member.clone(), name: name.unwrap_or_else(|| "file".to_owned()) }
            }
            _ => {
                f.rule("file", "is no file of this archive");
                From::Nowhere
            }
        },
    };
    Incoming { kind, from }
}
