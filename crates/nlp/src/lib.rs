//! Language processing without a model and without I/O: what the embedded assistant, the statistics of letters
//! and the knowledge base know about a text.
//!
//! Chinese (simplified, and traditional where the characters are the same) and English; other languages get what
//! needs no dictionary. Every function is deterministic, takes any text and never panics. What it returns is either
//! quoted from the text, counted in it, or a template that says so: nothing is invented.
//!
//! Dictionaries load on first use, which takes a few hundred milliseconds and some 40 MB; [`warm`] does it ahead of
//! time. Work is bounded: algorithms whose time grows faster than the text look at its first [`MAX_CHARS`]
//! characters only.

pub mod compose;
pub mod evaluate;
mod feeling;
mod keywords;
mod language;
mod lexicon;
pub mod retrieval;
mod split;
mod summary;
mod words;

pub use feeling::{Emotion, Feeling, Sentiment, feeling};
pub use keywords::keywords;
pub use language::{Language, language};
pub use split::sentences;
pub use summary::{Cues, Quote, Turn, key_points, summary, thread_summary, without_quotes};
pub use words::content_words;

/// How much of a text is looked at by [`feeling()`], [`keywords()`], [`summary()`] and [`compose`], in characters:
/// about twenty pages.
pub const MAX_CHARS: usize = 20_000;

/// Loads every dictionary now, so that the first request does not wait for it. Takes up to half a second of one
/// processor; calling it again costs nothing.
pub fn warm() {
    words::warm();
    feeling::warm();
    retrieval::warm();
}

/// The first [`MAX_CHARS`] characters of a text.
fn bounded(text: &str) -> &str {
    match text.char_indices().nth(MAX_CHARS) {
        Some((end, _)) => text.get(..end).unwrap_or(text),
        None => text,
    }
}
