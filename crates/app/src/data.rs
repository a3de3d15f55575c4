//! The data folder: made at the first start, locked while a server runs on its SQLite file.

use std::{
    fs::{self, File, OpenOptions},
    io::Write as _,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::Path,
};

use anyhow::{Context as _, bail};

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

/// Makes a file for its owner only: whole or not at all, and never over another's, so that two processes that start at
/// once end with one.
pub(crate) fn create_once(dir: &Path, name: &str, text: &str) -> anyhow::Result<()> {
    let path = dir.join(name);
    let unique: [u8; 8] = kernel::id::random()?;
    let temporary = dir.join(format!("{name}.{:016x}", u64::from_be_bytes(unique)));
    let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&temporary)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    let linked = fs::hard_link(&temporary, &path);
    fs::remove_file(&temporary)?;
    File::open(dir)?.sync_all()?;
    match linked {
        Err(e) if e.kind() != std::io::ErrorKind::AlreadyExists => {
            Err(e).with_context(|| format!("{} cannot be made", path.display()))
        }
        _ => Ok(()),
    }
}
