//! The router: the slices' routes, what every server has beside them, and the OpenAPI document.

use std::time::Duration;

use axum::{
    Json, Router,
    extract::{Request, State},
    http::{StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use httpkit::{Failure, Limiter};
use kernel::{Problem, ProblemKind};
use metrics_exporter_prometheus::PrometheusHandle;
use tower_http::{
    catch_panic::CatchPanicLayer,
    cors::{Any, CorsLayer},
};
use utoipa::{
    Modify, OpenApi,
    openapi::{
        OpenApi as Document, SecurityRequirement,
        security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};
use utoipa_axum::router::OpenApiRouter;
use utoipa_swagger_ui::SwaggerUi;

use crate::{pages, system::System};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Hongyan",
        description = "Letters and time capsules that arrive in the future.\n\nEvery answer is \
            `{code, message, data}`, every refusal `{code, message, errors?}` with `code` equal to the HTTP \
            status; `errors` names every bad field at once: 400 for what is malformed, 422 for what is against \
            a rule. Times are RFC 3339; inputs may have any offset, answers are in UTC."
    ),
    tags(
        (name = "accounts", description = "Who is calling"),
        (name = "letters", description = "Letters, capsules, attachments"),
        (name = "assistant", description = "Help with writing, understanding and answering"),
        (name = "desk", description = "Customers' sessions, for agents and supervisors. Answers are \
            `{code: 0, message, data}`"),
        (name = "gmail", description = "Gmail accounts, conversations, goals, replies. Answers are bare objects, lists \
            `{results, count}`, refusals `{status: \"error\", message, errors?}`; every path is answered without its last \
            slash, too"),
        (name = "channels", description = "What customers' channels call; authenticated by what they sign"),
        (name = "knowledge", description = "Questions with their answers, for the assistant to draw from")
    ),
    components(schemas(httpkit::ErrorEnvelope, httpkit::StatusError)),
    modifiers(&Security)
)]
struct Base;

struct Security;

impl Modify for Security {
    fn modify(&self, document: &mut Document) {
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
        document
            .components
            .get_or_insert_default()
            .security_schemes
            .insert("bearer".to_owned(), SecurityScheme::Http(bearer).into());
        document.security = Some(vec![SecurityRequirement::new("bearer", Vec::<String>::new())]);
    }
}

/// Below the limits of clients, and outside of them what channels call, which come from few addresses and are
/// authenticated by their signatures.
fn slices(system: &System) -> (Router, Router, Document) {
    let routes = accounts::router(system.accounts.clone())
        .merge(letters::router(system.letters.clone()))
        .merge(assistant::router(system.assistant.clone()));
    let called = desk::callbacks(system.desk.clone()).merge(gmail::callbacks(system.gmail.clone()));
    let (callbacks, called) = called.split_for_parts();
    let (api, mut document) = OpenApiRouter::with_openapi(Base::openapi())
        .nest("/api/v1", routes)
        .nest("/api/kb", assistant::kb::router(system.assistant.clone()))
        .nest("/api", desk::router(system.desk.clone()))
        .nest("/api/gmail", gmail::router(system.gmail.clone()))
        .merge(desk::socket_router(system.desk.clone()))
        .split_for_parts();
    document.merge(called);
    (api, callbacks, document)
}

/// The OpenAPI document of a system.
#[must_use]
pub fn document(system: &System) -> Document {
    slices(system).2
}

/// Everything that a server answers.
pub fn router(system: &System, limits: bool, metrics: Option<PrometheusHandle>) -> Router {
    let (api, callbacks, document) = slices(system);
    let limiter = Limiter::new(limits, 500, Duration::from_millis(5));
    // A web app may come from another origin: what it may do hangs on the token that it sends, not on a cookie.
    let any_origin = CorsLayer::new()
        .allow_origin(Any)
        .allow_methods(Any)
        .allow_headers(Any)
        .expose_headers([header::RETRY_AFTER, header::CONTENT_RANGE, header::ETAG, assistant::ENGINE_HEADER])
        .max_age(Duration::from_secs(3600));
    let routes = api
        .layer(any_origin)
        .merge(pages::router())
        .merge(SwaggerUi::new("/docs").url("/openapi.json", document))
        .layer(middleware::from_fn_with_state(limiter, httpkit::middleware::limit));
    let routes = around(routes.merge(callbacks).merge(watching(system, metrics)));
    Router::new().fallback_service(routes).layer(middleware::map_request(last_slash))
}

