//! Texts made of templates and of the user's own words: letters, replies, and reckonings about the time until delivery.
//!
//! Usable scaffolding, not literature, and it says so where it matters: what is not known stays a visible gap 【…】 in a
//! draft, a prediction calls itself a rule-based estimate. The language follows the input; anything but Chinese gets
//! English. The same input always gives the same text.

mod brief;
mod dates;
mod predict;
mod reply;
mod templates;
mod writing;

pub use predict::{Prediction, predict};
pub use reply::{Correspondence, Occasion, Reply, reply};
pub use writing::{Kind, Length, Tone, Writing, Written, write};

use crate::language::{Language, language};

/// Whether to write Chinese to somebody who wrote this: the first text that has letters decides.
fn in_chinese(texts: &[&str]) -> bool {
    let spoken = texts.iter().map(|text| language(text)).find(|language| *language != Language::Other);
    spoken == Some(Language::Chinese)
}

/// A number from a text, the same on every machine and in every version (FNV-1a).
fn seed(text: &str) -> u64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
