//! One after the other: whoever does what somebody is doing already waits for them.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, PoisonError},
};

/// Locks by what they are for. There are as many as are held or waited for.
pub(super) struct Turns<K>(Mutex<HashMap<K, Arc<tokio::sync::Mutex<()>>>>);

impl<K> Default for Turns<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash> Turns<K> {
    /// Who holds this does it.
    pub(super) fn of(&self, key: K) -> Arc<tokio::sync::Mutex<()>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Those that nobody else holds have done their work.
        all.retain(|_, lock| Arc::strong_count(lock) > 1);
        Arc::clone(all.entry(key).or_default())
    }
}
