//! Files without a name beside the objects: written, read once, and gone with their last handle, whatever crashes.

use std::{
    fs::File,
    io::{Seek as _, SeekFrom},
};

use tokio::io::AsyncReadExt as _;
use tokio_util::io::ReaderStream;

use crate::{
    BlobError, Blobs, Body,
    store::{READ_CHUNK, blocking},
    temp::TempFile,
};

impl Blobs {
    /// An empty file without a name, to be written and read.
    ///
    /// # Errors
    /// [`BlobError::Full`], [`BlobError::Io`]
    pub async fn scratch(&self) -> Result<File, BlobError> {
        let store = self.store.clone();
        blocking(move || Ok(TempFile::create(&store)?.nameless()?)).await
    }
}

/// All bytes of a file, and how many they are.
///
/// # Errors
/// [`BlobError::Io`]
pub async fn body_of(mut file: File) -> Result<(u64, Body), BlobError> {
    let (file, total) = blocking(move || {
        file.seek(SeekFrom::Start(0))?;
        let total = file.metadata()?.len();
        Ok((file, total))
    })
    .await?;
    let mut file = tokio::fs::File::from_std(file);
    file.set_max_buf_size(READ_CHUNK);
    Ok((total, ReaderStream::with_capacity(file.take(total), READ_CHUNK)))
}
