//! The terms that a question and an entry are compared by: words without stop words, English ones by their stems, synonyms as
//! one; and with less weight the single characters of Chinese words, since 卡 may be 会员卡 and 约 预约.

use super::Synonyms;
use crate::{
    language::is_han,
    words::{Run, is_stop, jieba, normal, runs, stem},
};

/// How much of a question or an answer is looked at, in bytes: long answers are found by their beginning.
const MAX_BYTES: usize = 4096;

/// A word before stop words are left out, with the shorter words inside it.
#[derive(Debug)]
pub(super) struct Word {
    pub(super) text: String,
    inner: Vec<String>,
}

/// The words of a text in their order, stop words included.
pub(super) fn words(text: &str) -> Vec<Word> {
    let mut out = Vec::new();
    for run in runs(text) {
        match run {
            Run::Han(han) => {
                // Without guessing unknown words: a guess cuts a question otherwise than an entry.
                for token in jieba().cut(han, false) {
                    let inner = if token.end - token.start > 2 { inner(token.word) } else { Vec::new() };
                    out.push(Word { text: token.word.to_owned(), inner });
                }
            }
            Run::Word(word) => {
                let word = normal(word);
                let word = word.strip_suffix("'s").unwrap_or(&word);
                out.extend(word.split('-').map(|part| Word { text: part.to_owned(), inner: Vec::new() }));
            }
            Run::Mark(_) => {}
        }
    }
    out
}

/// The dictionary's words inside a longer one: 发票 in 电子发票.
fn inner(word: &str) -> Vec<String> {
    jieba()
        .cut_for_search(word, false)
        .into_iter()
        .map(|t| t.word)
        .filter(|w| *w != word)
        .map(str::to_owned)
        .collect()
}

/// What a character weighs that is a word of the question.
const CHARACTER_ALONE: f64 = 0.6;
/// What a character of a longer word weighs.
const CHARACTER_INSIDE: f64 = 0.22;

/// A term of a text.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token {
    /// The stem, `=7` for a group of synonyms, `·卡` for a character.
    pub(super) key: String,
    /// What it counts against a whole word.
    pub(super) weight: f64,
}

/// The terms of a text, with repetitions.
pub(super) fn terms(text: &str, synonyms: &Synonyms) -> Vec<Token> {
    let end = text.char_indices().map(|(at, _)| at).find(|at| *at > MAX_BYTES).unwrap_or(text.len());
    let words = words(text.get(..end).unwrap_or(text));
    let keys: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
    let mut out = Vec::new();
    let mut at = 0;
    while let Some(word) = words.get(at) {
        let rest = keys.get(at..).unwrap_or(&[]);
        if let Some((groups, used)) = synonyms.find(rest) {
            push_groups(groups, &mut out);
            rest.iter().take(used).for_each(|word| push_characters(word, &mut out));
            at += used;
            continue;
        }
        at += 1;
        push(&word.text, &mut out);
        for inner in &word.inner {
            match synonyms.find(&[inner]) {
                Some((groups, _)) => push_groups(groups, &mut out),
                None => push(inner, &mut out),
            }
        }
    }
    out
}

fn push_groups(groups: &[u32], out: &mut Vec<Token>) {
    out.extend(groups.iter().map(|group| Token { key: format!("={group}"), weight: 1.0 }));
}

fn push(word: &str, out: &mut Vec<Token>) {
    if !is_stop(word) {
        let alone = word.chars().count() == 1 && word.chars().all(is_han);
        if !alone {
            out.push(Token { key: stem(word).into_owned(), weight: 1.0 });
        }
        push_characters(word, out);
    }
}

fn push_characters(word: &str, out: &mut Vec<Token>) {
    let weight = if word.chars().count() == 1 { CHARACTER_ALONE } else { CHARACTER_INSIDE };
    for c in word.chars().filter(|c| is_han(*c) && !is_stop(c.encode_utf8(&mut [0; 4]))) {
        out.push(Token { key: format!("·{c}"), weight });
    }
}
