//! Sentences and clauses of a text, as slices of it.
//!
//! A line break inside a paragraph of a mail wrapped at 72 columns does not end a sentence; a full stop inside a
//! number, an abbreviation or an address does not either.

use crate::language::is_han;

/// Abbreviations after which a full stop ends nothing.
const ABBREVIATIONS: [&str; 28] = [
    "mr", "mrs", "ms", "dr", "prof", "st", "no", "vs", "e.g", "i.e", "etc", "approx", "dept", "est", "fig",
    "inc", "ltd", "co", "jr", "sr", "jan", "feb", "aug", "sept", "oct", "nov", "dec", "vol",
];
/// A line shorter than this many bytes was ended by its writer and not by the width of the window.
const FULL_LINE: usize = 55;

/// The sentences of a text in their order: trimmed, never empty, each a slice of the text (a wrapped sentence keeps its
/// line break).
#[must_use]
pub fn sentences(text: &str) -> Vec<&str> {
    let mut out = Vec::new();
    let mut start = 0;
    let mut line_start = 0;
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let next = at + c.len_utf8();
        let ends = match c {
            '。' | '！' | '？' | '…' | '!' | '?' => true,
            '.' => full_stop(text, at),
            '\n' => {
                let ends = line_ends(text, line_start, at);
                line_start = next;
                ends
            }
            _ => false,
        };
        if ends {
            let mut end = next;
            // What belongs to the end of a sentence: further marks and closing quotes.
            while let Some(&(i, follower)) = chars.peek() {
                if !is_closing(follower) || c == '\n' {
                    break;
                }
                end = i + follower.len_utf8();
                chars.next();
            }
            push(&mut out, text, start, end);
            start = end;
        }
    }
    push(&mut out, text, start, text.len());
    out
}

fn push<'a>(out: &mut Vec<&'a str>, text: &'a str, start: usize, end: usize) {
    let sentence = text.get(start..end).unwrap_or("").trim();
    if sentence.chars().any(char::is_alphanumeric) {
        out.push(sentence);
    }
}

fn is_closing(c: char) -> bool {
    matches!(
        c,
        '。' | '！'
            | '？'
            | '…'
            | '!'
            | '?'
            | '.'
            | '”'
            | '’'
            | '"'
            | '\''
            | '」'
            | '』'
            | '）'
            | ')'
            | '》'
            | '~'
            | '～'
    )
}

/// Whether the full stop at byte `at` ends a sentence.
fn full_stop(text: &str, at: usize) -> bool {
    let after = text.get(at + 1..).unwrap_or("");
    match after.chars().next() {
        None => return true,
        Some(c) if c.is_whitespace() || is_closing(c) || is_han(c) => {}
        Some(_) => return false,
    }
    let before = text.get(..at).unwrap_or("");
    let word = before.rsplit(|c: char| c.is_whitespace() || c == '(').next().unwrap_or("").to_lowercase();
    let initial = word.chars().count() == 1 && word.chars().all(char::is_alphabetic) && word != "i";
    if initial || ABBREVIATIONS.contains(&word.as_str()) {
        return false;
    }
    // "about 3 p.m. on Friday" goes on in lower case; a new sentence does not.
    !after.trim_start().chars().next().is_some_and(char::is_lowercase)
}

/// Whether the line break at byte `at`, of the line that began at `line_start`, ends a sentence.
fn line_ends(text: &str, line_start: usize, at: usize) -> bool {
    let line = text.get(line_start..at).unwrap_or("").trim_end();
    let next_line = text.get(at + 1..).unwrap_or("").lines().next().unwrap_or("").trim_start();
    let listed = next_line.starts_with(['-', '*', '•', '·', '>', '#'])
        || next_line.chars().next().is_some_and(|c| c.is_ascii_digit());
    line.len() < FULL_LINE || next_line.is_empty() || listed || line.chars().last().is_some_and(is_han)
}

/// The clauses of a sentence: cut at commas, colons, semicolons and dashes.
pub(crate) fn clauses(sentence: &str) -> impl Iterator<Item = &str> {
    sentence
        .split(['，', ',', '；', ';', '：', '—', '。', '！', '？', '!', '?', '…', '\n', '～', '~'])
        .map(str::trim)
        .filter(|clause| !clause.is_empty())
}

/// One space wherever there was white space.
pub(crate) fn one_line(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for part in text.split_whitespace() {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(part);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_end_where_a_reader_ends_them() {
        assert_eq!(
            sentences("Dr. Lee paid 3.50 at 5 p.m. on Friday. \"Great!\" she said? Yes."),
            ["Dr. Lee paid 3.50 at 5 p.m. on Friday.", "\"Great!\"", "she said?", "Yes."]
        );
        assert_eq!(
            sentences("他说：“走吧！”我们走了。好……真好"),
            ["他说：“走吧！”", "我们走了。", "好……", "真好"]
        );
        assert_eq!(sentences("Hi Ann,\nsee you at example.com.\n\nBest\nBob").len(), 4);
        let wrapped = "This is a long line of a mail that was wrapped by the program\nthat sent it. Next.";
        assert_eq!(sentences(wrapped).len(), 2);
        assert_eq!(sentences("...!!!"), Vec::<&str>::new());
    }
}
