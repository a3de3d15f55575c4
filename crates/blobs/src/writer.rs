//! Uploads: chunks from the network, gathered, then written and hashed on the blocking pool.
//!
//! One buffer is written while the next one fills, so the network and the disk work at the same time and
//! an upload never holds more than two buffers, however small or large its chunks are.

use std::{
    fs::File,
    io::{self, Seek as _, SeekFrom},
    sync::Arc,
};

use bytes::Bytes;
use tokio::{runtime::Handle, task::JoinHandle};

use crate::{
    BlobError, Media, Stored,
    media::HEAD,
    store::{Place, Store, blocking},
    temp::TempFile,
};

/// Large enough that a hop to the blocking pool costs nothing beside the write itself.
const BUFFER: usize = 256 * 1024;

/// An upload in progress. Dropping it removes what was written.
#[derive(Debug)]
pub struct Writer {
    store: Arc<Store>,
    limit: u64,
    size: u64,
    head: Vec<u8>,
    buffer: Vec<u8>,
    /// The latest write: it owns the temporary file and gives it back with its emptied buffer.
    task: Option<JoinHandle<io::Result<Flushed>>>,
    state: State,
}

type Flushed = (TempFile, Vec<u8>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Good,
    TooLarge,
    /// A write failed or was abandoned half way: the bytes have a gap.
    Broken,
}

impl Writer {
    pub(crate) fn new(store: Arc<Store>, limit: u64) -> Self {
        Self { store, limit, size: 0, head: Vec::new(), buffer: Vec::new(), task: None, state: State::Good }
    }

    /// Appends `data`. A call that is dropped before it is done, or that fails, makes the upload unusable.
    ///
    /// # Errors
    /// [`BlobError::TooLarge`] as soon as the limit is passed, [`BlobError::Full`], [`BlobError::Io`]; the
    /// failure of a write may be reported by a later call.
    pub async fn write(&mut self, mut data: Bytes) -> Result<(), BlobError> {
        self.usable()?;
        let size = self.size.saturating_add(data.len() as u64);
        if size > self.limit {
            self.state = State::TooLarge;
            return Err(BlobError::TooLarge { limit: self.limit });
        }
        self.size = size;
        self.state = State::Broken;
        let wanted = HEAD.saturating_sub(self.head.len()).min(data.len());
        self.head.extend_from_slice(&data.slice(..wanted));
        while !data.is_empty() {
            let room = BUFFER.saturating_sub(self.buffer.len()).min(data.len());
            self.buffer.extend_from_slice(&data.split_to(room));
            if self.buffer.len() >= BUFFER {
                self.flush().await?;
            }
        }
        self.state = State::Good;
        Ok(())
    }

    /// The type of what was written so far; final after 8 KiB.
    #[must_use]
    pub fn sniff(&self) -> Media {
        Media::sniff(&self.head)
    }

    /// How many bytes were written so far.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Makes the upload the object `key`, durable when this returns; it replaces an object of the same key.
    ///
    /// A call that is dropped before it is done leaves the object either whole or absent.
    ///
    /// # Errors
    /// [`BlobError::BadKey`], [`BlobError::TooLarge`] if the limit was passed, [`BlobError::Full`],
    /// [`BlobError::Io`]. Nothing is stored then.
    pub async fn finish(mut self, key: &str) -> Result<Stored, BlobError> {
        self.usable()?;
        let place = Place::of(key)?;
        let media = self.sniff();
        let temp = self.settle().await?.map(|(temp, _)| temp);
        let (store, rest) = (self.store.clone(), std::mem::take(&mut self.buffer));
        blocking(move || {
            let mut temp = temp.map_or_else(|| TempFile::create(&store), Ok)?;
            temp.append(&rest)?;
            Ok(temp.persist(&store, &place, media)?)
        })
        .await
    }

    /// What was written as a file without a name, at its beginning; gone with its last handle.
    ///
    /// # Errors
    /// [`BlobError::TooLarge`] if the limit was passed, [`BlobError::Full`], [`BlobError::Io`]
    pub async fn into_file(mut self) -> Result<File, BlobError> {
        self.usable()?;
        let temp = self.settle().await?.map(|(temp, _)| temp);
        let (store, rest) = (self.store.clone(), std::mem::take(&mut self.buffer));
        blocking(move || {
            let mut temp = temp.map_or_else(|| TempFile::create(&store), Ok)?;
            temp.append(&rest)?;
            let mut file = temp.nameless()?;
            file.seek(SeekFrom::Start(0))?;
            Ok(file)
        })
        .await
    }

    fn usable(&self) -> Result<(), BlobError> {
        match self.state {
            State::Good => Ok(()),
            State::TooLarge => Err(BlobError::TooLarge { limit: self.limit }),
            State::Broken => Err(BlobError::Io(io::Error::other("an earlier write of this upload failed"))),
        }
    }

    /// Hands the full buffer to the blocking pool once the write before it is done.
    async fn flush(&mut self) -> Result<(), BlobError> {
        let (temp, spare) = match self.settle().await? {
            Some((temp, spare)) => (Some(temp), spare),
            None => (None, Vec::with_capacity(BUFFER)),
        };
        let mut full = std::mem::replace(&mut self.buffer, spare);
        let store = self.store.clone();
        self.task = Some(tokio::task::spawn_blocking(move || {
            let mut temp = temp.map_or_else(|| TempFile::create(&store), Ok)?;
            temp.append(&full)?;
            full.clear();
            Ok((temp, full))
        }));
        Ok(())
    }

    /// Waits for the latest write; `None` if there was none.
    async fn settle(&mut self) -> Result<Option<Flushed>, BlobError> {
        let Some(task) = self.task.as_mut() else { return Ok(None) };
        let done = task.await;
        self.task = None;
        Ok(Some(done.map_err(|error| BlobError::Io(error.into()))??))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // The temporary file goes with the task's result. Removing a large file takes its time, so that
        // happens on the blocking pool too, or right here if the runtime is gone.
        if let Some(task) = self.task.take()
            && let Ok(runtime) = Handle::try_current()
        {
            runtime.spawn_blocking(move || drop(task));
        }
    }
}
