//! `POST /upload/avatar`, and `GET /avatars/{id}`, where anybody sees it.

use axum::{
    extract::{DefaultBodyLimit, Request, State},
    http::HeaderMap,
    response::Response,
};
use blobs::MediaClass;
use httpkit::{
    Failure, OkEnvelope, PathId, Refusals, Reply, Upload,
    download::{Download, PUBLIC, serve},
    ok,
    upload::storage,
};
use kernel::Problem;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    Accounts, Caller,
    store::{self, ProfileChange},
};

/// Where avatars are served, below the public URL.
pub const AVATARS: &str = "/api/v1/avatars/";

/// The largest avatar that is taken, in bytes.
const MAX_AVATAR: u64 = 10 * 1024 * 1024;
/// The longer edge of what is kept, in pixels.
const EDGE: u32 = 512;

pub(super) fn router() -> OpenApiRouter<Accounts> {
    OpenApiRouter::new()
        .routes(routes!(upload_avatar))
        .layer(DefaultBodyLimit::disable())
        .routes(routes!(get_avatar))
}

/// An image.
#[derive(ToSchema)]
#[expect(dead_code, reason = "documents the form, which is read as a stream")]
pub(super) struct AvatarForm {
    /// JPEG, PNG, GIF or WebP, at most 10 MiB.
    #[schema(value_type = String, format = Binary)]
    file: Vec<u8>,
}

/// Where the avatar is now.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct AvatarData {
    avatar_url: String,
}

/// Upload an avatar
///
/// The image is drawn anew, at most 512 pixels wide and high: nothing of the original but its pixels is
/// kept. It becomes the profile's avatar.
#[utoipa::path(post, path = "/upload/avatar", tag = "accounts",
    request_body(content = AvatarForm, content_type = "multipart/form-data"),
    responses((status = 200, body = OkEnvelope<AvatarData>), Refusals))]
pub(super) async fn upload_avatar(
    State(accounts): State<Accounts>,
    caller: Caller,
    request: Request,
) -> Reply<AvatarData> {
    let blobs = &accounts.0.blobs;
    let upload = Upload::read(request, blobs, MAX_AVATAR).await?;
    let file = upload.file.ok_or_else(|| Problem::bad_request("file", "is required"))?;
    let writer = file.writer.ok_or_else(|| Problem::rule("file", "is larger than 10 MiB"))?;
    if writer.sniff().class != MediaClass::Image {
        return Err(Problem::rule("file", "must be an image: JPEG, PNG, GIF or WebP").into());
    }
    let now = accounts.clock().now();
    let (original, id) = (kernel::id::new("upload", now), kernel::id::new("avatar", now));
    writer.finish(&original).await.map_err(|e| storage(&e))?;
    let drawn = blobs.make_thumbnail(&original, &id, EDGE).await;
    blobs.delete(&original).await.map_err(|e| storage(&e))?;
    drawn
        .map_err(|e| storage(&e))?
        .ok_or_else(|| Problem::rule("file", "must be an image: JPEG, PNG, GIF or WebP"))?;
    let url = format!("{}{AVATARS}{id}", accounts.config().public_url);
    let change = ProfileChange { avatar: Some(url.clone()), ..ProfileChange::default() };
    let mut tx = accounts.db().begin().await?;
    let old = store::user(&mut tx, caller.id()).await?.and_then(|user| user.avatar);
    store::update_profile(&mut tx, caller.id(), &change, now).await?;
    tx.commit().await?;
    accounts.remove_avatar(old.as_deref()).await?;
    ok(AvatarData { avatar_url: url })
}

impl Accounts {
    /// The avatar that a URL names, if it is one of ours.
    fn avatar_of<'a>(&self, url: &'a str) -> Option<&'a str> {
        let id = url.strip_prefix(&self.config().public_url)?.strip_prefix(AVATARS)?;
        kernel::id::is("avatar", id).then_some(id)
    }

    /// Whether a user whose avatar is `current` may give this URL as their avatar: any but one that somebody
    /// uploaded here, which is removed when its owner replaces it.
    ///
    /// # Errors
    /// The reason.
    pub(super) fn check_avatar(&self, url: &str, current: Option<&str>) -> Result<(), &'static str> {
        if current != Some(url) && self.avatar_of(url).is_some() {
            return Err("is not an avatar of yours; upload one");
        }
        Ok(())
    }

    /// Removes an avatar that was replaced, if it is one of ours: nothing refers to it any more.
    pub(super) async fn remove_avatar(&self, replaced: Option<&str>) -> Result<(), Problem> {
        match replaced.and_then(|url| self.avatar_of(url)) {
            Some(id) => self.0.blobs.delete(id).await.map_err(|e| storage(&e)),
            None => Ok(()),
        }
    }
}

/// Get an avatar
#[utoipa::path(get, path = "/avatars/{id}", tag = "accounts", security(()),
    params(("id" = String, Path, description = "From an avatar URL")),
    responses((status = 200, description = "The image", content_type = "image/*", body = Vec<u8>),
        (status = 206, description = "A range of it", content_type = "image/*", body = Vec<u8>),
        (status = 304, description = "Unchanged"), (status = 416, description = "No such range"), Refusals))]
pub(super) async fn get_avatar(
    State(accounts): State<Accounts>,
    PathId(id): PathId,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    if !kernel::id::is("avatar", &id) {
        return Err(Problem::not_found("avatar").into());
    }
    let mime = sniffed(&accounts, &id).await?;
    let file = Download { key: &id, mime, etag: &id, cache: PUBLIC, save_as: None, secret: None };
    serve(&accounts.0.blobs, &headers, file).await
}

/// Thumbnails are JPEG, or PNG where there is transparency; the first bytes tell.
async fn sniffed(accounts: &Accounts, id: &str) -> Result<&'static str, Failure> {
    use futures_util::StreamExt;
    let object = accounts.0.blobs.read(id, Some(0..64)).await.map_err(|e| storage(&e))?;
    let mut object = object.ok_or_else(|| Problem::not_found("avatar"))?;
    let head = object.body.next().await.transpose().map_err(|e| storage(&blobs::BlobError::Io(e)))?;
    Ok(blobs::Media::sniff(&head.unwrap_or_default()).mime)
}
