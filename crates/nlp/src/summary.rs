//! Summaries by quotation: the sentences that say most of what the others say (LexRank), without saying it twice (MMR),
//! and in correspondence those that name money, dates and requests. Nothing is reworded, so nothing can be invented.

use std::collections::{HashMap, HashSet};

use crate::{
    split::{clauses, one_line, sentences},
    words::{content_words, stem},
};

/// What else makes a sentence worth quoting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cues {
    /// Nothing: letters and stories.
    None,
    /// Money, dates, requests and refusals: mails and conversations of customers.
    Correspondence,
}

/// A message of a thread.
#[derive(Debug, Clone, Copy)]
pub struct Turn<'a> {
    /// Who wrote it, as it is shown.
    pub sender: &'a str,
    /// What was written; quoted text and signatures are left out of the summary.
    pub text: &'a str,
}

/// A sentence of a thread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quote {
    /// Whose it is.
    pub sender: String,
    /// The sentence, on one line.
    pub sentence: String,
}

/// Sentences that are compared with each other; the work grows with the square.
const MAX_SENTENCES: usize = 300;
/// MMR: how much being central counts against being new.
const CENTRAL: f64 = 0.7;
/// What a sentence of many words that mean something has before one of few.
const CONTENT: f64 = 0.5;
/// What a cue adds, in the scale of centrality 0…1.
const CUE: f64 = 0.16;

/// The `n` sentences that say most of a text, verbatim (on one line each) and in their order; the whole text if it has no
/// more. Looks at the first [`crate::MAX_CHARS`] characters and 300 sentences.
#[must_use]
pub fn summary(text: &str, n: usize, cues: Cues) -> Vec<String> {
    let sentences = bounded_sentences(text);
    choose(&sentences, n, cues, &[])
        .into_iter()
        .filter_map(|at| sentences.get(at))
        .map(|s| one_line(s))
        .collect()
}

/// The same sentences cut at the border of a clause to at most 40 Chinese or 120 other characters.
#[must_use]
pub fn key_points(text: &str, n: usize, cues: Cues) -> Vec<String> {
    summary(text, n, cues).iter().map(|sentence| cut(sentence)).collect()
}

