//! Knowledge bases: questions with their answers.

mod migrations;

use utoipa_axum::router::OpenApiRouter;

use crate::Assistant;

pub use migrations::MIGRATIONS;

/// All routes, relative to `/api/kb`.
pub fn router(assistant: Assistant) -> OpenApiRouter {
    OpenApiRouter::new().with_state(assistant)
}
