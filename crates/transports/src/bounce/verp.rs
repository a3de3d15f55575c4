//! [`Verp`]: return addresses that say what came back (variable envelope return path).
//!
//! `bounce+{reference}.{tag}@{domain}`: the reference is the caller's, the tag proves that we wrote it. Without
//! the tag anybody could report letters as undeliverable by guessing references.

use kernel::Signer;

use crate::{Address, parse_address};

const PREFIX: &str = "bounce+";

/// Writes and reads return addresses.
#[derive(Debug, Clone)]
pub struct Verp {
    domain: String,
    signer: Signer,
}

/// Why a recipient is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// Another domain: it would have to be relayed.
    Domain,
    /// Our domain, but not an address that we wrote.
    Unknown,
}

impl Verp {
    /// For a domain, as [`Address::domain`] has it.
    #[must_use]
    pub fn new(domain: String, signer: Signer) -> Self {
        Self { domain, signer }
    }

    /// The domain.
    #[must_use]
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// The address that mail about `reference` comes back to. A reference has lower-case letters, digits and
    /// single dots inside; `None` if it has others or is too long for an address.
    #[must_use]
    pub fn address(&self, reference: &str) -> Option<Address> {
        let fit = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'.';
        if !reference.bytes().all(fit) {
            return None;
        }
        let tag = self.signer.tag(reference);
        parse_address(&format!("{PREFIX}{reference}.{tag}@{}", self.domain)).ok()
    }

    /// The reference of an address that [`Verp::address`] wrote, in whatever case it came back.
    ///
    /// # Errors
    /// [`Refused`]
    pub fn read(&self, address: &str) -> Result<String, Refused> {
        let (local, domain) = address.rsplit_once('@').ok_or(Refused::Domain)?;
        if !domain.eq_ignore_ascii_case(&self.domain) {
            return Err(Refused::Domain);
        }
        let local = local.to_ascii_lowercase();
        let (reference, tag) =
            local.strip_prefix(PREFIX).and_then(|rest| rest.rsplit_once('.')).ok_or(Refused::Unknown)?;
        if self.signer.verify(reference, tag) { Ok(reference.to_owned()) } else { Err(Refused::Unknown) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verp() -> Verp {
        Verp::new("bounce.example.com".to_owned(), Signer::new([1; 32], 10))
    }

    #[test]
    fn an_address_comes_back_as_its_reference() {
        let address = verp().address("06ew1zzzzzzzzzzzzzzzzzzzzz.12.3").unwrap().to_string();
        assert!(address.starts_with("bounce+06ew1") && address.len() < 64 + 20, "{address}");
        for written in [address.clone(), address.to_ascii_uppercase()] {
            assert_eq!(verp().read(&written).unwrap(), "06ew1zzzzzzzzzzzzzzzzzzzzz.12.3");
        }
    }

    #[test]
    fn what_we_did_not_write_is_refused() {
        let address = verp().address("abc.1").unwrap().to_string();
        let local = address.split('@').next().unwrap();
        let bent = address.replacen("abc.1", "abc.2", 1);
        for (text, why) in [
            (bent.as_str(), Refused::Unknown),
            ("bounce+abc.1@bounce.example.com", Refused::Unknown),
            ("postmaster@bounce.example.com", Refused::Unknown),
            ("@bounce.example.com", Refused::Unknown),
            (&format!("{local}@example.com"), Refused::Domain),
            (&format!("{address}@other.example"), Refused::Domain),
            (local, Refused::Domain),
            ("", Refused::Domain),
        ] {
            assert_eq!(verp().read(text), Err(why), "{text}");
        }
        assert!(verp().address("a b").is_none() && verp().address(&"a".repeat(60)).is_none());
    }
}
