//! `GET /capsules`

use accounts::{Caller, Scene};
use axum::extract::State;
use httpkit::{OkEnvelope, Refusals, Reply, ok};
use kernel::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    Letters,
    model::{Position, capsule_id, natural_glow, progress},
    store,
};

/// So many capsules are shown, the newest letters.
const MOST: i64 = 1000;

/// The caller's capsules and what they float in.
#[derive(Serialize, ToSchema)]
pub(super) struct CapsulesData {
    capsules: Vec<CapsuleView>,
    /// From the profile.
    scene: Scene,
    /// From the profile.
    background: String,
}

/// A capsule: one for each letter that the caller wrote.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct CapsuleView {
    capsule_id: String,
    mail_id: String,
    title: String,
    #[schema(value_type = Option<String>, format = DateTime)]
    send_time: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    delivery_time: Option<Timestamp>,
    /// 0 when not scheduled, 1 when delivered, between them the share of the way that has passed.
    #[schema(minimum = 0, maximum = 1)]
    progress: f64,
    /// Never changes.
    position: Position,
    style: String,
    /// As set, or growing with the progress.
    #[schema(minimum = 0, maximum = 1)]
    glow_intensity: f64,
}

/// Get the capsule view
///
/// The capsules of the caller's 1000 newest letters.
#[utoipa::path(get, path = "/capsules", tag = "letters",
    responses((status = 200, body = OkEnvelope<CapsulesData>), Refusals))]
pub(super) async fn capsules(State(letters): State<Letters>, caller: Caller) -> Reply<CapsulesData> {
    let now = letters.clock().now();
    let rows = store::capsules(&mut letters.db().read().await?, caller.id(), MOST).await?;
    let capsules = rows
        .into_iter()
        .map(|l| {
            let progress = progress(l.stored, l.scheduled_at, l.due_at(), now);
            CapsuleView {
                capsule_id: capsule_id(&l.id),
                mail_id: l.id,
                title: l.title,
                send_time: l.send_time,
                delivery_time: l.delivered_at,
                progress,
                position: Position::nth(l.ordinal),
                style: l.capsule_style,
                glow_intensity: l.glow.unwrap_or_else(|| natural_glow(progress)),
            }
        })
        .collect();
    ok(CapsulesData { capsules, scene: caller.scene, background: caller.background })
}
