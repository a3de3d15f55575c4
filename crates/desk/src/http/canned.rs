//! `/desk/canned`: answers that are ready.

use axum::extract::State;
use httpkit::{Body, DeskEnvelope, DeskReply, Fields, OptionalBody, PathId, Refusals, desk_ok, text};
use kernel::{Problem, ProblemKind, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    Desk,
    auth::Agent,
    store::{self, CannedRow},
};

/// The most answers that one agent, or the whole desk, keeps.
const MOST: i64 = 500;
/// The longest content, in characters.
const MAX: usize = 4000;
/// The owner of what is everybody's.
const SHARED: &str = "";

/// A ready answer.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct CannedInfo {
    /// `canned_…`
    id: String,
    /// What an agent types to find it.
    shortcut: String,
    /// `{customerName}` and `{agentName}` are filled in.
    content: String,
    /// Whether it is everybody's.
    shared: bool,
    /// How often it was used.
    uses: i64,
    #[schema(value_type = Option<String>, format = DateTime)]
    last_used_at: Option<Timestamp>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

impl From<CannedRow> for CannedInfo {
    fn from(row: CannedRow) -> Self {
        Self {
            shared: row.owner_id == SHARED,
            id: row.id,
            shortcut: row.shortcut,
            content: row.content,
            uses: row.uses,
            last_used_at: row.used_at,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

/// A ready answer's words.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "documents the body, which is read field by field")]
pub(super) struct CannedRequest {
    /// Unique among one's own, and among the shared ones.
    #[schema(min_length = 1, max_length = 32)]
    shortcut: String,
    /// May hold `{customerName}` and `{agentName}`.
    #[schema(min_length = 1, max_length = 4000)]
    content: String,
    /// Whether it is everybody's; for supervisors, and only when it is made.
    #[schema(default = false)]
    shared: Option<bool>,
}

fn words(f: &mut Fields) -> (String, String) {
    let text::Line(shortcut) = f.required::<text::Line<32>>("shortcut");
    let text::Lines(content) = f.required::<text::Lines<MAX>>("content");
    (shortcut, content)
}

fn taken() -> Problem {
    Problem::new(ProblemKind::Conflict, "there is an answer under this shortcut")
        .field("shortcut", "is taken")
}

fn missing() -> Problem {
    Problem::not_found("answer")
}

/// Whose answers an agent has beside the shared ones. Without authentication there are only those.
fn own(agent: &Agent) -> &str {
    agent.id.as_deref().unwrap_or(SHARED)
}

/// An answer that this agent may use.
async fn usable(desk: &Desk, agent: &Agent, id: &str) -> Result<CannedRow, Problem> {
    let row = store::canned(&mut desk.db().read().await?, id).await?;
    row.filter(|row| row.owner_id == SHARED || row.owner_id == own(agent)).ok_or_else(missing)
}

/// An answer that this agent may change.
async fn changeable(desk: &Desk, agent: &Agent, id: &str) -> Result<CannedRow, Problem> {
    let row = usable(desk, agent, id).await?;
    if row.owner_id == SHARED {
        agent.supervising()?;
    }
    Ok(row)
}

/// List the ready answers
///
/// One's own and the shared ones, the most used first.
#[utoipa::path(get, path = "/desk/canned", tag = "desk",
    responses((status = 200, body = DeskEnvelope<Vec<CannedInfo>>), Refusals))]
pub(super) async fn list_canned(State(desk): State<Desk>, agent: Agent) -> DeskReply<Vec<CannedInfo>> {
    let rows = store::canned_of(&mut desk.db().read().await?, own(&agent), 2 * MOST).await?;
    desk_ok(rows.into_iter().map(CannedInfo::from).collect())
}

/// Add a ready answer
///
/// For oneself; by a supervisor also for all.
#[utoipa::path(post, path = "/desk/canned", tag = "desk", request_body = CannedRequest,
    responses((status = 200, body = DeskEnvelope<CannedInfo>), Refusals))]
pub(super) async fn add_canned(
    State(desk): State<Desk>,
    agent: Agent,
    Body(mut f): Body,
) -> DeskReply<CannedInfo> {
    let (shortcut, content) = words(&mut f);
    let shared = f.optional("shared").unwrap_or(false);
    f.finish()?;
    if shared {
        agent.supervising()?;
    }
    let owner = if shared { SHARED } else { own(&agent) };
    let mut tx = desk.db().begin().await?;
    if store::canned_count(&mut tx, owner).await? >= MOST {
        let text = format!("there are {MOST} answers already");
        return Err(Problem::rule("shared", text).into());
    }
    let now = desk.clock().now();
    let row = store::add_canned(&mut tx, owner, &shortcut, &content, now).await?;
    let row = row.ok_or_else(taken)?;
    store::note(&mut tx, &agent.actor(None), "canned.created", &row.id, None, now).await?;
    tx.commit().await?;
    desk_ok(row.into())
}

