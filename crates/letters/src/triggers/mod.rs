//! Triggers: what makes a LOCATION or EVENT letter due before its `sendTime`.
//!
//! Promises
//! - A report that meets a condition makes all of the letter's dispatches due at once, in one transaction, and
//!   the letter final. It fires once however many reports come at once; revoking and firing exclude each other.
//! - Whose reports count: for LOCATION the reader's (the author's for SELF and PUBLIC letters), for EVENT the
//!   author's alone. A reader learns how many letters were released to them, and nothing of those that wait.
//! - What is reported is compared and forgotten.
//! - The plan is asked for when a letter is scheduled; one that lapses later disarms nothing.

mod arm;
pub(crate) mod cities;
pub(crate) mod geo;
pub(crate) mod hooks;
mod judge;
mod stem;
pub(crate) mod words;

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::RangeInclusive,
};

use accounts::Caller;
use db::{Conn, Tx};
use httpkit::text_enum;
use kernel::{Problem, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use self::{
    arm::{city_anchor, point_anchor, type_anchor, word_anchor},
    cities::City,
    geo::Point,
    judge::Verdict,
    words::Haystack,
};
use crate::{
    Letters, notify,
    store::{self, Armed},
    view, work,
};

pub(crate) use arm::armed;
pub(crate) use hooks::Signed;

/// How near to a point a LOCATION letter may be made to wait for, in metres.
pub(crate) const RADII: RangeInclusive<f64> = 100.0..=50_000.0;
/// How far a dry run looks for near misses, in metres.
const NEAR: f64 = 150_000.0;
/// So many near misses are told.
const MOST_NEAR: usize = 50;
/// So many letters are looked at for near misses.
const MOST_LOOKED_AT: i64 = 500;

/// Where somebody is.
#[derive(Debug)]
pub(crate) struct Fix {
    pub(crate) point: Point,
    /// How far it may be off, in metres; exact if not given.
    pub(crate) accuracy: Option<f64>,
    /// The city, if the client knows its name.
    pub(crate) city: Option<String>,
}

/// What happened.
#[derive(Debug)]
pub(crate) struct Happening {
    /// Its kind.
    pub(crate) kind: Option<String>,
    /// What it says.
    pub(crate) text: Option<String>,
}

text_enum! {
    /// Why a letter that was near to it did not fire.
    Miss {
        /// The position is outside the radius.
        Distance = "DISTANCE",
        /// The position may be off by more than the radius.
        Accuracy = "ACCURACY",
        /// It is another city.
        City = "CITY",
        /// It is another type of event.
        Type = "TYPE",
        /// None of the keywords is in the text.
        Keyword = "KEYWORD",
    }
}

/// A letter and how a report compared with its condition.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Compared {
    pub(crate) mail_id: String,
    /// Only of near misses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<Miss>,
    /// From the letter's point (or its city's centre), in metres.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) distance: Option<f64>,
    /// What the distance and the accuracy may be at most, in metres.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) radius: Option<f64>,
    /// The city that the letter waits for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) city: Option<String>,
    /// The keyword that was found; of a near miss by its type, too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) keyword: Option<String>,
    #[serde(skip)]
    schedule_no: i64,
}

/// What came of a report.
#[derive(Debug, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Reported {
    /// True if nothing was changed.
    pub(crate) dry_run: bool,
    /// The caller's own letters that fired, or would have.
    pub(crate) fired: Vec<Compared>,
    /// How many letters of others to the caller were released. Never known before: a dry run says 0.
    pub(crate) received: usize,
    /// The caller's own letters that nearly fired, the nearest first, at most 50: in a dry run whatever the
    /// reason, otherwise those for which the position was not accurate enough.
    pub(crate) near_misses: Vec<Compared>,
}

