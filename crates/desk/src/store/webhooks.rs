//! SQL on `desk_webhooks`, `desk_webhook_events` and `desk_webhook_deliveries`: who outside is told of what.

use db::{Conn, Result, Tx, args, sql};
use dispatch::NewDispatch;
use kernel::Timestamp;
use serde_json::{Value, json};

use super::{SessionRow, Told, events, sessions};
use crate::{model::Event, view::SessionInfo, webhooks};

db::row! {
    /// A webhook.
    #[derive(Clone)]
    pub(crate) struct WebhookRow {
        pub(crate) id: String,
        pub(crate) name: String,
        pub(crate) url: String,
        /// A JSON list of what it is told.
        pub(crate) events: String,
        /// Sealed.
        pub(crate) secret: Vec<u8>,
        pub(crate) enabled: bool,
        /// Why it was disabled, if the desk did that.
        pub(crate) disabled_reason: Option<String>,
        /// When the first of those events was due that were given up since the last one that arrived.
        pub(crate) failing_since: Option<Timestamp>,
        /// How many deliveries it had.
        pub(crate) last_seq: i64,
        pub(crate) created_at: Timestamp,
        pub(crate) updated_at: Timestamp,
    }
}

db::row! {
    /// What webhooks are told.
    #[derive(Debug, Clone)]
    pub(crate) struct EventRow {
        pub(crate) id: String,
        pub(crate) kind: String,
        pub(crate) session_id: Option<String>,
        /// JSON
        pub(crate) data: String,
        pub(crate) created_at: Timestamp,
    }
}

db::row! {
    /// An event on its way to a webhook.
    #[derive(Debug, Clone)]
    pub(crate) struct DeliveryRow {
        pub(crate) seq: i64,
        pub(crate) event_id: String,
        /// `None` once the event is forgotten.
        pub(crate) kind: Option<String>,
        pub(crate) session_id: Option<String>,
        pub(crate) created_at: Option<Timestamp>,
    }
}

/// The columns of a [`WebhookRow`].
macro_rules! columns {
    () => {
        "id, name, url, events, secret, enabled, disabled_reason, failing_since, last_seq, created_at, updated_at"
    };
}

/// Tells the agents, and the webhooks: the last thing that a transaction does, once. Streams are locked first, then
/// webhooks by the order of their ids.
pub(crate) async fn tell(tx: &mut Tx, all: &[Told], now: Timestamp) -> Result<()> {
    events::tell(tx, all, now).await?;
    publish(tx, all, now).await
}

/// A webhook that is told, and the number of its last delivery.
struct Hearer {
    id: String,
    events: String,
    seq: i64,
}

async fn publish(tx: &mut Tx, all: &[Told], now: Timestamp) -> Result<()> {
    let told: Vec<(&Told, Event)> = all.iter().filter_map(|told| Some((told, told.event?))).collect();
    if told.is_empty() {
        return Ok(());
    }
    let mut hearers = lock_hearers(tx, &told).await?;
    if hearers.is_empty() {
        return Ok(());
    }
    let mut deliveries = Vec::new();
    for (told, event) in told {
        let wanted = quoted(event);
        if !hearers.iter().any(|hearer| hearer.events.contains(&wanted)) {
            continue;
        }
        let data = data(tx, told, event).await?;
        let row = EventRow {
            id: kernel::id::new("evt", now),
            kind: event.as_str().to_owned(),
            session_id: Some(told.session_id.clone()),
            data: data.to_string(),
            created_at: now,
        };
        insert_event(tx, &row).await?;
        for hearer in hearers.iter_mut().filter(|hearer| hearer.events.contains(&wanted)) {
            hearer.seq = hearer.seq.saturating_add(1);
            deliveries.push((hearer.id.clone(), hearer.seq, row.id.clone()));
        }
    }
    deliver(tx, &deliveries, now).await
}

fn quoted(event: Event) -> String {
    format!("\"{}\"", event.as_str())
}

