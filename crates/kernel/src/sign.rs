//! [`Signer`]: short proofs that a text was written by this installation, for addresses and links that must be
//! believed without a database row behind them.
//!
//! A tag is HMAC-SHA-256 under a key of its own purpose, cut to the length asked for, in lower-case base 32: it
//! survives mail servers that change the case of an address. Tags are compared in constant time.

use data_encoding::BASE32_NOPAD;
use hmac::{Hmac, KeyInit as _, Mac};
use sha2::Sha256;

/// Signs and checks texts for one purpose.
#[derive(Clone)]
pub struct Signer {
    key: [u8; 32],
    /// Of a tag, before base 32.
    bytes: usize,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Signer")
    }
}

impl Signer {
    /// With a key from [`crate::seal::Keyring::derive`] and tags of this many bytes, at least 10.
    #[must_use]
    pub fn new(key: [u8; 32], bytes: usize) -> Self {
        Self { key, bytes: bytes.clamp(10, 32) }
    }

    fn mac(&self, text: &str) -> Option<Hmac<Sha256>> {
        let mut mac = <Hmac<Sha256>>::new_from_slice(&self.key).ok()?;
        mac.update(text.as_bytes());
        Some(mac)
    }

    /// The tag of a text.
    #[must_use]
    pub fn tag(&self, text: &str) -> String {
        let digest = self.mac(text).map(|mac| mac.finalize().into_bytes());
        let short = digest.as_ref().and_then(|d| d.get(..self.bytes)).unwrap_or_default();
        BASE32_NOPAD.encode(short).to_ascii_lowercase()
    }

    /// Whether this is the tag of this text, in whatever case.
    #[must_use]
    pub fn verify(&self, text: &str, tag: &str) -> bool {
        let Ok(tag) = BASE32_NOPAD.decode(tag.to_ascii_uppercase().as_bytes()) else { return false };
        tag.len() == self.bytes && self.mac(text).is_some_and(|mac| mac.verify_truncated_left(&tag).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_fits_its_text_and_key_alone() {
        let signer = Signer::new([7; 32], 10);
        let tag = signer.tag("mail.1");
        assert_eq!(tag.len(), 16);
        assert!(signer.verify("mail.1", &tag) && signer.verify("mail.1", &tag.to_ascii_uppercase()));
        assert!(!signer.verify("mail.2", &tag));
        assert!(!Signer::new([8; 32], 10).verify("mail.1", &tag));
        for bent in ["", "a", "aaaaaaaa", &format!("{tag}aa"), "é"] {
            assert!(!signer.verify("mail.1", bent), "{bent}");
        }
    }
}
