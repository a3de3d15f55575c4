//! `GET /sessions`

use axum::extract::State;
use httpkit::{DeskEnvelope, DeskReply, Query, Refusals, desk_ok, text, text_enum};

use crate::{
    Desk,
    auth::Agent,
    details::{SessionDetails, details},
    model::{ChannelType, Status},
    store::{self, Filter},
};

/// So many sessions, unless told.
const DEFAULT: i64 = 100;
/// The most sessions.
const MOST: i64 = 500;

text_enum! {
    /// Which come first.
    Order {
        /// The newest, of all.
        Newest = "newest",
        /// The next to be served, of those who wait.
        Queue = "queue",
    }
}

/// List sessions
///
/// The newest first. Agents see what is theirs and what is nobody's yet; supervisors see all. `before` (a session's
/// id) reads on. `order=queue` gives those who wait, the next first.
#[utoipa::path(get, path = "/sessions", tag = "desk",
    params(
        ("status" = inline(Option<Status>), Query),
        ("csId" = Option<String>, Query, description = "Who answers", max_length = 64),
        ("channelType" = inline(Option<ChannelType>), Query),
        ("label" = Option<String>, Query, description = "Only sessions with this label", max_length = 32),
        ("order" = inline(Option<Order>), Query),
        ("before" = Option<String>, Query, description = "Only older sessions than this", max_length = 64),
        ("limit" = Option<i64>, Query, description = "1 to 500, default 100", minimum = 1, maximum = 500)),
    responses((status = 200, body = DeskEnvelope<Vec<SessionDetails>>), Refusals))]
pub(super) async fn list_sessions(
    State(desk): State<Desk>,
    agent: Agent,
    mut query: Query,
) -> DeskReply<Vec<SessionDetails>> {
    let f = &mut query.0;
    let status: Option<Status> = f.optional("status");
    let owner: Option<text::Line<64>> = f.optional("csId");
    let channel_type: Option<ChannelType> = f.optional("channelType");
    let label: Option<text::Line<32>> = f.optional("label");
    let order: Order = f.optional("order").unwrap_or_default();
    let before: Option<text::Line<64>> = f.optional("before");
    if order == Order::Queue && before.is_some() {
        f.bad("before", "goes with order=newest alone");
    }
    let limit = f.optional::<i64>("limit").unwrap_or(DEFAULT);
    if !(1..=MOST).contains(&limit) {
        f.bad("limit", format!("must be a whole number from 1 to {MOST}"));
    }
    query.0.finish()?;
    let filter = Filter {
        status,
        owner: owner.as_ref().map(|owner| owner.0.as_str()),
        channel_type,
        seen_by: agent.id.as_deref().filter(|_| !agent.supervisor),
        label: label.as_ref().map(|label| label.0.as_str()),
        queue: order == Order::Queue,
        before: before.as_ref().map(|before| before.0.as_str()),
        limit,
    };
    let mut conn = desk.db().snapshot().await?;
    let rows = store::list(&mut conn, &filter).await?;
    desk_ok(details(&mut conn, &rows).await?)
}
