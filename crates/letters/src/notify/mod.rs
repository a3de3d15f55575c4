//! Who is told what about a letter, and when.
//!
//! | when | who | how | if they want |
//! | --- | --- | --- | --- |
//! | it arrives | its reader | push; e-mail if it is their own (others get the letter itself by mail) | `receivedNotification` |
//! | it arrives | its author, if it went to others | push | `deliveryReminder` |
//! | some time before | its author, if it goes to others | push, e-mail | `deliveryReminder` |
//!
//! and `pushNotification` or `emailNotification`. Never the letter's text, and of an encrypted one not its title. A
//! letter to oneself is not announced: it would be no surprise.
//!
//! | kind | id | does |
//! | --- | --- | --- |
//! | `letter.reminder` | `{letter}/{n}/reminder` | schedules the author's reminders; a batch kind |
//! | `letter.notify-email` | `{letter}/{n}/{occasion}-email` | mails a notification |
//! | `letter.notify-push` | `{letter}/{n}/{occasion}-push/{token id}` | pushes one to a device |
//!
//! What is sent is decided just after the delivery ([`crate::arrival`]), with one query for all letters of a batch;
//! whether it is still true and wanted is asked again by each attempt.

mod arrival;
mod reminder;
mod send;
mod text;

use accounts::{push::Listener, store::Notifications};
use dispatch::NewDispatch;
use kernel::Timestamp;

pub(crate) use arrival::announce;
pub use reminder::Reminders;
pub(crate) use reminder::{cancel, reminder};
pub use send::{NotificationMail, NotificationPush};

/// Schedules reminders.
pub const REMINDER: &str = "letter.reminder";
/// Mails notifications.
pub const NOTIFY_EMAIL: &str = "letter.notify-email";
/// Pushes notifications.
pub const NOTIFY_PUSH: &str = "letter.notify-push";

/// Why somebody is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Occasion {
    /// The reader: it is there.
    Received,
    /// The author: it has arrived.
    Delivered,
    /// The author: it will leave soon.
    Reminder,
}

impl Occasion {
    const ALL: [Self; 3] = [Self::Received, Self::Delivered, Self::Reminder];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Delivered => "delivered",
            Self::Reminder => "reminder",
        }
    }

    const fn wanted(self, by: Notifications) -> bool {
        match self {
            Self::Received => by.received,
            Self::Delivered | Self::Reminder => by.delivery,
        }
    }
}

/// What a dispatch's id says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Id<'a> {
    /// `{letter}/{n}`
    scheduling: &'a str,
    occasion: Occasion,
    /// The device; `None` by e-mail.
    token_id: Option<&'a str>,
}

impl<'a> Id<'a> {
    fn parse(id: &'a str) -> Option<Self> {
        let (at, _) = id.match_indices('/').nth(1)?;
        let (scheduling, rest) = id.split_at_checked(at)?;
        let (channel, token_id) = match rest.strip_prefix('/')?.split_once('/') {
            Some((channel, token_id)) => (channel.strip_suffix("-push")?, Some(token_id)),
            None => (rest.strip_prefix('/')?.strip_suffix("-email")?, None),
        };
        let occasion = Occasion::ALL.into_iter().find(|o| o.as_str() == channel)?;
        Some(Self { scheduling, occasion, token_id })
    }
}

/// Whether a channel, as the author sees it, belongs to the reader: what the reader's devices do is no business of the
/// author's.
pub(crate) fn is_readers(channel: &str) -> bool {
    channel.starts_with(Occasion::Received.as_str())
}

/// Who is to be told, and by which of their channels.
struct Told<'a> {
    /// `{letter}/{n}`
    scheduling: &'a str,
    letter: &'a str,
    occasion: Occasion,
    by_email: bool,
}

/// The dispatches that tell `listener`, by what they want now.
fn dispatches(told: &Told<'_>, listener: &Listener, now: Timestamp, out: &mut Vec<NewDispatch>) {
    if !told.occasion.wanted(listener.wants) {
        return;
    }
    let occasion = told.occasion.as_str();
    let mut add = |kind, channel: String, destination: &str| {
        out.push(NewDispatch {
            id: format!("{}/{occasion}-{channel}", told.scheduling),
            kind,
            subject: told.letter.to_owned(),
            destination: destination.to_owned(),
            payload: Some(listener.user_id.clone()),
            due_at: now,
        });
    };
    if told.by_email && listener.wants.email {
        let domain = listener.email_key.rsplit_once('@').map_or("", |(_, domain)| domain);
        add(NOTIFY_EMAIL, "email".to_owned(), domain);
    }
    if listener.wants.push {
        for device in &listener.devices {
            add(NOTIFY_PUSH, format!("push/{}", device.token_id), &device.destination);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids() {
        let id = Id::parse("mail_1/2/received-push/abc").unwrap();
        assert_eq!((id.scheduling, id.occasion, id.token_id), ("mail_1/2", Occasion::Received, Some("abc")));
        let id = Id::parse("mail_1/2/reminder-email").unwrap();
        assert_eq!((id.scheduling, id.occasion, id.token_id), ("mail_1/2", Occasion::Reminder, None));
        for other in ["", "mail_1", "mail_1/2", "mail_1/2/email", "mail_1/2/reminder", "mail_1/2/x-push/abc"]
        {
            assert_eq!(Id::parse(other), None, "{other}");
        }
    }
}
