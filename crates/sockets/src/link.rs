//! One connection: what is queued for it, whether it is still there, and its end.
//!
//! Promises
//! - Frames are written whole and in the order in which they were sent. After a close frame comes nothing.
//! - No call but [`Link::room`] waits, and no lock is held over an await.
//! - An end is decided once. Whoever decides it first says why.
//!
//! A connection ends in steps: a close frame is queued, written, our side of TCP is shut, what the peer still sends
//! is thrown away until it shuts its own; after [`CLOSING`] it is cut off. Thus a close frame is not lost to the
//! reset that closing a TCP connection with unread bytes would send.

use std::{
    collections::VecDeque,
    io::{self, IoSlice},
    mem::MaybeUninit,
    net::Shutdown,
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use kernel::Timestamp;
use socket2::SockRef;
use tokio::{net::TcpStream, sync::Notify};

use crate::{Frame, PING, PONG, SILENT, SLOW};

/// How long a peer has to take our last bytes and to close its side.
pub(crate) const CLOSING: Duration = Duration::from_secs(5);
/// What a queued frame costs besides its bytes, roughly: counted, so that a million empty ones are not free.
const ENTRY: usize = 64;
/// How many frames one system call writes.
const BATCH: usize = 64;
/// The share of the queue that [`Frame::latest`] may fill, and below which [`Link::room`] returns.
const QUARTER: usize = 4;

/// Who ended a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// The peer closed it.
    Peer,
    /// We closed it.
    Us,
    /// It broke off.
    Nobody,
}

impl By {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Peer => "peer",
            Self::Us => "us",
            Self::Nobody => "nobody",
        }
    }
}

/// How a connection ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// Who ended it.
    pub by: By,
    /// The close code; 1005 if the peer gave none, 1006 if it broke off.
    pub code: u16,
    /// The reason given. If by the peer: anything.
    pub reason: String,
}

/// Shared by the socket, its handles, its hub and the task that writes.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) id: u64,
    /// Bytes that may be queued.
    limit: usize,
    state: Mutex<State>,
    /// Told when little is queued, and at the end.
    room: Notify,
}

#[derive(Debug)]
struct State {
    /// `None` once it is over; so a handle that is kept keeps no file open.
    tcp: Option<TcpStream>,
    queue: VecDeque<Frame>,
    /// Bytes queued, with `ENTRY` for each frame.
    bytes: usize,
    /// Some of the first frame's bytes are out.
    torn: bool,
    /// Queued frames that a later one may replace.
    replaceable: usize,
    end: Option<End>,
    /// Our side of TCP is shut.
    shut: bool,
    /// The kernel takes nothing at the moment; it will wake the writing task.
    blocked: bool,
    writer: Option<Waker>,
    reader: Option<Waker>,
    /// Something came from the peer since the last ping.
    heard: bool,
    next_ping: Option<Timestamp>,
    /// Until when the peer must be heard, or the end be over.
    deadline: Option<Timestamp>,
}