/// The `n` sentences that say most of a thread, with their senders and in their order. The last request and the last
/// sentence about money or a date are always among them (if `n` has room for them).
#[must_use]
pub fn thread_summary(turns: &[Turn<'_>], n: usize) -> Vec<Quote> {
    let texts: Vec<String> = turns.iter().map(|turn| without_quotes(turn.text)).collect();
    // The newest messages decide where a thread stands: what is cut off is its beginning.
    let mut all: Vec<(&str, &str)> = turns
        .iter()
        .zip(&texts)
        .flat_map(|(turn, text)| bounded_sentences(text).into_iter().map(|sentence| (turn.sender, sentence)))
        .collect();
    all.drain(..all.len().saturating_sub(MAX_SENTENCES));
    let sentences: Vec<&str> = all.iter().map(|(_, sentence)| *sentence).collect();
    let last = |pattern: fn(&str) -> bool| sentences.iter().rposition(|sentence| pattern(sentence));
    let mut keep: Vec<usize> = [last(is_request), last(has_amount_or_date)].into_iter().flatten().collect();
    keep.dedup();
    choose(&sentences, n, Cues::Correspondence, &keep)
        .into_iter()
        .filter_map(|at| all.get(at))
        .map(|(sender, sentence)| Quote { sender: (*sender).to_owned(), sentence: one_line(sentence) })
        .collect()
}

fn bounded_sentences(text: &str) -> Vec<&str> {
    let mut sentences = sentences(crate::bounded(text));
    sentences.truncate(MAX_SENTENCES);
    sentences
}

/// A sentence cut to the length of a key point.
fn cut(sentence: &str) -> String {
    let han = crate::language(sentence) == crate::Language::Chinese;
    let limit = if han { 40 } else { 120 };
    if sentence.chars().count() <= limit {
        return sentence.to_owned();
    }
    let mut end = 0;
    for clause in clauses(sentence) {
        // Clauses are slices of the sentence: where one ends in it is a difference of addresses.
        let to = clause.as_ptr() as usize - sentence.as_ptr() as usize + clause.len();
        if sentence.get(..to).is_some_and(|head| head.chars().count() > limit) {
            break;
        }
        end = to;
    }
    if end == 0 {
        let head: String = sentence.chars().take(limit - 1).collect();
        let head =
            if han { head.as_str() } else { head.rsplit_once(' ').map_or(head.as_str(), |(words, _)| words) };
        return format!("{head}…");
    }
    format!("{}…", sentence.get(..end).unwrap_or(sentence))
}

/// A message without quoted text, the lines that introduce it, and its signature.
#[must_use]
pub fn without_quotes(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.lines() {
        let trimmed = line.trim();
        let introduces =
            (trimmed.ends_with("wrote:") || trimmed.ends_with("写道：") || trimmed.ends_with("写道:"))
                || trimmed.starts_with("-----Original Message")
                || trimmed.starts_with("---------- Forwarded")
                || trimmed.starts_with("------------------ 原始邮件")
                || trimmed.starts_with("-----原始邮件");
        // Everything below a signature's dashes or a quotation's head is not this message.
        if introduces || line == "-- " || trimmed == "--" {
            break;
        }
        if !trimmed.starts_with('>') {
            out.push_str(line);
            out.push('\n');
        }
    }
    out.truncate(out.trim_end().len());
    out
}

/// The places of the chosen sentences, ascending; those in `keep` first of all.
fn choose(sentences: &[&str], n: usize, cues: Cues, keep: &[usize]) -> Vec<usize> {
    if sentences.len() <= n {
        return (0..sentences.len()).collect();
    }
    let vectors = vectors(sentences);
    let mut scores = lexrank(&vectors);
    let most = vectors.iter().map(Vector::len).max().unwrap_or(0).max(1);
    #[expect(clippy::cast_precision_loss, reason = "a share of a few words")]
    for (score, vector) in scores.iter_mut().zip(&vectors) {
        *score += CONTENT * (vector.len() as f64 / most as f64).sqrt();
    }
    if cues == Cues::Correspondence {
        for (score, sentence) in scores.iter_mut().zip(sentences) {
            *score += cue(sentence);
        }
    }
    let mut chosen: Vec<usize> = keep.iter().copied().take(n).collect();
    while chosen.len() < n {
        let best = scores
            .iter()
            .enumerate()
            .filter(|(at, _)| !chosen.contains(at))
            .map(|(at, score)| (at, CENTRAL * score - (1.0 - CENTRAL) * nearest(&vectors, at, &chosen)))
            .max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)));
        let Some((at, _)) = best else { break };
        chosen.push(at);
    }
    chosen.sort_unstable();
    chosen
}

/// Sparse vectors of unit length.
type Vector = HashMap<String, f64>;

/// A vector per sentence: its stems, weighed by how few sentences have them.
fn vectors(sentences: &[&str]) -> Vec<Vector> {
    let words: Vec<Vec<String>> = sentences
        .iter()
        .map(|sentence| content_words(sentence).into_iter().map(|word| stem(&word).into_owned()).collect())
        .collect();
    let mut seen: HashMap<&str, f64> = HashMap::new();
    for words in &words {
        for word in words.iter().collect::<HashSet<_>>() {
            *seen.entry(word).or_default() += 1.0;
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "at most a few hundred")]
    let count = sentences.len() as f64;
    words
        .iter()
        .map(|words| {
            let mut vector = Vector::new();
            for word in words {
                let idf = 1.0 + (count / seen.get(word.as_str()).copied().unwrap_or(1.0)).ln();
                *vector.entry(word.clone()).or_default() += idf;
            }
            let length = vector.values().map(|w| w * w).sum::<f64>().sqrt();
            if length > 0.0 {
                vector.values_mut().for_each(|w| *w /= length);
            }
            vector
        })
        .collect()
}

fn cosine(a: &Vector, b: &Vector) -> f64 {
    let (few, many) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    few.iter().filter_map(|(word, weight)| Some(weight * many.get(word)?)).sum()
}

/// How much a sentence repeats of what is chosen.
fn nearest(vectors: &[Vector], at: usize, chosen: &[usize]) -> f64 {
    let Some(vector) = vectors.get(at) else { return 0.0 };
    chosen
        .iter()
        .filter_map(|other| vectors.get(*other))
        .map(|other| cosine(vector, other))
        .fold(0.0, f64::max)
}

