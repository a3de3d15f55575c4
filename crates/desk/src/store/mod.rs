//! All SQL of the desk, one file a topic.

mod audit;
mod events;
mod lists;
mod messages;
pub(crate) mod reports;
mod sessions;
pub(crate) mod webhooks;

pub(crate) use audit::{ChangeRow, Changes, changed_at, changes, note};
pub(crate) use events::{Told, listeners};
pub(crate) use lists::{Filter, history, list};
pub(crate) use messages::{MessageRow, NewMessage, append, is_new, remember, same_client};
pub(crate) use sessions::{NewSession, SessionRow, change, lock, note_reply, open, session};
pub(crate) use webhooks::tell;
