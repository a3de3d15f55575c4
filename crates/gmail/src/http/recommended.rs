//! `/recommended-reply/`, `/recommended-reply/{id}/` and what is done with one

use std::time::Duration;

use accounts::Caller;
use axum::extract::State;
use httpkit::{BareReply, Body, Listed, OptionalBody, Query, StatusRefusals, bare, text};
use kernel::Timestamp;
use mail::{Mailbox, OwnAddresses};
use serde::{Serialize, de::DeserializeOwned};
use utoipa::ToSchema;

use super::{Number, query};
use crate::{
    Gmail,
    model::ReplyState,
    replies::{Approval, Asked, FactUsed, LONGEST_HOLD, Recommended, of_everybody, shown_to},
    store::{self, ReplyRow, WhichReplies},
};

/// The most characters of instructions.
const INSTRUCTIONS: usize = 4000;
/// The most characters of a reply.
const LONGEST: usize = 100_000;
/// So much of the mail that is answered is shown, in characters.
const SHOWN: usize = 1000;

/// What to recommend a reply for.
#[derive(ToSchema)]
#[schema(as = OutreachReplyRequest)]
#[expect(dead_code, reason = "documents the body, which is read field by field")]
pub(super) struct RecommendRequest {
    #[schema(example = 1)]
    conversation_id: i64,
    /// Gmail's id of the mail that is to be answered; the counterpart's newest unless said otherwise.
    last_message_id: Option<String>,
    /// What is to be said, or how.
    #[schema(max_length = 4000, example = "Ask for the rates of a story, too")]
    custom_instructions: Option<String>,
}

/// A goal in short.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OutreachGoalShort)]
pub(super) struct GoalShort {
    id: i64,
    description: String,
}

/// The mail that is answered.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OutreachLastMessage)]
pub(super) struct LastMessage {
    /// `Creator One <creator@example.com>`
    sender: String,
    subject: String,
    /// The beginning of its new text.
    content: String,
    /// Gmail's.
    message_id: Option<String>,
}

/// A reply that the assistant proposes.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OutreachReply)]
pub(super) struct ReplyInfo {
    #[schema(example = 1)]
    id: i64,
    conversation_id: i64,
    status: ReplyState,
    /// The goal that it serves.
    goal: Option<GoalShort>,
    conversation_summary: String,
    /// The mail that it answers: the counterpart's, or, of a follow-up, one's own; null for a conversation's first mail.
    last_message: Option<LastMessage>,
    /// To whom it would go.
    to: Vec<String>,
    recommended_reply: String,
    alternative_replies: Vec<String>,
    /// From 0 to 1.
    confidence: f64,
    /// What the assistant says of it.
    reason: String,
    /// Whether a person should change it before it leaves.
    needs_human: bool,
    /// Whether a mail of the conversation seems to speak to the machine.
    suspicious: bool,
    /// Which follow-up it is, from 1; null: an answer.
    follow_up: Option<i64>,
    /// Who wrote it: `embedded`, or the provider and its model.
    #[schema(example = "embedded")]
    engine: String,
    /// Whether the provider was to write it and did not.
    degraded: bool,
    /// What of the knowledge base is in it.
    facts_used: Vec<FactUsed>,
    /// Links that neither goal nor instructions nor facts have: they were taken out.
    removed_links: Vec<String>,
    /// The mail that it became.
    outbox_id: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When it was approved, rejected, or overtaken.
    #[schema(value_type = Option<String>, format = DateTime)]
    decided_at: Option<Timestamp>,
}

fn list<T: DeserializeOwned>(json: &str) -> Vec<T> {
    serde_json::from_str(json).unwrap_or_default()
}

fn last_message(shown: &Recommended) -> Option<LastMessage> {
    let sender = Mailbox { name: shown.from_name.clone(), address: shown.from_address.clone()? };
    Some(LastMessage {
        sender: sender.to_string(),
        subject: shown.subject.clone().unwrap_or_default(),
        content: shown.new_text.as_deref().unwrap_or_default().chars().take(SHOWN).collect(),
        message_id: shown.gmail_id.clone(),
    })
}

