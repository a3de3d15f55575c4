//! Personal data in a text, replaced by placeholders on the way out and put back on the way in.
//!
//! Found are e-mail addresses, phone numbers, Chinese identity numbers (with their check digit), payment cards
//! (Luhn), IBANs (mod 97), and keys and tokens. Names and street addresses are not: no pattern tells them.
//! Promise: [`Redactor::restore`] after [`Redactor::redact`] gives the text back, to the byte, whatever it was;
//! so what looks like a placeholder in the text is itself replaced by one.

use std::{collections::HashMap, sync::LazyLock};

use regex::{Captures, Regex};

/// One kind of data, in the order in which they are looked for: what is found first is not looked at again.
struct Kind {
    /// `PHONE` in `[PHONE_1]`.
    name: &'static str,
    pattern: &'static str,
    /// Whether a match is one, beyond its form.
    check: fn(&str) -> bool,
    /// Whether it must not touch a letter or digit on either side.
    alone: bool,
}

const KINDS: &[Kind] = &[
    Kind { name: "TEXT", pattern: PLACEHOLDER, check: |_| true, alone: false },
    Kind {
        name: "KEY",
        pattern: r"(?s)-----BEGIN [A-Z ]{2,40}-----.{1,8000}?-----END [A-Z ]{2,40}-----|eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}|(?:sk|pk|rk)[-_][A-Za-z0-9_-]{16,}|gh[pousr]_[A-Za-z0-9]{20,}|xox[abeprs]-[A-Za-z0-9-]{10,}|AKIA[0-9A-Z]{16}|AIza[0-9A-Za-z_-]{30,}|(?i:bearer) +[A-Za-z0-9._~+/=-]{16,}",
        check: |_| true,
        alone: true,
    },
    Kind {
        name: "EMAIL",
        pattern: r"[A-Za-z0-9.!#$%&'*+/=?^_{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9-]{0,62}\.)+[A-Za-z]{2,24}",
        check: |_| true,
        alone: false,
    },
    Kind { name: "ID", pattern: r"\d{17}[\dXxＸｘ]", check: is_identity_number, alone: true },
    Kind {
        name: "IBAN",
        pattern: r"[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?",
        check: is_iban,
        alone: true,
    },
    Kind { name: "CARD", pattern: r"\d(?:[ -]?\d){12,18}", check: is_card, alone: true },
    Kind {
        name: "PHONE",
        pattern: r"(?:(?:\+|00)\s?86[ -]?)?[1１][3-9３-９]\d[ -]?\d{4}[ -]?\d{4}|\+\d{1,3}[ -]?(?:\(\d{1,5}\)[ -]?)?\d(?:[ .-]?\d){5,13}|(?:\(0\d{2,3}\)|0\d{2,3})[ -]?\d{7,8}|[48]00[ -]\d{3,4}[ -]\d{3,4}|(?:\(\d{3}\) ?|\d{3}[ .-])\d{3}[ .-]\d{4}",
        check: |_| true,
        alone: true,
    },
];

/// What a placeholder looks like, also as models bend it.
const PLACEHOLDER: &str = r"[\[【] ?(?:TEXT|KEY|EMAIL|ID|IBAN|CARD|PHONE)_[0-9]{1,6} ?[\]】]";

static PATTERNS: LazyLock<Vec<(&Kind, Regex)>> = LazyLock::new(|| {
    let compiled = KINDS.iter().map(|kind| Regex::new(kind.pattern).map(|pattern| (kind, pattern)));
    // A test shows that all of them compile.
    compiled.filter_map(Result::ok).collect()
});

static PLACEHOLDERS: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(PLACEHOLDER).ok());

/// The replacements of one request: the same value has the same placeholder in all of its texts.
#[derive(Clone, Default)]
pub(crate) struct Redactor {
    /// Value to placeholder.
    placeholders: HashMap<String, String>,
    /// Placeholder to value.
    values: HashMap<String, String>,
}

