//! The words by which mail programs introduce what they quote, in the languages our users meet.

use crate::html::{Line, Mark};

/// Lines that introduce quoted text.
pub(super) struct Introduction {
    /// How many they are.
    pub(super) lines: usize,
    /// Whether everything behind them is quoted, without marks of its own.
    pub(super) tail: bool,
    pub(super) forward: bool,
}

/// Whether an introduction begins at a line that is not itself quoted.
pub(super) fn introduction(lines: &[Line], at: usize) -> Option<Introduction> {
    let line = lines.get(at).filter(|l| l.depth == 0 && l.mark == Mark::Words)?;
    let text = line.text.trim();
    if text.is_empty() {
        return None;
    }
    if let Some(forward) = divider(text) {
        return Some(Introduction { lines: 1, tail: !marked_behind(lines, at + 1), forward });
    }
    if rule(text) && header_block(lines, next_filled(lines, at + 1)?) >= 2 {
        return Some(Introduction { lines: 1, tail: true, forward: false });
    }
    if header_block(lines, at) >= 3 {
        return Some(Introduction { lines: 1, tail: true, forward: false });
    }
    let span = (1..=4).find(|n| is_attribution(lines, at, *n))?;
    Some(Introduction { lines: span, tail: !marked_behind(lines, at + span), forward: false })
}

fn next_filled(lines: &[Line], from: usize) -> Option<usize> {
    (from..lines.len().min(from + 4)).find(|n| lines.get(*n).is_some_and(|l| !l.text.trim().is_empty()))
}

/// Whether the next line with words carries a quote's own mark.
fn marked_behind(lines: &[Line], from: usize) -> bool {
    // A quote's own empty lines are marked, too.
    (from..lines.len().min(from + 6)).find_map(|n| {
        let line = lines.get(n)?;
        (line.depth > 0 || !line.text.trim().is_empty()).then_some(line.depth > 0)
    }) == Some(true)
}

/// `-----Original Message-----` and its like; says whether it forwards.
fn divider(text: &str) -> Option<bool> {
    const ORIGINAL: [&str; 11] = [
        "original message",
        "original appointment",
        "原始邮件",
        "原始信件",
        "原邮件",
        "原信件",
        "原始郵件",
        "ursprüngliche nachricht",
        "message d'origine",
        "mensaje original",
        "元のメッセージ",
    ];
    const FORWARDED: [&str; 9] = [
        "forwarded message",
        "forwarded by",
        "转发的邮件",
        "转发邮件",
        "转发的原邮件",
        "转发信息",
        "轉寄郵件",
        "转寄邮件",
        "weitergeleitete nachricht",
    ];
    const ALONE: [&str; 4] =
        ["begin forwarded message:", "开始转发的邮件：", "下面是转发的邮件：", "以下是转发邮件："];
    if text.chars().count() > 90 {
        return None;
    }
    let lower = text.to_lowercase();
    if ALONE.contains(&lower.as_str()) {
        return Some(true);
    }
    let dash = |c: char| matches!(c, '-' | '—' | '_' | '=' | '*' | '─');
    if !lower.starts_with(dash) || !lower.ends_with(dash) {
        return None;
    }
    let inner = lower.trim_matches(|c: char| dash(c) || c.is_whitespace());
    let named = |names: &[&str]| {
        names.iter().any(|n| inner.contains(n) && inner.chars().count() < n.chars().count() + 16)
    };
    if named(&FORWARDED) {
        return Some(true);
    }
    named(&ORIGINAL).then_some(false)
}

/// A line drawn across the page.
fn rule(text: &str) -> bool {
    text.chars().count() >= 8 && text.chars().all(|c| matches!(c, '_' | '-' | '—' | '─' | '='))
}

