//! `POST /attachments/`, `DELETE /attachments/{id}/`: files to send.

use accounts::Caller;
use axum::extract::{DefaultBodyLimit, Request, State};
use httpkit::{BareReply, PathId, StatusRefusals, Upload, bare};
use kernel::{Problem, ProblemKind, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::credentials::DoneData;
use crate::{
    Gmail,
    send::{LARGEST_UPLOAD, Named},
    store::UploadRow,
};

pub(super) fn router() -> OpenApiRouter<Gmail> {
    OpenApiRouter::new().routes(routes!(upload_mail_attachment)).layer(DefaultBodyLimit::disable())
}

/// A file.
#[derive(ToSchema)]
#[expect(dead_code, reason = "documents the form, which is read as a stream")]
pub(super) struct MailUploadForm {
    /// At most 25 MiB.
    #[schema(value_type = String, format = Binary)]
    file: Vec<u8>,
}

/// A file that can be sent.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MailUpload {
    /// For `attachments` of `/send/`.
    #[schema(example = "gup_06ew1q4d3gqv5m2c8r0t7y9z1a")]
    id: String,
    filename: String,
    /// Octets.
    size: i64,
    /// From the content; where that tells nothing, from the name.
    mime_type: String,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

impl From<UploadRow> for MailUpload {
    fn from(row: UploadRow) -> Self {
        Self {
            id: row.id,
            filename: row.file_name,
            size: row.size,
            mime_type: row.mime_type,
            created_at: row.created_at,
        }
    }
}

/// Upload a file to send
///
/// It may be sent by several mails, and goes a week after it was uploaded or a mail had it last. All of a user's files
/// together have a limit of their own: 422.
#[utoipa::path(post, path = "/attachments/", tag = "gmail",
    request_body(content = MailUploadForm, content_type = "multipart/form-data"),
    responses((status = 200, body = MailUpload), StatusRefusals))]
pub(super) async fn upload_mail_attachment(
    State(gmail): State<Gmail>,
    caller: Caller,
    request: Request,
) -> BareReply<MailUpload> {
    // Before anything is read: whoever has no room left fills no disk.
    gmail.may_upload(caller.id()).await?;
    let Upload { mut fields, file } =
        Upload::read_up_to(request, &gmail.0.blobs, LARGEST_UPLOAD, LARGEST_UPLOAD).await?;
    let Some(file) = file else {
        fields.bad("file", "is required");
        fields.finish()?;
        return Err(Problem::internal().into());
    };
    let Some(writer) = file.writer else {
        let text = "is larger than 25 MiB";
        return Err(Problem::new(ProblemKind::TooLarge, format!("the file {text}"))
            .field("file", text)
            .into());
    };
    if writer.size() == 0 {
        fields.rule("file", "is empty");
    }
    fields.finish()?;
    bare(gmail.keep_upload(caller.id(), Named { name: file.name, writer }).await?.into())
}

/// Forget a file to send
///
/// 409 while a mail that has not left sends it.
#[utoipa::path(delete, path = "/attachments/{id}/", tag = "gmail",
    params(("id" = String, Path, description = "The uploaded file")),
    responses((status = 200, body = DoneData), StatusRefusals))]
pub(super) async fn delete_mail_attachment(
    State(gmail): State<Gmail>,
    caller: Caller,
    PathId(id): PathId,
) -> BareReply<DoneData> {
    gmail.drop_upload(caller.id(), &id).await?;
    bare(DoneData::new("the file is removed"))
}
