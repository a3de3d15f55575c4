//! The live side of agents' streams: what the tables say reaches every socket of an agent, in order, once.
//!
//! Promises
//! - The tables are the truth. A socket's frames are read from them, whichever process wrote them; a notice only says
//!   when to look, and who was not noticed is found by looking every second.
//! - A socket gets each number of its stream once and in order: either it catches up by itself, page by page, or it
//!   has joined its agent's feed, which goes on exactly where it stopped.
//! - One look serves all agents of a node, however many notices there were.
//! - No socket waits for another: sending queues, and a socket whose queue is full is closed and resumes.

mod heard;
mod peers;
mod presence;
mod upkeep;

use std::time::Duration;

use db::Notice;
use sockets::{Hub, Limits};
use tokio::sync::{Notify, broadcast::error::RecvError};
use tokio_util::sync::CancellationToken;

pub(crate) use heard::Now;
pub(crate) use peers::{Login, Membership, NewPeer, frame_of};
pub(crate) use upkeep::HEARTBEAT;

use crate::{Desk, store};

/// Streams are looked at this often even if no notice comes.
const LOOK: Duration = Duration::from_secs(1);
/// So many events are read at a time.
const MOST: i64 = 1000;
/// Close code: the stream has no continuation here; come back and resume.
pub(crate) const BEGIN_ANEW: u16 = 4010;

/// What a node holds of the streams.
pub(crate) struct Live {
    pub(crate) hub: Hub,
    /// This node, among those on the database.
    node: String,
    peers: peers::Peers,
    /// Told when a socket has joined a feed whose place nobody looked at yet.
    joined: Notify,
}

impl Live {
    pub(crate) fn new(clock: &kernel::Clock) -> Self {
        Self {
            hub: Hub::new(clock.clone(), Limits::default()),
            node: kernel::id::new("node", clock.now()),
            peers: peers::Peers::default(),
            joined: Notify::new(),
        }
    }

    /// Takes a socket in; it gets nothing of its stream until it joins.
    pub(crate) fn admit(&self, peer: NewPeer) -> Membership<'_> {
        self.peers.admit(peer)
    }

    /// Lets a socket that has everything up to `at` go on live. False if the feed is ahead of it already: then it has
    /// to catch up first.
    pub(crate) fn join(&self, id: u64, at: i64) -> bool {
        let joined = self.peers.join(id, at);
        if joined {
            self.joined.notify_one();
        }
        joined
    }

    /// A socket of this node, among those of all.
    pub(crate) fn socket_id(&self, id: u64) -> String {
        format!("{}/{id}", self.node)
    }

    /// What sockets of this node show: the session, and the socket's id among all.
    fn all_shown(&self) -> Vec<(String, String)> {
        self.peers.all_shown().into_iter().map(|(session, id)| (session, self.socket_id(id))).collect()
    }

    /// The sockets of this node, for whatever concerns them by what they are.
    pub(crate) fn peers(&self) -> &peers::Peers {
        &self.peers
    }
}

impl Desk {
    pub(crate) fn live(&self) -> &Live {
        &self.0.live
    }

    /// Serves the sockets of this process until `stop`, and closes them.
    pub async fn run(&self, stop: CancellationToken) {
        let closed = CancellationToken::new();
        let hub = async {
            self.live().hub.run(stop).await;
            closed.cancel();
        };
        tokio::join!(hub, self.feed(&closed), self.tend(&closed), self.trim(&closed));
    }

    /// Looks for news whenever there may be any.
    async fn feed(&self, closed: &CancellationToken) {
        let mut notices = self.db().signals().listen();
        loop {
            let mut heard = heard::Heard::default();
            tokio::select! {
                () = closed.cancelled() => return,
                notice = notices.recv() => match notice {
                    Ok(notice) => heard.take(&notice),
                    Err(RecvError::Lagged(_)) => heard.take(&missed()),
                    Err(RecvError::Closed) => return,
                },
                () = self.live().joined.notified() => heard.look = true,
                () = self.clock().sleep(LOOK) => heard.look = true,
            }
            // Whatever else has come is served by the same look.
            while let Ok(notice) = notices.try_recv() {
                heard.take(&notice);
            }
            if heard.look
                && let Err(error) = self.look().await
            {
                tracing::warn!(%error, "agents' streams cannot be read; the next look is in a second");
            }
            self.pass_on(heard).await;
        }
    }

    /// Passes on what is new in the streams of this node's sockets.
    pub(crate) async fn look(&self) -> db::Result<()> {
        loop {
            let places = self.live().peers.places();
            if places.is_empty() {
                return Ok(());
            }
            let news = store::news(&mut self.db().read().await?, &places, MOST).await?;
            self.live().peers.distribute(&places, &news);
            if news.len() < usize::try_from(MOST).unwrap_or(usize::MAX) {
                return Ok(());
            }
        }
    }
}

fn missed() -> Notice {
    Notice { topic: "*".into(), payload: "".into() }
}
