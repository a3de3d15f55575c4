//! The routes of outreach: seed 000, and what it leaves out. Answers are bare objects ([`httpkit::Bare`]); every path ends
//! in a slash, and is answered without it, too.

mod attachments;
mod behaviour;
mod callback;
mod complete;
mod conversations;
mod credentials;
mod decisions;
mod goals;
mod initiate;
mod mark;
mod messages;
mod notes;
mod notifications;
mod outbox;
mod page;
mod query;
mod recommended;
mod search;
mod send;
mod skipped;
mod summary;
mod suppressions;
mod unsubscribe;
mod uploads;
mod webhook;

use axum::{
    extract::{FromRequestParts, Path},
    http::request::Parts,
};
use httpkit::Failure;
use kernel::Problem;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::Gmail;

pub use webhook::callbacks;

/// The id in a path: an integer. Anything else is the id of nothing.
pub(crate) struct Number(pub(crate) i64);

impl<S: Send + Sync> FromRequestParts<S> for Number {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let id = Path::<i64>::from_request_parts(parts, state).await;
        id.map(|Path(id)| Self(id)).map_err(|_| Problem::not_found("path").into())
    }
}

/// All routes, relative to `/api/gmail`.
pub fn router(gmail: Gmail) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(initiate::initiate_oauth))
        .routes(routes!(complete::complete_oauth))
        .routes(routes!(callback::oauth_callback))
        .routes(routes!(credentials::list_credentials))
        .routes(routes!(credentials::delete_credential))
        .routes(routes!(credentials::set_default_credential))
        .routes(routes!(behaviour::patch_credential))
        .routes(routes!(send::send_mail))
        .routes(routes!(outbox::list_outbox))
        .routes(routes!(outbox::get_outbox))
        .routes(routes!(outbox::cancel_outbox))
        .routes(routes!(outbox::retry_outbox))
        .routes(routes!(suppressions::list_mail_suppressions))
        .routes(routes!(suppressions::add_mail_suppression))
        .routes(routes!(suppressions::delete_mail_suppression))
        .routes(routes!(unsubscribe::ask_outreach_unsubscribe))
        .routes(routes!(unsubscribe::outreach_unsubscribe))
        .routes(routes!(uploads::delete_mail_attachment))
        .merge(uploads::router())
        .routes(routes!(conversations::create_conversation, conversations::list_conversations))
        .routes(routes!(conversations::get_conversation))
        .routes(routes!(conversations::change_conversation))
        .routes(routes!(conversations::delete_conversation))
        .routes(routes!(mark::mark_conversation))
        .routes(routes!(summary::get_summary))
        .routes(routes!(messages::list_messages))
        .routes(routes!(messages::get_message))
        .routes(routes!(messages::list_threads))
        .routes(routes!(notes::list_gmail_notes, notes::write_gmail_note))
        .routes(routes!(notes::change_gmail_note, notes::delete_gmail_note))
        .routes(routes!(search::search_gmail))
        .routes(routes!(attachments::list_attachments))
        .routes(routes!(attachments::download_attachment))
        .routes(routes!(credentials::sync_credential))
        .routes(routes!(skipped::list_skipped_mails))
        .routes(routes!(notifications::set_up_notifications))
        .routes(routes!(notifications::stop_notifications))
        .routes(routes!(goals::list_goals, goals::create_goal))
        .routes(routes!(goals::get_goal, goals::change_goal, goals::delete_goal))
        .routes(routes!(recommended::list_recommended_replies, recommended::recommend_reply))
        .routes(routes!(recommended::get_recommended_reply))
        .routes(routes!(recommended::approve_reply))
        .routes(routes!(recommended::reject_reply))
        .routes(routes!(decisions::list_decisions))
        .with_state(gmail)
}
