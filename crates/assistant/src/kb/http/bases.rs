//! `/bases` and `/bases/{kbId}`

use accounts::Caller;
use axum::extract::State;
use httpkit::{Body, Fields, OkEnvelope, PageData, PathId, Query, Refusals, Reply, ok, ok_page, text};
use kernel::{Page, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use super::super::{
    ops::{BasePatch, is_staff},
    store::{self, BaseRow},
};
use crate::Assistant;

/// A new base.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "documents the body, which is read field by field")]
pub(in crate::kb) struct CreateBaseRequest {
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    #[schema(max_length = 1000)]
    description: Option<String>,
    /// Shared with the desk: agents, supervisors and operators read it. Only supervisors and operators may say so.
    shared: Option<bool>,
}

/// What to change; absent fields stay.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "documents the body, which is read field by field")]
pub(in crate::kb) struct UpdateBaseRequest {
    #[schema(min_length = 1, max_length = 100)]
    name: Option<String>,
    #[schema(max_length = 1000)]
    description: Option<String>,
    /// Only supervisors and operators may change it.
    shared: Option<bool>,
}

/// A knowledge base.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::kb) struct Base {
    #[schema(example = "kb_06ew1h0x5m8ztqj4kc2v9r7p3e")]
    kb_id: String,
    /// What it is called where ids are integers, as outreach has them.
    #[schema(example = 1)]
    number: i64,
    name: String,
    description: String,
    /// Whether the desk reads it, too.
    shared: bool,
    /// Whether it is the caller's own.
    own: bool,
    /// How many entries it has.
    entries: i64,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// The last change of the base or of what is in it.
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

impl Base {
    fn of(row: BaseRow, caller: &Caller) -> Self {
        Self {
            own: row.owner_id == caller.id(),
            kb_id: row.id,
            number: row.number,
            name: row.name,
            description: row.description,
            shared: row.shared,
            entries: row.entries,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

/// What is gone.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::kb) struct DeletedBase {
    kb_id: String,
}

fn patch(f: &mut Fields, name: Option<text::Line<100>>) -> BasePatch {
    // A description may be emptied.
    let description = f.optional::<text::Opaque<1000>>("description").map(|d| d.0.trim().to_owned());
    if description.as_deref().is_some_and(|d| d.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\t')))
    {
        f.rule("description", "must not contain control characters");
    }
    BasePatch { name: name.map(|name| name.0), description, shared: f.optional("shared") }
}

/// Create a knowledge base
#[utoipa::path(post, path = "/bases", tag = "knowledge", request_body = CreateBaseRequest,
    responses((status = 200, body = OkEnvelope<Base>), Refusals))]
pub(super) async fn create_base(
    State(assistant): State<Assistant>,
    caller: Caller,
    Body(mut f): Body,
) -> Reply<Base> {
    let name = Some(f.required("name"));
    let patch = patch(&mut f, name);
    f.finish()?;
    ok(Base::of(assistant.kb_create(&caller, patch).await?, &caller))
}

/// List knowledge bases
///
/// The caller's own, and to agents, supervisors and operators also those that are shared with the desk. The
/// newest first.
#[utoipa::path(get, path = "/bases", tag = "knowledge",
    params(
        ("page" = Option<i64>, Query, description = "From 1, default 1", minimum = 1),
        ("size" = Option<i64>, Query, description = "1 to 100, default 10", minimum = 1, maximum = 100)),
    responses((status = 200, body = OkEnvelope<PageData<Base>>), Refusals))]
pub(super) async fn list_bases(
    State(assistant): State<Assistant>,
    caller: Caller,
    mut query: Query,
) -> Reply<PageData<Base>> {
    let page = query.page();
    query.0.finish()?;
    let mut conn = assistant.db().read().await?;
    let (rows, total) = store::bases(&mut conn, caller.id(), is_staff(caller.role), page).await?;
    let list = rows.into_iter().map(|row| Base::of(row, &caller)).collect();
    ok_page(Page { list, total, request: page })
}

/// Get a knowledge base
#[utoipa::path(get, path = "/bases/{kbId}", tag = "knowledge",
    params(("kbId" = String, Path, description = "`kb_…`")),
    responses((status = 200, body = OkEnvelope<Base>), Refusals))]
pub(super) async fn get_base(
    State(assistant): State<Assistant>,
    caller: Caller,
    PathId(id): PathId,
) -> Reply<Base> {
    ok(Base::of(assistant.kb_base(&caller, &id).await?, &caller))
}

/// Update a knowledge base
#[utoipa::path(put, path = "/bases/{kbId}", tag = "knowledge", request_body = UpdateBaseRequest,
    params(("kbId" = String, Path, description = "`kb_…`")),
    responses((status = 200, body = OkEnvelope<Base>), Refusals))]
pub(super) async fn update_base(
    State(assistant): State<Assistant>,
    caller: Caller,
    PathId(id): PathId,
    Body(mut f): Body,
) -> Reply<Base> {
    let name = f.optional("name");
    let patch = patch(&mut f, name);
    f.finish()?;
    ok(Base::of(assistant.kb_update(&caller, &id, patch).await?, &caller))
}

/// Delete a knowledge base with its entries
#[utoipa::path(delete, path = "/bases/{kbId}", tag = "knowledge",
    params(("kbId" = String, Path, description = "`kb_…`")),
    responses((status = 200, body = OkEnvelope<DeletedBase>), Refusals))]
pub(super) async fn delete_base(
    State(assistant): State<Assistant>,
    caller: Caller,
    PathId(id): PathId,
) -> Reply<DeletedBase> {
    assistant.kb_delete(&caller, &id).await?;
    ok(DeletedBase { kb_id: id })
}
