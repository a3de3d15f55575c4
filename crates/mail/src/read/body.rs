//! Which parts are the mail's words, and which are files.

use std::collections::HashSet;

use super::{
    MAX_TEXT,
    head::clip,
    mime::{self, Join, Leaf, Node},
};
use crate::html;

/// The words.
#[derive(Default)]
pub(super) struct Bodies {
    pub(super) text: Option<String>,
    pub(super) html: Option<String>,
    pub(super) truncated: bool,
    /// The ids of the parts they are from.
    pub(super) used: HashSet<String>,
}

pub(super) fn read(raw: &[u8], root: &Node) -> Bodies {
    let mut bodies = of(raw, root);
    bodies.truncated |= cut(&mut bodies.text) | cut(&mut bodies.html);
    bodies
}

fn cut(text: &mut Option<String>) -> bool {
    let Some(text) = text.as_mut().filter(|text| text.len() > MAX_TEXT) else { return false };
    let end = clip(text, MAX_TEXT).len();
    text.truncate(end);
    true
}

fn of(raw: &[u8], node: &Node) -> Bodies {
    match node {
        Node::Leaf(leaf) if leaf.is_words() => words(raw, leaf),
        Node::Leaf(_) => Bodies::default(),
        Node::Multipart(Join::Alternative, nodes) => {
            // The same words several times: the first text, the last HTML (RFC 2046 §5.1.4: the best is last).
            nodes.iter().fold(Bodies::default(), |mut all, node| {
                let one = of(raw, node);
                all.used.extend(one.used);
                all.truncated |= one.truncated;
                all.text = all.text.take().filter(|t| !t.trim().is_empty()).or(one.text);
                all.html = one.html.or(all.html.take());
                all
            })
        }
        Node::Multipart(Join::Related, nodes) => nodes.first().map(|node| of(raw, node)).unwrap_or_default(),
        Node::Multipart(Join::Mixed, nodes) => {
            nodes.iter().map(|node| of(raw, node)).fold(Bodies::default(), append)
        }
    }
}

fn words(raw: &[u8], leaf: &Leaf) -> Bodies {
    let octets = mime::decode(raw, leaf.body.clone(), leaf.encoding);
    // A charset's octets are at least a quarter of its UTF-8.
    let kept = octets.get(..octets.len().min(MAX_TEXT * 4)).unwrap_or_default();
    let text = readable(&mime::text(kept, leaf.charset.as_deref()));
    let truncated = kept.len() < octets.len();
    let used = HashSet::from([leaf.id.clone()]);
    match leaf.mime_type == "text/html" {
        true => Bodies { html: Some(text), truncated, used, ..Bodies::default() },
        false => Bodies { text: Some(text), truncated, used, ..Bodies::default() },
    }
}

/// Line feeds alone, and no control characters but them and tabs: databases and terminals stumble over the rest.
fn readable(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    text.chars().filter(|c| matches!(c, '\n' | '\t') || !c.is_control()).collect()
}

/// Words one after the other. HTML beside plain text needs both in both forms.
fn append(mut all: Bodies, one: Bodies) -> Bodies {
    all.used.extend(one.used);
    all.truncated |= one.truncated;
    let len = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    if len(&all.text).max(len(&all.html)) > MAX_TEXT {
        all.truncated = true;
        return all;
    }
    match (&one.text, &one.html, &all.text, &all.html) {
        (None, None, _, _) => return all,
        (_, _, None, None) => {
            (all.text, all.html) = (one.text, one.html);
            return all;
        }
        _ => {}
    }
    // Without a text of its own, what came before is made into text with the whole.
    let text = all.text.as_ref().map(|before| {
        let after = one.text.clone().or_else(|| one.html.as_deref().map(html::to_text)).unwrap_or_default();
        format!("{}\n{after}", before.trim_end())
    });
    if all.html.is_some() || one.html.is_some() {
        let form = |html: Option<String>, text: Option<String>| {
            html.or_else(|| text.as_deref().map(html::from_text)).unwrap_or_default()
        };
        let before = form(all.html.take(), all.text.take());
        all.html = Some(format!("{before}<br>{}", form(one.html, one.text)));
    }
    all.text = text;
    all
}
