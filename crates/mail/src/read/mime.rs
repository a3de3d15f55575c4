//! The parts of a mail: a bounded walk over its octets.
//!
//! mail-parser reads the fields of each part; taking the parts apart is done here, since it nests messages in messages
//! as deep as a sender likes, and a tree that deep cannot even be dropped without overflowing the stack.

use std::{borrow::Cow, ops::Range};

use mail_parser::{
    Header, HeaderName, MessageParser, MimeHeaders as _,
    decoders::{
        base64::base64_decode, charsets::map::charset_decoder, quoted_printable::quoted_printable_decode,
    },
};

use super::{MAX_DEPTH, MAX_PARTS, Unreadable, head, parameter};

/// How a part's octets travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    Plain,
    Base64,
    QuotedPrintable,
}

/// A part that holds no parts.
#[derive(Debug, Clone)]
pub(crate) struct Leaf {
    /// Zero-based places joined by dots, like Gmail's `partId`: `0`, `1.0`.
    pub(crate) id: String,
    /// `text/plain`, in lower case.
    pub(crate) mime_type: String,
    pub(crate) charset: Option<String>,
    pub(crate) encoding: Encoding,
    pub(crate) file_name: Option<String>,
    pub(crate) attached: bool,
    pub(crate) content_id: Option<String>,
    /// In the raw message.
    pub(crate) body: Range<usize>,
}

/// What a multipart means by its parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Join {
    Alternative,
    Related,
    /// `multipart/mixed`, and every kind that is not known.
    Mixed,
}

#[derive(Debug, Clone)]
pub(crate) enum Node {
    Leaf(Leaf),
    Multipart(Join, Vec<Node>),
}

/// What the walk found.
pub(crate) struct Tree<'x> {
    /// The fields of the mail itself.
    pub(crate) headers: Vec<Header<'x>>,
    /// `multipart/report`, in lower case.
    pub(crate) mime_type: String,
    /// Of `multipart/report`, in lower case.
    pub(crate) report_type: Option<String>,
    pub(crate) root: Node,
}

/// Takes a message apart. `head` is its decoded head ([`head::prepare`]).
pub(crate) fn walk<'x>(raw: &[u8], head: &'x [u8], body_at: usize) -> Result<Tree<'x>, Unreadable> {
    let mut walker = Walker { raw, parts: 0 };
    let headers = fields(head);
    let part = Described::of(&headers, head, false);
    let (mime_type, report_type) = (part.mime_type.clone(), part.report_type.clone());
    let root = walker.node(part, body_at..raw.len(), String::new(), 0)?;
    Ok(Tree { headers, mime_type, report_type, root })
}

pub(crate) fn fields(head: &[u8]) -> Vec<Header<'_>> {
    let parsed = MessageParser::default().parse_headers(head);
    parsed
        .map(|message| message.parts.into_iter().flat_map(|part| part.headers).collect())
        .unwrap_or_default()
}

/// A part's own fields.
struct Described {
    mime_type: String,
    report_type: Option<String>,
    boundary: Option<String>,
    charset: Option<String>,
    encoding: Encoding,
    file_name: Option<String>,
    attached: bool,
    content_id: Option<String>,
}

/// `MimeHeaders` asks a part; these are the fields of one.
fn part_of<'x>(headers: &[Header<'x>]) -> mail_parser::MessagePart<'x> {
    mail_parser::MessagePart { headers: headers.to_vec(), ..Default::default() }
}

