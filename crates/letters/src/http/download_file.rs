//! `GET /files/{fileId}` and `GET /files/{fileId}/thumbnail`

use accounts::{Caller, MaybeCaller};
use axum::{extract::State, http::HeaderMap, response::Response};
use httpkit::{
    Failure, PathId, Query, Refusals,
    download::{Download, NO_STORE, PRIVATE, serve},
    text,
};
use kernel::Problem;

use crate::{
    Letters,
    seal::{self, Ticket},
    store::{self, FileRow},
    view::mailboxes,
    work::thumbnail_key,
};

/// Get a file
///
/// For whoever uploaded it and whoever may see a letter that has it; a file of an encrypted letter for whoever
/// has the URL that `unlock` answered. Takes byte ranges.
#[utoipa::path(get, path = "/files/{fileId}", tag = "letters", security((), ("bearer" = [])),
    params(("fileId" = String, Path, description = "`attach_…`"),
        ("ticket" = Option<String>, Query, description = "From `unlock`; for a file of an encrypted letter")),
    responses((status = 200, description = "The file", content_type = "*/*", body = Vec<u8>),
        (status = 206, description = "A range of it", content_type = "*/*", body = Vec<u8>),
        (status = 304, description = "Unchanged"), (status = 416, description = "No such range"), Refusals))]
pub(super) async fn get_file(
    State(letters): State<Letters>,
    MaybeCaller(caller): MaybeCaller,
    PathId(id): PathId,
    query: Query,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let (file, ticket) = readable(&letters, caller.as_ref(), &id, query).await?;
    let download = Download {
        key: file.object(),
        mime: &file.mime,
        etag: &file.sha256,
        cache: if ticket.is_some() { NO_STORE } else { PRIVATE },
        save_as: Some(ticket.as_ref().map_or(&file.name, |ticket| &ticket.name)),
        secret: ticket.as_ref().map(|ticket| seal::whole(&ticket.key)),
    };
    serve(&letters.0.blobs, &headers, download).await
}

/// Get a file's thumbnail
///
/// For whoever may get the file. It holds no metadata of the original.
#[utoipa::path(get, path = "/files/{fileId}/thumbnail", tag = "letters", security((), ("bearer" = [])),
    params(("fileId" = String, Path, description = "`attach_…`"),
        ("ticket" = Option<String>, Query, description = "From `unlock`; for a file of an encrypted letter")),
    responses((status = 200, description = "The image", content_type = "image/*", body = Vec<u8>),
        (status = 206, description = "A range of it", content_type = "image/*", body = Vec<u8>),
        (status = 304, description = "Unchanged"), (status = 416, description = "No such range"), Refusals))]
pub(super) async fn get_thumbnail(
    State(letters): State<Letters>,
    MaybeCaller(caller): MaybeCaller,
    PathId(id): PathId,
    query: Query,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let (file, ticket) = readable(&letters, caller.as_ref(), &id, query).await?;
    let mime = file.thumbnail_mime.as_ref().ok_or_else(|| Problem::not_found("thumbnail"))?;
    let etag = format!("{}-t", file.sha256);
    let key = thumbnail_key(file.object());
    let download = Download {
        key: &key,
        mime,
        etag: &etag,
        cache: if ticket.is_some() { NO_STORE } else { PRIVATE },
        save_as: None,
        secret: ticket.as_ref().map(|ticket| seal::thumbnail(&ticket.key)),
    };
    serve(&letters.0.blobs, &headers, download).await
}

/// A file that this caller may have, and the ticket that opens it if it is sealed.
async fn readable(
    letters: &Letters,
    caller: Option<&Caller>,
    id: &str,
    Query(mut query): Query,
) -> Result<(FileRow, Option<Ticket>), Problem> {
    let ticket = query.optional::<text::Opaque<4096>>("ticket");
    query.finish()?;
    let mut conn = letters.db().read().await?;
    let file = store::file(&mut conn, id).await?.ok_or_else(|| Problem::not_found("file"))?;
    let now = letters.clock().now();
    let opened = ticket.as_ref().and_then(|t| Ticket::read(letters.keyring(), id, &t.0, now));
    if file.sealed_key.is_some() && opened.is_some() {
        return Ok((file, opened));
    }
    let own = caller.is_some_and(|c| c.id() == file.owner_id);
    if !own && !store::file_was_received(&mut conn, id, mailboxes(caller).collect()).await? {
        return Err(Problem::not_found("file"));
    }
    match (&file.sealed_key, ticket) {
        (None, _) => Ok((file, None)),
        (Some(_), None) => {
            Err(Problem::forbidden("this file belongs to an encrypted letter: unlock the letter"))
        }
        (Some(_), Some(_)) => {
            let text = "is not this file's, or older than 15 minutes: unlock the letter again";
            Err(Problem::forbidden("this file belongs to an encrypted letter").field("ticket", text))
        }
    }
}
