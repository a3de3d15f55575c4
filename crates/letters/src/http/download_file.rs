//! `GET /files/{fileId}` and `GET /files/{fileId}/thumbnail`

use accounts::{Caller, MaybeCaller};
use axum::{extract::State, http::HeaderMap, response::Response};
use httpkit::{
    Failure, PathId, Refusals,
    download::{Download, serve},
};
use kernel::Problem;

use crate::{
    Letters,
    store::{self, FileRow},
    view::mailboxes,
    work::thumbnail_key,
};

/// Get a file
///
/// For whoever uploaded it and whoever may see a letter that has it. Takes byte ranges.
#[utoipa::path(get, path = "/files/{fileId}", tag = "letters", security((), ("bearer" = [])),
    params(("fileId" = String, Path, description = "`attach_…`")),
    responses((status = 200, description = "The file", content_type = "*/*", body = Vec<u8>),
        (status = 206, description = "A range of it", content_type = "*/*", body = Vec<u8>),
        (status = 304, description = "Unchanged"), (status = 416, description = "No such range"), Refusals))]
pub(super) async fn get_file(
    State(letters): State<Letters>,
    MaybeCaller(caller): MaybeCaller,
    PathId(id): PathId,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let file = readable(&letters, caller.as_ref(), &id).await?;
    let download = Download {
        key: &file.id,
        mime: &file.mime,
        etag: &file.sha256,
        cache: "private",
        save_as: Some(&file.name),
    };
    serve(&letters.0.blobs, &headers, download).await
}

/// Get a file's thumbnail
///
/// For whoever may get the file. It holds no metadata of the original.
#[utoipa::path(get, path = "/files/{fileId}/thumbnail", tag = "letters", security((), ("bearer" = [])),
    params(("fileId" = String, Path, description = "`attach_…`")),
    responses((status = 200, description = "The image", content_type = "image/*", body = Vec<u8>),
        (status = 206, description = "A range of it", content_type = "image/*", body = Vec<u8>),
        (status = 304, description = "Unchanged"), (status = 416, description = "No such range"), Refusals))]
pub(super) async fn get_thumbnail(
    State(letters): State<Letters>,
    MaybeCaller(caller): MaybeCaller,
    PathId(id): PathId,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let file = readable(&letters, caller.as_ref(), &id).await?;
    let mime = file.thumbnail_mime.ok_or_else(|| Problem::not_found("thumbnail"))?;
    let etag = format!("{}-t", file.sha256);
    let key = thumbnail_key(&file.id);
    let download = Download { key: &key, mime: &mime, etag: &etag, cache: "private", save_as: None };
    serve(&letters.0.blobs, &headers, download).await
}

async fn readable(letters: &Letters, caller: Option<&Caller>, id: &str) -> Result<FileRow, Problem> {
    let mut conn = letters.db().read().await?;
    let file = store::file(&mut conn, id).await?.ok_or_else(|| Problem::not_found("file"))?;
    let own = caller.is_some_and(|c| c.id() == file.owner_id);
    if own || store::file_was_received(&mut conn, id, mailboxes(caller).collect()).await? {
        return Ok(file);
    }
    Err(Problem::not_found("file"))
}
