//! Amounts of money and shares in a text, in the spellings of Chinese and English mail: what somebody would be bound by.
//!
//! What is not sure to be one counts as one: it costs a look, where the other mistake costs the amount.

use std::{collections::HashSet, ops::Range, sync::LazyLock};

use regex::{Captures, Match, Regex};

/// An amount of money or a share.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Amount {
    /// In digits, or as it is spelled out.
    value: String,
    /// As ISO 4217 says, `%`, or nothing of what is spelled out.
    currency: &'static str,
}

struct Patterns {
    /// `US$ 1.5k - 2k`
    before: Regex,
    /// `500 - 900 US dollars`
    after: Regex,
    spelled: Regex,
    share: Regex,
    /// `8折`
    reduced: Regex,
    /// `my rate is 900`, `2k`, `900 per video`: what is asked for, in whatever currency.
    asked: Regex,
}

const NUMBER: &str = r"(\d[\d,]*(?:\.\d+)?)";
const UNIT: &str = r"((?:k|m|mio|million|thousand|grand)\b|百万|万|千|百|亿)?";
const RANGE: &str = r"\s?(?:-|–|—|~|～|to|至|到)\s?";
const CODES: &str = "USD|RMB|CNY|EUR|GBP|JPY|CAD|AUD|HKD|TWD|SGD|INR|KRW|CHF";
/// Latin words end where a word ends: a year before "European" is no sum.
const WORDS: &str = "dollars?|bucks?|euros?|pounds?|quid|yuan|yen|rupees?|francs?";
const HAN: &str = "元|块钱?|人民币|美元|美金|刀|欧元|英镑|日元|円|港币|港元|台币|新币|卢比";
const SPELLED: &str = "one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|fifteen|twenty|thirty|forty|fifty|sixty\
    |seventy|eighty|ninety|hundred|thousand|million|half";

static PATTERNS: LazyLock<Result<Patterns, regex::Error>> = LazyLock::new(|| {
    let sign = r"(?:US|HK|CA|AU|NT|NZ|[ACS])?\s?\$|[¥￥€£₹₩]";
    let after = format!(r"{sign}|\b?(?:{CODES})\b|(?:[a-z]+\s)?(?:{WORDS})\b|{HAN}");
    let share = "commission|discount|off\\b|(?:rev(?:enue)?|profit)[ -]share|royalt|of (?:the |all |our |your |my )?(?:revenue|sales|profits?|turnover)\
        |佣金|提成|分成|折扣|返点|销售额|利润";
    let percent = r"(\d+(?:\.\d+)?)\s?(?:%|percent|个点)";
    Ok(Patterns {
        before: Regex::new(&format!(
            r"(?i)({sign}|\b(?:{CODES}))\s?{NUMBER}\s?{UNIT}(?:{RANGE}(?:{sign})?\s?{NUMBER}\s?{UNIT})?"
        ))?,
        after: Regex::new(&format!(r"(?i)(?:{NUMBER}\s?{UNIT}{RANGE})?{NUMBER}\s?{UNIT}\s?({after})"))?,
        spelled: Regex::new(&format!(
            r"(?i)\b(?:(?:a|few|couple)\s(?:few\s|couple\s)?(?:hundred|thousand|million)|{SPELLED})(?:[\s-](?:and|a|{SPELLED}))*\s(?:[a-z]+\s)?(?:USD|RMB|{WORDS}|grand)\b|[一二两三四五六七八九十百千万]+\s?(?:元|块钱|人民币|美元|美金|欧元|英镑|日元|港币)|[一二两三四五六七八九十百千万]{{2,}}\s?(?:块|刀)"
        ))?,
        share: Regex::new(&format!(
            r"(?i){percent}[^.!?。！？\n]{{0,20}}(?:{share})|(?:{share})[^.!?。！？\n]{{0,20}}?{percent}"
        ))?,
        reduced: Regex::new(r"(\d(?:\.\d)?)\s?折")?,
        asked: Regex::new(&format!(
            r"(?i)(?:\b(?:rates?|fees?|prices?|quote|charge|costs?|budget|ask(?:ing)? for)\b|报价|价格|费用|收费|要价|稿费)[^.!?。！？\n]{{0,24}}?{NUMBER}\s?{UNIT}|{NUMBER}\s?{UNIT}\s?(?:\b(?:per|each|an?)\b|/|每|一)\s?(?:video|post|reel|stor|piece|month|week|day|hour|条|篇|个|次|天|月)|{NUMBER}\s?((?:k|million|thousand|grand)\b|百万|万|千)|([一二两三四五六七八九十百]+[万千])"
        ))?,
    })
});

