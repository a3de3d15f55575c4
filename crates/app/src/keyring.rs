//! The keys that seal what is stored: the file `keyring` in the data folder.
//!
//! A line `{id} {base64 of 32 bytes}` for each sealing key, the newest last, and a line `root {base64}` with
//! what tokens and message ids are derived from; without one it is the first key. Whoever loses this file loses
//! what was sealed with it: it belongs into the backup, apart from the database's.
//!
//! The file is replaced whole. Running servers see that and take up the new keys.

use std::{
    fs::{self, File, OpenOptions},
    io::Write as _,
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, UNIX_EPOCH},
};

use anyhow::{Context as _, bail};
use data_encoding::BASE64;
use db::{Db, SealedTable};
use kernel::{
    Clock, Timestamp,
    seal::{Key, Keyring, Keys},
};
use zeroize::Zeroizing;

/// So many values are sealed anew in one transaction.
const BATCH: i64 = 200;
/// A key is not removed sooner than this after the keys were changed: whatever was sealed with it is stored by
/// then, and no ticket that it sealed is good any more.
const SETTLED: Duration = Duration::from_secs(16 * 60);

/// The keys of a data folder; makes them at the first start. Follows the file while the process runs.
///
/// # Errors
/// The file is damaged or cannot be made.
pub fn open(dir: &Path) -> anyhow::Result<Keyring> {
    let path = dir.join("keyring");
    if !path.exists() {
        create(dir, &path)?;
    }
    let stamp = Mutex::new(stamp(&path)?);
    let keys = read(&path)?;
    let reload = move || {
        let mut last = stamp.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = self::stamp(&path).map(|now| (now != *last).then_some(now));
        let read = changed.and_then(|now| now.map(|now| Ok((now, read(&path)?))).transpose());
        match read {
            Ok(None) => None,
            Ok(Some((now, keys))) => {
                tracing::info!(keys = keys.sealing.len(), newest = keys.newest(), "the keyring was changed");
                *last = now;
                Some(keys)
            }
            Err(error) => {
                tracing::error!(%error, "the keyring cannot be read anew, the keys at hand are used on");
                None
            }
        }
    };
    Ok(Keyring::reloading(keys, Arc::new(reload)))
}

/// What changes when the file is replaced.
fn stamp(path: &Path) -> anyhow::Result<(u64, i64, i64, u64)> {
    let meta = fs::metadata(path).with_context(|| format!("{} cannot be read", path.display()))?;
    Ok((meta.ino(), meta.mtime(), meta.mtime_nsec(), meta.len()))
}

fn read(path: &Path) -> anyhow::Result<Keys> {
    let text = fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
    let text = Zeroizing::new(text);
    let (mut root, mut sealing) = (None, Vec::<(u8, Key)>::new());
    for (n, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let damaged = || format!("{} is damaged in line {}", path.display(), n + 1);
        let (id, key) = line.split_once(' ').with_context(damaged)?;
        let bytes = BASE64.decode(key.trim().as_bytes()).map(Zeroizing::new).ok().with_context(damaged)?;
        let key = Key::from_slice(&bytes).with_context(damaged)?;
        if id == "root" && root.is_none() {
            root = Some(key);
            continue;
        }
        let id = id.parse().ok().filter(|id| sealing.iter().all(|(known, _)| known != id));
        sealing.push((id.with_context(damaged)?, key));
    }
    let Some((_, first)) = sealing.first() else { bail!("{} holds no key", path.display()) };
    Ok(Keys { root: root.unwrap_or_else(|| first.clone()), sealing })
}

fn text(keys: &Keys) -> Zeroizing<String> {
    let line = |name: &str, key: &Key| format!("{name} {}\n", BASE64.encode(key.bytes()));
    let mut text = Zeroizing::new(line("root", &keys.root));
    for (id, key) in &keys.sealing {
        text.push_str(&line(&id.to_string(), key));
    }
    text
}

/// A new file beside the keyring, for its owner only, on disk.
fn written_beside(dir: &Path, keys: &Keys) -> anyhow::Result<PathBuf> {
    let unique: [u8; 8] = kernel::id::random()?;
    let temporary = dir.join(format!("keyring.{:016x}", u64::from_be_bytes(unique)));
    let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&temporary)?;
    file.write_all(text(keys).as_bytes())?;
    file.sync_all()?;
    Ok(temporary)
}

/// Whole or not at all, and never over another's: two processes that start at once end with one keyring.
fn create(dir: &Path, path: &Path) -> anyhow::Result<()> {
    let keys = Keys { root: Key::random()?, sealing: vec![(1, Key::random()?)] };
    let temporary = written_beside(dir, &keys)?;
    let linked = fs::hard_link(&temporary, path);
    fs::remove_file(&temporary)?;
    File::open(dir)?.sync_all()?;
    match linked {
        Err(e) if e.kind() != std::io::ErrorKind::AlreadyExists => {
            Err(e).with_context(|| format!("{} cannot be made", path.display()))
        }
        _ => Ok(()),
    }
}

/// The file, while nobody else may change it.
pub struct Exclusive {
    dir: PathBuf,
    path: PathBuf,
    keys: Keys,
    _lock: File,
}

/// What a rotation did.
#[derive(Debug, PartialEq, Eq)]
pub struct Rotated {
    /// The key that seals from now on.
    pub newest: u8,
    /// It is new; else an earlier rotation was finished.
    pub is_new: bool,
    /// How many values were sealed anew.
    pub resealed: u64,
    /// Values that no key at hand opens: table and row.
    pub unreadable: Vec<String>,
}

