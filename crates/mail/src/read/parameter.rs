//! RFC 2231: a parameter in sections, in a charset. mail-parser decodes each section by itself, the second and later ones
//! as UTF-8 whatever the first one says, and characters cut between two not at all.

use super::mime::text;

/// So many sections are read.
const MOST: usize = 200;

/// The value of a parameter that is written in sections or in a charset; `None` where it is written plainly.
pub(super) fn extended(field: &str, key: &str) -> Option<String> {
    let mut sections: Vec<(usize, bool, &str)> = Vec::new();
    for parameter in parameters(field).skip(1).take(MOST) {
        let Some((name, value)) = parameter.split_once('=') else { continue };
        let name = name.trim();
        let Some(rest) =
            name.get(..key.len()).filter(|n| n.eq_ignore_ascii_case(key)).and(name.get(key.len()..))
        else {
            continue;
        };
        let Some(rest) = rest.strip_prefix('*') else { continue };
        let number = rest.trim_end_matches('*');
        let number = if number.is_empty() { Some(0) } else { number.parse().ok() };
        let percent = name.ends_with('*');
        sections.extend(number.map(|n: usize| (n, percent, value.trim())));
    }
    sections.sort_by_key(|(number, ..)| *number);
    let charset = match sections.first()? {
        (0, true, value) => value.split_once('\'').map(|(charset, _)| charset),
        _ => None,
    };
    let mut octets = Vec::new();
    for (at, (number, percent, value)) in sections.iter().enumerate() {
        if *number != at {
            break;
        }
        let value = match charset.filter(|_| at == 0) {
            Some(_) => value.splitn(3, '\'').nth(2).unwrap_or_default(),
            None => value,
        };
        match percent {
            true => octets.extend(percent_decoded(value)),
            false => octets.extend(unquoted(value).into_bytes()),
        }
    }
    Some(text(&octets, charset)).filter(|value| !value.is_empty())
}

/// The pieces between the semicolons that stand outside quotes.
fn parameters(field: &str) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    field.split(move |c| {
        let outside = !quoted;
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ => {}
        }
        c == ';' && outside
    })
}

fn unquoted(value: &str) -> String {
    let Some(inner) = value.strip_prefix('"').and_then(|v| v.strip_suffix('"')) else {
        return value.to_owned();
    };
    let mut escaped = false;
    let kept = inner.chars().filter(|c| {
        escaped = *c == '\\' && !escaped;
        !escaped
    });
    kept.collect()
}

/// Octets written as `%E6`; what is no such escape stands for itself.
pub(crate) fn percent_decoded(value: &str) -> Vec<u8> {
    let value = value.trim_matches('"').as_bytes();
    let mut out = Vec::with_capacity(value.len());
    let mut at = 0;
    while let Some(octet) = value.get(at) {
        let decoded = (*octet == b'%').then(|| hex(value.get(at + 1..at + 3)?)).flatten();
        at += if decoded.is_some() { 3 } else { 1 };
        out.push(decoded.unwrap_or(*octet));
    }
    out
}

/// Two hexadecimal digits.
pub(super) fn hex(digits: &[u8]) -> Option<u8> {
    let digits = std::str::from_utf8(digits).ok().filter(|d| d.len() == 2 && !d.starts_with('+'))?;
    u8::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_and_charsets() {
        for (field, name) in [
            ("attachment; filename*=UTF-8''%E6%8A%A5%E4%BB%B7.pdf", Some("报价.pdf")),
            ("attachment; filename*0*=gb18030''%BA%CF%CD; filename*1*=%AC%B2%DD.doc", Some("合同草.doc")),
            ("attachment; FILENAME*1=\"b c.txt\"; filename*0=\"a \\\"x\\\";\"", Some("a \"x\";b c.txt")),
            ("attachment; filename*0*=UTF-8''a; filename*2*=c", Some("a")),
            ("attachment; filename=\"plain*0=x.txt\"", None),
            ("attachment; filename*=''", None),
            ("attachment", None),
            ("attachment; filename*=UTF-8''%zz%", Some("%zz%")),
        ] {
            assert_eq!(extended(field, "filename").as_deref(), name, "{field}");
        }
    }
}
