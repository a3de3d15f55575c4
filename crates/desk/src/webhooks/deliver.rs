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
    work,
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
        if event.kind != TEST && !hook.enabled {
            return Ok(Outcome::Dead("the webhook is disabled".to_owned()));
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
            StatusCode::GONE => {
                let reason = "the receiver answered 410 Gone";
                let mut tx = self.desk.db().begin().await?;
                disable(&mut tx, &hook, None, reason, now).await?;
                tx.commit().await?;
                Outcome::Dead(format!("the webhook is disabled: {reason}"))
            }
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
}

/// Disables the webhook and tells the supervisors, unless it is disabled, or not failing since `since`, by now.
async fn disable(
    tx: &mut Tx,
    hook: &WebhookRow,
    since: Option<Timestamp>,
    reason: &str,
    now: Timestamp,
) -> db::Result<()> {
    // Streams before webhooks: the order of locks.
    store::lock_supervisors(tx).await?;
    if store::webhooks::disable(tx, &hook.id, since, reason, now).await? {
        store::note(tx, &Actor::System, "webhook.disabled", &hook.id, Some(reason), now).await?;
        store::tell(tx, &[frames::webhook_disabled(hook, reason)], now).await?;
        tracing::warn!(webhook = hook.id, reason, "a webhook is disabled");
    }
    Ok(())
}

/// An event was given up: if none arrived for days while others were, too, the webhook is disabled. What a test sent
/// says nothing of that, nor does what was not attempted.
async fn given_up(tx: &mut Tx, dispatch: &Dispatch, now: Timestamp) -> db::Result<()> {
    let event = dispatch.payload.as_deref().unwrap_or_default();
    let counts = store::webhooks::event(tx, event).await?.is_some_and(|event| event.kind != TEST);
    let hook = store::webhooks::webhook(tx, &dispatch.subject).await?;
    let Some(hook) = hook.filter(|hook| counts && hook.enabled) else { return Ok(()) };
    let Some(since) = hook.failing_since else {
        return store::webhooks::failed(tx, &hook.id, dispatch.due_at).await;
    };
    if now.since(since) < PATIENCE {
        return Ok(());
    }
    let reason = format!("no event arrived for {} days", PATIENCE.as_secs() / 86_400);
    disable(tx, &hook, Some(since), &reason, now).await
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
        Box::pin(async move { self.deliver(dispatch).await.unwrap_or_else(work::again) })
    }

    fn settled<'a>(
        &'a self,
        tx: &'a mut Tx,
        dispatch: &'a Dispatch,
        end: &'a Settled,
        now: Timestamp,
    ) -> BoxFuture<'a, db::Result<()>> {
        Box::pin(async move {
            match end {
                Settled::Done(_) => store::webhooks::arrived(tx, &dispatch.subject).await,
                Settled::Dead(_) => given_up(tx, dispatch, now).await,
            }
        })
    }

    fn cares(&self, _end: &Settled) -> bool {
        true
    }
}