impl Exclusive {
    /// Takes the file for this process.
    ///
    /// # Errors
    /// Another process changes it, or it is damaged.
    pub fn take(dir: &Path) -> anyhow::Result<Self> {
        let lock =
            OpenOptions::new().create(true).truncate(false).write(true).open(dir.join("keyring.lock"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => bail!("another command is changing the keyring"),
            Err(fs::TryLockError::Error(e)) => return Err(e).context("the keyring cannot be locked"),
        }
        let path = dir.join("keyring");
        let keys = read(&path)?;
        Ok(Self { dir: dir.to_owned(), path, keys, _lock: lock })
    }

    /// The keys as they are.
    #[must_use]
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    fn replace(&mut self, keys: Keys) -> anyhow::Result<()> {
        let temporary = written_beside(&self.dir, &keys)?;
        fs::rename(&temporary, &self.path)?;
        File::open(&self.dir)?.sync_all()?;
        self.keys = keys;
        Ok(())
    }

    /// Adds a key and seals everything anew with it; finishes an earlier rotation first, if it was cut off.
    /// Servers may run meanwhile. What is done stays done if this is cut off.
    ///
    /// # Errors
    /// No more than 255 keys; the database.
    pub async fn rotate(
        &mut self,
        db: &Db,
        keyring: &Keyring,
        tables: &[&'static dyn SealedTable],
    ) -> anyhow::Result<Rotated> {
        let newest = self.keys.newest().context("the keyring holds no key")?;
        let known = |id: u8| self.keys.sealing.iter().any(|(known, _)| *known == id);
        let used = in_use(db, tables).await?;
        let is_new = used.iter().all(|u| u.key == newest || !known(u.key));
        if is_new {
            let id = (newest.saturating_add(1)..=u8::MAX).chain(1..=u8::MAX).find(|id| !known(*id));
            let mut keys = self.keys.clone();
            keys.sealing.push((id.context("the keyring is full: prune it")?, Key::random()?));
            self.replace(keys)?;
        }
        let newest = self.keys.newest().context("the keyring holds no key")?;
        let mut rotated = Rotated { newest, is_new, resealed: 0, unreadable: Vec::new() };
        for table in tables {
            reseal(db, keyring, *table, &mut rotated).await?;
        }
        Ok(rotated)
    }

    /// Removes keys that no value is sealed with. Their ids.
    ///
    /// # Errors
    /// The keys were changed a moment ago, so that a server may be storing what an old key sealed; the database.
    pub async fn prune(&mut self, db: &Db, tables: &[&'static dyn SealedTable]) -> anyhow::Result<Vec<u8>> {
        let newest = self.keys.newest();
        let used = in_use(db, tables).await?;
        let gone = |id: u8| Some(id) != newest && used.iter().all(|u| u.key != id);
        let ids: Vec<u8> = self.keys.sealing.iter().map(|(id, _)| *id).filter(|id| gone(*id)).collect();
        if ids.is_empty() {
            return Ok(ids);
        }
        let since = Clock::system().now().since(self.changed_at()?);
        if since < SETTLED {
            let left = (SETTLED - since).as_secs().div_ceil(60);
            bail!(
                "the keys were changed a moment ago, and a server may be storing what an old one sealed: \
                 try again in {left} minutes"
            );
        }
        let mut keys = self.keys.clone();
        keys.sealing.retain(|(id, _)| !ids.contains(id));
        self.replace(keys)?;
        Ok(ids)
    }

    fn changed_at(&self) -> anyhow::Result<Timestamp> {
        let modified = fs::metadata(&self.path)?.modified()?.duration_since(UNIX_EPOCH)?;
        Ok(Timestamp::from_micros(i64::try_from(modified.as_micros())?))
    }
}

/// How many values of a table are sealed with a key.
#[derive(Debug)]
pub struct InUse {
    /// The table.
    pub table: &'static str,
    /// The key's id.
    pub key: u8,
    /// How many.
    pub values: i64,
}

/// What is sealed with which key.
///
/// # Errors
/// The database.
pub async fn in_use(db: &Db, tables: &[&'static dyn SealedTable]) -> anyhow::Result<Vec<InUse>> {
    let mut conn = db.read().await?;
    let mut all = Vec::new();
    for table in tables {
        let found = table.in_use(&mut conn).await?;
        all.extend(found.into_iter().map(|(key, values)| InUse { table: table.name(), key, values }));
    }
    Ok(all)
}

async fn reseal(
    db: &Db,
    keyring: &Keyring,
    table: &'static dyn SealedTable,
    rotated: &mut Rotated,
) -> anyhow::Result<()> {
    let mut after = String::new();
    loop {
        let mut tx = db.begin().await?;
        let rows = table.stale(&mut tx, rotated.newest, &after, BATCH).await?;
        let Some(last) = rows.last() else { return Ok(()) };
        after.clone_from(&last.key);
        for row in rows {
            match keyring.reseal(&row.place, &row.sealed) {
                Ok(sealed) => {
                    table.replace(&mut tx, &row.key, sealed).await?;
                    rotated.resealed += 1;
                }
                Err(_) => rotated.unreadable.push(format!("{} {}", table.name(), row.key)),
            }
        }
        tx.commit().await?;
    }
}
