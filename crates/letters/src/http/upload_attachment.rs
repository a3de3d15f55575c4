//! `POST /upload/attachment`

use accounts::Caller;
use axum::extract::{DefaultBodyLimit, Request, State};
use httpkit::{OkEnvelope, Refusals, Reply, Upload, ok};
use kernel::Problem;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    Letters,
    attach::agrees,
    model::AttachmentType,
    view::{file_url, thumbnail_url},
};

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
    mime_type: String,
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
    let row = letters.keep_file(caller.id(), kind, name, writer).await?;
    let base = letters.public_url();
    ok(UploadedAttachment {
        file_name: row.name,
        file_size: u64::try_from(row.size).unwrap_or_default(),
        file_type: kind,
        mime_type: row.mime,
        url: file_url(base, &row.id),
        thumbnail_url: row.thumbnail_mime.map(|_| thumbnail_url(base, &row.id)),
        file_id: row.id,
    })
}
