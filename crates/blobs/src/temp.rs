//! A file on its way to become an object: written under `tmp`, hashed as it grows, moved into place whole.
//!
//! All of it blocks; callers run it on the blocking pool.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::PathBuf,
};

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

use crate::{Media, Stored, store::Place, store::Store};

/// Removed when dropped, unless it became an object.
#[derive(Debug)]
pub(crate) struct TempFile {
    file: File,
    path: PathBuf,
    hash: Sha256,
    size: u64,
    persisted: bool,
}

impl TempFile {
    pub(crate) fn create(store: &Store) -> io::Result<Self> {
        let name: [u8; 16] = kernel::id::random().map_err(io::Error::other)?;
        let path = store.tmp.join(HEXLOWER.encode(&name));
        let file = File::options().read(true).write(true).create_new(true).open(&path)?;
        Ok(Self { file, path, hash: Sha256::new(), size: 0, persisted: false })
    }

    pub(crate) fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.hash.update(bytes);
        self.size = self.size.saturating_add(bytes.len() as u64);
        Ok(())
    }

    /// The file without its name: gone with its last handle.
    pub(crate) fn nameless(self) -> io::Result<File> {
        self.file.try_clone()
    }

    /// Makes the bytes durable, then visible, then the name durable, in this order: an object that can be
    /// seen is whole, and one that was acknowledged stays.
    pub(crate) fn persist(mut self, store: &Store, place: &Place, media: Media) -> io::Result<Stored> {
        self.file.sync_all()?;
        let folder = store.folder(place)?;
        fs::rename(&self.path, folder.join(&place.key))?;
        self.persisted = true;
        File::open(&folder)?.sync_all()?;
        let sha256 = HEXLOWER.encode(&std::mem::take(&mut self.hash).finalize());
        Ok(Stored { size: self.size, sha256, media })
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        if self.persisted {
            return;
        }
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!(%error, "an unfinished upload stays until the next start");
        }
    }
}
