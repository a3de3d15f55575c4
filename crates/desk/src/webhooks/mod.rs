//! Webhooks: how other systems hear of what happens at the desk.
//!
//! Promises:
//! - What a webhook hears is written in the transaction of the change and delivered by the engine: at least once, for a
//!   day, under an id that stays, with a number for each delivery of the webhook, without gaps.
//! - Messages are signed as Standard Webhooks has it ([`kernel::webhook`]); secrets are shown once and sealed at rest.
//! - A webhook that takes nothing for days is disabled, and the supervisors are told.
//! - Nothing internal leaves: no note, no whisper.

mod deliver;

use std::time::Duration;

use kernel::{Problem, ProblemKind, Timestamp, time::days};
use serde_json::json;

use crate::{
    Desk,
    auth::Agent,
    model::Event,
    store::{
        self,
        webhooks::{EventRow, WebhookRow},
    },
};

pub use deliver::Webhooks;

/// The dispatch kind: one event on its way to one webhook; the payload is the event's id.
pub const WEBHOOK: &str = "desk.webhook";
/// The type of what the test button sends.
pub(crate) const TEST: &str = "webhook.test";
/// So many webhooks may there be.
pub(crate) const MOST: i64 = 20;
/// So long events are kept to be read, and sent again.
pub(crate) const KEPT: Duration = days(7);
/// After so long without an event that arrived a webhook is disabled.
pub(crate) const PATIENCE: Duration = days(3);

/// Where a webhook's secret lies.
pub(crate) fn place(id: &str) -> String {
    format!("desk_webhooks:{id}:secret")
}

/// A webhook and its secret, which is shown once.
pub(crate) struct WithSecret {
    pub(crate) row: WebhookRow,
    /// `whsec_…`
    pub(crate) secret: String,
}

/// What is to be changed of a webhook.
#[derive(Debug, Default)]
pub(crate) struct Change {
    pub(crate) name: Option<String>,
    pub(crate) url: Option<String>,
    pub(crate) events: Option<Vec<Event>>,
    pub(crate) enabled: Option<bool>,
}

fn missing() -> Problem {
    Problem::not_found("webhook")
}

/// The events as they are stored, each once.
fn listed(events: &[Event]) -> String {
    let mut texts: Vec<&str> = Vec::new();
    for event in events {
        if !texts.contains(&event.as_str()) {
            texts.push(event.as_str());
        }
    }
    json!(texts).to_string()
}

