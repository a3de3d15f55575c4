//! What the tests of the crate share: a store in a folder of its own, and uploads in one call.
#![allow(dead_code, reason = "every test binary uses its own part")]

pub mod pictures;

use std::path::Path;

use blobs::{BlobError, Blobs, Stored};
use bytes::Bytes;
use futures_util::TryStreamExt as _;

/// An empty store. The folder lives as long as its handle.
pub fn store() -> (tempfile::TempDir, Blobs) {
    let dir = tempfile::tempdir().unwrap();
    let blobs = Blobs::open(dir.path()).unwrap();
    (dir, blobs)
}

/// Uploads bytes in chunks like those of a network.
pub async fn put(blobs: &Blobs, key: &str, bytes: &[u8]) -> Result<Stored, BlobError> {
    let mut writer = blobs.writer(u64::MAX);
    for chunk in bytes.chunks(16 * 1024 - 1) {
        writer.write(Bytes::copy_from_slice(chunk)).await?;
    }
    writer.finish(key).await
}

/// The whole object.
pub async fn get(blobs: &Blobs, key: &str) -> Option<Vec<u8>> {
    let object = blobs.read(key, None).await.unwrap()?;
    let chunks: Vec<Bytes> = object.body.try_collect().await.unwrap();
    Some(chunks.concat())
}

/// How many files lie in a folder, sub-folders included.
pub fn files(dir: &Path) -> usize {
    std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .fold(0, |count, path| count + if path.is_dir() { files(&path) } else { 1 })
}

/// Bytes that look random and are the same every time.
pub fn noise(len: usize, seed: u32) -> Vec<u8> {
    let mut state = seed | 1;
    std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()
    })
    .flatten()
    .take(len)
    .collect()
}

/// The most memory that this process ever held (`VmHWM:`) or asked for (`VmPeak:`), in KiB. The kernel counts
/// loosely: a later figure may be a little smaller.
pub fn peak(of: &str) -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(of)).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
