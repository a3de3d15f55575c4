//! The routes of the desk: seed 004's sessions, and what agents need beside them.

mod accept;
mod accounts;
mod agents;
mod assign;
mod audit;
mod callback_log;
mod callbacks;
mod canned;
mod close;
mod files;
mod get_session;
mod handback;
mod history;
mod hours;
mod labels;
mod list_sessions;
mod message;
mod notes;
mod priority;
mod release;
mod reports;
mod retry;
mod search;
mod settings;
mod suggest;
mod summary;
mod takeover;
mod transfer;
mod turns;
mod webhook_deliveries;
mod webhooks;
mod whisper;
mod ws_ticket;

use axum::http::HeaderMap;
use kernel::Problem;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{Desk, ws};

pub use callbacks::callbacks;
pub(crate) use message::draft;

/// The longest note, in characters.
const MAX_NOTE: usize = 2000;
/// The longest idempotency key.
const MAX_KEY: usize = 128;

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
        .routes(routes!(retry::retry_message))
        .routes(routes!(retry::list_failed))
        .routes(routes!(files::upload_desk_file))
        .routes(routes!(files::get_desk_file))
        .routes(routes!(accounts::list_accounts, accounts::create_account))
        .routes(routes!(accounts::update_account, accounts::delete_account))
        .routes(routes!(callback_log::list_callbacks))
        .routes(routes!(callback_log::replay_callback))
        .routes(routes!(transfer::transfer_session))
        .routes(routes!(release::release_session))
        .routes(routes!(handback::hand_back_session))
        .routes(routes!(takeover::take_over_session))
        .routes(routes!(notes::write_note))
        .routes(routes!(labels::label_session))
        .routes(routes!(labels::list_labels))
        .routes(routes!(priority::prioritise_session))
        .routes(routes!(canned::list_canned, canned::add_canned))
        .routes(routes!(canned::change_canned, canned::remove_canned))
        .routes(routes!(canned::render_canned))
        .routes(routes!(agents::list_agents))
        .routes(routes!(agents::set_state))
        .routes(routes!(agents::set_capacity))
        .routes(routes!(search::search_messages))
        .routes(routes!(hours::hours_now))
        .routes(routes!(settings::get_settings, settings::put_settings))
        .routes(routes!(settings::settings_history))
        .routes(routes!(suggest::suggest))
        .routes(routes!(summary::summary))
        .routes(routes!(turns::list_turns))
        .routes(routes!(ws_ticket::ws_ticket))
        .with_state(desk)
}

/// The caller's own id of what they send, so that it is sent once.
fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    let text = value.to_str().ok().filter(|t| (1..=MAX_KEY).contains(&t.len()));
    let problem = || Problem::bad_request("Idempotency-Key", "must be 1 to 128 visible ASCII characters");
    Ok(Some(text.ok_or_else(problem)?.to_owned()))
}

/// The agents' WebSocket, relative to `/`.
pub fn socket_router(desk: Desk) -> OpenApiRouter {
    OpenApiRouter::new().routes(routes!(ws::connect)).with_state(desk)
}
