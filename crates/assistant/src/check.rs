//! What a model wrote, held against what it was given: nothing may be in it that leads people elsewhere or
//! binds somebody and that nobody said.

use std::{ops::Range, sync::LazyLock};

use regex::Regex;

use crate::{amounts::names_new_number, redact::is_iban};

/// What is in an answer and in nothing that the model was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Foreign {
    /// A link, an address, a phone number, an account number: somewhere to go or to pay.
    Contact,
    /// An amount of money.
    Price,
}

struct Patterns {
    link: Regex,
    address: Regex,
    phone: Regex,
    iban: Regex,
    picture: Regex,
    machine: Regex,
    promise: Regex,
}

static PATTERNS: LazyLock<Result<Patterns, regex::Error>> = LazyLock::new(|| {
    Ok(Patterns {
        link: Regex::new(
            r#"(?i)(?:[a-z][a-z0-9+.-]*://|www\.)[^\s<>"'）)】\]，。；]+|\b[a-z0-9-]+(?:\.[a-z0-9-]+)*\.(?:com|net|org|cn|io|co|info|biz|xyz|top|site|shop|app|dev|me|ru|tk|cc|ly|link|click)\b(?:/[^\s<>"'）)】\]，。；]*)?"#,
        )?,
        address: Regex::new(r"(?i)[a-z0-9.!#$%&'*+/=?^_{|}~-]+@[a-z0-9-]+(?:\.[a-z0-9-]+)+")?,
        phone: Regex::new(r"\+?\d(?:[ ().-]{0,2}\d){6,14}")?,
        iban: Regex::new(r"[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?")?,
        picture: Regex::new(r"!\[[^\]]*\]\(|<img\b")?,
        machine: Regex::new(
            r"(?i)\bas an? (?:ai|artificial intelligence|language model)\b|\bi(?:'m| am) (?:just )?an? (?:ai|language model)\b|作为(?:一个|一名|一款)?(?:AI|人工智能|语言模型|大模型)",
        )?,
        promise: Regex::new(
            r"(?i)\b(?:i|we)(?:'ll| will| shall) (?:get back|follow up|call you|contact you|email you|let you know|refund|ship|send you|make sure|look into)|(?:稍后|尽快|马上|随后|之后|明天|今天内?)(?:会|将|给您|为您|就)?[^。！？\n]{0,6}(?:回复|联系|回电|处理|退款|发货|答复|跟进)|(?:保证|承诺|一定会)",
        )?,
    })
});

/// What is in an answer and in none of the texts that it was to be made of. Where the patterns cannot be had everything is.
#[must_use]
pub fn foreign(answer: &str, material: &[&str]) -> Vec<Foreign> {
    let Ok(p) = PATTERNS.as_ref() else { return vec![Foreign::Contact, Foreign::Price] };
    let given = material.join("\n").to_lowercase();
    let given_digits = digits(&given);
    let said = |found: &str| {
        let found = found.to_lowercase();
        given.contains(found.trim_end_matches(['.', ',', '!', '?', ';', ':', '/']))
    };
    let contact = p.picture.is_match(answer)
        || p.link.find_iter(answer).any(|m| !said(m.as_str()))
        || p.address.find_iter(answer).any(|m| !said(m.as_str()))
        || p.iban.find_iter(answer).any(|m| is_iban(m.as_str()) && !said(m.as_str()))
        || p.phone
            .find_iter(answer)
            .any(|m| is_phone(m.as_str()) && !given_digits.contains(&digits(m.as_str())));
    let price = names_new_number(answer, material);
    [contact.then_some(Foreign::Contact), price.then_some(Foreign::Price)].into_iter().flatten().collect()
}

/// Where the links of a text are, in order: those with a scheme, and names that mail programs make links of.
#[must_use]
pub fn links(text: &str) -> Vec<Range<usize>> {
    let Ok(p) = PATTERNS.as_ref() else { return Vec::new() };
    let is_address = |start: usize| text.get(..start).is_some_and(|before| before.ends_with('@'));
    p.link.find_iter(text).map(|m| m.range()).filter(|range| !is_address(range.start)).collect()
}

/// Whether an answer speaks as the machine that it is not meant to be.
pub(crate) fn speaks_as_machine(answer: &str) -> bool {
    PATTERNS.as_ref().map_or(true, |p| p.machine.is_match(answer))
}

/// Whether an answer promises that somebody will do something.
pub(crate) fn promises(answer: &str) -> bool {
    PATTERNS.as_ref().map_or(true, |p| p.promise.is_match(answer))
}

/// Dates, times and years are rows of digits, too.
fn is_phone(text: &str) -> bool {
    let count = digits(text).len();
    let dated = text.split(['-', '.', ' ']).next().is_some_and(|first| first.len() == 4 && count == 8);
    (7..=15).contains(&count) && !dated
}

fn digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_said_is_found() {
        use Foreign::{Contact, Price};
        let given = ["退款热线 400-810-8888，见 https://shop.example.com/refund", "共 1,288.00 元; a@b.io"];
        for (answer, expected) in [
            ("请拨 400 810 8888 或看 https://shop.example.com/refund。", vec![]),
            ("总额 ¥1288，写信到 a@b.io", vec![]),
            ("2026-11-21 下午 3 点到货", vec![]),
            ("请到 https://evil.example/refund", vec![Contact]),
            ("见 shop.example.com/other", vec![Contact]),
            ("打 13800138000", vec![Contact]),
            ("![](https://shop.example.com/refund)", vec![Contact]),
            ("写信到 x@evil.com，只要 99 元", vec![Contact, Price]),
            ("Only $20.50 today", vec![Price]),
        ] {
            assert_eq!(foreign(answer, &given), expected, "{answer}");
        }
    }

    #[test]
    fn promises_and_machines() {
        for text in ["I will get back to you soon.", "我们会尽快为您处理", "稍后给您回电", "保证退款"]
        {
            assert!(promises(text), "{text}");
        }
        for text in ["You can send it back within 7 days.", "退款在 7 天内到账。", "请提供订单号。"]
        {
            assert!(!promises(text), "{text}");
        }
        assert!(speaks_as_machine("As an AI language model, I …") && speaks_as_machine("作为一个人工智能，"));
        assert!(!speaks_as_machine("AI will be everywhere by then"));
    }
}
