//! Letters: states, triggers, capsules; pure types and rules.
//!
//! ```text
//! DRAFT ──send-to-future──▶ PENDING ──10 min before sendTime──▶ DELIVERING ──due──▶ DELIVERED
//!   ▲                         │  └──────its trigger fires──────────▲
//!   └─────────revoke──────────┘
//! ```
//! `PENDING` and `DELIVERING` are one state in the database (`SCHEDULED`): which of the two it is follows
//! from the clock, so that ten million sleeping letters need no writing.

use std::time::Duration;

use httpkit::text_enum;
use kernel::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

text_enum! {
    /// To whom a letter goes.
    RecipientType {
        /// To its author.
        Myself = "SELF",
        /// To an e-mail address, and to the inbox of the account that has it.
        Specific = "SPECIFIC",
        /// To everybody.
        Public = "PUBLIC",
    }
}

text_enum! {
    /// What makes a letter due.
    TriggerType {
        /// `sendTime`.
        Time = "TIME",
        /// A place, and `sendTime` at the latest. Premium.
        Location = "LOCATION",
        /// An event, and `sendTime` at the latest. Premium.
        Event = "EVENT",
    }
}

text_enum! {
    /// What an attachment is.
    AttachmentType {
        /// A picture.
        Image = "IMAGE",
        /// A recording.
        Voice = "VOICE",
        /// A film.
        Video = "VIDEO",
    }
}

text_enum! {
    /// The state of a letter as everybody sees it.
    Status {
        /// Being written.
        Draft = "DRAFT",
        /// On its way; may be revoked.
        Pending = "PENDING",
        /// About to arrive; final.
        Delivering = "DELIVERING",
        /// Arrived.
        Delivered = "DELIVERED",
    }
}

text_enum! {
    /// The state of a letter in the database.
    Stored {
        /// Being written.
        Draft = "DRAFT",
        /// Pending or delivering.
        Scheduled = "SCHEDULED",
        /// Arrived.
        Delivered = "DELIVERED",
    }
}

text_enum! {
    /// Which letters to list.
    ListType {
        /// Delivered to me.
        Inbox = "INBOX",
        /// Mine, not drafts.
        Sent = "SENT",
        /// Mine, drafts.
        Draft = "DRAFT",
    }
}

text_enum! {
    /// What a report about a mail says.
    BounceKind {
        /// The mail will never arrive there.
        Hard = "HARD",
        /// The mail did not arrive; another may.
        Soft = "SOFT",
        /// The mail is late and still being tried.
        Delayed = "DELAYED",
    }
}

text_enum! {
    /// Why a reader reports a letter.
    ReportReason {
        /// Unwanted advertising.
        Spam = "SPAM",
        /// Threats, harassment, hatred.
        Abuse = "ABUSE",
        /// It tells private things of somebody.
        Privacy = "PRIVACY",
        /// It breaks the law.
        Illegal = "ILLEGAL",
        /// See the text.
        Other = "OTHER",
    }
}

text_enum! {
    /// What an operator does about a letter.
    ModerationAction {
        /// Takes it away from all but its author.
        Takedown = "TAKEDOWN",
        /// Gives it back.
        Restore = "RESTORE",
        /// Closes its reports and leaves it where it is.
        Dismiss = "DISMISS",
    }
}

/// What an operator did, and why.
#[derive(Debug, Clone)]
pub struct Moderation {
    /// What.
    pub action: ModerationAction,
    /// A user's id, or `command-line`.
    pub actor: String,
    /// For the record; the author is told it.
    pub reason: String,
}

impl Status {
    /// What a stored state means at `now`, for a letter that is due at `due_at`.
    #[must_use]
    pub fn of(stored: Stored, due_at: Option<Timestamp>, now: Timestamp, lead: Duration) -> Self {
        match stored {
            Stored::Draft => Self::Draft,
            Stored::Delivered => Self::Delivered,
            Stored::Scheduled if due_at.is_some_and(|t| t > now + lead) => Self::Pending,
            Stored::Scheduled => Self::Delivering,
        }
    }
}

/// Where a LOCATION letter waits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Location {
    /// Degrees north, -90 to 90.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = -90, maximum = 90)]
    pub latitude: Option<f64>,
    /// Degrees east, -180 to 180.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = -180, maximum = 180)]
    pub longitude: Option<f64>,
    /// How near to the point is near enough, in metres.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 100, maximum = 50_000, default = 500)]
    pub radius: Option<f64>,
    /// A city's name, instead of a point. Beside a point it only describes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "北京")]
    pub city: Option<String>,
}

/// What an EVENT letter waits for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct EventCondition {
    /// Any of these words: whole words in English, whatever their ending; in Chinese two characters or more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keywords: Vec<String>,
    /// The kind of event. Beside keywords, both must hold.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
}

/// What makes a letter due before its `sendTime`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TriggerCondition {
    /// For LOCATION.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<Location>,
    /// For EVENT.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<EventCondition>,
}

