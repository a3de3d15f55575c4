//! `GET /attachments/{id}/` and `GET /attachments/{id}/download/`

use accounts::{Caller, MaybeCaller};
use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::Response,
};
use blobs::Media;
use httpkit::{
    BareReply, Failure, Listed, PathId, Query, StatusRefusals, bare,
    download::{Download, PRIVATE, saved_as, serve},
    text,
};
use kernel::{Problem, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Number, query};
use crate::{
    Gmail,
    conversations::{Place, is_raster, no_file},
    store,
};

/// A file of a conversation.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = GmailFile)]
pub(super) struct FileInfo {
    /// `gatt_…`
    #[schema(example = "gatt_06ew1h0x5m8ztqj4kc2v9r7p3e")]
    id: String,
    filename: String,
    /// In bytes.
    size: i64,
    /// As its sender says.
    #[schema(example = "application/pdf")]
    mime_type: String,
    /// Gmail's id of the mail that it came with.
    message_id: String,
    /// When Gmail took that.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// Whether the mail's HTML shows it in its place.
    inline: bool,
}

/// List the attachments of a conversation
///
/// Of what came and what was sent, those of the newest mail first.
#[utoipa::path(get, path = "/attachments/{id}/", tag = "gmail",
    params(("id" = i64, Path, description = "The conversation"),
        ("page" = Option<i64>, Query, description = "From 1", minimum = 1),
        ("page_size" = Option<i64>, Query, description = "50 unless said otherwise", minimum = 1, maximum = 100)),
    responses((status = 200, body = Listed<FileInfo>), StatusRefusals))]
pub(super) async fn list_attachments(
    State(gmail): State<Gmail>,
    caller: Caller,
    Number(id): Number,
    Query(mut f): Query,
) -> BareReply<Listed<FileInfo>> {
    let page = query::page(&mut f);
    f.finish()?;
    let row = gmail.conversation(caller.id(), id).await?;
    let (rows, count) = store::files(&mut gmail.db().read().await?, row.id, page).await?;
    let info = |row: store::FileRow| FileInfo {
        id: row.id,
        filename: row.file_name,
        size: row.size,
        mime_type: row.mime_type,
        message_id: row.gmail_id,
        created_at: row.received_at,
        inline: row.inline,
    };
    bare(Listed { results: rows.into_iter().map(info).collect(), count })
}

/// Get an attachment
///
/// Of a mail (`gatt_…`), fetched from Gmail at that moment: 404 if the mail was deleted there, 409 if the account must be
/// connected again, 503 while Gmail does not answer. Or one of one's own uploads (`gup_…`). It is to be saved, not shown;
/// `inline=1` shows an image (PNG, JPEG, GIF, WebP) in its place. The addresses of images in a message's HTML need no
/// token for an hour or two, and stay the same within an hour of the clock.
#[utoipa::path(get, path = "/attachments/{id}/download/", tag = "gmail", security((), ("bearer" = [])),
    params(("id" = String, Path, description = "`gatt_…` or `gup_…`"),
        ("inline" = Option<i64>, Query, description = "1: to be shown, if it is an image"),
        ("until" = Option<i64>, Query, description = "Of an image's address"),
        ("tag" = Option<String>, Query, description = "Of an image's address")),
    responses((status = 200, description = "The file", content_type = "*/*", body = Vec<u8>),
        (status = 206, description = "A range of it (uploads)", content_type = "*/*", body = Vec<u8>),
        (status = 304, description = "Unchanged"), (status = 416, description = "No such range"), StatusRefusals))]
pub(super) async fn download_attachment(
    State(gmail): State<Gmail>,
    MaybeCaller(caller): MaybeCaller,
    PathId(id): PathId,
    Query(mut f): Query,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let inline = query::flag(&mut f, "inline");
    let until = f.optional::<i64>("until");
    let tag = f.optional::<text::Line<64>>("tag");
    f.finish()?;
    let lasts = until.zip(tag).and_then(|(until, tag)| gmail.image_address_lasts(&id, until, &tag.0));
    let user = caller.as_ref().map(Caller::id);
    if user.is_none() && lasts.is_none() {
        return Err(Problem::unauthorized("an access token is required").into());
    }
    match user {
        Some(user) if kernel::id::is("gup", &id) => upload(&gmail, user, &id, &headers).await,
        _ if kernel::id::is("gatt", &id) => {
            let place = gmail.place(user.filter(|_| lasts.is_none()), &id).await?;
            // An address that ends is to be known no longer than it is good.
            let cache =
                lasts.map_or_else(|| PRIVATE.to_owned(), |seconds| format!("private, max-age={seconds}"));
            mailed(&gmail, &place, (inline, &cache), &headers).await
        }
        _ => Err(no_file().into()),
    }
}

