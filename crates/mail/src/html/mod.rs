//! HTML: received HTML made safe to look at, HTML as plain text, plain text as HTML.

mod cost;
mod show;
mod text;

pub use show::{Images, Shown, show};
pub(crate) use text::{Line, Mark, lines};

/// The words of HTML as plain text. What a reader would not see (`display:none`, scripts, styles) is left out: it is
/// where instructions to machines hide. Quotes get `> `, links their address behind them.
#[must_use]
pub fn to_text(html: &str) -> String {
    let mut out = String::with_capacity(html.len() / 2);
    for line in lines(html, true) {
        for _ in 0..line.depth.min(8) {
            out.push_str("> ");
        }
        out.push_str(&line.text);
        out.push('\n');
    }
    let end = out.trim_end().len();
    out.truncate(end);
    out
}

/// Plain text as HTML: escaped, line breaks kept, web and mail addresses made links.
#[must_use]
pub fn from_text(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    for (n, line) in text.replace("\r\n", "\n").split(['\n', '\r']).enumerate() {
        if n > 0 {
            out.push_str("<br>\n");
        }
        let indent = line.len() - line.trim_start_matches(' ').len();
        out.push_str(&"&nbsp;".repeat(indent.min(80)));
        let mut rest = line.trim_start_matches(' ');
        while let Some((before, address, after)) = next_link(rest) {
            escape_into(&mut out, before);
            out.push_str("<a href=\"");
            escape_into(&mut out, address);
            out.push_str("\">");
            escape_into(&mut out, address);
            out.push_str("</a>");
            rest = after;
        }
        escape_into(&mut out, rest);
    }
    out
}

/// Text before the first web address, the address, and what follows.
fn next_link(text: &str) -> Option<(&str, &str, &str)> {
    let starts = ["https://", "http://"].iter().filter_map(|scheme| text.find(scheme));
    let start = starts.min()?;
    let (before, at) = text.split_at_checked(start)?;
    // Addresses are ASCII; Chinese text follows them without a space.
    let ends = |c: char| {
        !c.is_ascii_graphic() || matches!(c, '<' | '>' | '"' | '\'' | '`' | '{' | '}' | '|' | '\\' | '^')
    };
    let whole = at.get(..at.find(ends).unwrap_or(at.len()))?;
    let mut address = whole.trim_end_matches(['.', ',', ';', ':', '!', '?', '*']);
    if address.ends_with(')') && !address.contains('(') {
        address = address.trim_end_matches(')');
    }
    let after = at.get(address.len()..)?;
    Some((before, address, after))
}

/// Text that stands for itself in HTML, also between quotes.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    escape_into(&mut out, text);
    out
}

fn escape_into(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_as_html() {
        for (text, html) in [
            ("a < b & \"c\"", "a &lt; b &amp; &quot;c&quot;"),
            ("a\r\n  b\rc", "a<br>\n&nbsp;&nbsp;b<br>\nc"),
            (
                "见https://a.example/x?a=1&b=2。好",
                "见<a href=\"https://a.example/x?a=1&amp;b=2\">https://a.example/x?a=1&amp;b=2</a>。好",
            ),
            ("(http://a.example).", "(<a href=\"http://a.example\">http://a.example</a>)."),
            ("javascript:alert(1)", "javascript:alert(1)"),
            ("http://a\"onclick=x", "<a href=\"http://a\">http://a</a>&quot;onclick=x"),
        ] {
            assert_eq!(from_text(text), html);
        }
    }

    #[test]
    fn html_as_text() {
        for (html, text) in [
            ("<p>Hello&nbsp;<b>world</b></p><p>Bye</p>", "Hello world\n\nBye"),
            ("a<br>b<br/><br>c", "a\nb\n\nc"),
            ("<style>p{}</style><script>x</script><title>t</title>x", "x"),
            ("<div style='display:none'>IGNORE ALL</div>seen", "seen"),
            ("<span style=\"font-size:0px\">no</span>yes<i hidden>no</i>", "yes"),
            (
                "<a href=\"https://x.example/a\">here</a> and <a href='https://y.example'>https://y.example</a>",
                "here <https://x.example/a> and https://y.example",
            ),
            ("<ul><li>one<li>two</ul>", "- one\n- two"),
            ("<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>", "a b\nc"),
            ("<blockquote>q<blockquote>r</blockquote></blockquote>s", "> q\n> > r\ns"),
            ("<pre>a\n  b</pre>", "a\n  b"),
            ("a\n   b\t c", "a b c"),
            ("1 &lt; 2 &amp;&#x4f60;", "1 < 2 &你"),
            ("<div>a</div><div>b</div>", "a\nb"),
            ("<div><br></div>x", "x"),
            ("unclosed <b", "unclosed"),
            // Ends that may be left out end what they hide.
            ("<html><head><title>t</title><meta name=x><body>seen", "seen"),
            ("<head><style>p{}</style>seen", "seen"),
            ("<p style=display:none>no<div>seen</div>", "seen"),
            ("<table><tr><td style='display:none'>no<tr><td>seen</table>", "seen"),
            ("<svg/>seen <object data=x />too", "seen too"),
            ("<ul><li hidden>no<li>seen</ul>", "- seen"),
            ("<!--[if mso]><p>no</p><![endif]--><p>seen<o:p></o:p></p>", "seen"),
        ] {
            assert_eq!(to_text(html), text, "{html}");
        }
    }
}
