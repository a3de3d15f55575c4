//! [`read`]: what a returned mail says, from RFC 3464 reports or, failing that, from what servers write instead.
//!
//! Promises: any octets are read without panicking; the answer has at most [`MOST`] recipients with texts of at
//! most [`LONGEST`] characters. Automatic answers of people's mailboxes (RFC 3834) are no reports.

use std::fmt;

use mail_parser::{Message, MessageParser, MimeHeaders as _, PartType};

use super::legacy;

/// So many recipients of one report are looked at; ours name one.
const MOST: usize = 20;
/// So many characters of a diagnosis are kept.
pub(super) const LONGEST: usize = 500;

/// What a mail to a return address is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// A report about delivery, for each recipient that it names.
    Report(Vec<RecipientReport>),
    /// An answer that nobody wrote: "I am on holiday".
    AutoReply,
    /// Something else: a person's answer, a receipt, spam.
    Other,
}

/// What became of a mail for one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecipientReport {
    /// What the reporting server did.
    pub action: Action,
    /// The enhanced status code of RFC 3463, if one was found.
    pub status: Option<Status>,
    /// Whom the report is about, as it writes it; not to be believed further than that.
    pub recipient: String,
    /// The receiving side's words.
    pub diagnostic: String,
}

/// RFC 3464 §2.3.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Given up.
    Failed,
    /// Still being tried.
    Delayed,
    /// Delivered, relayed or expanded.
    Delivered,
}

/// `5.1.1`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    /// 2, 4 or 5.
    pub class: u8,
    /// What it is about: 1 addresses, 2 mailboxes, 7 policy…
    pub subject: u16,
    /// The detail.
    pub detail: u16,
}

/// What a report means for the letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// It will never arrive there.
    Hard,
    /// It did not arrive; another mail may.
    Soft,
    /// It may still arrive.
    Delayed,
    /// It arrived.
    None,
}

impl Status {
    /// Reads `5.1.1`, also with a comment behind it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let word = text.split(|c: char| c.is_whitespace() || "(,;".contains(c)).next()?;
        let mut parts = word.split('.');
        let mut number = |most: usize| {
            let part = parts.next().filter(|p| !p.is_empty() && p.len() <= most)?;
            if part.bytes().all(|b| b.is_ascii_digit()) { part.parse::<u16>().ok() } else { None }
        };
        let (class, subject, detail) = (number(1)?, number(3)?, number(3)?);
        let class = u8::try_from(class).ok().filter(|c| matches!(c, 2 | 4 | 5))?;
        parts.next().is_none().then_some(Self { class, subject, detail })
    }

    /// The address itself is at fault, whatever is sent to it: unknown, moved, disabled.
    #[must_use]
    pub fn is_dead_address(self) -> bool {
        self.class == 5 && matches!((self.subject, self.detail), (1, 1 | 2 | 3 | 6 | 10) | (2, 1))
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.class, self.subject, self.detail)
    }
}

impl RecipientReport {
    /// 5.x.x is final and 4.x.x is not; a full mailbox (5.2.2) may be emptied, and a failure without a code
    /// proves nothing about the address.
    #[must_use]
    pub fn severity(&self) -> Severity {
        match (self.action, self.status) {
            (Action::Delivered, _) => Severity::None,
            (Action::Delayed, _) => Severity::Delayed,
            (Action::Failed, Some(Status { class: 5, subject: 2, detail: 2 })) => Severity::Soft,
            (Action::Failed, Some(Status { class: 5, .. })) => Severity::Hard,
            (Action::Failed, _) => Severity::Soft,
        }
    }
}

