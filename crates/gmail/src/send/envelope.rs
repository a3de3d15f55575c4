//! [`Envelope`]: what a mail of the outbox says and to whom, as its row keeps it, and the mail made of it.

use kernel::{Problem, Timestamp};
use mail::{Automatic, File, Invalid, MAX_OUTGOING, Mailbox, Outgoing, Unsubscribe};
use serde::{Deserialize, Serialize};

use super::footer;
use crate::{Gmail, model::Source, store::OutboxRow};

/// Somebody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Party {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    pub(crate) address: String,
}

impl From<&Mailbox> for Party {
    fn from(m: &Mailbox) -> Self {
        Self { name: m.name.clone(), address: m.address.clone() }
    }
}

impl From<&Party> for Mailbox {
    fn from(p: &Party) -> Self {
        Self { name: p.name.clone(), address: p.address.clone() }
    }
}

/// A file of a mail.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Enclosed {
    /// `gup_…`
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) mime_type: String,
    /// Octets.
    pub(crate) size: u64,
    /// Where its bytes are.
    pub(crate) object_key: String,
}

/// What a mail says, and to whom.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Envelope {
    pub(crate) from: Party,
    pub(crate) to: Vec<Party>,
    pub(crate) cc: Vec<Party>,
    pub(crate) bcc: Vec<Party>,
    pub(crate) subject: String,
    pub(crate) text: Option<String>,
    pub(crate) html: Option<String>,
    pub(crate) files: Vec<Enclosed>,
    pub(crate) in_reply_to: Option<String>,
    pub(crate) references: Vec<String>,
    /// Gmail's, of the account.
    pub(crate) thread_id: Option<String>,
    /// Whether its readers are told how to refuse more.
    pub(crate) unsubscribe: bool,
}

impl Envelope {
    /// As a row keeps it.
    pub(crate) fn json(&self) -> Result<String, Problem> {
        serde_json::to_string(self).map_err(|error| {
            tracing::error!(%error, "an envelope cannot be written");
            Problem::internal()
        })
    }

    /// What a row keeps.
    pub(crate) fn of(row: &OutboxRow) -> Result<Self, Problem> {
        serde_json::from_str(&row.envelope).map_err(|error| {
            tracing::error!(outbox.id = row.id, %error, "an envelope cannot be read");
            Problem::internal()
        })
    }

    /// Octets of the files.
    pub(crate) fn size(&self) -> u64 {
        self.files.iter().map(|file| file.size).sum()
    }
}

/// What of a row is in its mail's head.
pub(crate) struct Marks<'a> {
    pub(crate) outbox_id: &'a str,
    pub(crate) user_id: &'a str,
    pub(crate) message_id: &'a str,
    pub(crate) source: Source,
    pub(crate) date: Timestamp,
}

impl Gmail {
    /// The mail of an envelope, without its files.
    pub(crate) fn outgoing(&self, envelope: &Envelope, marks: &Marks<'_>) -> Outgoing {
        let list = |parties: &[Party]| parties.iter().map(Mailbox::from).collect::<Vec<_>>();
        let unsubscribe = envelope.unsubscribe.then(|| self.ways_out(envelope, marks));
        let (text, html) = (envelope.text.as_deref(), envelope.html.as_deref());
        let (text, html) = match &unsubscribe {
            // First mails and reminders that the assistant wrote.
            Some(ways) if matches!(marks.source, Source::FollowUp | Source::Approved) => {
                footer::below(text, html, ways.one_click.as_deref())
            }
            _ => (text.map(str::to_owned), html.map(str::to_owned)),
        };
        Outgoing {
            from: (&envelope.from).into(),
            to: list(&envelope.to),
            cc: list(&envelope.cc),
            bcc: list(&envelope.bcc),
            reply_to: None,
            subject: envelope.subject.clone(),
            date: marks.date,
            message_id: marks.message_id.to_owned(),
            in_reply_to: envelope.in_reply_to.clone(),
            references: envelope.references.clone(),
            text,
            html,
            images: Vec::new(),
            files: Vec::new(),
            automatic: match marks.source {
                Source::Person | Source::Approved => Automatic::No,
                Source::AutoReply => Automatic::Replied,
                Source::FollowUp => Automatic::Generated,
            },
            unsubscribe,
            mark: Some(marks.outbox_id.to_owned()),
        }
    }

    /// How its readers refuse more: by one click where it has one reader, whom the address then names.
    fn ways_out(&self, envelope: &Envelope, marks: &Marks<'_>) -> Unsubscribe {
        let mut all = envelope.to.iter().chain(&envelope.cc).chain(&envelope.bcc);
        let only = all.next().filter(|_| all.next().is_none());
        let one_click = only
            .filter(|_| self.0.config.public_url.starts_with("https://"))
            .map(|reader| self.unsubscribe_url(marks.user_id, &reader.address, marks.outbox_id));
        Unsubscribe { one_click, mail_to: Some(envelope.from.address.clone()) }
    }
}

/// The files as they would be, without their octets, for everything about a mail to be checked but its size.
pub(crate) fn empty_files(files: &[Enclosed]) -> Vec<File> {
    files
        .iter()
        .map(|file| File { name: file.name.clone(), mime_type: file.mime_type.clone(), octets: Vec::new() })
        .collect()
}

/// Checks a mail whose files have no octets yet, and its size with them.
///
/// # Errors
/// 422 with the field's name of the API.
pub(crate) fn check(mail: &Outgoing, files: &[Enclosed]) -> Result<(), Problem> {
    let written = mail.write().map_err(|invalid| refused(&invalid))?;
    let files: u64 = files.iter().map(|file| as_base64(file.size)).sum();
    let size = u64::try_from(written.len()).unwrap_or(u64::MAX).saturating_add(files);
    if size > u64::try_from(MAX_OUTGOING).unwrap_or(u64::MAX) {
        let text =
            format!("make the mail {size} octets long as it travels; Gmail takes {MAX_OUTGOING} at most");
        return Err(Problem::rule("attachments", text));
    }
    Ok(())
}

/// Octets of a file in base64, with its line ends.
fn as_base64(size: u64) -> u64 {
    let encoded = size.div_ceil(3).saturating_mul(4);
    encoded + encoded.div_ceil(76) * 2
}

fn refused(invalid: &Invalid) -> Problem {
    let field = invalid.field.split(['[', '.']).next().unwrap_or_default();
    let name = match field {
        "files" | "attachments" => "attachments",
        "text" | "html" => "body",
        "in_reply_to" | "references" => "reply_to_message",
        field => field,
    };
    Problem::rule(name, invalid.why.clone())
}

#[cfg(test)]
mod tests {
    #[test]
    fn base64_has_line_ends() {
        for (size, encoded) in [(0, 0), (1, 6), (57, 78), (58, 84)] {
            assert_eq!(super::as_base64(size), encoded, "{size}");
        }
    }
}
