//! All SQL of the desk, one file a topic.

pub(crate) mod accounts;
mod agents;
mod audit;
pub(crate) mod callbacks;
mod canned;
mod events;
pub(crate) mod files;
pub(crate) mod health;
mod labels;
mod lists;
mod messages;
pub(crate) mod outbox;
mod presence;
pub(crate) mod pulls;
mod queue;
mod ratings;
pub(crate) mod reports;
mod search;
mod sessions;
mod settings;
mod sla;
mod streams;
pub(crate) mod tokens;
mod turns;
pub(crate) mod webhooks;
pub(crate) mod windows;

pub(crate) use agents::{
    AgentRow, agent, agents, connected, disconnected, given, in_hand, lock_agents, named, sessions_of,
    set_capacity, set_state,
};
pub(crate) use audit::{ChangeRow, Changes, changed_at, changes, note};
pub(crate) use canned::{
    CannedRow, add_canned, canned, canned_count, canned_of, change_canned, remove_canned, use_canned,
};
pub(crate) use events::{Reduced, TOPIC, Told, lock_supervisors};
pub(crate) use labels::{labels, labels_of, set_labels};
pub(crate) use lists::{Filter, history, history_before, list, open_sessions};
pub(crate) use messages::{
    MessageRow, NewMessage, append, by_external, is_new, message, remember, same_client, set_payload,
    set_status,
};
pub(crate) use presence::*;
pub(crate) use queue::{last_agent, last_spoken, lock_waiting, positions, set_priority, waiting, waits};
pub(crate) use ratings::{ask_rating, asked, asked_about, rate, ratings_of};
pub(crate) use search::{Search, search};
pub(crate) use sessions::{
    NewSession, SessionRow, change, lock, lock_all, lock_open, name_customer, note_reply, open, session,
};
pub(crate) use settings::{SettingsRow, older_settings, put_settings, settings, settings_row};
pub(crate) use sla::{SlaRow, begin_wait, breach, end_wait, move_wait, open_wait, wait};
pub(crate) use streams::*;
pub(crate) use turns::{TurnRow, end_turn, is_unanswered, last_outcomes, recent, turn_is_over, turns};
pub(crate) use webhooks::tell;