/// Makes letters due: of those given with their schedule numbers the ones that still wait.
async fn fire(tx: &mut Tx, met: &BTreeMap<String, i64>, now: Timestamp) -> db::Result<BTreeSet<String>> {
    if met.is_empty() {
        return Ok(BTreeSet::new());
    }
    let locked = store::lock_armed(tx, met.keys().map(String::as_str).collect()).await?;
    let mut letters: Vec<(&str, i64)> = locked
        .iter()
        .filter(|(letter, no)| met.get(letter) == Some(no))
        .map(|(l, no)| (l.as_str(), *no))
        .collect();
    letters.dedup();
    if letters.is_empty() {
        return Ok(BTreeSet::new());
    }
    for (kind, channel) in [(work::INBOX, "inbox"), (work::EMAIL, "email")] {
        let ids: Vec<String> =
            letters.iter().map(|(letter, no)| format!("{letter}/{no}/{channel}")).collect();
        dispatch::store::expedite(tx, now, kind, &ids).await?;
    }
    notify::cancel(tx, &letters, now).await?;
    let letters: Vec<&str> = letters.into_iter().map(|(letter, _)| letter).collect();
    let fired = store::set_fired(tx, letters.clone(), now).await?;
    store::disarm(tx, letters).await?;
    Ok(fired.into_iter().collect())
}

/// What a report means for the letters that it concerns.
#[derive(Default)]
struct Judged {
    /// The letter's author, and what was found.
    met: BTreeMap<String, (String, Compared)>,
    missed: BTreeMap<String, (String, Compared)>,
}

impl Judged {
    fn add(&mut self, row: &Armed, verdict: Verdict) {
        let (reason, distance, keyword) = match verdict {
            Verdict::Apart => return,
            Verdict::Met { distance } => (None, distance, row.needle.is_some()),
            Verdict::Missed { reason, distance } => (Some(reason), distance, reason == Miss::Type),
        };
        let is_city = row.needle.is_none() && row.event_type.is_none();
        let compared = Compared {
            mail_id: row.letter.clone(),
            reason,
            distance: distance.map(f64::round),
            radius: row.radius,
            city: row.text.clone().filter(|_| is_city),
            keyword: row.text.clone().filter(|_| keyword && row.needle.is_some()),
            schedule_no: row.schedule_no,
        };
        let list = if reason.is_none() { &mut self.met } else { &mut self.missed };
        list.entry(row.letter.clone()).or_insert_with(|| (row.owner.clone(), compared));
    }

    /// The author's letters that nearly fired, the nearest first.
    fn near(&self, owner: &str, dry: bool) -> Vec<Compared> {
        let near = self.missed.iter().filter(|(letter, _)| !self.met.contains_key(*letter));
        let own = near.filter(|(_, (author, _))| author == owner).map(|(_, (_, compared))| compared.clone());
        let mut near: Vec<Compared> = own.filter(|c| dry || c.reason == Some(Miss::Accuracy)).collect();
        near.sort_by(|a, b| a.distance.unwrap_or_default().total_cmp(&b.distance.unwrap_or_default()));
        near.truncate(MOST_NEAR);
        near
    }
}

impl Letters {
    /// Compares a position with the letters that wait for it, and fires those whose place it is.
    pub(crate) async fn report_position(
        &self,
        caller: &Caller,
        fix: &Fix,
        dry: bool,
    ) -> Result<Reported, Problem> {
        let mut conn = self.db().read().await?;
        let mut judged = Judged::default();
        for watcher in view::own_mailboxes(caller) {
            judge_places(&mut conn, watcher, fix, dry, &mut judged).await?;
        }
        self.conclude(conn, caller.id(), judged, dry).await
    }

    /// Compares an event of the owner's with their letters that wait for one, and fires those that it is.
    pub(crate) async fn report_event(
        &self,
        owner: &str,
        event: &Happening,
        dry: bool,
    ) -> Result<Reported, Problem> {
        let mut conn = self.db().read().await?;
        let judged = judge_events(&mut conn, owner, event, dry).await?;
        self.conclude(conn, owner, judged, dry).await
    }

