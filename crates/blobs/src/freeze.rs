//! All objects as they are at one moment, for a copy that takes its time while the store goes on.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io,
    path::PathBuf,
    sync::Arc,
};

use data_encoding::HEXLOWER;

use crate::{
    BlobError, Blobs,
    store::{Place, Store, blocking, found},
};

/// Objects that stay readable even if they are deleted or replaced. Each is held by a second name (a hard
/// link) until this is dropped; on a file system without hard links an object that is deleted meanwhile is
/// missed when it is opened.
#[derive(Debug)]
pub struct Frozen {
    store: Arc<Store>,
    /// Where each key's bytes are held.
    held: BTreeMap<String, Held>,
}

#[derive(Debug)]
struct Held {
    path: PathBuf,
    is_link: bool,
}

impl Blobs {
    /// Holds nothing yet.
    #[must_use]
    pub fn freeze(&self) -> Frozen {
        Frozen { store: Arc::clone(&self.store), held: BTreeMap::new() }
    }

    /// The keys of all objects, in no order.
    ///
    /// # Errors
    /// [`BlobError::Io`]
    pub async fn keys(&self) -> Result<Vec<String>, BlobError> {
        let store = Arc::clone(&self.store);
        blocking(move || Ok(keys(&store)?)).await
    }
}

impl Frozen {
    /// Holds every object that there is now beside those that are held already.
    ///
    /// Blocks, for as long as it takes to list the folder.
    ///
    /// # Errors
    /// [`BlobError::Io`], [`BlobError::Full`]
    pub fn add(&mut self) -> Result<(), BlobError> {
        for key in keys(&self.store)? {
            if !self.held.contains_key(&key) {
                self.add_one(&key)?;
            }
        }
        Ok(())
    }

    /// Holds one object, if it is there.
    ///
    /// Blocks.
    ///
    /// # Errors
    /// [`BlobError::BadKey`], [`BlobError::Io`], [`BlobError::Full`]
    pub fn add_one(&mut self, key: &str) -> Result<(), BlobError> {
        let object = self.store.path(&Place::of(key)?);
        let name: [u8; 16] = kernel::id::random().map_err(io::Error::other)?;
        let link = self.store.tmp.join(HEXLOWER.encode(&name));
        let held = match fs::hard_link(&object, &link) {
            Ok(()) => Held { path: link, is_link: true },
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(e) if matches!(e.kind(), io::ErrorKind::Unsupported | io::ErrorKind::PermissionDenied) => {
                Held { path: object, is_link: false }
            }
            Err(e) => return Err(e.into()),
        };
        self.held.insert(key.to_owned(), held);
        Ok(())
    }

    /// The keys of what is held, in their order.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.held.keys().map(String::as_str)
    }

    /// Opens what is held of a key.
    ///
    /// # Errors
    /// [`BlobError::Missing`] if it is not held, [`BlobError::Io`]
    pub fn open(&self, key: &str) -> Result<File, BlobError> {
        let held = self.held.get(key).ok_or(BlobError::Missing)?;
        found(File::open(&held.path))?.ok_or(BlobError::Missing)
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        for held in self.held.values().filter(|held| held.is_link) {
            if let Err(error) = fs::remove_file(&held.path) {
                tracing::warn!(%error, "a second name of a file stays until the next start");
            }
        }
    }
}

fn keys(store: &Store) -> io::Result<Vec<String>> {
    let mut keys = Vec::new();
    for shard in fs::read_dir(&store.objects)? {
        // A shard may be something else's; what is no key is not ours.
        let Some(objects) = found(fs::read_dir(shard?.path()))? else { continue };
        for object in objects {
            if let Ok(key) = object?.file_name().into_string()
                && Place::of(&key).is_ok()
            {
                keys.push(key);
            }
        }
    }
    Ok(keys)
}
