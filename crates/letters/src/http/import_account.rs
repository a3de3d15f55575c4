//! `POST /user/import`

use accounts::Caller;
use axum::extract::{DefaultBodyLimit, Request, State};
use httpkit::{OkEnvelope, Refusals, Reply, Upload, ok, upload::storage};
use kernel::Problem;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    Letters,
    archive::{ImportedLetters, most_bytes},
};

pub(super) fn router() -> OpenApiRouter<Letters> {
    OpenApiRouter::new().routes(routes!(import_account)).layer(DefaultBodyLimit::disable())
}

/// An archive.
#[derive(ToSchema)]
#[expect(dead_code, reason = "documents the form, which is read as a stream")]
pub(super) struct ArchiveForm {
    /// What an export answered; at most 200 MiB on the free plan, 2000 MiB on the premium plan.
    #[schema(value_type = String, format = Binary)]
    file: Vec<u8>,
}

/// Import an archive
///
/// Everything in it is verified before the first letter is made. What was not delivered becomes a draft, what
/// was a letter to oneself at its own date. Nothing is sent, and no quota is taken. A letter that the account
/// has is not made again, so that an import that broke off may be repeated.
#[utoipa::path(post, path = "/user/import", tag = "letters",
    request_body(content = ArchiveForm, content_type = "multipart/form-data"),
    responses((status = 200, body = OkEnvelope<ImportedLetters>), Refusals))]
pub(super) async fn import_account(
    State(letters): State<Letters>,
    caller: Caller,
    request: Request,
) -> Reply<ImportedLetters> {
    letters.0.archives.check(caller.id())?;
    let most = most_bytes(caller.plan);
    let Upload { mut fields, file } = Upload::read_up_to(request, &letters.0.blobs, most, most).await?;
    let writer = match file {
        Some(file) => {
            if file.writer.is_none() {
                fields.rule("file", format!("is larger than {most} bytes, the most for this plan"));
            }
            file.writer
        }
        None => {
            fields.bad("file", "is required");
            None
        }
    };
    fields.finish()?;
    let writer = writer.ok_or_else(Problem::internal)?;
    let file = writer.into_file().await.map_err(|e| storage(&e))?;
    ok(Box::pin(letters.import_account(&caller, file)).await?)
}