/// Centrality of every sentence in the graph of their similarities, 0…1.
fn lexrank(vectors: &[Vector]) -> Vec<f64> {
    const DAMPING: f64 = 0.85;
    let similar: Vec<Vec<f64>> =
        vectors.iter().map(|a| vectors.iter().map(|b| cosine(a, b)).collect()).collect();
    let degree: Vec<f64> = similar.iter().map(|row| row.iter().sum::<f64>().max(1e-9)).collect();
    let mut rank = vec![1.0; vectors.len()];
    for _ in 0..30 {
        rank = similar
            .iter()
            .map(|row| {
                let sum: f64 = row.iter().zip(&rank).zip(&degree).map(|((w, r), d)| w * r / d).sum();
                (1.0 - DAMPING) + DAMPING * sum
            })
            .collect();
    }
    let most = rank.iter().copied().fold(1e-9, f64::max);
    rank.iter().map(|r| r / most).collect()
}

/// What cues add to a sentence's score.
fn cue(sentence: &str) -> f64 {
    let found = [is_request(sentence), has_amount_or_date(sentence), is_problem(sentence)];
    let courtesy = if is_courtesy(sentence) { -2.0 } else { 0.0 };
    CUE * (found.iter().map(|found| f64::from(u8::from(*found))).sum::<f64>() + courtesy)
}

fn any(sentence: &str, chinese: &[&str], english: &[&str]) -> bool {
    if chinese.iter().any(|cue| sentence.contains(cue)) {
        return true;
    }
    let lower = format!(" {} ", sentence.to_lowercase().replace('’', "'"));
    english.iter().any(|cue| lower.contains(cue))
}

fn is_request(sentence: &str) -> bool {
    const ZH: [&str; 17] = [
        "请",
        "希望",
        "能否",
        "可否",
        "能不能",
        "可不可以",
        "可以吗",
        "麻烦",
        "需要",
        "要求",
        "务必",
        "尽快",
        "想要",
        "申请",
        "确认",
        "回复",
        "同意",
    ];
    const EN: [&str; 16] = [
        "please",
        "could you",
        "can you",
        "would you",
        "can we",
        "could we",
        " need ",
        " needs ",
        "we ask",
        "i'd like",
        "would like",
        "request",
        "let me know",
        "confirm",
        "must ",
        "have to ",
    ];
    any(sentence, &ZH, &EN)
}

fn has_amount_or_date(sentence: &str) -> bool {
    const ZH: [&str; 22] = [
        "元",
        "块钱",
        "万",
        "折",
        "百分之",
        "价格",
        "报价",
        "预算",
        "费用",
        "佣金",
        "月",
        "号",
        "周一",
        "周二",
        "周三",
        "周四",
        "周五",
        "周六",
        "周日",
        "星期",
        "截止",
        "之前",
    ];
    const EN: [&str; 28] = [
        "$",
        "€",
        "£",
        "percent",
        " price",
        " budget",
        " fee",
        " cost",
        " euro",
        " dollar",
        " thousand",
        " hundred",
        "monday",
        "tuesday",
        "wednesday",
        "thursday",
        "friday",
        "saturday",
        "sunday",
        " january",
        " february",
        " march ",
        " april",
        " june",
        " july",
        " october",
        "deadline",
        " days",
    ];
    sentence.chars().filter(char::is_ascii_digit).count() >= 2 || any(sentence, &ZH, &EN)
}

fn is_problem(sentence: &str) -> bool {
    const ZH: [&str; 14] = [
        "问题",
        "没有收到",
        "破损",
        "损坏",
        "错误",
        "退款",
        "退货",
        "补发",
        "取消",
        "延迟",
        "赔偿",
        "补偿",
        "投诉",
        "故障",
    ];
    const EN: [&str; 14] = [
        "problem",
        "broken",
        "damaged",
        "refund",
        "cancel",
        "delay",
        "wrong",
        "missing",
        "complain",
        "replace",
        "fail",
        "error",
        "not arrived",
        "instead",
    ];
    any(sentence, &ZH, &EN)
}

fn is_courtesy(sentence: &str) -> bool {
    const ZH: [&str; 8] =
        ["谢谢您的", "感谢您的", "祝您", "期待您的回复", "抱歉给您带来", "很高兴", "辛苦了", "打扰了"];
    const EN: [&str; 8] = [
        "thank you for",
        "thanks for",
        "best regards",
        "kind regards",
        "hope you are well",
        "hope this finds",
        "sorry for the inconvenience",
        "have a nice",
    ];
    any(sentence, &ZH, &EN)
}
