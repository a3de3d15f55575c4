//! Uploads: `multipart/form-data` with one `file`, streamed to disk as it comes, and a few text fields.

use axum::{
    body::Body,
    extract::{FromRequest, Multipart, Request, multipart::Field},
    http::{StatusCode, header},
};
use blobs::{BlobError, Blobs, Writer};
use http_body_util::Limited;
use kernel::{Problem, ProblemKind};
use serde_json::{Map, Value};

use crate::{Failure, Fields};

/// Nothing larger than this is read off the wire, in bytes.
pub const MAX_UPLOAD: u64 = 100 * 1024 * 1024;
/// What the multipart form may add to the file.
const MAX_FORM: usize = 64 * 1024;
const MAX_TEXT: usize = 1024;
const MAX_FIELDS: usize = 16;

/// What was uploaded.
pub struct Upload {
    /// The text fields.
    pub fields: Fields,
    /// The file, if there was one.
    pub file: Option<UploadedFile>,
}

/// An uploaded file that is not kept yet.
pub struct UploadedFile {
    /// The name that the caller gave it, without folders and control characters.
    pub name: String,
    /// What was written; `None` if it is larger than the limit (the rest was read and dropped, so that the
    /// caller gets to see the answer).
    pub writer: Option<Writer>,
}

impl Upload {
    /// Reads the form; the file goes to `blobs` up to `limit` bytes.
    ///
    /// # Errors
    /// 400 if it is no such form, 413 beyond [`MAX_UPLOAD`], 503 if the disk is full.
    pub async fn read(request: Request, blobs: &Blobs, limit: u64) -> Result<Self, Failure> {
        Self::read_up_to(request, blobs, limit, MAX_UPLOAD).await
    }

    /// As [`Upload::read`], with another bound than [`MAX_UPLOAD`] on what is read off the wire, in bytes.
    ///
    /// # Errors
    /// 400 if it is no such form, 413 beyond `wire`, 503 if the disk is full.
    pub async fn read_up_to(request: Request, blobs: &Blobs, limit: u64, wire: u64) -> Result<Self, Failure> {
        let most = usize::try_from(wire).unwrap_or(usize::MAX).saturating_add(MAX_FORM);
        let broken = |e| broken(&e, wire);
        let length = request.headers().get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok());
        if length.and_then(|v| v.parse::<usize>().ok()).is_some_and(|n| n > most) {
            return Err(too_large(wire));
        }
        let request = request.map(|body| Body::new(Limited::new(body, most)));
        let mut form = Multipart::from_request(request, &())
            .await
            .map_err(|_| Problem::new(ProblemKind::BadRequest, "the body must be multipart/form-data"))?;
        let (mut fields, mut file) = (Map::new(), None);
        let mut count = 0;
        while let Some(field) = form.next_field().await.map_err(broken)? {
            count += 1;
            if count > MAX_FIELDS {
                return Err(Problem::new(ProblemKind::BadRequest, "the form has too many fields").into());
            }
            match field.name().map(str::to_owned) {
                Some(name) if name == "file" && file.is_none() => {
                    file = Some(store(field, blobs, limit, wire).await?);
                }
                Some(name) => {
                    fields.insert(name, Value::String(text(field, MAX_TEXT, wire).await?));
                }
                None => {}
            }
        }
        Ok(Self { fields: Fields::new(fields), file })
    }
}

/// A JSON object as the request's body, or a form (`multipart/form-data`) whose parts, files too, are short texts.
pub struct BodyOrForm(pub Fields);

impl<S: Sync> FromRequest<S> for BodyOrForm {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        let kind = request.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok());
        if !kind.is_some_and(|kind| kind.trim_start().to_ascii_lowercase().starts_with("multipart/form-data"))
        {
            return Ok(Self(crate::Body::from_request(request, state).await?.0));
        }
        let request = request.map(|body| Body::new(Limited::new(body, 2 * MAX_FORM)));
        let wire = MAX_FORM as u64;
        let mut form = Multipart::from_request(request, &())
            .await
            .map_err(|_| Problem::new(ProblemKind::BadRequest, "the form is malformed"))?;
        let mut fields = Map::new();
        while let Some(field) = form.next_field().await.map_err(|e| broken(&e, wire))? {
            if fields.len() == MAX_FIELDS {
                return Err(Problem::new(ProblemKind::BadRequest, "the form has too many fields").into());
            }
            if let Some(name) = field.name().map(str::to_owned) {
                fields.insert(name, Value::String(text(field, MAX_FORM, wire).await?));
            }
        }
        Ok(Self(Fields::new(fields)))
    }
}

async fn store(mut field: Field<'_>, blobs: &Blobs, limit: u64, wire: u64) -> Result<UploadedFile, Failure> {
    let name = clean(field.file_name().unwrap_or_default());
    let mut writer = Some(blobs.writer(limit));
    while let Some(chunk) = field.chunk().await.map_err(|e| broken(&e, wire))? {
        if let Some(open) = &mut writer {
            match open.write(chunk).await {
                Ok(()) => {}
                Err(BlobError::TooLarge { .. }) => writer = None,
                Err(e) => return Err(storage(&e).into()),
            }
        }
    }
    Ok(UploadedFile { name, writer })
}

async fn text(mut field: Field<'_>, most: usize, wire: u64) -> Result<String, Failure> {
    let mut bytes = Vec::new();
    while let Some(chunk) = field.chunk().await.map_err(|e| broken(&e, wire))? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > most {
            return Err(Problem::new(ProblemKind::BadRequest, "a field of the form is too long").into());
        }
    }
    String::from_utf8(bytes)
        .map_err(|_| Problem::new(ProblemKind::BadRequest, "a field of the form is not UTF-8").into())
}

/// The last part of a path, on whatever system.
fn clean(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let name: String = last.chars().filter(|c| !c.is_control()).take(200).collect();
    let name = name.trim();
    if name.is_empty() { "file".to_owned() } else { name.to_owned() }
}

fn broken(e: &axum::extract::multipart::MultipartError, wire: u64) -> Failure {
    if e.status() == StatusCode::PAYLOAD_TOO_LARGE {
        return too_large(wire);
    }
    Problem::new(ProblemKind::BadRequest, "the form is malformed or broke off").into()
}

fn too_large(wire: u64) -> Failure {
    let mib = wire / (1024 * 1024);
    Problem::new(ProblemKind::TooLarge, format!("the file is larger than {mib} MiB"))
        .field("file", format!("is larger than {mib} MiB"))
        .into()
}

/// A storage error as the caller sees it; the cause goes to the log.
#[must_use]
pub fn storage(e: &BlobError) -> Problem {
    match e {
        BlobError::Full(_) => {
            tracing::error!(error = %e, "no space is left for files");
            Problem::new(ProblemKind::Unavailable, "no space is left for files")
        }
        BlobError::NotAnImage(reason) => Problem::rule("file", format!("is not a usable image: {reason}")),
        e => {
            tracing::error!(error = %e, cause = ?std::error::Error::source(e), "file storage failed");
            Problem::internal()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::clean;

    #[test]
    fn names_have_no_folders() {
        assert_eq!(clean("C:\\Users\\me\\照片.jpg"), "照片.jpg");
        assert_eq!(clean("../../etc/passwd"), "passwd");
        assert_eq!(clean("a\r\nb\0.png"), "ab.png");
        assert_eq!(clean("/"), "file");
    }
}