impl Redactor {
    /// The text with placeholders for what is personal.
    pub(crate) fn redact(&mut self, text: &str) -> String {
        // Parts that are placeholders already are not searched again.
        let mut parts = vec![Part::Plain(text.to_owned())];
        for (kind, pattern) in PATTERNS.iter() {
            parts = parts.into_iter().flat_map(|part| self.split(kind, pattern, part)).collect();
        }
        parts.into_iter().map(Part::into_text).collect()
    }

    /// How many different values were replaced.
    pub(crate) fn found(&self) -> usize {
        // A literal placeholder is replaced for the promise's sake, not because it is personal.
        self.placeholders.values().filter(|p| !p.starts_with("[TEXT_")).count()
    }

    /// The text with the values back in their places.
    pub(crate) fn restore(&self, text: &str) -> String {
        let Some(pattern) = PLACEHOLDERS.as_ref().filter(|_| !self.values.is_empty()) else {
            return text.to_owned();
        };
        let value = |found: &Captures<'_>| {
            let found = found.get(0).map_or("", |m| m.as_str());
            let name = found.trim_matches(['[', ']', '【', '】', ' ']);
            self.values.get(&format!("[{name}]")).map_or_else(|| found.to_owned(), Clone::clone)
        };
        pattern.replace_all(text, value).into_owned()
    }

    fn split(&mut self, kind: &Kind, pattern: &Regex, part: Part) -> Vec<Part> {
        let Part::Plain(text) = part else { return vec![part] };
        let (mut parts, mut from) = (Vec::new(), 0);
        for found in pattern.find_iter(&text) {
            let (before, after) = (text.get(..found.start()), text.get(found.end()..));
            let touches =
                |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric() || digit(c).is_some());
            let inside = kind.alone
                && (touches(before.and_then(|t| t.chars().next_back()))
                    || touches(after.and_then(|t| t.chars().next())));
            if inside || !(kind.check)(found.as_str()) {
                continue;
            }
            parts.extend(text.get(from..found.start()).map(|t| Part::Plain(t.to_owned())));
            parts.push(Part::Placeholder(self.placeholder(kind.name, found.as_str())));
            from = found.end();
        }
        parts.extend(text.get(from..).map(|t| Part::Plain(t.to_owned())));
        parts
    }

    fn placeholder(&mut self, kind: &str, value: &str) -> String {
        if let Some(placeholder) = self.placeholders.get(value) {
            return placeholder.clone();
        }
        let placeholder = format!("[{kind}_{}]", self.values.len() + 1);
        self.placeholders.insert(value.to_owned(), placeholder.clone());
        self.values.insert(placeholder.clone(), value.to_owned());
        placeholder
    }
}

enum Part {
    Plain(String),
    Placeholder(String),
}

impl Part {
    fn into_text(self) -> String {
        match self {
            Self::Plain(text) | Self::Placeholder(text) => text,
        }
    }
}

/// The value of a digit, full-width ones included.
fn digit(c: char) -> Option<u32> {
    c.to_digit(10).or_else(|| u32::from(c).checked_sub(0xff10).filter(|n| *n < 10))
}

/// GB 11643: the last character follows from the others.
fn is_identity_number(text: &str) -> bool {
    const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    let digits: Vec<u32> = text.chars().map(|c| digit(c).unwrap_or(10)).collect();
    let sum: u32 = digits.iter().zip(WEIGHTS).map(|(d, w)| d * w).sum();
    digits.len() == 18 && digits.last().is_some_and(|last| (12 - sum % 11) % 11 == *last)
}

/// Luhn's sum.
fn is_card(text: &str) -> bool {
    let digits = text.chars().filter_map(digit).rev();
    let double = |d: u32| if d > 4 { 2 * d - 9 } else { 2 * d };
    let sum: u32 = digits.clone().enumerate().map(|(n, d)| if n % 2 == 1 { double(d) } else { d }).sum();
    sum.is_multiple_of(10) && digits.clone().any(|d| d != 0) && (13..=19).contains(&digits.count())
}

