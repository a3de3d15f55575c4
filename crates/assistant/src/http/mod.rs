//! The routes of seed 002 §4.

use utoipa_axum::router::OpenApiRouter;

use crate::Assistant;

/// All routes, relative to `/api/v1`.
pub fn router(assistant: Assistant) -> OpenApiRouter {
    OpenApiRouter::new().with_state(assistant)
}
