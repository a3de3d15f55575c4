//! Bounces without a delivery-status part: qmail, old Exim, appliances; told from automatic answers.
//!
//! That they are about a mail of ours is known from the address they came to. What they mean is read from the
//! first status code in their own words; where there is none the failure is on record without one.

use mail_parser::{Message, MimeHeaders as _, PartType};

use super::report::{Action, LONGEST, Notice, RecipientReport, Status, clipped};

/// So much of a mail's own words is looked at, in octets.
const LOOKED_AT: usize = 64 * 1024;

/// In subjects, lower case.
const FAILED: [&str; 19] = [
    "undeliver",
    "delivery status notification",
    "delivery failure",
    "delivery failed",
    "delivery has failed",
    "failure notice",
    "failure delivery",
    "returned mail",
    "mail delivery",
    "returned to sender",
    "could not be delivered",
    "non-delivery",
    "nondeliverable",
    "unzustellbar",
    "non remis",
    "退信",
    "无法投递",
    "投递失败",
    "未送达",
];

/// From here on it is the mail that is returned, not the server's words.
const RETURNED: [&str; 6] = [
    "--- below this line is a copy of the message",
    "------ this is a copy of",
    "----- original message",
    "-----original message",
    "--- the header of the original message",
    "return-path:",
];

pub(super) fn read(mail: &Message<'_>, sender: &str, message_id: &str) -> Notice {
    let words = own_words(mail);
    let subject = mail.subject().unwrap_or_default().to_lowercase();
    let explicit =
        mail.header_raw("X-Failed-Recipients").is_some() || words.trim_start().starts_with("Hi. This is the");
    if !explicit && is_automatic(mail) {
        return Notice::AutoReply;
    }
    let failed = FAILED.iter().any(|word| subject.contains(word));
    let by_server = sender.is_empty() || is_server(sender) || is_server(&author(mail));
    let bounce = explicit || (failed && by_server) || (returns(mail, message_id) && (failed || by_server));
    if !bounce {
        return Notice::Other;
    }
    let delayed = subject.contains("delay") || subject.contains("warning") || subject.contains("延迟");
    let line = telling_line(&words);
    Notice::Report(vec![RecipientReport {
        action: if delayed { Action::Delayed } else { Action::Failed },
        status: line.and_then(|line| status_in(line).or_else(|| code_in(line))),
        recipient: clipped(mail.header_raw("X-Failed-Recipients").unwrap_or_default(), 254),
        diagnostic: clipped(line.unwrap_or_default(), LONGEST),
    }])
}

/// RFC 3834 §5, and what was there before it.
fn is_automatic(mail: &Message<'_>) -> bool {
    let is = |name: &str, what: &[&str]| {
        let value = mail.header_raw(name).unwrap_or_default().trim().to_ascii_lowercase();
        what.iter().any(|w| value.starts_with(w))
    };
    is("Auto-Submitted", &["auto-replied"])
        || is("Precedence", &["auto_reply", "auto-reply"])
        || is("X-Autoreply", &["yes"])
        || ["X-Autorespond", "X-Auto-Reply"].iter().any(|name| mail.header_raw(*name).is_some())
}

fn author(mail: &Message<'_>) -> String {
    let from = mail.from().and_then(|from| from.first()).and_then(|from| from.address());
    from.unwrap_or_default().to_owned()
}

fn is_server(address: &str) -> bool {
    let local = address.split('@').next().unwrap_or_default().to_ascii_lowercase();
    ["mailer-daemon", "postmaster", "mail-daemon", "mailerdaemon"].contains(&local.as_str())
}

/// Whether it holds a mail of ours, whole or in part.
fn returns(mail: &Message<'_>, message_id: &str) -> bool {
    if message_id.is_empty() {
        return false;
    }
    mail.parts.iter().any(|part| match &part.body {
        PartType::Text(text) | PartType::Html(text) => text.contains(message_id),
        PartType::Message(inner) => inner.message_id().is_some_and(|id| id == message_id),
        PartType::Binary(bytes) | PartType::InlineBinary(bytes) => {
            part.content_type().is_some_and(|c| c.ctype().eq_ignore_ascii_case("message"))
                && bytes.windows(message_id.len()).any(|w| w == message_id.as_bytes())
        }
        PartType::Multipart(_) => false,
    })
}

/// What the server wrote itself: the first text, up to where it returns ours.
fn own_words(mail: &Message<'_>) -> String {
    let text = mail.body_text(0).unwrap_or_default();
    let mut words = String::new();
    for line in text.lines() {
        let start = line.trim_start().to_lowercase();
        if words.len() > LOOKED_AT || RETURNED.iter().any(|mark| start.starts_with(mark)) {
            break;
        }
        words.push_str(line);
        words.push('\n');
    }
    words
}

/// The first line with an enhanced status code, else the first with a reply code.
fn telling_line(words: &str) -> Option<&str> {
    let mut lines = words.lines();
    lines
        .clone()
        .find(|line| status_in(line).is_some())
        .or_else(|| lines.find(|line| code_in(line).is_some()))
}

/// The first `5.1.1` or `4.2.0` that is no part of a longer number, such as an IP address.
#[must_use]
pub fn status_in(text: &str) -> Option<Status> {
    let number = |c: char| c.is_ascii_digit() || c == '.';
    text.split(|c: char| !number(c))
        .map(|word| word.trim_end_matches('.'))
        .filter_map(Status::parse)
        .find(|status| status.class != 2)
}

/// The first word that is a reply code of refusal: `550` is 5.0.0.
pub(super) fn code_in(text: &str) -> Option<Status> {
    let mut words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '.');
    words.find_map(|word| match word.as_bytes() {
        [class @ (b'4' | b'5'), b'0'..=b'5', b'0'..=b'9'] => {
            Some(Status { class: class - b'0', subject: 0, detail: 0 })
        }
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_in_words() {
        for (text, code) in [
            ("550 5.1.1 <a@b>: Recipient address rejected", Some("5.1.1")),
            ("host 10.5.1.1 said: no", None),
            ("(#5.1.1)", Some("5.1.1")),
            ("it was 5.1.1.", Some("5.1.1")),
            ("2.0.0 then 4.4.1", Some("4.4.1")),
            ("version 15.1.1", None),
        ] {
            assert_eq!(status_in(text).map(|s| s.to_string()).as_deref(), code, "{text}");
        }
        assert_eq!(code_in("Remote host said: 550 no such user").unwrap().to_string(), "5.0.0");
        assert_eq!(code_in("452-try again").unwrap().to_string(), "4.0.0");
        assert_eq!(code_in("room 5500, in 550ms, 599"), None);
    }
}
