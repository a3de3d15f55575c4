//! Text into ASCII: RFC 2047 header values, phrases, and transfer-encoded bodies.
//!
//! Promise: whatever comes in, what goes out is printable ASCII in lines of at most 76 characters (an address or
//! a single word of a structured value apart), and reads back as the text that came in with each control
//! character replaced by a space.

use base64::{Engine as _, engine::general_purpose::STANDARD};

/// RFC 2047 §2: the longest line that holds an encoded word, RFC 5322's recommended line otherwise.
const LINE: usize = 76;
const WORD_OPEN: &str = "=?utf-8?B?";
const WORD_CLOSE: &str = "?=";

/// One line of printable text: control characters and line separators become spaces, the ends are trimmed.
pub(crate) fn one_line(text: &str) -> String {
    let separator = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    text.chars().map(|c| if separator(c) { ' ' } else { c }).collect::<String>().trim().to_owned()
}

/// An unstructured value (a subject) for a header whose name takes `column` characters with its colon and space.
pub(crate) fn unstructured(text: &str, column: usize) -> String {
    let text = one_line(text);
    if is_plain(&text) { fold(&text, column) } else { encoded_words(&text, column) }
}

/// A display name, as a quoted string or as encoded words.
pub(crate) fn phrase(name: &str, column: usize) -> String {
    let name = one_line(name);
    if is_plain(&name) && name.len() + column <= LINE - 4 {
        let mut quoted = String::with_capacity(name.len() + 2);
        quoted.push('"');
        for c in name.chars() {
            if matches!(c, '"' | '\\') {
                quoted.push('\\');
            }
            quoted.push(c);
        }
        quoted.push('"');
        return quoted;
    }
    encoded_words(&name, column)
}

/// Whether readers get the same text back without any encoding. `=?` would be decoded by them; runs of spaces
/// and words that fit no line do not survive folding.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|b| matches!(b, b' '..=b'~'))
        && !text.contains("=?")
        && !text.contains("  ")
        && text.split(' ').all(|word| word.len() <= LINE / 2)
}

/// Breaks before words, so that unfolding gives the same text. A word that fits no line stands on its own.
pub(crate) fn fold(text: &str, column: usize) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 32);
    let mut column = column;
    for (i, word) in text.split(' ').enumerate() {
        if i > 0 {
            if column + 1 + word.len() > LINE && !word.is_empty() {
                out.push_str("\r\n");
                column = 0;
            }
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += word.len();
    }
    out
}

fn encoded_words(text: &str, column: usize) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    let mut word = String::new();
    let mut column = column;
    let room = |column: usize| {
        let chars = LINE.saturating_sub(column + WORD_OPEN.len() + WORD_CLOSE.len());
        // Base64 takes four characters for three octets; a character has up to four octets.
        (chars / 4 * 3).max(4)
    };
    let flush = |word: &mut String, out: &mut String| {
        out.push_str(WORD_OPEN);
        STANDARD.encode_string(word.as_bytes(), out);
        out.push_str(WORD_CLOSE);
        word.clear();
    };
    for c in text.chars() {
        if word.len() + c.len_utf8() > room(column) {
            flush(&mut word, &mut out);
            out.push_str("\r\n ");
            column = 1;
        }
        word.push(c);
    }
    if !word.is_empty() {
        flush(&mut word, &mut out);
    }
    out
}

/// A body part: its `Content-Transfer-Encoding` and its lines, whichever of the two encodings is shorter.
///
/// Neither can hold a line that begins with `--=_`, so no text can end its part.
pub(crate) fn body(text: &str) -> (&'static str, String) {
    let text = crlf(text);
    let escaped = text.bytes().filter(|b| !matches!(b, b' '..=b'~' | b'\r' | b'\n') || *b == b'=').count();
    if escaped <= text.len() / 6 {
        let options = quoted_printable::Options::default().input_mode(quoted_printable::InputMode::Text);
        return ("quoted-printable", quoted_printable::encode_with_options(text.as_bytes(), options));
    }
    let encoded = STANDARD.encode(text.as_bytes());
    let mut out = String::with_capacity(encoded.len() + encoded.len() / 38 + 2);
    for (i, c) in encoded.chars().enumerate() {
        if i > 0 && i % LINE == 0 {
            out.push_str("\r\n");
        }
        out.push(c);
    }
    ("base64", out)
}

/// Every line end as CRLF, which is what a text part has before its transfer encoding (RFC 2046 §4.1.1).
fn crlf(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 32);
    let mut after_cr = false;
    for c in text.chars() {
        match c {
            '\r' => out.push_str("\r\n"),
            '\n' if after_cr => {}
            '\n' => out.push_str("\r\n"),
            c => out.push(c),
        }
        after_cr = c == '\r';
    }
    out
}
