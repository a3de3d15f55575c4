//! The routes of letters: seeds 001, 002 §2, §3, §5.1, §5.2, §6.1, 003, and `public`, `unlock`,
//! `deliveries`, `events`, `triggers`, `hooks`, `recipient`, `report`, `unsubscribe`,
//! `user/blocks`, `admin`.

mod blocks;
mod capsule_style;
mod capsules;
mod create_hook;
mod create_mail;
mod delete_hook;
mod delete_mail;
mod deliveries;
mod download_file;
mod events;
mod export_account;
mod get_mail;
mod hook_event;
mod import_account;
mod list_hooks;
mod list_mails;
mod moderation;
mod public_mails;
pub(crate) mod read;
mod recipient;
mod report_mail;
mod revoke_mail;
mod send_to_future;
mod statistics;
mod timeline;
mod trigger_event;
mod trigger_location;
mod unlock_mail;
mod unsubscribe;
mod update_mail;
mod upload_attachment;

use utoipa_axum::{router::OpenApiRouter, routes};

use crate::Letters;

/// All routes, relative to `/api/v1`.
pub fn router(letters: Letters) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(list_mails::list_mails, create_mail::create_capsule_mail))
        .routes(routes!(public_mails::public_mails))
        .routes(routes!(create_mail::create_future_mail))
        .routes(routes!(send_to_future::send_to_future))
        .routes(routes!(get_mail::get_mail, update_mail::update_mail, delete_mail::delete_mail))
        .routes(routes!(revoke_mail::revoke_mail))
        .routes(routes!(unlock_mail::unlock_mail))
        .routes(routes!(deliveries::deliveries))
        .routes(routes!(recipient::set_recipient))
        .routes(routes!(report_mail::report_mail))
        .routes(routes!(unsubscribe::get_refusal, unsubscribe::unsubscribe, unsubscribe::change_refusal))
        .routes(routes!(unsubscribe::report_by_link))
        .routes(routes!(blocks::get_blocks, blocks::block, blocks::set_letter_emails))
        .routes(routes!(blocks::unblock))
        .routes(routes!(moderation::list_reports))
        .routes(routes!(moderation::take_down))
        .routes(routes!(moderation::restore))
        .routes(routes!(moderation::dismiss))
        .routes(routes!(capsules::capsules))
        .routes(routes!(capsule_style::update_capsule_style))
        .routes(routes!(download_file::get_file))
        .routes(routes!(download_file::get_thumbnail))
        .routes(routes!(events::events))
        .routes(routes!(trigger_location::report_location))
        .routes(routes!(trigger_event::report_event))
        .routes(routes!(create_hook::create_hook, list_hooks::list_hooks))
        .routes(routes!(delete_hook::delete_hook))
        .routes(routes!(hook_event::hook_event))
        .routes(routes!(timeline::timeline))
        .routes(routes!(statistics::statistics))
        .routes(routes!(export_account::export_account))
        .merge(import_account::router())
        .merge(upload_attachment::router())
        .with_state(letters)
}
