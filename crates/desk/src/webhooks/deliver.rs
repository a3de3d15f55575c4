//! [`Webhooks`]: one event to one webhook, attempt by attempt.

use db::Tx;
use dispatch::{BoxFuture, Dispatch, Outcome, Settled, Single};
use http::{Method, Request, StatusCode, header};
use kernel::{Timestamp, webhook::Message};
use serde_json::value::RawValue;
use transports::{
    SetupError,
    web::{Web, WebError, WebSettings, retry_after},
};

use super::{PATIENCE, TEST, place};
use crate::{
    Desk, frames,
    model::Actor,
    store::{
        self,
        webhooks::{EventRow, WebhookRow},
    },
};

/// How long a receiver may take.
const TIMEOUT: std::time::Duration = std::time::Duration::from_secs(10);

/// The handler of [`super::WEBHOOK`].
pub struct Webhooks {
    desk: Desk,
    web: Web,
}

impl Webhooks {
    /// With a client of its own.
    ///
    /// # Errors
    /// TLS cannot be set up.
    pub fn new(desk: Desk) -> Result<Self, SetupError> {
        let settings = WebSettings { timeout: TIMEOUT, ..WebSettings::new(desk.0.config.webhooks) };
        Ok(Self { web: Web::new(&settings)?, desk })
    }

    async fn deliver(&self, dispatch: &Dispatch) -> db::Result<Outcome> {
        let mut conn = self.desk.db().read().await?;
        let Some(hook) = store::webhooks::webhook(&mut conn, &dispatch.subject).await? else {
            return Ok(Outcome::Dead("the webhook was removed".to_owned()));
        };
        let event = dispatch.payload.as_deref().unwrap_or_default();
        let Some(event) = store::webhooks::event(&mut conn, event).await? else {
            return Ok(Outcome::Dead("the event is forgotten".to_owned()));
        };
        drop(conn);
        let now = self.desk.clock().now();
        if event.kind != TEST {
            if !hook.enabled {
                return Ok(Outcome::Dead("the webhook is disabled".to_owned()));
            }
            if hook.failing_since.is_some_and(|since| now.since(since) >= PATIENCE) {
                let days = PATIENCE.as_secs() / 86_400;
                return self.disable(&hook, &format!("no event arrived for {days} days"), now).await;
            }
        }
        let request = match self.request(&hook, &event, dispatch, now) {
            Ok(request) => request,
            Err(reason) => {
                tracing::error!(reason, webhook = hook.id, "a webhook cannot be called");
                return Ok(Outcome::Dead(reason.to_owned()));
            }
        };
        let answer = match self.web.tell(request).await {
            Ok(answer) => answer,
            Err(WebError::Refused(reason)) => return Ok(Outcome::Dead(reason)),
            Err(WebError::Failed { reason, in_doubt }) => {
                return Ok(Outcome::Retry { reason, after: None, in_doubt });
            }
        };
        let status = answer.status();
        let said = format!("HTTP {}", status.as_u16());
        Ok(match status {
            s if s.is_success() => Outcome::Done(said),
            StatusCode::GONE => return self.disable(&hook, "the receiver answered 410 Gone", now).await,
            s if s.is_redirection() => Outcome::Retry {
                reason: format!("{said}: redirects are not followed"),
                after: None,
                in_doubt: false,
            },
            _ => Outcome::Retry { reason: said, after: retry_after(answer.headers(), now), in_doubt: false },
        })
    }

    fn request(
        &self,
        hook: &WebhookRow,
        event: &EventRow,
        dispatch: &Dispatch,
        now: Timestamp,
    ) -> Result<Request<Vec<u8>>, &'static str> {
        let secret = self.desk.0.accounts.keyring().open(&place(&hook.id), &hook.secret);
        let secret = secret.map_err(|_| "the webhook's secret cannot be opened")?;
        let data: &RawValue = serde_json::from_str(&event.data).map_err(|_| "the event is damaged")?;
        let seq = dispatch.id.rsplit_once('/').and_then(|(_, seq)| seq.parse::<i64>().ok());
        let body = serde_json::to_vec(&Payload {
            kind: &event.kind,
            timestamp: event.created_at,
            id: &event.id,
            webhook_id: &hook.id,
            seq: seq.unwrap_or_default(),
            data,
        });
        let body = body.map_err(|_| "the event cannot be written")?;
        let timestamp = now.seconds().to_string();
        let message = Message { id: &event.id, timestamp: &timestamp, body: &body };
        let signature = message.sign(&secret).ok_or("the webhook's secret cannot sign")?;
        Request::builder()
            .method(Method::POST)
            .uri(&hook.url)
            .header(header::CONTENT_TYPE, "application/json")
            .header("webhook-id", &event.id)
            .header("webhook-timestamp", &timestamp)
            .header("webhook-signature", signature)
            .body(body)
            .map_err(|_| "the webhook's URL cannot be called")
    }

    /// Disables the webhook and tells the supervisors; the event is given up.
    async fn disable(&self, hook: &WebhookRow, reason: &str, now: Timestamp) -> db::Result<Outcome> {
        let mut tx = self.desk.db().begin().await?;
        let supervisors = self.desk.supervisors(&mut tx).await?;
        // Streams before webhooks: the order of locks. If somebody else disabled it, nothing of this stays.
        store::tell(&mut tx, &[frames::webhook_disabled(hook, reason, supervisors)], now).await?;
        if store::webhooks::disable(&mut tx, &hook.id, reason, now).await? {
            store::note(&mut tx, &Actor::System, "webhook.disabled", &hook.id, Some(reason), now).await?;
            tx.commit().await?;
            tracing::warn!(webhook = hook.id, reason, "a webhook is disabled");
        }
        Ok(Outcome::Dead(format!("the webhook is disabled: {reason}")))
    }
}

/// The body of a message.
#[derive(serde::Serialize)]
#[serde(rename_all = "camelCase")]
struct Payload<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    /// When it happened.
    timestamp: Timestamp,
    /// The same as `webhook-id`.
    id: &'a str,
    webhook_id: &'a str,
    /// The number of this delivery at this webhook: from 1, without gaps.
    seq: i64,
    data: &'a RawValue,
}

impl Single for Webhooks {
    fn attempt<'a>(&'a self, dispatch: &'a Dispatch) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            self.deliver(dispatch).await.unwrap_or_else(|error| Outcome::Retry {
                reason: error.to_string(),
                after: None,
                in_doubt: false,
            })
        })
    }

    fn settled<'a>(
        &'a self,
        tx: &'a mut Tx,
        dispatch: &'a Dispatch,
        end: &'a Settled,
        _now: Timestamp,
    ) -> BoxFuture<'a, db::Result<()>> {
        Box::pin(async move {
            match end {
                Settled::Done(_) => store::webhooks::arrived(tx, &dispatch.subject).await,
                Settled::Dead(_) => store::webhooks::failed(tx, &dispatch.subject, dispatch.due_at).await,
            }
        })
    }

    fn cares(&self, _end: &Settled) -> bool {
        true
    }
}
