//! Sealed bytes: XChaCha20-Poly1305 under a key that lives outside the database.
//!
//! Form: `key id (1 byte) ‖ nonce (24) ‖ ciphertext and tag`. The associated data binds a sealed value to
//! its place (`"{table}:{id}:{field}"`), so that one row's secret cannot be moved to another.

use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305,
    aead::{Aead, Payload},
};

/// A sealed value cannot be opened: another key, another place, or damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a sealed value cannot be opened with the keys at hand")]
pub struct CannotOpen;

/// The keys of one installation: the last one seals, all of them open.
#[derive(Clone)]
pub struct Keyring {
    keys: Vec<(u8, [u8; 32])>,
}

impl std::fmt::Debug for Keyring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Keyring({} keys)", self.keys.len())
    }
}

impl Keyring {
    /// From key ids and keys, the oldest first.
    #[must_use]
    pub fn new(keys: Vec<(u8, [u8; 32])>) -> Self {
        Self { keys }
    }

    /// Seals `plain` for `place`.
    ///
    /// # Errors
    /// [`CannotOpen`] if there is no key or no randomness.
    pub fn seal(&self, place: &str, plain: &[u8]) -> Result<Vec<u8>, CannotOpen> {
        let (id, key) = self.keys.last().ok_or(CannotOpen)?;
        let nonce: [u8; 24] = crate::id::random().map_err(|_| CannotOpen)?;
        let sealed = XChaCha20Poly1305::new(key.into())
            .encrypt(&nonce.into(), Payload { msg: plain, aad: place.as_bytes() })
            .map_err(|_| CannotOpen)?;
        let mut out = Vec::with_capacity(25 + sealed.len());
        out.push(*id);
        out.extend_from_slice(&nonce);
        out.extend_from_slice(&sealed);
        Ok(out)
    }

    /// Opens what [`Keyring::seal`] made for the same place.
    ///
    /// # Errors
    /// [`CannotOpen`]
    pub fn open(&self, place: &str, sealed: &[u8]) -> Result<Vec<u8>, CannotOpen> {
        let (id, rest) = sealed.split_first().ok_or(CannotOpen)?;
        let (nonce, body) = rest.split_first_chunk::<24>().ok_or(CannotOpen)?;
        let (_, key) = self.keys.iter().find(|(k, _)| k == id).ok_or(CannotOpen)?;
        XChaCha20Poly1305::new(key.into())
            .decrypt(&(*nonce).into(), Payload { msg: body, aad: place.as_bytes() })
            .map_err(|_| CannotOpen)
    }

    /// A key for one purpose, derived from the oldest key, so that it stays when keys are added:
    /// HMAC-SHA-256(key, purpose).
    #[must_use]
    pub fn derive(&self, purpose: &str) -> [u8; 32] {
        use hmac::{KeyInit as _, Mac};
        let key = self.keys.first().map_or([0; 32], |(_, k)| *k);
        let Ok(mut mac) = <hmac::Hmac<sha2::Sha256>>::new_from_slice(&key) else { return [0; 32] };
        mac.update(purpose.as_bytes());
        mac.finalize().into_bytes().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_in_its_place_only() {
        let old = Keyring::new(vec![(1, [7; 32])]);
        let sealed = old.seal("letters:mail_1:content", "亲爱的".as_bytes()).unwrap();
        let rotated = Keyring::new(vec![(1, [7; 32]), (2, [8; 32])]);
        assert_eq!(rotated.open("letters:mail_1:content", &sealed).unwrap(), "亲爱的".as_bytes());
        assert_eq!(rotated.open("letters:mail_2:content", &sealed), Err(CannotOpen));
        assert_eq!(Keyring::new(vec![(1, [9; 32])]).open("letters:mail_1:content", &sealed), Err(CannotOpen));
        for n in 0..sealed.len() {
            let mut bent = sealed.clone();
            bent[n] ^= 1;
            assert!(rotated.open("letters:mail_1:content", &bent).is_err());
            assert!(rotated.open("letters:mail_1:content", &sealed[..n]).is_err());
        }
    }
}
