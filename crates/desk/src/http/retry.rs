//! `POST /sessions/{sessionId}/messages/{msgId}/retry` and `GET /desk/failed-messages`

use axum::extract::{Path, State};
use httpkit::{DeskEnvelope, DeskReply, Query, Refusals, desk_ok, text};

use crate::{Desk, auth::Agent, store::outbox, view::MessageInfo};

/// The most messages of one answer.
const MOST: i64 = 500;

/// Send a failed message again
///
/// By whoever may write in its session. It takes its place before what is still on its way.
#[utoipa::path(post, path = "/sessions/{sessionId}/messages/{msgId}/retry", tag = "desk",
    params(("sessionId" = String, Path, description = "`sess_…`"), ("msgId" = String, Path, description = "`msg_…`")),
    responses((status = 200, body = DeskEnvelope<MessageInfo>), Refusals))]
pub(super) async fn retry_message(
    State(desk): State<Desk>,
    agent: Agent,
    Path((session, message)): Path<(String, String)>,
) -> DeskReply<MessageInfo> {
    desk_ok(MessageInfo::from(&desk.retry(&agent, &session, &message).await?))
}

/// List messages that did not reach their customers
///
/// The newest first, each with `failReason`. Agents see their own, supervisors all. `before` (a message's id) reads on.
#[utoipa::path(get, path = "/desk/failed-messages", tag = "desk",
    params(
        ("before" = Option<String>, Query, description = "Only older messages than this", max_length = 64),
        ("limit" = Option<i64>, Query, description = "1 to 500, default 100", minimum = 1, maximum = 500)),
    responses((status = 200, body = DeskEnvelope<Vec<MessageInfo>>), Refusals))]
pub(super) async fn list_failed(
    State(desk): State<Desk>,
    agent: Agent,
    mut query: Query,
) -> DeskReply<Vec<MessageInfo>> {
    let before: Option<text::Line<64>> = query.0.optional("before");
    let limit = query.0.optional::<i64>("limit").unwrap_or(100);
    if !(1..=MOST).contains(&limit) {
        query.0.bad("limit", format!("must be a whole number from 1 to {MOST}"));
    }
    query.0.finish()?;
    let sender = agent.id.as_deref().filter(|_| !agent.supervisor);
    let before = before.as_ref().map(|before| before.0.as_str());
    let rows = outbox::failed(&mut desk.db().read().await?, sender, before, limit).await?;
    desk_ok(rows.iter().map(MessageInfo::from).collect())
}