/// The enabled webhooks that are told of any of these, locked in the order of their ids.
async fn lock_hearers(tx: &mut Tx, told: &[(&Told, Event)]) -> Result<Vec<Hearer>> {
    let kinds: Vec<String> = told.iter().map(|(_, event)| quoted(*event)).collect();
    let rows: Vec<(String, String, i64)> = tx
        .all(
            sql!(
                sqlite: "SELECT id, events, last_seq FROM desk_webhooks
                         WHERE enabled AND EXISTS (SELECT 1 FROM json_each($1) AS k WHERE instr(events, k.value) > 0)
                         ORDER BY id",
                postgres: "SELECT id, events, last_seq FROM desk_webhooks
                           WHERE enabled AND EXISTS (SELECT 1 FROM unnest(CAST($1 AS TEXT[])) AS k
                              WHERE strpos(events, k) > 0)
                           ORDER BY id FOR UPDATE"
            ),
            args![&kinds],
        )
        .await?;
    Ok(rows.into_iter().map(|(id, events, seq)| Hearer { id, events, seq }).collect())
}

/// `{session}`, and for a message `{message, session}`.
async fn data(tx: &mut Tx, told: &Told, event: Event) -> Result<Value> {
    if event != Event::MessageCreated {
        return Ok(json!({"session": told.data}));
    }
    let session: Option<SessionRow> = sessions::session(tx, &told.session_id).await?;
    let session = session.as_ref().map(SessionInfo::from);
    let session = serde_json::to_value(session).map_err(|e| db::DbError::Other(e.to_string()))?;
    Ok(json!({"message": told.data, "session": session}))
}

pub(crate) async fn insert_event(tx: &mut Tx, row: &EventRow) -> Result<()> {
    tx.exec(
        sql!(
            "INSERT INTO desk_webhook_events (id, type, session_id, data, created_at) VALUES ($1, $2, $3, $4, $5)"
        ),
        args![&row.id, &row.kind, &row.session_id, &row.data, row.created_at],
    )
    .await
    .map(drop)
}

/// Schedules deliveries (webhook, number, event) to locked webhooks, each's in the order of their numbers.
pub(crate) async fn deliver(tx: &mut Tx, all: &[(String, i64, String)], now: Timestamp) -> Result<()> {
    let json = serde_json::to_string(all).map_err(|e| db::DbError::Other(e.to_string()))?;
    tx.exec(
        sql!(
            sqlite: "INSERT INTO desk_webhook_deliveries (webhook_id, seq, event_id)
                     SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each($1)",
            postgres: "INSERT INTO desk_webhook_deliveries (webhook_id, seq, event_id)
                       SELECT value ->> 0, CAST(value ->> 1 AS BIGINT), value ->> 2
                       FROM jsonb_array_elements(CAST(CAST($1 AS TEXT) AS jsonb))"
        ),
        args![&json],
    )
    .await?;
    tx.exec(
        sql!(
            sqlite: "UPDATE desk_webhooks SET last_seq = n.seq FROM
                        (SELECT value ->> 0 AS hook, MAX(value ->> 1) AS seq FROM json_each($1) GROUP BY 1) AS n
                     WHERE id = n.hook",
            postgres: "UPDATE desk_webhooks SET last_seq = n.seq FROM
                          (SELECT value ->> 0 AS hook, MAX(CAST(value ->> 1 AS BIGINT)) AS seq
                           FROM jsonb_array_elements(CAST(CAST($1 AS TEXT) AS jsonb)) GROUP BY 1) AS n
                       WHERE id = n.hook"
        ),
        args![&json],
    )
    .await?;
    let dispatches: Vec<NewDispatch> = all
        .iter()
        .map(|(hook, seq, event)| NewDispatch {
            id: dispatch_id(hook, *seq),
            kind: webhooks::WEBHOOK,
            subject: hook.clone(),
            destination: hook.clone(),
            payload: Some(event.clone()),
            due_at: now,
        })
        .collect();
    dispatch::enqueue(tx, now, &dispatches).await.map(drop)
}

/// The dispatch of a webhook's delivery.
pub(crate) fn dispatch_id(hook: &str, seq: i64) -> String {
    format!("{hook}/{seq}")
}

/// So many old events are forgotten in one transaction: nobody waits for a great cleaning.
pub(crate) const FORGOTTEN: i64 = 1000;

