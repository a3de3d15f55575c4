//! [`Hub`]: all sockets of a process. It tells all of them something, finds out who is gone, and closes the house.
//!
//! Promise: when [`Hub::run`] returns, every connection has been closed or cut off, and none comes any more.

use std::{
    collections::HashMap,
    future::poll_fn,
    sync::{
        Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use kernel::Clock;
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use crate::{
    Frame, RESTART,
    link::{By, Link},
    socket::Socket,
};

/// How often a peer is pinged.
pub const PING: Duration = Duration::from_secs(20);
/// How soon after a ping it must be heard: with a pong or anything else.
pub const PONG: Duration = Duration::from_secs(10);

/// How often the hub looks who is due.
const ROUND: Duration = Duration::from_secs(1);
/// At the end: the time over which the closing of sockets is spread, so that they do not come back all at once…
const SPREAD: Duration = Duration::from_secs(3);
/// …in so many steps…
const STEPS: u32 = 60;
/// …and how long the last of them may take to close before it is cut off.
const LAST: Duration = Duration::from_secs(2);

/// What one socket may cost.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The longest message from a peer, in bytes.
    pub message: usize,
    /// How much may wait for a peer, in bytes (with 64 for each frame). One frame alone may be longer.
    pub queue: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { message: 64 * 1024, queue: 1024 * 1024 }
    }
}

/// The sockets of a process. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Hub(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    clock: Clock,
    limits: Limits,
    links: RwLock<HashMap<u64, Arc<Link>>>,
    last_id: AtomicU64,
    stopping: AtomicBool,
}

impl Hub {
    /// A hub without sockets. Its peers are looked after by [`Hub::run`].
    #[must_use]
    pub fn new(clock: Clock, limits: Limits) -> Self {
        Self(Arc::new(Inner {
            clock,
            limits,
            links: RwLock::default(),
            last_id: AtomicU64::new(0),
            stopping: AtomicBool::new(false),
        }))
    }

    /// How many sockets there are, closing ones included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.read().len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.read().is_empty()
    }

    /// Whether the hub takes no more sockets.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.0.stopping.load(Ordering::Acquire)
    }

    /// Queues a frame for every socket; never waits.
    pub fn broadcast(&self, frame: &Frame) {
        for link in self.read().values() {
            link.send(frame);
        }
    }

    /// Pings, finds out who is gone, and after `stop` closes everything with [`RESTART`]: in random order over
    /// three seconds, at most five in all.
    pub async fn run(&self, stop: CancellationToken) {
        let clock = &self.0.clock;
        while !stop.is_cancelled() {
            tokio::select! {
                () = stop.cancelled() => {}
                () = clock.sleep(ROUND) => self.tend(),
            }
        }
        self.0.stopping.store(true, Ordering::Release);
        // A hash map's order is random.
        let links: Vec<Arc<Link>> = self.read().values().cloned().collect();
        for some in links.chunks(links.len().div_ceil(STEPS as usize).max(1)) {
            some.iter().for_each(|link| link.close(RESTART, "the server is restarting"));
            clock.sleep(SPREAD / STEPS).await;
        }
        let last = clock.now() + LAST;
        while !self.is_empty() && clock.now() < last {
            clock.sleep(SPREAD / STEPS).await;
        }
        let left: Vec<Arc<Link>> = self.read().values().cloned().collect();
        left.iter().for_each(|link| link.kill());
    }

    fn tend(&self) {
        let links = self.read();
        #[expect(clippy::cast_precision_loss, reason = "a metric")]
        metrics::gauge!("hongyan_sockets_open").set(links.len() as f64);
        let now = self.0.clock.now();
        links.values().for_each(|link| link.tend(now));
    }

    /// Takes a connection over, whose first bytes may have been read.
    pub(crate) fn open(&self, tcp: TcpStream, already_read: Vec<u8>) -> Socket {
        if let Err(error) = tcp.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY was refused");
        }
        let id = self.0.last_id.fetch_add(1, Ordering::Relaxed) + 1;
        let link = Arc::new(Link::new(id, tcp, self.0.limits.queue));
        self.write().insert(id, Arc::clone(&link));
        if self.is_stopping() {
            link.close(RESTART, "the server is restarting");
        }
        tokio::spawn(write(self.clone(), Arc::clone(&link)));
        Socket::new(link, already_read, self.0.limits.message)
    }

    fn read(&self) -> RwLockReadGuard<'_, HashMap<u64, Arc<Link>>> {
        self.0.links.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, HashMap<u64, Arc<Link>>> {
        self.0.links.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A socket's own task: writes what is queued for it until it is over.
async fn write(hub: Hub, link: Arc<Link>) {
    poll_fn(|cx| link.poll_write(cx)).await;
    hub.write().remove(&link.id);
    if let Some(end) = link.end() {
        // A peer's code may be anything and is no label.
        let code = if end.by == By::Us { end.code } else { 0 };
        metrics::counter!("hongyan_sockets_closed_total", "by" => end.by.as_str(), "code" => code.to_string())
            .increment(1);
        tracing::debug!(socket = link.id, by = end.by.as_str(), code = end.code, "a socket is over");
    }
}
