//! Files on disk, by key: attachments and avatars.
//!
//! The crate keeps bytes; names, owners and what a file belongs to are rows of the slices. Promises:
//! - An object exists whole or not at all, whatever crashes when. Once [`Writer::finish`] has answered it
//!   survives the loss of power.
//! - Memory does not grow with the size of a file: two buffers of 256 KiB an upload, two of 64 KiB a download.
//! - File work, hashing and decoding never run on the threads that serve requests.
//! - What a file is, is told from its bytes ([`Media`]).
//! - A sealed object is opened by its key alone; one that was tampered with is not opened.
//! - A thumbnail is made of pixels alone: no EXIF, no place, no profile of the original passes.

mod freeze;
mod media;
mod range;
mod scratch;
mod sealed;
mod store;
mod temp;
mod thumbnail;
mod writer;

use std::io;

pub use freeze::Frozen;
pub use media::{Media, MediaClass};
pub use range::{RangeOutcome, parse_range};
pub use scratch::body_of;
pub use sealed::{Opened, OpenedBody, Secret};
pub use store::{Blobs, Body, Object};
pub use writer::Writer;

/// What was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Length in bytes.
    pub size: u64,
    /// SHA-256 of the bytes, 64 lower-case hexadecimal digits.
    pub sha256: String,
    /// The type, sniffed from the bytes.
    pub media: Media,
}

/// Why a file could not be kept, found or drawn.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// The key is not one of ours: 3 to 64 ASCII letters, digits, `_` and `-`.
    #[error("not a key of a stored file")]
    BadKey,
    /// Nothing is stored under the key that was to be drawn.
    #[error("no file is stored under this key")]
    Missing,
    /// More bytes were written than the writer's limit.
    #[error("the file is larger than {limit} bytes")]
    TooLarge {
        /// The writer's limit in bytes.
        limit: u64,
    },
    /// The disk, or this user's share of it, is full.
    #[error("no space is left for files")]
    Full(#[source] io::Error),
    /// A file that begins like an image cannot be drawn: broken, or larger than is decoded.
    #[error("not a usable image: {0}")]
    NotAnImage(String),
    /// A sealed object is not what was sealed with this secret.
    #[error("a sealed file cannot be opened")]
    Damaged,
    /// The file system failed.
    #[error("file storage failed")]
    Io(#[source] io::Error),
}

impl From<io::Error> for BlobError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full(error),
            _ => Self::Io(error),
        }
    }
}
