//! Letters to the future: an outline, a draft with gaps, or a finished letter.

use std::sync::LazyLock;

use super::{
    brief::{Brief, is_self},
    in_chinese, seed,
    templates::{Slots, Templates},
};
use crate::{split::sentences, words::content_words};

static ZH: LazyLock<Templates> =
    LazyLock::new(|| Templates::parse(include_str!("../../data/letters_zh.txt")));
static EN: LazyLock<Templates> =
    LazyLock::new(|| Templates::parse(include_str!("../../data/letters_en.txt")));

/// How finished a text is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Numbered headings, each with a question to think about.
    Outline,
    /// Paragraphs with gaps 【…】 for what only the writer knows.
    Draft,
    /// A letter without gaps.
    Complete,
}

/// How it is to sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tone {
    /// Measured and polite.
    Formal,
    /// As one speaks to a friend.
    Casual,
    /// From the heart.
    Emotional,
    /// Encouraging.
    Inspirational,
}

/// How long it is to be: about 120, 300 or 700 Chinese characters, or 80, 200 or 450 words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Length {
    /// A card.
    Short,
    /// A page.
    Medium,
    /// Two pages.
    Long,
}

/// What to write.
#[derive(Debug, Clone, Copy)]
pub struct Writing<'a> {
    /// What the user asked for.
    pub prompt: &'a str,
    /// How finished.
    pub kind: Kind,
    /// How it sounds.
    pub tone: Tone,
    /// How long.
    pub length: Length,
    /// What else is known; may be empty.
    pub context: &'a str,
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The text; paragraphs are separated by an empty line.
    pub content: String,
    /// What would make it better, at most four sentences in the language of the text.
    pub suggestions: Vec<String>,
    /// How long writing it by hand takes, in minutes: 25 Chinese characters or 15 words a minute.
    pub minutes: u32,
}

impl Tone {
    const fn key(self) -> &'static str {
        match self {
            Self::Formal => "formal",
            Self::Casual => "casual",
            Self::Emotional => "emotional",
            Self::Inspirational => "inspirational",
        }
    }
}

/// The parts of a letter between its opening and its closing, by length.
const fn parts(length: Length) -> &'static [&'static str] {
    match length {
        Length::Short => &["theme"],
        Length::Medium => &["now", "theme", "second", "hope"],
        Length::Long => &[
            "now", "theme", "second", "memory", "people", "feeling", "hope", "advice", "question", "promise",
        ],
    }
}

/// Writes a letter, a draft or an outline in the language of the prompt.
#[must_use]
pub fn write(writing: &Writing<'_>) -> Written {
    let prompt = crate::bounded(writing.prompt);
    let context = crate::bounded(writing.context);
    let chinese = in_chinese(&[prompt, context]);
    let brief = Brief::read(prompt, context, chinese);
    let letter = Letter {
        chinese,
        templates: if chinese { &ZH } else { &EN },
        brief: &brief,
        writing,
        seed: seed(prompt),
    };
    let content = if writing.kind == Kind::Outline { letter.outline() } else { letter.text() };
    Written {
        suggestions: letter.suggestions(prompt, context),
        minutes: minutes(writing.length, chinese),
        content,
    }
}

fn minutes(length: Length, chinese: bool) -> u32 {
    let (han, words): (u32, u32) = match length {
        Length::Short => (120, 80),
        Length::Medium => (300, 200),
        Length::Long => (700, 450),
    };
    if chinese { han.div_ceil(25) } else { words.div_ceil(15) }
}

struct Letter<'a> {
    chinese: bool,
    templates: &'static Templates,
    brief: &'a Brief,
    writing: &'a Writing<'a>,
    seed: u64,
}

