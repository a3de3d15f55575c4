//! `/conversations/{id}/notes/` and one of them

use accounts::Caller;
use axum::{
    extract::{FromRequestParts, Path, State},
    http::request::Parts,
};
use httpkit::{BareReply, Body, Failure, Listed, Query, StatusRefusals, bare, text};
use kernel::{Problem, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Number, credentials::DoneData, query};
use crate::{
    Gmail, conversations,
    store::{self, NoteRow},
};

/// The most characters of a note.
const LONGEST: usize = 4000;

/// A note on a conversation, for its owner alone.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = GmailNote)]
pub(super) struct NoteInfo {
    #[schema(example = 1)]
    id: i64,
    conversation_id: i64,
    text: String,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

impl From<NoteRow> for NoteInfo {
    fn from(row: NoteRow) -> Self {
        let NoteRow { id, conversation_id, text, created_at, updated_at } = row;
        Self { id, conversation_id, text, created_at, updated_at }
    }
}

/// What to note.
#[derive(ToSchema)]
#[schema(as = GmailNoteRequest)]
#[expect(dead_code, reason = "documents the body, which is read field by field")]
pub(super) struct NoteRequest {
    #[schema(min_length = 1, max_length = 4000, example = "Prefers calls on Mondays")]
    text: String,
}

/// A conversation's id and a note's.
pub(super) struct Noted(i64, i64);

impl<S: Send + Sync> FromRequestParts<S> for Noted {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let ids = Path::<(i64, i64)>::from_request_parts(parts, state).await;
        ids.map(|Path((conversation, note))| Self(conversation, note)).map_err(|_| missing().into())
    }
}

fn missing() -> Problem {
    Problem::not_found("note")
}

/// List the notes on a conversation
///
/// The newest first.
#[utoipa::path(get, path = "/conversations/{id}/notes/", tag = "gmail",
    params(("id" = i64, Path, description = "The conversation"),
        ("page" = Option<i64>, Query, description = "From 1", minimum = 1),
        ("page_size" = Option<i64>, Query, description = "50 unless said otherwise", minimum = 1, maximum = 100)),
    responses((status = 200, body = Listed<NoteInfo>), StatusRefusals))]
pub(super) async fn list_gmail_notes(
    State(gmail): State<Gmail>,
    caller: Caller,
    Number(id): Number,
    Query(mut f): Query,
) -> BareReply<Listed<NoteInfo>> {
    let page = query::page(&mut f);
    f.finish()?;
    let row = gmail.conversation(caller.id(), id).await?;
    let (rows, count) = store::notes(&mut gmail.db().read().await?, row.id, page).await?;
    bare(Listed { results: rows.into_iter().map(NoteInfo::from).collect(), count })
}

/// Write a note on a conversation
///
/// Nobody but its owner sees it, and the assistant does not.
#[utoipa::path(post, path = "/conversations/{id}/notes/", tag = "gmail", request_body = NoteRequest,
    params(("id" = i64, Path, description = "The conversation")),
    responses((status = 200, body = NoteInfo), StatusRefusals))]
pub(super) async fn write_gmail_note(
    State(gmail): State<Gmail>,
    caller: Caller,
    Number(id): Number,
    Body(mut f): Body,
) -> BareReply<NoteInfo> {
    let text::Lines(text) = f.required::<text::Lines<LONGEST>>("text");
    f.finish()?;
    gmail.conversation(caller.id(), id).await?;
    let now = gmail.now();
    let mut tx = gmail.db().begin().await?;
    // Under its lock: it may be removed at this moment.
    store::lock_conversation(&mut tx, id).await?.ok_or_else(conversations::missing)?;
    let id_of_note = store::number(&mut tx, "note").await?;
    let row = NoteRow { id: id_of_note, conversation_id: id, text, created_at: now, updated_at: now };
    store::insert_note(&mut tx, &row).await?;
    tx.commit().await?;
    bare(row.into())
}

/// Change a note
#[utoipa::path(put, path = "/conversations/{id}/notes/{note_id}/", tag = "gmail", request_body = NoteRequest,
    params(("id" = i64, Path, description = "The conversation"), ("note_id" = i64, Path, description = "The note")),
    responses((status = 200, body = NoteInfo), StatusRefusals))]
pub(super) async fn change_gmail_note(
    State(gmail): State<Gmail>,
    caller: Caller,
    Noted(id, note): Noted,
    Body(mut f): Body,
) -> BareReply<NoteInfo> {
    let text::Lines(text) = f.required::<text::Lines<LONGEST>>("text");
    f.finish()?;
    gmail.conversation(caller.id(), id).await?;
    let mut tx = gmail.db().begin().await?;
    if !store::update_note(&mut tx, id, note, &text, gmail.now()).await? {
        return Err(missing().into());
    }
    let row = store::note(&mut tx, id, note).await?.ok_or_else(missing)?;
    tx.commit().await?;
    bare(row.into())
}

/// Remove a note
#[utoipa::path(delete, path = "/conversations/{id}/notes/{note_id}/", tag = "gmail",
    params(("id" = i64, Path, description = "The conversation"), ("note_id" = i64, Path, description = "The note")),
    responses((status = 200, body = DoneData), StatusRefusals))]
pub(super) async fn delete_gmail_note(
    State(gmail): State<Gmail>,
    caller: Caller,
    Noted(id, note): Noted,
) -> BareReply<DoneData> {
    gmail.conversation(caller.id(), id).await?;
    let mut tx = gmail.db().begin().await?;
    if !store::delete_note(&mut tx, id, note).await? {
        return Err(missing().into());
    }
    tx.commit().await?;
    bare(DoneData { status: "success", message: "the note is removed".to_owned() })
}
