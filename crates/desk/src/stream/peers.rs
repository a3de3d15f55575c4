//! The sockets of a node and the feeds that they have joined, in memory.
//!
//! A feed is an agent's stream as far as this node has passed it on. It moves one number at a time; a socket that
//! joined gets every number after its own place.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
};

use kernel::Timestamp;
use serde_json::json;
use sockets::{Frame, Handle};

use super::BEGIN_ANEW;
use crate::store::{EventRow, Place};

/// The login that a socket stands on.
#[derive(Debug, Clone)]
pub(crate) struct Login {
    pub(crate) session_id: String,
    /// When its token ends.
    pub(crate) expires_at: Timestamp,
    pub(crate) role: accounts::Role,
}

/// A socket that comes.
pub(crate) struct NewPeer {
    pub(crate) handle: Handle,
    /// Whose stream it gets.
    pub(crate) stream: String,
    pub(crate) epoch: String,
    /// Who sits there.
    pub(crate) agent: String,
    pub(crate) supervisor: bool,
    pub(crate) login: Option<Login>,
}

struct Peer {
    of: NewPeer,
    /// The last number that it got of its feed; `None` while it has not joined.
    at: Option<i64>,
    /// Up to where it has acknowledged.
    acked: i64,
    /// The sessions that it shows.
    shows: BTreeSet<String>,
}

impl Peer {
    /// Whether it is the agent's own, and not a supervisor's who looks over their shoulder.
    fn is_own(&self) -> bool {
        self.of.agent == self.of.stream
    }
}

struct Feed {
    epoch: String,
    /// The last number that was passed on.
    at: i64,
}

#[derive(Default)]
struct State {
    peers: BTreeMap<u64, Peer>,
    feeds: HashMap<String, Feed>,
    /// The sockets of each agent's stream.
    by_stream: HashMap<String, BTreeSet<u64>>,
    /// The sockets that show each session.
    by_session: HashMap<String, BTreeSet<u64>>,
}

/// All sockets of a node.
#[derive(Default)]
pub(crate) struct Peers(Mutex<State>);

/// A socket's place among the others, until it is dropped.
pub(crate) struct Membership<'a> {
    peers: &'a Peers,
    pub(crate) id: u64,
}

impl Drop for Membership<'_> {
    fn drop(&mut self) {
        self.peers.lock().remove(self.id);
    }
}