/// How many labelled lines (`From:`, `发件人：`…) begin here; 0 if the first is no sender's.
fn header_block(lines: &[Line], at: usize) -> usize {
    let label_at = |n: usize| lines.get(n).filter(|l| l.depth == 0).and_then(|l| label(&l.text));
    if label_at(at) != Some(Label::Sender) {
        return 0;
    }
    let mut found = 1;
    // Long lists of recipients go on without a label, and some programs put empty lines between.
    let mut others = 0;
    for n in at + 1..lines.len().min(at + 14) {
        match label_at(n) {
            Some(_) => (found, others) = (found + 1, 0),
            None => others += 1,
        }
        if others > 2 {
            break;
        }
    }
    found
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Label {
    Sender,
    Other,
}

fn label(text: &str) -> Option<Label> {
    const SENDER: [&str; 11] =
        ["from", "发件人", "寄件者", "寄件人", "發件人", "发送人", "von", "de", "da", "差出人", "보낸 사람"];
    const OTHER: [&str; 36] = [
        "sent",
        "date",
        "to",
        "cc",
        "subject",
        "reply-to",
        "importance",
        "attachments",
        "发送时间",
        "发件时间",
        "发送日期",
        "日期",
        "时间",
        "收件人",
        "抄送",
        "抄送人",
        "主题",
        "收件者",
        "主旨",
        "寄件日期",
        "傳送時間",
        "副本",
        "重要性",
        "附件",
        "gesendet",
        "datum",
        "an",
        "betreff",
        "envoyé",
        "à",
        "objet",
        "enviado",
        "para",
        "asunto",
        "送信日時",
        "件名",
    ];
    // "*From:*" is bold in a text made from HTML; NetEase draws a table with bars.
    let text = text.trim_start_matches(['*', '|', ' ', '\u{3000}']);
    let end = text.find([':', '：', '|'])?;
    let key: String = text.get(..end)?.trim_matches(|c: char| c == '*' || c.is_whitespace()).to_lowercase();
    let key: String = if key.is_ascii() { key } else { key.split_whitespace().collect() };
    match () {
        () if SENDER.contains(&key.as_str()) => Some(Label::Sender),
        () if OTHER.contains(&key.as_str()) => Some(Label::Other),
        () => None,
    }
}

/// Whether `n` lines from here are one "On … wrote:".
fn is_attribution(lines: &[Line], at: usize, n: usize) -> bool {
    let Some(own) = lines.get(at..at + n) else { return false };
    if own.iter().any(|l| l.depth > 0 || l.mark != Mark::Words || l.text.trim().is_empty()) {
        return false;
    }
    let first = own.first().map(|l| l.text.trim()).unwrap_or_default();
    let begins = ["On ", "At ", "在", "于", "Le ", "Am ", "El ", "Il ", "Em ", "Op "]
        .iter()
        .any(|b| first.starts_with(b));
    if n > 1 && !begins && !(first.contains('@') && first.contains(|c: char| c.is_ascii_digit())) {
        return false;
    }
    let joined = own.iter().map(|l| l.text.trim()).collect::<Vec<_>>().join(" ");
    wrote(&joined)
}

fn wrote(text: &str) -> bool {
    let chars = text.chars().count();
    let dated = text.contains(|c: char| c.is_ascii_digit());
    if !(8..=400).contains(&chars) || !(dated || text.contains('@')) {
        return false;
    }
    let Some(words) = text.strip_suffix([':', '：']).map(str::trim_end) else { return false };
    let lower = words.to_lowercase();
    let ends = |ends: &[&str]| ends.iter().any(|e| lower.ends_with(e));
    let starts = |starts: &[&str]| starts.iter().any(|s| lower.starts_with(s));
    if ends(&[
        "写道",
        "寫道",
        "写到",
        "wrote",
        "a écrit",
        "escribió",
        "ha scritto",
        "escreveu",
        "のメール",
        "написал",
    ]) {
        // "As Confucius wrote:" has neither day nor address.
        let addressed = text.contains('@') || starts(&["on ", "at ", "在", "于", "le ", "el ", "il ", "em "]);
        return addressed || (dated && ends(&["写道", "寫道", "写到"]));
    }
    if starts(&["am "]) && lower.contains(" schrieb ") || starts(&["op "]) && lower.contains(" schreef ") {
        return true;
    }
    // Gmail's old form: "2014-03-20 9:59 GMT+01:00 Name <a@b>:", and the Japanese.
    let year = lower.chars().take_while(char::is_ascii_digit).count() == 4;
    year && words.ends_with('>') && text.contains('@')
}

pub(super) fn is_mobile_signature(text: &str) -> bool {
    const STARTS: [&str; 36] = [
        "sent from my ",
        "sent from mail for windows",
        "sent from outlook",
        "sent from yahoo",
        "sent from proton",
        "sent from gmail",
        "sent from samsung",
        "sent from netease",
        "sent from aqua mail",
        "sent with proton",
        "sent via ",
        "get outlook for ",
        "发自我的",
        "发自 我的",
        "发自手机",
        "发自网易邮箱",
        "发自 网易邮箱",
        "发自qq邮箱",
        "发自新浪邮箱",
        "发自 outlook",
        "来自我的",
        "来自网易邮箱",
        "来自 网易邮箱",
        "来自qq邮箱",
        "来自 outlook",
        "从我的",
        "从 windows 版邮件发送",
        "从网易邮箱",
        "从qq邮箱",
        "发送自 ",
        "发送自我的",
        "获取 outlook for",
        "下载 outlook",
        "由我的",
        "傳送自我的",
        "從我的",
    ];
    // Foxmail and 163 draw a line around theirs.
    let lower = text
        .trim()
        .trim_matches(|c: char| matches!(c, '-' | '|' | '~' | '*') || c.is_whitespace())
        .to_lowercase();
    lower.chars().count() <= 70 && STARTS.iter().any(|s| lower.starts_with(s))
}
