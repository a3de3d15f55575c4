//! The routes of the desk: seed 004's sessions, and what agents need beside them.

mod accept;
mod accounts;
mod callback_log;
mod callbacks;
mod close;
mod files;
mod get_session;
mod history;
mod list_sessions;
mod message;
mod retry;

use utoipa_axum::{router::OpenApiRouter, routes};

use crate::Desk;

pub use callbacks::callbacks;

/// All routes, relative to `/api`.
pub fn router(desk: Desk) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(list_sessions::list_sessions))
        .routes(routes!(get_session::get_session))
        .routes(routes!(history::history))
        .routes(routes!(accept::accept_session))
        .routes(routes!(message::send_message))
        .routes(routes!(close::close_session))
        .routes(routes!(retry::retry_message))
        .routes(routes!(retry::list_failed))
        .routes(routes!(files::upload_file))
        .routes(routes!(files::get_file))
        .routes(routes!(accounts::list_accounts, accounts::create_account))
        .routes(routes!(accounts::update_account, accounts::delete_account))
        .routes(routes!(callback_log::list_callbacks))
        .routes(routes!(callback_log::replay_callback))
        .with_state(desk)
}
