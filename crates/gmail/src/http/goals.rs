//! `/goals/` and `/goals/{id}/`

use accounts::Caller;
use axum::extract::State;
use httpkit::{BareReply, Body, Fields, Listed, Query, StatusRefusals, bare, text};
use kernel::{Problem, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Number, credentials::DoneData, query};
use crate::{
    Gmail,
    model::GoalState,
    replies::{GoalChange, NewGoal, days_of},
    store::{self, GoalRow},
};

/// The most characters of a goal, and of instructions.
const LONGEST: usize = 4000;
/// The priority of a goal for which none is given.
const USUAL_PRIORITY: i64 = 3;
/// So many follow-ups may a goal have.
const MOST_STEPS: usize = 5;

/// What somebody wants to reach in a conversation.
#[derive(ToSchema)]
#[schema(as = OutreachGoalRequest)]
#[expect(dead_code, reason = "documents the body, which is read field by field")]
pub(super) struct GoalRequest {
    #[schema(example = 1)]
    conversation_id: i64,
    #[schema(min_length = 1, max_length = 4000, example = "Agree on a video in March for at most 500 USD")]
    goal_description: String,
    /// 5 is the highest. 3 unless said otherwise.
    #[schema(minimum = 1, maximum = 5, example = 3)]
    priority: Option<i64>,
    /// Whether mails that come from now on are answered without a person. False unless said otherwise: replies are
    /// recommended, and wait for approval.
    auto_reply: Option<bool>,
    /// How to write: tone, what to offer, what not to say.
    #[schema(max_length = 4000, example = "Friendly and short. Never name a date.")]
    instructions: Option<String>,
    /// After how many days without an answer the newest mail of ours is followed up, once for each number; at most 5
    /// numbers from 1 to 90. What would be due on a Saturday or Sunday (UTC) is due on Monday.
    #[schema(max_items = 5, example = json!([3, 7]))]
    follow_up_days: Option<Vec<i64>>,
}

/// What is to be changed of a goal.
#[derive(ToSchema)]
#[schema(as = OutreachGoalPatch)]
#[expect(dead_code, reason = "documents the body, which is read field by field")]
pub(super) struct GoalPatch {
    #[schema(min_length = 1, max_length = 4000)]
    goal_description: Option<String>,
    /// 5 is the highest.
    #[schema(minimum = 1, maximum = 5)]
    priority: Option<i64>,
    /// Switched off, what waits to leave by itself is taken back.
    auto_reply: Option<bool>,
    /// Switched off, what waits to leave by itself is taken back.
    active: Option<bool>,
    /// `reached` and `failed` end what goes out by itself.
    progress: Option<GoalState>,
    /// Null: none any more.
    instructions: Option<String>,
    #[schema(max_items = 5, example = json!([3, 7]))]
    follow_up_days: Option<Vec<i64>>,
}

/// A goal.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OutreachGoal)]
pub(super) struct GoalInfo {
    #[schema(example = 1)]
    id: i64,
    conversation_id: i64,
    goal_description: String,
    /// From 1 to 5; 5 is the highest.
    priority: i64,
    auto_reply: bool,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// Whether it is worked towards. Of a conversation's active goals the one with the highest priority leads, of several
    /// the newest.
    active: bool,
    progress: GoalState,
    /// Why it stands there.
    progress_note: Option<String>,
    #[schema(value_type = Option<String>, format = DateTime)]
    reached_at: Option<Timestamp>,
    instructions: Option<String>,
    follow_up_days: Vec<i64>,
    /// Since the counterpart wrote last.
    follow_ups_sent: i64,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

impl From<GoalRow> for GoalInfo {
    fn from(row: GoalRow) -> Self {
        let follow_up_days = days_of(&row);
        Self {
            id: row.id,
            conversation_id: row.conversation_id,
            goal_description: row.goal_description,
            priority: row.priority,
            auto_reply: row.auto_reply,
            created_at: row.created_at,
            active: row.active,
            progress: row.progress,
            progress_note: row.progress_note,
            reached_at: row.reached_at,
            instructions: row.instructions,
            follow_up_days,
            follow_ups_sent: row.follow_ups_sent,
            updated_at: row.updated_at,
        }
    }
}

/// A goal that was set or changed.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OutreachGoalDone)]
pub(super) struct GoalDone {
    #[serde(flatten)]
    goal: GoalInfo,
    /// Always `success`.
    #[schema(example = "success")]
    status: &'static str,
}

impl From<GoalRow> for GoalDone {
    fn from(row: GoalRow) -> Self {
        Self { goal: row.into(), status: "success" }
    }
}

fn priority(f: &mut Fields) -> Option<i64> {
    let priority = f.optional::<i64>("priority");
    if priority.is_some_and(|n| !(1..=5).contains(&n)) {
        f.rule("priority", "must be from 1 to 5");
    }
    priority
}

fn follow_up_days(f: &mut Fields) -> Option<Vec<i64>> {
    let days = f.optional::<Vec<i64>>("follow_up_days")?;
    if days.len() > MOST_STEPS {
        f.rule("follow_up_days", format!("must have at most {MOST_STEPS} entries"));
    } else if days.iter().any(|n| !(1..=90).contains(n)) {
        f.rule("follow_up_days", "must be from 1 to 90 days each");
    }
    Some(days)
}

fn lines(f: &mut Fields, name: &str) -> Option<String> {
    f.optional::<text::Lines<LONGEST>>(name).map(|text| text.0.trim().to_owned())
}

/// Set a goal for a conversation
///
/// It is active at once. With `auto_reply` mails that come from now on are answered without a person, within the limits of
/// the installation; without, replies are recommended and wait for approval. Mails that came before are not answered because
/// of it: ask for a recommendation.
#[utoipa::path(post, path = "/goals/", tag = "gmail", request_body = GoalRequest,
    responses((status = 200, body = GoalDone), StatusRefusals))]
