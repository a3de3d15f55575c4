//! `POST /desk/files` and `GET /desk/files/{fileId}`

use axum::{
    extract::{FromRequestParts as _, Request, State},
    http::{HeaderMap, HeaderValue, header},
    response::Response,
};
use httpkit::{
    DeskEnvelope, DeskReply, Failure, PathId, Query, Refusals, Upload, desk_ok,
    download::{Download, PRIVATE, serve},
    text,
    upload::storage,
};
use kernel::Problem;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    Desk,
    auth::Agent,
    channel::MAX_FILE,
    ops::may_see,
    store::{
        self,
        files::{self, FileRow},
    },
};

/// So many bytes an agent may upload without sending them.
const MOST_UNSENT: i64 = 200 * 1024 * 1024;

/// A file for a message.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct FileInfo {
    /// `file_…`
    file_id: String,
    name: String,
    /// By its bytes.
    mime_type: String,
    size: i64,
    url: String,
}

/// The form.
#[derive(ToSchema)]
#[expect(dead_code, reason = "documents the form, which is read field by field")]
pub(super) struct UploadForm {
    /// At most 20 MiB.
    #[schema(value_type = String, format = Binary)]
    file: Vec<u8>,
}

/// Upload a file for a message
///
/// At most 20 MiB. What it is follows from its bytes. `POST /sessions/{sessionId}/message` sends it; what was not sent
/// within a day is forgotten. 422 with `errors.file` while files of 200 MiB wait to be sent.
#[utoipa::path(post, path = "/desk/files", tag = "desk",
    request_body(content = UploadForm, content_type = "multipart/form-data"),
    responses((status = 200, body = DeskEnvelope<FileInfo>), Refusals))]
pub(super) async fn upload_desk_file(
    State(desk): State<Desk>,
    agent: Agent,
    request: Request,
) -> DeskReply<FileInfo> {
    let blobs = &desk.0.channels.blobs;
    let form = Upload::read_up_to(request, blobs, MAX_FILE, MAX_FILE).await?;
    let file = form.file.ok_or_else(|| Problem::bad_request("file", "is required"))?;
    let writer = file.writer.ok_or_else(|| Problem::rule("file", "is larger than 20 MiB"))?;
    if writer.size() == 0 {
        return Err(Problem::rule("file", "is empty").into());
    }
    let now = desk.clock().now();
    let mut row = FileRow {
        id: kernel::id::new("file", now),
        session_id: String::new(),
        owner_id: agent.id,
        name: file.name,
        mime: writer.sniff().mime.to_owned(),
        size: i64::try_from(writer.size()).unwrap_or(i64::MAX),
        sha256: String::new(),
        created_at: now,
    };
    reserve(&desk, &row).await?;
    let stored = writer.finish(&row.id).await.map_err(|error| storage(&error))?;
    (row.mime, row.sha256) = (stored.media.mime.to_owned(), stored.sha256);
    let mut tx = desk.db().begin().await?;
    if !files::complete(&mut tx, &row).await? {
        blobs.delete(&row.id).await.map_err(|error| storage(&error))?;
        return Err(Problem::rule("file", "took longer than a day").into());
    }
    tx.commit().await?;
    desk_ok(FileInfo {
        url: format!("/api/desk/files/{}", row.id),
        file_id: row.id,
        name: row.name,
        mime_type: row.mime,
        size: row.size,
    })
}

/// Stores the row of a file before its bytes, so that none are there without one: whatever fails after this, the upkeep
/// removes both.
async fn reserve(desk: &Desk, row: &FileRow) -> Result<(), Problem> {
    let mut tx = desk.db().begin().await?;
    files::insert(&mut tx, row).await?;
    if files::unsent(&mut tx, row.owner_id.as_deref()).await? > MOST_UNSENT {
        let reason = "is too much: files of 200 MiB wait to be sent, which are forgotten after a day";
        return Err(Problem::rule("file", reason));
    }
    tx.commit().await?;
    Ok(())
}

/// Get a file of a message
///
/// For whoever may see its session, whoever uploaded it, and, for an hour, whoever has the address that a bridge was
/// given. Takes byte ranges.
#[utoipa::path(get, path = "/desk/files/{fileId}", tag = "desk", security((), ("bearer" = [])),
    params(("fileId" = String, Path, description = "`file_…`"),
        ("until" = Option<i64>, Query, description = "Of a bridge's address"),
        ("tag" = Option<String>, Query, description = "Of a bridge's address")),
    responses((status = 200, description = "The file", content_type = "*/*", body = Vec<u8>),
        (status = 206, description = "A range of it", content_type = "*/*", body = Vec<u8>),
        (status = 304, description = "Unchanged"), (status = 416, description = "No such range"), Refusals))]
pub(super) async fn get_desk_file(
    State(desk): State<Desk>,
    PathId(id): PathId,
    mut query: Query,
    request: Request,
) -> Result<Response, Failure> {
    let until = query.0.optional::<i64>("until");
    let tag = query.0.optional::<text::Line<64>>("tag");
    query.0.finish()?;
    let file = files::file(&mut desk.db().read().await?, &id).await?;
    let missing = || Problem::not_found("file");
    let signed = until.zip(tag.as_ref()).is_some_and(|(until, tag)| desk.is_signed(&id, until, &tag.0));
    let (mut parts, _) = request.into_parts();
    if !signed {
        let agent = Agent::from_request_parts(&mut parts, &desk).await?;
        let file = file.as_ref().ok_or_else(missing)?;
        let session = store::session(&mut desk.db().read().await?, &file.session_id).await?;
        let own = file.owner_id.is_some() && file.owner_id == agent.id;
        if !own && !agent.supervisor && !session.is_some_and(|row| may_see(&agent, &row)) {
            return Err(missing().into());
        }
    }
    let file = file.ok_or_else(missing)?;
    answer(&desk, &parts.headers, &file).await
}

async fn answer(desk: &Desk, headers: &HeaderMap, file: &FileRow) -> Result<Response, Failure> {
    let download = Download {
        key: &file.id,
        mime: &file.mime,
        etag: &file.sha256,
        cache: PRIVATE,
        save_as: Some(&file.name),
        secret: None,
    };
    let mut response = serve(&desk.0.channels.blobs, headers, download).await?;
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    Ok(response)
}
