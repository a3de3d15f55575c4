//! HTML as lines of text that know whether they are quoted: what mail programs mark as a quote, as a line above one, as a
//! signature, or as the place from which on all is quoted.
//!
//! Works on tokens rather than on a tree: no document is too deep, and none costs more than its length.

use std::cell::RefCell;

use html5ever::{
    LocalName, TokenizerResult,
    buffer_queue::BufferQueue,
    tendril::StrTendril,
    tokenizer::{Tag, TagKind, Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts, states::RawKind},
};

/// What a line is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Mark {
    /// Words.
    Words,
    /// Marked as the line above a quote ("On … wrote:").
    Attribution,
    /// Marked as a signature.
    Signature,
    /// From here on everything is quoted.
    Tail,
}

/// A line of text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) text: String,
    /// How many quotes it lies in.
    pub(crate) depth: usize,
    pub(crate) mark: Mark,
}

/// So many elements may be open; what is opened beyond is taken for closed.
const MOST_OPEN: usize = 2000;

/// The lines of HTML; `links` puts addresses behind linked words.
pub(crate) fn lines(html: &str, links: bool) -> Vec<Line> {
    let sink = Sink(RefCell::new(Writer { links, ..Writer::default() }));
    let tokenizer = Tokenizer::new(sink, TokenizerOpts::default());
    let input = BufferQueue::default();
    input.push_back(StrTendril::from_slice(html));
    while let TokenizerResult::Script(()) | TokenizerResult::EncodingIndicator(_) = tokenizer.feed(&input) {}
    tokenizer.end();
    let mut writer = tokenizer.sink.0.into_inner();
    writer.end_line();
    writer.lines
}

struct Sink(RefCell<Writer>);

impl TokenSink for Sink {
    type Handle = ();

    fn process_token(&self, token: Token, _line: u64) -> TokenSinkResult<()> {
        let mut writer = self.0.borrow_mut();
        match token {
            Token::TagToken(tag) => return writer.tag(&tag),
            Token::CharacterTokens(text) => writer.text(&text),
            _ => {}
        }
        TokenSinkResult::Continue
    }
}

/// What an element does to what lies in it.
#[derive(Default, Clone, Copy)]
struct Effect {
    hidden: bool,
    quoted: bool,
    pre: bool,
    mark: Option<Mark>,
}

struct Open {
    name: LocalName,
    effect: Effect,
    link: Option<(String, usize)>,
}

#[derive(Default)]
struct Writer {
    links: bool,
    lines: Vec<Line>,
    line: String,
    /// A space is due before the next word.
    gap: bool,
    /// An empty line is due before the next.
    blank: bool,
    open: Vec<Open>,
    hidden: usize,
    depth: usize,
    pre: usize,
    attribution: usize,
    signature: usize,
    tail: bool,
}

impl Writer {
    fn tag(&mut self, tag: &Tag) -> TokenSinkResult<()> {
        let name = &*tag.name;
        match tag.kind {
            TagKind::EndTag => self.close(&tag.name),
            TagKind::StartTag => {
                match name {
                    "br" => {
                        self.break_line();
                        return TokenSinkResult::Continue;
                    }
                    "hr" => {
                        self.end_line();
                        return TokenSinkResult::Continue;
                    }
                    "img" | "input" | "meta" | "link" | "base" | "wbr" | "col" | "area" | "embed"
                    | "source" => {
                        return TokenSinkResult::Continue;
                    }
                    _ => self.start(tag),
                }
                match name {
                    "script" | "style" | "noscript" | "xmp" | "iframe" | "noembed" | "noframes" => {
                        return TokenSinkResult::RawData(RawKind::Rawtext);
                    }
                    "title" | "textarea" => return TokenSinkResult::RawData(RawKind::Rcdata),
                    _ => {}
                }
            }
        }
        TokenSinkResult::Continue
    }

    fn start(&mut self, tag: &Tag) {
        if self.open.len() >= MOST_OPEN {
            return;
        }
        let name = &*tag.name;
        let effect = effect(tag);
        if tag.self_closing && effect.hidden {
            return;
        }
        self.close_implied(name);
        match name {
            "p" | "h1" | "h2" | "h3" | "h4" | "h5" | "h6" | "ul" | "ol" | "dl" => self.paragraph(),
            "li" => {
                self.end_line();
                if self.hidden == 0 && !effect.hidden {
                    self.line.push_str("- ");
                }
            }
            "td" | "th" => self.gap = !self.line.is_empty(),
            _ if is_block(name) => self.end_line(),
            _ => {}
        }
        let entering = effect.quoted || effect.mark.is_some();
        if entering {
            self.end_line();
        }
        let link = (self.links && name == "a").then(|| attribute(tag, "href")).flatten();
        let link = link.filter(|l| l.starts_with("http")).map(|l| (l, self.line.len()));
        self.count(effect, true);
        self.open.push(Open { name: tag.name.clone(), effect, link });
    }

