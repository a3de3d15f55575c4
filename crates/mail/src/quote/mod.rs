//! [`Split`]: the new text of a mail apart from the quoted tail and the signature.
//!
//! Promises: answers between quoted lines are kept; where nothing says what is quoted, all is new. A mail that begins
//! with a quote of the kind that has no marks (Outlook's) has no new text: better nothing than our own words taken for
//! theirs.

mod marks;

use crate::html::{self, Line, Mark};

/// A mail's text in its three pieces.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Split {
    /// What was written for this mail.
    pub new: String,
    /// What was taken from mails before it, with the lines that introduce it.
    pub quoted: String,
    /// What stands under every mail of this person or program.
    pub signature: String,
    /// Whether the quoted mail was forwarded rather than answered.
    pub forwarded: bool,
}

/// Splits. The sender's own plain text comes first; its HTML where that says more about quotes.
pub(crate) fn split(text: Option<&str>, html: Option<&str>) -> Split {
    let plain = text.filter(|t| !t.trim().is_empty()).map(|t| pieces(&plain_lines(t)));
    if let Some(split) = plain.as_ref().filter(|s| html.is_none() || !s.quoted.is_empty()) {
        return split.clone();
    }
    let marked = html.map(|h| pieces(&html::lines(h, false)));
    match (plain, marked) {
        (Some(plain), Some(marked)) if marked.quoted.is_empty() && marked.signature.is_empty() => plain,
        (_, Some(marked)) => marked,
        (plain, None) => plain.unwrap_or_default(),
    }
}

/// Plain text: `> ` marks quotes.
fn plain_lines(text: &str) -> Vec<Line> {
    let line = |line: &str| {
        let mut rest = line.trim_end();
        let mut depth = 0;
        while let Some(inner) = rest.strip_prefix('>').or_else(|| rest.strip_prefix(" >")) {
            depth += 1;
            rest = inner;
        }
        let text = if depth > 0 { rest.strip_prefix(' ').unwrap_or(rest) } else { line };
        // The delimiter of signatures ends in a space.
        let text = if text == "-- " { text } else { text.trim_end() };
        Line { text: text.replace('\u{a0}', " "), depth, mark: Mark::Words }
    };
    text.lines().map(line).collect()
}

/// What becomes of a line.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Piece {
    New,
    Quoted,
    Signature,
}

fn pieces(lines: &[Line]) -> Split {
    let mut of: Vec<Piece> = vec![Piece::New; lines.len()];
    let mut forwarded = false;
    let mut at = 0;
    while let Some(line) = lines.get(at) {
        let found = marks::introduction(lines, at);
        let span = found.as_ref().map_or(1, |f| f.lines);
        let quoted = line.depth > 0 || matches!(line.mark, Mark::Attribution | Mark::Tail) || found.is_some();
        let tail = line.mark == Mark::Tail || found.as_ref().is_some_and(|f| f.tail);
        forwarded |= found.as_ref().is_some_and(|f| f.forward);
        let end = if tail { lines.len() } else { at + span };
        let piece = match () {
            () if quoted => Piece::Quoted,
            () if line.mark == Mark::Signature => Piece::Signature,
            () => Piece::New,
        };
        fill(&mut of, at, end, piece);
        at = end;
    }
    delimited_signature(lines, &mut of);
    mobile_signature(lines, &mut of);
    let gather = |piece: Piece| gather(lines, &of, piece);
    Split {
        new: gather(Piece::New),
        quoted: gather(Piece::Quoted),
        signature: gather(Piece::Signature),
        forwarded,
    }
}

fn fill(of: &mut [Piece], start: usize, end: usize, piece: Piece) {
    let end = end.min(of.len());
    for slot in of.get_mut(start..end).unwrap_or_default() {
        *slot = piece;
    }
}

/// So many lines has a signature at most; what is longer behind a `--` is text.
const LONGEST_SIGNATURE: usize = 25;

/// From `-- ` to the next quote or the end.
fn delimited_signature(lines: &[Line], of: &mut [Piece]) {
    let mut at = 0;
    while at < lines.len() {
        let is_new = of.get(at) == Some(&Piece::New);
        let delimiter = lines.get(at).is_some_and(|l| matches!(l.text.as_str(), "-- " | "--"));
        if is_new && delimiter {
            let run = of.iter().skip(at).take_while(|p| **p == Piece::New).count();
            let filled = lines.iter().skip(at).take(run).filter(|l| !l.text.trim().is_empty()).count();
            if filled <= LONGEST_SIGNATURE {
                fill(of, at, at + run, Piece::Signature);
            }
            at += run;
        }
        at += 1;
    }
}

/// "Sent from my iPhone" as the last line before a quote or the end.
fn mobile_signature(lines: &[Line], of: &mut [Piece]) {
    let mut last = true;
    for at in (0..lines.len()).rev() {
        let (Some(line), Some(piece)) = (lines.get(at), of.get_mut(at)) else { continue };
        match *piece {
            Piece::New if line.text.trim().is_empty() => {}
            Piece::New if last && marks::is_mobile_signature(&line.text) => *piece = Piece::Signature,
            Piece::New => last = false,
            _ => last = true,
        }
    }
}

fn gather(lines: &[Line], of: &[Piece], piece: Piece) -> String {
    let mut out = String::new();
    let mut gap = false;
    for (line, of) in lines.iter().zip(of) {
        if *of != piece {
            gap |= !out.is_empty();
            continue;
        }
        if line.text.trim().is_empty() {
            gap |= !out.is_empty();
            continue;
        }
        if gap {
            out.push('\n');
            gap = false;
        }
        for _ in 1..if piece == Piece::Quoted { line.depth.min(8) } else { 0 } {
            out.push_str("> ");
        }
        out.push_str(&line.text);
        out.push('\n');
    }
    out.trim_end().to_owned()
}
