//! A text as the items that the rules of a clause work on: senses, negators, degrees, ends.

use std::{collections::HashSet, sync::LazyLock};

use vader_parity::SentimentIntensityAnalyzer;

use crate::{
    lexicon::{Lexicon, Role, Sense},
    words::{Run, jieba, normal, runs},
};

static ZH: LazyLock<Lexicon> = LazyLock::new(|| {
    Lexicon::parse(
        &[include_str!("../../data/feeling_zh.txt"), include_str!("../../data/roles_zh.txt")],
        true,
    )
});
static EN: LazyLock<Lexicon> = LazyLock::new(|| {
    Lexicon::parse(
        &[include_str!("../../data/feeling_en.txt"), include_str!("../../data/roles_en.txt")],
        false,
    )
});
static VADER: LazyLock<SentimentIntensityAnalyzer> = LazyLock::new(SentimentIntensityAnalyzer::new);

/// Single characters that may be split from the front of a dictionary word: 不|开心, 很|美.
const PREFIXES: &str = "不没很太真最更挺超未别";
/// Single characters that may be split from its end: 喜欢|上, 开心|的.
const SUFFIXES: &str = "了着过的地得死极上到坏透";

/// An item of a clause, or the end of one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Item {
    /// A word or phrase of the lists.
    Role(Role),
    /// Any other word.
    Plain,
    /// A clause ends here.
    Pause,
    /// A sentence ends here.
    End {
        /// As a question.
        question: bool,
        /// With an exclamation mark.
        exclaims: bool,
    },
}

/// Loads the lists.
pub(crate) fn warm() {
    LazyLock::force(&ZH);
    LazyLock::force(&EN);
    LazyLock::force(&VADER);
}

/// The items of a text, Chinese and English alike.
pub(super) fn items(text: &str) -> Vec<Item> {
    let mut out = Vec::new();
    let mut english: Vec<String> = Vec::new();
    let mut last = "";
    for run in runs(text) {
        if let Run::Word(word) = run {
            english.push(normal(word));
            continue;
        }
        english_items(&english, &mut out);
        english.clear();
        match run {
            Run::Han(han) => {
                chinese_items(han, &mut out);
                last = han;
            }
            Run::Mark(mark) => mark_item(mark, last, &mut out),
            Run::Word(_) => {}
        }
    }
    english_items(&english, &mut out);
    let question = last.ends_with(['吗', '呢']) && text.trim_end().ends_with(last);
    out.push(Item::End { question, exclaims: false });
    settle(&mut out);
    out
}

/// Words that are a degree before a sense and a sense alone become what they are here.
fn settle(items: &mut [Item]) {
    let mut next = None;
    for item in items.iter_mut().rev() {
        if let Item::Role(Role::Either(polarity, factor)) = *item {
            let degree = matches!(next, Some(Item::Role(Role::Sense(sense))) if sense.polarity != 0.0);
            let sense = Sense { polarity, emotions: [None; 2] };
            *item = Item::Role(if degree { Role::Degree(factor) } else { Role::Sense(sense) });
        }
        next = Some(*item);
    }
}

fn mark_item(mark: char, last: &str, out: &mut Vec<Item>) {
    let item = match mark {
        '，' | ',' | '；' | ';' | '：' | '—' | '–' | '(' | ')' | '（' | '）' => Item::Pause,
        '?' | '？' => Item::End { question: true, exclaims: false },
        '!' | '！' => Item::End { question: false, exclaims: true },
        '。' | '.' | '…' | '～' | '~' => Item::End { question: last.ends_with('吗'), exclaims: false },
        mark if !mark.is_ascii() => match EN.get(mark.encode_utf8(&mut [0; 4])) {
            Some(role) => Item::Role(role),
            None => return,
        },
        _ => return,
    };
    out.push(item);
}

/// Phrases first, then words of our lists, then VADER's.
fn english_items(words: &[String], out: &mut Vec<Item>) {
    let mut rest = words;
    while let Some(first) = rest.first() {
        let longest = EN.longest(first).min(rest.len());
        let found = (1..=longest).rev().find_map(|n| Some((EN.get(&rest.get(..n)?.join(" "))?, n)));
        let (item, used) = match found {
            Some((role, used)) => (Item::Role(role), used),
            None => (vader(first), 1),
        };
        out.push(item);
        rest = rest.get(used..).unwrap_or(&[]);
    }
}

/// A word's own valence in VADER's list, from the score of a text that has no other word.
fn vader(word: &str) -> Item {
    let compound = VADER.polarity_scores(word).compound;
    if compound == 0.0 {
        return Item::Plain;
    }
    let polarity = compound * (15.0 / (1.0 - compound * compound)).sqrt();
    Item::Role(Role::Sense(Sense { polarity, emotions: [None; 2] }))
}

/// Longest matches of the lists at the borders of words; a phrase of three characters and more may begin anywhere.
fn chinese_items(han: &str, out: &mut Vec<Item>) {
    let starts: Vec<usize> = han.char_indices().map(|(at, _)| at).chain([han.len()]).collect();
    let borders = borders(han);
    let slice = |from: usize, to: usize| han.get(*starts.get(from)?..*starts.get(to)?);
    let is_border = |at: usize| starts.get(at).is_some_and(|byte| borders.contains(byte));
    // A phrase may end inside a word of the dictionary (一点都不|好): its end is a border too.
    let mut end = 0;
    let count = starts.len() - 1;
    let mut at = 0;
    while at < count {
        let longest = slice(at, at + 1).map_or(0, |first| ZH.longest(first)).min(count - at);
        let found = (1..=longest).rev().find_map(|n| {
            let role = ZH.get(slice(at, at + n)?)?;
            let starts = at == end || is_border(at);
            (n >= 3 || (starts && is_border(at + n))).then_some((role, n))
        });
        if let Some((role, used)) = found {
            out.push(Item::Role(role));
            at += used;
            end = at;
        } else {
            if is_border(at) {
                out.push(Item::Plain);
            }
            at += 1;
        }
    }
}

/// Where words begin and end in a run of Han characters, in bytes.
fn borders(han: &str) -> HashSet<usize> {
    let mut borders = HashSet::from([0]);
    for token in jieba().cut(han, true) {
        borders.insert(token.byte_end);
        let (Some(first), Some(last)) = (token.word.chars().next(), token.word.chars().next_back()) else {
            continue;
        };
        if token.end - token.start < 2 || ZH.get(token.word).is_some() {
            continue;
        }
        if PREFIXES.contains(first) {
            borders.insert(token.byte_start + first.len_utf8());
        }
        if SUFFIXES.contains(last) {
            borders.insert(token.byte_end - last.len_utf8());
        }
    }
    borders
}
