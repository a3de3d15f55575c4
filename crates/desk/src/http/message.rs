//! `POST /sessions/{sessionId}/message`

use axum::{extract::State, http::HeaderMap};
use httpkit::{Body, DeskEnvelope, DeskReply, PathId, Refusals, desk_ok, text};
use utoipa::ToSchema;

use super::idempotency_key;
use crate::{Desk, auth::Agent, ops::Draft, view::MessageInfo};

/// The longest message, in characters.
const MAX: usize = 4000;

/// What to send.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "documents the body, which is read field by field")]
pub(super) struct MessageRequest {
    #[schema(min_length = 1, max_length = 4000)]
    content: String,
    /// `text`
    #[schema(default = "text")]
    msg_type: Option<String>,
}

/// Send a message to the customer
///
/// In `manual` only, by the session's agent or a supervisor. With the same `Idempotency-Key` it is sent once. The answer
/// is the message, `queued`; what becomes of it is told on the stream.
#[utoipa::path(post, path = "/sessions/{sessionId}/message", tag = "desk", request_body = MessageRequest,
    params(
        ("sessionId" = String, Path, description = "`sess_…`"),
        ("Idempotency-Key" = Option<String>, Header, description = "1 to 128 visible ASCII characters")),
    responses((status = 200, body = DeskEnvelope<MessageInfo>), Refusals))]
pub(super) async fn send_message(
    State(desk): State<Desk>,
    agent: Agent,
    PathId(id): PathId,
    headers: HeaderMap,
    Body(mut f): Body,
) -> DeskReply<MessageInfo> {
    let text::Lines(content) = f.required::<text::Lines<MAX>>("content");
    let msg_type = f.optional::<text::Line<32>>("msgType").map_or_else(|| "text".to_owned(), |t| t.0);
    if msg_type != "text" {
        f.rule("msgType", "must be text");
    }
    f.finish()?;
    let client_id = idempotency_key(&headers)?;
    let message = desk.answer(&agent, &id, &Draft { content, msg_type, client_id }).await?;
    desk_ok(MessageInfo::from(&message))
}
