//! The indexes of the bases that were asked lately, and who may have a whole file in memory.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use kernel::Problem;
use nlp::retrieval::{Entry, Index, Synonyms};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::store::{self, BaseRow, EntryRow};
use crate::Assistant;

/// So many indexes are kept.
const INDEXES: usize = 64;
/// Of so much text together, in bytes.
const TEXT: i64 = 128 * 1024 * 1024;
/// So many files are read or written at once.
const FILES: usize = 4;

/// What the slice keeps in memory.
pub(crate) struct Kb {
    kept: Mutex<Kept>,
    files: Semaphore,
}

#[derive(Default)]
struct Kept {
    slots: HashMap<String, Slot>,
    /// Counts uses.
    uses: u64,
}

struct Slot {
    used: u64,
    text: i64,
    built: Arc<Building>,
}

/// Locked while it is built, so that it is built once for all who ask meanwhile.
type Building = tokio::sync::Mutex<Option<Built>>;

struct Built {
    version: i64,
    index: Arc<Index>,
}

impl Default for Kb {
    fn default() -> Self {
        Self { kept: Mutex::default(), files: Semaphore::new(FILES) }
    }
}

impl Kb {
    /// The right to have a file in memory; waits for its turn.
    pub(crate) async fn turn(&self) -> Result<SemaphorePermit<'_>, Problem> {
        self.files.acquire().await.map_err(|_| Problem::internal())
    }

    /// The base is gone.
    pub(crate) fn forget(&self, base: &str) {
        self.kept().slots.remove(base);
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The place of a base's index; what was used longest ago makes room for it.
    fn slot(&self, base: &BaseRow) -> Arc<Building> {
        let mut kept = self.kept();
        kept.uses += 1;
        let used = kept.uses;
        let slot = kept.slots.entry(base.id.clone()).or_insert_with(|| Slot {
            used,
            text: base.bytes,
            built: Arc::default(),
        });
        (slot.used, slot.text) = (used, base.bytes);
        let built = Arc::clone(&slot.built);
        while kept.slots.len() > INDEXES || kept.slots.values().map(|slot| slot.text).sum::<i64>() > TEXT {
            let others = kept.slots.iter().filter(|(_, slot)| slot.used != used);
            let Some(oldest) = others.min_by_key(|(_, slot)| slot.used).map(|(id, _)| id.clone()) else {
                break;
            };
            kept.slots.remove(&oldest);
        }
        built
    }
}

impl Assistant {
    /// The index of a base as it is now, or later.
    pub(super) async fn kb_index(&self, base: &BaseRow) -> Result<Arc<Index>, Problem> {
        let slot = self.0.kb.slot(base);
        let mut built = slot.lock().await;
        if let Some(built) = built.as_ref().filter(|built| built.version >= base.version) {
            return Ok(Arc::clone(&built.index));
        }
        // Read after the version: what changes in between is in the index already, and once more in the next.
        let mut conn = self.db().read().await?;
        let groups = store::synonyms(&mut conn, &base.id).await?;
        let entries = store::all_entries(&mut conn, &base.id).await?;
        drop(conn);
        let index = tokio::task::spawn_blocking(move || build(&entries, &groups)).await.map_err(|error| {
            tracing::error!(%error, "a knowledge base cannot be indexed");
            Problem::internal()
        })?;
        let index = Arc::new(index);
        *built = Some(Built { version: base.version, index: Arc::clone(&index) });
        Ok(index)
    }
}

fn build(entries: &[EntryRow], groups: &[Vec<String>]) -> Index {
    let mut synonyms = Synonyms::general();
    for group in groups {
        synonyms.add(group.iter().map(String::as_str));
    }
    let enabled = entries.iter().filter(|e| e.content.enabled).map(|e| Entry {
        id: &e.id,
        question: &e.content.question,
        answer: &e.content.answer,
        aliases: &e.content.aliases,
    });
    Index::build(enabled, &synonyms)
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernel::Timestamp;

    fn base(n: usize, bytes: i64) -> BaseRow {
        BaseRow {
            id: format!("kb_{n}"),
            number: 1,
            owner_id: "user_1".to_owned(),
            name: String::new(),
            description: String::new(),
            shared: false,
            version: 1,
            entries: 0,
            bytes,
            created_at: Timestamp::EPOCH,
            updated_at: Timestamp::EPOCH,
        }
    }

    #[test]
    fn what_was_used_longest_ago_makes_room() {
        let kb = Kb::default();
        let first = kb.slot(&base(0, 1));
        for n in 1..=INDEXES {
            // The first is used again and again.
            assert!(Arc::ptr_eq(&kb.slot(&base(0, 1)), &first));
            kb.slot(&base(n, 1));
        }
        let kept = |n: usize| kb.kept().slots.contains_key(&format!("kb_{n}"));
        assert!(kept(0) && !kept(1) && kept(2) && kept(INDEXES));
        kb.slot(&base(1000, TEXT));
        assert_eq!(kb.kept().slots.len(), 1, "a large one takes the room of many");
        kb.slot(&base(1001, TEXT + 1));
        assert!(kb.kept().slots.contains_key("kb_1001"), "the one in use stays, however large");
        kb.forget("kb_1001");
        assert!(kb.kept().slots.is_empty());
    }
}
