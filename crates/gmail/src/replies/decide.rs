//! Whether a mail may be answered without a person: a pure function over what is known.
//!
//! The order is fixed, and the first rule that says no ends it: what the mail is, whose it is, which machine wrote it, whom
//! it addresses, how the conversation stands, how much went out already. What the answer itself says comes after that
//! ([`super::gate`]). Promise: no mail of a machine, of ourselves, of somebody who gets none, over a cap, too old, or in a
//! conversation that a person holds is ever answered with yes.

use std::time::Duration;

use kernel::{Timestamp, time::days};
use mail::{OwnAddresses, normal_form};

use crate::{
    AutoReply, ReplyConfig,
    model::{Direction, MailKind},
    store::AutomaticCounts,
};

const QUARTER: Duration = Duration::from_secs(900);
const HOUR: Duration = Duration::from_secs(3600);

/// What a rule says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ruling {
    /// Nothing stands against it.
    Yes,
    /// A person is to decide: the rule's code, and why.
    Waits(&'static str, String),
    /// No: the rule's code, and why.
    No(&'static str, String),
    /// Not before then.
    Later(Timestamp),
}

/// What is to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum About {
    /// An answer to the message.
    Answer,
    /// A follow-up of the message, which is ours and was not answered.
    FollowUp,
}

/// What leads a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lead {
    /// No active goal.
    Nothing,
    /// Goals that are reached, or cannot be.
    Over,
    /// A goal, with or without automatic replies.
    Goal { auto_reply: bool },
}

/// All that is known when it is decided.
#[derive(Debug, Clone)]
pub(crate) struct Snapshot {
    pub(crate) now: Timestamp,
    /// From when on it grows too old: when the mail came, or since when it may leave.
    pub(crate) since: Timestamp,
    pub(crate) about: About,
    /// The stricter of the installation's switch and the account's.
    pub(crate) mode: AutoReply,
    /// Whether the account's grant stands.
    pub(crate) connected: bool,
    /// Every address of the installation.
    pub(crate) own: OwnAddresses,
    /// Those of this account.
    pub(crate) account: OwnAddresses,
    /// The counterpart, in normal form.
    pub(crate) counterpart: String,
    pub(crate) mail: Mail,
    /// Why the counterpart gets no more mail.
    pub(crate) suppressed: Option<String>,
    /// A person answers here.
    pub(crate) held: bool,
    /// Until when the counterpart is away.
    pub(crate) away_until: Option<Timestamp>,
    pub(crate) lead: Lead,
    /// Whether the message is the newest of its conversation and of its thread.
    pub(crate) newest: bool,
    /// Whether a person wrote after it, be it that it has not left yet.
    pub(crate) person_wrote: bool,
    /// A follow-up whose time was before its goal, or long ago.
    pub(crate) overdue: bool,
    pub(crate) counts: AutomaticCounts,
}

/// The message in question.
#[derive(Debug, Clone)]
pub(crate) struct Mail {
    pub(crate) direction: Direction,
    pub(crate) backfill: bool,
    pub(crate) labels: Vec<String>,
    pub(crate) received_at: Timestamp,
    /// As `MessageRow::machine` has it.
    pub(crate) machine: String,
    pub(crate) kind: MailKind,
    pub(crate) from: String,
    /// Who sent it, if that is not the author.
    pub(crate) sender: Option<String>,
    /// Whether it has exactly one author.
    pub(crate) one_author: bool,
    pub(crate) reply_to: Vec<String>,
    pub(crate) to: Vec<String>,
    pub(crate) cc: Vec<String>,
    /// Its Message-ID is one that was written here.
    pub(crate) own_message_id: bool,
    /// It was answered by itself before, whatever became of that.
    pub(crate) answered: bool,
}

/// Decides.
pub(crate) fn decide(s: &Snapshot, config: &ReplyConfig) -> Ruling {
    let rules: &[fn(&Snapshot, &ReplyConfig) -> Option<Ruling>] = match s.about {
        About::Answer => {
            &[new_mail, not_ours, no_hard_machine, no_soft_machine, addressed, conversation, caps]
        }
        About::FollowUp => &[unanswered, not_to_ourselves, conversation, caps],
    };
    rules.iter().find_map(|rule| rule(s, config)).unwrap_or(Ruling::Yes)
}

/// What is asked again just before it leaves: whose mail it is, how the conversation stands, the caps.
pub(crate) fn still(s: &Snapshot, config: &ReplyConfig) -> Ruling {
    let whose = match s.about {
        About::Answer => not_ours,
        About::FollowUp => not_to_ourselves,
    };
    [whose, conversation, caps].iter().find_map(|rule| rule(s, config)).unwrap_or(Ruling::Yes)
}