impl Peers {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing in here panics between two changes that belong together.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn admit(&self, of: NewPeer) -> Membership<'_> {
        let id = of.handle.id();
        let mut state = self.lock();
        state.by_stream.entry(of.stream.clone()).or_default().insert(id);
        state.peers.insert(id, Peer { of, at: None, acked: 0, shows: BTreeSet::new() });
        Membership { peers: self, id }
    }

    pub(super) fn join(&self, id: u64, at: i64) -> bool {
        let mut state = self.lock();
        let Some(peer) = state.peers.get(&id) else { return true };
        let (stream, epoch) = (peer.of.stream.clone(), peer.of.epoch.clone());
        match state.feeds.get(&stream) {
            Some(feed) if feed.epoch == epoch && feed.at > at => return false,
            Some(feed) if feed.epoch == epoch => {}
            other => {
                if other.is_some() {
                    state.close_stream(&stream, Some(&epoch));
                }
                state.feeds.insert(stream, Feed { epoch, at });
            }
        }
        if let Some(peer) = state.peers.get_mut(&id) {
            peer.at = Some(at);
        }
        true
    }

    /// Whether a socket goes on live.
    pub(crate) fn has_joined(&self, id: u64) -> bool {
        self.lock().peers.get(&id).is_some_and(|peer| peer.at.is_some())
    }

    /// Takes a socket out of its feed, to read from another place.
    pub(crate) fn part(&self, id: u64) {
        if let Some(peer) = self.lock().peers.get_mut(&id) {
            peer.at = None;
        }
    }

    /// Where each feed is.
    pub(super) fn places(&self) -> Vec<Place> {
        let state = self.lock();
        state.feeds.iter().map(|(agent, feed)| (agent.clone(), feed.epoch.clone(), feed.at)).collect()
    }

    /// Passes on what was found after `places`. What was passed on meanwhile is passed over.
    pub(super) fn distribute(&self, places: &[Place], news: &[EventRow]) {
        let mut guard = self.lock();
        let state = &mut *guard;
        let mut broken = BTreeSet::new();
        let places: HashMap<&str, (&str, i64)> =
            places.iter().map(|(agent, epoch, at)| (agent.as_str(), (epoch.as_str(), *at))).collect();
        for event in news {
            let Some(feed) = state.feeds.get_mut(&event.agent_id) else { continue };
            let place = places.get(event.agent_id.as_str());
            if event.seq <= feed.at || place.is_none_or(|(epoch, _)| *epoch != feed.epoch) {
                continue;
            }
            if event.seq != feed.at.saturating_add(1) {
                // Trimmed before it was passed on, unless the feed began anew since its place was asked for.
                if place.is_some_and(|(_, at)| *at == feed.at) {
                    broken.insert(event.agent_id.clone());
                }
                continue;
            }
            feed.at = event.seq;
            let ids = state.by_stream.get(&event.agent_id);
            let mut frame = None;
            for id in ids.into_iter().flatten() {
                if let Some(peer) = state.peers.get_mut(id)
                    && peer.at.is_some_and(|at| at < event.seq)
                {
                    peer.at = Some(event.seq);
                    peer.of.handle.send(frame.get_or_insert_with(|| frame_of(event)));
                }
            }
        }
        for agent in broken {
            state.close_stream(&agent, None);
        }
    }

    /// Closes the sockets of streams that are not what they were; `heads` is how they are. Tells the others where
    /// their streams end, so that a socket that gets nothing is noticed.
    pub(super) fn beat(&self, heads: &[Place]) {
        let mut state = self.lock();
        let heads: HashMap<&str, (&str, i64)> =
            heads.iter().map(|(agent, epoch, head)| (agent.as_str(), (epoch.as_str(), *head))).collect();
        let agents: Vec<String> = state.feeds.keys().cloned().collect();
        for agent in agents {
            let epoch = heads.get(agent.as_str()).map(|(epoch, _)| *epoch);
            if state.feeds.get(&agent).map(|feed| feed.epoch.as_str()) != epoch {
                state.close_stream(&agent, epoch);
            }
        }
        for peer in state.peers.values().filter(|peer| peer.at.is_some()) {
            if let Some((_, head)) = heads.get(peer.of.stream.as_str()) {
                let text = json!({"type": "heartbeat", "data": {"head": head}}).to_string();
                peer.of.handle.send(&Frame::latest("heartbeat", &text));
            }
        }
    }

    /// Whose streams go to sockets here.
    pub(super) fn streams(&self) -> Vec<String> {
        self.lock().by_stream.keys().cloned().collect()
    }

    /// The agents who sit at sockets of this node.
    pub(super) fn agents(&self) -> Vec<String> {
        let state = self.lock();
        let own: BTreeSet<&str> =
            state.peers.values().filter(|p| p.is_own()).map(|p| p.of.agent.as_str()).collect();
        own.into_iter().map(str::to_owned).collect()
    }

    /// The socket has everything up to `seq`.
    pub(crate) fn ack(&self, id: u64, seq: i64) {
        if let Some(peer) = self.lock().peers.get_mut(&id).filter(|peer| peer.is_own()) {
            peer.acked = peer.acked.max(seq);
        }
    }

    /// Up to where all of an agent's own sockets here have acknowledged.
    pub(super) fn acked(&self) -> Vec<Place> {
        let state = self.lock();
        let mut acked: BTreeMap<&str, (&str, i64)> = BTreeMap::new();
        for peer in state.peers.values().filter(|peer| peer.is_own()) {
            let least = acked.entry(&peer.of.stream).or_insert((&peer.of.epoch, peer.acked));
            least.1 = least.1.min(peer.acked);
        }
        acked.into_iter().map(|(agent, (epoch, seq))| (agent.to_owned(), epoch.to_owned(), seq)).collect()
    }

    /// The logins that sockets stand on.
    pub(super) fn logins(&self) -> Vec<String> {
        let state = self.lock();
        let all: BTreeSet<&str> = state
            .peers
            .values()
            .filter_map(|p| p.of.login.as_ref().map(|login| login.session_id.as_str()))
            .collect();
        all.into_iter().map(str::to_owned).collect()
    }

    /// Closes the sockets whose login is over or may do other things than before; who was a supervisor and is none.
    pub(super) fn check_logins(
        &self,
        standing: &BTreeMap<String, accounts::Role>,
        now: Timestamp,
    ) -> BTreeSet<String> {
        let mut demoted = BTreeSet::new();
        for peer in self.lock().peers.values() {
            let Some(login) = &peer.of.login else { continue };
            let reason = match standing.get(&login.session_id) {
                _ if login.expires_at <= now => "the access token has expired",
                None => "logged out",
                Some(role) if *role != login.role => {
                    if peer.of.supervisor && matches!(role, accounts::Role::User | accounts::Role::Agent) {
                        demoted.insert(peer.of.agent.clone());
                    }
                    "the role has changed"
                }
                Some(_) => continue,
            };
            peer.of.handle.close(super::upkeep::LOGIN_OVER, reason);
        }
        demoted
    }

    /// The socket shows a session; false if it shows `most` others already.
    pub(crate) fn show(&self, id: u64, session: &str, most: usize) -> bool {
        let mut state = self.lock();
        let Some(peer) = state.peers.get_mut(&id) else { return true };
        if peer.shows.len() >= most && !peer.shows.contains(session) {
            return false;
        }
        peer.shows.insert(session.to_owned());
        state.by_session.entry(session.to_owned()).or_default().insert(id);
        true
    }

    /// The socket shows a session no more; whether it did.
    pub(crate) fn hide(&self, id: u64, session: &str) -> bool {
        self.lock().hide(id, session)
    }

    /// What a socket shows.
    pub(crate) fn shown(&self, id: u64) -> Vec<String> {
        self.lock().peers.get(&id).map(|p| p.shows.iter().cloned().collect()).unwrap_or_default()
    }

    /// What the sockets of this node show: the session, and the socket.
    pub(super) fn all_shown(&self) -> Vec<(String, u64)> {
        let state = self.lock();
        let pairs =
            state.by_session.iter().flat_map(|(session, ids)| ids.iter().map(|id| (session.clone(), *id)));
        pairs.collect()
    }

    /// Whether a socket of this node shows the session.
    pub(super) fn is_shown(&self, session: &str) -> bool {
        self.lock().by_session.contains_key(session)
    }

    /// Sends what only matters now to the sockets that show a session of these `viewers`, but not to those of `except`.
    pub(super) fn tell_viewers(
        &self,
        session: &str,
        viewers: &[String],
        except: Option<&str>,
        frame: &Frame,
    ) {
        let state = self.lock();
        let ids = state.by_session.get(session).into_iter().flatten();
        for peer in ids.filter_map(|id| state.peers.get(id)) {
            if viewers.contains(&peer.of.agent) && except != Some(peer.of.agent.as_str()) {
                peer.of.handle.send(frame);
            }
        }
    }

    /// Sends what only matters now to the sockets of an agent's stream that do not show the session, but not to those
    /// of `except`.
    pub(super) fn tell_stream(&self, agent: &str, session: &str, except: &str, frame: &Frame) {
        let state = self.lock();
        let ids = state.by_stream.get(agent).into_iter().flatten();
        for peer in ids.filter_map(|id| state.peers.get(id)) {
            if !peer.shows.contains(session) && peer.of.agent != except {
                peer.of.handle.send(frame);
            }
        }
    }

    /// Sends what only matters now to supervisors.
    pub(super) fn tell_supervisors(&self, frame: &Frame) {
        let state = self.lock();
        state.peers.values().filter(|p| p.of.supervisor).for_each(|p| {
            p.of.handle.send(frame);
        });
    }
}

