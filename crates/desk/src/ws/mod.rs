//! `/ws/cs/{csId}`: an agent's socket, from its handshake to its end. The protocol is in `docs/desk-websocket.md`.
//!
//! Promises
//! - The first frame is `hello`. Then comes the agent's stream, from where the client asks for, else from the head that
//!   `hello` names: each number once, in order.
//! - What cannot be continued is said (`resync`), with the sessions as they are at a number from which it goes on.
//! - A command is answered once, and the same `cid` with the same answer. A bad one costs an `error` frame, not the
//!   connection; only who goes on and on is closed.

mod commands;
mod connect;
mod enter;
mod pace;
mod replay;

pub(crate) use connect::{__path_connect, connect};
pub(crate) use enter::{TICKET, hash};

use serde_json::{Map, Value, json};
use sockets::{Frame, Handle};

use crate::{Desk, auth::Agent, store::StreamRow, stream::Membership};

/// Where a client wants to go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct From {
    /// `None`: it has nothing.
    pub(crate) epoch: Option<String>,
    pub(crate) last_seq: i64,
}

/// A socket at work.
pub(crate) struct Connection<'a> {
    desk: &'a Desk,
    handle: Handle,
    /// Its id among the sockets of all nodes.
    socket_id: String,
    membership: Membership<'a>,
    agent: Agent,
    /// Whose stream it gets.
    stream_of: String,
    stream: StreamRow,
    pace: pace::Pace,
    answers: commands::Answers,
}

impl Connection<'_> {
    fn say(&self, frame: &Value) {
        self.handle.send(&Frame::text(&frame.to_string()));
    }

    /// The agent's own id, under which they view, type and are there.
    fn own_id(&self) -> &str {
        self.agent.id.as_deref().unwrap_or(&self.stream_of)
    }
}

/// `{type: "error", cid?, code, message, errors?}`
fn refusal(problem: &kernel::Problem, cid: Option<&str>) -> Value {
    let mut frame = Map::new();
    frame.insert("type".to_owned(), json!("error"));
    if let Some(cid) = cid {
        frame.insert("cid".to_owned(), json!(cid));
    }
    frame.insert("code".to_owned(), json!(problem.kind.status()));
    frame.insert("message".to_owned(), json!(problem.message));
    if !problem.errors.is_empty() {
        frame.insert("errors".to_owned(), json!(problem.errors));
    }
    Value::Object(frame)
}
