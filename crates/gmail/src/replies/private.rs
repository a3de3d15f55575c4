//! Whether an answer tells what only its owner is to know: the words of their goal, or how far they would go. Pure.

use std::{collections::HashSet, ops::Range};

/// So much of a private text in one run is repeated by no accident: six words, or ten Chinese characters.
const LONG: usize = 30;
/// What a word counts of that.
const WORD: usize = 5;
/// What a character counts of a script that has no spaces.
const CHARACTER: usize = 3;
/// So many characters may stand between an amount and the word that makes it a limit.
const BESIDE: usize = 24;

/// Words that make an amount a limit.
const LIMITS: [&str; 18] = [
    "at most",
    "up to",
    "no more than",
    "not more than",
    "maximum",
    "at max",
    "budget",
    "ceiling",
    "upper limit",
    "cannot exceed",
    "can't exceed",
    "最多",
    "至多",
    "最高",
    "不超过",
    "不能超过",
    "上限",
    "预算",
];

/// What an answer tells of its owner's private texts; `None`: nothing. What both sides have `said` is no secret any more.
pub(super) fn reveals(text: &str, private: &[String], said: &[String]) -> Option<String> {
    let runs_of = |texts: &[String]| texts.iter().flat_map(|text| runs(text)).collect::<HashSet<_>>();
    let secret = runs_of(private);
    let mut repeated: Vec<Vec<String>> = runs(text).into_iter().filter(|run| secret.contains(run)).collect();
    if !repeated.is_empty() {
        let known = runs_of(said);
        repeated.retain(|run| !known.contains(run));
    }
    if let Some(run) = repeated.first() {
        return Some(format!("it repeats words of the goal or its instructions («{}»)", run.join(" ")));
    }
    let limit = limit(&text.to_lowercase(), private)?;
    Some(format!("it tells how far its owner would go («{limit}»)"))
}

/// Every run of words that is just long enough.
fn runs(text: &str) -> HashSet<Vec<String>> {
    let words = words(text);
    let from = |start: usize| {
        let mut length = 0;
        let mut run = Vec::new();
        for (word, counts) in words.iter().skip(start) {
            run.push(word.clone());
            length += counts;
            if length >= LONG {
                return Some(run);
            }
        }
        None
    };
    (0..words.len()).filter_map(from).collect()
}

/// The words of a text in lower case, and what each counts.
fn words(text: &str) -> Vec<(String, usize)> {
    let mut words: Vec<(String, usize)> = Vec::new();
    let mut word = String::new();
    for c in text.chars().flat_map(char::to_lowercase).chain([' ']) {
        let alone = is_alone(c);
        if c.is_alphanumeric() && !alone {
            word.push(c);
            continue;
        }
        // An apostrophe is part of its word, however it is written.
        if matches!(c, '\'' | '’') && !word.is_empty() {
            continue;
        }
        if !word.is_empty() {
            words.push((std::mem::take(&mut word), WORD));
        }
        if alone {
            words.push((c.to_string(), CHARACTER));
        }
    }
    words
}

/// A letter of a script without spaces.
fn is_alone(c: char) -> bool {
    c.is_alphabetic() && c >= '\u{2e80}'
}

/// An amount beside a word that makes it a limit, in a text in lower case: of money, or any number that a private text has.
fn limit(text: &str, private: &[String]) -> Option<String> {
    let secret: HashSet<String> =
        private.iter().flat_map(|text| numbers(text).map(|n| plain(text, n)).collect::<Vec<_>>()).collect();
    let mut amounts = assistant::amounts(text);
    amounts.extend(numbers(text).filter(|number| secret.contains(&plain(text, number.clone()))));
    let limits = LIMITS.iter().flat_map(|word| {
        let found = text.match_indices(word).map(|(at, word)| at..at + word.len());
        found.filter(|found| !word.is_ascii() || begins_word(text, found.start))
    });
    limits.into_iter().find_map(|word| {
        let amount = amounts.iter().find(|amount| are_beside(text, &word, amount))?;
        text.get(word.start.min(amount.start)..word.end.max(amount.end)).map(str::to_owned)
    })
}

fn begins_word(text: &str, at: usize) -> bool {
    !text.get(..at).and_then(|t| t.chars().next_back()).is_some_and(|c| c.is_ascii_alphanumeric())
}

/// Whether two places are near each other in one sentence.
fn are_beside(text: &str, one: &Range<usize>, other: &Range<usize>) -> bool {
    let between = one.end.min(other.end)..one.start.max(other.start);
    let between = text.get(between).unwrap_or_default();
    between.chars().count() <= BESIDE
        && !between.contains(['!', '?', '。', '！', '？', '\n'])
        && !between.contains(". ")
}

/// Where the numbers of a text are.
fn numbers(text: &str) -> impl Iterator<Item = Range<usize>> {
    let is_part = |c: char| c.is_ascii_digit() || c == ',' || c == '.';
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = at + text.get(at..)?.find(|c: char| c.is_ascii_digit())?;
        let rest = text.get(start..)?;
        let end = rest.find(|c| !is_part(c)).map_or(text.len(), |end| start + end);
        at = end;
        let kept = text.get(start..end)?.trim_end_matches([',', '.']);
        Some(start..start + kept.len())
    })
}

/// A number without its commas.
fn plain(text: &str, number: Range<usize>) -> String {
    text.get(number).unwrap_or_default().replace(',', "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str, private: &str, said: &str) -> bool {
        reveals(text, &[private.to_owned()], &[said.to_owned()]).is_some()
    }

    #[test]
    fn the_words_of_a_goal_are_its_owners() {
        let goal = "Get her to sign before the agency notices, for 500 USD; we would go up to 900.";
        for (text, reveals) in [
            ("Thank you! Would Tuesday suit you?", false),
            ("Let us sign in March.", false),
            ("I want to get her to sign — before the agency notices.", true),
            ("We'd like you to SIGN before the Agency notices, for a fee.", true),
            ("sign before the agency", false),
        ] {
            assert_eq!(told(text, goal, ""), reveals, "{text}");
        }
        let goal = "先报一万二，对方坚持的话可以加到一万五千元";
        assert!(told("我们对方坚持的话可以加到一万五千元。", goal, ""));
        assert!(!told("可以加到购物车里。", goal, ""));
        // What was said between the two is not private.
        let goal = "Agree on a video about the new spring collection in March";
        let text = "The video about the new spring collection in March sounds good.";
        assert!(
            told(text, goal, "") && !told(text, goal, "A video about the new spring collection in March?")
        );
    }

    #[test]
    fn how_far_somebody_would_go_is_private() {
        let goal = "Offer 500 USD, or 1,200 pieces";
        for (text, reveals) in [
            ("We can pay at most 500 USD.", true),
            ("We can pay up to $500.", true),
            ("500 USD is our maximum.", true),
            ("Our budget for this is five hundred dollars.", true),
            ("预算是500美元。", true),
            ("我们最多给五百美元", true),
            ("The limit is no more than 1200 of them", true),
            ("We can pay 500 USD.", false),
            ("It takes up to 3 days.", false),
            ("We pay 500 USD. At most venues there is parking.", false),
            ("Our budget is settled! Then 500 USD it is.", false),
        ] {
            assert_eq!(told(text, goal, goal), reveals, "{text}");
        }
    }
}
