//! `POST /sessions/{sessionId}/message`

use axum::{extract::State, http::HeaderMap};
use channels::MediaKind;
use httpkit::{Body, DeskEnvelope, DeskReply, Fields, PathId, Refusals, desk_ok, text};
use kernel::Problem;
use utoipa::ToSchema;

use super::idempotency_key;
use crate::{
    Desk,
    auth::Agent,
    ops::Draft,
    store::files::{self, FileRow},
    view::MessageInfo,
};

/// The longest message, in characters.
const MAX: usize = 4000;

/// What to send.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "documents the body, which is read field by field")]
pub(super) struct MessageRequest {
    /// The words; required for a text.
    #[schema(min_length = 1, max_length = 4000)]
    content: Option<String>,
    /// `text`, `image`, `voice`, `video` or `file`
    #[schema(default = "text")]
    msg_type: Option<String>,
    /// A file from `POST /desk/files`; required for anything but a text.
    file_id: Option<String>,
}

/// Send a message to the customer
///
/// In `manual` only, by the session's agent or a supervisor. With the same `Idempotency-Key` it is sent once. The answer
/// is the message, `queued`; what becomes of it is told on the stream. 400 with `errors.msgType` for a file where the channel
/// takes none from us. A text that is longer than a message of the
/// channel leaves in several. 422 with `errors.window` if WeCom would not take it before the customer writes again.
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
    Body(f): Body,
) -> DeskReply<MessageInfo> {
    let draft = draft(&desk, &agent, f, idempotency_key(&headers)?).await?;
    let message = desk.answer(&agent, &id, &draft).await?;
    desk_ok(MessageInfo::from(&message))
}

/// What is to be sent, from the fields of a request or of a frame.
pub(crate) async fn draft(
    desk: &Desk,
    agent: &Agent,
    mut f: Fields,
    client_id: Option<String>,
) -> Result<Draft, Problem> {
    let msg_type = f.optional::<text::Line<32>>("msgType").map_or_else(|| "text".to_owned(), |t| t.0);
    let (content, file) = match MediaKind::named(&msg_type) {
        Some(_) => (String::new(), Some(file(desk, agent, &mut f).await?)),
        None => (f.required::<text::Lines<MAX>>("content").0, None),
    };
    if file.is_none() && msg_type != "text" {
        f.rule("msgType", "must be text, image, voice, video or file");
    }
    f.finish()?;
    Ok(Draft { content, msg_type, file, client_id })
}

/// A file that this agent uploaded.
async fn file(desk: &Desk, agent: &Agent, f: &mut Fields) -> Result<FileRow, Problem> {
    let text::Line(id) = f.required::<text::Line<64>>("fileId");
    std::mem::take(f).finish()?;
    let file = files::file(&mut desk.db().read().await?, &id).await?;
    let own = |file: &FileRow| agent.supervisor || file.owner_id.is_some() && file.owner_id == agent.id;
    file.filter(own).ok_or_else(|| Problem::rule("fileId", "is no file that you uploaded"))
}
