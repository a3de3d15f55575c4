//! [`show`]: received HTML made safe to look at inside our own page.
//!
//! Promises: no script, form, frame or style that positions; nothing is loaded from anywhere by looking (remote images
//! are off until asked for); links lead to web pages and mail addresses only, and tell them nothing of where they were.

use std::{
    borrow::Cow,
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use ammonia::{Builder, UrlRelative};

use super::{cost::is_too_much, from_text, to_text};

/// What to do with images from elsewhere: looking at one tells its sender who read the mail, when and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Images {
    /// Kept as `data-blocked-src`, not loaded.
    Blocked,
    /// Shown, over HTTPS alone: the reader asked for them, and nobody on the way is to see what is read.
    Remote,
}

/// HTML to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// A fragment, to stand in an element of its own.
    pub html: String,
    /// How many remote images are off.
    pub blocked_images: usize,
    /// Whether only its text is shown: as HTML it would cost too much to look at.
    pub text_only: bool,
}

/// So much HTML is cleaned, in octets; what follows is left out.
const MOST: usize = crate::MAX_TEXT;

/// What stands before a blocked image's address between the two passes.
const BLOCKED: &str = "x-blocked:";

/// Cleans received HTML. `enclosed` gives the address at which the image with a Content-ID is served by us, `None` where
/// there is none.
pub fn show(
    html: &str,
    images: Images,
    enclosed: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
) -> Shown {
    let html = crate::read::head::clip(html, MOST);
    if is_too_much(html) {
        return Shown { html: from_text(&to_text(html)), blocked_images: 0, text_only: true };
    }
    let blocked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&blocked);
    let mut builder = Builder::default();
    builder
        .add_tags(["font", "main", "section", "address", "big"])
        .rm_tags(["map", "area"])
        .add_clean_content_tags([
            "script", "style", "title", "head", "template", "noscript", "iframe", "object", "select",
            "textarea", "svg", "math", "xmp", "noembed", "noframes",
        ])
        .add_url_schemes(["cid", "data"])
        .url_relative(UrlRelative::PassThrough)
        .link_rel(Some("noopener noreferrer nofollow"))
        .set_tag_attribute_value("a", "target", "_blank")
        .add_generic_attributes(["style", "dir", "align", "valign"])
        .add_tag_attributes("font", ["color", "size", "face"])
        .add_tag_attributes("table", ["border", "cellpadding", "cellspacing", "width", "bgcolor"])
        .add_tag_attributes("td", ["bgcolor", "width", "height"])
        .add_tag_attributes("th", ["bgcolor", "width", "height"])
        .add_tag_attributes("tr", ["bgcolor"])
        .filter_style_properties(HashSet::from(STYLES))
        .attribute_filter(move |element, attribute, value| match (element, attribute) {
            ("a", "href") => web_or_mail(value).then_some(Cow::Borrowed(value)),
            ("img", "src") => image(value, images, &enclosed, &counter),
            (_, "style") => Some(styles(value)),
            // Only the two above may name an address.
            (_, "cite" | "href" | "src") => None,
            _ => Some(Cow::Borrowed(value)),
        });
    let cleaned = builder.clean(html).to_string();
    let count = blocked.load(Ordering::Relaxed);
    let html = if count > 0 { rename_blocked(&cleaned) } else { cleaned };
    Shown { html, blocked_images: count, text_only: false }
}

/// Properties that change how words look, but not where they are, what covers them or what is loaded.
const STYLES: [&str; 36] = [
    "background-color",
    "border",
    "border-bottom",
    "border-collapse",
    "border-color",
    "border-left",
    "border-radius",
    "border-right",
    "border-spacing",
    "border-style",
    "border-top",
    "border-width",
    "color",
    "direction",
    "font",
    "font-family",
    "font-size",
    "font-style",
    "font-variant",
    "font-weight",
    "height",
    "letter-spacing",
    "line-height",
    "list-style-type",
    "max-width",
    "padding",
    "padding-bottom",
    "padding-left",
    "padding-right",
    "padding-top",
    "text-align",
    "text-decoration",
    "vertical-align",
    "white-space",
    "width",
    "word-break",
];

/// Without declarations that name an address, or could by an escape.
fn styles(value: &str) -> Cow<'_, str> {
    let names = |text: &str| {
        let lower = text.to_ascii_lowercase();
        ["\\", "url", "image", "src(", "expression", "var("].iter().any(|n| lower.contains(n))
    };
    if !names(value) {
        return Cow::Borrowed(value);
    }
    Cow::Owned(value.split(';').filter(|declaration| !names(declaration)).collect::<Vec<_>>().join(";"))
}

fn scheme(value: &str) -> String {
    // Browsers drop control characters and spaces before and within a scheme.
    let kept = value.chars().filter(|c| !c.is_control() && !c.is_whitespace());
    kept.take(16).collect::<String>().to_ascii_lowercase()
}

fn web_or_mail(value: &str) -> bool {
    let scheme = scheme(value);
    ["http://", "https://", "mailto:"].iter().any(|s| scheme.starts_with(s))
}

fn image<'v>(
    value: &'v str,
    images: Images,
    enclosed: &impl Fn(&str) -> Option<String>,
    blocked: &AtomicUsize,
) -> Option<Cow<'v, str>> {
    let scheme = scheme(value);
    if scheme.starts_with("cid:") {
        let id = crate::read::content_id(value.trim().get(4..)?);
        return enclosed(&id).map(Cow::Owned);
    }
    if scheme.starts_with("data:") {
        // Not SVG, which is a document.
        let raster = ["data:image/png;", "data:image/jpeg;", "data:image/gif;", "data:image/webp;"];
        let start = value.trim_start().get(..16).unwrap_or_default().to_ascii_lowercase();
        return raster.iter().any(|r| start.starts_with(r)).then_some(Cow::Borrowed(value));
    }
    if !(scheme.starts_with("http://") || scheme.starts_with("https://")) {
        return None;
    }
    if images == Images::Remote {
        let (_, rest) = value.split_once("//")?;
        return Some(Cow::Owned(format!("https://{}", rest.trim_end())));
    }
    blocked.fetch_add(1, Ordering::Relaxed);
    Some(Cow::Owned(format!("{BLOCKED}{}", value.trim())))
}

/// Gives the marked images another attribute. In cleaned HTML every `<` opens a tag and values stand in double quotes, so
/// that counting quotes tells what is inside a tag's value.
fn rename_blocked(html: &str) -> String {
    let mark = format!(" src=\"{BLOCKED}");
    let mut out = String::with_capacity(html.len() + html.len() / 16);
    let mut rest = html;
    while let Some(start) = rest.find('<') {
        let (before, at) = rest.split_at_checked(start).unwrap_or((rest, ""));
        out.push_str(before);
        let mut quoted = false;
        let end = at.find(|c: char| {
            quoted ^= c == '"';
            c == '>' && !quoted
        });
        let (tag, behind) = at.split_at_checked(end.map_or(at.len(), |n| n + 1)).unwrap_or((at, ""));
        match tag.starts_with("<img ") {
            true => out.push_str(&tag.replacen(&mark, " data-blocked-src=\"", 1)),
            false => out.push_str(tag),
        }
        rest = behind;
    }
    out.push_str(rest);
    out
}
