//! Whether what somebody wrote is HTML or plain text. Plain text that was taken for HTML would lose its lines and everything
//! between angle brackets; HTML that was taken for text would show its tags.

/// Elements that mails are made of and that have an end tag.
const PAIRED: &[&str] = &[
    "a",
    "abbr",
    "b",
    "blockquote",
    "body",
    "center",
    "code",
    "dd",
    "del",
    "div",
    "dl",
    "dt",
    "em",
    "figure",
    "font",
    "footer",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "head",
    "header",
    "html",
    "i",
    "ins",
    "li",
    "main",
    "mark",
    "ol",
    "p",
    "pre",
    "q",
    "s",
    "section",
    "small",
    "span",
    "strike",
    "strong",
    "style",
    "sub",
    "sup",
    "table",
    "tbody",
    "td",
    "tfoot",
    "th",
    "thead",
    "title",
    "tr",
    "tt",
    "u",
    "ul",
];
/// Those that have none, or whose end tag people leave out.
const ALONE: &[&str] = &["br", "hr", "img", "p", "li", "html", "body", "td", "tr"];

/// Whether a text is HTML: it has an element that mails are made of, from its start tag to its end tag, or one that stands
/// alone. `a < b`, `<li@example.cn>` and `List<String>` are plain text.
pub(crate) fn is_html(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    if lower.trim_start().starts_with("<!doctype html") {
        return true;
    }
    let mut rest = lower.as_str();
    while let Some((_, at)) = rest.split_once('<') {
        rest = at;
        let Some((name, after)) = start_tag(at) else { continue };
        if ALONE.contains(&name) || PAIRED.contains(&name) && after.contains(&format!("</{name}>")) {
            return true;
        }
    }
    false
}

/// The name of a start tag, and what follows the tag.
fn start_tag(at: &str) -> Option<(&str, &str)> {
    let end = at.find(|c: char| !c.is_ascii_alphanumeric())?;
    let (name, rest) = at.split_at_checked(end)?;
    let fits = rest.starts_with('>') || rest.starts_with('/') || rest.starts_with(char::is_whitespace);
    let (inside, after) = rest.split_once('>')?;
    // Another tag would begin before this one ends: it was no tag.
    (fits && !name.is_empty() && !inside.contains('<')).then_some((name, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn html_and_text() {
        for (text, html) in [
            ("<p>Hello", true),
            ("Hello<br>world", true),
            ("Hello <BR /> world", true),
            ("<!DOCTYPE html>\n<title>x</title>", true),
            ("see <a href=\"https://x.example\">here</a>", true),
            ("<b>bold</b>", true),
            ("<div\n class=x>y</div>", true),
            ("if a < b and c > d then", false),
            ("write to <li@example.cn> or <https://x.example/p>", false),
            ("List<String> and Map<u, v>", false),
            ("use the tag <b> for bold", false),
            ("1 <br", false),
            ("<3 you", false),
            ("<p<q>", false),
            ("爱你 <三", false),
            ("", false),
        ] {
            assert_eq!(is_html(text), html, "{text}");
        }
    }
}
