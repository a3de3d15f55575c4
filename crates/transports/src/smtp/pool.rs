//! [`SmtpPool`]: a bounded number of connections, kept open between messages.
//!
//! Promises: never more than `max_connections` at a time; an unused connection is closed after `idle_timeout`; a
//! kept connection that turns out dead before any of a message went out costs one silent retry on a new one.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use tokio::sync::{Notify, Semaphore};

use super::{
    connection::Connection,
    settings::{SetupError, SmtpSettings},
    tls::Connectors,
    transaction::{Failure, State, Transaction},
};
use crate::{Address, Receipt, SendError, Stage};

/// Connections to one server. Cheap to clone; the clones share them.
#[derive(Clone)]
pub struct SmtpPool {
    inner: Arc<Inner>,
    /// Dropped with the last clone, which ends the task that closes idle connections.
    _open: Arc<Open>,
}

struct Inner {
    settings: SmtpSettings,
    tls: Connectors,
    permits: Semaphore,
    idle: Mutex<Idle>,
    closed: Notify,
}

/// Last in, first out: under light load few connections stay in use and the others grow old.
#[derive(Default)]
struct Idle {
    connections: Vec<(Connection, Instant)>,
    /// A task is watching their age.
    watched: bool,
    closed: bool,
}

struct Open(Arc<Inner>);

impl Drop for Open {
    fn drop(&mut self) {
        let mut idle = self.0.idle();
        idle.closed = true;
        idle.connections.clear();
        self.0.closed.notify_one();
    }
}

impl SmtpPool {
    /// Reads the certificate authorities; connects to nothing yet.
    ///
    /// # Errors
    /// [`SetupError`].
    pub fn new(settings: SmtpSettings) -> Result<Self, SetupError> {
        let tls = Connectors::new(settings.ca_file.as_deref())?;
        let hello = |name: &String| {
            (1..=255).contains(&name.len())
                && name.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_:[]".contains(&b))
        };
        if !settings.hello.as_ref().is_none_or(hello) {
            return Err(SetupError::Hello);
        }
        if settings.max_connections == 0 {
            return Err(SetupError::NoConnections);
        }
        let permits = Semaphore::new(settings.max_connections.min(Semaphore::MAX_PERMITS));
        let inner = Inner { settings, tls, permits, idle: Mutex::default(), closed: Notify::new() };
        let inner = Arc::new(inner);
        Ok(Self { _open: Arc::new(Open(Arc::clone(&inner))), inner })
    }

    /// Sends one message to one recipient. `envelope_from` may be empty: the null reverse-path.
    ///
    /// `message` must have CRLF line ends throughout. Waits for a free connection without limit, then at most for
    /// the settings' timeouts.
    ///
    /// # Errors
    /// [`SendError`] with the stage, the server's words, and whether the outcome is in doubt.
    pub async fn send(
        &self,
        envelope_from: &str,
        to: &Address,
        message: &[u8],
    ) -> Result<Receipt, SendError> {
        let transaction = Transaction::new(envelope_from, to, message)?;
        let _permit = self.inner.permit().await?;
        if let Some(connection) = self.inner.take() {
            match self.inner.run(connection, &transaction).await {
                Err(Failure { state: State::Stale, .. }) => {}
                done => return done.map_err(|f| f.error),
            }
        }
        let connection = self.inner.open().await?;
        self.inner.run(connection, &transaction).await.map_err(|f| f.error)
    }

    /// Connects, greets, encrypts, logs in, and leaves. Answers what it found, for the operator.
    ///
    /// # Errors
    /// What would keep a message from being accepted, as far as that shows without one.
    pub async fn check(&self) -> Result<String, SendError> {
        let _permit = self.inner.permit().await?;
        let connection = self.inner.open().await?;
        let found = format!("{}: {}", self.inner.settings.url, connection.story);
        connection.quit().await;
        Ok(found)
    }
}

impl Inner {
    async fn permit(&self) -> Result<tokio::sync::SemaphorePermit<'_>, SendError> {
        self.permits.acquire().await.map_err(|_| SendError::transient(Stage::Connect, "the pool is closed"))
    }

    fn idle(&self) -> MutexGuard<'_, Idle> {
        // Every change to the list is one step, so it is whole even if another thread panicked.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> Option<Connection> {
        let (connection, since) = self.idle().connections.pop()?;
        // The last one in is the youngest: if it is too old, the watcher is about to close them all.
        (since.elapsed() < self.settings.idle_timeout).then_some(connection)
    }

    async fn open(&self) -> Result<Connection, SendError> {
        let opened = Box::pin(Connection::open(&self.settings, &self.tls)).await;
        match &opened {
            Ok(connection) => {
                tracing::debug!(server = %self.settings.url, found = %connection.story, "smtp connected")
            }
            Err(e) => tracing::debug!(server = %self.settings.url, error = %e, "smtp connection failed"),
        }
        opened
    }

    async fn run(
        self: &Arc<Self>,
        mut connection: Connection,
        message: &Transaction,
    ) -> Result<Receipt, Failure> {
        let done = message.run(&mut connection, &self.settings).await;
        if done.as_ref().is_ok() || done.as_ref().is_err_and(|f| f.state == State::Usable) {
            self.keep(connection);
        }
        done
    }

    fn keep(self: &Arc<Self>, connection: Connection) {
        let mut idle = self.idle();
        if idle.closed {
            return;
        }
        idle.connections.push((connection, Instant::now()));
        if !idle.watched {
            idle.watched = true;
            tokio::spawn(Arc::clone(self).watch());
        }
    }

    /// Closes what has grown old; ends when nothing is left to watch.
    async fn watch(self: Arc<Self>) {
        loop {
            let wait = {
                let mut idle = self.idle();
                let Some((_, oldest)) = idle.connections.first() else {
                    idle.watched = false;
                    return;
                };
                self.settings.idle_timeout.saturating_sub(oldest.elapsed())
            };
            if tokio::time::timeout(wait, self.closed.notified()).await.is_ok() {
                return;
            }
            let old = {
                let mut idle = self.idle();
                let limit = self.settings.idle_timeout;
                let count = idle.connections.partition_point(|(_, since)| since.elapsed() >= limit);
                idle.connections.drain(..count).collect::<Vec<_>>()
            };
            for (connection, _) in old {
                connection.quit().await;
            }
        }
    }
}

impl std::fmt::Debug for SmtpPool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SmtpPool({:?})", self.inner.settings.url)
    }
}