/// Reads a mail that came to a return address. `sender` is the envelope's, empty for the null sender;
/// `message_id` that of the mail whose return address it is, without brackets.
#[must_use]
pub fn read(message: &[u8], sender: &str, message_id: &str) -> Notice {
    // The parser goes down into mails within mails by recursion, as deep as a stranger nests them: on a stack of its own, which
    // a mail of this length cannot exhaust.
    let stack = message.len().saturating_mul(STACK_AN_OCTET).saturating_add(STACK);
    std::thread::scope(|scope| {
        let reader = std::thread::Builder::new().name("report".to_owned()).stack_size(stack);
        match reader
            .spawn_scoped(scope, || parse(message, sender, message_id))
            .map(std::thread::ScopedJoinHandle::join)
        {
            Ok(Ok(notice)) => notice,
            Ok(Err(_)) => Notice::Other,
            Err(error) => {
                tracing::error!(%error, "a returned mail cannot be read");
                Notice::Other
            }
        }
    })
}

/// Stack for a mail without any nesting, octets.
const STACK: usize = 2 * 1024 * 1024;
/// A level of nesting takes 36 octets of a mail, and some 400 of stack.
const STACK_AN_OCTET: usize = 64;

fn parse(message: &[u8], sender: &str, message_id: &str) -> Notice {
    let Some(mail) = MessageParser::default().parse(message) else { return Notice::Other };
    let reports: Vec<RecipientReport> = mail
        .parts
        .iter()
        .filter(|part| {
            part.content_type().is_some_and(|c| {
                let subtype = c.subtype().unwrap_or_default();
                c.ctype().eq_ignore_ascii_case("message")
                    && ["delivery-status", "global-delivery-status"]
                        .iter()
                        .any(|s| subtype.eq_ignore_ascii_case(s))
            })
        })
        .flat_map(|part| recipients(&part_text(&part.body)))
        .take(MOST)
        .collect();
    if !reports.is_empty() {
        return Notice::Report(reports);
    }
    if is_other_report(&mail) {
        return Notice::Other;
    }
    legacy::read(&mail, sender, message_id)
}

/// Receipts (RFC 8098) and complaints (RFC 5965) are `multipart/report`, too.
fn is_other_report(mail: &Message<'_>) -> bool {
    let kind = mail.content_type().and_then(|c| c.attribute("report-type"));
    kind.is_some_and(|kind| !kind.eq_ignore_ascii_case("delivery-status"))
}

fn part_text(body: &PartType<'_>) -> String {
    match body {
        PartType::Text(text) | PartType::Html(text) => text.to_string(),
        PartType::Binary(bytes) | PartType::InlineBinary(bytes) => {
            String::from_utf8_lossy(bytes).into_owned()
        }
        PartType::Message(inner) => String::from_utf8_lossy(inner.raw_message()).into_owned(),
        PartType::Multipart(_) => String::new(),
    }
}

/// One group of fields; names in lower case.
type Group = Vec<(String, String)>;

fn field<'a>(group: &'a Group, name: &str) -> Option<&'a str> {
    group.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
}

/// The groups of `message/delivery-status` (RFC 3464 §2.1): the first about the message, each other about one
/// recipient. Some servers leave out the empty line between them, or the first group.
fn recipients(text: &str) -> Vec<RecipientReport> {
    let mut groups: Vec<Group> = vec![Vec::new()];
    for line in text.lines().take(2000) {
        if line.trim().is_empty() {
            groups.push(Vec::new());
            continue;
        }
        let Some(group) = groups.last_mut() else { break };
        if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = group.last_mut()
                && value.len() < 4 * LONGEST
            {
                value.push(' ');
                value.push_str(line.trim());
            }
        } else if let Some((name, value)) = line.split_once(':') {
            let (name, value) = (name.trim().to_ascii_lowercase(), value.trim().to_owned());
            let again = matches!(name.as_str(), "final-recipient" | "original-recipient" | "action")
                && field(group, &name).is_some();
            match again {
                true => groups.push(vec![(name, value)]),
                false => group.push((name, value)),
            }
        }
    }
    groups.iter().filter_map(recipient).take(MOST).collect()
}

