//! The children of an `<xml>` document as names and texts: all the XML that WeCom speaks.
//!
//! It is a scanner of that form alone: an optional declaration, then elements, texts and CDATA in one root. Attributes,
//! comments, processing instructions, a document type, and entities but the five of XML and character references are
//! refused, as is what is longer than [`MAX_BYTES`], deeper than [`MAX_DEPTH`] or more than [`MAX_CHILDREN`].
//! Promises: whatever is taken, a parser for all of XML takes too and gives the same texts (`xml/peer.rs` holds it to
//! that). Children that nobody asks for are checked and left out, and so is what is below a child's child.

use std::borrow::Cow;

use memchr::{memchr_iter, memchr2};

#[cfg(test)]
mod peer;

/// Of a document.
pub const MAX_BYTES: usize = 256 * 1024;
/// Of elements in each other.
pub const MAX_DEPTH: usize = 16;
/// Of the root.
pub const MAX_CHILDREN: usize = 1024;

/// Children of the root by their names, in their order.
#[derive(Debug, PartialEq)]
pub struct Children<'a>(Vec<(&'static str, Cow<'a, str>)>);

impl<'a> Children<'a> {
    /// Reads the children of these names; the error says what is wrong with the document.
    pub fn read(document: &'a str, names: &'static [&'static str]) -> Result<Self, String> {
        if document.len() > MAX_BYTES {
            return Err(format!("is longer than {MAX_BYTES} bytes"));
        }
        let mut scan = Scan {
            rest: declaration(document)?,
            names,
            children: Vec::with_capacity(8),
            count: 0,
            wanted: false,
            open: [""; MAX_DEPTH],
            depth: 0,
            ended: false,
        };
        while !scan.rest.is_empty() {
            scan.step()?;
        }
        if scan.depth > 0 || !scan.ended {
            return Err(no_xml("its element does not end"));
        }
        Ok(Self(scan.children))
    }

    /// The first child of that name, without white space at its ends.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// The children of that name.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(key, _)| *key == name).map(|(_, value)| value.trim())
    }
}

fn no_xml(reason: &str) -> String {
    format!("is no XML: {reason}")
}

/// What follows the declaration, if there is one.
fn declaration(document: &str) -> Result<&str, String> {
    match document.strip_prefix("<?xml") {
        Some(after) if after.starts_with(blank) => {
            after.split_once("?>").map(|(_, rest)| rest).ok_or_else(|| no_xml("its declaration does not end"))
        }
        _ => Ok(document),
    }
}

/// White space as XML has it.
fn blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

/// The name at the start, and what follows it. WeCom's names are ASCII.
fn name(text: &str) -> Option<(&str, &str)> {
    let letter = |b: u8| b.is_ascii_alphabetic() || b == b'_';
    let other = |b: u8| matches!(b, b'0'..=b'9' | b'-' | b'.');
    let end = text.bytes().position(|b| !(letter(b) || other(b))).unwrap_or(text.len());
    text.bytes().next().filter(|first| letter(*first)).and_then(|_| text.split_at_checked(end))
}

struct Scan<'a> {
    rest: &'a str,
    names: &'static [&'static str],
    children: Vec<(&'static str, Cow<'a, str>)>,
    /// Children so far, whether asked for or not.
    count: usize,
    /// The child that we are in is asked for: it is the last of `children`.
    wanted: bool,
    /// The names of the elements that we are in: the first `depth` of these.
    open: [&'a str; MAX_DEPTH],
    depth: usize,
    /// The root has ended.
    ended: bool,
}

impl<'a> Scan<'a> {
    /// Takes a text and the markup behind it.
    fn step(&mut self) -> Result<(), String> {
        // Between tags there is mostly nothing, and a search costs more than a look.
        let bytes = self.rest.as_bytes();
        let search = || memchr2(b'<', b'&', bytes).unwrap_or(bytes.len());
        let end = if bytes.starts_with(b"<") { 0 } else { search() };
        let (text, markup) = self.rest.split_at_checked(end).unwrap_or_default();
        match self.depth {
            _ if text.is_empty() => {}
            0 if text.trim_matches(blank).is_empty() => {}
            0 => return Err(OUTSIDE.to_owned()),
            _ => self.text(text),
        }
        self.rest = if let Some(rest) = markup.strip_prefix("</") {
            self.end(rest)?
        } else if let Some(rest) = markup.strip_prefix("<!") {
            self.cdata(rest)?
        } else if markup.starts_with("<?") {
            return Err("has a processing instruction, which is not read".to_owned());
        } else if let Some(rest) = markup.strip_prefix('<') {
            self.start(rest)?
        } else if let Some(rest) = markup.strip_prefix('&') {
            self.reference(rest)?
        } else {
            markup
        };
        Ok(())
    }

