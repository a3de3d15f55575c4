//! Where a socket goes on: the exact replay, and `resync` where there is none.

use kernel::Problem;
use serde_json::json;

use super::{Connection, From};
use crate::{
    store::{self, StreamRow},
    stream::frame_of,
    view::SessionInfo,
};

/// So many events are replayed at a time, when the socket has room.
const PAGE: i64 = 500;
/// So many sessions are in one frame of a `resync`…
const PART: usize = 100;
/// …and at most so many in all its frames: the newest.
const MOST: i64 = 5000;

/// What came of reading on.
enum Read {
    /// The socket is live.
    Joined,
    /// There is no exact continuation.
    Broken,
}

impl Connection<'_> {
    /// Goes on where the client was, or says where it goes on instead.
    pub(super) async fn resume(&mut self, from: &From) {
        self.desk.live().peers().part(self.membership.id);
        let now = async { store::stream(&mut self.desk.db().read().await?, &self.stream_of).await };
        match now.await {
            Ok(Some(now)) if now.epoch == self.stream.epoch => self.stream = now,
            // Given up under this very socket, which cannot be: it was used just now. The client comes back.
            Ok(_) => return self.give_up(),
            Err(error) => return self.failed(&error),
        }
        let StreamRow { epoch, head, tail } = &self.stream;
        let reason = match &from.epoch {
            None => Some("new"),
            Some(named) if named != epoch => Some("epoch"),
            Some(_) if from.last_seq > *head => Some("ahead"),
            Some(_) if from.last_seq < *tail => Some("trimmed"),
            Some(_) => None,
        };
        match reason {
            None => {
                self.say(
                    &json!({"type": "resumed", "data": {"epoch": epoch, "from": from.last_seq, "head": head}}),
                );
                self.go_on(from.last_seq).await;
            }
            Some(reason) => self.resync(reason).await,
        }
    }

    /// Sends everything after `at`, and whatever comes.
    pub(super) async fn go_on(&mut self, at: i64) {
        match self.read_on(at).await {
            Ok(Read::Joined) => {}
            Ok(Read::Broken) => Box::pin(self.resync("trimmed")).await,
            Err(error) => self.failed(&error),
        }
    }

    async fn read_on(&self, mut at: i64) -> db::Result<Read> {
        loop {
            if !self.handle.room().await {
                // It is over; there is nobody to read for.
                return Ok(Read::Joined);
            }
            let mut conn = self.desk.db().read().await?;
            let page = store::events_after(&mut conn, &self.stream_of, &self.stream.epoch, at, PAGE).await?;
            drop(conn);
            for event in &page {
                if event.seq != at.saturating_add(1) {
                    return Ok(Read::Broken);
                }
                self.handle.send(&frame_of(event));
                at = event.seq;
            }
            let is_last = i64::try_from(page.len()).is_ok_and(|n| n < PAGE);
            if is_last && self.desk.live().join(self.membership.id, at) {
                return Ok(Read::Joined);
            }
        }
    }

    /// Shows the sessions as they are at a number, and goes on after it.
    async fn resync(&mut self, reason: &str) {
        match self.snapshot().await {
            Ok(Some((stream, sessions))) => {
                self.stream = stream;
                let StreamRow { epoch, head, .. } = &self.stream;
                let head = *head;
                let mut parts = sessions.chunks(PART).peekable();
                loop {
                    let part = parts.next().unwrap_or_default();
                    let more = parts.peek().is_some();
                    self.say(&json!({"type": "resync", "data": {
                        "epoch": epoch, "head": head, "reason": reason, "sessions": part, "more": more,
                    }}));
                    if !more || !self.handle.room().await {
                        break;
                    }
                }
                self.go_on(head).await;
            }
            Ok(None) => self.give_up(),
            Err(error) => self.failed(&error),
        }
    }

    /// The stream's end and the open sessions, at one moment.
    async fn snapshot(&self) -> db::Result<Option<(StreamRow, Vec<SessionInfo>)>> {
        let mut snapshot = self.desk.db().snapshot().await?;
        let stream = store::stream(&mut snapshot, &self.stream_of).await?;
        let Some(stream) = stream.filter(|stream| stream.epoch == self.stream.epoch) else { return Ok(None) };
        let seen_by = self.agent.id.as_deref().filter(|_| !self.agent.supervisor);
        let sessions = store::open_sessions(&mut snapshot, seen_by, MOST).await?;
        Ok(Some((stream, sessions.iter().map(SessionInfo::from).collect())))
    }

    fn give_up(&self) {
        self.handle.close(crate::stream::BEGIN_ANEW, "the stream has moved on: come back and resume");
    }

    /// Nothing was lost: the client comes back and resumes.
    fn failed(&self, error: &db::DbError) {
        tracing::warn!(%error, "an agent's stream cannot be read");
        let problem = Problem::from(error.clone());
        self.handle.close(sockets::INTERNAL, &problem.message);
    }
}