/// Change a ready answer
///
/// One's own; a shared one is changed by supervisors.
#[utoipa::path(put, path = "/desk/canned/{cannedId}", tag = "desk", request_body = CannedRequest,
    params(("cannedId" = String, Path, description = "`canned_…`")),
    responses((status = 200, body = DeskEnvelope<CannedInfo>), Refusals))]
pub(super) async fn change_canned(
    State(desk): State<Desk>,
    agent: Agent,
    PathId(id): PathId,
    Body(mut f): Body,
) -> DeskReply<CannedInfo> {
    let (shortcut, content) = words(&mut f);
    f.finish()?;
    changeable(&desk, &agent, &id).await?;
    let mut tx = desk.db().begin().await?;
    let now = desk.clock().now();
    let row = store::change_canned(&mut tx, &id, &shortcut, &content, now).await?;
    let row = row.ok_or_else(taken)?;
    store::note(&mut tx, &agent.actor(None), "canned.changed", &id, None, now).await?;
    tx.commit().await?;
    desk_ok(row.into())
}

/// Remove a ready answer
#[utoipa::path(delete, path = "/desk/canned/{cannedId}", tag = "desk",
    params(("cannedId" = String, Path, description = "`canned_…`")),
    responses((status = 200, body = DeskEnvelope<CannedInfo>), Refusals))]
pub(super) async fn remove_canned(
    State(desk): State<Desk>,
    agent: Agent,
    PathId(id): PathId,
) -> DeskReply<CannedInfo> {
    let row = changeable(&desk, &agent, &id).await?;
    let mut tx = desk.db().begin().await?;
    if !store::remove_canned(&mut tx, &id).await? {
        return Err(missing().into());
    }
    store::note(&mut tx, &agent.actor(None), "canned.removed", &id, None, desk.clock().now()).await?;
    tx.commit().await?;
    desk_ok(row.into())
}

/// For which session.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "documents the body, which is read field by field")]
pub(super) struct RenderRequest {
    /// Whose customer's name is filled in.
    #[schema(max_length = 64)]
    session_id: Option<String>,
}

/// A ready answer, filled in.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Rendered {
    content: String,
}

/// Fill a ready answer in
///
/// Counts as a use. A name that is not known is left out.
#[utoipa::path(post, path = "/desk/canned/{cannedId}/render", tag = "desk", request_body = Option<RenderRequest>,
    params(("cannedId" = String, Path, description = "`canned_…`")),
    responses((status = 200, body = DeskEnvelope<Rendered>), Refusals))]
pub(super) async fn render_canned(
    State(desk): State<Desk>,
    agent: Agent,
    PathId(id): PathId,
    OptionalBody(mut f): OptionalBody,
) -> DeskReply<Rendered> {
    let session = f.optional::<text::Line<64>>("sessionId").map(|id| id.0);
    f.finish()?;
    let row = usable(&desk, &agent, &id).await?;
    let customer = match session {
        Some(session) => desk.visible(&agent, &session).await?.customer_name.unwrap_or_default(),
        None => String::new(),
    };
    let mut tx = desk.db().begin().await?;
    let people = accounts::store::people(&mut tx, agent.id.as_deref().into_iter().collect()).await?;
    let name = people.first().map_or("", |person| person.username.as_str());
    store::use_canned(&mut tx, &id, desk.clock().now()).await?;
    let content = fill(&row.content, &[("{customerName}", &customer), ("{agentName}", name)]);
    tx.commit().await?;
    desk_ok(Rendered { content })
}

/// Each variable once: what a name holds is not read again.
fn fill(template: &str, variables: &[(&str, &str)]) -> String {
    let mut out = String::new();
    let mut rest = template;
    while let Some(at) = rest.find('{') {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let known =
            variables.iter().find_map(|(name, value)| from.strip_prefix(name).map(|after| (value, after)));
        match known {
            Some((value, after)) => {
                out.push_str(value);
                rest = after;
            }
            None => {
                out.push('{');
                rest = from.strip_prefix('{').unwrap_or_default();
            }
        }
    }
    out + rest
}
