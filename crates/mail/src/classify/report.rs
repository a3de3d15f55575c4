//! Reports: mails that came back, and complaints.
//!
//! The reading of delivery reports is `transports::bounce`'s; it is given a small mail made of the pieces that tell, since
//! it reads whole mails and a stranger's may be nested without end.

use transports::bounce::{self, Action, Notice, RecipientReport, Severity};

use super::{
    Kind,
    machine::{Hard, Machine},
};
use crate::{Incoming, read::head::clip};

/// What became of a mail for one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BouncedRecipient {
    /// Whom the report names; empty if nobody.
    pub address: String,
    /// The enhanced status code, `5.1.1`, if there is one.
    pub status: Option<String>,
    /// The receiving side's words, one line.
    pub diagnostic: String,
    /// Whether it will never arrive. Otherwise it did not this time, or is still being tried.
    pub permanent: bool,
    /// Whether nothing sent to the address will ever arrive: it is unknown, moved or disabled.
    pub dead_address: bool,
    /// Whether it is still being tried.
    pub delayed: bool,
}

/// So much of the report's own words is looked at, in octets.
const WORDS: usize = 32 * 1024;

pub(super) fn bounce(mail: &Incoming, machine: Machine) -> Option<Kind> {
    let Machine::Hard(hard) = machine else { return None };
    let told = mail.report_type.as_deref().is_some_and(|t| t != "delivery-status");
    if hard == Hard::Ours || (told && mail.reports.delivery.is_empty()) || mail.reports.disposition.is_some()
    {
        return None;
    }
    let sender = if matches!(hard, Hard::NullReturnPath) { "" } else { "mailer-daemon@report.invalid" };
    let Notice::Report(reports) = bounce::read(&digest(mail, hard), sender, "") else { return None };
    let alone = reports.len() == 1;
    let mut recipients: Vec<BouncedRecipient> =
        reports.iter().filter(|r| r.action != Action::Delivered).map(recipient).collect();
    for bounced in &mut recipients {
        if bounced.address.is_empty() && alone {
            bounced.address = named_in(mail).unwrap_or_default();
        }
        dead_by_words(bounced, &mail.text);
    }
    (!recipients.is_empty()).then(|| Kind::Bounce {
        recipients,
        original_message_id: mail
            .reports
            .original_message_id
            .clone()
            .or_else(|| mail.in_reply_to.first().cloned()),
    })
}

fn recipient(report: &RecipientReport) -> BouncedRecipient {
    BouncedRecipient {
        address: report.recipient.clone(),
        status: report.status.map(|s| s.to_string()),
        diagnostic: report.diagnostic.clone(),
        permanent: report.severity() == Severity::Hard,
        dead_address: report.action == Action::Failed
            && report.status.is_some_and(bounce::Status::is_dead_address),
        delayed: report.action == Action::Delayed,
    }
}

/// QQ Mail and NetEase say that an address is unknown in words and in a bare 550.
fn dead_by_words(bounced: &mut BouncedRecipient, text: &str) {
    const UNKNOWN: [&str; 12] = [
        "mailbox not found",
        "user not found",
        "no such user",
        "user unknown",
        "mailbox unavailable",
        "does not exist",
        "invalid mailbox",
        "邮箱不存在",
        "邮件地址不存在",
        "收件人不存在",
        "地址不存在",
        "用户不存在",
    ];
    let vague = bounced.status.as_deref().is_none_or(|s| s == "5.0.0");
    let words = format!("{} {}", bounced.diagnostic, clip(text, WORDS)).to_lowercase();
    // The words of a list of possible reasons name this one beside others.
    let listed =
        words.contains("may have") || words.contains("可能的原因") || words.contains("possible reasons");
    let told = if listed { bounced.diagnostic.to_lowercase() } else { words };
    if vague && !bounced.delayed && UNKNOWN.iter().any(|w| told.contains(w)) {
        (bounced.permanent, bounced.dead_address) = (true, true);
    }
}

/// The first address in the report's own words that is not the reporter's.
fn named_in(mail: &Incoming) -> Option<String> {
    let ours =
        |address: &str| mail.from.iter().chain(&mail.to).any(|m| m.address.eq_ignore_ascii_case(address));
    let part = |c: char| c.is_ascii_alphanumeric() || "@.!#$%&'*+/=?^_`{|}~-".contains(c);
    clip(&mail.text, WORDS)
        .split(|c: char| !part(c))
        .map(|word| word.trim_matches(['.', '\'', '*', '-', '=']))
        .find(|word| word.len() <= 254 && transports::parse_address(word).is_ok() && !ours(word))
        .map(str::to_owned)
}

/// A mail of the parts that tell: subject, words, delivery status.
fn digest(mail: &Incoming, hard: Hard) -> Vec<u8> {
    const BOUNDARY: &str = "=_report";
    let mut out = String::new();
    let mut field = |name: &str, value: &str| {
        let line = value.replace(['\r', '\n'], " ");
        out.push_str(&format!("{name}: {line}\r\n"));
    };
    // Marks of automatic answers would hide it; the hard tier has decided already.
    field("Subject", &mail.subject);
    let daemon =
        if hard == Hard::Daemon { "mailer-daemon@report.invalid" } else { "reporter@report.invalid" };
    field("From", daemon);
    if let Some(failed) = mail.field("x-failed-recipients") {
        field("X-Failed-Recipients", failed);
    }
    field("MIME-Version", "1.0");
    field("Content-Type", &format!("multipart/report; report-type=delivery-status; boundary=\"{BOUNDARY}\""));
    let mut part = |kind: &str, body: &str| {
        let body = body.replace(BOUNDARY, "=-report");
        out.push_str(&format!("\r\n--{BOUNDARY}\r\nContent-Type: {kind}; charset=utf-8\r\n\r\n{body}\r\n"));
    };
    part("text/plain", clip(&mail.text, WORDS));
    for status in &mail.reports.delivery {
        part("message/delivery-status", status);
    }
    out.push_str(&format!("--{BOUNDARY}--\r\n"));
    out.into_bytes()
}

/// RFC 5965.
pub(super) fn complaint(mail: &Incoming) -> Option<Kind> {
    let report = mail.reports.feedback.as_deref()?;
    let field = |name: &str| {
        report.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.trim().eq_ignore_ascii_case(name).then(|| value.trim().trim_matches(['<', '>']).to_owned())
        })
    };
    // "not-spam" takes a complaint back.
    let withdrawn = field("Feedback-Type").is_some_and(|t| t.eq_ignore_ascii_case("not-spam"));
    (!withdrawn).then(|| Kind::Complaint {
        original_message_id: mail.reports.original_message_id.clone(),
        recipient: field("Original-Rcpt-To")
            .or_else(|| field("Removal-Recipient"))
            .filter(|r| r.contains('@')),
    })
}
