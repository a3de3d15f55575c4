//! Words of a text: runs of one script, Chinese ones cut by dictionary, English ones with their apostrophes, and which
//! of them mean nothing by themselves.

use std::{
    borrow::Cow,
    collections::HashSet,
    sync::{LazyLock, OnceLock},
};

use jieba_rs::Jieba;
use rust_stemmers::{Algorithm, Stemmer};

use crate::language::is_han;

static JIEBA: OnceLock<Jieba> = OnceLock::new();
static STOP: LazyLock<HashSet<&'static str>> = LazyLock::new(|| {
    list(include_str!("../data/stop_zh.txt")).chain(list(include_str!("../data/stop_en.txt"))).collect()
});
static WEAK: LazyLock<HashSet<&'static str>> =
    LazyLock::new(|| list(include_str!("../data/weak_en.txt")).collect());
static STEMMER: LazyLock<Stemmer> = LazyLock::new(|| Stemmer::create(Algorithm::English));

/// Single characters that are what a text is about. All others are too ambiguous to count alone.
const SINGLE: &str =
    "家爱猫狗鱼鸟马牛羊爸妈爷奶哥弟姐妹娘爹山河湖海江雪雨风花树草月书画歌舞茶酒饭菜糖面车船桥城梦诗";

/// The words of a list, without its comments.
fn list(text: &'static str) -> impl Iterator<Item = &'static str> {
    text.lines().filter(|line| !line.starts_with('#')).flat_map(str::split_whitespace)
}

/// The Chinese dictionary, loaded on first use.
pub(crate) fn jieba() -> &'static Jieba {
    JIEBA.get_or_init(Jieba::new)
}

/// Loads what this module needs.
pub(crate) fn warm() {
    jieba();
    LazyLock::force(&STOP);
    LazyLock::force(&WEAK);
    LazyLock::force(&STEMMER);
}

/// Whether a word, in lower case, has no meaning of its own.
pub(crate) fn is_stop(word: &str) -> bool {
    STOP.contains(word)
}

/// Whether an English word, in lower case, is seldom what a text is about.
pub(crate) fn is_weak(word: &str) -> bool {
    WEAK.contains(word)
}

/// The stem of an English word in lower case; other words as they are.
pub(crate) fn stem(word: &str) -> Cow<'_, str> {
    if word.is_ascii() { STEMMER.stem(word) } else { Cow::Borrowed(word) }
}

/// A stretch of one kind of characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Run<'a> {
    /// Han characters, to be cut by dictionary.
    Han(&'a str),
    /// A word of letters and digits, with inner apostrophes, hyphens and full stops.
    Word(&'a str),
    /// A punctuation mark or symbol; white space is left out.
    Mark(char),
}

/// The runs of a text, in order.
pub(crate) fn runs(text: &str) -> impl Iterator<Item = Run<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        rest = rest.trim_start();
        let first = rest.chars().next()?;
        let (run, end) = if is_han(first) {
            let end = rest.find(|c| !is_han(c)).unwrap_or(rest.len());
            (Run::Han(rest.get(..end)?), end)
        } else if first.is_alphanumeric() {
            let end = word_end(rest);
            (Run::Word(rest.get(..end)?), end)
        } else {
            (Run::Mark(first), first.len_utf8())
        };
        rest = rest.get(end..)?;
        Some(run)
    })
}

/// Where the word ends that `rest` begins with, in bytes.
fn word_end(rest: &str) -> usize {
    let mut end = 0;
    let mut chars = rest.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let joins = matches!(c, '\'' | '’' | '-' | '.' | '_' | '@')
            && chars.peek().is_some_and(|&(_, n)| n.is_alphanumeric() && !is_han(n));
        if !(c.is_alphanumeric() && !is_han(c) || joins) {
            break;
        }
        end = at + c.len_utf8();
    }
    end
}

/// Lower case with straight apostrophes, as word lists have it.
pub(crate) fn normal(word: &str) -> String {
    word.to_lowercase().replace('’', "'")
}

/// The words that carry a text's meaning, in their order and with repetitions: Chinese cut by dictionary, Latin in
/// lower case; without stop words, numbers, addresses and single letters. What is counted for keyword clouds.
#[must_use]
pub fn content_words(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    for run in runs(text) {
        match run {
            Run::Han(han) => {
                let words = jieba().cut(han, true).into_iter().map(|token| token.word);
                out.extend(words.filter(|word| is_content(word)).map(str::to_owned));
            }
            Run::Word(word) => {
                let word = without_possessive(normal(word));
                if is_content(&word) {
                    out.push(word);
                }
            }
            Run::Mark(_) => {}
        }
    }
    out
}

/// `grandma's` is about `grandma`.
fn without_possessive(mut word: String) -> String {
    if word.ends_with("'s") {
        word.truncate(word.len() - 2);
    }
    word
}

/// Whether a word, in lower case, says something about what a text is about.
pub(crate) fn is_content(word: &str) -> bool {
    let mut chars = word.chars();
    let (Some(first), second) = (chars.next(), chars.next()) else { return false };
    if second.is_none() && !SINGLE.contains(first) {
        return false;
    }
    let letters = word.chars().filter(|c| c.is_alphabetic()).count();
    letters * 2 > word.chars().count() && !word.contains('@') && !is_stop(word) && !is_number(word)
}

/// Numbers, ordinals and times written in Chinese characters: 三个, 第二, 十点, 二十五.
fn is_number(word: &str) -> bool {
    const DIGITS: &str = "〇零一二三四五六七八九十百千万亿两几数第";
    const UNITS: &str = "个年月日号点分秒时天周岁元块次位名件条张只本份家种封多些来余半";
    let mut chars = word.chars().peekable();
    let mut digits = 0;
    while chars.next_if(|c| DIGITS.contains(*c)).is_some() {
        digits += 1;
    }
    digits > 0 && chars.all(|c| UNITS.contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_scripts() {
        let runs: Vec<_> = runs("我的iPhone 15 Pro，don't! a.b@c.de").collect();
        assert_eq!(
            runs,
            [
                Run::Han("我的"),
                Run::Word("iPhone"),
                Run::Word("15"),
                Run::Word("Pro"),
                Run::Mark('，'),
                Run::Word("don't"),
                Run::Mark('!'),
                Run::Word("a.b@c.de"),
            ]
        );
    }

    #[test]
    fn content_is_what_a_text_is_about() {
        assert_eq!(
            content_words("亲爱的未来的我：希望三年后的你打开这个时间胶囊，里面有一张照片。"),
            ["未来", "打开", "时间", "胶囊", "照片"]
        );
        assert_eq!(
            content_words("Grandma's garden wasn't big, but I loved its 12 roses."),
            ["grandma", "garden", "loved", "roses"]
        );
        assert_eq!(content_words("42 3月 二十五 第三次 x @ me@example.com"), Vec::<String>::new());
    }
}