impl Desk {
    /// A new secret: what is stored, and what is shown.
    fn secret(&self, id: &str) -> Result<(Vec<u8>, String), Problem> {
        let failed = |what: &'static str| {
            tracing::error!(what, "a webhook's secret cannot be made");
            Problem::internal()
        };
        let secret = kernel::id::random::<32>().map_err(|_| failed("no randomness"))?;
        let sealed = self.0.accounts.keyring().seal(&place(id), &secret).map_err(|_| failed("no key"))?;
        Ok((sealed, kernel::webhook::written(&secret)))
    }

    /// Makes a webhook.
    ///
    /// # Errors
    /// 422 if there are enough.
    pub(crate) async fn create_webhook(
        &self,
        agent: &Agent,
        name: String,
        url: String,
        events: &[Event],
    ) -> Result<WithSecret, Problem> {
        let now = self.clock().now();
        let id = kernel::id::new("hook", now);
        let (sealed, secret) = self.secret(&id)?;
        let row = WebhookRow {
            id,
            name,
            url,
            events: listed(events),
            secret: sealed,
            enabled: true,
            disabled_reason: None,
            failing_since: None,
            last_seq: 0,
            created_at: now,
            updated_at: now,
        };
        let mut tx = self.db().begin().await?;
        if !store::webhooks::insert(&mut tx, &row, MOST).await? {
            return Err(Problem::rule("name", format!("there can be at most {MOST} webhooks")));
        }
        store::note(&mut tx, &agent.actor(None), "webhook.created", &row.id, None, now).await?;
        tx.commit().await?;
        Ok(WithSecret { row, secret })
    }

    /// Changes a webhook. Enabling it forgets its failures.
    ///
    /// # Errors
    /// 404
    pub(crate) async fn change_webhook(
        &self,
        agent: &Agent,
        id: &str,
        change: Change,
    ) -> Result<WebhookRow, Problem> {
        let now = self.clock().now();
        let mut tx = self.db().begin().await?;
        let mut row = store::webhooks::lock(&mut tx, id).await?.ok_or_else(missing)?;
        if let Some(name) = change.name {
            row.name = name;
        }
        if let Some(url) = change.url {
            row.url = url;
        }
        if let Some(events) = change.events {
            row.events = listed(&events);
        }
        if let Some(enabled) = change.enabled {
            row.enabled = enabled;
            row.disabled_reason = None;
            row.failing_since = None;
        }
        row.updated_at = now;
        store::webhooks::update(&mut tx, &row).await?;
        store::note(&mut tx, &agent.actor(None), "webhook.changed", id, None, now).await?;
        tx.commit().await?;
        Ok(row)
    }

    /// Gives a webhook another secret, which holds from the next attempt on.
    ///
    /// # Errors
    /// 404
    pub(crate) async fn rotate_webhook(&self, agent: &Agent, id: &str) -> Result<WithSecret, Problem> {
        let now = self.clock().now();
        let (sealed, secret) = self.secret(id)?;
        let mut tx = self.db().begin().await?;
        let mut row = store::webhooks::lock(&mut tx, id).await?.ok_or_else(missing)?;
        row.secret = sealed;
        row.updated_at = now;
        store::webhooks::update(&mut tx, &row).await?;
        store::note(&mut tx, &agent.actor(None), "webhook.rotated", id, None, now).await?;
        tx.commit().await?;
        Ok(WithSecret { row, secret })
    }

    /// Removes a webhook.
    ///
    /// # Errors
    /// 404
    pub(crate) async fn remove_webhook(&self, agent: &Agent, id: &str) -> Result<(), Problem> {
        let now = self.clock().now();
        let mut tx = self.db().begin().await?;
        if !store::webhooks::remove(&mut tx, id).await? {
            return Err(missing());
        }
        store::note(&mut tx, &agent.actor(None), "webhook.removed", id, None, now).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Sends a test event, also to a webhook that is disabled; the number of its delivery.
    ///
    /// # Errors
    /// 404
    pub(crate) async fn test_webhook(&self, id: &str) -> Result<i64, Problem> {
        let now = self.clock().now();
        let mut tx = self.db().begin().await?;
        let row = store::webhooks::lock(&mut tx, id).await?.ok_or_else(missing)?;
        let event = EventRow {
            id: kernel::id::new("evt", now),
            kind: TEST.to_owned(),
            session_id: None,
            data: json!({"webhookId": id}).to_string(),
            created_at: now,
        };
        store::webhooks::insert_event(&mut tx, &event).await?;
        let seqs = again(&mut tx, &row, vec![event.id], now).await?;
        tx.commit().await?;
        Ok(seqs.into_iter().next().unwrap_or_default())
    }

    /// Sends events of earlier deliveries once more, under their ids; the numbers of the new deliveries.
    ///
    /// # Errors
    /// 404; 409 if it is disabled; 422 if a delivery is not known, or its event no more.
    pub(crate) async fn redeliver(&self, id: &str, seqs: &[i64]) -> Result<Vec<i64>, Problem> {
        let now = self.clock().now();
        let mut tx = self.db().begin().await?;
        let row = store::webhooks::lock(&mut tx, id).await?.ok_or_else(missing)?;
        if !row.enabled {
            return Err(Problem::new(ProblemKind::Conflict, "the webhook is disabled: enable it first"));
        }
        let known = store::webhooks::events_of(&mut tx, id, seqs).await?;
        if let Some(lost) = seqs.iter().find(|seq| !known.iter().any(|(k, _)| k == *seq)) {
            return Err(Problem::rule("seqs", format!("{lost} is not known, or its event no more")));
        }
        let events = known.into_iter().map(|(_, event)| event).collect();
        let new = again(&mut tx, &row, events, now).await?;
        tx.commit().await?;
        Ok(new)
    }
}

/// Delivers these events to a locked webhook under its next numbers.
async fn again(
    tx: &mut db::Tx,
    row: &WebhookRow,
    events: Vec<String>,
    now: Timestamp,
) -> db::Result<Vec<i64>> {
    let numbered = (row.last_seq.saturating_add(1)..).zip(events);
    let all: Vec<(String, i64, String)> = numbered.map(|(seq, event)| (row.id.clone(), seq, event)).collect();
    store::webhooks::deliver(tx, &all, now).await?;
    Ok(all.into_iter().map(|(_, seq, _)| seq).collect())
}
