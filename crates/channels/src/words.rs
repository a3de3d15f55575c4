//! Cutting a long answer into messages that a channel takes.

use unicode_segmentation::UnicodeSegmentation as _;

/// After these a sentence ends.
const ENDS: [&str; 9] = ["。", "！", "？", "…", ".", "!", "?", "\n", "\r\n"];
/// After these one may pause.
const PAUSES: [&str; 8] = ["，", "；", "：", "、", ",", ";", ":", " "];

/// `text` in parts of at most `limit` bytes each, in order: cut after a sentence, else after a pause, else between
/// two characters as people count them. Only white space at the cuts is left out; nothing of `text` is an empty
/// list. A part ends after a pause rather than in mid-word only if that keeps at least half of `limit`.
///
/// A character longer than `limit` is cut between its code points; `limit` below 4 counts as 4.
#[must_use]
pub fn split(text: &str, limit: usize) -> Vec<String> {
    let limit = limit.max(4);
    let mut parts = Vec::new();
    let mut rest = text.trim();
    while rest.len() > limit {
        let (part, after) = rest.split_at(cut(rest, limit));
        parts.push(part.trim_end().to_owned());
        rest = after.trim_start();
    }
    if !rest.is_empty() {
        parts.push(rest.to_owned());
    }
    parts
}

/// Where to cut a text that is longer than `limit`: at most there, above 0, between two code points.
fn cut(text: &str, limit: usize) -> usize {
    let (mut sentence, mut pause, mut anywhere) = (0, 0, 0);
    for (start, piece) in text.grapheme_indices(true) {
        let end = start + piece.len();
        if end > limit {
            break;
        }
        anywhere = end;
        if ENDS.contains(&piece) {
            sentence = end;
        } else if PAUSES.contains(&piece) {
            pause = end;
        }
    }
    if anywhere == 0 {
        let starts = text.char_indices().map(|(start, _)| start);
        return starts.take_while(|start| *start <= limit).last().unwrap_or(limit);
    }
    [sentence, pause].into_iter().find(|end| *end >= limit / 2).unwrap_or(anywhere)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_cut_is_after_a_sentence_then_a_pause_then_a_character() {
        assert_eq!(split("你好。再见。", 12), ["你好。", "再见。"]);
        assert_eq!(split("一二三，四五六七", 15), ["一二三，", "四五六七"]);
        assert_eq!(split("一二三四五", 7), ["一二", "三四", "五"]);
        assert_eq!(split("one two three", 8), ["one two", "three"]);
        assert_eq!(split("short", 2048), ["short"]);
        assert!(split(" \n ", 8).is_empty() && split("", 8).is_empty());
        // A family of four is one character of 25 bytes.
        assert_eq!(split("👨‍👩‍👧‍👦👨‍👩‍👧‍👦", 30), ["👨‍👩‍👧‍👦", "👨‍👩‍👧‍👦"]);
        assert!(split("👨‍👩‍👧‍👦", 8).iter().all(|part| part.len() <= 8));
    }

    proptest! {
        #[test]
        fn nothing_but_space_is_lost(text in "(\\PC|[。，. \n]){0,300}", limit in 4usize..100) {
            let parts = split(&text, limit);
            prop_assert!(parts.iter().all(|part| !part.is_empty() && part.len() <= limit));
            let dense = |t: &str| t.chars().filter(|c| !c.is_whitespace()).collect::<String>();
            prop_assert_eq!(dense(&parts.concat()), dense(&text));
        }
    }
}
