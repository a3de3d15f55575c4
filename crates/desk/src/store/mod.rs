//! All SQL of the desk, one file a topic.

pub(crate) mod accounts;
pub(crate) mod callbacks;
mod events;
pub(crate) mod files;
mod lists;
mod messages;
pub(crate) mod outbox;
pub(crate) mod pulls;
mod sessions;
pub(crate) mod windows;

pub(crate) use events::{Told, tell};
pub(crate) use lists::{Filter, history, list};
pub(crate) use messages::{
    MessageRow, NewMessage, append, by_external, is_new, message, remember, same_client, set_payload,
    set_status,
};
pub(crate) use sessions::{
    NewSession, SessionRow, change, lock, lock_open, name_customer, note_reply, open, session,
};
