//! Hints from committed transactions to whoever waits, in this process and in the others.

use std::{io, sync::Arc};

use tokio::sync::broadcast;

/// A hint: a topic and a short text, such as an id. Never the data itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// What it is about; without `|`.
    pub topic: Arc<str>,
    /// Whatever the topic's readers agreed on.
    pub payload: Arc<str>,
}

impl Notice {
    /// The notice that tells everybody to look for themselves, since notices may have been lost: its topic is `*`.
    #[must_use]
    pub fn look_at_everything() -> Self {
        Self { topic: "*".into(), payload: "".into() }
    }
}

/// Where notices are heard. A listener that falls behind loses the oldest, as with any hint.
#[derive(Debug, Clone)]
pub struct Signals {
    heard: broadcast::Sender<Notice>,
    said: broadcast::Sender<Notice>,
}

impl Signals {
    pub(crate) fn new() -> Self {
        Self { heard: broadcast::Sender::new(1024), said: broadcast::Sender::new(1024) }
    }

    /// What a transaction of this process said, after its commit. That nobody listens is fine.
    pub(crate) fn publish(&self, notice: Notice) {
        let _ = self.said.send(notice.clone());
        let _ = self.heard.send(notice);
    }

    /// What another process said.
    pub fn hear(&self, notice: Notice) {
        let _ = self.heard.send(notice);
    }

    /// Everybody's notices, from now on.
    #[must_use]
    pub fn listen(&self) -> broadcast::Receiver<Notice> {
        self.heard.subscribe()
    }

    /// The notices of this process's own transactions, from now on: for whoever carries them to the others.
    #[must_use]
    pub fn said(&self) -> broadcast::Receiver<Notice> {
        self.said.subscribe()
    }
}

/// One of the processes that share a database. Between them notices are texts: `{process}|{topic}|{payload}`.
#[derive(Debug, Clone)]
pub struct Process(Arc<str>);

impl Process {
    /// With a random name.
    ///
    /// # Errors
    /// The system gives no random numbers.
    pub fn new() -> io::Result<Self> {
        let name = kernel::id::random::<16>().map_err(io::Error::other)?;
        Ok(Self(data_encoding::HEXLOWER.encode(&name).into()))
    }

    /// The notice as this process says it.
    #[must_use]
    pub fn say(&self, notice: &Notice) -> String {
        format!("{}|{}|{}", self.0, notice.topic, notice.payload)
    }

    /// The notice of another process; `None` for what this one said itself, and for what is no notice.
    #[must_use]
    pub fn hear(&self, text: &str) -> Option<Notice> {
        let mut parts = text.splitn(3, '|');
        let (from, topic, payload) = (parts.next()?, parts.next()?, parts.next()?);
        (from != &*self.0).then(|| Notice { topic: topic.into(), payload: payload.into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_hears_the_others_and_not_itself() {
        let (a, b) = (Process::new().unwrap(), Process::new().unwrap());
        let notice = Notice { topic: "topic".into(), payload: "two | bars | 鸿雁".into() };
        assert_eq!(a.hear(&b.say(&notice)), Some(notice.clone()));
        assert_eq!(a.hear(&a.say(&notice)), None);
        for text in ["", "x", "x|topic", "鸿雁"] {
            assert_eq!(a.hear(text), None);
        }
    }
}
