//! `GET /decisions/`

use accounts::Caller;
use axum::extract::State;
use httpkit::{BareReply, Listed, Query, StatusRefusals, bare, text};
use kernel::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::query;
use crate::{
    Gmail,
    model::Decided,
    store::{self, ListedDecision, WhichDecisions},
};

/// What the automatic reply decided about a mail, and why.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OutreachDecision)]
pub(super) struct DecisionInfo {
    #[schema(example = "gdec_06gk2v0000w4n6q8r0t2v4x6z8")]
    id: String,
    conversation_id: i64,
    /// Gmail's id of the mail that it is about: theirs, or ours that was to be followed up.
    message_id: Option<String>,
    outcome: Decided,
    /// Which rule decided, as a code that does not change.
    #[schema(example = "machine_soft")]
    rule: String,
    #[schema(example = "a machine seems to have written it (list)")]
    reason: String,
    goal_id: Option<i64>,
    /// The recommended or automatic reply.
    reply_id: Option<i64>,
    /// The mail that was put on its way.
    outbox_id: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
}

impl From<ListedDecision> for DecisionInfo {
    fn from(row: ListedDecision) -> Self {
        let ListedDecision { id, conversation_id, gmail_id, goal_id, outcome, .. } = row;
        let ListedDecision { rule, reason, reply_id, outbox_id, at, .. } = row;
        Self {
            id,
            conversation_id,
            message_id: gmail_id,
            outcome,
            rule,
            reason,
            goal_id,
            reply_id,
            outbox_id,
            at,
        }
    }
}

/// List what the automatic reply decided
///
/// Every yes and every no, the newest first. A mail that was let through and then did not leave after all has a second
/// entry.
#[utoipa::path(get, path = "/decisions/", tag = "gmail",
    params(("conversation_id" = Option<i64>, Query, description = "Of this conversation alone"),
        ("outcome" = Option<Decided>, Query, description = "With this outcome alone"),
        ("rule" = Option<String>, Query, description = "Decided by this rule alone"),
        ("page" = Option<i64>, Query, description = "From 1", minimum = 1),
        ("page_size" = Option<i64>, Query, description = "50 unless said otherwise", minimum = 1, maximum = 100)),
    responses((status = 200, body = Listed<DecisionInfo>), StatusRefusals))]
pub(super) async fn list_decisions(
    State(gmail): State<Gmail>,
    caller: Caller,
    Query(mut f): Query,
) -> BareReply<Listed<DecisionInfo>> {
    let which = WhichDecisions {
        conversation: f.optional("conversation_id"),
        outcome: f.optional("outcome"),
        rule: f.optional::<text::Line<40>>("rule").map(|rule| rule.0),
    };
    let page = query::page(&mut f);
    f.finish()?;
    let mut conn = gmail.db().read().await?;
    let (rows, count) = store::decisions(&mut conn, caller.id(), &which, (page.size, page.offset())).await?;
    bare(Listed { results: rows.into_iter().map(DecisionInfo::from).collect(), count })
}
