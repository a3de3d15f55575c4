//! The timeline: what the caller sent and received, day by day, the latest first.
//!
//! Promise: at most [`MOST`] events an answer, and reading them costs the same however many there are; the cursor
//! of an answer leads to the next events, none twice and none left out.

use std::{collections::HashMap, str::FromStr};

use accounts::Caller;
use db::Conn;
use httpkit::text_enum;
use kernel::{Problem, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    Letters,
    store::{self, LetterRow, Window},
    view::{People, PersonView, own_mailboxes},
};

/// So many events an answer has.
const MOST: usize = 1000;

text_enum! {
    /// Which events.
    TimelineType {
        /// Both.
        All = "ALL",
        /// Letters that the caller scheduled.
        Sent = "SENT",
        /// Letters that were delivered to the caller.
        Received = "RECEIVED",
    }
}

text_enum! {
    /// What happened to a letter.
    EventType {
        /// The caller scheduled it.
        Sent = "SENT",
        /// It was delivered to the caller.
        Received = "RECEIVED",
    }
}

/// Days with events, the latest first.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Timeline {
    timeline: Vec<Day>,
    /// As `cursor` it asks for the events after these; `null`: there are none.
    next_cursor: Option<String>,
}

/// A day, in UTC.
#[derive(Debug, Serialize, ToSchema)]
struct Day {
    #[schema(example = "2025-10-16")]
    date: String,
    /// The latest first.
    events: Vec<Event>,
}

/// Something that happened to a letter.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = LetterEvent)]
struct Event {
    r#type: EventType,
    mail_id: String,
    title: String,
    /// In UTC.
    #[schema(example = "08:00:00")]
    time: String,
    /// Whom a sent letter goes to, whom a received one is from. `null`: to everybody.
    with_user: Option<PersonView>,
    /// The strongest emotion of a delivered letter: HAPPY, SAD, HOPEFUL, NOSTALGIC or EXCITED. `null`: none, not
    /// analysed (yet), or encrypted.
    emotion: Option<String>,
}

/// An event's place in the timeline. Of one instant the later letters come first, and of one letter its
/// arrival.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    at: Timestamp,
    letter: String,
    received: bool,
}

/// Where an answer goes on: after this place.
#[derive(Debug, Clone)]
pub(crate) struct Cursor(Place);

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Place { at, letter, received } = &self.0;
        write!(f, "{}.{letter}.{}", at.micros(), if *received { 'r' } else { 's' })
    }
}

impl FromStr for Cursor {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let read = || {
            let (at, rest) = text.split_once('.')?;
            let (letter, kind) = rest.split_once('.')?;
            let at = Timestamp::from_micros(at.parse().ok()?);
            let received = match kind {
                "r" => true,
                "s" => false,
                _ => return None,
            };
            let letter = kernel::id::is("mail", letter).then(|| letter.to_owned())?;
            Some(Self(Place { at, letter, received }))
        };
        read().ok_or("must be the nextCursor of an answer")
    }
}

/// What is asked for.
#[derive(Debug)]
pub(crate) struct Question {
    pub(crate) kind: TimelineType,
    /// Included.
    pub(crate) from: Timestamp,
    /// Not included.
    pub(crate) until: Timestamp,
    pub(crate) after: Option<Cursor>,
}

impl Question {
    /// Before which instant, and of that instant which letter, events of one kind are asked for.
    fn before(&self, received: bool) -> (Timestamp, String) {
        let end = (self.until, String::new());
        let Some(Cursor(place)) = &self.after else { return end };
        // Of the cursor's own letter its sending comes after its arrival.
        let letter = match place.received && !received {
            true => format!("{}~", place.letter),
            false => place.letter.clone(),
        };
        end.min((place.at, letter))
    }
}

impl Letters {
    /// The caller's timeline.
    pub(crate) async fn timeline(&self, caller: &Caller, q: &Question) -> Result<Timeline, Problem> {
        let mut conn = self.db().read().await?;
        let mut places = places(&mut conn, caller, q).await?;
        places.sort_unstable_by(|a, b| b.cmp(a));
        let more = places.len() > MOST;
        places.truncate(MOST);
        let next_cursor = places.last().filter(|_| more).map(|last| Cursor(last.clone()).to_string());
        let mut ids: Vec<&str> = places.iter().map(|p| p.letter.as_str()).collect();
        ids.sort_unstable();
        ids.dedup();
        let letters = store::letters(&mut conn, ids.clone()).await?;
        let emotions: HashMap<String, String> = store::emotions(&mut conn, ids).await?.into_iter().collect();
        let people = People::of(&mut conn, Some(caller), &letters).await?;
        let letters: HashMap<&str, &LetterRow> = letters.iter().map(|l| (l.id.as_str(), l)).collect();
        let mut timeline: Vec<Day> = Vec::new();
        for place in places {
            // Revoked or deleted since its place was read.
            let Some(letter) = letters.get(place.letter.as_str()) else { continue };
            if !place.received && letter.scheduled_at != Some(place.at) {
                continue;
            }
            let event = Event {
                r#type: if place.received { EventType::Received } else { EventType::Sent },
                title: letter.title.clone(),
                time: place.at.time_of_day(),
                with_user: match place.received {
                    true => Some(people.sender(letter).into()),
                    false => people.recipient(letter).map(Into::into),
                },
                emotion: emotions.get(&place.letter).cloned(),
                mail_id: place.letter,
            };
            let date = place.at.date();
            match timeline.last_mut() {
                Some(day) if day.date == date => day.events.push(event),
                _ => timeline.push(Day { date, events: vec![event] }),
            }
        }
        Ok(Timeline { timeline, next_cursor })
    }
}

/// The latest places, one more of each kind than an answer has.
async fn places(conn: &mut Conn, caller: &Caller, q: &Question) -> db::Result<Vec<Place>> {
    let most = i64::try_from(MOST + 1).unwrap_or(i64::MAX);
    let mut all = Vec::new();
    if q.kind != TimelineType::Received {
        let (at, letter) = q.before(false);
        let window = Window { from: q.from, before: (at, &letter), most };
        let rows = store::sent_in(conn, caller.id(), window).await?;
        all.extend(rows.into_iter().map(|(at, letter)| Place { at, letter, received: false }));
    }
    if q.kind != TimelineType::Sent {
        let (at, letter) = q.before(true);
        let window = Window { from: q.from, before: (at, &letter), most };
        for mailbox in own_mailboxes(caller) {
            let rows = store::arrived_in(conn, mailbox, window).await?;
            all.extend(rows.into_iter().map(|(at, letter)| Place { at, letter, received: true }));
        }
    }
    Ok(all)
}
