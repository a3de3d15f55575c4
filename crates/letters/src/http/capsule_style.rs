//! `PUT /capsules/{capsuleId}/style`

use accounts::Caller;
use axum::extract::State;
use httpkit::{Body, OkEnvelope, PathId, Refusals, Reply, ok, text};
use kernel::Problem;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    Letters,
    model::{mail_id_of, natural_glow, progress},
    store,
};

/// How a capsule is to look; absent fields stay.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "documents the body, which is read field by field")]
pub(super) struct CapsuleStyleRequest {
    #[schema(example = "crystal", min_length = 1, max_length = 64)]
    style: Option<String>,
    #[schema(example = 0.8, minimum = 0, maximum = 1)]
    glow_intensity: Option<f64>,
}

/// How it looks.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct CapsuleStyle {
    capsule_id: String,
    style: String,
    glow_intensity: f64,
}

/// Update a capsule's style
#[utoipa::path(put, path = "/capsules/{capsuleId}/style", tag = "letters",
    request_body = CapsuleStyleRequest,
    params(("capsuleId" = String, Path, description = "`capsule_…`")),
    responses((status = 200, body = OkEnvelope<CapsuleStyle>), Refusals))]
pub(super) async fn update_capsule_style(
    State(letters): State<Letters>,
    caller: Caller,
    PathId(id): PathId,
    Body(mut f): Body,
) -> Reply<CapsuleStyle> {
    let style = f.optional::<text::Line<64>>("style").map(|t| t.0);
    let glow: Option<f64> = f.optional("glowIntensity");
    if !f.has("style") && !f.has("glowIntensity") {
        f.bad("style", "style or glowIntensity is required");
    }
    if glow.is_some_and(|g| !(0.0..=1.0).contains(&g)) {
        f.rule("glowIntensity", "must be from 0 to 1");
    }
    f.finish()?;
    let not_found = || Problem::not_found("capsule");
    let mail = mail_id_of(&id).ok_or_else(not_found)?;
    let now = letters.clock().now();
    let mut tx = letters.db().begin().await?;
    let letter = store::lock(&mut tx, &mail, caller.id()).await?.ok_or_else(not_found)?;
    store::set_style(&mut tx, &mail, style.as_deref(), glow, now).await?;
    tx.commit().await?;
    let due_at = letter.due_at();
    let natural = || natural_glow(progress(letter.stored, letter.scheduled_at, due_at, now));
    ok(CapsuleStyle {
        capsule_id: id,
        style: style.unwrap_or(letter.capsule_style),
        glow_intensity: glow.or(letter.glow).unwrap_or_else(natural),
    })
}
