//! What agents are told, as frames: the seed's four types and what else there is, and who hears of each.
//!
//! Who would be told by the API that a session is not there gets of it only that it changed: see [`Reduced`].

use serde_json::{Value, json};

use crate::{
    model::{Event, MessageStatus, Status},
    store::{MessageRow, Reduced, SessionRow, SlaRow, Told, webhooks::WebhookRow},
    view::{MessageInfo, SessionChange, SessionInfo},
};

fn value(view: impl serde::Serialize) -> Value {
    // These views are plain; what could not be written would be told as nothing, and read by REST.
    serde_json::to_value(view).unwrap_or(Value::Null)
}

fn told(kind: &'static str, row: &SessionRow, data: Value, to: Option<Vec<String>>) -> Told {
    Told { kind, session_id: row.id.clone(), data, to, supervisors: false, reduced: None, event: None }
}

/// A session as it is now, for all: whole for whoever may see it.
fn session(kind: &'static str, row: &SessionRow) -> Told {
    let is_somebodys = row.manual_cs_id.is_some() || row.status == Status::Closed;
    let reduced = || Reduced { data: value(SessionChange::from(row)), owner: row.manual_cs_id.clone() };
    Told { reduced: is_somebodys.then(reduced), ..told(kind, row, value(SessionInfo::from(row)), None) }
}

/// The session's owner, while a person has it.
fn owner(row: &SessionRow) -> Vec<String> {
    let owner = row.manual_cs_id.clone().filter(|_| row.status == Status::Manual);
    owner.into_iter().collect()
}

/// A message in a session: for its owner, and whoever watches.
pub(crate) fn new_message(row: &SessionRow, message: &MessageRow) -> Told {
    let event = (message.status != MessageStatus::Internal).then_some(Event::MessageCreated);
    Told { event, ..told("new_message", row, value(MessageInfo::from(message)), Some(owner(row))) }
}

/// A customer opened a session: for supervisors, who see what the assistant does. Agents hear of it when it waits.
pub(crate) fn session_created(row: &SessionRow) -> Told {
    let told = told("session_created", row, value(SessionInfo::from(row)), Some(Vec::new()));
    Told { supervisors: true, event: Some(Event::SessionCreated), ..told }
}

/// What became of a message, or of its file: for the session's owner, and whoever watches.
pub(crate) fn message_status(row: &SessionRow, message: &MessageRow) -> Told {
    told("message_status", row, value(MessageInfo::from(message)), Some(owner(row)))
}

/// A customer waits: for all.
pub(crate) fn new_pending_session(row: &SessionRow) -> Told {
    Told { event: Some(Event::SessionPending), ..session("new_pending_session", row) }
}

/// Somebody took a session: for all, who take it off their lists.
pub(crate) fn session_accepted(row: &SessionRow) -> Told {
    Told { event: Some(Event::SessionAccepted), ..session("session_accepted", row) }
}

/// A session ended: for all. `closedBy`: a person's id, or `system`, `customer`, `channel`.
pub(crate) fn session_closed(row: &SessionRow) -> Told {
    let mut told = session("session_closed", row);
    if let Some(fields) = told.data.as_object_mut() {
        fields.insert("closedBy".to_owned(), json!(row.closed_by));
    }
    Told { event: Some(Event::SessionClosed), ..told }
}

/// A session is another's, or the assistant's: for all. The seed has no type for it.
pub(crate) fn session_updated(row: &SessionRow) -> Told {
    session("session_updated", row)
}

/// A session went from one person to another: for all, as a change of it.
pub(crate) fn session_transferred(row: &SessionRow) -> Told {
    Told { event: Some(Event::SessionTransferred), ..session_updated(row) }
}

/// The desk disabled a webhook: for supervisors.
pub(crate) fn webhook_disabled(row: &WebhookRow, reason: &str) -> Told {
    Told {
        kind: "webhook_disabled",
        session_id: String::new(),
        data: json!({"webhookId": row.id, "name": row.name, "reason": reason}),
        to: Some(Vec::new()),
        supervisors: true,
        reduced: None,
        event: None,
    }
}

/// The same as [`session_updated`], with its labels.
pub(crate) fn labelled(row: &SessionRow, labels: &[String]) -> Told {
    let mut told = session_updated(row);
    if let Some(fields) = told.data.as_object_mut() {
        fields.insert("labels".to_owned(), json!(labels));
    }
    told
}

/// A note among ourselves: for the session's owner, whoever watches, and those it mentions.
pub(crate) fn note(row: &SessionRow, message: &MessageRow, mentions: &[String]) -> Told {
    let to = owner(row).into_iter().chain(mentions.iter().cloned()).collect();
    told("new_message", row, value(MessageInfo::from(message)), Some(to))
}

/// A customer waits for longer than they should: for the session's owner and supervisors.
pub(crate) fn sla_breached(row: &SessionRow, wait: &SlaRow) -> Told {
    let data = json!({
        "kind": wait.kind, "since": wait.since, "dueAt": wait.due_at, "manualCsId": row.manual_cs_id,
        "status": row.status, "breachedAt": wait.breached_at,
    });
    Told { supervisors: true, ..told("sla_breached", row, data, Some(owner(row))) }
}

/// A customer rated a session: for the person who had it.
pub(crate) fn session_rated(row: &SessionRow, score: i64) -> Told {
    told("session_rated", row, json!({"score": score}), Some(row.manual_cs_id.iter().cloned().collect()))
}
