//! Lists of addresses as people type them: `Li Lei <li@example.cn>, "Han, Meimei" <han@example.cn>`.
//!
//! Promise: whatever is not an address is named, and a text with a line break gives nothing.

use httpkit::{Bad, FromField};
use mail::{Mailbox, normal_form};
use serde_json::Value;

/// So much of a bad address is named, in characters.
const SHOWN: usize = 100;

/// One or more addresses in a field.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Addresses(pub(crate) Vec<Mailbox>);

impl FromField for Addresses {
    fn from_field(value: &Value) -> Result<Self, Bad> {
        let text = value.as_str().ok_or_else(|| Bad::Type("must be a string".to_owned()))?;
        read(text).map(Self).map_err(Bad::Rule)
    }
}

/// Reads a list; of an address that comes twice the first counts.
fn read(text: &str) -> Result<Vec<Mailbox>, String> {
    if text.chars().any(char::is_control) {
        return Err("may not have line breaks or other control characters".to_owned());
    }
    let (mut good, mut bad): (Vec<Mailbox>, Vec<String>) = (Vec::new(), Vec::new());
    for piece in split(text) {
        match mailbox(&piece) {
            Ok(one) if good.iter().any(|m| same(m, &one)) => {}
            Ok(one) => good.push(one),
            Err(why) => {
                let shown: String = piece.chars().take(SHOWN).collect();
                bad.push(format!("“{shown}” {why}"));
            }
        }
    }
    if bad.is_empty() { Ok(good) } else { Err(bad.join("; ")) }
}

fn same(a: &Mailbox, b: &Mailbox) -> bool {
    a.address.eq_ignore_ascii_case(&b.address)
}

/// The pieces between commas and semicolons, of either width, that stand outside quotes and angle brackets.
fn split(text: &str) -> Vec<String> {
    let (mut pieces, mut piece) = (Vec::new(), String::new());
    let (mut quoted, mut escaped, mut angle) = (false, false, false);
    for c in text.chars() {
        let separates = matches!(c, ',' | ';' | '，' | '；') && !quoted && !angle;
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '<' if !quoted => angle = true,
            '>' if !quoted => angle = false,
            _ => {}
        }
        if separates {
            pieces.push(std::mem::take(&mut piece));
        } else {
            piece.push(c);
        }
    }
    pieces.push(piece);
    pieces.into_iter().map(|p| p.trim().to_owned()).filter(|p| !p.is_empty()).collect()
}

fn mailbox(piece: &str) -> Result<Mailbox, String> {
    let (name, address) = match piece.strip_suffix('>').and_then(|rest| rest.rsplit_once('<')) {
        Some((name, address)) => (name.trim(), address.trim()),
        None => ("", piece),
    };
    let parsed = transports::parse_address(address).map_err(|why| why.to_string())?;
    // The domain in the form in which it travels; the local part as it was typed.
    let address = parsed.to_string();
    let name = unquoted(name);
    Ok(if name.is_empty() { Mailbox::new(&address) } else { Mailbox::named(&name, &address) })
}

fn unquoted(name: &str) -> String {
    let Some(inner) = name.strip_prefix('"').and_then(|n| n.strip_suffix('"')) else {
        return name.to_owned();
    };
    let mut out = String::with_capacity(inner.len());
    let mut escaped = false;
    for c in inner.chars() {
        if c == '\\' && !escaped {
            escaped = true;
        } else {
            escaped = false;
            out.push(c);
        }
    }
    out.trim().to_owned()
}

/// What addresses are compared by, each once.
pub(crate) fn keys<'a>(all: impl IntoIterator<Item = &'a Mailbox>) -> Vec<String> {
    let mut keys: Vec<String> = all.into_iter().map(|m| normal_form(&m.address)).collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists() {
        let all = read(
            "li@例子.cn, \"Han, \\\"M\\\"\" <han@example.cn>； 王芳 <wang@example.cn>,; LI@xn--fsqu00a.cn,",
        )
        .unwrap();
        assert_eq!(
            all,
            [
                Mailbox::new("li@xn--fsqu00a.cn"),
                Mailbox::named("Han, \"M\"", "han@example.cn"),
                Mailbox::named("王芳", "wang@example.cn"),
            ]
        );
        assert_eq!(read(" , ").unwrap(), []);
        for (bad, named) in [
            ("li@example.cn, nobody", "“nobody” must have exactly one @"),
            ("a@b@c", "“a@b@c”"),
            ("Li <li@>", "“Li <li@>” has no valid domain"),
            ("li@example.cn\r\nBcc: x@example.cn", "line breaks"),
            ("x@y z@example.cn", "“x@y z@example.cn”"),
            ("<a@example.cn> b", "“<a@example.cn> b”"),
        ] {
            assert!(read(bad).unwrap_err().contains(named), "{bad}: {:?}", read(bad));
        }
    }
}
