//! What a text says about its writer's feeling: polarity and five emotions, by word lists and the rules of a clause.
//!
//! Good on letters, mails and messages of everyday language; sarcasm and what has to be known about the world are
//! beyond it. The confidence is honest: it grows with the evidence and with its unanimity.

mod items;
mod score;

pub(crate) use items::warm;

use crate::language::{Language, language};

/// Which way a text leans.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sentiment {
    /// Mostly good.
    Positive,
    /// Facts, questions, requests.
    Neutral,
    /// Mostly bad.
    Negative,
    /// Clearly both.
    Mixed,
}

impl Sentiment {
    /// All four, in the order of the interface.
    pub const ALL: [Self; 4] = [Self::Positive, Self::Neutral, Self::Negative, Self::Mixed];

    /// The name in interfaces and labelled texts.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Positive => "POSITIVE",
            Self::Neutral => "NEUTRAL",
            Self::Negative => "NEGATIVE",
            Self::Mixed => "MIXED",
        }
    }

    /// The sentiment of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|sentiment| sentiment.as_str() == name)
    }
}

/// An emotion that a letter can be found by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Emotion {
    /// Joy, pride, gratitude, love.
    Happy,
    /// Grief, loneliness, disappointment with life.
    Sad,
    /// Wishes and confidence for what comes.
    Hopeful,
    /// Longing for what was.
    Nostalgic,
    /// Impatient joy.
    Excited,
}

impl Emotion {
    /// All five, in the order of the interface.
    pub const ALL: [Self; 5] = [Self::Happy, Self::Sad, Self::Hopeful, Self::Nostalgic, Self::Excited];

    /// The name in interfaces and labelled texts.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Happy => "HAPPY",
            Self::Sad => "SAD",
            Self::Hopeful => "HOPEFUL",
            Self::Nostalgic => "NOSTALGIC",
            Self::Excited => "EXCITED",
        }
    }

    /// The emotion of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|emotion| emotion.as_str() == name)
    }
}

/// The feeling of a text.
#[derive(Debug, Clone, PartialEq)]
pub struct Feeling {
    /// Which way it leans.
    pub sentiment: Sentiment,
    /// How sure that is, 0.0…1.0.
    pub confidence: f64,
    /// The emotions it shows, the strongest first, each 0.0…1.0. Often none.
    pub emotions: Vec<(Emotion, f64)>,
}

/// The feeling of a text, of its first [`crate::MAX_CHARS`] characters.
///
/// A text in neither Chinese nor English is judged by its emoji alone, with little confidence.
#[must_use]
pub fn feeling(text: &str) -> Feeling {
    let text = crate::bounded(text);
    let tally = score::tally(&items::items(text));
    let mut feeling = score::judge(&tally);
    if language(text) == Language::Other {
        feeling.confidence = feeling.confidence.min(0.3);
    }
    feeling
}
