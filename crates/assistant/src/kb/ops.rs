//! The use cases: who may do what with a base, and within which bounds.

use std::collections::HashMap;

use accounts::{Caller, Role};
use db::Tx;
use kernel::{Problem, ProblemKind, Timestamp};

use super::{
    model::{self, Content, KbRef, Patch, question_key},
    store::{self, BaseRow, EntryRow, Written},
};
use crate::Assistant;

/// Whether somebody talks to customers, and so reads what is shared with the desk.
pub(crate) fn is_staff(role: Role) -> bool {
    matches!(role, Role::Agent | Role::Supervisor | Role::Operator)
}

/// Whether somebody keeps what is shared with the desk.
fn keeps_shared(caller: &Caller) -> bool {
    matches!(caller.role, Role::Supervisor | Role::Operator)
}

fn may_read(base: &BaseRow, caller: &Caller) -> bool {
    base.owner_id == caller.id() || (base.shared && is_staff(caller.role))
}

fn not_found() -> Problem {
    Problem::not_found("knowledge base")
}

fn no_entry() -> Problem {
    Problem::not_found("entry")
}

fn only_keepers() -> Problem {
    Problem::forbidden("only supervisors and operators share a knowledge base with the desk")
        .field("shared", "only supervisors and operators may set this")
}

/// What is to change in a base; what is `None` stays.
#[derive(Debug, Default)]
pub(crate) struct BasePatch {
    pub(crate) name: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) shared: Option<bool>,
}

impl Assistant {
    /// A base that the caller may read, their own or one that is shared with them: its id and its number. `None` if there
    /// is no such base, or not for them.
    ///
    /// # Errors
    /// [`db::DbError`]
    pub async fn readable_kb(&self, caller: &Caller, named: &KbRef) -> db::Result<Option<(String, i64)>> {
        let mut conn = self.db().read().await?;
        let base = match named {
            KbRef::Id(id) => store::base(&mut conn, id).await?,
            KbRef::Number(number) => store::base_by_number(&mut conn, *number).await?,
        };
        Ok(base.filter(|base| may_read(base, caller)).map(|base| (base.id, base.number)))
    }

    /// The numbers of those of these bases (`kb_…`) that there are.
    ///
    /// # Errors
    /// [`db::DbError`]
    pub async fn kb_numbers(&self, ids: Vec<&str>) -> db::Result<HashMap<String, i64>> {
        Ok(store::numbers(&mut self.db().read().await?, ids).await?.into_iter().collect())
    }

    /// A base that the caller may read.
    pub(crate) async fn kb_base(&self, caller: &Caller, id: &str) -> Result<BaseRow, Problem> {
        let base = store::base(&mut self.db().read().await?, id).await?;
        base.filter(|base| may_read(base, caller)).ok_or_else(not_found)
    }

    /// Locks a base that the caller may change: 404 if they may not read it, 403 if they may only read it.
    pub(super) async fn kb_lock(&self, tx: &mut Tx, caller: &Caller, id: &str) -> Result<BaseRow, Problem> {
        let base = store::lock_base(tx, id).await?;
        let base = base.filter(|base| may_read(base, caller)).ok_or_else(not_found)?;
        if base.owner_id != caller.id() && !keeps_shared(caller) {
            return Err(Problem::forbidden("this knowledge base is kept by its owner and by supervisors"));
        }
        Ok(base)
    }

    pub(crate) async fn kb_create(&self, caller: &Caller, patch: BasePatch) -> Result<BaseRow, Problem> {
        let shared = patch.shared.unwrap_or_default();
        if shared && !keeps_shared(caller) {
            return Err(only_keepers());
        }
        let now = self.clock().now();
        let mut base = BaseRow {
            id: kernel::id::new("kb", now),
            number: 0,
            owner_id: caller.id().to_owned(),
            name: patch.name.unwrap_or_default(),
            description: patch.description.unwrap_or_default(),
            shared,
            version: 1,
            entries: 0,
            bytes: 0,
            created_at: now,
            updated_at: now,
        };
        let mut tx = self.db().begin().await?;
        base.number = store::next_number(&mut tx).await?;
        if !store::insert_base(&mut tx, &base, model::BASES).await? {
            let text = format!("there can be at most {} knowledge bases of one owner", model::BASES);
            return Err(Problem::new(ProblemKind::Rule, text));
        }
        tx.commit().await?;
        Ok(base)
    }

    pub(crate) async fn kb_update(
        &self,
        caller: &Caller,
        id: &str,
        patch: BasePatch,
    ) -> Result<BaseRow, Problem> {
        let mut tx = self.db().begin().await?;
        let mut base = self.kb_lock(&mut tx, caller, id).await?;
        if patch.shared.is_some_and(|shared| shared != base.shared) && !keeps_shared(caller) {
            return Err(only_keepers());
        }
        base.name = patch.name.unwrap_or(base.name);
        base.description = patch.description.unwrap_or(base.description);
        base.shared = patch.shared.unwrap_or(base.shared);
        base.updated_at = self.clock().now();
        store::update_base(&mut tx, &base, base.updated_at).await?;
        tx.commit().await?;
        Ok(base)
    }

