//! What agents are told, as frames: the seed's four types, and who hears of each.

use serde_json::{Value, json};

use crate::{
    model::Status,
    store::{MessageRow, SessionRow, Told},
    view::{MessageInfo, SessionInfo},
};

fn value(view: impl serde::Serialize) -> Value {
    // These views are plain; what could not be written would be told as nothing, and read by REST.
    serde_json::to_value(view).unwrap_or(Value::Null)
}

fn told(kind: &'static str, row: &SessionRow, data: Value, to: Option<Vec<String>>) -> Told {
    Told { kind, session_id: row.id.clone(), data, to }
}

/// The session's owner, while a person has it.
fn owner(row: &SessionRow) -> Vec<String> {
    let owner = row.manual_cs_id.clone().filter(|_| row.status == Status::Manual);
    owner.into_iter().collect()
}

/// A message in a session: for its owner, and whoever watches.
pub(crate) fn new_message(row: &SessionRow, message: &MessageRow) -> Told {
    told("new_message", row, value(MessageInfo::from(message)), Some(owner(row)))
}

/// What became of a message, or of its file: for the session's owner, and whoever watches.
pub(crate) fn message_status(row: &SessionRow, message: &MessageRow) -> Told {
    told("message_status", row, value(MessageInfo::from(message)), Some(owner(row)))
}

/// A customer waits: for all.
pub(crate) fn new_pending_session(row: &SessionRow) -> Told {
    told("new_pending_session", row, value(SessionInfo::from(row)), None)
}

/// Somebody took a session: for all, who take it off their lists.
pub(crate) fn session_accepted(row: &SessionRow) -> Told {
    told("session_accepted", row, value(SessionInfo::from(row)), None)
}

/// A session ended: for all. `closedBy`: a person's id, or `system`, `customer`, `channel`.
pub(crate) fn session_closed(row: &SessionRow) -> Told {
    let mut data = value(SessionInfo::from(row));
    if let Some(fields) = data.as_object_mut() {
        fields.insert("closedBy".to_owned(), json!(row.closed_by));
    }
    told("session_closed", row, data, None)
}

/// A session is another's, or the assistant's: for all. The seed has no type for it.
pub(crate) fn session_updated(row: &SessionRow) -> Told {
    told("session_updated", row, value(SessionInfo::from(row)), None)
}