    /// Ends what the standard lets authors leave open. A hidden element that stayed open would hide all that follows.
    fn close_implied(&mut self, name: &str) {
        while let Some(open) = self.open.last().map(|open| open.name.clone()) {
            let ends = match &*open {
                "head" => !matches!(name, "title" | "style" | "script" | "noscript" | "template"),
                "p" => is_block(name),
                "li" | "option" => *open == *name,
                "dt" | "dd" => matches!(name, "dt" | "dd"),
                "td" | "th" => matches!(name, "td" | "th" | "tr" | "tbody"),
                "tr" => matches!(name, "tr" | "tbody"),
                _ => false,
            };
            if !ends {
                break;
            }
            self.close(&open);
        }
    }

    fn close(&mut self, name: &LocalName) {
        // An end without its start closes nothing; a start without its end is closed with what holds it.
        let recent = self.open.iter().rev().take(60).position(|o| o.name == *name);
        let Some(back) = recent else { return };
        if is_block(name) || matches!(&**name, "p" | "li" | "ul" | "ol") {
            self.end_line();
        }
        if matches!(&**name, "p" | "h1" | "h2" | "h3" | "h4" | "h5" | "h6") {
            self.blank = !self.lines.is_empty();
        }
        for _ in 0..=back {
            let Some(open) = self.open.pop() else { break };
            if open.effect.quoted || open.effect.mark.is_some() {
                self.end_line();
            }
            if let Some((address, start)) = open.link {
                self.address(&address, start);
            }
            self.count(open.effect, false);
        }
    }

    fn count(&mut self, effect: Effect, enter: bool) {
        let step = |counter: &mut usize, on: bool| {
            if on {
                *counter = if enter { *counter + 1 } else { counter.saturating_sub(1) };
            }
        };
        step(&mut self.hidden, effect.hidden);
        step(&mut self.depth, effect.quoted);
        step(&mut self.pre, effect.pre);
        step(&mut self.attribution, effect.mark == Some(Mark::Attribution));
        step(&mut self.signature, effect.mark == Some(Mark::Signature));
        self.tail |= enter && effect.mark == Some(Mark::Tail);
    }

    fn address(&mut self, address: &str, start: usize) {
        let words = self.line.get(start..).unwrap_or_default().trim();
        let bare = |a: &str| a.trim_end_matches('/').to_owned();
        if self.hidden == 0 && !words.is_empty() && bare(words) != bare(address) && address.len() < 2000 {
            self.line.push_str(&format!(" <{}>", address.replace(char::is_whitespace, "")));
        }
    }

    fn text(&mut self, text: &str) {
        let head = self.open.last().filter(|open| &*open.name == "head").map(|open| open.name.clone());
        if let Some(head) = head.filter(|_| !text.trim().is_empty()) {
            self.close(&head);
        }
        if self.hidden > 0 {
            return;
        }
        for c in text.chars() {
            match c {
                '\n' if self.pre > 0 => self.break_line(),
                // Preserved for layout, not for reading.
                '\u{200b}'..='\u{200d}'
                | '\u{feff}'
                | '\u{ad}'
                | '\u{34f}'
                | '\u{2060}'
                | '\u{202a}'..='\u{202e}' => {}
                c if self.pre > 0 => self.push(c),
                c if c.is_whitespace() => self.gap = !self.line.is_empty(),
                c if c.is_control() => {}
                c => {
                    if self.gap {
                        self.push(' ');
                        self.gap = false;
                    }
                    self.push(c);
                }
            }
        }
    }

    fn push(&mut self, c: char) {
        if self.blank && self.line.is_empty() {
            self.blank = false;
            self.store(String::new());
        }
        self.line.push(c);
    }

    fn store(&mut self, text: String) {
        let mark = match () {
            () if self.tail => Mark::Tail,
            () if self.attribution > 0 => Mark::Attribution,
            () if self.signature > 0 => Mark::Signature,
            () => Mark::Words,
        };
        self.lines.push(Line { text, depth: self.depth, mark });
    }

