//! The data folder: made at the first start, locked while a server runs on its SQLite file.

use std::{
    fs::{self, File, OpenOptions},
    os::unix::fs::DirBuilderExt as _,
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