impl Link {
    pub(crate) fn new(id: u64, tcp: TcpStream, limit: usize) -> Self {
        let state = State {
            tcp: Some(tcp),
            queue: VecDeque::new(),
            bytes: 0,
            torn: false,
            replaceable: 0,
            end: None,
            shut: false,
            blocked: false,
            writer: None,
            reader: None,
            heard: false,
            next_ping: None,
            deadline: None,
        };
        Self { id, limit, state: Mutex::new(state), room: Notify::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing in here panics between two writes that belong together.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a frame; `false` if it will not arrive because the connection ends.
    pub(crate) fn send(&self, frame: &Frame) -> bool {
        let mut state = self.lock();
        if state.end.is_some() {
            return false;
        }
        if !state.admits(frame, self.limit) {
            if frame.name().is_some() {
                return true;
            }
            self.cut(state, SLOW, "too slow: come back and resume");
            return false;
        }
        state.push(frame.clone());
        let writer = if state.blocked { None } else { state.writer.take() };
        drop(state);
        if let Some(writer) = writer {
            writer.wake();
        }
        true
    }

    /// Waits until little is queued; `false` if the connection ends.
    pub(crate) async fn room(&self) -> bool {
        loop {
            let mut told = std::pin::pin!(self.room.notified());
            told.as_mut().enable();
            {
                let state = self.lock();
                if state.end.is_some() {
                    return false;
                }
                if state.bytes <= self.limit / QUARTER {
                    return true;
                }
            }
            told.await;
        }
    }

    /// Closes once what is queued has gone out.
    pub(crate) fn close(&self, code: u16, reason: &str) {
        let end = End { by: By::Us, code, reason: reason.to_owned() };
        self.finish(self.lock(), end, &Frame::close(Some(code), reason));
    }

    /// The peer broke a rule. What is queued goes out still.
    pub(crate) fn fail(&self, code: u16, reason: &str) {
        tracing::debug!(socket = self.id, code, reason, "a peer broke the protocol");
        self.close(code, reason);
    }

    /// The peer closes: its code comes back to it.
    pub(crate) fn answer_close(&self, close: Option<(u16, String)>) {
        let (answer, code, reason) = match close {
            Some((code, reason)) => (Frame::close(Some(code), ""), code, reason),
            None => (Frame::close(None, ""), 1005, String::new()),
        };
        self.finish(self.lock(), End { by: By::Peer, code, reason }, &answer);
    }

    /// Closes without what is queued: the peer does not take it.
    fn cut(&self, mut state: MutexGuard<'_, State>, code: u16, reason: &str) {
        // The rest of a frame that has begun must come before the close frame.
        let begun = usize::from(state.torn);
        state.queue.truncate(begun);
        state.bytes = state.queue.iter().map(weight).sum();
        let end = End { by: By::Us, code, reason: reason.to_owned() };
        self.finish(state, end, &Frame::close(Some(code), reason));
    }

    fn finish(&self, mut state: MutexGuard<'_, State>, end: End, close: &Frame) {
        if state.end.is_some() {
            return;
        }
        state.end = Some(end);
        state.deadline = None;
        state.push(close.clone());
        self.tell_all(state);
    }

    /// Cuts the connection off.
    pub(crate) fn kill(&self) {
        let mut state = self.lock();
        state.bury();
        self.tell_all(state);
    }

    fn tell_all(&self, mut state: MutexGuard<'_, State>) {
        let wakers = [state.writer.take(), state.reader.take()];
        drop(state);
        wakers.into_iter().flatten().for_each(Waker::wake);
        self.room.notify_waiters();
    }

    pub(crate) fn end(&self) -> Option<End> {
        self.lock().end.clone()
    }

    pub(crate) fn is_ended(&self) -> bool {
        self.lock().end.is_some()
    }

    pub(crate) fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut state = self.lock();
        let Some(tcp) = &state.tcp else { return Err(io::ErrorKind::NotConnected.into()) };
        let read = tcp.try_read(buffer)?;
        state.heard |= read > 0;
        Ok(read)
    }

    /// Ready when there may be something to read, or the connection has ended.
    pub(crate) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        let Some(tcp) = state.tcp.as_ref().filter(|_| state.end.is_none()) else { return Poll::Ready(()) };
        if tcp.poll_read_ready(cx).is_ready() {
            return Poll::Ready(());
        }
        state.reader = Some(cx.waker().clone());
        Poll::Pending
    }

    /// The writing task: ready when the connection is over and its file closed.
    pub(crate) fn poll_write(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        let polled = state.poll_write(cx);
        let room = state.bytes <= self.limit / QUARTER;
        if polled.is_ready() {
            state.bury();
            self.tell_all(state);
        } else {
            state.writer = Some(cx.waker().clone());
            drop(state);
            if room {
                self.room.notify_waiters();
            }
        }
        polled
    }

    /// What is due at `now`: a ping, or the end of one who was not heard.
    pub(crate) fn tend(&self, now: Timestamp) {
        let mut state = self.lock();
        let due = state.deadline.is_some_and(|deadline| now >= deadline);
        if state.end.is_some() {
            if due {
                drop(state);
                self.kill();
            } else if state.deadline.is_none() {
                state.deadline = Some(now + CLOSING);
            }
            return;
        }
        if state.deadline.is_some() && state.heard {
            state.deadline = None;
        } else if due && state.has_unread() {
            // It was us who did not listen.
            state.deadline = Some(now + PONG);
        } else if due {
            return self.cut(state, SILENT, "no answer to a ping");
        }
        // Sockets that were opened at once, as after a restart, are not pinged at once.
        let first = PING - Duration::from_secs(self.id % 10);
        let next = *state.next_ping.get_or_insert(now + first);
        if now >= next && state.deadline.is_none() {
            state.next_ping = Some(now + PING);
            state.deadline = Some(now + PONG);
            state.heard = false;
            drop(state);
            self.send(&Frame::ping());
        }
    }
}

