//! The routes of the desk: seed 004's sessions, and what agents need beside them.

mod accept;
mod close;
mod get_session;
mod history;
mod list_sessions;
mod message;
mod ws_ticket;

use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{Desk, ws};

pub(crate) use message::draft;

/// All routes, relative to `/api`.
pub fn router(desk: Desk) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(list_sessions::list_sessions))
        .routes(routes!(get_session::get_session))
        .routes(routes!(history::history))
        .routes(routes!(accept::accept_session))
        .routes(routes!(message::send_message))
        .routes(routes!(close::close_session))
        .routes(routes!(ws_ticket::ws_ticket))
        .with_state(desk)
}

/// The agents' WebSocket, relative to `/`.
pub fn socket_router(desk: Desk) -> OpenApiRouter {
    OpenApiRouter::new().routes(routes!(ws::connect)).with_state(desk)
}
