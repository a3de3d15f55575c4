//! Passphrases: Argon2id makes a key of one, slowly and with much memory, so that guessing is dear.
//!
//! A wrapped key has the form `1 ‖ memory in KiB (4) ‖ passes (4) ‖ lanes (4) ‖ salt (16) ‖ sealed key`, with all
//! before the sealed key in its associated data. The parameters are stored, so that they can grow.

use std::sync::Arc;

use argon2::{Algorithm, Argon2, Params, Version};
use kernel::{Problem, ProblemKind, seal::Key};
use tokio::sync::Semaphore;
use unicode_normalization::UnicodeNormalization as _;
use zeroize::Zeroizing;

use super::cannot_open;

/// What new wraps are made with: 64 MiB, 3 passes, one lane (RFC 9106's second recommendation, on one lane).
const MEMORY_KIB: u32 = 64 * 1024;
const PASSES: u32 = 3;
const LANES: u32 = 1;
/// More is not believed of a stored wrap: it would be an attack on the server's memory.
const MOST_MEMORY_KIB: u32 = 512 * 1024;
const MOST_PASSES: u32 = 16;

const FORM: u8 = 1;
const HEADER: usize = 1 + 3 * 4 + 16;

/// At most so many at once; each takes its memory.
const AT_ONCE: usize = 2;
/// At most so many wait for their turn.
const WAITING: usize = 16;

/// A passphrase, in the same form however it was typed (Unicode NFC). Its `Debug` output tells nothing.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Passphrase(Zeroizing<String>);

impl std::fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Passphrase")
    }
}

impl Passphrase {
    /// As typed.
    pub(crate) fn new(typed: String) -> Self {
        let typed = Zeroizing::new(typed);
        Self(Zeroizing::new(typed.nfc().collect()))
    }