/// Whether a text names an amount of money, or a share, that none of the texts names in the same currency. Where the patterns
/// cannot be had it does.
#[must_use]
pub fn names_new_amount(text: &str, given: &[&str]) -> bool {
    let Ok(p) = PATTERNS.as_ref() else { return true };
    let given = amounts_of(p, &given.join("\n"));
    amounts_of(p, text).iter().any(|amount| !given.contains(amount))
}

/// Whether a text seems to ask for an amount, with a currency or without, whose number none of the texts names.
#[must_use]
pub fn asks_for_new_amount(text: &str, given: &[&str]) -> bool {
    let Ok(p) = PATTERNS.as_ref() else { return true };
    let given = given.join("\n").to_lowercase();
    let mut known = numbers_of(&given);
    known.extend(amounts_of(p, &given).into_iter().map(|amount| amount.value));
    known.extend(asked_in(p, &given));
    asked_in(p, text).iter().any(|number| !known.contains(number))
}

fn asked_in(p: &Patterns, text: &str) -> Vec<String> {
    let number = |c: Captures<'_>| {
        let of = |at: usize, unit: usize| c.get(at).map(|n| times(&plain(n.as_str()), word(&c, unit)));
        of(1, 2).or_else(|| of(3, 4)).or_else(|| of(5, 6)).or_else(|| c.get(7).map(|n| n.as_str().to_owned()))
    };
    p.asked.captures_iter(text).filter_map(number).collect()
}

/// All numbers of a text, in digits.
fn numbers_of(text: &str) -> HashSet<String> {
    text.split(|c: char| !c.is_ascii_digit() && !",.".contains(c)).map(plain).collect()
}

/// Where the amounts of money and the shares of a text are. Where the patterns cannot be had there is one: all of it.
#[must_use]
pub fn amounts(text: &str) -> Vec<Range<usize>> {
    let Ok(p) = PATTERNS.as_ref() else { return std::iter::once(0..text.len()).collect() };
    let all = [&p.before, &p.after, &p.spelled, &p.share, &p.reduced];
    all.iter().flat_map(|p| p.find_iter(text)).map(|m| m.range()).collect()
}

/// The same as [`names_new_amount`], but a number that any of the texts names will do, of whatever it is.
pub(crate) fn names_new_number(text: &str, given: &[&str]) -> bool {
    let Ok(p) = PATTERNS.as_ref() else { return true };
    let given = given.join("\n").to_lowercase();
    let numbers = numbers_of(&given);
    let named = amounts_of(p, &given);
    amounts_of(p, text).into_iter().any(|amount| {
        let spelled = amount.currency.is_empty() && given.contains(&amount.value);
        !named.contains(&amount) && !numbers.contains(&amount.value) && !spelled
    })
}

fn amounts_of(p: &Patterns, text: &str) -> HashSet<Amount> {
    let mut all = HashSet::new();
    let mut add = |number: Option<Match<'_>>, unit: Option<Match<'_>>, currency: &'static str| {
        let Some(number) = number else { return };
        all.insert(Amount {
            value: times(&plain(number.as_str()), unit.map_or("", |u| u.as_str())),
            currency,
        });
    };
    for found in p.before.captures_iter(text) {
        let currency = currency_of(word(&found, 1));
        // Of "$1-2k" both are thousands.
        add(found.get(2), found.get(3).or(found.get(5)), currency);
        add(found.get(4), found.get(5), currency);
    }
    for found in p.after.captures_iter(text) {
        let rest = found.get(0).and_then(|m| text.get(m.end()..)).unwrap_or_default();
        if word(&found, 5) == "元" && rest.starts_with(['旦', '素', '宵', '件', '年']) {
            continue;
        }
        let currency = currency_of(word(&found, 5));
        add(found.get(1), found.get(2).or(found.get(4)), currency);
        add(found.get(3), found.get(4), currency);
    }
    for found in p.share.captures_iter(text) {
        add(found.get(1).or(found.get(2)), None, "%");
    }
    for found in p.reduced.captures_iter(text) {
        add(found.get(1), None, "折");
    }
    // Of "3千元" the last two are not spelled out.
    let alone =
        |m: &Match<'_>| !text.get(..m.start()).is_some_and(|t| t.ends_with(|c: char| c.is_ascii_digit()));
    let spelled = p.spelled.find_iter(text).filter(alone);
    all.extend(spelled.map(|m| Amount { value: m.as_str().to_lowercase(), currency: "" }));
    all
}

fn word<'t>(found: &Captures<'t>, group: usize) -> &'t str {
    found.get(group).map_or("", |m| m.as_str())
}

/// `1,288.00` is `1288`.
fn plain(number: &str) -> String {
    let number = number.replace(',', "");
    match number.split_once('.') {
        Some((whole, fraction)) if fraction.bytes().all(|b| b == b'0') => whole.to_owned(),
        _ => number.trim_end_matches('.').to_owned(),
    }
}

