//! `POST /desk/ws-ticket`

use std::time::Duration;

use accounts::Caller;
use axum::extract::State;
use data_encoding::BASE64URL_NOPAD;
use httpkit::{DeskEnvelope, DeskReply, Refusals, desk_ok};
use kernel::{Problem, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{Desk, auth::Agent, store, ws};

/// How long a ticket is good for.
const LIFETIME: Duration = Duration::from_secs(30);

/// A ticket for `/ws/cs/{csId}`.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Ticket {
    /// Good once.
    ticket: String,
    /// Whom it lets in.
    cs_id: String,
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
}

/// Get a ticket for the WebSocket
///
/// For browsers, which cannot send a token's header with a WebSocket: `/ws/cs/{csId}?ticket=…`, once, within 30 seconds,
/// on any node.
#[utoipa::path(post, path = "/desk/ws-ticket", tag = "desk",
    responses((status = 200, body = DeskEnvelope<Ticket>), Refusals))]
pub(super) async fn ws_ticket(State(desk): State<Desk>, caller: Caller) -> DeskReply<Ticket> {
    Agent::of(&caller)?;
    let random = kernel::id::random::<24>().map_err(|error| {
        tracing::error!(%error, "no randomness");
        Problem::internal()
    })?;
    let ticket = format!("{}{}", ws::TICKET, BASE64URL_NOPAD.encode(&random));
    let expires_at = desk.clock().now() + LIFETIME;
    let mut tx = desk.db().begin().await?;
    let hash = ws::hash(&ticket);
    store::insert_ticket(&mut tx, &hash, &caller.session_id, caller.expires_at, expires_at).await?;
    tx.commit().await?;
    desk_ok(Ticket { ticket, cs_id: caller.id().to_owned(), expires_at })
}
