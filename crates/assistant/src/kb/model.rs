//! What a knowledge base holds and how much of it: pure types and rules.

use httpkit::{Bad, FromField, text, text_enum};
use nlp::Language;
use serde_json::Value;

/// The most characters of a question.
pub(crate) const QUESTION: usize = 500;
/// The most characters of an answer.
pub(crate) const ANSWER: usize = 8000;
/// The most characters of another way to ask.
pub(crate) const ALIAS: usize = 200;
/// The most other ways to ask, and the most tags, of one entry.
pub(crate) const LIST: usize = 20;
/// The most characters of a tag.
pub(crate) const TAG: usize = 50;
/// The most entries of one base.
pub(crate) const ENTRIES: i64 = 20_000;
/// The most text of one base in bytes: what its index costs in memory follows from it.
pub(crate) const BYTES: i64 = 32 * 1024 * 1024;
/// The most bases of one owner.
pub(crate) const BASES: i64 = 50;
/// The most groups of synonyms of one base.
pub(crate) const GROUPS: usize = 2000;
/// The most words of one group of synonyms.
pub(crate) const GROUP: usize = 20;
/// The most characters of a synonym.
pub(crate) const WORD: usize = 50;

/// Stands between the values of one cell of a CSV file, hence in none of them.
pub(crate) const SEPARATOR: char = '|';

text_enum! {
    /// What a search is good for.
    Decision {
        /// The first hit answers the question.
        Answer = "ANSWER",
        /// One of the hits may be meant: ask which.
        Clarify = "CLARIFY",
        /// The base does not answer this: a person should.
        None = "NONE",
    }
}

text_enum! {
    /// The language of most of a text.
    LanguageName {
        /// Han characters.
        Chinese = "zh",
        /// Latin letters, taken for English.
        English = "en",
        /// Neither.
        Other = "other",
    }
}

impl LanguageName {
    /// Of an entry's question and answer.
    pub(crate) fn of(question: &str, answer: &str) -> Self {
        match nlp::language(&format!("{question}\n{answer}")) {
            Language::Chinese => Self::Chinese,
            Language::English => Self::English,
            Language::Other => Self::Other,
        }
    }
}

/// How a base is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KbRef {
    /// `kb_…`
    Id(String),
    /// By its number, where ids are integers.
    Number(i64),
}

impl FromField for KbRef {
    fn from_field(value: &Value) -> Result<Self, Bad> {
        match value {
            Value::String(id) if kernel::id::is("kb", id) => Ok(Self::Id(id.clone())),
            value => i64::from_field(value)
                .map(Self::Number)
                .map_err(|_| Bad::Type("must be a knowledge base's number or its id, kb_…".to_owned())),
        }
    }
}

/// What an entry says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Content {
    pub(crate) question: String,
    pub(crate) answer: String,
    pub(crate) aliases: Vec<String>,
    pub(crate) tags: Vec<String>,
    pub(crate) enabled: bool,
}

impl Content {
    /// The size that counts towards [`BYTES`].
    pub(crate) fn bytes(&self) -> i64 {
        let lists = self.aliases.iter().chain(&self.tags).map(String::len).sum::<usize>();
        i64::try_from(self.question.len() + self.answer.len() + lists).unwrap_or(i64::MAX)
    }
}

/// What an entry shall say; what is `None` stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Patch {
    pub(crate) question: Option<String>,
    pub(crate) answer: Option<String>,
    pub(crate) aliases: Option<Vec<String>>,
    pub(crate) tags: Option<Vec<String>>,
    pub(crate) enabled: Option<bool>,
}

impl Patch {
    /// The content with the changes.
    pub(crate) fn onto(self, old: Content) -> Content {
        Content {
            question: self.question.unwrap_or(old.question),
            answer: self.answer.unwrap_or(old.answer),
            aliases: self.aliases.unwrap_or(old.aliases),
            tags: self.tags.unwrap_or(old.tags),
            enabled: self.enabled.unwrap_or(old.enabled),
        }
    }
}

/// By what two questions are the same: their words, whatever the case, the spaces and the mark at the end.
pub(crate) fn question_key(question: &str) -> String {
    let lower = question.to_lowercase();
    let words: Vec<&str> = lower.split_whitespace().collect();
    let joined = words.join(" ");
    let bare = joined.trim_end_matches(['?', '？', '!', '！', '.', '。', '…', ' ']);
    if bare.is_empty() { joined } else { bare.to_owned() }
}

/// A question.
#[derive(Debug, Clone, Default)]
pub(crate) struct Question(pub(crate) String);

impl FromField for Question {
    fn from_field(value: &Value) -> Result<Self, Bad> {
        text::Line::<QUESTION>::from_field(value).map(|line| Self(line.0))
    }
}