impl TriggerCondition {
    /// What is missing for a trigger of this type: the field and the reason.
    #[must_use]
    pub fn missing(&self, trigger: TriggerType) -> Option<(&'static str, &'static str)> {
        match trigger {
            TriggerType::Time => None,
            TriggerType::Location => {
                let set = self
                    .location
                    .as_ref()
                    .is_some_and(|l| l.city.is_some() || (l.latitude.is_some() && l.longitude.is_some()));
                (!set).then_some((
                    "triggerCondition.location",
                    "a LOCATION letter needs latitude and longitude, or a city",
                ))
            }
            TriggerType::Event => {
                let set = self.event.as_ref().is_some_and(|e| e.kind.is_some() || !e.keywords.is_empty());
                (!set).then_some(("triggerCondition.event", "an EVENT letter needs keywords or a type"))
            }
        }
    }
}

/// The capsule of a letter: one each, hence the same id with another prefix.
#[must_use]
pub fn capsule_id(mail_id: &str) -> String {
    format!("capsule_{}", mail_id.strip_prefix("mail_").unwrap_or(mail_id))
}

/// The letter of a capsule.
#[must_use]
pub fn mail_id_of(capsule_id: &str) -> Option<String> {
    kernel::id::is("capsule", capsule_id).then(|| capsule_id.replacen("capsule_", "mail_", 1))
}

/// Where a capsule floats, each coordinate from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
pub struct Position {
    /// From left to right.
    pub x: f64,
    /// From bottom to top.
    pub y: f64,
    /// From front to back.
    pub z: f64,
}

impl Position {
    /// The `n`-th point of the additive recurrence R₃ (Roberts 2018, on the generalized golden ratio): each
    /// new point falls into the largest gaps that the earlier ones left, and none ever moves.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "ordinals are small")]
    pub fn nth(n: i64) -> Self {
        // The positive root of x⁴ = x + 1.
        const PHI: f64 = 1.220_744_084_605_759_5;
        let n = n as f64;
        let at = |power: i32| ((0.5 + n / PHI.powi(power)).rem_euclid(1.0) * 1e6).round() / 1e6;
        Self { x: at(1), y: at(2), z: at(3) }
    }
}

/// The place of a letter in its author's sequence of capsules, from the month and its number in the month.
#[must_use]
pub fn ordinal(now: Timestamp, number_in_month: i64) -> i64 {
    // 30.44 days; that a few months begin a new block early does no harm.
    now.seconds().div_euclid(2_629_746).saturating_mul(1009).saturating_add(number_in_month)
}

/// How far a letter has come, from 0 (not scheduled) to 1 (delivered).
#[must_use]
pub fn progress(
    stored: Stored,
    from: Option<Timestamp>,
    send_time: Option<Timestamp>,
    now: Timestamp,
) -> f64 {
    match (stored, from, send_time) {
        (Stored::Delivered, _, _) => 1.0,
        (Stored::Scheduled, Some(from), Some(to)) => {
            let (passed, whole) = (now.since(from).as_secs_f64(), to.since(from).as_secs_f64());
            if whole <= 0.0 { 1.0 } else { ((passed / whole).clamp(0.0, 1.0) * 1e4).round() / 1e4 }
        }
        _ => 0.0,
    }
}

/// How brightly a capsule glows of itself: the nearer its day, the brighter.
#[must_use]
pub fn natural_glow(progress: f64) -> f64 {
    ((0.3 + 0.7 * progress) * 1e4).round() / 1e4
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn delivering_begins_exactly_at_the_lead() {
        let send = Some(at("2030-01-01T01:00:00Z"));
        let lead = Duration::from_secs(600);
        let status = |now| Status::of(Stored::Scheduled, send, at(now), lead);
        assert_eq!(status("2030-01-01T00:49:59.999999Z"), Status::Pending);
        assert_eq!(status("2030-01-01T00:50:00Z"), Status::Delivering);
        assert_eq!(status("2040-01-01T00:00:00Z"), Status::Delivering);
    }

    #[test]
    fn positions_are_stable_and_well_spread() {
        let start = ordinal(at("2026-11-21T00:00:00Z"), 1);
        let points: Vec<Position> = (start..start + 64).map(Position::nth).collect();
        assert_eq!(points[7], Position::nth(start + 7));
        let mut least = f64::MAX;
        for (n, a) in points.iter().enumerate() {
            for c in [a.x, a.y, a.z] {
                assert!((0.0..1.0).contains(&c));
            }
            for b in &points[..n] {
                let d = ((a.x - b.x).powi(2) + (a.y - b.y).powi(2) + (a.z - b.z).powi(2)).sqrt();
                least = least.min(d);
            }
        }
        // 64 points at random come within about 0.03 of each other.
        assert!(least > 0.1, "two capsules are {least} apart");
    }

    #[test]
    fn progress_runs_from_scheduling_to_arrival() {
        let (from, to) = (Some(at("2030-01-01T00:00:00Z")), Some(at("2030-01-11T00:00:00Z")));
        let p = |now| progress(Stored::Scheduled, from, to, at(now));
        assert!(p("2029-12-31T00:00:00Z").abs() < 1e-9);
        assert!((p("2030-01-06T00:00:00Z") - 0.5).abs() < 1e-9);
        assert!((p("2031-01-01T00:00:00Z") - 1.0).abs() < 1e-9);
        assert!((progress(Stored::Delivered, None, None, at("2030-01-01T00:00:00Z")) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn a_capsule_and_its_letter_name_each_other() {
        assert_eq!(capsule_id("mail_1234567890"), "capsule_1234567890");
        assert_eq!(mail_id_of("capsule_1234567890").unwrap(), "mail_1234567890");
        assert_eq!(mail_id_of("mail_1234567890"), None);
    }
}
