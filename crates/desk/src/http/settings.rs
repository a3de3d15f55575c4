//! `GET` and `PUT /desk/settings`, `GET /desk/settings/history`

use axum::extract::State;
use httpkit::{Body, DeskEnvelope, DeskReply, Query, Refusals, desk_ok};
use kernel::{Problem, ProblemKind, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    Desk,
    auth::Agent,
    queue,
    settings::DeskSettings,
    store::{self, SettingsRow},
};

/// A version of the desk's settings.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct SettingsInfo {
    /// Grows by one with every change; 0 while nothing was changed.
    version: i64,
    /// Who changed it; null for version 0, and where authentication is off.
    changed_by: Option<String>,
    #[schema(value_type = Option<String>, format = DateTime)]
    changed_at: Option<Timestamp>,
    /// The document: `assignment`, `capacity`, `awayAfterSeconds`, `requeueAfterSeconds`, `unansweredAfterSeconds`,
    /// `closeIdleAfterSeconds`, `firstResponseSeconds`, `nextResponseSeconds`, `hours`, `closedText`, `rating`,
    /// `ratingText`.
    settings: DeskSettings,
}

impl SettingsInfo {
    fn of(row: Option<&SettingsRow>) -> db::Result<Self> {
        let Some(row) = row else {
            let settings = DeskSettings::default();
            return Ok(Self { version: 0, changed_by: None, changed_at: None, settings });
        };
        Ok(Self {
            version: row.version,
            changed_by: row.actor_id.clone(),
            changed_at: Some(row.at),
            settings: row.document()?,
        })
    }
}

/// Read the desk's settings
#[utoipa::path(get, path = "/desk/settings", tag = "desk",
    responses((status = 200, body = DeskEnvelope<SettingsInfo>), Refusals))]
pub(super) async fn get_settings(State(desk): State<Desk>, agent: Agent) -> DeskReply<SettingsInfo> {
    agent.supervising()?;
    let row = store::settings_row(&mut desk.db().read().await?).await?;
    desk_ok(SettingsInfo::of(row.as_ref())?)
}

/// A whole document and the version that it changes.
#[derive(ToSchema)]
#[expect(dead_code, reason = "documents the body, which is read field by field")]
pub(super) struct DeskSettingsRequest {
    /// That was read.
    version: i64,
    /// All of it; what is missing is as in a new desk.
    settings: DeskSettings,
}

/// Change the desk's settings
///
/// For supervisors. Puts the whole document in the place of `version`; if somebody else changed it meanwhile, 409. Every
/// version is kept with who made it.
#[utoipa::path(put, path = "/desk/settings", tag = "desk", request_body = DeskSettingsRequest,
    responses((status = 200, body = DeskEnvelope<SettingsInfo>), Refusals))]
pub(super) async fn put_settings(
    State(desk): State<Desk>,
    agent: Agent,
    Body(mut f): Body,
) -> DeskReply<SettingsInfo> {
    agent.supervising()?;
    let version: i64 = f.required("version");
    let settings = f.object("settings", DeskSettings::read);
    if settings.is_none() && !f.has("settings") {
        f.bad("settings", "is required");
    }
    f.finish()?;
    let settings = settings.unwrap_or_default();
    let now = desk.clock().now();
    let mut tx = desk.db().begin().await?;
    if !store::put_settings(&mut tx, version, &settings, agent.id.as_deref(), now).await? {
        let newest = store::settings_row(&mut tx).await?.map_or(0, |row| row.version);
        let problem = Problem::new(ProblemKind::Conflict, "the settings were changed meanwhile");
        return Err(problem.field("version", format!("is {newest} now")).into());
    }
    let next = format!("version {}", version.saturating_add(1));
    store::note(&mut tx, &agent.actor(None), "settings.changed", "settings", Some(&next), now).await?;
    queue::offer(&mut tx, "", now).await?;
    let row = store::settings_row(&mut tx).await?;
    tx.commit().await?;
    desk_ok(SettingsInfo::of(row.as_ref())?)
}

/// List who changed the settings
///
/// The newest first, at most 100; `before` (a version) reads on.
#[utoipa::path(get, path = "/desk/settings/history", tag = "desk",
    params(("before" = Option<i64>, Query, description = "Only older versions", minimum = 1)),
    responses((status = 200, body = DeskEnvelope<Vec<SettingsInfo>>), Refusals))]
pub(super) async fn settings_history(
    State(desk): State<Desk>,
    agent: Agent,
    mut query: Query,
) -> DeskReply<Vec<SettingsInfo>> {
    agent.supervising()?;
    let before = query.0.optional::<i64>("before").unwrap_or(i64::MAX);
    query.0.finish()?;
    let rows = store::older_settings(&mut desk.db().read().await?, before, 100).await?;
    let infos: db::Result<Vec<_>> = rows.iter().map(|row| SettingsInfo::of(Some(row))).collect();
    desk_ok(infos?)
}