    pub(crate) async fn kb_delete(&self, caller: &Caller, id: &str) -> Result<(), Problem> {
        let mut tx = self.db().begin().await?;
        self.kb_lock(&mut tx, caller, id).await?;
        store::delete_base(&mut tx, id).await?;
        tx.commit().await?;
        self.0.kb.forget(id);
        Ok(())
    }

    pub(crate) async fn kb_set_synonyms(
        &self,
        caller: &Caller,
        id: &str,
        groups: &[Vec<String>],
    ) -> Result<(), Problem> {
        let mut tx = self.db().begin().await?;
        self.kb_lock(&mut tx, caller, id).await?;
        store::set_synonyms(&mut tx, id, groups, self.clock().now()).await?;
        Ok(tx.commit().await?)
    }

    /// An entry that the caller may read.
    pub(crate) async fn kb_entry(&self, caller: &Caller, id: &str) -> Result<EntryRow, Problem> {
        let mut conn = self.db().read().await?;
        let entry = store::entry(&mut conn, id).await?.ok_or_else(no_entry)?;
        let base = store::base(&mut conn, &entry.base_id).await?;
        base.filter(|base| may_read(base, caller)).map(|_| entry).ok_or_else(no_entry)
    }

    pub(crate) async fn kb_add(
        &self,
        caller: &Caller,
        base: &str,
        content: Content,
    ) -> Result<EntryRow, Problem> {
        let now = self.clock().now();
        let mut tx = self.db().begin().await?;
        let base = self.kb_lock(&mut tx, caller, base).await?;
        let id = kernel::id::new("kbe", now);
        let entry = EntryRow { id, base_id: base.id.clone(), content, created_at: now, updated_at: now };
        write(&mut tx, &base, None, &entry, now).await?;
        tx.commit().await?;
        Ok(entry)
    }

    pub(crate) async fn kb_change(
        &self,
        caller: &Caller,
        id: &str,
        patch: Patch,
    ) -> Result<EntryRow, Problem> {
        let now = self.clock().now();
        let base = self.kb_entry(caller, id).await?.base_id;
        let mut tx = self.db().begin().await?;
        let base = self.kb_lock(&mut tx, caller, &base).await?;
        // Once more, under the lock: it may have changed, or be gone.
        let old = store::entry(&mut tx, id).await?.ok_or_else(no_entry)?;
        let before = old.content.bytes();
        let entry = EntryRow { content: patch.onto(old.content), updated_at: now, ..old };
        write(&mut tx, &base, Some(before), &entry, now).await?;
        tx.commit().await?;
        Ok(entry)
    }

    pub(crate) async fn kb_remove(&self, caller: &Caller, id: &str) -> Result<(), Problem> {
        let base = self.kb_entry(caller, id).await?.base_id;
        let mut tx = self.db().begin().await?;
        let base = self.kb_lock(&mut tx, caller, &base).await?;
        let entry = store::entry(&mut tx, id).await?.ok_or_else(no_entry)?;
        store::delete_entry(&mut tx, id).await?;
        store::changed(&mut tx, &base.id, -1, -entry.content.bytes(), self.clock().now()).await?;
        Ok(tx.commit().await?)
    }
}

/// Writes an entry that is new (`before` is `None`) or had so many bytes before.
async fn write(
    tx: &mut Tx,
    base: &BaseRow,
    before: Option<i64>,
    entry: &EntryRow,
    now: Timestamp,
) -> Result<(), Problem> {
    let key = question_key(&entry.content.question);
    if let Some(other) = store::asked(tx, &base.id, &key).await?.filter(|id| *id != entry.id) {
        return Err(Problem::new(ProblemKind::Conflict, "the knowledge base answers this question already")
            .field("question", format!("is that of {other}")));
    }
    let (entries, bytes) = (i64::from(before.is_none()), entry.content.bytes() - before.unwrap_or(0));
    room(base, entries, bytes)?;
    let written = Written { id: &entry.id, key: &key, content: &entry.content, created_at: entry.created_at };
    store::put(tx, &base.id, &[written], now).await?;
    Ok(store::changed(tx, &base.id, entries, bytes, now).await?)
}

/// Whether so much more fits into a base.
pub(super) fn room(base: &BaseRow, entries: i64, bytes: i64) -> Result<(), Problem> {
    let full = |text: String| Err(Problem::new(ProblemKind::Rule, text));
    if entries > 0 && base.entries + entries > model::ENTRIES {
        return full(format!("a knowledge base has at most {} entries", model::ENTRIES));
    }
    if bytes > 0 && base.bytes + bytes > model::BYTES {
        return full(format!("a knowledge base has at most {} MiB of text", model::BYTES / 1024 / 1024));
    }
    Ok(())
}
