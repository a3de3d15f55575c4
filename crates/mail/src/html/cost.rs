//! Whether HTML can be made into a tree at a bearable cost.
//!
//! The standard's rules for unclosed formatting elements open each of them again in every block that follows: two thousand
//! `<font>`s before a hundred thousand `<p>`s make two hundred million elements of a few megabytes.

use std::{cell::RefCell, collections::HashMap};

use html5ever::{
    LocalName, TokenizerResult,
    buffer_queue::BufferQueue,
    tendril::StrTendril,
    tokenizer::{Tag, TagKind, Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts, states::RawKind},
};

/// Deeper than this no mail program nests.
const DEEPEST: usize = 500;
/// Elements that are made, or looked at when one is made.
const MOST_STEPS: usize = 10_000_000;

/// Whether to leave it alone.
pub(super) fn is_too_much(html: &str) -> bool {
    let tokenizer = Tokenizer::new(Counter(RefCell::default()), TokenizerOpts::default());
    let input = BufferQueue::default();
    input.push_back(StrTendril::from_slice(html));
    while let TokenizerResult::Script(()) | TokenizerResult::EncodingIndicator(_) = tokenizer.feed(&input) {}
    tokenizer.end();
    let count = tokenizer.sink.0.into_inner();
    let formatting: usize = count.formatting.values().map(|f| f.most).sum();
    count.deepest > DEEPEST
        || count.elements.saturating_mul(formatting.saturating_add(count.deepest)) > MOST_STEPS
}

#[derive(Default)]
struct Count {
    elements: usize,
    deepest: usize,
    open: HashMap<LocalName, usize>,
    depth: usize,
    formatting: HashMap<LocalName, Unclosed>,
}

#[derive(Default)]
struct Unclosed {
    now: usize,
    most: usize,
}

struct Counter(RefCell<Count>);

impl TokenSink for Counter {
    type Handle = ();

    fn process_token(&self, token: Token, _line: u64) -> TokenSinkResult<()> {
        let Token::TagToken(tag) = token else { return TokenSinkResult::Continue };
        self.0.borrow_mut().tag(&tag);
        match &*tag.name {
            "script" | "style" | "xmp" | "iframe" | "noembed" | "noframes"
                if tag.kind == TagKind::StartTag =>
            {
                TokenSinkResult::RawData(RawKind::Rawtext)
            }
            "title" | "textarea" if tag.kind == TagKind::StartTag => {
                TokenSinkResult::RawData(RawKind::Rcdata)
            }
            _ => TokenSinkResult::Continue,
        }
    }
}

impl Count {
    fn tag(&mut self, tag: &Tag) {
        let formatting = matches!(
            &*tag.name,
            "a" | "b"
                | "big"
                | "code"
                | "em"
                | "font"
                | "i"
                | "nobr"
                | "s"
                | "small"
                | "strike"
                | "strong"
                | "tt"
                | "u"
        );
        match tag.kind {
            TagKind::StartTag => {
                self.elements += 1;
                // Elements that have no end, or whose end is as a rule left out.
                let flat = matches!(
                    &*tag.name,
                    "br" | "img"
                        | "hr"
                        | "meta"
                        | "link"
                        | "input"
                        | "col"
                        | "wbr"
                        | "area"
                        | "base"
                        | "p"
                        | "li"
                        | "tr"
                        | "td"
                        | "th"
                        | "option"
                        | "dd"
                        | "dt"
                        | "embed"
                        | "source"
                        | "param"
                );
                if formatting {
                    let unclosed = self.formatting.entry(tag.name.clone()).or_default();
                    unclosed.now += 1;
                    unclosed.most = unclosed.most.max(unclosed.now);
                }
                if !flat {
                    *self.open.entry(tag.name.clone()).or_default() += 1;
                    self.depth += 1;
                    self.deepest = self.deepest.max(self.depth);
                }
            }
            TagKind::EndTag => {
                if let Some(unclosed) = self.formatting.get_mut(&tag.name) {
                    unclosed.now = unclosed.now.saturating_sub(1);
                }
                if let Some(open) = self.open.get_mut(&tag.name).filter(|open| **open > 0) {
                    *open -= 1;
                    self.depth -= 1;
                }
            }
        }
    }
}
