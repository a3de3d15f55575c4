//! The children of an `<xml>` document as names and texts: all the XML that WeCom speaks.
//!
//! Promises: no document type, no entities but the five of XML and character references, at most
//! [`MAX_BYTES`], [`MAX_DEPTH`] and [`MAX_CHILDREN`]. Children that nobody asks for are checked and left out, and so is
//! what is below a child's child.

use std::borrow::Cow;

use quick_xml::{
    Reader,
    events::{BytesRef, Event},
};

/// Of a document.
pub const MAX_BYTES: usize = 256 * 1024;
/// Of elements in each other.
pub const MAX_DEPTH: usize = 16;
/// Of the root.
pub const MAX_CHILDREN: usize = 1024;

/// Children of the root by their names, in their order.
#[derive(Debug)]
pub struct Children<'a>(Vec<(&'static str, Cow<'a, str>)>);

impl<'a> Children<'a> {
    /// Reads the children of these names; the error says what is wrong with the document.
    pub fn read(document: &'a str, names: &'static [&'static str]) -> Result<Self, String> {
        if document.len() > MAX_BYTES {
            return Err(format!("is longer than {MAX_BYTES} bytes"));
        }
        let mut reader = Reader::from_str(document);
        reader.config_mut().expand_empty_elements = true;
        let mut walk =
            Walk { names, children: Vec::with_capacity(8), count: 0, wanted: false, depth: 0, ended: false };
        loop {
            let event = reader.read_event().map_err(|e| format!("is no XML: {e}"))?;
            if matches!(event, Event::Eof) {
                break;
            }
            walk.step(event)?;
        }
        if walk.depth > 0 || !walk.ended {
            return Err("is no XML: its element does not end".to_owned());
        }
        Ok(Self(walk.children))
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

struct Walk<'a> {
    names: &'static [&'static str],
    children: Vec<(&'static str, Cow<'a, str>)>,
    /// Children so far, whether asked for or not.
    count: usize,
    /// The child that we are in is asked for: it is the last of `children`.
    wanted: bool,
    depth: usize,
    /// The root has ended.
    ended: bool,
}

impl<'a> Walk<'a> {
    fn step(&mut self, event: Event<'a>) -> Result<(), String> {
        match event {
            Event::Start(start) => self.start(start.name().as_ref())?,
            Event::End(_) => {
                self.depth = self.depth.saturating_sub(1);
                self.ended |= self.depth == 0;
            }
            Event::Text(text) => self.text(text.into_inner())?,
            Event::CData(text) => self.text(text.into_inner())?,
            Event::GeneralRef(reference) => self.text(Cow::Owned(character(&reference)?.to_string()))?,
            Event::Decl(_) | Event::Comment(_) => {}
            Event::DocType(_) => return Err("has a document type, which is not read".to_owned()),
            Event::PI(_) => return Err("has a processing instruction, which is not read".to_owned()),
            Event::Empty(_) | Event::Eof => {}
        }
        Ok(())
    }

    fn start(&mut self, name: &str) -> Result<(), String> {
        if self.ended {
            return Err("has more than one root".to_owned());
        }
        match self.depth {
            0 if name != "xml" => return Err("has another root than xml".to_owned()),
            1 if self.count == MAX_CHILDREN => return Err(format!("has more than {MAX_CHILDREN} elements")),
            1 => self.child(name),
            MAX_DEPTH.. => return Err(format!("is deeper than {MAX_DEPTH} elements")),
            _ => {}
        }
        self.depth += 1;
        Ok(())
    }

    fn child(&mut self, name: &str) {
        self.count += 1;
        let known = self.names.iter().find(|known| **known == name);
        self.wanted = known.is_some();
        self.children.extend(known.map(|known| (*known, Cow::Borrowed(""))));
    }

    fn text(&mut self, text: Cow<'a, str>) -> Result<(), String> {
        match (self.depth, self.children.last_mut().filter(|_| self.wanted)) {
            (2, Some((_, value))) if value.is_empty() => *value = text,
            (2, Some((_, value))) => value.to_mut().push_str(&text),
            (0, _) if !text.trim().is_empty() => return Err("has text outside of its element".to_owned()),
            _ => {}
        }
        Ok(())
    }
}

/// What a reference stands for. Entities are those that XML itself has; a document cannot name others.
fn character(reference: &BytesRef<'_>) -> Result<char, String> {
    if let Some(c) = reference.resolve_char_ref().map_err(|e| format!("is no XML: {e}"))? {
        return Ok(c);
    }
    match reference.clone().into_inner().as_ref() {
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
        let document = "<?xml version=\"1.0\"?>\n<!-- c --><xml a=\"1\">\n <A><![CDATA[x<y&z]]></A><B> 1 </B><A>a&amp;b&#x4f60;</A><C/>\
            <F>left out</F><D>p<E>deep</E>q</D>\n</xml>\n";
        let children = Children::read(document, &["A", "B", "C", "D"]).unwrap();
        assert_eq!(children.all("A").collect::<Vec<_>>(), ["x<y&z", "a&b你"]);
        assert_eq!(children.get("B"), Some("1"));
        assert_eq!(children.get("C"), Some(""));
        assert_eq!(children.get("D"), Some("pq"));
        assert!(children.get("E").is_none() && children.get("F").is_none());
    }

    #[test]
    fn what_is_no_such_document_is_refused() {
        for (document, why) in [
            ("", "does not end"),
            ("<xml>", "does not end"),
            ("<xml><A></xml>", "no XML"),
            ("</xml>", "no XML"),
            ("<html></html>", "another root"),
            ("<xml/><xml/>", "more than one root"),
            ("<xml/>x", "outside"),
            ("x<xml/>", "outside"),
            ("<xml><A>&x;</A></xml>", "entity"),
            ("<xml><A>&#xd800;</A></xml>", "no XML"),
            ("<!DOCTYPE xml [<!ENTITY x \"y\">]><xml><A>&x;</A></xml>", "document type"),
            ("<?php 1 ?><xml/>", "processing instruction"),
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