impl State {
    fn remove(&mut self, id: u64) {
        let Some(peer) = self.peers.remove(&id) else { return };
        for session in &peer.shows {
            self.not_shown(id, session);
        }
        if let Some(ids) = self.by_stream.get_mut(&peer.of.stream) {
            ids.remove(&id);
            if ids.is_empty() {
                self.by_stream.remove(&peer.of.stream);
                self.feeds.remove(&peer.of.stream);
            }
        }
    }

    fn hide(&mut self, id: u64, session: &str) -> bool {
        let shown = self.peers.get_mut(&id).is_some_and(|peer| peer.shows.remove(session));
        self.not_shown(id, session);
        shown
    }

    fn not_shown(&mut self, id: u64, session: &str) {
        if let Some(ids) = self.by_session.get_mut(session) {
            ids.remove(&id);
            if ids.is_empty() {
                self.by_session.remove(session);
            }
        }
    }

    /// Closes the sockets of a stream but those of `epoch`: what they are to get next is not there.
    fn close_stream(&mut self, agent: &str, epoch: Option<&str>) {
        self.feeds.remove(agent);
        for id in self.by_stream.get(agent).into_iter().flatten() {
            if let Some(peer) = self.peers.get(id).filter(|peer| Some(peer.of.epoch.as_str()) != epoch) {
                peer.of.handle.close(BEGIN_ANEW, "the stream has moved on: come back and resume");
            }
        }
    }
}

/// An event as it is pushed.
pub(crate) fn frame_of(event: &EventRow) -> Frame {
    // `data` is JSON that we wrote; types and ids have no character that JSON would escape.
    let EventRow { kind, session_id, data, seq, .. } = event;
    Frame::text(&format!(r#"{{"type":"{kind}","sessionId":"{session_id}","data":{data},"seq":{seq}}}"#))
}
