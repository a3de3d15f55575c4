//! What a model wrote, held against what it was given: nothing may be in it that leads people elsewhere or
//! binds somebody and that nobody said.

use std::{collections::HashSet, ops::Range, sync::LazyLock};

use regex::Regex;

use crate::redact::is_iban;

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
    price: Regex,
    spelled: Regex,
    share: Regex,
    picture: Regex,
    machine: Regex,
    promise: Regex,
}

static PATTERNS: LazyLock<Result<Patterns, regex::Error>> = LazyLock::new(|| {
    let money = "元|块钱?|人民币|美元|美金|刀|欧元|英镑|日元|USD|RMB|CNY|EUR|GBP|JPY|dollars?|bucks?|euros?|pounds?|quid|yuan|yen";
    Ok(Patterns {
        link: Regex::new(
            r#"(?i)(?:[a-z][a-z0-9+.-]*://|www\.)[^\s<>"'）)】\]，。；]+|\b[a-z0-9-]+(?:\.[a-z0-9-]+)*\.(?:com|net|org|cn|io|co|info|biz|xyz|top|site|shop|app|dev|me|ru|tk|cc|ly|link|click)\b(?:/[^\s<>"'）)】\]，。；]*)?"#,
        )?,
        address: Regex::new(r"(?i)[a-z0-9.!#$%&'*+/=?^_{|}~-]+@[a-z0-9-]+(?:\.[a-z0-9-]+)+")?,
        phone: Regex::new(r"\+?\d(?:[ ().-]{0,2}\d){6,14}")?,
        iban: Regex::new(r"[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?")?,
        price: Regex::new(&format!(
            r"(?i)([¥￥$€£]|\b(?:USD|RMB|CNY|EUR|GBP|JPY)\b)\s?(\d[\d,]*(?:\.\d+)?)\s?(k\b|万|千|百)?|(\d[\d,]*(?:\.\d+)?)\s?(k\b|万|千|百)?\s?({money}|[€£])"
        ))?,
        spelled: Regex::new(&format!(
            r"(?i)\b(?:a|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|fifteen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundred|thousand|million)(?:[\s-](?:and|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|fifteen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundred|thousand|million))*\s(?:USD|RMB|dollars?|bucks?|euros?|pounds?|quid|yuan|grand)\b|(?:[二两三四五六七八九十]|一[百千万])[一二两三四五六七八九十百千万]*\s?(?:{money})"
        ))?,
        share: Regex::new(
            r"(?i)(\d+(?:\.\d+)?)\s?(?:%|percent|个点)[^.!?。！？\n]{0,20}(?:commission|discount|off\b|share|royalt|佣金|提成|分成|折扣|返点)|(?:commission|discount|share|royalt|佣金|提成|分成|折扣|返点)[^.!?。！？\n]{0,20}?(\d+(?:\.\d+)?)\s?(?:%|percent|个点)",
        )?,
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
    let numbers: HashSet<String> =
        given.split(|c: char| !c.is_ascii_digit() && !",.".contains(c)).map(plain).collect();
    let named: HashSet<Amount> = amounts_of(p, &given);
    let price = amounts_of(p, answer).into_iter().any(|amount| {
        let spelled = amount.currency == ' ' && given.contains(&amount.value);
        !named.contains(&amount) && !numbers.contains(&amount.value) && !spelled
    });
    [contact.then_some(Foreign::Contact), price.then_some(Foreign::Price)].into_iter().flatten().collect()
}

/// An amount of money or a share, as somebody would be bound by it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Amount {
    /// In digits, or as it is spelled out.
    value: String,
    /// `$`, `€`, `£`, `¥`, `J` (yen), `%`; of what is spelled out none.
    currency: char,
}

/// Whether a text names an amount of money, or a share, that none of the texts names in the same currency. Where the patterns
/// cannot be had it does.
#[must_use]
pub fn names_new_amount(text: &str, given: &[&str]) -> bool {
    let Ok(p) = PATTERNS.as_ref() else { return true };
    let given = amounts_of(p, &given.join("\n"));
    amounts_of(p, text).iter().any(|amount| !given.contains(amount))
}

fn amounts_of(p: &Patterns, text: &str) -> HashSet<Amount> {
    let digits = p.price.captures_iter(text).filter_map(|c| {
        let (number, unit, currency) = match (c.get(2), c.get(4)) {
            (Some(number), _) => (number, c.get(3), c.get(1)?),
            (None, number) => (number?, c.get(5), c.get(6)?),
        };
        let unit = unit.map_or("", |unit| unit.as_str());
        Some(Amount { value: times(&plain(number.as_str()), unit), currency: currency_of(currency.as_str()) })
    });
    let spelled =
        p.spelled.find_iter(text).map(|m| Amount { value: m.as_str().to_lowercase(), currency: ' ' });
    let shares = p
        .share
        .captures_iter(text)
        .filter_map(|c| c.get(1).or(c.get(2)).map(|m| Amount { value: plain(m.as_str()), currency: '%' }));
    digits.chain(spelled).chain(shares).collect()
}

/// Where the amounts of money and the shares of a text are. Where the patterns cannot be had there is one: all of it.
#[must_use]
pub fn amounts(text: &str) -> Vec<Range<usize>> {
    let Ok(p) = PATTERNS.as_ref() else { return std::iter::once(0..text.len()).collect() };
    [&p.price, &p.spelled, &p.share].iter().flat_map(|p| p.find_iter(text)).map(|m| m.range()).collect()
}

/// A number with its unit: `20` and `k` are `20000`.
fn times(number: &str, unit: &str) -> String {
    let zeros = match unit.to_lowercase().as_str() {
        "k" | "千" => 3,
        "万" => 4,
        "百" => 2,
        _ => return number.to_owned(),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let moved: String = fraction.chars().chain(std::iter::repeat('0')).take(zeros).collect();
    let rest: String = fraction.chars().skip(zeros).collect();
    let whole = format!("{whole}{moved}");
    let whole = whole.trim_start_matches('0');
    if rest.is_empty() { whole.to_owned() } else { format!("{whole}.{rest}") }
}

fn currency_of(word: &str) -> char {
    match word.to_lowercase().as_str() {
        "$" | "usd" | "美元" | "美金" | "刀" | "dollar" | "dollars" | "buck" | "bucks" => '$',
        "€" | "eur" | "欧元" | "euro" | "euros" => '€',
        "£" | "gbp" | "英镑" | "pound" | "pounds" | "quid" => '£',
        "jpy" | "日元" | "yen" => 'J',
        _ => '¥',
    }
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

/// `1,288.00` is `1288`.
fn plain(number: &str) -> String {
    let number = number.replace(',', "");
    match number.split_once('.') {
        Some((whole, fraction)) if fraction.bytes().all(|b| b == b'0') => whole.to_owned(),
        _ => number.trim_end_matches('.').to_owned(),
    }
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
    fn amounts_in_whatever_spelling() {
        let given = ["up to 500 USD, 3000 元, 10% commission, deliver 900 pieces"];
        for (text, new) in [
            ("We can pay 500 USD, or $500, or 500美金.", false),
            ("3000元 or RMB 3000 or 3千元", false),
            ("a commission of 10% it is", false),
            ("USD 900", true),
            ("EUR 500", true),
            ("RMB 3000", false),
            ("2万元", true),
            ("200块", true),
            ("500刀", false),
            ("900 bucks", true),
            ("five hundred dollars", true),
            ("五百元", true),
            ("20% commission", true),
            ("$20k", true),
            ("I am 100% sure that 20 pieces will do.", false),
        ] {
            assert_eq!(names_new_amount(text, &given), new, "{text}");
        }
        let text = "500 USD, or five hundred dollars, or 10% commission in 3 days";
        let found: Vec<&str> = amounts(text).into_iter().filter_map(|at| text.get(at)).collect();
        assert_eq!(found, ["500 USD", "five hundred dollars", "10% commission"]);
        assert!(!names_new_amount("$1.5k", &["1500 dollars"]) && names_new_amount("$20k", &["$20"]));
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
