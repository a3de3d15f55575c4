//! `POST /conversations/{id}/mark/`

use accounts::Caller;
use axum::extract::State;
use httpkit::{BareReply, Body, StatusRefusals};
use utoipa::ToSchema;

use super::{
    Number,
    conversations::{ConversationInfo, info},
};
use crate::{Gmail, conversations::Marks};

/// How to mark a conversation: one of the two, or both.
#[derive(ToSchema)]
#[schema(as = GmailMarkRequest)]
#[expect(dead_code, reason = "documents the body, which is read field by field")]
pub(super) struct MarkRequest {
    /// False: all that came was read. True: the newest mail that came was not.
    #[schema(example = false)]
    unread: Option<bool>,
    /// False: the conversation is archived. True: the newest mail that came lies in the inbox again.
    #[schema(example = false)]
    in_inbox: Option<bool>,
}

/// Mark a conversation read, unread, archived or not
///
/// In Gmail itself, where all its mails in all threads are marked; what is so already costs nothing. 422 names the field if
/// nothing came yet that could be unread or in the inbox. 409 if the account must be connected again, or Gmail refuses; 503
/// while Gmail does not answer: what it took until then stays, and the same call again does the rest.
#[utoipa::path(post, path = "/conversations/{id}/mark/", tag = "gmail", request_body = MarkRequest,
    params(("id" = i64, Path, description = "The conversation")),
    responses((status = 200, body = ConversationInfo), StatusRefusals))]
pub(super) async fn mark_conversation(
    State(gmail): State<Gmail>,
    caller: Caller,
    Number(id): Number,
    Body(mut f): Body,
) -> BareReply<ConversationInfo> {
    let marks = Marks { unread: f.optional("unread"), in_inbox: f.optional("in_inbox") };
    if !f.has("unread") && !f.has("in_inbox") {
        f.bad("unread", "is required, or in_inbox");
    }
    f.finish()?;
    info(&gmail, gmail.mark(caller.id(), id, marks).await?).await
}
