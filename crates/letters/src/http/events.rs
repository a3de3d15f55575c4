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

/// So many letters are looked at at a time.
const MOST: usize = 1000;
/// Transactions may commit in another order than that of their times; each look goes back this far and passes
/// over what was announced.
const OVERLAP: Duration = Duration::from_secs(5);
/// The table is looked at this often even if no event comes.
const LOOK: Duration = Duration::from_secs(30);
/// A stream ends after this; clients come back with `Last-Event-ID` and a fresh token.
const LIFETIME: Duration = Duration::from_secs(3600);

/// A place in the order of arrivals: when, and which of those at that instant.
type Place = (Timestamp, String);

struct Listening {
    letters: Letters,
    caller: Caller,
    events: Subscription,
    /// All up to here is announced.
    seen: Place,
    /// What was announced, or was there before, within [`OVERLAP`] before `seen`.
    announced: BTreeMap<String, Timestamp>,
    /// Whether that is known, so that a look may go back.
    look_back: bool,
    /// The earliest last.
    ready: Vec<(String, Timestamp)>,
    ends: Timestamp,
}

/// Hear letters arrive
///
/// Server-sent events: `event: letter`, `data: {"mailId", "deliveryTime"}` for each letter that comes to the
/// caller's inbox. `Last-Event-ID` resumes without a gap. Logging out ends the stream before the next event.
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
    let events = Subscription::new(letters.db());
    let last = headers.get("last-event-id").and_then(|v| v.to_str().ok()).and_then(place);
    let mut announced = BTreeMap::new();
    if last.is_none() {
        let mut conn = letters.db().read().await?;
        let from = (now - OVERLAP, String::new());
        announced.extend(store::arrived_after(&mut conn, own_mailboxes(&caller), &from, MOST).await?);
    }
    let listening = Listening {
        look_back: last.is_none(),
        seen: last.unwrap_or_else(|| (now, String::new())),
        events,
        announced,
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

/// Reads what [`Listening::next`] writes: `{microseconds}-{letter}`.
fn place(id: &str) -> Option<Place> {
    let (at, mail) = id.split_once('-')?;
    let at = at.parse().ok()?;
    kernel::id::is("mail", mail).then(|| (Timestamp::from_micros(at), mail.to_owned()))
}

impl Listening {
    async fn next(&mut self) -> Option<Event> {
        let mut closing = self.letters.0.closing.clone();
        loop {
            if self.ready.is_empty() && !self.look().await {
                return None;
            }
            if let Some((mail, at)) = self.ready.pop() {
                let data = serde_json::json!({"mailId": mail, "deliveryTime": at});
                let id = format!("{}-{mail}", at.micros());
                return Some(Event::default().event("letter").id(id).data(data.to_string()));
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

    /// Fills `ready`. A database that is away is tried again at the next event. False if the caller has logged
    /// out: there is nothing for them any more.
    async fn look(&mut self) -> bool {
        let found = async {
            let fresh = self.fresh().await?;
            let stands = fresh.is_empty() || self.letters.0.accounts.stands(&self.caller).await?;
            Ok::<_, db::DbError>(stands.then_some(fresh))
        };
        match found.await {
            Ok(None) => return false,
            Ok(Some(mut fresh)) => {
                if let Some((mail, at)) = fresh.last() {
                    self.seen = self.seen.clone().max((*at, mail.clone()));
                    self.look_back = true;
                }
                self.announced.extend(fresh.iter().cloned());
                let old = self.seen.0 - OVERLAP;
                self.announced.retain(|_, at| *at >= old);
                fresh.reverse();
                self.ready = fresh;
            }
            Err(error) => tracing::warn!(%error, "an event stream cannot look for letters"),
        }
        true
    }

    /// What arrived and was not announced, the earliest first: all of it, or at least [`MOST`].
    async fn fresh(&self) -> db::Result<Vec<(String, Timestamp)>> {
        let mut conn = self.letters.db().read().await?;
        let mut from =
            if self.look_back { (self.seen.0 - OVERLAP, String::new()) } else { self.seen.clone() };
        let mut fresh = Vec::new();
        while fresh.len() < MOST {
            let page = store::arrived_after(&mut conn, own_mailboxes(&self.caller), &from, MOST).await?;
            let last = page.last().filter(|_| page.len() == MOST).cloned();
            fresh.extend(page.into_iter().filter(|(mail, _)| !self.announced.contains_key(mail)));
            match last {
                Some((mail, at)) => from = (at, mail),
                None => break,
            }
        }
        Ok(fresh)
    }
}
