//! `POST /upload/attachment`

use accounts::Caller;
use axum::extract::{DefaultBodyLimit, Request, State};
use blobs::{BlobError, Media, MediaClass};
use httpkit::{OkEnvelope, Refusals, Reply, Upload, ok, upload::storage};
use kernel::{Problem, time::days};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    Letters,
    model::AttachmentType,
    store::{self, FileRow},
    view::{file_url, thumbnail_url},
    work::{self, thumbnail_key},
};

/// The longer edge of a thumbnail, in pixels.
const EDGE: u32 = 320;

pub(super) fn router() -> OpenApiRouter<Letters> {
    OpenApiRouter::new().routes(routes!(upload_attachment)).layer(DefaultBodyLimit::disable())
}

/// A file and what it is.
#[derive(ToSchema)]
#[expect(dead_code, reason = "documents the form, which is read as a stream")]
pub(super) struct AttachmentForm {
    /// At most 10 MiB on the free plan, 100 MiB on the premium plan.
    #[schema(value_type = String, format = Binary)]
    file: Vec<u8>,
    r#type: AttachmentType,
}

/// The stored file.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct UploadedAttachment {
    file_id: String,
    file_name: String,
    /// In bytes.
    file_size: u64,
    file_type: AttachmentType,
    /// From the content, not from the name.
    mime_type: &'static str,
    /// For `attachments[].url`.
    url: String,
    /// Of a JPEG, PNG, GIF or WebP.
    thumbnail_url: Option<String>,
}

/// Upload an attachment
///
/// What the file is, is told from its content, which must agree with `type`. A file that no letter has after
/// a day is removed.
#[utoipa::path(post, path = "/upload/attachment", tag = "letters",
    request_body(content = AttachmentForm, content_type = "multipart/form-data"),
    responses((status = 200, body = OkEnvelope<UploadedAttachment>), Refusals))]
pub(super) async fn upload_attachment(
    State(letters): State<Letters>,
    caller: Caller,
    request: Request,
) -> Reply<UploadedAttachment> {
    let limit = caller.plan.max_attachment();
    let blobs = &letters.0.blobs;
    let Upload { mut fields, file } = Upload::read(request, blobs, limit).await?;
    let kind: AttachmentType = fields.required("type");
    let (name, writer) = match file {
        Some(file) => (file.name, file.writer),
        None => {
            fields.bad("file", "is required");
            (String::new(), None)
        }
    };
    if let Some(writer) = &writer {
        if writer.size() == 0 {
            fields.rule("file", "is empty");
        } else if !agrees(kind, &writer.sniff()) {
            fields.rule("file", format!("is {}, which is not {}", writer.sniff().mime, kind.as_str()));
        }
    } else {
        fields.rule("file", format!("is larger than {limit} bytes, the most for this plan"));
    }
    fields.finish()?;
    let writer = writer.ok_or_else(Problem::internal)?;
    let now = letters.clock().now();
    let id = kernel::id::new("attach", now);
    // Scheduled before the bytes are kept: whatever breaks off now is cleaned up then.
    let mut tx = letters.db().begin().await?;
    work::collect(&mut tx, std::slice::from_ref(&id), now + days(1), now).await?;
    tx.commit().await?;
    let stored = writer.finish(&id).await.map_err(|e| storage(&e))?;
    let thumbnail = match blobs.make_thumbnail(&id, &thumbnail_key(&id), EDGE).await {
        Ok(thumbnail) => thumbnail.map(|t| t.media.mime),
        // A picture that cannot be drawn may still be sent.
        Err(BlobError::NotAnImage(reason)) => {
            tracing::debug!(file.id = id, reason, "no thumbnail");
            None
        }
        Err(e) => return Err(storage(&e).into()),
    };
    let row = FileRow {
        id: id.clone(),
        owner_id: caller.id().to_owned(),
        name,
        kind,
        mime: stored.media.mime.to_owned(),
        size: i64::try_from(stored.size).unwrap_or(i64::MAX),
        sha256: stored.sha256,
        thumbnail_mime: thumbnail.map(str::to_owned),
        object_key: None,
        sealed_key: None,
        letter_id: None,
    };
    let mut tx = letters.db().begin().await?;
    store::insert_file(&mut tx, &row, now).await?;
    tx.commit().await?;
    let base = letters.public_url();
    ok(UploadedAttachment {
        file_name: row.name,
        file_size: stored.size,
        file_type: kind,
        mime_type: stored.media.mime,
        url: file_url(base, &id),
        thumbnail_url: thumbnail.map(|_| thumbnail_url(base, &id)),
        file_id: id,
    })
}

/// A voice recording in a container for films is still a voice recording.
fn agrees(kind: AttachmentType, media: &Media) -> bool {
    match kind {
        AttachmentType::Image => media.class == MediaClass::Image,
        AttachmentType::Video => media.class == MediaClass::Video,
        AttachmentType::Voice => {
            media.class == MediaClass::Audio || matches!(media.mime, "video/mp4" | "video/webm")
        }
    }
}
