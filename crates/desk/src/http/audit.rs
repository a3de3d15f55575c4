//! `GET /desk/audit`

use axum::extract::State;
use httpkit::{DeskEnvelope, DeskReply, Query, Refusals, desk_ok, text};
use kernel::{Problem, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    Desk,
    auth::Agent,
    store::{self, ChangeRow, Changes},
};

/// So many changes, unless told.
const DEFAULT: i64 = 100;
/// The most changes.
const MOST: i64 = 500;

/// A change, who made it, and why.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ChangeInfo {
    /// `audit_…`
    audit_id: String,
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// `agent`, `supervisor`, `ai`, `customer`, `channel` or `system`.
    actor_kind: String,
    /// A person's id.
    actor_id: Option<String>,
    /// Of a session `hand_over`, `accept`, `take_over`, `assign`, `transfer`, `requeue`, `hand_back`, `colleague` or
    /// `close`; of anything else its name, such as `webhook.created`.
    action: String,
    /// What was changed: a session's id, or another's.
    subject: String,
    reason: Option<String>,
    /// Of sessions alone.
    from_status: Option<String>,
    to_status: Option<String>,
    from_owner: Option<String>,
    to_owner: Option<String>,
}

impl From<ChangeRow> for ChangeInfo {
    fn from(row: ChangeRow) -> Self {
        Self {
            audit_id: row.id,
            at: row.at,
            actor_kind: row.actor_kind,
            actor_id: row.actor_id,
            action: row.action,
            subject: row.subject,
            reason: row.reason,
            from_status: row.from_status,
            to_status: row.to_status,
            from_owner: row.from_owner,
            to_owner: row.to_owner,
        }
    }
}

/// Read the audit log
///
/// For supervisors; the newest first. Every change of a session's state or owner, and of how the desk is set up.
/// `before` (an `auditId`) reads on.
#[utoipa::path(get, path = "/desk/audit", tag = "desk",
    params(
        ("sessionId" = Option<String>, Query, description = "Only changes of this session, or of anything else by its id"),
        ("actorId" = Option<String>, Query, description = "Only changes by this person"),
        ("from" = Option<String>, Query, description = "RFC 3339"),
        ("to" = Option<String>, Query, description = "RFC 3339, exclusive"),
        ("before" = Option<String>, Query, description = "Only changes before this one"),
        ("limit" = Option<i64>, Query, description = "1 to 500, default 100", minimum = 1, maximum = 500)),
    responses((status = 200, body = DeskEnvelope<Vec<ChangeInfo>>), Refusals))]
pub(super) async fn audit(
    State(desk): State<Desk>,
    agent: Agent,
    mut query: Query,
) -> DeskReply<Vec<ChangeInfo>> {
    agent.supervising()?;
    let f = &mut query.0;
    let mut id = |name: &str| f.optional::<text::Line<64>>(name).map(|id| id.0);
    let (subject, actor, before) = (id("sessionId"), id("actorId"), id("before"));
    let (from, to) = (f.optional::<Timestamp>("from"), f.optional::<Timestamp>("to"));
    let limit = f.optional::<i64>("limit").unwrap_or(DEFAULT);
    if !(1..=MOST).contains(&limit) {
        f.bad("limit", format!("must be a whole number from 1 to {MOST}"));
    }
    query.0.finish()?;
    let mut conn = desk.db().read().await?;
    let before = match before {
        None => None,
        Some(id) => match store::changed_at(&mut conn, &id).await? {
            Some(at) => Some((id, at)),
            None => return Err(Problem::rule("before", "is no change that is on record").into()),
        },
    };
    let changes = Changes {
        subject: subject.as_deref(),
        actor: actor.as_deref(),
        from,
        to,
        before: before.as_ref().map(|(id, at)| (id.as_str(), *at)),
        limit,
    };
    let rows = store::changes(&mut conn, &changes).await?;
    desk_ok(rows.into_iter().map(ChangeInfo::from).collect())
}
