//! `GET` and `PUT /user/profile`

use axum::extract::State;
use httpkit::{Body, OkEnvelope, Refusals, Reply, ok, text};
use kernel::{Problem, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use super::Url;
use crate::{
    Accounts, Caller, Scene,
    ops::existing,
    store::{self, ProfileChange},
};

/// The caller's own account.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ProfileData {
    user_id: String,
    username: String,
    email: String,
    /// Whether the address was proved to be the caller's.
    email_verified: bool,
    avatar: Option<String>,
    nickname: Option<String>,
    #[schema(example = "default")]
    preferred_background: String,
    preferred_scene: Scene,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    last_login_at: Option<Timestamp>,
}

/// Get the profile
#[utoipa::path(get, path = "/user/profile", tag = "accounts",
    responses((status = 200, body = OkEnvelope<ProfileData>), Refusals))]
pub(super) async fn get_profile(State(accounts): State<Accounts>, caller: Caller) -> Reply<ProfileData> {
    ok(accounts.profile(&caller).await?)
}

impl Accounts {
    pub(super) async fn profile(&self, caller: &Caller) -> Result<ProfileData, Problem> {
        let user = existing(store::user(&mut self.db().read().await?, caller.id()).await?)?;
        Ok(ProfileData {
            user_id: user.id,
            username: user.username,
            email: user.email,
            email_verified: user.email_verified,
            avatar: user.avatar,
            nickname: user.nickname,
            preferred_background: user.preferred_background,
            preferred_scene: user.preferred_scene,
            created_at: user.created_at,
            last_login_at: user.last_login_at,
        })
    }
}

/// What to change; absent fields stay.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "documents the body, which is read field by field")]
pub(super) struct ProfileRequest {
    #[schema(max_length = 64)]
    nickname: Option<String>,
    /// An absolute http(s) URL. To keep a picture here, upload it.
    avatar: Option<String>,
    #[schema(max_length = 512)]
    preferred_background: Option<String>,
    preferred_scene: Option<Scene>,
}

/// The profile after the change.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct UpdatedProfile {
    user_id: String,
    username: String,
    email: String,
    nickname: Option<String>,
    avatar: Option<String>,
    preferred_background: String,
    preferred_scene: Scene,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

/// Update the profile
#[utoipa::path(put, path = "/user/profile", tag = "accounts", request_body = ProfileRequest,
    responses((status = 200, body = OkEnvelope<UpdatedProfile>), Refusals))]
pub(super) async fn update_profile(
    State(accounts): State<Accounts>,
    caller: Caller,
    Body(mut f): Body,
) -> Reply<UpdatedProfile> {
    let change = ProfileChange {
        nickname: f.optional::<text::Line<64>>("nickname").map(|t| t.0),
        avatar: f.optional::<Url>("avatar").map(|t| t.0),
        background: f.optional::<text::Line<512>>("preferredBackground").map(|t| t.0),
        scene: f.optional("preferredScene"),
    };
    let old = caller.person.avatar.as_deref();
    if let Some(Err(reason)) = change.avatar.as_ref().map(|new| accounts.check_avatar(new, old)) {
        f.rule("avatar", reason);
    }
    f.finish()?;
    let now = accounts.clock().now();
    let mut tx = accounts.db().begin().await?;
    store::update_profile(&mut tx, caller.id(), &change, now).await?;
    let user = existing(store::user(&mut tx, caller.id()).await?)?;
    tx.commit().await?;
    accounts.remove_avatar(old.filter(|old| user.avatar.as_deref() != Some(old))).await?;
    ok(UpdatedProfile {
        user_id: user.id,
        username: user.username,
        email: user.email,
        nickname: user.nickname,
        avatar: user.avatar,
        preferred_background: user.preferred_background,
        preferred_scene: user.preferred_scene,
        updated_at: user.updated_at,
    })
}