/// ISO 13616: the number, its first four characters moved to the end, is 1 modulo 97.
pub(crate) fn is_iban(text: &str) -> bool {
    let plain: Vec<u32> = text.chars().filter_map(|c| c.to_digit(36)).collect();
    let Some((head, rest)) = plain.split_at_checked(4) else { return false };
    let shift = |sum: u32, d: &u32| if *d > 9 { (sum * 100 + d) % 97 } else { (sum * 10 + d) % 97 };
    (15..=34).contains(&plain.len()) && rest.iter().chain(head).fold(0, shift) == 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn redact(text: &str) -> (String, Redactor) {
        let mut redactor = Redactor::default();
        (redactor.redact(text), redactor)
    }

    #[test]
    fn every_pattern_compiles() {
        assert_eq!(PATTERNS.len(), KINDS.len());
        assert!(PLACEHOLDERS.is_some());
    }

    #[test]
    fn what_is_personal_is_replaced() {
        for (text, expected) in [
            ("写信到zhang.san+x@example.com.cn吧", "写信到[EMAIL_1]吧"),
            ("电话13800138000，或 +86 138-0013-8000", "电话[PHONE_1]，或 [PHONE_2]"),
            (
                "座机 010-62751234 和 (021)62751234，热线400-810-8888",
                "座机 [PHONE_1] 和 [PHONE_2]，热线[PHONE_3]",
            ),
            ("call +1 (415) 555-0132 or 415-555-0132", "call [PHONE_1] or [PHONE_2]"),
            ("身份证11010519491231002X，１１０１０５１９４９１２３１００２Ｘ", "身份证[ID_1]，[ID_2]"),
            ("card 4111 1111 1111 1111.", "card [CARD_1]."),
            ("IBAN DE89 3704 0044 0532 0130 00 ok", "IBAN [IBAN_1] ok"),
            ("key sk-abcdefghijklmnop1234, Bearer abcdefghijklmnop.qrs", "key [KEY_1], [KEY_2]"),
            ("a@b.io and again a@b.io", "[EMAIL_1] and again [EMAIL_1]"),
            ("full-width １３８００１３８０００", "full-width [PHONE_1]"),
        ] {
            assert_eq!(redact(text).0, expected);
        }
    }

    #[test]
    fn what_is_not_stays() {
        for text in [
            "订单号 20261121000123456，共 1,288.00 元",
            "2026-11-21 12:30, version 1.10.2, room 415",
            "110105194912310021",
            "4111 1111 1111 1112",
            "See you in 2036 at 10:00, 3 people, 25 km",
            "a@b, @name, a @ b.com",
        ] {
            let (out, redactor) = redact(text);
            assert_eq!((out.as_str(), redactor.found()), (text, 0));
        }
    }

    #[test]
    fn placeholders_come_back_as_models_bend_them() {
        let (_, redactor) = redact("mail a@b.io");
        assert_eq!(
            redactor.restore("to [EMAIL_1], 【EMAIL_1】, [ EMAIL_1 ]; not [EMAIL_2]"),
            "to a@b.io, a@b.io, a@b.io; not [EMAIL_2]"
        );
    }

    proptest! {
        #[test]
        fn restores_exactly(text in "\\PC{0,200}", parts in prop::collection::vec(part(), 0..12)) {
            let text = format!("{text}{}", parts.concat());
            let (redacted, redactor) = redact(&text);
            prop_assert_eq!(redactor.restore(&redacted), text);
        }
    }

    fn part() -> impl Strategy<Value = String> {
        prop_oneof![
            Just("13800138000".to_owned()),
            Just("a.b@example.com".to_owned()),
            Just("[PHONE_1]".to_owned()),
            Just("【EMAIL_2】".to_owned()),
            Just("[".to_owned()),
            Just("4111 1111 1111 1111".to_owned()),
            Just("，好的 ".to_owned()),
            "[0-9 +()-]{0,20}",
        ]
    }
}
