//! The routes of the desk: seed 004's sessions, and what agents need beside them.

mod accept;
mod assign;
mod audit;
mod close;
mod get_session;
mod history;
mod list_sessions;
mod message;
mod reports;
mod webhook_deliveries;
mod webhooks;
mod whisper;

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
        .routes(routes!(assign::assign_session))
        .routes(routes!(whisper::whisper))
        .routes(routes!(audit::audit))
        .routes(routes!(reports::reports))
        .routes(routes!(webhooks::list_webhooks, webhooks::create_webhook))
        .routes(routes!(webhooks::change_webhook, webhooks::remove_webhook))
        .routes(routes!(webhooks::rotate_webhook))
        .routes(routes!(webhook_deliveries::webhook_deliveries))
        .routes(routes!(webhook_deliveries::test_webhook))
        .routes(routes!(webhook_deliveries::redeliver))
        .with_state(desk)
}
