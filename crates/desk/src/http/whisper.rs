//! `POST /sessions/{sessionId}/whisper`

use axum::{extract::State, http::HeaderMap};
use httpkit::{Body, DeskEnvelope, DeskReply, PathId, Refusals, desk_ok, text};
use utoipa::ToSchema;

use super::idempotency_key;
use crate::{Desk, auth::Agent, view::MessageInfo};

/// What to whisper.
#[derive(ToSchema)]
#[expect(dead_code, reason = "documents the body, which is read field by field")]
pub(super) struct WhisperRequest {
    #[schema(min_length = 1, max_length = 4000)]
    content: String,
}

/// Whisper to the person who has a session
///
/// For supervisors, in `manual` only. The message is `internal`, of type `whisper`: the session's agent and supervisors
/// read it, customers never, and later agents of the session see that there was one. With the same `Idempotency-Key` it
/// is said once.
#[utoipa::path(post, path = "/sessions/{sessionId}/whisper", tag = "desk", request_body = WhisperRequest,
    params(
        ("sessionId" = String, Path, description = "`sess_…`"),
        ("Idempotency-Key" = Option<String>, Header, description = "1 to 128 visible ASCII characters")),
    responses((status = 200, body = DeskEnvelope<MessageInfo>), Refusals))]
pub(super) async fn whisper(
    State(desk): State<Desk>,
    agent: Agent,
    PathId(id): PathId,
    headers: HeaderMap,
    Body(mut f): Body,
) -> DeskReply<MessageInfo> {
    let text::Lines(content) = f.required::<text::Lines<4000>>("content");
    f.finish()?;
    let client_id = idempotency_key(&headers)?;
    let message = desk.whisper(&agent, &id, &content, client_id.as_deref()).await?;
    desk_ok(MessageInfo::from(&message))
}