    /// What follows the tag, of which `<` is taken.
    fn start(&mut self, tag: &'a str) -> Result<&'a str, String> {
        if self.ended {
            return Err("has more than one root".to_owned());
        }
        let (name, rest) = name(tag).ok_or_else(|| no_xml("an element has no name that WeCom writes"))?;
        match self.depth {
            0 if name != "xml" => return Err("has another root than xml".to_owned()),
            1 if self.count == MAX_CHILDREN => return Err(format!("has more than {MAX_CHILDREN} elements")),
            1 => self.child(name),
            _ => {}
        }
        let open = self.open.get_mut(self.depth);
        *open.ok_or_else(|| format!("is deeper than {MAX_DEPTH} elements"))? = name;
        self.depth += 1;
        if let Some(rest) = rest.strip_prefix('>') {
            return Ok(rest);
        }
        let inner = rest.trim_start_matches(blank);
        if let Some(rest) = inner.strip_prefix("/>") {
            self.close();
            return Ok(rest);
        }
        inner.strip_prefix('>').ok_or_else(|| {
            if inner.len() < rest.len() {
                "has an attribute, which is not read".to_owned()
            } else {
                no_xml("a tag does not end")
            }
        })
    }

    fn child(&mut self, name: &str) {
        self.count += 1;
        let known = self.names.iter().find(|known| **known == name);
        self.wanted = known.is_some();
        if let Some(known) = known {
            self.children.push((known, Cow::Borrowed("")));
        }
    }

    /// What follows the tag, of which `</` is taken.
    fn end(&mut self, tag: &'a str) -> Result<&'a str, String> {
        let open = self.depth.checked_sub(1).and_then(|last| self.open.get(last));
        let open = open.ok_or_else(|| no_xml("an element ends that has not begun"))?;
        let rest = tag.strip_prefix(open).and_then(|rest| rest.trim_start_matches(blank).strip_prefix('>'));
        let rest = rest.ok_or_else(|| no_xml("an element ends that is not the last begun"))?;
        self.close();
        Ok(rest)
    }

    fn close(&mut self) {
        self.depth = self.depth.saturating_sub(1);
        self.ended = self.depth == 0;
    }

    /// What follows the CDATA, of which `<!` is taken.
    fn cdata(&mut self, markup: &'a str) -> Result<&'a str, String> {
        let Some(text) = markup.strip_prefix("[CDATA[") else {
            let starts = |with: &str| markup.get(..with.len()).is_some_and(|m| m.eq_ignore_ascii_case(with));
            return Err(if starts("DOCTYPE") {
                "has a document type, which is not read".to_owned()
            } else if starts("--") {
                "has a comment, which is not read".to_owned()
            } else {
                no_xml("a declaration is none that may stand here")
            });
        };
        if self.depth == 0 {
            return Err(OUTSIDE.to_owned());
        }
        let mut ends = memchr_iter(b']', text.as_bytes()).filter_map(|at| text.split_at_checked(at));
        let end = ends.find_map(|(text, end)| Some((text, end.strip_prefix("]]>")?)));
        let (text, rest) = end.ok_or_else(|| no_xml("a CDATA section does not end"))?;
        self.text(text);
        Ok(rest)
    }

    /// What follows the reference, of which `&` is taken.
    fn reference(&mut self, markup: &'a str) -> Result<&'a str, String> {
        let end = memchr2(b';', b'<', markup.as_bytes()).unwrap_or_default();
        let (name, rest) = markup.split_at_checked(end).unwrap_or_default();
        let rest = rest.strip_prefix(';').ok_or_else(|| no_xml("a reference does not end"))?;
        if self.depth == 0 {
            return Err(OUTSIDE.to_owned());
        }
        let c = character(name)?;
        if let Some(value) = self.value() {
            value.to_mut().push(c);
        }
        Ok(rest)
    }

    /// The child's text so far, if we are right in a child that is asked for.
    fn value(&mut self) -> Option<&mut Cow<'a, str>> {
        let last = self.children.last_mut().filter(|_| self.wanted && self.depth == 2);
        last.map(|(_, value)| value)
    }

    fn text(&mut self, text: &'a str) {
        match self.value().filter(|_| !text.is_empty()) {
            Some(value) if value.is_empty() => *value = Cow::Borrowed(text),
            Some(value) => value.to_mut().push_str(text),
            None => {}
        }
    }
}

const OUTSIDE: &str = "has text outside of its element";

/// What a reference stands for. Entities are those that XML itself has; a document cannot name others.
fn character(name: &str) -> Result<char, String> {
    if let Some(number) = name.strip_prefix('#') {
        let (digits, radix) = number.strip_prefix('x').map_or((number, 10), |hex| (hex, 16));
        // Not left to the parse: it takes signs.
        let code = Some(digits).filter(|digits| digits.chars().all(|c| c.is_digit(radix)));
        let code = code.and_then(|digits| u32::from_str_radix(digits, radix).ok());
        let c = code.and_then(char::from_u32).filter(|c| *c != '\0');
        return c.ok_or_else(|| no_xml("a reference is to no character"));
    }
    match name {
        "amp" => Ok('&'),
        "lt" => Ok('<'),
        "gt" => Ok('>'),
        "apos" => Ok('\''),
        "quot" => Ok('"'),
        _ => Err("has an entity that XML does not know".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(document: &str) -> String {
        Children::read(document, &[]).map(|c| panic!("{c:?}")).unwrap_err()
    }

    #[test]
    fn children_are_texts_in_order() {
        let document = "<?xml version=\"1.0\"?>\n<xml>\n <A><![CDATA[x<y&z]]></A><B> 1 </B><A >a&amp;b&#x4f60;</A\n><C/>\
            <F>left out</F><D>p<E>deep</E>q<![CDATA[]]]]><![CDATA[>]]></D><G\t/>\n</xml>\n";
        let children = Children::read(document, &["A", "B", "C", "D"]).unwrap();
        assert_eq!(children.all("A").collect::<Vec<_>>(), ["x<y&z", "a&b你"]);
        assert_eq!(children.get("B"), Some("1"));
        assert_eq!(children.get("C"), Some(""));
        assert_eq!(children.get("D"), Some("pq]]>"));
        assert!(children.get("E").is_none() && children.get("F").is_none());
        assert!(matches!(children.0.first(), Some((_, Cow::Borrowed(_)))), "a text in one piece is copied");
    }

    #[test]
    fn what_is_no_such_document_is_refused() {
        for (document, why) in [
            ("", "does not end"),
            ("<xml>", "does not end"),
            ("<xml", "does not end"),
            ("<xml><A><![CDATA[x]]</A></xml>", "does not end"),
            ("<xml><A>&amp</A></xml>", "does not end"),
            ("<?xml version=\"1.0\"", "does not end"),
            ("<xml><A></xml>", "no XML"),
            ("<xml><A></AB></xml>", "no XML"),
            ("<xml><A><A/></xml></A>", "no XML"),
            ("</xml>", "no XML"),
            ("<xml/></xml>", "no XML"),
            ("<xml>< A></A></xml>", "no XML"),
            ("<xml><1/></xml>", "no XML"),
            ("<xml><A/ ></xml>", "no XML"),
            ("<xml><!ELEMENT A></xml>", "no XML"),
            ("<html></html>", "another root"),
            ("<xml/><xml/>", "more than one root"),
            ("<xml/>x", "outside"),
            ("x<xml/>", "outside"),
            ("<xml/>&#32;", "outside"),
            ("<![CDATA[ ]]><xml/>", "outside"),
            ("<xml a=\"1\"></xml>", "attribute"),
            ("<xml><A a='>'/></xml>", "attribute"),
            ("<xml><!-- c --></xml>", "comment"),
            ("<xml><A>&x;</A></xml>", "entity"),
            ("<xml><A>&;</A></xml>", "entity"),
            ("<xml><A>&#xd800;</A></xml>", "no XML"),
            ("<xml><A>&#0;</A></xml>", "no XML"),
            ("<xml><A>&#+65;</A></xml>", "no XML"),
            ("<xml><A>&#;</A></xml>", "no XML"),
            ("<xml><A>&#x110000;</A></xml>", "no XML"),
            ("<!DOCTYPE xml [<!ENTITY x \"y\">]><xml><A>&x;</A></xml>", "document type"),
            ("<?php 1 ?><xml/>", "processing instruction"),
            ("<xml/><?xml version=\"1.0\"?>", "processing instruction"),
        ] {
            assert!(refused(document).contains(why), "{document}: {}", refused(document));
        }
        let deep = |n: usize| format!("<xml>{}{}</xml>", "<A>".repeat(n), "</A>".repeat(n));
        assert!(Children::read(&deep(MAX_DEPTH - 1), &["A"]).is_ok());
        assert!(refused(&deep(MAX_DEPTH)).contains("deeper"));
        assert!(refused(&format!("<xml>{}</xml>", "<A/>".repeat(MAX_CHILDREN + 1))).contains("elements"));
        assert!(refused(&format!("<xml>{}</xml>", " ".repeat(MAX_BYTES))).contains("longer"));
    }
}