/// An upload of one's own.
async fn upload(gmail: &Gmail, user: &str, id: &str, headers: &HeaderMap) -> Result<Response, Failure> {
    let file = store::uploaded(&mut gmail.db().read().await?, user, id).await?.ok_or_else(no_file)?;
    let download = Download {
        key: &file.object_key,
        mime: safe_type(&file.mime_type),
        etag: &file.id,
        cache: PRIVATE,
        save_as: None,
        secret: None,
    };
    let mut response = serve(&gmail.0.blobs, headers, download).await?;
    let disposition = HeaderValue::from_str(&saved_as(&file.file_name)).map_err(|_| Problem::internal())?;
    response.headers_mut().insert(header::CONTENT_DISPOSITION, disposition);
    Ok(response)
}

/// A file of a mail. It never changes, so that whoever has it need not fetch it again.
async fn mailed(
    gmail: &Gmail,
    place: &Place,
    (inline, cache): (bool, &str),
    headers: &HeaderMap,
) -> Result<Response, Failure> {
    let part = &place.part;
    let etag = format!("\"{}\"", part.id);
    let builder = Response::builder()
        .header(header::ETAG, &etag)
        .header(header::CACHE_CONTROL, cache)
        // Whatever a browser makes of it, it runs nothing.
        .header(header::CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox");
    let known = headers.get(header::IF_NONE_MATCH).and_then(|tags| tags.to_str().ok());
    if known.is_some_and(|tags| tags.split(',').any(|tag| tag.trim().trim_start_matches("W/") == etag)) {
        return built(builder.status(StatusCode::NOT_MODIFIED), Body::empty());
    }
    let octets = gmail.file_octets(place).await?;
    // What it is to be shown as its bytes say; its sender's word counts for what is saved.
    let found = Media::sniff(octets.get(..8192).unwrap_or(&octets)).mime;
    let builder = match inline && is_raster(&part.mime_type) && is_raster(found) {
        true => builder.header(header::CONTENT_TYPE, found).header(header::CONTENT_DISPOSITION, "inline"),
        false => builder
            .header(header::CONTENT_TYPE, safe_type(&part.mime_type))
            .header(header::CONTENT_DISPOSITION, saved_as(name(&part.file_name))),
    };
    built(builder, Body::from(octets))
}

fn name(file_name: &str) -> &str {
    if file_name.is_empty() { "attachment" } else { file_name }
}

fn built(builder: axum::http::response::Builder, body: Body) -> Result<Response, Failure> {
    builder.body(body).map_err(|error| {
        tracing::error!(%error, "an answer cannot be built");
        Problem::internal().into()
    })
}

/// The type that a file is served as: what a browser would run is nothing but bytes.
fn safe_type(claimed: &str) -> &str {
    let token =
        |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.+_".contains(&b));
    let well_formed =
        claimed.len() <= 100 && claimed.split_once('/').is_some_and(|(a, b)| token(a) && token(b));
    let lower = claimed.to_ascii_lowercase();
    let runs =
        ["html", "xml", "svg", "script", "multipart", "message"].iter().any(|word| lower.contains(word));
    if well_formed && !runs { claimed } else { "application/octet-stream" }
}

#[cfg(test)]
mod tests {
    use super::safe_type;

    #[test]
    fn what_a_browser_would_run_is_bytes() {
        for fine in ["application/pdf", "image/png", "text/plain", "text/csv"] {
            assert_eq!(safe_type(fine), fine);
        }
        for bad in [
            "text/html",
            "image/svg+xml",
            "TEXT/HTML",
            "application/xhtml+xml",
            "text/javascript",
            "",
            "a/b\r\n",
        ] {
            assert_eq!(safe_type(bad), "application/octet-stream", "{bad:?}");
        }
    }
}
