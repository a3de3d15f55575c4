//! [`classify`]: did a machine write it, and what is it?
//!
//! Promises: bounces are told before automatic answers (Google's and Microsoft's carry the marks of both); what a quoted
//! tail says is never taken for the sender's wish; no mark of a machine is ever overridden by what its text says.

mod absence;
mod machine;
mod opt_out;
mod report;

use kernel::Timestamp;

pub use absence::return_date;
pub use machine::{Hard, Machine, OWN_MARK, Soft};
pub use opt_out::is_opt_out;
pub use report::BouncedRecipient;

use crate::{Incoming, quote::Split};

/// What a mail is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// Somebody's words.
    Reply,
    /// An automatic answer of somebody who is away.
    OutOfOffice {
        /// The last day of absence or the day of return, whichever was named last.
        until: Option<jiff::civil::Date>,
    },
    /// A report that a mail did not arrive, or not yet.
    Bounce {
        /// Whom it did not reach. Claims of whoever sent the report.
        recipients: Vec<BouncedRecipient>,
        /// The Message-ID of the mail that came back, without brackets: what proves that it was ours.
        original_message_id: Option<String>,
    },
    /// Somebody wants no more mail.
    OptOut,
    /// A report that somebody called our mail spam (RFC 5965).
    Complaint {
        /// The Message-ID of the mail that it is about, without brackets.
        original_message_id: Option<String>,
        /// Who complained, where the report says so.
        recipient: Option<String>,
    },
    /// Words of a machine that are none of these: newsletters, receipts, invitations, acknowledgements.
    Notice,
}

/// The answer of [`classify`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Classified {
    /// Whether a machine wrote it, and by which mark.
    pub machine: Machine,
    /// What it is.
    pub kind: Kind,
}

impl Classified {
    /// Whether an automatic answer to it is allowed, as far as the mail itself says.
    #[must_use]
    pub fn may_be_answered(&self) -> bool {
        self.machine == Machine::None && self.kind == Kind::Reply
    }
}

/// Classifies a mail. `split` is [`Incoming::split`]'s, `received` when it came: dates without a year are read from
/// there.
#[must_use]
pub fn classify(mail: &Incoming, split: &Split, received: Timestamp) -> Classified {
    classified(mail, split, machine::tier(mail, true), received)
}

/// Classifies a mail whose [`OWN_MARK`] is none of ours: another installation's, whose people are people.
#[must_use]
pub fn classify_foreign(mail: &Incoming, split: &Split, received: Timestamp) -> Classified {
    classified(mail, split, machine::tier(mail, false), received)
}

fn classified(mail: &Incoming, split: &Split, machine: Machine, received: Timestamp) -> Classified {
    let kind = kind(mail, split, machine, received);
    // What reports and absences say of themselves may be the only mark they carry.
    let machine = match (&kind, machine) {
        (Kind::Bounce { .. }, Machine::None | Machine::Soft(_)) => Machine::Hard(Hard::Report),
        (Kind::Complaint { .. }, Machine::None | Machine::Soft(_)) => Machine::Hard(Hard::Report),
        (Kind::OutOfOffice { .. }, Machine::None) => Machine::Soft(Soft::Subject),
        (_, machine) => machine,
    };
    Classified { machine, kind }
}

fn kind(mail: &Incoming, split: &Split, machine: Machine, received: Timestamp) -> Kind {
    if let Some(complaint) = report::complaint(mail) {
        return complaint;
    }
    if let Some(bounce) = report::bounce(mail, machine) {
        return bounce;
    }
    if machine == Machine::Hard(Hard::Ours) {
        return Kind::Notice;
    }
    if absence::is_absence(mail, split, machine) {
        return Kind::OutOfOffice { until: return_date(&absence::words(mail, split), day(received)) };
    }
    match machine {
        // A wish to stop is a person's also where the mail asks machines not to answer it.
        Machine::None | Machine::Soft(Soft::ResponseSuppressed) => {
            match is_opt_out(&mail.subject, &split.new) {
                true => Kind::OptOut,
                false => Kind::Reply,
            }
        }
        // What mail programs send when their "unsubscribe" button is pressed.
        Machine::Soft(_) if opt_out::is_button(&mail.subject) && !mail.is_list() => Kind::OptOut,
        // A person who writes by a tool of their trade: it adds a way to unsubscribe, or a mark for statistics, to their answer.
        Machine::Soft(Soft::List | Soft::Bulk) if !mail.in_reply_to.is_empty() && !mail.is_posted() => {
            match is_opt_out(&mail.subject, &split.new) {
                true => Kind::OptOut,
                false => Kind::Reply,
            }
        }
        _ => Kind::Notice,
    }
}

fn day(at: Timestamp) -> jiff::civil::Date {
    let stamp = jiff::Timestamp::from_microsecond(at.micros()).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    jiff::tz::Offset::UTC.to_datetime(stamp).date()
}