/// An answer: with line feeds alone between its lines, and no white space around it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Answer(pub(crate) String);

impl FromField for Answer {
    fn from_field(value: &Value) -> Result<Self, Bad> {
        let text::Lines(text) = text::Lines::<ANSWER>::from_field(value)?;
        Ok(Self(text.replace("\r\n", "\n").replace('\r', "\n").trim().to_owned()))
    }
}

/// A list of short texts, each once, in their order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shorts<const MAX: usize>(pub(crate) Vec<String>);

impl<const MAX: usize> FromField for Shorts<MAX> {
    fn from_field(value: &Value) -> Result<Self, Bad> {
        let mut out: Vec<String> = Vec::new();
        for text::Line(text) in Vec::<text::Line<MAX>>::from_field(value)? {
            if text.contains(SEPARATOR) {
                return Err(Bad::Rule("must not contain |, which stands between them in files".to_owned()));
            }
            if !out.contains(&text) {
                out.push(text);
            }
        }
        if out.len() > LIST {
            return Err(Bad::Rule(format!("must have at most {LIST} entries")));
        }
        Ok(Self(out))
    }
}

/// Groups of words that mean the same here.
#[derive(Debug, Clone, Default)]
pub(crate) struct Groups(pub(crate) Vec<Vec<String>>);

impl FromField for Groups {
    fn from_field(value: &Value) -> Result<Self, Bad> {
        let groups = value.as_array().ok_or_else(|| Bad::Type("must be a list of lists".to_owned()))?;
        if groups.len() > GROUPS {
            return Err(Bad::Rule(format!("must have at most {GROUPS} groups")));
        }
        let mut out = Vec::with_capacity(groups.len());
        for (n, group) in groups.iter().enumerate() {
            let named = |bad| match bad {
                Bad::Type(reason) => Bad::Type(format!("group {}: {reason}", n + 1)),
                Bad::Rule(reason) => Bad::Rule(format!("group {}: {reason}", n + 1)),
            };
            let words = Vec::<text::Line<WORD>>::from_field(group).map_err(named)?;
            if !(2..=GROUP).contains(&words.len()) {
                return Err(named(Bad::Rule(format!("must have 2 to {GROUP} words"))));
            }
            out.push(words.into_iter().map(|word| word.0).collect());
        }
        Ok(Self(out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn bases_by_name() {
        for (value, named) in [
            (json!("kb_1a"), Some(KbRef::Id("kb_1a".to_owned()))),
            (json!(7), Some(KbRef::Number(7))),
            (json!("7"), Some(KbRef::Number(7))),
            (json!("kb_"), None),
            (json!(1.5), None),
            (json!({}), None),
        ] {
            assert_eq!(KbRef::from_field(&value).ok(), named, "{value}");
        }
    }

    #[test]
    fn the_same_question() {
        for same in ["How do I return?", "how  do i RETURN", " How do I return ？！"] {
            assert_eq!(question_key(same), "how do i return", "{same}");
        }
        assert_eq!(question_key("如何退款？"), question_key("如何退款"));
        assert_ne!(question_key("如何退款"), question_key("如何退货"));
        assert_eq!(question_key("???"), "???");
    }

    #[test]
    fn lists_are_sets_in_order() {
        let Shorts(list) = Shorts::<10>::from_field(&json!(["b", " a ", "b"])).unwrap();
        assert_eq!(list, ["b", "a"]);
        for bad in [json!("a"), json!([1]), json!(["a|b"]), json!([""]), json!(["12345678901"])] {
            assert!(Shorts::<10>::from_field(&bad).is_err(), "{bad}");
        }
        let many: Vec<String> = (0..=LIST).map(|n| n.to_string()).collect();
        assert!(Shorts::<10>::from_field(&json!(many)).is_err());
    }

    #[test]
    fn answers_have_one_kind_of_line_end() {
        assert_eq!(Answer::from_field(&json!("\r\na\r\nb\rc\n ")).unwrap().0, "a\nb\nc");
        assert!(Answer::from_field(&json!("\n")).is_err());
    }

    #[test]
    fn groups_name_the_bad_one() {
        assert_eq!(Groups::from_field(&json!([["退款", "refund"]])).unwrap().0.len(), 1);
        for bad in [json!([["a", "b"], ["c"]]), json!([["a", "b"], "c"]), json!([["a", "b"], [1, 2]])] {
            let (Bad::Type(reason) | Bad::Rule(reason)) = Groups::from_field(&bad).unwrap_err();
            assert!(reason.starts_with("group 2: "), "{reason}");
        }
    }
}
