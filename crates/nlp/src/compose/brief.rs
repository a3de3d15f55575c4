//! What a writer asked for: to whom, on which occasion, about what, with which wishes.

use std::{collections::HashMap, sync::LazyLock};

use crate::{
    keywords,
    split::{clauses, sentences},
};

/// What a prompt and its context say.
#[derive(Debug, Default)]
pub(super) struct Brief {
    /// Whom the letter addresses, as a greeting names them: 未来的我, 妈妈, "future me".
    pub to: String,
    /// Whether the writer named the addressee.
    pub addressed: bool,
    /// The occasion: a key of the templates.
    pub theme: &'static str,
    /// The topic that belongs to the occasion, or nothing: 创业 of work.
    pub subject: String,
    /// What it is about, the most telling first.
    pub topics: Vec<String>,
    /// Wishes and plans, in the writer's words.
    pub goals: Vec<String>,
    /// When it will be read, in the writer's words: 十年后, "in ten years".
    pub when: String,
}

/// A list of `data/briefs.txt`: names, each with its words.
type List = Vec<(&'static str, Vec<String>)>;

/// The lists by their headings.
static LISTS: LazyLock<HashMap<&'static str, List>> = LazyLock::new(|| {
    let mut lists: HashMap<&'static str, List> = HashMap::new();
    let mut heading = "";
    for line in include_str!("../../data/briefs.txt").lines().filter(|line| !line.starts_with('#')) {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            heading = name;
        } else if let Some((name, words)) = line.split_once(':') {
            let words = words.split_whitespace().map(|word| word.replace('_', " ")).collect();
            lists.entry(heading).or_default().push((name, words));
        }
    }
    lists
});

/// A list; empty if there is none of this heading.
fn list(heading: &str) -> &'static [(&'static str, Vec<String>)] {
    LISTS.get(heading).map_or(&[], Vec::as_slice)
}

/// Every word of a list.
fn words_of(heading: &str) -> impl Iterator<Item = &'static str> {
    list(heading).iter().flat_map(|(_, words)| words.iter().map(String::as_str))
}

impl Brief {
    /// Reads a prompt and its context.
    pub fn read(prompt: &str, context: &str, chinese: bool) -> Self {
        let both = format!("{prompt}\n{context}");
        let lower = both.to_lowercase();
        // The earliest name in the text is the addressee: "to my son, about my father".
        let named = list(if chinese { "to.zh" } else { "to.en" })
            .iter()
            .filter_map(|(name, words)| {
                Some((words.iter().filter_map(|word| lower.find(word)).min()?, *name))
            })
            .min_by_key(|(at, _)| *at)
            .map(|(_, name)| name);
        let occasion = list("theme").iter().find(|(_, words)| words.iter().any(|word| lower.contains(word)));
        let topics = topics(&both);
        let belongs = |topic: &&String| {
            occasion.is_some_and(|(_, words)| words.iter().any(|word| topic.contains(word.trim())))
        };
        Self {
            to: named.unwrap_or(if chinese { "未来的我" } else { "future me" }).to_owned(),
            addressed: named.is_some(),
            theme: occasion.map_or("life", |(key, _)| key),
            subject: topics.iter().find(belongs).cloned().unwrap_or_default(),
            topics,
            goals: goals(&both),
            when: when(&both, chinese),
        }
    }

    /// A topic, or nothing.
    pub fn topic(&self, at: usize) -> &str {
        self.topics.get(at).map_or("", String::as_str)
    }
}

/// Whether the addressee is the writer.
pub(super) fn is_self(to: &str) -> bool {
    to == "未来的我" || to == "future me"
}

fn topics(text: &str) -> Vec<String> {
    let mut out = keywords(text, 10);
    out.retain(|topic| {
        let said = |word: &str| word.strip_prefix("my ").unwrap_or(word) == topic;
        !words_of("asking").chain(words_of("to.zh")).chain(words_of("to.en")).any(said)
            && !topic.split(' ').any(|part| words_of("asking").any(|word| word == part))
    });
    out.truncate(6);
    out
}

/// Clauses that state a wish or a plan, at most five, in the writer's words.
pub(super) fn goals(text: &str) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for sentence in sentences(crate::bounded(text)) {
        for clause in clauses(sentence) {
            let lower = clause.to_lowercase().replace('’', "'");
            let chinese = words_of("goal.zh").filter_map(|cue| clause.find(cue)).min();
            let stated = match chinese {
                Some(at) => clause.get(at..),
                None => words_of("goal.en").any(|cue| lower.contains(cue)).then_some(clause),
            };
            let Some(stated) = stated else { continue };
            let stated = stated.trim_end_matches(['.', ' ', '、']);
            let long = stated.chars().count();
            if (6..=120).contains(&long) && out.len() < 5 {
                out.push(crate::split::one_line(stated));
            }
        }
    }
    out
}

/// When the letter will be read, in the writer's words.
fn when(text: &str, chinese: bool) -> String {
    if chinese {
        for unit in ["年后", "个月后", "年以后"] {
            if let Some((before, _)) = text.split_once(unit) {
                let number: String = before
                    .chars()
                    .rev()
                    .take_while(|c| "一二三四五六七八九十两百0123456789".contains(*c))
                    .collect();
                if !number.is_empty() {
                    return format!("{}{unit}", number.chars().rev().collect::<String>());
                }
            }
        }
        return String::new();
    }
    let words: Vec<&str> =
        text.split_whitespace().map(|word| word.trim_matches(|c: char| !c.is_alphanumeric())).collect();
    words
        .windows(3)
        .find(|three| {
            matches!(three, [lead, count, unit] if lead.eq_ignore_ascii_case("in")
                && super::dates::english_number(count).is_some()
                && matches!(unit.to_lowercase().as_str(), "year" | "years" | "months" | "month"))
        })
        .map(|three| three.join(" ").to_lowercase())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_was_asked_for() {
        let brief = Brief::read("写一封给十年后的自己的信，关于创业和家人，希望那时公司已经稳定", "", true);
        assert_eq!((brief.to.as_str(), brief.theme, brief.when.as_str()), ("未来的我", "work", "十年后"));
        assert!(brief.topics.contains(&"创业".to_owned()), "{:?}", brief.topics);
        assert_eq!(brief.goals, ["希望那时公司已经稳定"]);
        let brief = Brief::read(
            "A birthday letter to my daughter, to be read in ten years. I hope she still paints.",
            "",
            false,
        );
        assert_eq!(
            (brief.to.as_str(), brief.theme, brief.when.as_str()),
            ("daughter", "birthday", "in ten years")
        );
        assert_eq!(brief.goals, ["I hope she still paints"]);
    }
}
