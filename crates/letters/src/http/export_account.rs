//! `POST /user/export`

use accounts::Caller;
use axum::{body::Body, extract::State, http::header, response::Response};
use blobs::body_of;
use httpkit::{Failure, OptionalBody, Refusals, text, upload::storage};
use kernel::Problem;
use utoipa::ToSchema;

use crate::Letters;

/// What to include. The body may also be empty.
#[derive(ToSchema)]
#[expect(dead_code, reason = "documents the body, which is read field by field")]
pub(super) struct ExportRequest {
    /// The caller's own account password: includes, in the open, what is in encrypted letters that are
    /// `readableBy` the server.
    password: Option<String>,
}

/// Export the account
///
/// A zip archive of all letters that the caller wrote or received, with their files. Six at once, then one
/// each ten minutes, imports included.
#[utoipa::path(post, path = "/user/export", tag = "letters", request_body = Option<ExportRequest>,
    responses((status = 200, description = "The archive", content_type = "application/zip", body = Vec<u8>),
        Refusals))]
pub(super) async fn export_account(
    State(letters): State<Letters>,
    caller: Caller,
    OptionalBody(mut f): OptionalBody,
) -> Result<Response, Failure> {
    let password = f.optional::<text::Opaque<1024>>("password").map(|t| t.0);
    f.finish()?;
    letters.0.archives.check(caller.id())?;
    let file = Box::pin(letters.export_account(&caller, password)).await?;
    let (size, body) = body_of(file).await.map_err(|e| storage(&e))?;
    let name = format!("attachment; filename=\"hongyan-{}.zip\"", letters.clock().now().date());
    let response = Response::builder()
        .header(header::CONTENT_TYPE, "application/zip")
        .header(header::CONTENT_LENGTH, size)
        .header(header::CONTENT_DISPOSITION, name)
        .header(header::CACHE_CONTROL, "no-store")
        .body(Body::from_stream(body));
    response.map_err(|error| {
        tracing::error!(%error, "an answer cannot be built");
        Problem::internal().into()
    })
}
