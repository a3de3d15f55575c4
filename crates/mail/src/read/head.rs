//! The head of a mail or part, made ready for reading: where it ends, in UTF-8, with encoded words that senders broke in
//! the middle of a character put together again.

use std::borrow::Cow;

use mail_parser::decoders::base64::base64_decode;

use super::mime::guess;

/// So much of a head is read, in octets.
const LONGEST: usize = 256 * 1024;

/// Where the body begins. A part that begins with an empty line, or with a line that is no field, has no head.
pub(crate) fn end(octets: &[u8]) -> usize {
    let mut at = 0;
    while at < octets.len() {
        let rest = octets.get(at..).unwrap_or_default();
        let line_len = rest.iter().position(|b| *b == b'\n').map_or(rest.len(), |n| n + 1);
        let line = rest.get(..line_len).unwrap_or_default();
        if line.trim_ascii().is_empty() {
            return at + line_len;
        }
        if at == 0 && !is_field(line) && !line.starts_with(b"From ") {
            return 0;
        }
        at += line_len;
    }
    octets.len()
}

fn is_field(line: &[u8]) -> bool {
    let name = line.iter().position(|b| *b == b':').and_then(|n| line.get(..n)).unwrap_or_default();
    let name = name.trim_ascii_end();
    !name.is_empty() && name.iter().all(|b| b.is_ascii_graphic())
}

/// The head as mail-parser should see it.
pub(crate) fn prepare(head: &[u8]) -> Cow<'_, [u8]> {
    let head = head.get(..LONGEST.min(head.len())).unwrap_or_default();
    // An mbox line is no field.
    let head = match head.strip_prefix(b"From ") {
        Some(rest) => {
            rest.iter().position(|b| *b == b'\n').and_then(|n| rest.get(n + 1..)).unwrap_or_default()
        }
        None => head,
    };
    let text = match std::str::from_utf8(head) {
        Ok(text) => Cow::Borrowed(text),
        // Some programs write GBK into fields as it is; others on the way add theirs in UTF-8.
        Err(_) => Cow::Owned(head.split_inclusive(|b| *b == b'\n').map(line_text).collect()),
    };
    match (join_words(&text), text) {
        (Some(joined), _) => Cow::Owned(joined.into_bytes()),
        (None, Cow::Borrowed(text)) => Cow::Borrowed(text.as_bytes()),
        (None, Cow::Owned(text)) => Cow::Owned(text.into_bytes()),
    }
}

fn line_text(line: &[u8]) -> Cow<'_, str> {
    std::str::from_utf8(line).map_or_else(|_| Cow::Owned(guess(line)), Cow::Borrowed)
}

/// An encoded word of RFC 2047: `=?charset?B?text?=`.
struct Word<'a> {
    charset: &'a str,
    base64: bool,
    text: &'a str,
    /// Behind it.
    rest: &'a str,
}

/// So long may a word be; senders break RFC 2047's 75.
const LONGEST_WORD: usize = 2000;

fn word(at: &str) -> Option<Word<'_>> {
    let inner = at.strip_prefix("=?")?;
    let near = clip(inner, LONGEST_WORD);
    let (charset, rest) = near.split_once('?')?;
    let (encoding, rest) = rest.split_once('?')?;
    let (text, _) = rest.split_once("?=")?;
    let rest = inner.get(charset.len() + encoding.len() + text.len() + 4..)?;
    let base64 = encoding.eq_ignore_ascii_case("b");
    let known = base64 || encoding.eq_ignore_ascii_case("q");
    let clean = |s: &str| !s.contains(|c: char| c.is_whitespace() || c == '?');
    (known && clean(charset) && clean(text)).then_some(Word { charset, base64, text, rest })
}

