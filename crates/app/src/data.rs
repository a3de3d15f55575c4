//! The data folder: made at the first start, locked while a server runs on its SQLite file, home of the keys.

use std::{
    fs::{self, File, OpenOptions},
    io::Write as _,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::Path,
};

use anyhow::{Context as _, bail};
use data_encoding::BASE64;
use kernel::seal::Keyring;

/// Makes the folder, for its owner only.
///
/// # Errors
/// It cannot be made.
pub fn prepare(dir: &Path) -> anyhow::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .with_context(|| format!("data_dir (HONGYAN_DATA_DIR): {} cannot be made", dir.display()))
}

/// Locks the folder for one server process; the lock goes with the returned file.
///
/// # Errors
/// Another server runs on it.
pub fn lock(dir: &Path) -> anyhow::Result<File> {
    let path = dir.join("lock");
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => {
            bail!("another Hongyan server is running on the data folder {}", dir.display())
        }
        Err(fs::TryLockError::Error(e)) => {
            Err(e).with_context(|| format!("{} cannot be locked", path.display()))
        }
    }
}

/// The sealing keys, `keyring` in the folder: a line `{id} {base64 of 32 bytes}` each, the newest last. Made at
/// the first start. Whoever loses this file loses what was sealed with it: it belongs into the backup.
///
/// # Errors
/// The file is damaged or cannot be made.
pub fn keyring(dir: &Path) -> anyhow::Result<Keyring> {
    let path = dir.join("keyring");
    if !path.exists() {
        create_keyring(dir, &path)?;
    }
    let text = fs::read_to_string(&path).with_context(|| format!("{} cannot be read", path.display()))?;
    let mut keys = Vec::new();
    for (n, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let key = line.split_once(' ').and_then(|(id, key)| {
            let key: [u8; 32] = BASE64.decode(key.trim().as_bytes()).ok()?.try_into().ok()?;
            Some((id.parse().ok()?, key))
        });
        keys.push(key.with_context(|| format!("{} is damaged in line {}", path.display(), n + 1))?);
    }
    if keys.is_empty() {
        bail!("{} holds no key", path.display());
    }
    Ok(Keyring::new(keys))
}

/// Whole or not at all, and never over another's: two processes that start at once end with one keyring.
fn create_keyring(dir: &Path, path: &Path) -> anyhow::Result<()> {
    let key: [u8; 32] = kernel::id::random()?;
    let unique: [u8; 8] = kernel::id::random()?;
    let temporary = dir.join(format!("keyring.{:016x}", u64::from_be_bytes(unique)));
    let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&temporary)?;
    file.write_all(format!("1 {}\n", BASE64.encode(&key)).as_bytes())?;
    file.sync_all()?;
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
