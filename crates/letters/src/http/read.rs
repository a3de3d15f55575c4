//! Reading a letter's fields from a body, the same for creating, updating and scheduling.

use httpkit::{Fields, text};
use kernel::Timestamp;
use utoipa::ToSchema;

use crate::{
    model::{AttachmentType, EventCondition, Location, TriggerCondition},
    ops::{Attachment, Draft},
    seal::{Passphrase, Secrecy},
    triggers::{RADII, words::Needle},
};

/// So many attachments may a letter have.
pub(crate) const MAX_ATTACHMENTS: usize = 20;
const MAX_KEYWORDS: usize = 50;

/// A letter's title.
pub(crate) type Title = text::Line<200>;
/// A letter's text.
pub(crate) type Content = text::Lines<200_000>;

/// An attachment as given.
#[derive(ToSchema)]
#[expect(dead_code, reason = "documents the body, which is read field by field")]
pub(super) struct AttachmentRequest {
    r#type: AttachmentType,
    /// The URL that an upload answered, or any http(s) URL; that is kept as a link and never fetched.
    #[schema(example = "https://example.com/image.jpg", max_length = 2048)]
    url: String,
    /// For a link of one's own.
    thumbnail: Option<String>,
}

/// The fields of a draft that may all be absent; the caller says which are required.
pub(super) fn draft(f: &mut Fields, now: Timestamp) -> Draft {
    let mut draft = Draft {
        title: f.optional::<Title>("title").map(|t| t.0),
        content: f.optional::<Content>("content").map(|t| t.0),
        recipient_type: f.optional("recipientType"),
        recipient_email: email(f),
        send_time: f.optional("sendTime"),
        trigger_type: f.optional("triggerType"),
        trigger_condition: condition(f),
        attachments: f.list("attachments", MAX_ATTACHMENTS, |f| Attachment {
            kind: f.required("type"),
            url: f.required::<accounts::Url>("url").0,
            thumbnail: f.optional::<accounts::Url>("thumbnail").map(|t| t.0),
        }),
        is_encrypted: f.optional("isEncrypted"),
        secrecy: Secrecy {
            passphrase: passphrase(f, "passphrase"),
            new_passphrase: passphrase(f, "newPassphrase"),
            hint: f.optional::<text::Line<200>>("passphraseHint").map(|t| t.0),
        },
        capsule_style: f.optional::<text::Line<64>>("capsuleStyle").map(|t| t.0),
    };
    if draft.send_time.is_some_and(|t| t <= now) {
        f.rule("sendTime", "must be later than now");
        draft.send_time = None;
    }
    draft
}

/// A letter's passphrase, from 8 to 1024 characters.
pub(super) fn passphrase(f: &mut Fields, name: &str) -> Option<Passphrase> {
    let text: text::Opaque<1024> = f.optional(name)?;
    if text.0.trim().chars().nth(7).is_none() {
        f.rule(name, "must have at least 8 characters");
        return None;
    }
    Some(Passphrase::new(text.0))
}

/// `recipientEmail`, as given and normalized.
pub(crate) fn email(f: &mut Fields) -> Option<(String, String)> {
    let text: text::Opaque<320> = f.optional("recipientEmail")?;
    if text.0.trim().is_empty() {
        return None;
    }
    match transports::parse_address(text.0.trim()) {
        Ok(address) => Some((address.to_string(), address.normalized())),
        Err(e) => {
            f.rule("recipientEmail", e.to_string());
            None
        }
    }
}

/// `triggerCondition`.
pub(crate) fn condition(f: &mut Fields) -> Option<TriggerCondition> {
    f.object("triggerCondition", |f| TriggerCondition {
        location: f.object("location", |f| Location {
            latitude: degrees(f, "latitude", 90.0),
            longitude: degrees(f, "longitude", 180.0),
            radius: radius(f),
            city: f.optional::<text::Line<100>>("city").map(|t| t.0),
        }),
        event: f.object("event", |f| {
            let words: Vec<text::Line<100>> = f.optional("keywords").unwrap_or_default();
            if words.len() > MAX_KEYWORDS {
                f.rule("keywords", format!("must have at most {MAX_KEYWORDS} entries"));
            }
            if words.iter().any(|word| Needle::of(&word.0).is_none()) {
                f.rule("keywords", "must be words, or at least two characters of a script without spaces");
            }
            EventCondition {
                keywords: words.into_iter().map(|t| t.0).collect(),
                kind: f.optional::<text::Line<100>>("type").map(|t| t.0),
            }
        }),
    })
}

fn radius(f: &mut Fields) -> Option<f64> {
    let radius: f64 = f.optional("radius")?;
    let (least, most) = (RADII.start(), RADII.end());
    if !(f.has("latitude") && f.has("longitude")) {
        f.rule("radius", "needs latitude and longitude");
    } else if !RADII.contains(&radius) {
        f.rule("radius", format!("must be from {least} to {most} metres"));
    } else {
        return Some(radius);
    }
    None
}

pub(super) fn degrees(f: &mut Fields, name: &str, most: f64) -> Option<f64> {
    let value: f64 = f.optional(name)?;
    if value.abs() > most {
        f.rule(name, format!("must be from -{most} to {most}"));
        return None;
    }
    Some(value)
}
