//! `POST /sessions/{sessionId}/notes`

use axum::{extract::State, http::HeaderMap};
use httpkit::{Body, DeskEnvelope, DeskReply, PathId, Refusals, desk_ok, text};
use utoipa::ToSchema;

use super::{MAX_NOTE, idempotency_key};
use crate::{Desk, auth::Agent, notes::Note, view::MessageInfo};

/// The most who are mentioned in one note.
const MAX_MENTIONS: usize = 20;

/// A note.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "documents the body, which is read field by field")]
pub(super) struct NoteRequest {
    #[schema(min_length = 1, max_length = 2000)]
    content: String,
    /// Agents who are told of it, beside the session's own.
    #[schema(max_items = 20)]
    mentions: Option<Vec<String>>,
    /// Who writes it; needed only where authentication is off.
    #[schema(max_length = 64)]
    cs_id: Option<String>,
}

/// Write a private note
///
/// In any state. The customer never sees it: it is a message of type `note` with status `internal`, told to the session's
/// agent, to whoever watches, and to those mentioned. With the same `Idempotency-Key` it is written once.
#[utoipa::path(post, path = "/sessions/{sessionId}/notes", tag = "desk", request_body = NoteRequest,
    params(
        ("sessionId" = String, Path, description = "`sess_…`"),
        ("Idempotency-Key" = Option<String>, Header, description = "1 to 128 visible ASCII characters")),
    responses((status = 200, body = DeskEnvelope<MessageInfo>), Refusals))]
pub(super) async fn write_note(
    State(desk): State<Desk>,
    agent: Agent,
    PathId(id): PathId,
    headers: HeaderMap,
    Body(mut f): Body,
) -> DeskReply<MessageInfo> {
    let text::Lines(content) = f.required::<text::Lines<MAX_NOTE>>("content");
    let mentions: Vec<text::Line<64>> = f.optional("mentions").unwrap_or_default();
    if mentions.len() > MAX_MENTIONS {
        f.rule("mentions", format!("must have at most {MAX_MENTIONS} entries"));
    }
    let named = f.optional::<text::Line<64>>("csId").map(|id| id.0);
    f.finish()?;
    let client_id = idempotency_key(&headers)?;
    let named = agent.named(named.as_deref())?;
    let mentions: Vec<String> = mentions.into_iter().map(|id| id.0).collect();
    let note = Note { content: &content, mentions: &mentions, client_id: client_id.as_deref() };
    let message = desk.note(&agent, &agent.actor(Some(&named)), &id, &note).await?;
    desk_ok(MessageInfo::from(&message))
}
