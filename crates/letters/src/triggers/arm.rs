//! What a scheduled letter waits for, as the rows by which a report finds it.

use super::{
    cities, geo,
    geo::Point,
    words::{Needle, fold},
};
use crate::{
    model::{EventCondition, Location, RecipientType, TriggerCondition, TriggerType},
    store::{Armed, LetterRow},
};

/// How near is near enough, in metres, where its author did not say.
const RADIUS: f64 = 500.0;

pub(super) fn point_anchor(cell: &str) -> String {
    format!("point:{cell}")
}

pub(super) fn city_anchor(key: &str) -> String {
    format!("city:{key}")
}

pub(super) fn type_anchor(kind: &str) -> String {
    format!("type:{kind}")
}

pub(super) fn word_anchor(anchor: &str) -> String {
    format!("word:{anchor}")
}

/// The rows of a letter that is being scheduled.
pub(crate) fn armed(letter: &LetterRow, condition: &TriggerCondition) -> Vec<Armed> {
    // Whose reports count.
    let watcher = match (letter.trigger_type, letter.recipient_type, &letter.recipient_key) {
        (Some(TriggerType::Location), RecipientType::Specific, Some(address)) => address,
        _ => &letter.owner_id,
    };
    let row = Armed {
        letter: letter.id.clone(),
        schedule_no: letter.schedule_no,
        owner: letter.owner_id.clone(),
        watcher: watcher.clone(),
        ..Armed::default()
    };
    match letter.trigger_type.unwrap_or_default() {
        TriggerType::Time => Vec::new(),
        TriggerType::Location => {
            condition.location.as_ref().and_then(|place| at(row, place)).into_iter().collect()
        }
        TriggerType::Event => condition.event.as_ref().map(|event| on(&row, event)).unwrap_or_default(),
    }
}

/// A point, or else a city.
fn at(row: Armed, place: &Location) -> Option<Armed> {
    if let (Some(latitude), Some(longitude)) = (place.latitude, place.longitude) {
        let radius = place.radius.unwrap_or(RADIUS);
        let cell = geo::cell(Point { latitude, longitude }, radius);
        return Some(Armed {
            anchor: point_anchor(&cell),
            latitude: Some(latitude),
            longitude: Some(longitude),
            radius: Some(radius),
            ..row
        });
    }
    let name = place.city.as_ref()?;
    let city = cities::named(name);
    Some(Armed {
        anchor: city_anchor(&cities::key(name)),
        latitude: city.map(|c| c.centre.latitude),
        longitude: city.map(|c| c.centre.longitude),
        radius: city.map(|c| c.radius),
        text: Some(name.clone()),
        ..row
    })
}

/// Any of the keywords, or else the type alone.
fn on(row: &Armed, event: &EventCondition) -> Vec<Armed> {
    let event_type = event.kind.as_deref().map(fold);
    if event.keywords.is_empty() {
        let of_type =
            |kind: String| Armed { anchor: type_anchor(&kind), event_type: Some(kind), ..row.clone() };
        return event_type.map(of_type).into_iter().collect();
    }
    let needles = event.keywords.iter().filter_map(|keyword| Some((keyword, Needle::of(keyword)?)));
    (0..)
        .zip(needles)
        .map(|(number, (keyword, needle))| Armed {
            number,
            anchor: word_anchor(&needle.anchor()),
            text: Some(keyword.clone()),
            needle: Some(needle.text()),
            event_type: event_type.clone(),
            ..row.clone()
        })
        .collect()
}
