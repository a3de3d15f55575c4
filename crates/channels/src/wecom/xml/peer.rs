//! The scanner beside quick-xml, a parser for all of XML.
//!
//! Promises: a document in WeCom's form is taken; whatever the scanner takes, quick-xml takes and gives the same texts.

use std::borrow::Cow;

use proptest::{prelude::*, sample};
use quick_xml::{
    Reader,
    events::{BytesRef, Event},
};

use super::{Children, MAX_CHILDREN, MAX_DEPTH};

const NAMES: &[&str] = &["A", "Encrypt", "xml"];

/// The children as quick-xml's events have them; nothing if it refuses the document.
fn peer(document: &str) -> Option<Children<'static>> {
    let mut reader = Reader::from_str(document);
    reader.config_mut().expand_empty_elements = true;
    let (mut children, mut wanted, mut count, mut depth, mut ended) = (Vec::new(), false, 0, 0, false);
    loop {
        let text = match reader.read_event().ok()? {
            Event::Start(start) => {
                let name = start.name().as_ref().to_owned();
                match depth {
                    0 if ended || name != "xml" => return None,
                    1 => {
                        count += 1;
                        let known = NAMES.iter().find(|known| **known == name);
                        wanted = known.is_some();
                        children.extend(known.map(|known| (*known, Cow::Borrowed(""))));
                    }
                    _ => {}
                }
                depth += 1;
                (depth <= MAX_DEPTH && count <= MAX_CHILDREN).then(String::new)?
            }
            Event::End(_) => {
                depth -= 1;
                ended = depth == 0;
                String::new()
            }
            Event::Text(text) => text.into_inner().into_owned(),
            Event::CData(text) => text.into_inner().into_owned(),
            Event::GeneralRef(reference) => character(&reference)?.to_string(),
            Event::Decl(_) | Event::Comment(_) => String::new(),
            Event::Eof => break,
            _ => return None,
        };
        match children.last_mut() {
            Some((_, value)) if depth == 2 && wanted => value.to_mut().push_str(&text),
            _ if depth == 0 && !text.trim().is_empty() => return None,
            _ => {}
        }
    }
    (ended && depth == 0).then_some(Children(children))
}

fn character(reference: &BytesRef<'_>) -> Option<char> {
    if let Some(c) = reference.resolve_char_ref().ok()? {
        return Some(c);
    }
    match reference.as_ref() {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "apos" => Some('\''),
        "quot" => Some('"'),
        _ => None,
    }
}

/// If the scanner takes the document, so does quick-xml, and the texts are the same.
fn agrees(document: &str) -> Result<(), TestCaseError> {
    if let Ok(children) = Children::read(document, NAMES) {
        prop_assert_eq!(Some(children), peer(document), "{}", document);
    }
    Ok(())
}

/// What stands in an element: texts, CDATA, references.
fn content() -> impl Strategy<Value = String> {
    let reference = prop_oneof![
        sample::select(vec!["&amp;", "&lt;", "&gt;", "&apos;", "&quot;"]).prop_map(str::to_owned),
        any::<char>().prop_filter("no NUL", |c| *c != '\0').prop_map(|c| format!("&#{};", u32::from(c))),
        any::<char>().prop_filter("no NUL", |c| *c != '\0').prop_map(|c| format!("&#x{:X};", u32::from(c))),
    ];
    let part = prop_oneof![
        "[^<&]{0,8}",
        "[ \t\r\n]{0,2}",
        "[0-9A-Za-z+/=\\]>]{0,60}",
        "([^\\]]|\\][^\\]]){0,8}".prop_map(|text| format!("<![CDATA[{text}]]>")),
        reference,
    ];
    prop::collection::vec(part, 0..4).prop_map(|parts| parts.concat())
}

/// A document in WeCom's form.
fn document() -> impl Strategy<Value = String> {
    let name = || {
        prop_oneof![
            3 => sample::select(vec!["A", "AA", "Encrypt", "ToUserName", "xml"]).prop_map(str::to_owned),
            1 => "[A-Za-z_][-.0-9A-Za-z_]{0,5}",
        ]
    };
    let element = (name(), "[ \n]{0,1}", content(), "[ \n]{0,1}", any::<bool>()).prop_map(
        |(name, a, text, b, empty)| {
            if empty { format!("<{name}{a}/>") } else { format!("<{name}{a}>{text}</{name}{b}>") }
        },
    );
    let element = element.prop_recursive(3, 12, 3, move |inner| {
        (name(), prop::collection::vec(prop_oneof![inner, content()], 0..3))
            .prop_map(|(name, inside)| format!("<{name}>{}</{name}>", inside.concat()))
    });
    let declaration =
        sample::select(vec!["", "\n", "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n", "<?xml ?>"]);
    let parts = prop::collection::vec(prop_oneof![4 => element, 1 => content()], 0..6);
    (declaration, parts, "[ \r\n\t]{0,2}")
        .prop_map(|(head, parts, tail)| format!("{head}<xml>{}</xml>{tail}", parts.concat()))
}

/// What XML is made of, in no order.
fn token() -> impl Strategy<Value = String> {
    let tokens = vec![
        "<",
        ">",
        "/",
        "</",
        "/>",
        "<!",
        "<!--",
        "-->",
        "<![CDATA[",
        "]]>",
        "]",
        "<?xml ",
        "<?",
        "?>",
        "&",
        ";",
        "&#",
        "&#x",
        "&amp;",
        "&lt",
        "\"",
        "'",
        "=",
        " ",
        "\n",
        "\u{a0}",
        "\u{feff}",
        "xml",
        "<xml>",
        "</xml>",
        "<A>",
        "</A>",
        "<A/>",
        "A",
        "<!DOCTYPE xml>",
        "<Encrypt>",
        "</Encrypt>",
        "+1",
        "0",
        "你",
        "\0",
    ];
    prop_oneof![8 => sample::select(tokens).prop_map(str::to_owned), 1 => any::<char>().prop_map(String::from)]
}

proptest! {
    #[test]
    fn the_form_is_taken(document in document()) {
        prop_assert!(Children::read(&document, NAMES).is_ok(), "{}: {:?}", document, Children::read(&document, NAMES));
        agrees(&document)?;
    }

    #[test]
    fn bent_documents_are_taken_by_both_or_refused(
        document in document(),
        bends in prop::collection::vec((any::<sample::Index>(), 0usize..6, token()), 1..5),
    ) {
        let mut chars: Vec<char> = document.chars().collect();
        for (at, gone, put) in bends {
            let at = at.index(chars.len() + 1);
            chars.splice(at..(at + gone).min(chars.len()), put.chars());
            agrees(&chars.iter().collect::<String>())?;
        }
    }

    #[test]
    fn tokens_in_any_order_are_taken_by_both_or_refused(tokens in prop::collection::vec(token(), 0..12)) {
        agrees(&tokens.concat())?;
        agrees(&format!("<xml><A>{}</A></xml>", tokens.concat()))?;
    }
}