    fn paragraph(&mut self) {
        self.end_line();
        self.blank = !self.lines.is_empty();
    }

    /// Ends a line that has something on it.
    fn end_line(&mut self) {
        if !self.line.is_empty() {
            let line = std::mem::take(&mut self.line);
            self.store(line.trim_end().to_owned());
        }
        self.gap = false;
    }

    /// Ends a line, even an empty one.
    fn break_line(&mut self) {
        if self.hidden > 0 {
            return;
        }
        if self.line.is_empty() {
            self.blank = !self.lines.is_empty();
        }
        self.end_line();
    }
}

fn is_block(name: &str) -> bool {
    matches!(
        name,
        "div"
            | "p"
            | "blockquote"
            | "table"
            | "tr"
            | "ul"
            | "ol"
            | "li"
            | "dl"
            | "dt"
            | "dd"
            | "h1"
            | "h2"
            | "h3"
            | "h4"
            | "h5"
            | "h6"
            | "pre"
            | "section"
            | "article"
            | "header"
            | "footer"
            | "center"
            | "body"
            | "form"
            | "fieldset"
            | "address"
            | "figure"
            | "main"
            | "aside"
            | "nav"
            | "hr"
            | "tbody"
            | "thead"
    )
}

fn attribute(tag: &Tag, name: &str) -> Option<String> {
    tag.attrs.iter().find(|a| &*a.name.local == name).map(|a| a.value.to_string())
}

fn effect(tag: &Tag) -> Effect {
    let name = &*tag.name;
    let lower = |attr: &str| attribute(tag, attr).unwrap_or_default().to_ascii_lowercase();
    let (class, id) = (lower("class"), lower("id"));
    let style: String = lower("style").split_whitespace().collect();
    let classed = |names: &[&str]| class.split_whitespace().any(|c| names.contains(&c));
    let hidden = matches!(
        name,
        "head"
            | "script"
            | "style"
            | "title"
            | "template"
            | "noscript"
            | "select"
            | "textarea"
            | "iframe"
            | "object"
            | "svg"
            | "xmp"
            | "noembed"
            | "noframes"
    ) || attribute(tag, "hidden").is_some()
        || ["display:none", "visibility:hidden", "mso-hide:all", "opacity:0;", "max-height:0"]
            .iter()
            .any(|s| style.contains(s))
        || style.ends_with("opacity:0")
        || zero_size(&style);
    // Gmail and Outlook indent by quoting: no border, a margin of 40 pixels.
    let indent = style.contains("margin:00040px") && style.contains("border:none");
    let quote = name == "blockquote" && !indent;
    // Containers of 163, Yahoo, Proton, Zoho, Outlook for Mac, QQ's new pages.
    let holder = classed(&[
        "yahoo_quoted",
        "protonmail_quote",
        "ntes-mailmaster-quote",
        "zmail_extra",
        "mail-quote-content",
    ]) || matches!(
        id.as_str(),
        "yahoo_quoted" | "olk_src_body_section" | "isreplycontent" | "ntes-pcmac-quote" | "qm-quote"
    );
    // Outlook's line above the quoted mail, which follows beside it; Foxmail's.
    let tail =
        matches!(id.as_str(), "divrplyfwdmsg" | "mail-editor-reference-message-container" | "reply-intro")
            || classed(&["outlookmessageheader", "wordsection1-quote", "foxdiv20reply"]);
    let mark = match () {
        () if tail => Some(Mark::Tail),
        () if classed(&["gmail_attr", "moz-cite-prefix"]) => Some(Mark::Attribution),
        () if classed(&[
            "gmail_signature",
            "moz-signature",
            "ms-outlook-mobile-signature",
            "protonmail_signature_block",
        ]) || matches!(
            id.as_str(),
            "signature" | "ms-outlook-mobile-signature" | "applemailsignature" | "ntes-pcmac-signature"
        ) || attribute(tag, "data-smartmail").is_some_and(|v| v == "gmail_signature") =>
        {
            Some(Mark::Signature)
        }
        () => None,
    };
    Effect { hidden, quoted: quote || holder, pre: name == "pre", mark }
}

/// `font-size:0`, in whatever unit.
fn zero_size(style: &str) -> bool {
    let Some((_, size)) = style.split_once("font-size:") else { return false };
    let digits: String = size.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
    // Up to a pixel nobody reads it.
    digits.parse::<f32>().is_ok_and(|n| n <= 1.0 && !size.contains("em") && !size.contains("rem"))
}
