//! Which language a text is written in, by its characters.
//!
//! A count of scripts: no model is loaded, and short texts ("OK", "thanks 谢谢") are judged as a reader would judge
//! them. It cannot tell English from French; such texts are [`Language::English`] to every caller.

/// The language of most of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Language {
    /// Han characters, simplified or traditional.
    Chinese,
    /// Latin letters, taken for English.
    English,
    /// Neither: another script, or no letters at all.
    Other,
}

/// A Latin word has about this many letters and says about as much as one Han character.
const LETTERS_PER_HAN: usize = 4;

/// The language of most of a text.
#[must_use]
pub fn language(text: &str) -> Language {
    let (mut han, mut latin, mut other, mut kana) = (0usize, 0usize, 0usize, 0usize);
    for c in text.chars().take(crate::MAX_CHARS) {
        if is_han(c) {
            han += 1;
        } else if is_kana(c) {
            kana += 1;
        } else if is_latin(c) {
            latin += 1;
        } else if c.is_alphabetic() {
            other += 1;
        }
    }
    // Japanese is written with Han characters too, but never long without kana.
    if kana * 5 > han {
        other += kana + han;
        han = 0;
    }
    let latin = latin.div_ceil(LETTERS_PER_HAN);
    match (han, latin, other) {
        (0, 0, _) => Language::Other,
        (h, l, o) if o > h.max(l) => Language::Other,
        (h, l, _) if h >= l => Language::Chinese,
        _ => Language::English,
    }
}

/// A Chinese character, of the planes and blocks that texts use.
pub(crate) fn is_han(c: char) -> bool {
    matches!(c, '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{323af}' | '〇')
}

/// A letter of the Latin alphabet, with or without accents.
pub(crate) fn is_latin(c: char) -> bool {
    c.is_ascii_alphabetic()
        || (matches!(c, '\u{c0}'..='\u{24f}' | '\u{1e00}'..='\u{1eff}') && c.is_alphabetic())
}

fn is_kana(c: char) -> bool {
    matches!(c, '\u{3041}'..='\u{30fa}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_scripts() {
        for (text, expected) in [
            ("OK", Language::English),
            ("thanks 谢谢", Language::Chinese),
            ("请问 iPhone 15 Pro Max 256G 有货吗", Language::Chinese),
            ("Re: Re: 订单 #20391", Language::Chinese),
            ("My Chinese name is 李雷 and I live in Oslo", Language::English),
            ("ありがとうございます", Language::Other),
            ("東京へ行きました", Language::Other),
            ("안녕하세요", Language::Other),
            ("Привет, мир", Language::Other),
            ("12345 !!!", Language::Other),
            ("", Language::Other),
            ("你好", Language::Chinese),
        ] {
            assert_eq!(language(text), expected, "{text}");
        }
    }
}
