//! `/bases/{kbId}/entries` and `/entries/{entryId}`

use accounts::Caller;
use axum::extract::State;
use httpkit::{Body, Fields, OkEnvelope, PageData, PathId, Query, Refusals, Reply, ok, ok_page, text};
use kernel::{Page, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use super::super::{
    model::{ALIAS, Answer, Content, LanguageName, Patch, Question, Shorts, TAG},
    store::{self, EntryRow, Filter},
};
use crate::Assistant;

/// A new entry.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "documents the body, which is read field by field")]
pub(in crate::kb) struct CreateEntryRequest {
    /// Unlike every other question of the base, whatever the case, the spaces and the mark at the end.
    #[schema(min_length = 1, max_length = 500)]
    question: String,
    #[schema(min_length = 1, max_length = 8000)]
    answer: String,
    /// Other ways to ask: at most 20 of at most 200 characters, none with `|`.
    aliases: Option<Vec<String>>,
    /// At most 20 of at most 50 characters, none with `|`.
    tags: Option<Vec<String>>,
    /// Whether the assistant may use it; `true` if absent.
    enabled: Option<bool>,
}

/// What to change; absent fields stay.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "documents the body, which is read field by field")]
pub(in crate::kb) struct UpdateEntryRequest {
    #[schema(min_length = 1, max_length = 500)]
    question: Option<String>,
    #[schema(min_length = 1, max_length = 8000)]
    answer: Option<String>,
    /// Replaces all.
    aliases: Option<Vec<String>>,
    /// Replaces all.
    tags: Option<Vec<String>>,
    enabled: Option<bool>,
}

/// A question with its answer.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::kb) struct EntryView {
    #[schema(example = "kbe_06ew1h0x5m8ztqj4kc2v9r7p3e")]
    entry_id: String,
    kb_id: String,
    question: String,
    answer: String,
    aliases: Vec<String>,
    tags: Vec<String>,
    enabled: bool,
    /// Of question and answer.
    language: LanguageName,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

impl From<EntryRow> for EntryView {
    fn from(row: EntryRow) -> Self {
        let Content { question, answer, aliases, tags, enabled } = row.content;
        Self {
            entry_id: row.id,
            kb_id: row.base_id,
            language: LanguageName::of(&question, &answer),
            question,
            answer,
            aliases,
            tags,
            enabled,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

/// What is gone.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::kb) struct DeletedEntry {
    entry_id: String,
}

fn patch(f: &mut Fields) -> Patch {
    Patch {
        question: f.optional::<Question>("question").map(|q| q.0),
        answer: f.optional::<Answer>("answer").map(|a| a.0),
        aliases: f.optional::<Shorts<ALIAS>>("aliases").map(|list| list.0),
        tags: f.optional::<Shorts<TAG>>("tags").map(|list| list.0),
        enabled: f.optional("enabled"),
    }
}

/// List a base's entries
///
/// The newest first; a file's entries in the file's order, backwards.
#[utoipa::path(get, path = "/bases/{kbId}/entries", tag = "knowledge",
    params(
        ("kbId" = String, Path, description = "`kb_…`"),
        ("q" = Option<String>, Query, description = "Part of a question, of another way to ask it or of an answer"),
        ("tag" = Option<String>, Query, description = "Only with this tag"),
        ("enabled" = Option<bool>, Query, description = "Only those that are, or are not"),
        ("page" = Option<i64>, Query, description = "From 1, default 1", minimum = 1),
        ("size" = Option<i64>, Query, description = "1 to 100, default 10", minimum = 1, maximum = 100)),
    responses((status = 200, body = OkEnvelope<PageData<EntryView>>), Refusals))]
pub(super) async fn list_entries(
    State(assistant): State<Assistant>,
    caller: Caller,
    PathId(base): PathId,
    mut query: Query,
) -> Reply<PageData<EntryView>> {
    let page = query.page();
    let q: Option<text::Line<200>> = query.0.optional("q");
    let tag: Option<text::Line<TAG>> = query.0.optional("tag");
    let enabled = match query.0.optional::<text::Line<5>>("enabled").map(|v| v.0.parse::<bool>()) {
        Some(Err(_)) => {
            query.0.bad("enabled", "must be true or false");
            None
        }
        Some(Ok(enabled)) => Some(enabled),
        None => None,
    };
    query.0.finish()?;
    assistant.kb_base(&caller, &base).await?;
    let filter = Filter {
        base: &base,
        text: q.as_ref().map(|q| q.0.as_str()),
        tag: tag.as_ref().map(|tag| tag.0.as_str()),
        enabled,
        page,
    };
    let (rows, total) = store::entries(&mut assistant.db().read().await?, &filter).await?;
    ok_page(Page { list: rows.into_iter().map(EntryView::from).collect(), total, request: page })
}

/// Add an entry
#[utoipa::path(post, path = "/bases/{kbId}/entries", tag = "knowledge", request_body = CreateEntryRequest,
    params(("kbId" = String, Path, description = "`kb_…`")),
    responses((status = 200, body = OkEnvelope<EntryView>), Refusals))]
pub(super) async fn create_entry(
    State(assistant): State<Assistant>,
    caller: Caller,
    PathId(base): PathId,
    Body(mut f): Body,
) -> Reply<EntryView> {
    f.required::<Question>("question");
    f.required::<Answer>("answer");
    let content = patch(&mut f).onto(Content { enabled: true, ..Content::default() });
    f.finish()?;
    ok(assistant.kb_add(&caller, &base, content).await?.into())
}

/// Get an entry
#[utoipa::path(get, path = "/entries/{entryId}", tag = "knowledge",
    params(("entryId" = String, Path, description = "`kbe_…`")),
    responses((status = 200, body = OkEnvelope<EntryView>), Refusals))]
pub(super) async fn get_entry(
    State(assistant): State<Assistant>,
    caller: Caller,
    PathId(id): PathId,
) -> Reply<EntryView> {
    ok(assistant.kb_entry(&caller, &id).await?.into())
}

/// Update an entry
#[utoipa::path(put, path = "/entries/{entryId}", tag = "knowledge", request_body = UpdateEntryRequest,
    params(("entryId" = String, Path, description = "`kbe_…`")),
    responses((status = 200, body = OkEnvelope<EntryView>), Refusals))]
pub(super) async fn update_entry(
    State(assistant): State<Assistant>,
    caller: Caller,
    PathId(id): PathId,
    Body(mut f): Body,
) -> Reply<EntryView> {
    let patch = patch(&mut f);
    f.finish()?;
    ok(assistant.kb_change(&caller, &id, patch).await?.into())
}

/// Delete an entry
#[utoipa::path(delete, path = "/entries/{entryId}", tag = "knowledge",
    params(("entryId" = String, Path, description = "`kbe_…`")),
    responses((status = 200, body = OkEnvelope<DeletedEntry>), Refusals))]
pub(super) async fn delete_entry(
    State(assistant): State<Assistant>,
    caller: Caller,
    PathId(id): PathId,
) -> Reply<DeletedEntry> {
    assistant.kb_remove(&caller, &id).await?;
    ok(DeletedEntry { entry_id: id })
}
