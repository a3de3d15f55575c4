//! Hints from committed transactions to whoever waits, in this process and in the others.

use std::sync::Arc;

use tokio::sync::broadcast;

/// A hint: a topic and a short text, such as an id. Never the data itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// What it is about.
    pub topic: Arc<str>,
    /// Whatever the topic's readers agreed on.
    pub payload: Arc<str>,
}

/// Where notices are heard. A listener that falls behind loses the oldest, as with any hint.
#[derive(Debug, Clone)]
pub struct Signals(broadcast::Sender<Notice>);

impl Signals {
    pub(crate) fn new() -> Self {
        Self(broadcast::Sender::new(1024))
    }

    pub(crate) fn publish(&self, notice: Notice) {
        // Nobody listening is fine.
        let _ = self.0.send(notice);
    }

    /// From now on.
    #[must_use]
    pub fn listen(&self) -> broadcast::Receiver<Notice> {
        self.0.subscribe()
    }
}
