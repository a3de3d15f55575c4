//! `POST /sessions/{sessionId}/message`

use axum::{extract::State, http::HeaderMap};
use httpkit::{Body, DeskEnvelope, DeskReply, Fields, PathId, Refusals, desk_ok, text};
use kernel::Problem;
use utoipa::ToSchema;

use crate::{Desk, auth::Agent, ops::Draft, view::MessageInfo};

/// The longest message, in characters.
const MAX: usize = 4000;
/// The longest idempotency key.
const MAX_KEY: usize = 128;

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
    let draft = draft(&mut f, key(&headers)?);
    f.finish()?;
    let message = desk.answer(&agent, &id, &draft).await?;
    desk_ok(MessageInfo::from(&message))
}

/// What is to be sent, from the fields of a request or of a frame.
pub(crate) fn draft(f: &mut Fields, client_id: Option<String>) -> Draft {
    let text::Lines(content) = f.required::<text::Lines<MAX>>("content");
    let msg_type = f.optional::<text::Line<32>>("msgType").map_or_else(|| "text".to_owned(), |t| t.0);
    if msg_type != "text" {
        f.rule("msgType", "must be text");
    }
    Draft { content, msg_type, client_id }
}

fn key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    let text = value.to_str().ok().filter(|t| (1..=MAX_KEY).contains(&t.len()));
    let problem = || Problem::bad_request("Idempotency-Key", "must be 1 to 128 visible ASCII characters");
    Ok(Some(text.ok_or_else(problem)?.to_owned()))
}