pub(super) async fn create_goal(
    State(gmail): State<Gmail>,
    caller: Caller,
    Body(mut f): Body,
) -> BareReply<GoalDone> {
    let new = NewGoal {
        conversation_id: f.required("conversation_id"),
        goal_description: f.required::<text::Lines<LONGEST>>("goal_description").0.trim().to_owned(),
        priority: priority(&mut f).unwrap_or(USUAL_PRIORITY),
        auto_reply: f.optional("auto_reply").unwrap_or(false),
        instructions: lines(&mut f, "instructions"),
        follow_up_days: follow_up_days(&mut f).unwrap_or_default(),
    };
    f.finish()?;
    bare(gmail.set_goal(caller.id(), new).await?.into())
}

/// List one's goals
///
/// The newest first.
#[utoipa::path(get, path = "/goals/", tag = "gmail",
    params(("conversation_id" = Option<i64>, Query, description = "Of this conversation alone"),
        ("active" = Option<bool>, Query, description = "Active ones alone, or the others"),
        ("page" = Option<i64>, Query, description = "From 1", minimum = 1),
        ("page_size" = Option<i64>, Query, description = "50 unless said otherwise", minimum = 1, maximum = 100)),
    responses((status = 200, body = Listed<GoalInfo>), StatusRefusals))]
pub(super) async fn list_goals(
    State(gmail): State<Gmail>,
    caller: Caller,
    Query(mut f): Query,
) -> BareReply<Listed<GoalInfo>> {
    let conversation = f.optional::<i64>("conversation_id");
    let active = f.has("active").then(|| query::flag(&mut f, "active"));
    let page = query::page(&mut f);
    f.finish()?;
    let mut conn = gmail.db().read().await?;
    let page = (page.size, page.offset());
    let (rows, count) = store::goals(&mut conn, caller.id(), conversation, active, page).await?;
    bare(Listed { results: rows.into_iter().map(GoalInfo::from).collect(), count })
}

/// Get a goal
#[utoipa::path(get, path = "/goals/{id}/", tag = "gmail", params(("id" = i64, Path, description = "The goal")),
    responses((status = 200, body = GoalInfo), StatusRefusals))]
pub(super) async fn get_goal(
    State(gmail): State<Gmail>,
    caller: Caller,
    Number(id): Number,
) -> BareReply<GoalInfo> {
    let row = store::goal(&mut gmail.db().read().await?, caller.id(), id).await?;
    bare(row.ok_or_else(|| Problem::not_found("goal"))?.into())
}

/// Change a goal
///
/// Fields that are absent stay as they are.
#[utoipa::path(patch, path = "/goals/{id}/", tag = "gmail", request_body = GoalPatch,
    params(("id" = i64, Path, description = "The goal")),
    responses((status = 200, body = GoalDone), StatusRefusals))]
pub(super) async fn change_goal(
    State(gmail): State<Gmail>,
    caller: Caller,
    Number(id): Number,
    Body(mut f): Body,
) -> BareReply<GoalDone> {
    let change = GoalChange {
        goal_description: lines(&mut f, "goal_description"),
        priority: priority(&mut f),
        auto_reply: f.optional("auto_reply"),
        active: f.optional("active"),
        progress: f.optional("progress"),
        instructions: f.names("instructions").then(|| lines(&mut f, "instructions")),
        follow_up_days: follow_up_days(&mut f),
    };
    f.finish()?;
    bare(gmail.change_goal(caller.id(), id, change).await?.into())
}

/// Remove a goal
///
/// What waits to leave by itself in its conversation is taken back.
#[utoipa::path(delete, path = "/goals/{id}/", tag = "gmail", params(("id" = i64, Path, description = "The goal")),
    responses((status = 200, body = DoneData), StatusRefusals))]
pub(super) async fn delete_goal(
    State(gmail): State<Gmail>,
    caller: Caller,
    Number(id): Number,
) -> BareReply<DoneData> {
    gmail.remove_goal(caller.id(), id).await?;
    bare(DoneData { status: "success", message: "the goal is removed".to_owned() })
}