    async fn conclude(
        &self,
        mut conn: Conn,
        owner: &str,
        judged: Judged,
        dry: bool,
    ) -> Result<Reported, Problem> {
        let near = still_waiting(&mut conn, judged.near(owner, dry)).await?;
        if dry {
            let own =
                judged.met.into_values().filter(|(author, _)| author == owner).map(|(_, c)| c).collect();
            let fired = still_waiting(&mut conn, own).await?;
            return Ok(Reported { dry_run: true, fired, received: 0, near_misses: near });
        }
        drop(conn);
        let mut reported = Reported { near_misses: near, ..Reported::default() };
        if !judged.met.is_empty() {
            let mut tx = self.db().begin().await?;
            let now = self.clock().now();
            settle(&mut tx, owner, judged, now, &mut reported).await?;
            tx.commit().await?;
        }
        Ok(reported)
    }
}

/// Fires what was met, and says what the owner may know of it.
async fn settle(
    tx: &mut Tx,
    owner: &str,
    judged: Judged,
    now: Timestamp,
    reported: &mut Reported,
) -> db::Result<()> {
    let met = judged.met.iter().map(|(letter, (_, c))| (letter.clone(), c.schedule_no)).collect();
    let fired = fire(tx, &met, now).await?;
    for (author, compared) in judged.met.into_values().filter(|(_, c)| fired.contains(&c.mail_id)) {
        if author == owner {
            reported.fired.push(compared);
        } else {
            reported.received += 1;
        }
    }
    Ok(())
}

/// Those that are neither revoked, fired nor delivered.
async fn still_waiting(conn: &mut Conn, mut letters: Vec<Compared>) -> db::Result<Vec<Compared>> {
    if !letters.is_empty() {
        let ids = letters.iter().map(|c| c.mail_id.as_str()).collect();
        let waiting: BTreeSet<String> = store::waiting(conn, ids).await?.into_iter().collect();
        letters.retain(|c| waiting.contains(&c.mail_id));
    }
    Ok(letters)
}

async fn judge_places(
    conn: &mut Conn,
    watcher: &str,
    fix: &Fix,
    dry: bool,
    judged: &mut Judged,
) -> db::Result<()> {
    // What the client calls the city decides; where it has no name for it, the list's.
    let here = fix.city.as_deref().map(cities::key);
    let key = here.or_else(|| cities::around(fix.point).map(|City { key, .. }| key.clone()));
    let city = key.map(|key| city_anchor(&key));
    let rows = if dry {
        store::places_in(conn, watcher, fix.point, &fix.point.around(NEAR), MOST_LOOKED_AT).await?
    } else {
        Vec::new()
    };
    let points = geo::cells(fix.point);
    let anchors: Vec<String> = points.iter().map(|cell| point_anchor(cell)).chain(city.clone()).collect();
    let anchors = anchors.iter().map(String::as_str).collect();
    for row in store::anchored(conn, watcher, anchors, None, false).await?.iter().chain(&rows) {
        let verdict = match row.text {
            Some(_) => judge::city(row, fix, city.as_deref()),
            None => judge::point(row, fix),
        };
        judged.add(row, verdict);
    }
    Ok(())
}

async fn judge_events(conn: &mut Conn, owner: &str, event: &Happening, dry: bool) -> db::Result<Judged> {
    let kind = event.kind.as_deref().map(words::fold);
    let text = Haystack::of(event.text.as_deref().unwrap_or_default());
    let mut anchors: Vec<String> = text.anchors().into_iter().map(word_anchor).collect();
    anchors.extend(kind.as_deref().map(type_anchor));
    let mut judged = Judged::default();
    let anchors = anchors.iter().map(String::as_str).collect();
    for row in store::anchored(conn, owner, anchors, kind.as_deref(), dry).await? {
        judged.add(&row, judge::event(&row, kind.as_deref(), &text));
    }
    if let Some(kind) = kind.as_deref().filter(|_| dry) {
        for row in store::of_type(conn, owner, kind, MOST_LOOKED_AT).await? {
            judged.add(&row, judge::event(&row, Some(kind), &text));
        }
    }
    Ok(judged)
}