fn no(rule: &'static str, reason: impl Into<String>) -> Option<Ruling> {
    Some(Ruling::No(rule, reason.into()))
}

/// 1: new mail in the inbox, not seen before, not too old.
fn new_mail(s: &Snapshot, config: &ReplyConfig) -> Option<Ruling> {
    let has = |label: &str| s.mail.labels.iter().any(|l| l.eq_ignore_ascii_case(label));
    if s.mail.direction == Direction::Out || has("SENT") || has("DRAFT") {
        return no("outbound", "the mail was sent by the account");
    }
    if has("SPAM") || has("TRASH") || !has("INBOX") {
        return no("not_inbox", "the mail is not in the inbox");
    }
    if s.mail.backfill {
        return no("backfill", "the mail was there before it was looked for");
    }
    if s.mail.answered {
        return no("answered_before", "the mail was answered before");
    }
    (s.now.since(s.mail.received_at) > config.max_age)
        .then(|| Ruling::No("too_old", format!("the mail is older than {}", span(config.max_age))))
}

/// 2: neither author, sender nor whoever gets the answer is ours.
fn not_ours(s: &Snapshot, _: &ReplyConfig) -> Option<Ruling> {
    let involved = [&s.mail.from].into_iter().chain(&s.mail.sender).chain(&s.mail.reply_to);
    if let Some(ours) = involved.into_iter().find(|address| s.own.contains(address)) {
        return no("own_address", format!("{ours} is an address of this installation"));
    }
    if s.mail.own_message_id || s.mail.machine == "hard:own_mail" {
        return no("own_mail", "the mail was written here and came back");
    }
    None
}

/// 3: surely a machine's.
fn no_hard_machine(s: &Snapshot, _: &ReplyConfig) -> Option<Ruling> {
    let mark = s.mail.machine.strip_prefix("hard:");
    if let Some(mark) = mark {
        return no("machine_hard", format!("a machine wrote it ({mark})"));
    }
    match s.mail.kind {
        MailKind::Bounce => no("bounce", "a mail came back"),
        MailKind::Complaint => no("complaint", "somebody complained about a mail"),
        _ => None,
    }
}

/// 4: in all likelihood a machine's, or nothing that an answer would be right for.
fn no_soft_machine(s: &Snapshot, _: &ReplyConfig) -> Option<Ruling> {
    match s.mail.kind {
        MailKind::OutOfOffice => return no("out_of_office", "the counterpart is away"),
        MailKind::OptOut => return no("opt_out", "the counterpart wants no more mail"),
        _ => {}
    }
    match s.mail.machine.as_str() {
        "none" => match s.mail.kind {
            MailKind::Reply => None,
            kind => no("machine_soft", format!("the mail is no reply of a person ({})", kind.as_str())),
        },
        mark => {
            let mark = mark.strip_prefix("soft:").unwrap_or(mark);
            no("machine_soft", format!("a machine seems to have written it ({mark})"))
        }
    }
}

/// 5: one author, who wrote to us.
fn addressed(s: &Snapshot, _: &ReplyConfig) -> Option<Ruling> {
    if !s.mail.one_author || !s.mail.from.contains('@') {
        return no("several_authors", "the mail has not exactly one author");
    }
    let to_us = s.mail.to.iter().any(|address| s.account.contains(address));
    (!to_us).then(|| {
        Ruling::No("not_addressed", "the account is not among those whom the mail is addressed to".to_owned())
    })
}

/// 1 of a follow-up: our mail, to the counterpart.
fn unanswered(s: &Snapshot, _: &ReplyConfig) -> Option<Ruling> {
    if s.mail.direction == Direction::In {
        return no("answered", "the counterpart wrote last");
    }
    if s.mail.answered {
        return no("answered_before", "this mail was followed up before");
    }
    let to_them = s.mail.to.iter().chain(&s.mail.cc).any(|address| normal_form(address) == s.counterpart);
    (!to_them).then(|| Ruling::No("not_addressed", "the last mail was not to the counterpart".to_owned()))
}

/// 2 of a follow-up.
fn not_to_ourselves(s: &Snapshot, _: &ReplyConfig) -> Option<Ruling> {
    s.own
        .contains(&s.counterpart)
        .then(|| Ruling::No("own_address", format!("{} is an address of this installation", s.counterpart)))
}

