//! `POST /triggers/location`

use accounts::Caller;
use axum::extract::State;
use httpkit::{Body, OkEnvelope, Refusals, Reply, ok, text};
use utoipa::ToSchema;

use super::read::degrees;
use crate::{
    Letters,
    triggers::{Fix, Reported, geo::Point},
};

/// Where the caller is.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "documents the body, which is read field by field")]
pub(super) struct LocationReport {
    /// Degrees north (WGS84).
    #[schema(minimum = -90, maximum = 90, example = 39.9163)]
    latitude: f64,
    /// Degrees east.
    #[schema(minimum = -180, maximum = 180, example = 116.3972)]
    longitude: f64,
    /// How far the position may be off, in metres. A letter whose radius is smaller does not fire.
    #[schema(minimum = 0, example = 20)]
    accuracy: Option<f64>,
    /// What the client calls the city here; without it the server's own list of cities decides.
    #[schema(example = "北京市", max_length = 100)]
    city: Option<String>,
    /// Default false; true changes nothing and tells what would fire.
    dry_run: Option<bool>,
}

/// Report where you are
///
/// Makes the LOCATION letters due that wait for this place: those that were written to the caller, and the
/// caller's own SELF and PUBLIC letters. The position is compared and forgotten.
#[utoipa::path(post, path = "/triggers/location", tag = "letters", request_body = LocationReport,
    responses((status = 200, body = OkEnvelope<Reported>), Refusals))]
pub(super) async fn report_location(
    State(letters): State<Letters>,
    caller: Caller,
    Body(mut f): Body,
) -> Reply<Reported> {
    for name in ["latitude", "longitude"] {
        if !f.has(name) {
            f.bad(name, "is required");
        }
    }
    let latitude = degrees(&mut f, "latitude", 90.0).unwrap_or_default();
    let longitude = degrees(&mut f, "longitude", 180.0).unwrap_or_default();
    let accuracy: Option<f64> = f.optional("accuracy");
    if accuracy.is_some_and(|a| a < 0.0) {
        f.rule("accuracy", "must not be negative");
    }
    let city = f.optional::<text::Line<100>>("city").map(|t| t.0);
    let dry = f.optional("dryRun").unwrap_or(false);
    f.finish()?;
    let fix = Fix { point: Point { latitude, longitude }, accuracy, city };
    ok(letters.report_position(&caller, &fix, dry).await?)
}