impl Described {
    fn of(headers: &[Header<'_>], head: &[u8], in_digest: bool) -> Self {
        let mime: Vec<Header<'_>> = headers.iter().filter(|h| h.name.is_mime_header()).cloned().collect();
        let part = part_of(&mime);
        let content = part.content_type();
        let mime_type = match content {
            Some(c) => format!("{}/{}", c.ctype(), c.subtype().unwrap_or("unknown")).to_ascii_lowercase(),
            None if in_digest => "message/rfc822".to_owned(),
            None => "text/plain".to_owned(),
        };
        let encoding = match part.content_transfer_encoding().unwrap_or_default().trim() {
            e if e.eq_ignore_ascii_case("base64") => Encoding::Base64,
            e if e.eq_ignore_ascii_case("quoted-printable") => Encoding::QuotedPrintable,
            _ => Encoding::Plain,
        };
        let attribute = |name: &str| content.and_then(|c| c.attribute(name)).map(str::to_owned);
        Self {
            report_type: attribute("report-type").map(|t| t.to_ascii_lowercase()),
            boundary: attribute("boundary").filter(|b| !b.is_empty() && b.len() <= 200),
            charset: attribute("charset"),
            file_name: extended_name(headers, head)
                .or_else(|| part.attachment_name().map(str::to_owned))
                .map(|name| head::file_name(&name))
                .filter(|name| !name.is_empty()),
            attached: part
                .content_disposition()
                .is_some_and(|d| d.ctype().eq_ignore_ascii_case("attachment")),
            content_id: part.content_id().map(|id| head::one_line(id, 250)).filter(|id| !id.is_empty()),
            mime_type,
            encoding,
        }
    }
}

fn extended_name(headers: &[Header<'_>], head: &[u8]) -> Option<String> {
    let of = |field_name: &HeaderName<'_>, key: &str| {
        let header = field(headers, field_name)?;
        let start = usize::try_from(header.offset_start).ok()?;
        let value = head.get(start..usize::try_from(header.offset_end).ok()?)?;
        let value = std::str::from_utf8(value).ok().filter(|value| value.contains('*'))?;
        parameter::extended(value, key)
    };
    of(&HeaderName::ContentDisposition, "filename").or_else(|| of(&HeaderName::ContentType, "name"))
}

struct Walker<'a> {
    raw: &'a [u8],
    parts: usize,
}

impl Walker<'_> {
    fn node(
        &mut self,
        part: Described,
        body: Range<usize>,
        id: String,
        depth: usize,
    ) -> Result<Node, Unreadable> {
        self.parts += 1;
        if self.parts > MAX_PARTS {
            return Err(Unreadable::Parts);
        }
        if part.mime_type.starts_with("multipart/")
            && let Some(boundary) = &part.boundary
        {
            if depth >= MAX_DEPTH {
                return Err(Unreadable::Depth);
            }
            let sections = sections(self.raw, body.clone(), boundary.as_bytes());
            if !sections.is_empty() {
                return self.multipart(&part.mime_type, sections, &id, depth);
            }
        }
        // A multipart without its boundary is text that somebody broke.
        let broken = part.mime_type.starts_with("multipart/");
        Ok(Node::Leaf(Leaf {
            id: if id.is_empty() { "0".to_owned() } else { id },
            mime_type: if broken { "text/plain".to_owned() } else { part.mime_type },
            charset: part.charset,
            encoding: part.encoding,
            file_name: part.file_name,
            attached: part.attached,
            content_id: part.content_id,
            body,
        }))
    }

    fn multipart(
        &mut self,
        mime_type: &str,
        sections: Vec<Range<usize>>,
        id: &str,
        depth: usize,
    ) -> Result<Node, Unreadable> {
        let join = match mime_type {
            "multipart/alternative" => Join::Alternative,
            "multipart/related" => Join::Related,
            _ => Join::Mixed,
        };
        let mut nodes = Vec::new();
        for (n, section) in sections.into_iter().enumerate() {
            let octets = self.raw.get(section.clone()).unwrap_or_default();
            let body_at = head::end(octets);
            let prepared = head::prepare(octets.get(..body_at).unwrap_or_default());
            let part = Described::of(&fields(&prepared), &prepared, mime_type == "multipart/digest");
            let id = if id.is_empty() { n.to_string() } else { format!("{id}.{n}") };
            nodes.push(self.node(part, section.start + body_at..section.end, id, depth + 1)?);
        }
        Ok(Node::Multipart(join, nodes))
    }
}

/// What lies between a multipart's boundaries; without an end the last part runs to the end.
fn sections(raw: &[u8], body: Range<usize>, boundary: &[u8]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut open: Option<usize> = None;
    let mut at = body.start;
    while at < body.end {
        let rest = raw.get(at..body.end).unwrap_or_default();
        let line_end = rest.iter().position(|b| *b == b'\n').map_or(body.end, |n| at + n + 1);
        let line = raw.get(at..line_end).unwrap_or_default().trim_ascii_end();
        let mark = line.strip_prefix(b"--").and_then(|l| l.strip_prefix(boundary));
        if let Some(tail) = mark.filter(|tail| tail.is_empty() || *tail == b"--") {
            if let Some(start) = open.take() {
                found.push(start..before_break(raw, start, at));
            }
            if !tail.is_empty() {
                return found;
            }
            if found.len() > MAX_PARTS {
                return found;
            }
            open = Some(line_end);
        }
        at = line_end;
    }
    if let Some(start) = open {
        found.push(start..body.end);
    }
    found
}

