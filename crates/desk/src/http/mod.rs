//! The routes of the desk: seed 004's sessions, and what agents need beside them.

mod accept;
mod close;
mod get_session;
mod handback;
mod history;
mod list_sessions;
mod message;
mod suggest;
mod summary;
mod takeover;
mod turns;

use utoipa_axum::{router::OpenApiRouter, routes};

use crate::Desk;

/// All routes, relative to `/api`.
pub fn router(desk: Desk) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(list_sessions::list_sessions))
        .routes(routes!(get_session::get_session))
        .routes(routes!(history::history))
        .routes(routes!(accept::accept_session))
        .routes(routes!(message::send_message))
        .routes(routes!(close::close_session))
        .routes(routes!(handback::hand_back_session))
        .routes(routes!(takeover::take_over_session))
        .routes(routes!(suggest::suggest))
        .routes(routes!(summary::summary))
        .routes(routes!(turns::list_turns))
        .with_state(desk)
}