/// The Gmail module's paths end in a slash (seed 000); without it they mean the same.
async fn last_slash(mut request: Request) -> Request {
    let path = request.uri().path();
    if path.starts_with("/api/gmail/") && !path.ends_with('/') {
        let mut parts = request.uri().clone().into_parts();
        let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
        parts.path_and_query = format!("{path}/{query}").parse().ok();
        if let Ok(uri) = axum::http::Uri::from_parts(parts) {
            *request.uri_mut() = uri;
        }
    }
    request
}

/// What a process answers that only delivers: how it is.
pub fn worker_router(system: &System, metrics: Option<PrometheusHandle>) -> Router {
    around(watching(system, metrics))
}

/// For those who watch over the server.
fn watching(system: &System, metrics: Option<PrometheusHandle>) -> Router {
    let health = Health { db: system.db.clone(), engine: system.engine.clone(), metrics };
    Router::new()
        .route("/health/live", get(|| async { Json(serde_json::json!({"status": "ok"})) }))
        .route("/health/ready", get(ready))
        .route("/metrics", get(metrics_text))
        .with_state(health)
}

/// What holds for every request.
fn around(routes: Router) -> Router {
    routes
        .fallback(httpkit::middleware::not_found)
        .method_not_allowed_fallback(httpkit::middleware::method_not_allowed)
        .layer(middleware::from_fn(deadline))
        .layer(CatchPanicLayer::custom(httpkit::middleware::panicked))
        .layer(middleware::from_fn(dialect))
        .layer(middleware::from_fn(httpkit::middleware::observe))
}

/// What refuses a request of the Gmail module, whoever that is, speaks as its seed does.
async fn dialect(request: Request, next: Next) -> Response {
    if request.uri().path().starts_with("/api/gmail/") {
        httpkit::refuse_in_status(request, next).await
    } else {
        next.run(request).await
    }
}

/// A handler that does not answer in time is given up; an upload may take as long as a slow line needs, the
/// assistant a little longer than the longest time that a provider may be given.
async fn deadline(request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let limit = match path {
        "/api/desk/files" => Duration::from_secs(1800),
        _ if path.starts_with("/api/v1/upload/") => Duration::from_secs(1800),
        _ if path.starts_with("/api/gmail/attachments/") => Duration::from_secs(1800),
        _ if path.starts_with("/api/v1/ai/") => assistant::LONGEST_TIMEOUT + Duration::from_secs(10),
        _ if path.starts_with("/api/gmail/conversations/summary/")
            || path.starts_with("/api/gmail/recommended-reply/") =>
        {
            assistant::LONGEST_TIMEOUT + Duration::from_secs(10)
        }
        // It waits for a mail that leaves at once for 20 s itself.
        "/api/gmail/send/" => Duration::from_secs(60),
        _ => Duration::from_secs(30),
    };
    match tokio::time::timeout(limit, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Failure(Problem::new(ProblemKind::Unavailable, "the answer took too long")).into_response(),
    }
}

#[derive(Clone)]
struct Health {
    db: db::Db,
    engine: dispatch::Engine,
    metrics: Option<PrometheusHandle>,
}

/// Those who ask whether we are ready do not wait much longer themselves.
const PING: Duration = Duration::from_secs(5);

/// 200 when requests can be served: the database answers.
async fn ready(State(health): State<Health>) -> Response {
    let ping = tokio::time::timeout(PING, health.db.ping()).await;
    match ping.unwrap_or_else(|_| Err(db::DbError::Unavailable("no answer".to_owned()))) {
        Ok(()) => Json(serde_json::json!({"status": "ready"})).into_response(),
        Err(error) => {
            tracing::warn!(%error, "not ready");
            let body = Json(serde_json::json!({"status": "unavailable", "reason": "database"}));
            (StatusCode::SERVICE_UNAVAILABLE, body).into_response()
        }
    }
}

/// Prometheus' text format.
async fn metrics_text(State(health): State<Health>) -> Response {
    let Some(metrics) = &health.metrics else {
        return Failure(Problem::not_found("path")).into_response();
    };
    if let Err(error) = health.engine.observe().await {
        tracing::warn!(%error, "the engine's gauges cannot be read");
    }
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], metrics.render()).into_response()
}