/// 6: how the conversation stands.
fn conversation(s: &Snapshot, _: &ReplyConfig) -> Option<Ruling> {
    if !s.connected {
        return no("disconnected", "the account must be connected again");
    }
    if s.about == About::Answer && normal_form(&s.mail.from) != s.counterpart {
        return no("unknown_sender", format!("{} is not the conversation's counterpart", s.mail.from));
    }
    if let Some(reason) = &s.suppressed {
        return no("suppressed", format!("the counterpart gets no more mail ({reason})"));
    }
    if s.held {
        return no("held", "a person answers in this conversation");
    }
    let mut after = None;
    match s.lead {
        Lead::Nothing => return no("no_goal", "the conversation has no active goal"),
        Lead::Over if s.about == About::FollowUp => {
            return no("goal_over", "the goal is reached, or cannot be reached any more");
        }
        // The counterpart writes on, and somebody should know what to say.
        Lead::Over => {
            let reason = "the goal is reached, or cannot be reached any more";
            after = Some(Ruling::Waits("goal_over", reason.to_owned()));
        }
        Lead::Goal { .. } => {}
    }
    if s.person_wrote {
        return no("person_wrote", "a person wrote since");
    }
    if !s.newest {
        return no("not_newest", "a newer mail came, or went out");
    }
    if s.about == About::FollowUp
        && let Some(until) = s.away_until
        && s.now < until.plus(days(1))
    {
        return Some(Ruling::Later(awaited(until)));
    }
    if after.is_some() {
        return after;
    }
    let elsewhere = s.mail.reply_to.iter().find(|address| normal_form(address) != s.counterpart);
    if s.lead == (Lead::Goal { auto_reply: false }) {
        return Some(Ruling::Waits("approval", "the goal asks for a person's approval".to_owned()));
    }
    if s.mode == AutoReply::Off {
        return Some(Ruling::Waits("switched_off", "automatic replies are switched off".to_owned()));
    }
    if s.about == About::FollowUp && s.overdue {
        return Some(Ruling::Waits(
            "overdue",
            "its time was before the goal was set, or long ago".to_owned(),
        ));
    }
    match elsewhere {
        Some(address) if s.about == About::Answer => {
            Some(Ruling::Waits("other_reply_to", format!("answers would go to {address}")))
        }
        _ => None,
    }
}

/// 7: how much went out already. What is over a cap of the thread or the counterpart waits for a person; what the account or
/// the installation cannot send now is looked at again, until the mail is too old for that.
fn caps(s: &Snapshot, config: &ReplyConfig) -> Option<Ruling> {
    let c = &s.counts;
    let over = |count: i64, cap: i64, what: &str| {
        (count >= cap).then(|| format!("{count} mails went out by themselves {what}; {cap} may"))
    };
    for (rule, count, cap, what) in [
        ("thread_cap", c.thread, config.per_thread, "in this thread"),
        ("contact_cap", c.contact, config.per_contact, "to this counterpart in 24 hours"),
    ] {
        if let Some(reason) = over(count, cap, what) {
            return Some(Ruling::Waits(rule, reason));
        }
    }
    for (rule, count, cap, what, pause) in [
        ("account_hour_cap", c.hour.max(c.left), config.per_hour, "by this account in an hour", QUARTER),
        ("account_day_cap", c.day, config.per_day, "by this account in 24 hours", HOUR),
        ("global_cap", c.all, config.global, "by all accounts in 24 hours", HOUR),
    ] {
        if let Some(reason) = over(count, cap, what) {
            let again = s.now.plus(pause);
            let too_late = s.about == About::Answer && again.since(s.since) > config.max_age;
            return Some(if too_late { Ruling::Waits(rule, reason) } else { Ruling::Later(again) });
        }
    }
    let next = c.last_in_thread?.plus(config.min_gap);
    (s.now < next).then_some(Ruling::Later(next))
}

/// Until when whoever is away until then is left alone.
pub(crate) fn awaited(away_until: Timestamp) -> Timestamp {
    on_a_working_day(away_until.plus(days(1)))
}

/// The same time on the next Monday, if it is on a Saturday or Sunday (UTC).
pub(crate) fn on_a_working_day(at: Timestamp) -> Timestamp {
    // 1970-01-01 was a Thursday.
    match (at.seconds().div_euclid(86_400) + 3).rem_euclid(7) {
        5 => at.plus(days(2)),
        6 => at.plus(days(1)),
        _ => at,
    }
}

fn span(d: Duration) -> String {
    match d.as_secs() {
        s if s % 3600 == 0 => format!("{} h", s / 3600),
        s => format!("{s} s"),
    }
}

#[cfg(test)]
#[path = "decide_tests.rs"]
mod tests;
