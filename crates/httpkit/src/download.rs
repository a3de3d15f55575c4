//! Downloads: a stored file, or the range of it that was asked for (RFC 9110 §14).

use std::ops::Range;

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::Response,
};
use blobs::{BlobError, Blobs, RangeOutcome, Secret, parse_range};
use kernel::{Problem, ProblemKind, seal::Chunks};

use crate::{Failure, upload::storage};

/// How a file is served.
pub struct Download<'a> {
    /// Its key.
    pub key: &'a str,
    /// Its type.
    pub mime: &'a str,
    /// A stable tag of its bytes, without quotes.
    pub etag: &'a str,
    /// `Cache-Control`: [`PRIVATE`] for what needs a token, [`PUBLIC`] for what does not, [`NO_STORE`] for what is
    /// sealed.
    pub cache: &'static str,
    /// Offered as this name; shown in place if `None`.
    pub save_as: Option<&'a str>,
    /// What opens it, if it is sealed.
    pub secret: Option<Secret>,
}

/// One day, in the caller's own cache.
pub const PRIVATE: &str = "private, max-age=86400";
/// One day, in any cache.
pub const PUBLIC: &str = "public, max-age=86400";
/// In no cache at all.
pub const NO_STORE: &str = "no-store";

/// Answers a GET with the file.
///
/// # Errors
/// 404 if it is gone, 416 if there is no such range.
pub async fn serve(blobs: &Blobs, headers: &HeaderMap, file: Download<'_>) -> Result<Response, Failure> {
    let total = size(blobs, &file).await?;
    let etag = format!("\"{}\"", file.etag);
    let mut response = Response::builder()
        .header(header::ETAG, &etag)
        .header(header::ACCEPT_RANGES, "bytes")
        .header(header::CACHE_CONTROL, file.cache)
        // A file is a file: whatever a browser makes of it, it runs nothing.
        .header(header::CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox");
    let asked = |name| headers.get(name).and_then(|v: &HeaderValue| v.to_str().ok());
    if asked(header::IF_NONE_MATCH).is_some_and(|tags| matches(tags, &etag)) {
        return build(response.status(StatusCode::NOT_MODIFIED), Body::empty());
    }
    let current = asked(header::IF_RANGE).is_none_or(|tag| tag.trim() == etag);
    let outcome = match asked(header::RANGE).filter(|_| current) {
        Some(range) => parse_range(range, total),
        None => RangeOutcome::Full,
    };
    let range = match outcome {
        RangeOutcome::Full => None,
        RangeOutcome::Partial(range) => Some(range),
        RangeOutcome::Unsatisfiable => {
            let text = format!("the file has {total} bytes");
            return Err(Problem::new(ProblemKind::RangeNotSatisfiable, text).into());
        }
    };
    let (length, body) = body(blobs, &file, range.clone()).await?;
    response = response.header(header::CONTENT_TYPE, file.mime).header(header::CONTENT_LENGTH, length);
    if let Some(name) = file.save_as {
        response = response.header(header::CONTENT_DISPOSITION, disposition(name));
    }
    if let Some(range) = range {
        let text = format!("bytes {}-{}/{total}", range.start, range.end.saturating_sub(1));
        response = response.status(StatusCode::PARTIAL_CONTENT).header(header::CONTENT_RANGE, text);
    }
    build(response, body)
}

/// How many bytes there are to be had.
async fn size(blobs: &Blobs, file: &Download<'_>) -> Result<u64, Problem> {
    let size = blobs.size(file.key).await.map_err(|e| storage(&e))?;
    let size = size.ok_or_else(|| Problem::not_found("file"))?;
    if file.secret.is_none() {
        return Ok(size);
    }
    Chunks::plain_len(size).ok_or_else(|| storage(&BlobError::Damaged))
}

/// The bytes, and how many they are.
async fn body(blobs: &Blobs, file: &Download<'_>, range: Option<Range<u64>>) -> Result<(u64, Body), Problem> {
    let (range, body) = match &file.secret {
        None => {
            let object = blobs.read(file.key, range).await.map_err(|e| storage(&e))?;
            object.map(|o| (o.range, Body::from_stream(o.body)))
        }
        Some(secret) => {
            let opened = blobs.read_sealed(file.key, secret.clone(), range).await;
            opened.map_err(|e| storage(&e))?.map(|o| (o.range, Body::from_stream(o.body)))
        }
    }
    .ok_or_else(|| Problem::not_found("file"))?;
    Ok((range.end - range.start, body))
}

/// `If-None-Match`: weakly compared, since a proxy that compresses weakens tags (RFC 9110 §13.1.2).
fn matches(tags: &str, etag: &str) -> bool {
    let same = |tag: &str| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag;
    tags.split(',').any(|tag| same(tag.trim()))
}

fn build(builder: axum::http::response::Builder, body: Body) -> Result<Response, Failure> {
    builder.body(body).map_err(|error| {
        tracing::error!(%error, "an answer cannot be built");
        Problem::internal().into()
    })
}

/// RFC 6266 with RFC 8187's encoding, which takes any name.
fn disposition(name: &str) -> String {
    format!("inline; {}", file_name(name))
}

/// `Content-Disposition` of a file that is to be saved under this name and never shown in place.
#[must_use]
pub fn saved_as(name: &str) -> String {
    format!("attachment; {}", file_name(name))
}

fn file_name(name: &str) -> String {
    let encoded = percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC);
    format!("filename*=UTF-8''{encoded}")
}