/// Neighbouring words of one charset and encoding as one word each: characters may be cut between them (QQ Mail and old
/// Outlook do so), although RFC 2047 §5 forbids it. `None` if there are none.
fn join_words(text: &str) -> Option<String> {
    if !text.contains("?=") {
        return None;
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut joined = false;
    while let Some(start) = rest.find("=?") {
        let (before, at) = rest.split_at_checked(start)?;
        out.push_str(before);
        let Some(first) = word(at) else {
            out.push_str("=?");
            rest = at.get(2..)?;
            continue;
        };
        let mut run = vec![first.text];
        let mut behind = first.rest;
        while let Some(next) = word(behind.trim_start()) {
            if next.base64 != first.base64 || !next.charset.eq_ignore_ascii_case(first.charset) {
                break;
            }
            run.push(next.text);
            behind = next.rest;
        }
        match (run.len(), as_quoted(&run, first.base64)) {
            (2.., Some(quoted)) => {
                joined = true;
                out.push_str(&format!("=?{}?Q?{quoted}?=", first.charset));
            }
            _ => {
                out.push_str(at.get(..at.len() - first.rest.len())?);
                behind = first.rest;
            }
        }
        rest = behind;
    }
    out.push_str(rest);
    joined.then_some(out)
}

/// The words' octets in the Q encoding; `None` where the base64 is broken.
fn as_quoted(run: &[&str], base64: bool) -> Option<String> {
    if !base64 {
        return Some(run.concat());
    }
    let mut out = String::new();
    for text in run {
        for octet in base64_decode(text.as_bytes())? {
            out.push_str(&format!("={octet:02X}"));
        }
    }
    Some(out)
}

/// The first `most` octets, or up to three fewer.
pub(crate) fn clip(text: &str, most: usize) -> &str {
    let end = (0..=most.min(text.len())).rev().find(|n| text.is_char_boundary(*n));
    text.get(..end.unwrap_or_default()).unwrap_or_default()
}

/// One line of readable characters: control characters and directional overrides out, at most `most` characters.
pub(crate) fn one_line(text: &str, most: usize) -> String {
    let space = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    let hidden = |c: &char| !matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
    let line: String =
        text.chars().filter(hidden).map(|c| if space(c) { ' ' } else { c }).take(most).collect();
    line.trim().to_owned()
}

/// A file's name without its folders and without what a file system or a header would trip over.
pub(crate) fn file_name(name: &str) -> String {
    let line = one_line(name, 1000);
    let last = line.rsplit(['/', '\\']).next().unwrap_or_default().trim_matches(|c| c == ' ' || c == '"');
    // ".." climbs, also without its slash.
    let last = if last == "." || last.starts_with("..") { last.trim_start_matches('.') } else { last };
    let chars = last.chars().count();
    // The end has the extension.
    last.chars().skip(chars.saturating_sub(200)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_of_heads() {
        for (octets, end_at) in [
            (&b"A: b\r\n\r\nbody"[..], 8),
            (b"A: b\n\nbody", 6),
            (b"\r\nbody", 2),
            (b"just text\r\n\r\nmore", 0),
            (b"A: b", 4),
            (b"", 0),
            (b"From x Mon\nA: b\n\nbody", 17),
        ] {
            assert_eq!(end(octets), end_at, "{:?}", String::from_utf8_lossy(octets));
        }
    }

    #[test]
    fn words_cut_in_a_character_are_joined() {
        let text = "Subject: =?gb2312?B?1tDOxNb3zOLI?=\r\n =?gb2312?B?y7TLufs=?= x =?utf-8?Q?a?=";
        let joined = join_words(text).unwrap();
        assert!(
            joined.contains("?Q?=D6=D0=CE=C4=D6=F7=CC=E2=C8=CB=B4=CB=B9=FB?= x =?utf-8?Q?a?="),
            "{joined}"
        );
        for left in ["=?x", "=?utf-8?B?YQ==?= and =?utf-8?B?Yg==?=", "a ?= b", "=?utf-8?X?a?= =?utf-8?X?b?="]
        {
            assert_eq!(join_words(left), None, "{left}");
        }
    }

    #[test]
    fn each_line_has_its_charset() {
        let mut head = b"Subject: \xb1\xa8\xbc\xdb\xb5\xa5\r\n".to_vec();
        head.extend("From: 李雷 <a@b.example>\r\nTo: Andr\u{e9}\r\n".bytes());
        head.extend(b"Cc: Andr\xe9 <c@d.example>\r\n");
        let text = String::from_utf8(prepare(&head).into_owned()).unwrap();
        assert_eq!(
            text,
            "Subject: 报价单\r\nFrom: 李雷 <a@b.example>\r\nTo: André\r\nCc: André <c@d.example>\r\n"
        );
    }

    #[test]
    fn file_names() {
        for (name, clean) in [
            ("../../etc/passwd", "passwd"),
            ("C:\\a\\报价.pdf", "报价.pdf"),
            ("a\r\nb.txt", "a  b.txt"),
            ("..", ""),
            ("exe\u{202e}fdp.exe", "exefdp.exe"),
        ] {
            assert_eq!(file_name(name), clean);
        }
        assert!(file_name(&format!("{}.pdf", "长".repeat(500))).ends_with(".pdf"));
    }
}
