//! The words a text is about, the most telling first.
//!
//! Chinese: nouns and verbs of the dictionary, weighed by how often, how early and how rarely used they are. English:
//! RAKE with phrases of at most two words and a bonus for standing early.

use std::collections::HashMap;

use crate::{
    language::{Language, language},
    words::{Run, is_content, is_weak, jieba, normal, runs, stem},
};

/// The `n` most telling words or phrases of a text (of its first [`crate::MAX_CHARS`] characters), the best first; each
/// stands in the text, in lower case. Fewer if it has no more.
#[must_use]
pub fn keywords(text: &str, n: usize) -> Vec<String> {
    let text = crate::bounded(text);
    let ranked: Vec<(String, f64)> = if language(text) == Language::Chinese {
        chinese(text)
    } else {
        // Where there is little else, verbs and adjectives are what a text is about.
        english(text, |word| !is_weak(word)).into_iter().chain(english(text, is_weak)).collect()
    };
    let mut out: Vec<String> = Vec::new();
    for (word, _) in ranked {
        if out.len() == n {
            break;
        }
        // "退款" after "退款申请" says nothing new.
        if !out.iter().any(|have| have.contains(&word) || word.contains(have.as_str())) {
            out.push(word);
        }
    }
    out
}

/// Sums of weights by word, in the order of first appearance.
#[derive(Default)]
struct Ranking {
    index: HashMap<String, usize>,
    words: Vec<(String, f64)>,
}

impl Ranking {
    fn add(&mut self, word: &str, weight: f64) {
        let next = self.words.len();
        let at = *self.index.entry(word.to_owned()).or_insert(next);
        match self.words.get_mut(at) {
            Some((_, sum)) => *sum += weight,
            None => self.words.push((word.to_owned(), weight)),
        }
    }

    /// The best first; equals in the order of the text.
    fn sorted(mut self) -> Vec<(String, f64)> {
        self.words.sort_by(|a, b| b.1.total_cmp(&a.1));
        self.words
    }
}

/// What a part of speech is worth as a keyword.
fn worth(tag: &str) -> f64 {
    match tag {
        "n" | "nz" | "nt" | "ns" | "vn" | "eng" => 1.0,
        "nr" | "an" | "l" | "j" => 0.8,
        "i" | "t" | "s" => 0.6,
        "v" => 0.55,
        "a" => 0.3,
        _ => 0.0,
    }
}

/// How much a Chinese word tells: rare ones more, up to a point; guesses that the dictionary does not know less.
fn rarity(word: &str) -> f64 {
    /// Occurrences in the corpus that the dictionary counts.
    const CORPUS: f64 = 60_000_000.0;
    if !jieba().has_word(word) {
        return 6.0;
    }
    #[expect(clippy::cast_precision_loss, reason = "a frequency")]
    let seen = jieba().suggest_freq(word).max(3) as f64;
    (CORPUS / seen).ln().clamp(5.0, 11.0)
}

fn chinese(text: &str) -> Vec<(String, f64)> {
    let mut ranking = Ranking::default();
    let mut count = 0.0;
    for run in runs(text) {
        match run {
            Run::Han(han) => {
                for tag in jieba().tag(han, true) {
                    count += 1.0;
                    let worth = worth(tag.tag);
                    if worth > 0.0 && is_content(tag.word) {
                        ranking.add(tag.word, worth * early(count));
                    }
                }
            }
            Run::Word(word) => {
                count += 1.0;
                let word = normal(word);
                if is_content(&word) {
                    ranking.add(&word, early(count));
                }
            }
            Run::Mark(_) => {}
        }
    }
    for (word, weight) in &mut ranking.words {
        *weight = weight.sqrt() * rarity(word);
    }
    ranking.sorted()
}

/// What stands early weighs up to a third more.
fn early(position: f64) -> f64 {
    1.0 + 0.33 / (1.0 + position / 40.0)
}

fn english(text: &str, keep: impl Fn(&str) -> bool) -> Vec<(String, f64)> {
    let phrases = phrases(text, keep);
    // RAKE: a word's degree (the words it stands with, itself included) over how often it stands.
    let mut weight: HashMap<String, (f64, f64)> = HashMap::new();
    for phrase in &phrases {
        for word in phrase {
            let (degree, count) = weight.entry(stem(word).into_owned()).or_default();
            *degree += if phrase.len() > 1 { 2.0 } else { 1.0 };
            *count += 1.0;
        }
    }
    let mut ranking = Ranking::default();
    let mut position = 0.0;
    for phrase in &phrases {
        position += 1.0;
        let score: f64 = phrase
            .iter()
            .filter_map(|word| weight.get(stem(word).as_ref()))
            .map(|(degree, count)| degree / count + count.ln())
            .sum();
        ranking.add(&phrase.join(" "), score * early(position));
    }
    ranking.sorted()
}

/// Neighbouring content words that are kept, two at the most.
fn phrases(text: &str, keep: impl Fn(&str) -> bool) -> Vec<Vec<String>> {
    let mut out = Vec::new();
    let mut open: Vec<String> = Vec::new();
    for run in runs(text) {
        let word = match run {
            Run::Word(word) => normal(word.trim_end_matches("'s").trim_end_matches("’s")),
            Run::Han(word) => word.to_owned(),
            Run::Mark(_) => String::new(),
        };
        let content = is_content(&word) && keep(&word);
        if (!content || open.len() == 2) && !open.is_empty() {
            out.push(std::mem::take(&mut open));
        }
        if content {
            open.push(word);
        }
    }
    if !open.is_empty() {
        out.push(open);
    }
    out
}