/// A number with its unit: `20` and `k` are `20000`.
fn times(number: &str, unit: &str) -> String {
    let zeros = match unit.to_lowercase().as_str() {
        "百" => 2,
        "k" | "thousand" | "grand" | "千" => 3,
        "万" => 4,
        "m" | "mio" | "million" | "百万" => 6,
        "亿" => 8,
        _ => return number.to_owned(),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let moved: String = fraction.chars().chain(std::iter::repeat('0')).take(zeros).collect();
    let rest: String = fraction.chars().skip(zeros).collect();
    let whole = format!("{whole}{moved}");
    let whole = whole.trim_start_matches('0');
    if rest.is_empty() { whole.to_owned() } else { format!("{whole}.{rest}") }
}

fn currency_of(word: &str) -> &'static str {
    let word = word.to_lowercase();
    // "Canadian dollars" are others than "US dollars"; whatever else stands before the word says nothing.
    let of_dollars = |before: &str| match before.trim() {
        "hk" | "kong" => "HKD",
        "ca" | "c" | "canadian" => "CAD",
        "au" | "a" | "australian" => "AUD",
        "nt" | "taiwan" => "TWD",
        "s" | "singapore" => "SGD",
        "nz" | "zealand" => "NZD",
        _ => "USD",
    };
    let (before, last) = word.rsplit_once(' ').unwrap_or(("", &word));
    match last.trim_end_matches('s') {
        "usd" | "美元" | "美金" | "刀" | "buck" => "USD",
        "dollar" => of_dollars(before),
        sign if sign.ends_with('$') => of_dollars(&format!("{before}{}", sign.trim_end_matches('$'))),
        "€" | "eur" | "欧元" | "euro" => "EUR",
        "£" | "gbp" | "英镑" | "pound" | "quid" => "GBP",
        "jpy" | "日元" | "円" | "yen" => "JPY",
        "hkd" | "港币" | "港元" => "HKD",
        "twd" | "台币" => "TWD",
        "sgd" | "新币" => "SGD",
        "cad" => "CAD",
        "aud" => "AUD",
        "₹" | "inr" | "卢比" | "rupee" => "INR",
        "₩" | "krw" => "KRW",
        "chf" | "franc" => "CHF",
        _ => "CNY",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_in_whatever_spelling() {
        let given = ["up to 500 USD, 3000 元, 10% commission, 9折, deliver 900 pieces"];
        for text in [
            "We can pay 500 USD, or $500, or 500美金, or US$ 500, 500$, USD500, 500 US dollars.",
            "3000元 or RMB 3000 or 3千元 or ￥3,000.00",
            "a commission of 10% it is, or 9折",
            "I am 100% sure that 20 pieces will do.",
            "In 2026 European creators will share 3 posts with 5% engagement.",
            "2026元旦 at the grand opening, 一块去 with 2 others",
            "from 10 to 12 on March 15",
        ] {
            assert!(!names_new_amount(text, &given), "{text}");
        }
        for text in [
            "USD 900",
            "USD900",
            "EUR900",
            "EUR 500",
            "900$",
            "900 US dollars",
            "900 US$",
            "900 CAD",
            "500 Canadian dollars",
            "HK$500",
            "₹900",
            "900円",
            "900港币",
            "一元",
            "百元",
            "2万元",
            "200块",
            "900 bucks",
            "five hundred dollars",
            "five grand",
            "a few hundred dollars",
            "half a million dollars",
            "五百元",
            "五百块",
            "20% commission",
            "20% of the revenue",
            "8折",
            "$20k",
            "$2 million",
            "$500-900",
            "$500 to 900",
            "500 - 900 USD",
            "500到900美元",
        ] {
            assert!(names_new_amount(text, &given), "{text}");
        }
        for (one, other) in
            [("$1.5k", "1500 dollars"), ("$1.5m", "1500000 USD"), ("$1-2k", "$1000, $2000"), ("3万", "")]
        {
            assert!(!names_new_amount(one, &[other]), "{one} is {other}");
        }
        for (text, asks) in [
            ("My rate is 900 per video", false),
            ("My rate is 901 per video", true),
            ("My fee is 1,200.", true),
            ("I charge 2k for that", true),
            ("报价2万", true),
            ("两万一条", true),
            ("1500 per post", true),
            ("3千", false),
            ("I made 3 videos in 2026, on 5 channels.", false),
        ] {
            assert_eq!(asks_for_new_amount(text, &given), asks, "{text}");
        }
        let text = "500 USD, or five hundred dollars, or 10% commission in 3 days";
        let found: Vec<&str> = amounts(text).into_iter().filter_map(|at| text.get(at)).collect();
        assert_eq!(found, ["500 USD", "five hundred dollars", "10% commission"]);
        assert!(names_new_amount("$20k", &["$20"]) && names_new_amount("$1.5m", &["$1.5"]));
    }
}
