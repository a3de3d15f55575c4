//! The folder of objects: where a key lives, and reading and removing what is there.

use std::{
    collections::HashSet,
    fs::{self, DirBuilder, File, TryLockError},
    io::{self, Seek as _, SeekFrom},
    ops::Range,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use tokio::{io::AsyncReadExt as _, sync::Semaphore};
use tokio_util::io::ReaderStream;

use crate::{BlobError, Writer};

/// How much of an object is read at once.
pub(crate) const READ_CHUNK: usize = 64 * 1024;

/// The files of one installation. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Blobs {
    pub(crate) store: Arc<Store>,
}

/// An object being read.
#[derive(Debug)]
pub struct Object {
    /// Size of the whole object in bytes.
    pub total: u64,
    /// The bytes that `body` yields.
    pub range: Range<u64>,
    /// The bytes, in chunks of at most 64 KiB.
    pub body: Body,
}

/// The bytes of an object: a stream of `io::Result<Bytes>`.
pub type Body = ReaderStream<tokio::io::Take<tokio::fs::File>>;

#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) objects: PathBuf,
    pub(crate) tmp: PathBuf,
    /// Sub-folders whose own entry in `objects` is known to be durable.
    durable: Mutex<HashSet<String>>,
    /// One image is decoded at a time: that bounds the memory of all thumbnails together.
    pub(crate) decoding: Arc<Semaphore>,
    /// Held shared as long as the store is open.
    _lock: File,
}

/// Where a key lives.
pub(crate) struct Place {
    shard: String,
    pub(crate) key: String,
}

impl Place {
    /// Ids are ordered by time at the front, so their last two characters spread the objects.
    pub(crate) fn of(key: &str) -> Result<Self, BlobError> {
        let ours = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
        if !(3..=kernel::id::MAX_LEN).contains(&key.len()) || !key.bytes().all(ours) {
            return Err(BlobError::BadKey);
        }
        let shard = key.get(key.len() - 2..).ok_or(BlobError::BadKey)?;
        Ok(Self { shard: shard.to_owned(), key: key.to_owned() })
    }
}

impl Store {
    pub(crate) fn path(&self, place: &Place) -> PathBuf {
        self.objects.join(&place.shard).join(&place.key)
    }

    /// The sub-folder of a place, made if need be. When this returns, the folder outlives a loss of power.
    pub(crate) fn folder(&self, place: &Place) -> io::Result<PathBuf> {
        let folder = self.objects.join(&place.shard);
        let durable = || self.durable.lock().unwrap_or_else(PoisonError::into_inner);
        if !durable().contains(&place.shard) {
            private_folder(&folder)?;
            File::open(&self.objects)?.sync_all()?;
            durable().insert(place.shard.clone());
        }
        Ok(folder)
    }
}

impl Blobs {
    /// Opens the folder `dir`, makes it if need be, and removes what uploads cut off by a crash left behind.
    ///
    /// Blocks: meant for the start of a program. A second process may open the same folder (an export beside
    /// the server); only one that is alone cleans, so nobody's running upload is taken away.
    ///
    /// # Errors
    /// [`BlobError::Io`] or [`BlobError::Full`] if the folder cannot be made, locked or cleaned.
    pub fn open(dir: &Path) -> Result<Self, BlobError> {
        let (objects, tmp) = (dir.join("objects"), dir.join("tmp"));
        private_folder(&objects)?;
        private_folder(&tmp)?;
        File::open(dir)?.sync_all()?;
        let lock = File::options().create(true).truncate(false).write(true).open(dir.join("lock"))?;
        match lock.try_lock() {
            Ok(()) => remove_files(&tmp)?,
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
        lock.lock_shared()?;
        Ok(Self {
            store: Arc::new(Store {
                objects,
                tmp,
                durable: Mutex::default(),
                decoding: Arc::new(Semaphore::new(1)),
                _lock: lock,
            }),
        })
    }

    /// A new upload of at most `limit` bytes.
    #[must_use]
    pub fn writer(&self, limit: u64) -> Writer {
        Writer::new(self.store.clone(), limit)
    }

    /// Opens an object for reading, whole or the part of `range` that lies within it; `None` if there is none.
    ///
    /// An object that is deleted while it is read is read to its end.
    ///
    /// # Errors
    /// [`BlobError::BadKey`], [`BlobError::Io`]
    pub async fn read(&self, key: &str, range: Option<Range<u64>>) -> Result<Option<Object>, BlobError> {
        let path = self.store.path(&Place::of(key)?);
        let opened = blocking(move || {
            let Some(mut file) = found(File::open(path))? else { return Ok(None) };
            let total = file.metadata()?.len();
            let range = range.map_or(0..total, |r| {
                let start = r.start.min(total);
                start..r.end.clamp(start, total)
            });
            file.seek(SeekFrom::Start(range.start))?;
            Ok(Some((file, total, range)))
        })
        .await?;
        Ok(opened.map(|(file, total, range)| {
            let mut file = tokio::fs::File::from_std(file);
            file.set_max_buf_size(READ_CHUNK);
            let body = ReaderStream::with_capacity(file.take(range.end - range.start), READ_CHUNK);
            Object { total, range, body }
        }))
    }

    /// The size of an object in bytes, `None` if there is none.
    ///
    /// # Errors
    /// [`BlobError::BadKey`], [`BlobError::Io`]
    pub async fn size(&self, key: &str) -> Result<Option<u64>, BlobError> {
        let path = self.store.path(&Place::of(key)?);
        blocking(move || Ok(found(fs::metadata(path))?.map(|meta| meta.len()))).await
    }

    /// Removes an object for good. One that is not there is removed already.
    ///
    /// # Errors
    /// [`BlobError::BadKey`], [`BlobError::Io`]
    pub async fn delete(&self, key: &str) -> Result<(), BlobError> {
        let path = self.store.path(&Place::of(key)?);
        blocking(move || {
            if found(fs::remove_file(&path))?.is_some()
                && let Some(folder) = path.parent()
            {
                // Without this a loss of power could bring back what somebody wanted gone.
                File::open(folder)?.sync_all()?;
            }
            Ok(())
        })
        .await
    }
}

/// Runs file work off the threads that serve requests.
pub(crate) async fn blocking<T, F>(work: F) -> Result<T, BlobError>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T, BlobError> + Send + 'static,
{
    tokio::task::spawn_blocking(work).await.map_err(|error| BlobError::Io(error.into()))?
}

/// `None` for what does not exist.
pub(crate) fn found<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// A folder that only the server's own user can look into; fine if it exists.
fn private_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

fn remove_files(tmp: &Path) -> io::Result<()> {
    let mut removed = 0_u64;
    for entry in fs::read_dir(tmp)? {
        fs::remove_file(entry?.path())?;
        removed += 1;
    }
    if removed > 0 {
        tracing::info!(removed, "removed unfinished uploads of an earlier run");
    }
    Ok(())
}