fn recipient(group: &Group) -> Option<RecipientReport> {
    let address = field(group, "final-recipient").or_else(|| field(group, "original-recipient"));
    let given = field(group, "action");
    if address.is_none() && given.is_none() {
        return None;
    }
    let diagnostic = typed(field(group, "diagnostic-code").unwrap_or_default());
    let status = field(group, "status").and_then(Status::parse);
    // "5.0.0" says less than the server's own words do.
    let status = match status {
        Some(s) if (s.subject, s.detail) != (0, 0) => Some(s),
        vague => legacy::status_in(diagnostic)
            .filter(|s| vague.is_none_or(|v| v.class == s.class))
            .or(vague)
            .or_else(|| legacy::code_in(diagnostic)),
    };
    let word = given.and_then(|a| a.split(|c: char| !c.is_ascii_alphabetic()).next()).unwrap_or_default();
    let action = match word.to_ascii_lowercase().as_str() {
        "failed" => Action::Failed,
        "delayed" => Action::Delayed,
        "delivered" | "relayed" | "expanded" => Action::Delivered,
        _ => match status?.class {
            5 => Action::Failed,
            4 => Action::Delayed,
            _ => Action::Delivered,
        },
    };
    Some(RecipientReport {
        action,
        status,
        recipient: clipped(typed(address.unwrap_or_default()).trim_matches(['<', '>']), 254),
        diagnostic: clipped(diagnostic, LONGEST),
    })
}

/// The value behind its type: `rfc822;a@b`, `smtp; 550 no`.
fn typed(value: &str) -> &str {
    match value.split_once(';') {
        Some((kind, rest)) if !kind.trim().contains(' ') => rest.trim(),
        _ => value.trim(),
    }
}

/// One line of readable characters, at most `most`.
pub(super) fn clipped(text: &str, most: usize) -> String {
    let spaced =
        text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(most * 4).collect::<String>();
    let words: Vec<&str> = spaced.split_whitespace().collect();
    words.join(" ").chars().take(most).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As much of it as the listener keeps.
    #[test]
    fn mails_within_mails_without_end() {
        use base64::{Engine as _, engine::general_purpose::STANDARD};

        let nest = "Content-Type: message/rfc822\n\n".repeat(6_500);
        let head = "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n";
        let mail = format!("{head}{}", STANDARD.encode(&nest));
        assert_eq!(read(mail.as_bytes(), "", "x@example.com"), Notice::Other);
        let nest = "Content-Type: message/rfc822\n\n".repeat(8_700);
        assert_eq!(read(nest.as_bytes(), "", "x@example.com"), Notice::Other);
    }

    #[test]
    fn codes() {
        assert_eq!(Status::parse("5.1.1").unwrap().to_string(), "5.1.1");
        assert_eq!(Status::parse("4.4.7 (expired)").unwrap().to_string(), "4.4.7");
        for bad in ["", "5", "5.1", "5.1.1.1", "3.1.1", "5.1.a", "5..1", "10.1.1", "5.1.+1", "5.1000.1"] {
            assert_eq!(Status::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn groups_run_together_and_fields_are_folded() {
        let text = "Reporting-MTA: dns; mx\nFinal-Recipient: RFC822; a@x.test\nAction: failed\nStatus: 5.0.0\n\
                    Diagnostic-Code: smtp;\n 550-5.1.1 no such\n\tuser here\nFinal-Recipient: rfc822;b@x.test\n\
                    Action: Delayed (will retry)\nStatus: 4.2.0\n";
        let [a, b] = &recipients(text)[..] else { panic!() };
        assert_eq!((a.recipient.as_str(), a.status.unwrap().to_string().as_str()), ("a@x.test", "5.1.1"));
        assert_eq!(a.diagnostic, "550-5.1.1 no such user here");
        assert_eq!((a.severity(), b.severity()), (Severity::Hard, Severity::Delayed));
    }
}
