//! `GET` and `POST /desk/webhooks`, `PATCH` and `DELETE /desk/webhooks/{webhookId}`, `POST …/secret`

use axum::extract::State;
use httpkit::{Body, DeskEnvelope, DeskReply, Fields, PathId, Refusals, desk_ok, text};
use kernel::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    Desk,
    auth::Agent,
    model::Event,
    store::{self, webhooks::WebhookRow},
    webhooks::{Change, WithSecret},
};

/// A webhook.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct WebhookInfo {
    /// `hook_…`
    webhook_id: String,
    name: String,
    url: String,
    events: Vec<Event>,
    enabled: bool,
    /// Why the desk disabled it.
    disabled_reason: Option<String>,
    /// Since when no event arrived although some were due.
    #[schema(value_type = Option<String>, format = DateTime)]
    failing_since: Option<Timestamp>,
    /// How many deliveries it had.
    last_seq: i64,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

impl From<WebhookRow> for WebhookInfo {
    fn from(row: WebhookRow) -> Self {
        Self {
            webhook_id: row.id,
            name: row.name,
            url: row.url,
            // What is stored was written from these.
            events: serde_json::from_str(&row.events).unwrap_or_default(),
            enabled: row.enabled,
            disabled_reason: row.disabled_reason,
            failing_since: row.failing_since,
            last_seq: row.last_seq,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

/// A webhook with its secret.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct WebhookWithSecret {
    #[serde(flatten)]
    webhook: WebhookInfo,
    /// Shown this once. Messages are signed with it as Standard Webhooks has it.
    #[schema(example = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=")]
    secret: String,
}

impl From<WithSecret> for WebhookWithSecret {
    fn from(new: WithSecret) -> Self {
        Self { webhook: new.row.into(), secret: new.secret }
    }
}

/// A webhook to be made.
#[derive(ToSchema)]
#[expect(dead_code, reason = "documents the body, which is read field by field")]
pub(super) struct NewWebhookRequest {
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    /// `https`, on port 443 of a public address, unless the server's operator allows more.
    #[schema(example = "https://crm.example.com/hooks/desk", max_length = 2048)]
    url: String,
    /// At least one.
    #[schema(min_items = 1)]
    events: Vec<Event>,
}

/// What is to be changed.
#[derive(ToSchema)]
#[expect(dead_code, reason = "documents the body, which is read field by field")]
pub(super) struct WebhookChanges {
    #[schema(min_length = 1, max_length = 100)]
    name: Option<String>,
    #[schema(max_length = 2048)]
    url: Option<String>,
    #[schema(min_items = 1)]
    events: Option<Vec<Event>>,
    /// Enabling it forgets its failures; what happened meanwhile was not for it.
    enabled: Option<bool>,
}

fn read(f: &mut Fields, desk: &Desk) -> Change {
    let name = f.optional::<text::Line<100>>("name").map(|name| name.0);
    let url = f.optional::<text::Line<2048>>("url").map(|url| url.0);
    if let Some(Err(reason)) = url.as_deref().map(|url| desk.0.config.webhooks.check(url)) {
        f.rule("url", reason);
    }
    let events: Option<Vec<Event>> = f.optional("events");
    if events.as_ref().is_some_and(Vec::is_empty) {
        f.rule("events", "must have at least one entry");
    }
    Change { name, url, events, enabled: f.optional("enabled") }
}

/// List webhooks
///
/// For supervisors. No secret is shown.
#[utoipa::path(get, path = "/desk/webhooks", tag = "desk",
    responses((status = 200, body = DeskEnvelope<Vec<WebhookInfo>>), Refusals))]
pub(super) async fn list_webhooks(State(desk): State<Desk>, agent: Agent) -> DeskReply<Vec<WebhookInfo>> {
    agent.supervising()?;
    let rows = store::webhooks::all(&mut desk.db().read().await?).await?;
    desk_ok(rows.into_iter().map(WebhookInfo::from).collect())
}

/// Create a webhook
///
/// For supervisors; at most 20. Its URL is told of these events from now on, at least once, signed with the secret.
#[utoipa::path(post, path = "/desk/webhooks", tag = "desk", request_body = NewWebhookRequest,
    responses((status = 200, body = DeskEnvelope<WebhookWithSecret>), Refusals))]
pub(super) async fn create_webhook(
    State(desk): State<Desk>,
    agent: Agent,
    Body(mut f): Body,
) -> DeskReply<WebhookWithSecret> {
    agent.supervising()?;
    let new = read(&mut f, &desk);
    for (name, is_there) in [("name", f.has("name")), ("url", f.has("url")), ("events", f.has("events"))] {
        if !is_there {
            f.bad(name, "is required");
        }
    }
    f.finish()?;
    let (name, url) = (new.name.unwrap_or_default(), new.url.unwrap_or_default());
    let made = desk.create_webhook(&agent, name, url, &new.events.unwrap_or_default()).await?;
    desk_ok(made.into())
}

/// Change a webhook
///
/// For supervisors. What waits for it goes to the new URL.
#[utoipa::path(patch, path = "/desk/webhooks/{webhookId}", tag = "desk", request_body = WebhookChanges,
    params(("webhookId" = String, Path, description = "`hook_…`")),
    responses((status = 200, body = DeskEnvelope<WebhookInfo>), Refusals))]
pub(super) async fn change_webhook(
    State(desk): State<Desk>,
    agent: Agent,
    PathId(id): PathId,
    Body(mut f): Body,
) -> DeskReply<WebhookInfo> {
    agent.supervising()?;
    let change = read(&mut f, &desk);
    f.finish()?;
    desk_ok(desk.change_webhook(&agent, &id, change).await?.into())
}

/// Give a webhook another secret
///
/// For supervisors. Attempts from now on are signed with it alone.
#[utoipa::path(post, path = "/desk/webhooks/{webhookId}/secret", tag = "desk",
    params(("webhookId" = String, Path, description = "`hook_…`")),
    responses((status = 200, body = DeskEnvelope<WebhookWithSecret>), Refusals))]
pub(super) async fn rotate_webhook(
    State(desk): State<Desk>,
    agent: Agent,
    PathId(id): PathId,
) -> DeskReply<WebhookWithSecret> {
    agent.supervising()?;
    desk_ok(desk.rotate_webhook(&agent, &id).await?.into())
}

/// The webhook is gone.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct RemovedWebhook {
    webhook_id: String,
}

/// Remove a webhook
///
/// For supervisors. What waits for it is not sent.
#[utoipa::path(delete, path = "/desk/webhooks/{webhookId}", tag = "desk",
    params(("webhookId" = String, Path, description = "`hook_…`")),
    responses((status = 200, body = DeskEnvelope<RemovedWebhook>), Refusals))]
pub(super) async fn remove_webhook(
    State(desk): State<Desk>,
    agent: Agent,
    PathId(id): PathId,
) -> DeskReply<RemovedWebhook> {
    agent.supervising()?;
    desk.remove_webhook(&agent, &id).await?;
    desk_ok(RemovedWebhook { webhook_id: id })
}