impl ReplyInfo {
    /// As it is shown where these are the addresses of the installation.
    fn of(shown: Recommended, own: &OwnAddresses) -> Self {
        let (last_message, to) = (last_message(&shown), shown_to(&shown, own));
        let row = shown.reply;
        let goal = row.goal_id.zip(shown.goal).map(|(id, description)| GoalShort { id, description });
        Self {
            id: row.id,
            conversation_id: row.conversation_id,
            status: row.state,
            goal,
            conversation_summary: row.summary,
            last_message,
            to,
            recommended_reply: row.text,
            alternative_replies: list(&row.alternatives),
            confidence: row.confidence,
            reason: row.reason,
            needs_human: row.needs_human,
            suspicious: row.suspicious,
            follow_up: row.step,
            engine: row.engine,
            degraded: row.degraded,
            facts_used: list(&row.facts),
            removed_links: list(&row.removed_links),
            outbox_id: row.outbox_id,
            created_at: row.created_at,
            decided_at: row.decided_at,
        }
    }
}

/// Recommend a reply
///
/// By the conversation's leading goal, its newest mails, its knowledge base and the instructions. Where nobody has written
/// yet the first mail is proposed, where nobody has answered a follow-up. It waits for a person: nothing is sent.
#[utoipa::path(post, path = "/recommended-reply/", tag = "gmail", request_body = RecommendRequest,
    responses((status = 200, body = ReplyInfo), StatusRefusals))]
pub(super) async fn recommend_reply(
    State(gmail): State<Gmail>,
    caller: Caller,
    Body(mut f): Body,
) -> BareReply<ReplyInfo> {
    let asked = Asked {
        conversation_id: f.required("conversation_id"),
        last_message_id: f.optional::<text::Line<128>>("last_message_id").map(|id| id.0),
        instructions: f.optional::<text::Lines<INSTRUCTIONS>>("custom_instructions").map(|text| text.0),
    };
    f.finish()?;
    let shown = gmail.recommend(caller.id(), asked).await?;
    let own = of_everybody(&mut gmail.db().read().await?).await?;
    bare(ReplyInfo::of(shown, &own))
}

/// List recommended replies
///
/// The queue of those that wait for a person is `status=waiting`. The newest first.
#[utoipa::path(get, path = "/recommended-reply/", tag = "gmail",
    params(("status" = Option<ReplyState>, Query, description = "In this state alone"),
        ("conversation_id" = Option<i64>, Query, description = "Of this conversation alone"),
        ("page" = Option<i64>, Query, description = "From 1", minimum = 1),
        ("page_size" = Option<i64>, Query, description = "50 unless said otherwise", minimum = 1, maximum = 100)),
    responses((status = 200, body = Listed<ReplyInfo>), StatusRefusals))]
pub(super) async fn list_recommended_replies(
    State(gmail): State<Gmail>,
    caller: Caller,
    Query(mut f): Query,
) -> BareReply<Listed<ReplyInfo>> {
    let which =
        WhichReplies { id: None, conversation: f.optional("conversation_id"), state: f.optional("status") };
    let page = query::page(&mut f);
    f.finish()?;
    let mut conn = gmail.db().read().await?;
    let (rows, count) = store::replies(&mut conn, caller.id(), which, (page.size, page.offset())).await?;
    let own = of_everybody(&mut conn).await?;
    bare(Listed { results: rows.into_iter().map(|shown| ReplyInfo::of(shown, &own)).collect(), count })
}

/// Get a recommended reply
#[utoipa::path(get, path = "/recommended-reply/{id}/", tag = "gmail",
    params(("id" = i64, Path, description = "The reply")),
    responses((status = 200, body = ReplyInfo), StatusRefusals))]
pub(super) async fn get_recommended_reply(
    State(gmail): State<Gmail>,
    caller: Caller,
    Number(id): Number,
) -> BareReply<ReplyInfo> {
    let shown = gmail.recommended(caller.id(), id).await?;
    let own = of_everybody(&mut gmail.db().read().await?).await?;
    bare(ReplyInfo::of(shown, &own))
}

