//! What a transport says about an attempt: [`Receipt`] or [`SendError`].
//!
//! Promise: an error tells whose fault it is. `Permanent` is said only of what the receiving side holds against
//! this recipient or this message; our own misconfiguration, which can be repaired, is never `Permanent`.

use std::fmt;

/// The message was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The server's words, such as `250 2.0.0 Ok: queued as 4ZK1m2`.
    pub answer: String,
}

/// The message was not taken, or nobody knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendError {
    /// What to do about it.
    pub kind: Kind,
    /// How far the attempt came.
    pub stage: Stage,
    /// The reply code, if the server replied.
    pub code: Option<u16>,
    /// The enhanced status code of RFC 3463, such as `5.1.1`.
    pub enhanced: Option<String>,
    /// The server's reply with its code, or what happened to the connection. Fit for the record.
    pub answer: String,
    /// The whole message went out and its answer was lost: it may have been delivered. Never set with a reply.
    pub in_doubt: bool,
}

/// What a failed attempt means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Try the same again later.
    Transient,
    /// The same attempt will never succeed.
    Permanent,
    /// The receiving side refuses us, not the recipient (5.7.x): a person should look before more is sent.
    Policy,
}

/// The step at which an attempt failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Name resolution, TCP, the greeting.
    Connect,
    /// `EHLO`.
    Hello,
    /// `STARTTLS` and the handshake.
    Tls,
    /// `AUTH`.
    Auth,
    /// `MAIL FROM`.
    Sender,
    /// `RCPT TO`.
    Recipient,
    /// `DATA`.
    Data,
    /// The message and its final dot.
    Content,
    /// Writing to the folder.
    Store,
}

impl Kind {
    /// For records and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Transient => "transient",
            Self::Permanent => "permanent",
            Self::Policy => "policy",
        }
    }
}

impl Stage {
    /// For records and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Hello => "hello",
            Self::Tls => "tls",
            Self::Auth => "auth",
            Self::Sender => "sender",
            Self::Recipient => "recipient",
            Self::Data => "data",
            Self::Content => "content",
            Self::Store => "store",
        }
    }
}

impl SendError {
    /// A failure without a reply: transient.
    pub(crate) fn transient(stage: Stage, answer: impl Into<String>) -> Self {
        Self {
            kind: Kind::Transient,
            stage,
            code: None,
            enhanced: None,
            answer: answer.into(),
            in_doubt: false,
        }
    }

    /// A reply other than the wanted one.
    pub(crate) fn refused(stage: Stage, code: u16, enhanced: Option<String>, answer: String) -> Self {
        let kind = classify(stage, code, enhanced.as_deref());
        Self { kind, stage, code: Some(code), enhanced, answer, in_doubt: false }
    }
}

fn classify(stage: Stage, code: u16, enhanced: Option<&str>) -> Kind {
    if !(500..600).contains(&code) {
        return Kind::Transient;
    }
    match (stage, code, enhanced) {
        // Too large for this server: the message's own trouble, said as early as MAIL FROM (RFC 1870).
        (Stage::Sender | Stage::Recipient | Stage::Data | Stage::Content, _, Some("5.3.4"))
        | (Stage::Sender, 552, None) => Kind::Permanent,
        // Before a recipient was named, only our settings can be at fault.
        (Stage::Connect | Stage::Hello | Stage::Tls | Stage::Auth | Stage::Sender | Stage::Store, ..) => {
            Kind::Transient
        }
        // A full mailbox may be emptied.
        (_, _, Some("5.2.2")) | (Stage::Recipient, 552, None) => Kind::Transient,
        (_, 530 | 535 | 538, _) => Kind::Policy,
        (_, _, Some(e)) if e.starts_with("5.7.") => Kind::Policy,
        _ => Kind::Permanent,
    }
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let doubt = if self.in_doubt { ", in doubt" } else { "" };
        write!(f, "{} failure at {}{doubt}: {}", self.kind.as_str(), self.stage.as_str(), self.answer)
    }
}

impl std::error::Error for SendError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whose_fault_a_reply_is() {
        for (stage, code, enhanced, kind) in [
            (Stage::Recipient, 450, Some("4.2.0"), Kind::Transient),
            (Stage::Recipient, 550, Some("5.1.1"), Kind::Permanent),
            (Stage::Recipient, 550, None, Kind::Permanent),
            (Stage::Recipient, 552, Some("5.2.2"), Kind::Transient),
            (Stage::Recipient, 550, Some("5.7.1"), Kind::Policy),
            (Stage::Recipient, 530, None, Kind::Policy),
            (Stage::Content, 554, Some("5.7.26"), Kind::Policy),
            (Stage::Content, 554, None, Kind::Permanent),
            (Stage::Sender, 553, Some("5.7.1"), Kind::Transient),
            (Stage::Sender, 552, Some("5.3.4"), Kind::Permanent),
            (Stage::Auth, 535, Some("5.7.8"), Kind::Transient),
            (Stage::Connect, 554, None, Kind::Transient),
            (Stage::Content, 354, None, Kind::Transient),
        ] {
            assert_eq!(classify(stage, code, enhanced), kind, "{stage:?} {code} {enhanced:?}");
        }
    }
}
