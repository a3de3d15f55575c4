//! [`Address`]: an e-mail address that can stand in an envelope and in a header as it is.
//!
//! Promise: what [`parse_address`] takes is ASCII, within RFC 5321's limits and free of anything that SMTP or a
//! header would have to quote. Quoted local parts, domain literals and SMTPUTF8 are refused with a reason.

use std::fmt;

/// The longest local part, RFC 5321 §4.5.3.1.1.
const MAX_LOCAL: usize = 64;
/// The longest address: a path is 256 octets with its angle brackets, RFC 5321 §4.5.3.1.3.
const MAX_ADDRESS: usize = 254;

/// An address in the form it travels in: local part as written, domain in lower-case ASCII (punycode).
///
/// Equality is exact. Whether two addresses are the same mailbox is a question for [`Address::normalized`].
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Address {
    local: String,
    domain: String,
}

/// Why a text is not an address that mail can be sent to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAddress {
    /// No `@`, or more than one.
    #[error("must have exactly one @")]
    At,
    /// Nothing before the `@`.
    #[error("has nothing before the @")]
    EmptyLocal,
    /// A local part of more than 64 octets.
    #[error("has more than 64 characters before the @")]
    LongLocal,
    /// A local part outside ASCII.
    #[error("may only have ASCII characters before the @")]
    NonAsciiLocal,
    /// A character or an arrangement of dots that would need quoting.
    #[error("has a character or dot before the @ that is not allowed there")]
    Local,
    /// Not a host name, or one without a dot.
    #[error("has no valid domain after the @")]
    Domain,
    /// More than 254 octets.
    #[error("is longer than 254 characters")]
    Long,
}

/// Reads an address such as `li.lei+letters@example.cn`.
///
/// The domain may be international (`例子.中国`); it is kept as punycode. A domain needs a dot, `localhost` apart.
///
/// # Errors
/// Says what is wrong, in words that follow the field's name.
pub fn parse_address(text: &str) -> Result<Address, InvalidAddress> {
    let (local, domain) = text.split_once('@').ok_or(InvalidAddress::At)?;
    if domain.contains('@') {
        return Err(InvalidAddress::At);
    }
    check_local(local)?;
    let domain = parse_domain(domain)?;
    if local.len() + 1 + domain.len() > MAX_ADDRESS {
        return Err(InvalidAddress::Long);
    }
    Ok(Address { local: local.to_owned(), domain })
}

fn check_local(local: &str) -> Result<(), InvalidAddress> {
    if local.is_empty() {
        return Err(InvalidAddress::EmptyLocal);
    }
    if !local.is_ascii() {
        return Err(InvalidAddress::NonAsciiLocal);
    }
    if local.len() > MAX_LOCAL {
        return Err(InvalidAddress::LongLocal);
    }
    let dot_atom = local.split('.').all(|atom| !atom.is_empty() && atom.bytes().all(is_atext));
    if dot_atom { Ok(()) } else { Err(InvalidAddress::Local) }
}

fn parse_domain(domain: &str) -> Result<String, InvalidAddress> {
    // Percent signs would be decoded by the URL standard's host parser; no host name holds one.
    if domain.contains('%') {
        return Err(InvalidAddress::Domain);
    }
    let Ok(url::Host::Domain(ascii)) = url::Host::parse(domain) else {
        return Err(InvalidAddress::Domain);
    };
    let label = |l: &str| {
        !l.is_empty()
            && l.len() <= 63
            && !l.starts_with('-')
            && !l.ends_with('-')
            && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    let named = ascii == "localhost" || ascii.contains('.');
    if named && ascii.split('.').all(label) { Ok(ascii) } else { Err(InvalidAddress::Domain) }
}

/// RFC 5322 §3.2.3.
pub(crate) fn is_atext(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&b)
}

impl Address {
    /// The domain, in lower-case ASCII.
    #[must_use]
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// The whole address in lower case: the form in which addresses are compared and kept unique.
    #[must_use]
    pub fn normalized(&self) -> String {
        self.to_string().to_ascii_lowercase()
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.local, self.domain)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl std::str::FromStr for Address {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        parse_address(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_are_taken() {
        for (text, wire) in [
            ("li.lei@example.cn", "li.lei@example.cn"),
            ("Li.Lei+x=y/z@EXAMPLE.cn", "Li.Lei+x=y/z@example.cn"),
            ("a@例子.中国", "a@xn--fsqu00a.xn--fiqs8s"),
            ("a@bücher.example", "a@xn--bcher-kva.example"),
            ("root@localhost", "root@localhost"),
            ("b+dlv_1.0a1b2c3d@bounce.example.org", "b+dlv_1.0a1b2c3d@bounce.example.org"),
        ] {
            assert_eq!(parse_address(text).map(|a| a.to_string()), Ok(wire.to_owned()));
        }
        let a = parse_address("Li@BÜCHER.example").unwrap();
        assert_eq!(
            (a.normalized().as_str(), a.domain()),
            ("li@xn--bcher-kva.example", "xn--bcher-kva.example")
        );
    }

    #[test]
    fn addresses_that_are_refused_say_why() {
        let long_local = format!("{}@example.org", "a".repeat(65));
        let long = format!("{}@{}.{}.{}.org", "a".repeat(64), "b".repeat(63), "c".repeat(63), "d".repeat(63));
        for (text, why) in [
            ("", InvalidAddress::At),
            ("nobody", InvalidAddress::At),
            ("a@b@example.org", InvalidAddress::At),
            ("@example.org", InvalidAddress::EmptyLocal),
            ("李雷@example.org", InvalidAddress::NonAsciiLocal),
            (long_local.as_str(), InvalidAddress::LongLocal),
            (long.as_str(), InvalidAddress::Long),
            ("a..b@example.org", InvalidAddress::Local),
            (".a@example.org", InvalidAddress::Local),
            ("a b@example.org", InvalidAddress::Local),
            ("a\r\nRCPT TO:<x@y.zz>", InvalidAddress::Local),
            ("\"a b\"@example.org", InvalidAddress::Local),
            ("a>@example.org", InvalidAddress::Local),
            ("a@", InvalidAddress::Domain),
            ("a@mailhost", InvalidAddress::Domain),
            ("a@example..org", InvalidAddress::Domain),
            ("a@example.org.", InvalidAddress::Domain),
            ("a@-example.org", InvalidAddress::Domain),
            ("a@exa_mple.org", InvalidAddress::Domain),
            ("a@exam%70le.org", InvalidAddress::Domain),
            ("a@example.org\r\n", InvalidAddress::Domain),
            ("a@example.org\u{0}", InvalidAddress::Domain),
            ("a@exa mple.org", InvalidAddress::Domain),
            ("a@192.0.2.1", InvalidAddress::Domain),
            ("a@[192.0.2.1]", InvalidAddress::Domain),
        ] {
            assert_eq!(parse_address(text), Err(why), "{text:?}");
        }
    }
}