/// Forgets up to [`FORGOTTEN`] events from before `before`, with their deliveries; how many.
pub(crate) async fn forget(tx: &mut Tx, before: Timestamp) -> Result<i64> {
    let old: Vec<(String,)> = tx
        .all(
            sql!(
                sqlite: "SELECT id FROM desk_webhook_events WHERE created_at < $1 ORDER BY created_at LIMIT $2",
                postgres: "SELECT id FROM desk_webhook_events WHERE created_at < $1 ORDER BY created_at LIMIT $2
                           FOR UPDATE SKIP LOCKED"
            ),
            args![before, FORGOTTEN],
        )
        .await?;
    if old.is_empty() {
        return Ok(0);
    }
    let old: Vec<&str> = old.iter().map(|(id,)| id.as_str()).collect();
    tx.exec(
        sql!(
            sqlite: "DELETE FROM desk_webhook_deliveries WHERE event_id IN (SELECT value FROM json_each($1))",
            postgres: "DELETE FROM desk_webhook_deliveries WHERE event_id = ANY($1)"
        ),
        args![old.clone()],
    )
    .await?;
    let gone = tx
        .exec(
            sql!(
                sqlite: "DELETE FROM desk_webhook_events WHERE id IN (SELECT value FROM json_each($1))",
                postgres: "DELETE FROM desk_webhook_events WHERE id = ANY($1)"
            ),
            args![old],
        )
        .await?;
    Ok(i64::try_from(gone).unwrap_or(i64::MAX))
}

/// Adds one, unless there are `most` already.
pub(crate) async fn insert(tx: &mut Tx, h: &WebhookRow, most: i64) -> Result<bool> {
    let made = tx
        .exec(
            sql!(
                "INSERT INTO desk_webhooks (id, name, url, events, secret, enabled, last_seq, created_at, updated_at)
                 SELECT CAST($1 AS TEXT), CAST($2 AS TEXT), CAST($3 AS TEXT), CAST($4 AS TEXT), $5, TRUE, 0,
                    CAST($6 AS BIGINT), CAST($6 AS BIGINT)
                 WHERE (SELECT COUNT(*) FROM desk_webhooks) < $7"
            ),
            args![&h.id, &h.name, &h.url, &h.events, h.secret.clone(), h.created_at, most],
        )
        .await?;
    Ok(made == 1)
}

/// All, the oldest first.
pub(crate) async fn all(conn: &mut Conn) -> Result<Vec<WebhookRow>> {
    conn.all(sql!(concat!("SELECT ", columns!(), " FROM desk_webhooks ORDER BY id")), args![]).await
}

pub(crate) async fn webhook(conn: &mut Conn, id: &str) -> Result<Option<WebhookRow>> {
    conn.opt(sql!(concat!("SELECT ", columns!(), " FROM desk_webhooks WHERE id = $1")), args![id]).await
}

/// A webhook, which nobody else changes until the transaction ends.
pub(crate) async fn lock(tx: &mut Tx, id: &str) -> Result<Option<WebhookRow>> {
    tx.opt(
        sql!(
            sqlite: concat!("SELECT ", columns!(), " FROM desk_webhooks WHERE id = $1"),
            postgres: concat!("SELECT ", columns!(), " FROM desk_webhooks WHERE id = $1 FOR UPDATE")
        ),
        args![id],
    )
    .await
}

/// Writes all that people may change of a locked webhook.
pub(crate) async fn update(tx: &mut Tx, h: &WebhookRow) -> Result<()> {
    tx.exec(
        sql!(
            "UPDATE desk_webhooks SET name = $2, url = $3, events = $4, secret = $5, enabled = $6,
                disabled_reason = $7, failing_since = $8, updated_at = $9 WHERE id = $1"
        ),
        args![
            &h.id,
            &h.name,
            &h.url,
            &h.events,
            h.secret.clone(),
            h.enabled,
            &h.disabled_reason,
            h.failing_since,
            h.updated_at
        ],
    )
    .await
    .map(drop)
}