/// The line break before a boundary belongs to the boundary.
fn before_break(raw: &[u8], start: usize, end: usize) -> usize {
    let part = raw.get(start..end).unwrap_or_default();
    let cut = part.strip_suffix(b"\r\n").or_else(|| part.strip_suffix(b"\n")).unwrap_or(part);
    start + cut.len()
}

/// A part's octets without their transfer encoding. What is broken is decoded as far as it can be.
pub(crate) fn decode(raw: &[u8], range: Range<usize>, encoding: Encoding) -> Cow<'_, [u8]> {
    let octets = raw.get(range).unwrap_or_default();
    match encoding {
        Encoding::Plain => Cow::Borrowed(octets),
        Encoding::QuotedPrintable => {
            Cow::Owned(quoted_printable_decode(octets).unwrap_or_else(|| quoted_printable_broken(octets)))
        }
        Encoding::Base64 => {
            let decoded = base64_decode(octets).or_else(|| {
                let letter = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/');
                let letters: Vec<u8> = octets.iter().copied().filter(letter).collect();
                let whole = letters.len() - usize::from(letters.len() % 4 == 1);
                base64_decode(letters.get(..whole).unwrap_or_default())
            });
            decoded.map_or(Cow::Borrowed(octets), Cow::Owned)
        }
    }
}

/// Quoted-printable with errors in it: what is no escape stands for itself.
fn quoted_printable_broken(octets: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(octets.len());
    let mut at = 0;
    while let Some(octet) = octets.get(at) {
        let behind = octets.get(at + 1..).unwrap_or_default();
        let (step, decoded) = match behind {
            _ if *octet != b'=' => (1, Some(*octet)),
            [b'\r', b'\n', ..] => (3, None),
            [b'\n', ..] => (2, None),
            [a, b, ..] if parameter::hex(&[*a, *b]).is_some() => (3, parameter::hex(&[*a, *b])),
            [] => (1, None),
            _ => (1, Some(b'=')),
        };
        out.extend(decoded);
        at += step;
    }
    out
}

/// Octets as text. A charset that is not named, not known or plainly wrong is guessed: UTF-8, then GB18030, then
/// Latin.
pub(crate) fn text(octets: &[u8], charset: Option<&str>) -> String {
    let name = charset.unwrap_or_default().trim().to_ascii_lowercase();
    let vague =
        matches!(name.as_str(), "" | "us-ascii" | "ascii" | "utf-8" | "utf8" | "unknown-8bit" | "default");
    if let (false, Some(decoder)) = (vague, charset_decoder(name.as_bytes())) {
        return decoder(octets);
    }
    match std::str::from_utf8(octets) {
        Ok(text) => text.trim_start_matches('\u{feff}').to_owned(),
        Err(_) if name.starts_with("utf") => String::from_utf8_lossy(octets).into_owned(),
        Err(_) => guess(octets),
    }
}

/// Octets that are not UTF-8, and whose charset nobody named.
pub(crate) fn guess(octets: &[u8]) -> String {
    let decoded = charset_decoder(b"gb18030").map(|decoder| decoder(octets));
    // Single accented letters among ASCII are Latin; Chinese comes in pairs of octets.
    let high = octets.iter().filter(|b| **b >= 0x80).count();
    match decoded {
        Some(text)
            if !text.contains('\u{fffd}') && text.chars().filter(|c| is_han(*c)).count() * 3 >= high =>
        {
            text
        }
        _ => charset_decoder(b"windows-1252")
            .map_or_else(|| String::from_utf8_lossy(octets).into_owned(), |decoder| decoder(octets)),
    }
}

fn is_han(c: char) -> bool {
    matches!(c, '\u{3000}'..='\u{30ff}' | '\u{4e00}'..='\u{9fff}' | '\u{ff00}'..='\u{ffef}' | '\u{2014}'..='\u{2026}')
}

impl Leaf {
    /// Whether it may be read as the mail's own words rather than a file.
    pub(crate) fn is_words(&self) -> bool {
        !self.attached
            && self.file_name.is_none()
            && matches!(self.mime_type.as_str(), "text/plain" | "text/html")
    }
}

/// Every leaf, in order.
pub(crate) fn leaves(node: &Node) -> Vec<&Leaf> {
    match node {
        Node::Leaf(leaf) => vec![leaf],
        Node::Multipart(_, nodes) => nodes.iter().flat_map(leaves).collect(),
    }
}

/// The field of this name that counts: the first.
pub(crate) fn field<'h, 'x>(headers: &'h [Header<'x>], name: &HeaderName<'_>) -> Option<&'h Header<'x>> {
    headers.iter().find(|h| h.name == *name)
}
