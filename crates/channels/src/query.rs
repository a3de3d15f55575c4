//! Parameters of a query string.
//!
//! Promise: a parameter that comes twice is refused, so that nobody can sign one value and mean another.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use crate::Refusal;

/// The value of `name`, percent-decoded. A `+` stays a `+`: what is signed has no spaces, and base64 that
/// somebody forgot to encode is still itself.
pub fn param<'a>(query: &'a str, name: &'static str) -> Result<Option<Cow<'a, str>>, Refusal> {
    params(query, [name]).map(|[value]| value)
}

/// The same of several names in one pass.
pub fn params<'a, const N: usize>(
    query: &'a str,
    names: [&'static str; N],
) -> Result<[Option<Cow<'a, str>>; N], Refusal> {
    let mut found = [const { None }; N];
    for pair in query.split('&') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let Some((name, found)) = names.iter().zip(&mut found).find(|(known, _)| **known == name) else {
            continue;
        };
        if found.is_some() {
            return Err(Refusal::malformed(name, "is given twice"));
        }
        *found = Some(if value.contains('%') {
            percent_decode_str(value).decode_utf8().map_err(|_| Refusal::malformed(name, "is no UTF-8"))?
        } else {
            Cow::Borrowed(value)
        });
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_is_decoded_once_and_given_once() {
        let query = "a=1&echostr=x%2By%2F%3D&b=p+q&c&cc=1&d1=2";
        assert_eq!(param(query, "echostr").unwrap().unwrap(), "x+y/=");
        assert_eq!(param(query, "b").unwrap().unwrap(), "p+q");
        assert_eq!(param(query, "c").unwrap().unwrap(), "");
        assert_eq!(param(query, "d"), Ok(None));
        let both = params(query, ["cc", "a"]).unwrap().map(Option::unwrap);
        assert_eq!(both, ["1", "1"]);
        assert_eq!(param("a=1&a=1", "a"), Err(Refusal::malformed("a", "is given twice")));
        assert_eq!(param("a=%ff", "a"), Err(Refusal::malformed("a", "is no UTF-8")));
    }
}
