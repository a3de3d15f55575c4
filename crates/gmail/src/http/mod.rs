//! The routes of outreach: seed 000, and what it leaves out. Answers are bare objects ([`httpkit::Bare`]); every path ends
//! in a slash, and is answered without it, too.

mod callback;
mod complete;
mod credentials;
mod decisions;
mod goals;
mod initiate;
mod query;
mod recommended;

use axum::{
    extract::{FromRequestParts, Path},
    http::request::Parts,
    middleware,
};
use httpkit::Failure;
use kernel::Problem;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::Gmail;

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
        .routes(routes!(goals::list_goals, goals::create_goal))
        .routes(routes!(goals::get_goal, goals::change_goal, goals::delete_goal))
        .routes(routes!(recommended::list_recommended_replies, recommended::recommend_reply))
        .routes(routes!(recommended::get_recommended_reply))
        .routes(routes!(recommended::approve_reply))
        .routes(routes!(recommended::reject_reply))
        .routes(routes!(decisions::list_decisions))
        .layer(middleware::from_fn(httpkit::refuse_in_status))
        .with_state(gmail)
}