impl Letter<'_> {
    /// The best section of these keys; the seed is turned by the part, so that parts vary independently.
    fn pick(&self, keys: &[String], slots: &Slots<'_>, gaps: bool) -> Option<String> {
        keys.iter()
            .find_map(|key| self.templates.pick(key, self.seed.rotate_left(7) ^ seed(key), slots, gaps))
    }

    /// The keys of a part, the most special first: of the theme and tone, of the theme, of the tone, of anything.
    fn keys(&self, part: &str) -> Vec<String> {
        let tone = self.writing.tone.key();
        let who = if is_self(&self.brief.to) { "self" } else { "other" };
        if part == "theme" {
            let theme = self.brief.theme;
            return vec![
                format!("{theme}.{who}.{tone}"),
                format!("{theme}.{tone}"),
                format!("{theme}.{who}"),
                theme.to_owned(),
                "life".to_owned(),
            ];
        }
        vec![
            format!("{part}.{who}.{tone}"),
            format!("{part}.{tone}"),
            format!("{part}.{who}"),
            part.to_owned(),
        ]
    }

    fn text(&self) -> String {
        let gaps = self.writing.kind == Kind::Draft;
        let brief = self.brief;
        let mut paragraphs = Vec::new();
        let slots = self.slots("");
        paragraphs.extend(self.pick(&self.keys("greeting"), &slots, false));
        paragraphs.extend(self.pick(&self.keys("opening"), &slots, gaps));
        let mut goals = brief.goals.iter();
        for part in parts(self.writing.length) {
            let goal = if *part == "hope" { goals.next().map_or("", String::as_str) } else { "" };
            paragraphs.extend(self.pick(&self.keys(part), &self.slots(goal), gaps));
        }
        paragraphs.extend(self.pick(&self.keys("closing"), &slots, gaps));
        paragraphs.extend(self.pick(&self.keys("signature"), &slots, gaps));
        paragraphs.join("\n\n")
    }

    fn slots<'b>(&'b self, goal: &'b str) -> [(&'static str, &'b str); 6] {
        let brief = self.brief;
        [
            ("to", brief.to.as_str()),
            ("topic", brief.topic(0)),
            ("topic2", brief.topic(1)),
            ("subject", brief.subject.as_str()),
            ("when", brief.when.as_str()),
            ("goal", goal),
        ]
    }

    fn outline(&self) -> String {
        let mut lines = Vec::new();
        let slots = self.slots(self.brief.goals.first().map_or("", String::as_str));
        for part in ["greeting", "opening"].iter().chain(parts(self.writing.length)).chain(&["closing"]) {
            let theme = if *part == "theme" { self.brief.theme } else { part };
            let keys = [format!("outline.{theme}"), format!("outline.{part}")];
            if let Some(line) = self.pick(&keys, &slots, false) {
                lines.push(format!("{}. {line}", lines.len() + 1));
            }
        }
        lines.extend(self.pick(&[format!("outline.tone.{}", self.writing.tone.key())], &slots, false));
        lines.join("\n")
    }

    /// What the rules find missing, the most important first.
    fn suggestions(&self, prompt: &str, context: &str) -> Vec<String> {
        let mut found = Vec::new();
        let both = format!("{prompt}\n{context}");
        if !self.brief.addressed {
            found.push("suggest.addressee");
        }
        if self.brief.topics.is_empty() {
            found.push("suggest.topic");
        }
        if !both.chars().any(|c| c.is_ascii_digit()) && self.brief.when.is_empty() {
            found.push("suggest.date");
        }
        if content_words(&both).len() < 8 {
            found.push("suggest.detail");
        }
        if self.brief.goals.is_empty() {
            found.push("suggest.goal");
        }
        if sentences(&both)
            .iter()
            .any(|sentence| sentence.chars().count() > if self.chinese { 60 } else { 220 })
        {
            found.push("suggest.long");
        }
        if self.writing.kind == Kind::Draft {
            found.insert(0, "suggest.gaps");
        }
        found.extend(["suggest.aloud", "suggest.object"]);
        found.truncate(4);
        found
            .into_iter()
            .filter_map(|key| self.templates.pick(key, self.seed, &self.slots(""), false))
            .collect()
    }
}
