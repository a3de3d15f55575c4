//! Events: what has happened, for whoever shows it live.
//!
//! An event carries no data: it says "look again", and the row is the truth. It is heard after the commit of
//! the transaction that published it, in every process that shares the database, and may be lost with a
//! connection. What must not be lost is a dispatch, not an event.
//!
//! Between processes events take the notices' way: PostgreSQL's `NOTIFY`, or [`nats`].

pub mod nats;

use db::{Db, Notice, Tx};
use tokio::sync::broadcast;

/// Everything that slices tell each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// Letters came to inboxes.
    LettersDelivered,
    /// Some events may have been missed: look at everything.
    Missed,
}

const TOPIC: &str = "event";

/// Publishes when `tx` commits. The same event twice in a transaction is heard once.
pub fn publish(tx: &mut Tx, event: Event) {
    tx.notify(TOPIC, event.name());
}

impl Event {
    const fn name(self) -> &'static str {
        match self {
            Self::LettersDelivered => "letters.delivered",
            Self::Missed => "missed",
        }
    }

    fn of(notice: &Notice) -> Option<Self> {
        match (&*notice.topic, &*notice.payload) {
            ("*", _) => Some(Self::Missed),
            (TOPIC, "letters.delivered") => Some(Self::LettersDelivered),
            _ => None,
        }
    }
}

/// Hears events from its creation on.
pub struct Subscription(broadcast::Receiver<Notice>);

impl Subscription {
    /// From now on.
    #[must_use]
    pub fn new(db: &Db) -> Self {
        Self(db.signals().listen())
    }

    /// The next event; `None` when the database is closed.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            match self.0.recv().await {
                Ok(notice) => {
                    if let Some(event) = Event::of(&notice) {
                        return Some(event);
                    }
                }
                Err(broadcast::error::RecvError::Lagged(_)) => return Some(Event::Missed),
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }
}
