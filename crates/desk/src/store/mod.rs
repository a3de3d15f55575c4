//! All SQL of the desk, one file a topic.

mod events;
mod lists;
mod messages;
mod presence;
mod sessions;
mod streams;

pub(crate) use events::{TOPIC, Told, tell};
pub(crate) use lists::{Filter, history, list, open_sessions};
pub(crate) use messages::{MessageRow, NewMessage, append, is_new, remember, same_client};
pub(crate) use presence::*;
pub(crate) use sessions::{NewSession, SessionRow, change, lock, note_reply, open, session};
pub(crate) use streams::*;
