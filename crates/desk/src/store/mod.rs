//! All SQL of the desk, one file a topic.

mod events;
mod lists;
mod messages;
mod sessions;
mod turns;

pub(crate) use events::{Told, tell};
pub(crate) use lists::{Filter, history, list};
pub(crate) use messages::{MessageRow, NewMessage, append, is_new, remember, same_client};
pub(crate) use sessions::{NewSession, SessionRow, change, lock, note_reply, open, session};
pub(crate) use turns::{TurnRow, end_turn, is_unanswered, last_outcomes, recent, turn_is_over, turns};