/// Removes one with its deliveries and what nobody else was told; whether it was there. What it is being told is told no
/// more.
pub(crate) async fn remove(tx: &mut Tx, id: &str) -> Result<bool> {
    let gone = tx.exec(sql!("DELETE FROM desk_webhooks WHERE id = $1"), args![id]).await?;
    tx.exec(
        sql!(
            "DELETE FROM desk_webhook_events
             WHERE id IN (SELECT event_id FROM desk_webhook_deliveries WHERE webhook_id = $1) AND NOT EXISTS (
                SELECT 1 FROM desk_webhook_deliveries AS d
                WHERE d.event_id = desk_webhook_events.id AND d.webhook_id <> $1)"
        ),
        args![id],
    )
    .await?;
    tx.exec(sql!("DELETE FROM desk_webhook_deliveries WHERE webhook_id = $1"), args![id]).await?;
    Ok(gone == 1)
}

/// Disables one for a reason; false if it was so already, or is not failing since `since` any more.
pub(crate) async fn disable(
    tx: &mut Tx,
    id: &str,
    since: Option<Timestamp>,
    reason: &str,
    now: Timestamp,
) -> Result<bool> {
    let done = tx
        .exec(
            sql!(
                "UPDATE desk_webhooks SET enabled = FALSE, disabled_reason = $2, updated_at = $3
                 WHERE id = $1 AND enabled AND (CAST($4 AS BIGINT) IS NULL OR failing_since = $4)"
            ),
            args![id, reason, now, since],
        )
        .await?;
    Ok(done == 1)
}

/// Notes that an event arrived.
pub(crate) async fn arrived(tx: &mut Tx, id: &str) -> Result<()> {
    tx.exec(
        sql!("UPDATE desk_webhooks SET failing_since = NULL WHERE id = $1 AND failing_since IS NOT NULL"),
        args![id],
    )
    .await
    .map(drop)
}

/// Notes that an event was given up that was due at `due`.
pub(crate) async fn failed(tx: &mut Tx, id: &str, due: Timestamp) -> Result<()> {
    tx.exec(
        sql!("UPDATE desk_webhooks SET failing_since = $2 WHERE id = $1 AND failing_since IS NULL"),
        args![id, due],
    )
    .await
    .map(drop)
}

pub(crate) async fn event(conn: &mut Conn, id: &str) -> Result<Option<EventRow>> {
    conn.opt(
        sql!("SELECT id, type, session_id, data, created_at FROM desk_webhook_events WHERE id = $1"),
        args![id],
    )
    .await
}

/// A webhook's deliveries with numbers below `before`, the newest first.
pub(crate) async fn deliveries(
    conn: &mut Conn,
    id: &str,
    before: i64,
    limit: i64,
) -> Result<Vec<DeliveryRow>> {
    conn.all(
        sql!(
            "SELECT d.seq, d.event_id, e.type, e.session_id, e.created_at
             FROM desk_webhook_deliveries AS d LEFT JOIN desk_webhook_events AS e ON e.id = d.event_id
             WHERE d.webhook_id = $1 AND d.seq < $2 ORDER BY d.seq DESC LIMIT $3"
        ),
        args![id, before, limit],
    )
    .await
}

/// The events of these deliveries of a webhook that are still known, in order.
pub(crate) async fn events_of(conn: &mut Conn, id: &str, seqs: &[i64]) -> Result<Vec<(i64, String)>> {
    let seqs = json!(seqs).to_string();
    conn.all(
        sql!(
            sqlite: "SELECT d.seq, d.event_id
                     FROM desk_webhook_deliveries AS d JOIN desk_webhook_events AS e ON e.id = d.event_id
                     WHERE d.webhook_id = $1 AND d.seq IN (SELECT value FROM json_each($2)) ORDER BY d.seq",
            postgres: "SELECT d.seq, d.event_id
                       FROM desk_webhook_deliveries AS d JOIN desk_webhook_events AS e ON e.id = d.event_id
                       WHERE d.webhook_id = $1 AND d.seq IN (SELECT CAST(value AS BIGINT)
                          FROM jsonb_array_elements_text(CAST(CAST($2 AS TEXT) AS jsonb))) ORDER BY d.seq"
        ),
        args![id, seqs],
    )
    .await
}
