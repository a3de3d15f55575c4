//! Sealed bytes: XChaCha20-Poly1305 under keys that live outside the database.
//!
//! - [`Key`] is one key. What it seals has the form `nonce (24) ‖ ciphertext and tag`.
//! - [`Keyring`] holds the keys of an installation. Its form is `key id (1) ‖ nonce (24) ‖ ciphertext and tag`.
//! - [`Chunks`] seals what is too large for one piece, so that any part of it can be opened by itself.
//!
//! The associated data binds a sealed value to its place (`"{table}:{id}:{field}"`), so that one row's secret
//! cannot be moved to another. Keys are wiped from memory when they are dropped.

mod chunks;
mod keyring;

use chacha20poly1305::{
    KeyInit as _, XChaCha20Poly1305,
    aead::{Aead as _, Payload},
};
use zeroize::Zeroizing;

pub use chunks::{CHUNK, Chunks, TAG};
pub use keyring::{Keyring, Keys};

/// A sealed value cannot be opened: another key, another place, or damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a sealed value cannot be opened with the keys at hand")]
pub struct CannotOpen;

/// A key of 256 bits. Its `Debug` output tells nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(Zeroizing<[u8; 32]>);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key")
    }
}

impl Key {
    /// From the system's random source.
    ///
    /// # Errors
    /// There is none.
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = Zeroizing::new([0; 32]);
        getrandom::fill(bytes.as_mut_slice())?;
        Ok(Self(bytes))
    }

    /// These 32 bytes; `None` of another length.
    #[must_use]
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        let mut key = Zeroizing::new([0; 32]);
        if bytes.len() != key.len() {
            return None;
        }
        key.copy_from_slice(bytes);
        Some(Self(key))
    }

    /// Its bytes, to be wrapped or written into the keyring's file.
    #[must_use]
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Seals `plain` for `place`.
    ///
    /// # Errors
    /// [`CannotOpen`] if there is no randomness.
    pub fn seal(&self, place: &[u8], plain: &[u8]) -> Result<Vec<u8>, CannotOpen> {
        let nonce: [u8; 24] = crate::id::random().map_err(|_| CannotOpen)?;
        let sealed = self
            .cipher()
            .encrypt(&nonce.into(), Payload { msg: plain, aad: place })
            .map_err(|_| CannotOpen)?;
        Ok([&nonce, sealed.as_slice()].concat())
    }

    /// Opens what [`Key::seal`] made for the same place.
    ///
    /// # Errors
    /// [`CannotOpen`]
    pub fn open(&self, place: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, CannotOpen> {
        let (nonce, body) = sealed.split_first_chunk::<24>().ok_or(CannotOpen)?;
        let payload = Payload { msg: body, aad: place };
        self.cipher().decrypt(&(*nonce).into(), payload).map(Zeroizing::new).map_err(|_| CannotOpen)
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new((&*self.0).into())
    }
}

impl From<[u8; 32]> for Key {
    fn from(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }
}