/// How a reply is approved.
#[derive(ToSchema)]
#[schema(as = OutreachApproval)]
#[expect(dead_code, reason = "documents the body, which is read field by field")]
pub(super) struct ApproveRequest {
    /// Other words in its stead. Without: those of `choice`.
    #[schema(max_length = 100_000)]
    text: Option<String>,
    /// 0: the recommended reply, as without it; 1 and more: an alternative.
    #[schema(minimum = 0, example = 0)]
    choice: Option<i64>,
    /// The text of the choice as it was seen: the approval holds for exactly that text (409 otherwise).
    expected_text: Option<String>,
    /// Of a conversation's first mail; an answer has the subject of what it answers.
    #[schema(max_length = 500)]
    subject: Option<String>,
    /// So long it can still be taken back, in seconds; the installation's time unless said otherwise.
    #[schema(minimum = 0, maximum = 86400, example = 60)]
    hold_seconds: Option<i64>,
    /// Though the conversation went on.
    force: Option<bool>,
}

/// A reply that was decided.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OutreachReplyDone)]
pub(super) struct ReplyDone {
    #[schema(example = 1)]
    id: i64,
    status: ReplyState,
    /// The words that leave.
    text: String,
    /// The mail that it became.
    outbox_id: Option<String>,
    #[schema(value_type = Option<String>, format = DateTime)]
    decided_at: Option<Timestamp>,
}

impl From<ReplyRow> for ReplyDone {
    fn from(row: ReplyRow) -> Self {
        let ReplyRow { id, state, text, outbox_id, decided_at, .. } = row;
        Self { id, status: state, text, outbox_id, decided_at }
    }
}

/// Approve a recommended reply
///
/// It is sent once however often this is called. 409 where the conversation went on since (`force` sends it all the same),
/// where it was rejected, and where `expected_text` is not its text.
#[utoipa::path(post, path = "/recommended-reply/{id}/approve/", tag = "gmail", request_body = ApproveRequest,
    params(("id" = i64, Path, description = "The reply")),
    responses((status = 200, body = ReplyDone), StatusRefusals))]
pub(super) async fn approve_reply(
    State(gmail): State<Gmail>,
    caller: Caller,
    Number(id): Number,
    OptionalBody(mut f): OptionalBody,
) -> BareReply<ReplyDone> {
    let text = f.optional::<text::Lines<LONGEST>>("text").map(|text| text.0);
    let choice = f.optional::<i64>("choice").map(usize::try_from);
    let expected_text = f.optional::<text::Opaque<LONGEST>>("expected_text").map(|text| text.0);
    let subject = f.optional::<text::Line<500>>("subject").map(|text| text.0);
    let hold = f.optional::<i64>("hold_seconds").map(|n| u64::try_from(n).map(Duration::from_secs));
    let force = f.optional("force").unwrap_or(false);
    if matches!(choice, Some(Err(_))) {
        f.rule("choice", "must not be negative");
    }
    if matches!(hold, Some(Err(_))) || matches!(hold, Some(Ok(hold)) if hold > LONGEST_HOLD) {
        f.rule("hold_seconds", format!("must be from 0 to {}", LONGEST_HOLD.as_secs()));
    }
    f.finish()?;
    let (choice, hold) = (choice.and_then(Result::ok), hold.and_then(Result::ok));
    let how = Approval { text, choice, expected_text, subject, hold, force };
    bare(gmail.approve(caller.id(), id, how).await?.into())
}

/// Reject a recommended reply
#[utoipa::path(post, path = "/recommended-reply/{id}/reject/", tag = "gmail",
    params(("id" = i64, Path, description = "The reply")),
    responses((status = 200, body = ReplyDone), StatusRefusals))]
pub(super) async fn reject_reply(
    State(gmail): State<Gmail>,
    caller: Caller,
    Number(id): Number,
) -> BareReply<ReplyDone> {
    bare(gmail.reject(caller.id(), id).await?.into())
}