    /// Whether a hint would give it away.
    pub(crate) fn is_told_by(&self, hint: &str) -> bool {
        let hint: String = hint.nfc().collect();
        hint.to_lowercase().contains(self.0.trim().to_lowercase().as_str())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cost {
    memory: u32,
    passes: u32,
    lanes: u32,
}

/// Derives keys, a few at a time.
pub(crate) struct Kdf {
    queue: Arc<Semaphore>,
    turns: Arc<Semaphore>,
}

impl Kdf {
    pub(crate) fn new() -> Self {
        Self { queue: Arc::new(Semaphore::new(AT_ONCE + WAITING)), turns: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    /// Wraps `secret` for `place`.
    pub(super) async fn wrap(
        &self,
        passphrase: &Passphrase,
        place: &str,
        secret: &Key,
    ) -> Result<Vec<u8>, Problem> {
        let salt: [u8; 16] = kernel::id::random().map_err(|_| cannot_open("randomness", place))?;
        let cost = Cost { memory: MEMORY_KIB, passes: PASSES, lanes: LANES };
        let numbers = [cost.memory, cost.passes, cost.lanes].map(u32::to_be_bytes);
        let header = [&[FORM], numbers.as_flattened(), &salt].concat();
        let key = self.derive(passphrase, salt, cost).await?;
        let bound = [place.as_bytes(), &header].concat();
        let sealed = key.seal(&bound, secret.bytes()).map_err(|_| cannot_open("wrap", place))?;
        Ok([header, sealed].concat())
    }

    /// `None` if the passphrase is another one.
    pub(super) async fn unwrap(
        &self,
        passphrase: &Passphrase,
        place: &str,
        wrapped: &[u8],
    ) -> Result<Option<Key>, Problem> {
        let (cost, salt) = read(wrapped).ok_or_else(|| cannot_open("wrap", place))?;
        let (header, sealed) = wrapped.split_at_checked(HEADER).ok_or_else(Problem::internal)?;
        let key = self.derive(passphrase, salt, cost).await?;
        let opened = key.open(&[place.as_bytes(), header].concat(), sealed).ok();
        Ok(opened.and_then(|bytes| Key::from_slice(&bytes)))
    }

    async fn derive(&self, passphrase: &Passphrase, salt: [u8; 16], cost: Cost) -> Result<Key, Problem> {
        let full = || {
            Problem::new(ProblemKind::Unavailable, "too many passphrases are being checked, try again soon")
        };
        let place = Arc::clone(&self.queue).try_acquire_owned().map_err(|_| full())?;
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(|_| Problem::internal())?;
        let passphrase = passphrase.clone();
        let work = tokio::task::spawn_blocking(move || {
            // Held by the work itself: who stops waiting for it must not let a third one in.
            let _held = (place, turn);
            let params = Params::new(cost.memory, cost.passes, cost.lanes, Some(32))?;
            let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
            let mut key = Zeroizing::new([0; 32]);
            argon.hash_password_into(passphrase.0.as_bytes(), &salt, key.as_mut_slice())?;
            Ok::<_, argon2::Error>(Key::from(*key))
        });
        let key = work.await.map_err(|_| Problem::internal())?;
        key.map_err(|error| {
            tracing::error!(%error, "a passphrase cannot be hashed");
            Problem::internal()
        })
    }
}

/// What a wrap says of itself; `None` if it is none of ours.
fn read(wrapped: &[u8]) -> Option<(Cost, [u8; 16])> {
    let (form, rest) = wrapped.split_first()?;
    let mut rest = rest;
    let mut number = || -> Option<u32> {
        let (bytes, more) = rest.split_first_chunk::<4>()?;
        rest = more;
        Some(u32::from_be_bytes(*bytes))
    };
    let cost = Cost { memory: number()?, passes: number()?, lanes: number()? };
    let (salt, _) = rest.split_first_chunk::<16>()?;
    let sane = *form == FORM
        && (8..=MOST_MEMORY_KIB).contains(&cost.memory)
        && (1..=MOST_PASSES).contains(&cost.passes)
        && (1..=16).contains(&cost.lanes);
    sane.then_some((cost, *salt))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_wrap_opens_with_its_passphrase_however_it_is_typed() {
        let kdf = Kdf::new();
        let secret = Key::from([4; 32]);
        let composed = Passphrase::new("caf\u{e9} 密语".to_owned());
        let wrapped = kdf.wrap(&composed, "here", &secret).await.unwrap();
        let typed = Passphrase::new("cafe\u{301} 密语".to_owned());
        assert_eq!(kdf.unwrap(&typed, "here", &wrapped).await.unwrap(), Some(secret));
        assert_eq!(kdf.unwrap(&typed, "there", &wrapped).await.unwrap(), None);
        // Cheaper parameters are not believed: they are bound.
        let mut cheaper = wrapped.clone();
        cheaper[8] = 1;
        assert_eq!(read(&cheaper).unwrap().0.passes, 1);
        assert_eq!(kdf.unwrap(&typed, "here", &cheaper).await.unwrap(), None);
        // Nor are those that would take all the memory.
        let mut dearer = wrapped.clone();
        dearer[1] = 0xff;
        assert!(kdf.unwrap(&typed, "here", &dearer).await.is_err());
        assert!(kdf.unwrap(&typed, "here", &wrapped[..20]).await.is_err());
    }

    #[tokio::test]
    async fn the_queue_is_bounded() {
        let kdf = Kdf::new();
        let _all = kdf.queue.acquire_many(u32::try_from(AT_ONCE + WAITING).unwrap()).await.unwrap();
        let phrase = Passphrase::new("correct horse".to_owned());
        let refused = kdf.wrap(&phrase, "here", &Key::from([4; 32])).await.unwrap_err();
        assert_eq!(refused.kind, ProblemKind::Unavailable);
    }

    #[test]
    fn hints_that_tell() {
        let phrase = Passphrase::new("Open Sesame".to_owned());
        assert!(phrase.is_told_by("it is open sesame!"));
        assert!(!phrase.is_told_by("what Ali Baba said"));
        assert_eq!(format!("{phrase:?}"), "Passphrase");
    }
}
