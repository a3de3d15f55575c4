//! A letter as it is in the archive: for programs as JSON, for mail readers as a message.

use accounts::post::escape_lines;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use kernel::{Problem, Timestamp};
use serde::Serialize;
use transports::{Email, Mailbox};

use crate::{
    model::{AttachmentType, RecipientType, Status, TriggerCondition, TriggerType},
    seal::ReadableBy,
    store::{KeyRow, LetterRow},
    view::PersonDetail,
};

/// No domain of anybody's (RFC 2606): the messages were not mailed.
const DOMAIN: &str = "hongyan.invalid";

/// `letters/{mailId}.json`
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Document {
    pub(super) mail_id: String,
    pub(super) title: String,
    /// `null`: encrypted, and not opened for this archive.
    pub(super) content: Option<String>,
    pub(super) status: Status,
    pub(super) sender: PersonDetail,
    pub(super) recipient_type: RecipientType,
    /// `null` for public letters.
    pub(super) recipient: Option<PersonDetail>,
    pub(super) recipient_email: Option<String>,
    pub(super) created_at: Timestamp,
    pub(super) updated_at: Timestamp,
    pub(super) scheduled_at: Option<Timestamp>,
    pub(super) send_time: Option<Timestamp>,
    pub(super) delivered_at: Option<Timestamp>,
    pub(super) triggered_at: Option<Timestamp>,
    pub(super) trigger_type: Option<TriggerType>,
    pub(super) trigger_condition: TriggerCondition,
    pub(super) capsule_style: String,
    pub(super) glow_intensity: Option<f64>,
    pub(super) is_encrypted: bool,
    pub(super) readable_by: Option<ReadableBy>,
    pub(super) passphrase_hint: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sealed: Option<Sealed>,
    pub(super) attachments: Vec<Attached>,
}

/// A letter that only its passphrase or its recovery key opens, as it is stored; base64.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Sealed {
    version: i64,
    text: String,
    key_for_passphrase: String,
    key_for_recovery: String,
}

impl Sealed {
    pub(super) fn of(key: &KeyRow, text: &[u8]) -> Self {
        Self {
            version: key.version,
            text: STANDARD.encode(text),
            key_for_passphrase: STANDARD.encode(key.passphrase.as_deref().unwrap_or_default()),
            key_for_recovery: STANDARD.encode(key.recovery.as_deref().unwrap_or_default()),
        }
    }
}

/// An attachment: a link to somewhere else, a file in the archive, or neither if it was not opened for it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Attached {
    pub(super) id: String,
    #[serde(rename = "type")]
    pub(super) kind: AttachmentType,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) thumbnail: Option<String>,
    /// The member with its bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) mime_type: Option<String>,
    /// Of the plain bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) size: Option<i64>,
    /// Name and key of a file in `sealed/`, under the letter's key; base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sealed_key: Option<String>,
}

pub(super) fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// The message of a letter whose text is known.
pub(super) fn message(letter: &LetterRow, d: &Document, text: &str) -> Result<Vec<u8>, Problem> {
    let sender = &d.sender;
    let from = mailbox(&sender.username, sender.email.as_deref());
    let to = match (letter.recipient_type, &d.recipient) {
        (RecipientType::Specific, Some(to)) => mailbox(&to.username, letter.recipient_email.as_deref()),
        (RecipientType::Public, _) => mailbox("Public", None),
        _ => from.clone(),
    };
    let (Some(from), Some(to)) = (from, to) else { return Err(Problem::internal()) };
    let title = escape_lines(&d.title);
    let email = Email {
        message_id: format!("{}@{DOMAIN}", letter.id),
        date: letter.delivered_at.unwrap_or(letter.created_at),
        from,
        to,
        reply_to: None,
        subject: d.title.clone(),
        html: format!(
            "<!doctype html><html><head><meta charset=\"utf-8\"><title>{title}</title></head><body>{}</body></html>",
            escape_lines(text)
        ),
        text: text.to_owned(),
        auto_generated: false,
        headers: vec![("X-Hongyan-Letter", letter.id.clone())],
    };
    transports::render(&email, None).map_err(|error| {
        tracing::error!(%error, letter.id, "a letter cannot be written as a message");
        Problem::internal()
    })
}

/// Somebody, with an address that is nobody's where theirs is not known.
fn mailbox(name: &str, address: Option<&str>) -> Option<Mailbox> {
    let known = address.and_then(|a| transports::parse_address(a).ok());
    let address = known.or_else(|| transports::parse_address(&format!("nobody@{DOMAIN}")).ok())?;
    Some(Mailbox { name: (!name.is_empty()).then(|| name.to_owned()), address })
}
