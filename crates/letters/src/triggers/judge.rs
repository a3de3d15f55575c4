//! Whether a report meets a condition; pure.

use super::{
    Fix, Miss,
    words::{Haystack, Needle},
};
use crate::store::Armed;

/// Two cities of one name are farther apart than this, in metres, and no city reaches as far.
const NAMESAKE: f64 = 500_000.0;

/// How a report compares with one condition.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Verdict {
    /// It is this.
    Met {
        /// In metres, where there is one.
        distance: Option<f64>,
    },
    /// It is nearly this.
    Missed {
        /// Why it is not.
        reason: Miss,
        /// In metres, where there is one.
        distance: Option<f64>,
    },
    /// It has nothing to do with it.
    Apart,
}

/// A position and a letter that waits for a point.
pub(super) fn point(row: &Armed, fix: &Fix) -> Verdict {
    let (Some(point), Some(radius)) = (row.point(), row.radius) else { return Verdict::Apart };
    let distance = fix.point.distance(point);
    if distance > radius {
        Verdict::Missed { reason: Miss::Distance, distance: Some(distance) }
    } else {
        within(radius, Some(distance), fix)
    }
}

/// Whether the position is accurate enough for a circle in which it lies.
fn within(radius: f64, distance: Option<f64>, fix: &Fix) -> Verdict {
    match fix.accuracy {
        Some(accuracy) if accuracy > radius => Verdict::Missed { reason: Miss::Accuracy, distance },
        _ => Verdict::Met { distance },
    }
}

/// A position and a letter that waits for a city; `here` is the anchor of the city where the position is.
pub(super) fn city(row: &Armed, fix: &Fix, here: Option<&str>) -> Verdict {
    let distance = row.point().map(|centre| fix.point.distance(centre));
    let missed = Verdict::Missed { reason: Miss::City, distance };
    if here != Some(row.anchor.as_str()) || distance.is_some_and(|d| d > NAMESAKE) {
        return missed;
    }
    match (row.radius, &fix.city) {
        // By the coordinates alone.
        (Some(radius), None) => within(radius, distance, fix),
        _ => Verdict::Met { distance },
    }
}

/// An event and one keyword of a letter, or its type where it has no keyword. `kind` is folded.
pub(super) fn event(row: &Armed, kind: Option<&str>, text: &Haystack) -> Verdict {
    let is_type = row.event_type.as_deref().is_none_or(|wanted| Some(wanted) == kind);
    let is_word = row.needle.as_deref().is_none_or(|needle| text.holds(&Needle::stored(needle)));
    match (is_type, is_word) {
        (true, true) => Verdict::Met { distance: None },
        (false, true) if row.needle.is_some() => Verdict::Missed { reason: Miss::Type, distance: None },
        (true, false) if row.event_type.is_some() => {
            Verdict::Missed { reason: Miss::Keyword, distance: None }
        }
        _ => Verdict::Apart,
    }
}
