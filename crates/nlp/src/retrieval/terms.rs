//! The terms that a question and an entry are compared by: words without stop words, English ones by their stems, synonyms as
//! one.

use super::Synonyms;
use crate::words::{Run, is_stop, jieba, normal, runs, stem};

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

/// The terms of a text, with repetitions.
pub(super) fn terms(text: &str, synonyms: &Synonyms) -> Vec<String> {
    let end = text.char_indices().map(|(at, _)| at).find(|at| *at > MAX_BYTES).unwrap_or(text.len());
    let words = words(text.get(..end).unwrap_or(text));
    let keys: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
    let mut out = Vec::new();
    let mut at = 0;
    while let Some(word) = words.get(at) {
        let rest = keys.get(at..).unwrap_or(&[]);
        if let Some((groups, used)) = synonyms.find(rest) {
            out.extend(groups.iter().map(|group| format!("={group}")));
            at += used;
            continue;
        }
        at += 1;
        push(&word.text, &mut out);
        for inner in &word.inner {
            match synonyms.find(&[inner]) {
                Some((groups, _)) => out.extend(groups.iter().map(|group| format!("={group}"))),
                None => push(inner, &mut out),
            }
        }
    }
    out
}

fn push(word: &str, out: &mut Vec<String>) {
    if !is_stop(word) {
        out.push(stem(word).into_owned());
    }
}
