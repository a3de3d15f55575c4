//! Sealed objects: bytes on disk that only a key opens, chunk by chunk, so that ranges work.
//!
//! The key comes from whoever asks and is not kept. One key may have several objects (a file, its thumbnail),
//! told apart by `part`. Promises:
//! - Plain bytes are in memory only, one chunk of 64 KiB at a time.
//! - What was changed, cut off, moved or is of another key yields an error, never other bytes.

use std::{
    fs::File,
    io::{self, Read, Seek as _, SeekFrom},
    ops::Range,
    pin::Pin,
};

use bytes::Bytes;
use futures_util::{Stream, stream};
use kernel::seal::{CHUNK, Chunks, Key, TAG};

use crate::{
    BlobError, Blobs, Media, Stored,
    media::HEAD,
    store::{Place, blocking, found},
    temp::TempFile,
};

/// A key and which of its objects is meant.
#[derive(Debug, Clone)]
pub struct Secret {
    /// Used for nothing else.
    pub key: Key,
    /// Which of the key's objects.
    pub part: u8,
}

/// A sealed object being read.
pub struct Opened {
    /// Size of the whole object in plain bytes.
    pub total: u64,
    /// The plain bytes that `body` yields.
    pub range: Range<u64>,
    /// The plain bytes, in chunks of at most 64 KiB.
    pub body: OpenedBody,
}

/// The plain bytes of a sealed object. An error means that it was damaged after it was sealed.
pub type OpenedBody = Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>;

impl Blobs {
    /// Writes the object `from`, which `opened_by` opens if it is sealed, once more as `to`, sealed with
    /// `sealed_by` or plain. `None` if there is no such object. The type that is answered is that of the bytes
    /// written: of sealed ones it tells nothing.
    ///
    /// A call that is dropped before it is done leaves `to` either whole or absent.
    ///
    /// # Errors
    /// [`BlobError::Damaged`], [`BlobError::BadKey`], [`BlobError::Full`], [`BlobError::Io`]
    pub async fn rewrite(
        &self,
        from: &str,
        opened_by: Option<&Secret>,
        to: &str,
        sealed_by: Option<&Secret>,
    ) -> Result<Option<Stored>, BlobError> {
        let (source, place) = (self.store.path(&Place::of(from)?), Place::of(to)?);
        let (store, opened_by, sealed_by) = (self.store.clone(), opened_by.cloned(), sealed_by.cloned());
        blocking(move || {
            let Some(file) = found(File::open(source))? else { return Ok(None) };
            let mut source = Source::of(file, opened_by)?;
            let chunks = sealed_by.map(|s| Chunks::new(s.key, s.part, source.total));
            let mut temp = TempFile::create(&store)?;
            let mut head = Vec::new();
            for number in 0..source.count() {
                let mut bytes = source.chunk(number)?;
                if let Some(chunks) = &chunks {
                    chunks.seal(number, &mut bytes).map_err(|_| BlobError::Damaged)?;
                }
                if head.len() < HEAD {
                    head.extend(bytes.iter().take(HEAD));
                }
                temp.append(&bytes)?;
            }
            Ok(Some(temp.persist(&store, &place, Media::sniff(&head))?))
        })
        .await
    }

    /// Opens a sealed object for reading, whole or the part of `range` that lies within it; `None` if there is
    /// none. Its first chunk is opened before this returns.
    ///
    /// # Errors
    /// [`BlobError::Damaged`] if it is not what was sealed with this secret, [`BlobError::BadKey`],
    /// [`BlobError::Io`]
    pub async fn read_sealed(
        &self,
        key: &str,
        secret: Secret,
        range: Option<Range<u64>>,
    ) -> Result<Option<Opened>, BlobError> {
        let path = self.store.path(&Place::of(key)?);
        let opened = blocking(move || {
            let Some(file) = found(File::open(path))? else { return Ok(None) };
            let mut source = Source::of(file, Some(secret))?;
            let total = source.total;
            let range = range.map_or(0..total, |r| {
                let start = r.start.min(total);
                start..r.end.clamp(start, total)
            });
            let numbers = source.chunks.as_ref().map_or(0..0, |chunks| chunks.holding(&range));
            let first = match numbers.start < numbers.end {
                true => Some(source.part(numbers.start, &range)?),
                false => None,
            };
            Ok(Some((source, numbers, range, first)))
        })
        .await?;
        Ok(opened.map(|(source, numbers, range, first)| {
            let rest = numbers.start.saturating_add(1)..numbers.end;
            let total = source.total;
            Opened { total, range: range.clone(), body: body(source, rest, range, first) }
        }))
    }
}

fn body(source: Source, rest: Range<u64>, range: Range<u64>, first: Option<Bytes>) -> OpenedBody {
    let rest = stream::try_unfold((source, rest), move |(mut source, mut rest)| {
        let range = range.clone();
        async move {
            let Some(number) = rest.next() else { return Ok(None) };
            let read = tokio::task::spawn_blocking(move || {
                let bytes = source.part(number, &range);
                (source, bytes)
            });
            let (source, bytes) = read.await.map_err(io::Error::other)?;
            match bytes {
                Ok(bytes) => Ok(Some((bytes, (source, rest)))),
                Err(error) => {
                    tracing::error!(%error, "a sealed file cannot be read to its end");
                    Err(io::Error::new(io::ErrorKind::InvalidData, error))
                }
            }
        }
    });
    let first = stream::iter(first.map(Ok));
    Box::pin(futures_util::StreamExt::chain(first, rest))
}

/// An object's plain bytes, chunk by chunk.
struct Source {
    file: File,
    total: u64,
    /// If it is sealed.
    chunks: Option<Chunks>,
}

impl Source {
    fn of(file: File, secret: Option<Secret>) -> Result<Self, BlobError> {
        let length = file.metadata()?.len();
        let chunks = match secret {
            Some(s) => Some(Chunks::of_sealed(s.key, s.part, length).ok_or(BlobError::Damaged)?),
            None => None,
        };
        Ok(Self { file, total: chunks.as_ref().map_or(length, Chunks::total), chunks })
    }

    fn count(&self) -> u64 {
        self.total.div_ceil(CHUNK as u64).max(1)
    }

    fn chunk(&mut self, number: u64) -> Result<Vec<u8>, BlobError> {
        let place = match &self.chunks {
            Some(chunks) => chunks.place(number),
            None => {
                let start = number * CHUNK as u64;
                start..(start + CHUNK as u64).min(self.total)
            }
        };
        let mut bytes = Vec::with_capacity(CHUNK + TAG);
        self.file.seek(SeekFrom::Start(place.start))?;
        self.file.by_ref().take(place.end - place.start).read_to_end(&mut bytes)?;
        if let Some(chunks) = &self.chunks {
            chunks.open(number, &mut bytes).map_err(|_| BlobError::Damaged)?;
        }
        Ok(bytes)
    }

    /// Those bytes of a chunk that lie within `range`.
    fn part(&mut self, number: u64, range: &Range<u64>) -> Result<Bytes, BlobError> {
        let mut bytes = Bytes::from(self.chunk(number)?);
        let start = number * CHUNK as u64;
        let within = |at: u64| usize::try_from(at.saturating_sub(start)).unwrap_or(usize::MAX);
        bytes.truncate(within(range.end));
        let skipped = within(range.start).min(bytes.len());
        Ok(bytes.split_off(skipped))
    }
}
