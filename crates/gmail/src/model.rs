//! The pure part of outreach: states, and the rules that need no database.

use httpkit::text_enum;
use mail::{Mailbox, OwnAddresses};
use serde_json::Value;

use crate::store::CredentialRow;

text_enum! {
    /// How an account is.
    #[schema(as = CredentialStatus)]
    CredentialStatus {
        /// Its grant stands.
        Active = "active",
        /// Google ended the grant: its owner must connect it again.
        NeedsReconnect = "needs_reconnect",
    }
}

text_enum! {
    /// Whether mails go out without a person.
    AutoReply {
        /// Where a goal asks for it.
        On = "on",
        /// Everything is decided and put on record, nothing goes out.
        DryRun = "dry_run",
        /// Never.
        Off = "off",
    }
}

text_enum! {
    /// Which way a mail went.
    Direction {
        /// It came.
        In = "in",
        /// It was sent, from here or elsewhere.
        Out = "out",
    }
}

text_enum! {
    /// What a mail is.
    #[schema(as = MailKind)]
    MailKind {
        /// Somebody's words.
        Reply = "reply",
        /// An automatic answer of somebody who is away.
        OutOfOffice = "out_of_office",
        /// It came back.
        Bounce = "bounce",
        /// They want no more mail.
        OptOut = "opt_out",
        /// They called a mail spam.
        Complaint = "complaint",
        /// A machine's words that are none of these.
        Notice = "notice",
    }
}

text_enum! {
    /// Who asked for a mail to be sent.
    #[schema(as = SendSource)]
    Source {
        /// A person who wrote it.
        Person = "person",
        /// A person who approved it.
        Approved = "approved",
        /// The automatic reply.
        AutoReply = "auto_reply",
        /// A follow-up of a goal.
        FollowUp = "follow_up",
    }
}

text_enum! {
    /// How far a mail is on its way out.
    #[schema(as = SendState)]
    SendState {
        /// It waits for its time, and can be taken back.
        Held = "held",
        /// It is being sent.
        Sending = "sending",
        /// Gmail's answer was lost: the mailbox is searched before anything is sent again.
        Unknown = "unknown",
        /// Gmail took it.
        Sent = "sent",
        /// It did not go, and will not.
        Failed = "failed",
        /// It was taken back.
        Cancelled = "cancelled",
    }
}

text_enum! {
    /// Why an address gets no mail.
    #[schema(as = MailSuppressionReason)]
    SuppressionReason {
        /// Somebody of this installation entered it.
        Manual = "manual",
        /// They want none.
        OptOut = "opt_out",
        /// Nothing sent to it arrives.
        Bounce = "bounce",
        /// They called a mail spam.
        Complaint = "complaint",
    }
}

text_enum! {
    /// How far a goal is reached.
    #[schema(as = OutreachGoalState)]
    GoalState {
        /// Nothing is known.
        Open = "open",
        /// Nearer than before.
        Advanced = "advanced",
        /// There: nothing more goes out by itself.
        Reached = "reached",
        /// It cannot be reached any more: nothing more goes out by itself.
        Failed = "failed",
    }
}

impl GoalState {
    /// Whether it is over, one way or the other.
    pub(crate) fn is_final(self) -> bool {
        matches!(self, Self::Reached | Self::Failed)
    }
}

text_enum! {
    /// What became of a proposed reply.
    #[schema(as = OutreachReplyState)]
    ReplyState {
        /// A person is to look at it.
        Waiting = "waiting",
        /// A person had it sent.
        Approved = "approved",
        /// A person did not want it.
        Rejected = "rejected",
        /// The conversation went on without it.
        Stale = "stale",
        /// It was put on its way by itself.
        Automatic = "automatic",
    }
}

text_enum! {
    /// What the automatic reply came to.
    #[schema(as = OutreachOutcome)]
    Decided {
        /// It put a mail on its way.
        Sent = "sent",
        /// It would have: a dry run.
        WouldSend = "would_send",
        /// A proposal waits for a person.
        Waits = "waits",
        /// Nothing was done.
        No = "no",
    }
}

/// The form of an address by which it is one account: without case.
#[must_use]
pub(crate) fn address_key(address: &str) -> String {
    address.trim().to_lowercase()
}

/// A JSON list of addresses: texts, or objects with `address` and perhaps `name`. What is neither is left out.
#[must_use]
pub(crate) fn mailboxes(json: &str) -> Vec<Mailbox> {
    let list: Vec<Value> = serde_json::from_str(json).unwrap_or_default();
    let one = |value: &Value| match value {
        Value::String(address) => Some(Mailbox::new(address)),
        value => {
            let address = value.get("address")?.as_str()?.to_owned();
            Some(Mailbox { name: value.get("name").and_then(Value::as_str).map(str::to_owned), address })
        }
    };
    list.iter().filter_map(one).collect()
}

/// The addresses of such a list.
#[must_use]
pub(crate) fn addresses(json: &str) -> Vec<String> {
    mailboxes(json).into_iter().map(|mailbox| mailbox.address).collect()
}

/// What is known as ours: these accounts, and the addresses that they may also send as.
#[must_use]
pub(crate) fn own_addresses<'a>(rows: impl IntoIterator<Item = &'a CredentialRow>) -> OwnAddresses {
    let of = |row: &CredentialRow| {
        [row.email.clone(), row.address.clone()].into_iter().chain(addresses(&row.aliases))
    };
    OwnAddresses::new(rows.into_iter().flat_map(of))
}
