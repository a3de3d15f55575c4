//! What an answer takes from the mail it answers: subject, recipients, thread, quote.

use crate::{Incoming, Mailbox, OwnAddresses, html, normal_form};

/// The prefixes that programs write before the subject of an answer, in lower case.
const PREFIXES: [&str; 15] = [
    "re", "aw", "sv", "vs", "antw", "rif", "res", "r", "回复", "回覆", "答复", "答覆", "回信", "返信", "отв",
];

/// The subject of an answer: `Re: ` once, whatever stood there: `AW: 回复：Re[2]: x` becomes `Re: x`. Marks of forwarding
/// are part of the subject.
#[must_use]
pub fn reply_subject(subject: &str) -> String {
    let line: String = subject.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let mut rest = line.trim();
    while let Some(bare) = without_prefix(rest) {
        rest = bare;
    }
    if rest.is_empty() { "Re:".to_owned() } else { format!("Re: {rest}") }
}

fn without_prefix(subject: &str) -> Option<&str> {
    let (head, rest) = subject.split_once([':', '：'])?;
    let head = head.trim().to_lowercase();
    // Re[2], Re(3), Re^2, Re2
    let name = head.trim_end_matches(|c: char| {
        c.is_ascii_digit() || matches!(c, '[' | ']' | '(' | ')' | '^' | '（' | '）')
    });
    PREFIXES.contains(&name.trim_end()).then(|| rest.trim_start())
}

/// To whom an answer goes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Recipients {
    /// To whom.
    pub to: Vec<Mailbox>,
    /// With copies to.
    pub cc: Vec<Mailbox>,
}

/// Who wrote a mail, and to whom: what the recipients of its answer follow from.
#[derive(Debug, Clone, Copy)]
pub struct Addressed<'a> {
    /// The authors.
    pub from: &'a [Mailbox],
    /// Where answers go; empty: to the authors.
    pub reply_to: &'a [Mailbox],
    /// To whom.
    pub to: &'a [Mailbox],
    /// With copies to.
    pub cc: &'a [Mailbox],
}

impl<'a> From<&'a Incoming> for Addressed<'a> {
    fn from(mail: &'a Incoming) -> Self {
        Self { from: &mail.from, reply_to: &mail.reply_to, to: &mail.to, cc: &mail.cc }
    }
}

/// The recipients of an answer: Reply-To, else the authors; `all` adds the other recipients. Our own addresses, in whatever
/// spelling, are left out, and so is whoever is there already. An answer to a mail of our own goes to whom that went.
#[must_use]
pub fn reply_recipients<'a>(mail: impl Into<Addressed<'a>>, own: &OwnAddresses, all: bool) -> Recipients {
    let mail = mail.into();
    let ours = !mail.from.is_empty() && mail.from.iter().all(|m| own.contains(&m.address));
    let replies = if mail.reply_to.is_empty() { mail.from } else { mail.reply_to };
    let answered: &[Mailbox] = if ours { mail.to } else { replies };
    let mut seen: Vec<String> = Vec::new();
    let mut take = |list: &[Mailbox]| -> Vec<Mailbox> {
        let mut kept = Vec::new();
        for one in list {
            let form = normal_form(&one.address);
            if one.address.contains('@') && !own.contains(&one.address) && !seen.contains(&form) {
                seen.push(form);
                kept.push(one.clone());
            }
        }
        kept
    };
    let mut to = take(answered);
    let mut cc = Vec::new();
    if all {
        // Beside the answered one the other addressees stay addressees.
        to.extend(if ours { Vec::new() } else { take(mail.to) });
        cc = take(mail.cc);
    }
    if to.is_empty() && !cc.is_empty() {
        std::mem::swap(&mut to, &mut cc);
    }
    Recipients { to, cc }
}

/// `In-Reply-To` and `References` of an answer (RFC 5322 §3.6.4).
#[must_use]
pub fn thread(mail: &Incoming) -> (Option<String>, Vec<String>) {
    thread_of(mail.message_id.as_deref(), &mail.in_reply_to, &mail.references)
}

/// The same from the ids of the mail that is answered: its own, what it answers, its thread's.
#[must_use]
pub fn thread_of(
    message_id: Option<&str>,
    in_reply_to: &[String],
    references: &[String],
) -> (Option<String>, Vec<String>) {
    // Some mails name what they answer in In-Reply-To alone.
    let before = if references.is_empty() && in_reply_to.len() == 1 { in_reply_to } else { references };
    let mut references = before.to_vec();
    references.retain(|id| is_writable(id));
    let id = message_id.filter(|id| is_writable(id)).map(str::to_owned);
    if let Some(id) = &id {
        references.retain(|r| r != id);
        references.push(id.clone());
    }
    (id, references)
}

/// An id that a stranger wrote, and that could not be written, is left out rather than failing the answer.
fn is_writable(id: &str) -> bool {
    !id.is_empty() && id.len() <= 900 && id.bytes().all(|b| b.is_ascii_graphic() && !b"<>".contains(&b))
}

/// The original as a quote under an answer: "On 2026-11-21 08:00 (UTC), Li Lei <li@example.cn> wrote:" and its text with
/// `> ` before each line.
#[must_use]
pub fn quote_text(mail: &Incoming) -> String {
    let mut out = attribution(mail);
    out.push('\n');
    for line in mail.text.trim_end().lines() {
        out.push_str(if line.starts_with('>') { ">" } else { "> " });
        out.push_str(line);
        out.push('\n');
    }
    out
}

/// The same in HTML, in the containers by which mail programs fold it away. Remote images are left out: an answer must not
/// carry somebody's trackers on. Nor does it carry the original's own images.
#[must_use]
pub fn quote_html(mail: &Incoming) -> String {
    let shown = match &mail.html {
        Some(original) => html::show(original, html::Images::Blocked, |_| None).html,
        None => html::from_text(mail.text.trim_end()),
    };
    format!(
        "<div class=\"gmail_quote\"><div dir=\"ltr\" class=\"gmail_attr\">{}<br></div>\
         <blockquote class=\"gmail_quote\" style=\"margin:0 0 0 .8ex;border-left:1px #ccc solid;padding-left:1ex\">{shown}\
         </blockquote></div>",
        html::escape(&attribution(mail)),
    )
}

fn attribution(mail: &Incoming) -> String {
    let author = mail.from.first().map(ToString::to_string).unwrap_or_default();
    match mail.date {
        Some(date) => {
            let time: String = date.time_of_day().chars().take(5).collect();
            format!("On {} {time} (UTC), {author} wrote:", date.date())
        }
        None => format!("{author} wrote:"),
    }
}
