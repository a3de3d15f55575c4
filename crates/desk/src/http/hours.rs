//! `GET /desk/hours`

use axum::extract::State;
use httpkit::{DeskEnvelope, DeskReply, Refusals, desk_ok};
use kernel::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{Desk, auth::Agent, store};

/// Whether people answer.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct HoursInfo {
    open: bool,
    /// Of the business hours; null where there are none and people always answer.
    zone: Option<String>,
    /// When people answer next; null while they do, and if not within the next 400 days.
    #[schema(value_type = Option<String>, format = DateTime)]
    opens_at: Option<Timestamp>,
    /// Until when people answer; null while they do not, and if not within the next 8 days.
    #[schema(value_type = Option<String>, format = DateTime)]
    closes_at: Option<Timestamp>,
}

/// Say whether people answer now
#[utoipa::path(get, path = "/desk/hours", tag = "desk",
    responses((status = 200, body = DeskEnvelope<HoursInfo>), Refusals))]
pub(super) async fn hours_now(State(desk): State<Desk>, _: Agent) -> DeskReply<HoursInfo> {
    let now = desk.clock().now();
    let settings = store::settings(&mut desk.db().read().await?).await?;
    let Some(hours) = settings.hours else {
        return desk_ok(HoursInfo { open: true, zone: None, opens_at: None, closes_at: None });
    };
    let open = hours.is_open(now);
    desk_ok(HoursInfo {
        open,
        opens_at: hours.next_opening(now).filter(|_| !open),
        closes_at: hours.next_closing(now),
        zone: Some(hours.zone),
    })
}
