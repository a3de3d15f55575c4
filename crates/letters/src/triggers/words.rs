//! Keywords in the text of an event, in Chinese and English.
//!
//! A text becomes a sequence of tokens. Scripts that are written without spaces (Chinese, Japanese, Korean with
//! its endings, Thai) give one for each character, all others one for each word, without its English inflection:
//! `graduating` and `graduated` are one. Width and case do not matter (NFKC), nor do white space and
//! hyphens between tokens; other punctuation separates. A keyword is found where its tokens stand one after the
//! other: as a substring in Chinese, as whole words in English.
//!
//! [`Needle::anchor`] is what an index can look for: of all the texts that hold the keyword, every one has it.

use std::collections::{BTreeSet, HashMap};

use unicode_normalization::UnicodeNormalization as _;

use super::stem::stem;

/// One width, one case, no surrounding white space, and single spaces: how names are compared.
pub(crate) fn fold(text: &str) -> String {
    let folded = text.nfkc().flat_map(char::to_lowercase).collect::<String>();
    folded.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether this character is a token of its own.
fn stands_alone(c: char) -> bool {
    matches!(u32::from(c),
        0x0e00..=0x0e7f            // Thai
        | 0x3040..=0x30ff          // Hiragana, Katakana
        | 0x3400..=0x4dbf | 0x4e00..=0x9fff | 0xf900..=0xfaff | 0x20000..=0x3ffff // Han
        | 0xac00..=0xd7af) // Hangul
}

/// What separates: no keyword reaches over it.
const BREAK: &str = "";

fn tokens(text: &str) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let mut word = String::new();
    let flush = |word: &mut String, out: &mut Vec<String>| {
        let taken = std::mem::take(word);
        let bare = taken.trim_matches('\'');
        if !bare.is_empty() {
            out.push(stem(bare));
        }
    };
    for c in text.nfkc().flat_map(char::to_lowercase) {
        if stands_alone(c) {
            flush(&mut word, &mut out);
            out.push(c.to_string());
        } else if c.is_alphanumeric() || unicode_normalization::char::is_combining_mark(c) {
            word.push(c);
        } else if matches!(c, '\'' | '\u{2019}') {
            word.push('\'');
        } else {
            flush(&mut word, &mut out);
            let joins = c.is_whitespace() || matches!(c, '-' | '\u{2010}' | '\u{2011}');
            if !joins && out.last().is_some_and(|last| last != BREAK) {
                out.push(BREAK.to_owned());
            }
        }
    }
    flush(&mut word, &mut out);
    out
}

fn is_char(token: &str) -> bool {
    token.chars().next().is_some_and(stands_alone)
}

/// What an index has for the place `at`: two characters, or one token where a word comes first or follows.
fn anchor(tokens: &[String], at: usize) -> Option<String> {
    let first = tokens.get(at).filter(|t| *t != BREAK)?;
    match tokens.get(at + 1) {
        Some(next) if is_char(first) && is_char(next) => Some(format!("{first}{next}")),
        _ => Some(first.clone()),
    }
}

/// A keyword, ready to be looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Needle(Vec<String>);

impl Needle {
    /// The tokens of a keyword. `None` if there is too little to look for: no letter or digit at all, or a
    /// single character of a script without spaces, which is in nearly every text.
    pub(crate) fn of(keyword: &str) -> Option<Self> {
        let mut tokens = tokens(keyword);
        // A break begins nothing, and two of them never follow each other.
        if tokens.first().is_some_and(|first| first == BREAK) {
            tokens.remove(0);
        }
        if tokens.last().is_some_and(|last| last == BREAK) {
            tokens.pop();
        }
        match tokens.as_slice() {
            [] => None,
            [one] if is_char(one) => None,
            _ => Some(Self(tokens)),
        }
    }

    /// As it is stored, a space after each token but the last; [`Needle::stored`] reads it.
    pub(crate) fn text(&self) -> String {
        self.0.join(" ")
    }

    /// What [`Needle::text`] wrote.
    pub(crate) fn stored(text: &str) -> Self {
        Self(text.split(' ').map(str::to_owned).collect())
    }