impl State {
    /// Whether there is room. An empty queue takes any frame, however large.
    fn admits(&mut self, frame: &Frame, limit: usize) -> bool {
        let fits = |state: &Self, limit| state.queue.is_empty() || state.bytes + weight(frame) <= limit;
        if let Some(name) = frame.name() {
            self.forget(name);
            return fits(self, limit / QUARTER);
        }
        if fits(self, limit) {
            return true;
        }
        // A burst may be quicker than the writing task has its turn: only what the kernel refuses is slow.
        self.flush().is_ok() && fits(self, limit)
    }

    /// Takes the frame of that name back, if it has not begun to go out.
    fn forget(&mut self, name: &str) {
        if self.replaceable == 0 {
            return;
        }
        let begun = usize::from(self.torn);
        let same = |frame: &Frame| frame.name().is_some_and(|queued| &**queued == name);
        let found = self.queue.iter().skip(begun).position(same);
        if let Some(frame) = found.and_then(|at| self.queue.remove(at + begun)) {
            self.bytes -= weight(&frame);
            self.replaceable -= 1;
        }
    }

    fn push(&mut self, frame: Frame) {
        self.bytes += weight(&frame);
        self.replaceable += usize::from(frame.name().is_some());
        self.queue.push_back(frame);
    }

    /// Writes as much as the kernel takes.
    ///
    /// # Errors
    /// `WouldBlock`, or the connection is broken.
    fn flush(&mut self) -> io::Result<()> {
        while !self.queue.is_empty() {
            let Some(tcp) = &self.tcp else { return Err(io::ErrorKind::NotConnected.into()) };
            let written = match self.queue.front() {
                Some(only) if self.queue.len() == 1 => tcp.try_write(only.bytes()),
                _ => {
                    let mut slices = [IoSlice::new(&[]); BATCH];
                    for (slice, frame) in slices.iter_mut().zip(&self.queue) {
                        *slice = IoSlice::new(frame.bytes());
                    }
                    let n = self.queue.len().min(BATCH);
                    tcp.try_write_vectored(slices.get(..n).unwrap_or_default())
                }
            };
            match written {
                Ok(n) => self.written(n),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn written(&mut self, mut n: usize) {
        while let Some(front) = self.queue.front_mut() {
            let left = front.bytes().len();
            if n < left {
                front.advance(n);
                self.bytes -= n;
                self.torn |= n > 0;
                return;
            }
            n -= left;
            self.bytes -= left + ENTRY;
            self.replaceable -= usize::from(front.name().is_some());
            self.torn = false;
            self.queue.pop_front();
        }
        // Most sockets rest most of the time.
        if self.queue.capacity() > 8 {
            self.queue = VecDeque::new();
        }
    }

    /// Ready when nothing is left to be done.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.blocked = false;
        loop {
            match self.flush() {
                Ok(()) => break,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let Some(tcp) = &self.tcp else { return Poll::Ready(()) };
                    let ready = tcp.poll_write_ready(cx);
                    self.blocked = ready.is_pending();
                    if ready!(ready).is_err() {
                        return Poll::Ready(());
                    }
                }
                Err(_) => return Poll::Ready(()),
            }
        }
        if self.end.is_some() { self.poll_shut(cx) } else { Poll::Pending }
    }

    /// After the close frame: shuts our side and waits for the peer to shut its own.
    fn poll_shut(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(tcp) = &self.tcp else { return Poll::Ready(()) };
        if !self.shut {
            self.shut = true;
            if SockRef::from(tcp).shutdown(Shutdown::Write).is_err() {
                return Poll::Ready(());
            }
        }
        let mut waste = [0; 1024];
        loop {
            // Before every read, for it takes from the task's budget.
            if ready!(tcp.poll_read_ready(cx)).is_err() {
                return Poll::Ready(());
            }
            match tcp.try_read(&mut waste) {
                Ok(1..) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Ok(0) | Err(_) => return Poll::Ready(()),
            }
        }
    }

    fn has_unread(&self) -> bool {
        let mut byte = [MaybeUninit::uninit()];
        self.tcp.as_ref().is_some_and(|tcp| SockRef::from(tcp).peek(&mut byte).is_ok_and(|n| n > 0))
    }

    /// The file is closed and nothing is kept.
    fn bury(&mut self) {
        self.tcp = None;
        self.queue = VecDeque::new();
        self.bytes = 0;
        self.replaceable = 0;
        if self.end.is_none() {
            self.end = Some(End { by: By::Nobody, code: 1006, reason: String::new() });
        }
    }
}

fn weight(frame: &Frame) -> usize {
    frame.bytes().len() + ENTRY
}

#[cfg(test)]
mod tests;
