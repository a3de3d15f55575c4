//! `POST /hooks/{hookId}`

use axum::{
    extract::{Request, State},
    http::HeaderMap,
};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use httpkit::{Failure, Fields, OkEnvelope, PathId, Refusals, Reply, ok};
use kernel::{Problem, ProblemKind};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::trigger_event::happening;
use crate::{Letters, triggers::Signed};

/// The largest body, in bytes.
const MAX_BODY: usize = 64 * 1024;

/// What happened, as its sender tells it.
#[derive(ToSchema)]
#[expect(dead_code, reason = "documents the body, which is read field by field")]
pub(super) struct HookEventReport {
    /// The kind of event, compared without regard to case and width.
    #[schema(example = "graduation", max_length = 100)]
    r#type: Option<String>,
    /// What it says; keywords are looked for in it.
    #[schema(example = "Graduation ceremony today", max_length = 4000)]
    text: Option<String>,
}

/// The event was taken.
#[derive(Serialize, ToSchema)]
pub(super) struct HookEventData {
    /// How many letters it made due.
    fired: usize,
}

/// Report an event by a hook
///
/// For services; signed as Standard Webhooks has it. A message whose `webhook-id` came before is refused (409).
#[utoipa::path(post, path = "/hooks/{hookId}", tag = "letters", security(()), request_body = HookEventReport,
    params(
        ("hookId" = String, Path, description = "`hook_…`"),
        ("webhook-id" = String, Header, description = "of the message, at most 128 characters"),
        ("webhook-timestamp" = String, Header, description = "seconds since 1970, at most 300 off"),
        ("webhook-signature" = String, Header,
            description = "`v1,` and in base64 HMAC-SHA256(secret, `{webhook-id}.{webhook-timestamp}.{raw body}`)")),
    responses((status = 200, body = OkEnvelope<HookEventData>), Refusals))]
pub(super) async fn hook_event(
    State(letters): State<Letters>,
    PathId(id): PathId,
    request: Request,
) -> Reply<HookEventData> {
    let (parts, body) = request.into_parts();
    let body = match Limited::new(body, MAX_BODY).collect().await {
        Ok(collected) => collected.to_bytes(),
        Err(e) if e.downcast_ref::<LengthLimitError>().is_some() => {
            let text = format!("the body is larger than {MAX_BODY} bytes");
            return Err(Problem::new(ProblemKind::TooLarge, text).into());
        }
        Err(_) => return Err(Problem::new(ProblemKind::BadRequest, "the body broke off").into()),
    };
    let signed = Signed {
        id: header(&parts.headers, "webhook-id")?,
        timestamp: header(&parts.headers, "webhook-timestamp")?,
        signature: header(&parts.headers, "webhook-signature")?,
        body: &body,
    };
    let hook = letters.authenticate_hook(&id, &signed).await?;
    let Ok(Value::Object(map)) = serde_json::from_slice(&body) else {
        return Err(Problem::new(ProblemKind::BadRequest, "the body must be a JSON object").into());
    };
    let mut f = Fields::new(map);
    let event = happening(&mut f);
    f.finish()?;
    let reported = letters.report_by_hook(&hook, signed.id, &event).await?;
    ok(HookEventData { fired: reported.fired.len() })
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Result<&'a str, Failure> {
    let value = headers.get(name).and_then(|v| v.to_str().ok());
    Ok(value.ok_or_else(|| Problem::unauthorized(format!("the header {name} is required")))?)
}
