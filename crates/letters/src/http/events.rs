//! `GET /events`: what arrives, while it arrives.

use std::{collections::BTreeMap, convert::Infallible, time::Duration};

use accounts::Caller;
use axum::{
    extract::State,
    http::HeaderMap,
    response::{
        Sse,
        sse::{Event, KeepAlive},
    },
};
use bus::Subscription;
use futures_util::{Stream, stream};
use httpkit::{Failure, Refusals};
use kernel::Timestamp;

use crate::{Letters, store, view::own_mailboxes};

/// So many letters are looked at at a time; more than arrive in one transaction, hence at one instant.
const MOST: i64 = 1000;
/// On PostgreSQL transactions may commit in another order than that of their times; each look goes back this
/// far and passes over what was announced.
const OVERLAP: Duration = Duration::from_secs(5);
/// The table is looked at this often even if no event comes.
const LOOK: Duration = Duration::from_secs(30);
/// A stream ends after this; clients come back with `Last-Event-ID` and a fresh token.
const LIFETIME: Duration = Duration::from_secs(3600);

struct Listening {
    letters: Letters,
    caller: Caller,
    events: Subscription,
    seen: Timestamp,
    /// What was announced within [`OVERLAP`] before `seen`.
    announced: BTreeMap<String, Timestamp>,
    ready: Vec<(String, Timestamp)>,
    ends: Timestamp,
}

/// Hear letters arrive
///
/// Server-sent events: `event: letter`, `data: {"mailId", "deliveryTime"}` for each letter that comes to the
/// caller's inbox. `Last-Event-ID` resumes without a gap.
#[utoipa::path(get, path = "/events", tag = "letters",
    params(("Last-Event-ID" = Option<String>, Header, description = "From the last event that was seen")),
    responses((status = 200, description = "A stream of events", content_type = "text/event-stream",
        body = String), Refusals))]
pub(super) async fn events(
    State(letters): State<Letters>,
    caller: Caller,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Failure> {
    let now = letters.clock().now();
    let last = headers.get("last-event-id").and_then(|v| v.to_str().ok()).and_then(|v| v.parse().ok());
    let listening = Listening {
        events: Subscription::new(letters.db()),
        seen: last.map_or(now, Timestamp::from_micros),
        announced: BTreeMap::new(),
        ready: Vec::new(),
        ends: now + LIFETIME,
        letters,
        caller,
    };
    let stream = stream::unfold(listening, |mut l| async move {
        let event = l.next().await?;
        Some((Ok(event), l))
    });
    Ok(Sse::new(stream).keep_alive(KeepAlive::default()))
}

impl Listening {
    async fn next(&mut self) -> Option<Event> {
        let mut closing = self.letters.0.closing.clone();
        loop {
            if self.ready.is_empty() {
                self.look().await;
            }
            if let Some((mail, at)) = self.ready.pop() {
                let data = serde_json::json!({"mailId": mail, "deliveryTime": at});
                return Some(
                    Event::default().event("letter").id(at.micros().to_string()).data(data.to_string()),
                );
            }
            let clock = self.letters.clock().clone();
            tokio::select! {
                event = self.events.next() => { event?; }
                () = clock.sleep(LOOK) => {}
                _ = closing.wait_for(|closing| *closing) => return None,
            }
            if clock.now() >= self.ends {
                return None;
            }
        }
    }

    /// Fills `ready`, the earliest last. A database that is away is tried again at the next event.
    async fn look(&mut self) {
        let from = if self.announced.is_empty() { self.seen } else { self.seen - OVERLAP };
        let found = async {
            let mut conn = self.letters.db().read().await?;
            store::arrived_after(&mut conn, own_mailboxes(&self.caller), from, MOST).await
        };
        match found.await {
            Ok(mut found) => {
                found.retain(|(mail, _)| !self.announced.contains_key(mail));
                self.announced.extend(found.iter().cloned());
                self.seen = found.last().map_or(self.seen, |(_, at)| (*at).max(self.seen));
                let old = self.seen - OVERLAP;
                self.announced.retain(|_, at| *at > old);
                found.reverse();
                self.ready = found;
            }
            Err(error) => tracing::warn!(%error, "an event stream cannot look for letters"),
        }
    }
}
