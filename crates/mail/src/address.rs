//! Whose address is it: names with addresses as mails carry them, and the form in which addresses are compared.
//!
//! Promise: two spellings of one mailbox have one normal form. The reverse does not hold everywhere (a server may
//! tell `a+b` from `a`), so the normal form is for "is it ours?", never for where to send.

use std::{collections::HashSet, fmt};

/// A name and an address as a mail gives them: not verified, not necessarily an address that can be written to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Mailbox {
    /// The display name, decoded, on one line, without surrounding quotes.
    pub name: Option<String>,
    /// The address as written, such as `Li.Lei@Example.cn`.
    pub address: String,
}

impl Mailbox {
    /// An address without a name.
    #[must_use]
    pub fn new(address: &str) -> Self {
        Self { name: None, address: address.to_owned() }
    }

    /// With a name.
    #[must_use]
    pub fn named(name: &str, address: &str) -> Self {
        Self { name: Some(name.to_owned()), address: address.to_owned() }
    }

    /// What stands before the last `@`, in lower case.
    #[must_use]
    pub fn local_part(&self) -> String {
        self.address.rsplit_once('@').map_or(self.address.as_str(), |(local, _)| local).to_lowercase()
    }
}

impl fmt::Display for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{name} <{}>", self.address),
            None => f.write_str(&self.address),
        }
    }
}

/// The form in which addresses are compared: lower case, without a `+tag`, and at Gmail without dots and under one
/// domain. `Li.Lei+shop@GoogleMail.com` is `lilei@gmail.com`.
#[must_use]
pub fn normal_form(address: &str) -> String {
    let address = address.trim().trim_start_matches('<').trim_end_matches('>').trim();
    let lower = address.to_lowercase();
    let Some((local, domain)) = lower.rsplit_once('@') else { return lower };
    let domain = domain.trim_end_matches('.');
    let domain = if domain == "googlemail.com" { "gmail.com" } else { domain };
    // "+x@y" has no mailbox before its tag: it is left as it is.
    let base = local.split_once('+').map_or(local, |(base, _)| base);
    let base = if base.is_empty() { local } else { base };
    if domain == "gmail.com" {
        return format!("{}@{domain}", base.replace('.', ""));
    }
    format!("{base}@{domain}")
}

/// Whether two addresses are, as far as their form tells, one mailbox.
#[must_use]
pub fn is_same_mailbox(a: &str, b: &str) -> bool {
    normal_form(a) == normal_form(b)
}

/// A set of addresses that are ours: the mailbox, its aliases, every other account of the installation.
#[derive(Debug, Clone, Default)]
pub struct OwnAddresses(HashSet<String>);

impl OwnAddresses {
    /// From addresses in any spelling.
    pub fn new<T: AsRef<str>>(addresses: impl IntoIterator<Item = T>) -> Self {
        Self(addresses.into_iter().map(|a| normal_form(a.as_ref())).collect())
    }

    /// Whether an address is one of them, in whatever spelling.
    #[must_use]
    pub fn contains(&self, address: &str) -> bool {
        self.0.contains(&normal_form(address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_mailbox() {
        for (a, b, same) in [
            ("li.lei@gmail.com", "LiLei+shop@GoogleMail.com", true),
            ("<li.lei@gmail.com>", " lilei@gmail.com", true),
            ("a.b@example.org", "ab@example.org", false),
            ("a+x@example.org", "A@EXAMPLE.org.", true),
            ("+x@example.org", "+y@example.org", false),
            ("a@example.org", "a@example.com", false),
            ("nobody", "NOBODY", true),
            ("\u{674e}@例子.中国", "\u{674e}@例子.中国", true),
            ("", "", true),
        ] {
            assert_eq!(is_same_mailbox(a, b), same, "{a} {b}");
        }
        let own = OwnAddresses::new(["me@gmail.com", "sales@shop.example"]);
        assert!(own.contains("M.E+1@googlemail.com") && own.contains("Sales+q@SHOP.example"));
        assert!(!own.contains("sales@shop.example.org"));
    }
}
