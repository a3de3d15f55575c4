//! `GET /conversations/summary/{conversation_id}/`

use accounts::Caller;
use assistant::Sentiment;
use axum::extract::State;
use httpkit::{BareReply, StatusRefusals, bare};
use kernel::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::Number;
use crate::{Gmail, conversations::Summary};

/// Where a conversation stands.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = GmailSummary)]
pub(super) struct SummaryData {
    #[schema(example = 1)]
    conversation_id: i64,
    /// Empty while there is no message.
    summary: String,
    /// What was agreed and asked, numbers and dates.
    key_points: Vec<String>,
    /// How the counterpart feels.
    sentiment: Sentiment,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    last_updated: Timestamp,
    /// What nobody has answered yet.
    open_questions: Vec<String>,
    /// Whether a message seems to speak to the machine: look twice.
    suspicious: bool,
    /// Who made it: `embedded` (sentences word for word), the provider and its model, or `none` while there is no message.
    #[schema(example = "embedded")]
    engine: String,
    /// The provider was to make it and did not.
    degraded: bool,
    /// Of so many messages.
    message_count: i64,
}

impl SummaryData {
    fn of(conversation_id: i64, made: Summary) -> Self {
        let said = made.summary;
        Self {
            conversation_id,
            summary: said.summary,
            key_points: said.key_points,
            sentiment: said.sentiment,
            last_updated: made.updated_at,
            open_questions: said.open_questions,
            suspicious: said.suspicious,
            engine: made.engine,
            degraded: made.degraded,
            message_count: made.message_count,
        }
    }
}

/// Get the summary of a conversation
///
/// Made by the assistant, and kept until another message comes. What machines wrote (answers of somebody who is away,
/// reports of failed deliveries) counts as that, not as the counterpart's words.
#[utoipa::path(get, path = "/conversations/summary/{conversation_id}/", tag = "gmail",
    params(("conversation_id" = i64, Path, description = "The conversation")),
    responses((status = 200, body = SummaryData), StatusRefusals))]
pub(super) async fn get_summary(
    State(gmail): State<Gmail>,
    caller: Caller,
    Number(id): Number,
) -> BareReply<SummaryData> {
    let row = gmail.conversation(caller.id(), id).await?;
    bare(SummaryData::of(row.id, gmail.summary(caller.id(), &row).await?))
}