    /// What every text has that holds this keyword.
    pub(crate) fn anchor(&self) -> String {
        anchor(&self.0, 0).unwrap_or_default()
    }
}

/// The text of an event, ready to be searched.
#[derive(Debug)]
pub(crate) struct Haystack {
    tokens: Vec<String>,
    /// Where each anchor is.
    at: HashMap<String, Vec<usize>>,
}

impl Haystack {
    pub(crate) fn of(text: &str) -> Self {
        let tokens = tokens(text);
        let mut at: HashMap<String, Vec<usize>> = HashMap::new();
        for n in 0..tokens.len() {
            if let Some(anchor) = anchor(&tokens, n) {
                at.entry(anchor).or_default().push(n);
            }
        }
        Self { tokens, at }
    }

    /// Every anchor of a keyword that could be in it, each once.
    pub(crate) fn anchors(&self) -> BTreeSet<&str> {
        self.at.keys().map(String::as_str).collect()
    }

    /// Whether the keyword is in it.
    pub(crate) fn holds(&self, needle: &Needle) -> bool {
        let places = self.at.get(&needle.anchor());
        places
            .into_iter()
            .flatten()
            .any(|n| self.tokens.get(*n..n + needle.0.len()).is_some_and(|part| part == needle.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, keyword: &str, found: bool) {
        let needle = Needle::of(keyword).unwrap();
        assert_eq!(Needle::stored(&needle.text()), needle);
        let haystack = Haystack::of(text);
        assert_eq!(haystack.holds(&needle), found, "{keyword:?} in {text:?}");
        if found {
            assert!(haystack.anchors().contains(needle.anchor().as_str()), "{keyword:?}");
        }
    }

    #[test]
    fn chinese_is_found_as_it_stands() {
        check("今天我终于毕业了!", "毕业", true);
        check("毕业典礼在六月", "毕业典礼", true);
        check("毕业那天的典礼", "毕业典礼", false);
        check("我要毕 业\n了", "毕业", true);
        check("他毕,业已成", "毕业", false);
        check("祝你毕业，快乐", "毕业,快乐!", true);
        check("结婚纪念日", "纪念日", true);
        check("得到第1名的成绩", "第1名", true);
        check("得到第１名", "第1名", true);
        check("我的iPhone丢了", "iphone丢了", true);
        check("我的 ＩＰＨＯＮＥ 丢了", "iPhone", true);
        check("大学毕业", "毕业生", false);
    }

    #[test]
    fn english_is_found_by_whole_words_whatever_their_ending() {
        check("She graduated today.", "graduate", true);
        check("graduating at last", "Graduated", true);
        check("two weddings and a funeral", "wedding", true);
        check("the undergraduates", "graduate", false);
        check("category", "cat", false);
        check("Moving to New York-ish places", "new york", true);
        check("a brand-new yorkshire", "new york", false);
        check("Hello, world", "hello world", false);
        check("Happy birthday, mom!", "«happy birthday, mom»", true);
        check("Happy birthday mom!", "happy birthday, mom", false);
        check("grandma's birthday", "grandma", true);
        check("grandma\u{2019}s birthday", "grandma's birthdays", true);
        check("new\nbaby", "New  Baby", true);
        check("naïve café", "CAFÉ", true);
        check("C is a language", "c", true);
        check("学习Python编程", "python", true);
        check("学习Python编程", "Python编程", true);
        check("学习Python编程", "习python", true);
    }

    #[test]
    fn mixed_scripts_and_others() {
        check("卒業おめでとう", "卒業", true);
        check("졸업했어요", "졸업", true);
        check("поздравляем с выпуском", "выпуском", true);
    }

    #[test]
    fn too_little_to_look_for_is_no_keyword() {
        for nothing in ["业", "!!!", " ", "…", "の"] {
            assert_eq!(Needle::of(nothing), None, "{nothing}");
        }
    }

    #[test]
    fn names_are_compared_by_what_they_say() {
        assert_eq!(fold("  Ｇｒａｄｕａｔｉｏｎ　Day "), "graduation day");
        assert_eq!(fold("毕业 "), "毕业");
    }
}
