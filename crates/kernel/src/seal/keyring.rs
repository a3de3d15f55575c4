//! The keys of one installation, as they are at the moment: a process that runs while keys are added or
//! removed goes on with the new ones.

use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use super::{CannotOpen, Key};

/// Keys as they are written down.
#[derive(Clone)]
pub struct Keys {
    /// What everything that is not stored is derived from (tokens, message ids). It stays when keys go.
    pub root: Key,
    /// Id and key; the last one seals, all of them open.
    pub sealing: Vec<(u8, Key)>,
}

impl Keys {
    /// The id of the key that seals.
    #[must_use]
    pub fn newest(&self) -> Option<u8> {
        self.sealing.last().map(|(id, _)| *id)
    }
}

/// Looks whether the keys were changed where they are written down: the new ones if so.
pub type Reload = Arc<dyn Fn() -> Option<Keys> + Send + Sync>;

/// The sealing keys of a process. Cheap to clone; all clones have the same keys.
#[derive(Clone)]
pub struct Keyring(Arc<Inner>);

struct Inner {
    keys: RwLock<Keys>,
    reload: Option<Reload>,
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.with(|keys| write!(f, "Keyring({} keys)", keys.sealing.len()))
    }
}

impl Keyring {
    /// From key ids and keys, the oldest first, which is the root as well.
    #[must_use]
    pub fn new(keys: Vec<(u8, [u8; 32])>) -> Self {
        let sealing: Vec<(u8, Key)> = keys.into_iter().map(|(id, key)| (id, key.into())).collect();
        let root = sealing.first().map_or_else(|| Key::from([0; 32]), |(_, key)| key.clone());
        Self::of(Keys { root, sealing }, None)
    }

    /// From keys that `reload` can read anew. It is asked before each sealing, so that nothing is sealed with
    /// a key that is about to go, and when a value names a key that is not known; it must be cheap.
    #[must_use]
    pub fn reloading(keys: Keys, reload: Reload) -> Self {
        Self::of(keys, Some(reload))
    }

    fn of(keys: Keys, reload: Option<Reload>) -> Self {
        Self(Arc::new(Inner { keys: RwLock::new(keys), reload }))
    }

    fn with<T>(&self, look: impl FnOnce(&Keys) -> T) -> T {
        look(&self.0.keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes over keys that were changed.
    fn refresh(&self) {
        if let Some(keys) = self.0.reload.as_ref().and_then(|reload| reload()) {
            *self.0.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
        }
    }

    /// The id of the key that seals.
    #[must_use]
    pub fn newest(&self) -> Option<u8> {
        self.refresh();
        self.with(Keys::newest)
    }

    /// Seals `plain` for `place` with the newest key.
    ///
    /// # Errors
    /// [`CannotOpen`] if there is no key or no randomness.
    pub fn seal(&self, place: &str, plain: &[u8]) -> Result<Vec<u8>, CannotOpen> {
        self.refresh();
        let (id, key) = self.with(|keys| keys.sealing.last().cloned()).ok_or(CannotOpen)?;
        Ok([&[id], key.seal(place.as_bytes(), plain)?.as_slice()].concat())
    }

    /// Opens what [`Keyring::seal`] made for the same place.
    ///
    /// # Errors
    /// [`CannotOpen`]
    pub fn open(&self, place: &str, sealed: &[u8]) -> Result<Vec<u8>, CannotOpen> {
        let (id, body) = sealed.split_first().ok_or(CannotOpen)?;
        let key = self.key(*id).or_else(|| {
            self.refresh();
            self.key(*id)
        });
        let mut plain = key.ok_or(CannotOpen)?.open(place.as_bytes(), body)?;
        Ok(std::mem::take(&mut *plain))
    }

    fn key(&self, id: u8) -> Option<Key> {
        self.with(|keys| keys.sealing.iter().find(|(k, _)| *k == id).map(|(_, key)| key.clone()))
    }

    /// The same value sealed with the newest key.
    ///
    /// # Errors
    /// [`CannotOpen`]
    pub fn reseal(&self, place: &str, sealed: &[u8]) -> Result<Vec<u8>, CannotOpen> {
        self.seal(place, &zeroize::Zeroizing::new(self.open(place, sealed)?))
    }

    /// A key for one purpose, derived from the root, so that it stays when sealing keys come and go:
    /// HMAC-SHA-256(root, purpose).
    #[must_use]
    pub fn derive(&self, purpose: &str) -> [u8; 32] {
        use hmac::{KeyInit as _, Mac};
        let root = self.with(|keys| keys.root.clone());
        let Ok(mut mac) = <hmac::Hmac<sha2::Sha256>>::new_from_slice(root.bytes()) else { return [0; 32] };
        mac.update(purpose.as_bytes());
        mac.finalize().into_bytes().into()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

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
        let resealed = rotated.reseal("letters:mail_1:content", &sealed).unwrap();
        assert_eq!(resealed[0], 2);
        assert!(old.open("letters:mail_1:content", &resealed).is_err());
        assert_eq!(rotated.open("letters:mail_1:content", &resealed).unwrap(), "亲爱的".as_bytes());
    }

    /// A process takes up a key that another one added: to seal at once, to open when it meets it.
    #[test]
    fn keys_are_taken_up_while_running() {
        let keys = |ids: &[u8]| Keys {
            root: Key::from([1; 32]),
            sealing: ids.iter().map(|id| (*id, Key::from([*id; 32]))).collect(),
        };
        let file = Arc::new(Mutex::new(None));
        let seen = Arc::clone(&file);
        let ring = Keyring::reloading(keys(&[1]), Arc::new(move || seen.lock().unwrap().take()));
        let derived = ring.derive("tokens");
        let theirs = Keyring::new(vec![(2, [2; 32])]).seal("a", b"b").unwrap();
        assert_eq!(ring.open("a", &theirs), Err(CannotOpen));
        *file.lock().unwrap() = Some(keys(&[1, 2]));
        assert_eq!(ring.open("a", &theirs).unwrap(), b"b");
        *file.lock().unwrap() = Some(keys(&[1, 2, 3]));
        assert_eq!(ring.seal("a", b"b").unwrap()[0], 3);
        // The first key goes; what was derived stays.
        *file.lock().unwrap() = Some(keys(&[3]));
        assert_eq!(ring.newest(), Some(3));
        assert_eq!(ring.derive("tokens"), derived);
        assert_eq!(Keyring::new(vec![(1, [1; 32])]).derive("tokens"), derived);
    }
}
