//! The routes of the knowledge bases.

mod ask;
mod bases;
mod entries;
mod export;
mod import;
mod synonyms;

use utoipa_axum::{router::OpenApiRouter, routes};

use crate::Assistant;

/// All routes, relative to `/api/kb`.
pub fn router(assistant: Assistant) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(bases::list_bases, bases::create_base))
        .routes(routes!(bases::get_base, bases::update_base, bases::delete_base))
        .routes(routes!(entries::list_entries, entries::create_entry))
        .routes(routes!(entries::get_entry, entries::update_entry, entries::delete_entry))
        .routes(routes!(synonyms::get_synonyms, synonyms::set_synonyms))
        .routes(routes!(ask::ask_base))
        .routes(routes!(export::export_base))
        .merge(import::router())
        .with_state(assistant)
}
