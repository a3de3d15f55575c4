//! An upload, a download, sealing and opening of 100 MiB: memory stays where it was. Alone in its process, which it measures.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod common;

use std::time::Instant;

use bytes::Bytes;
use common::{noise, peak, store};
use futures_util::TryStreamExt as _;

const MIB: usize = 1024 * 1024;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_mebibytes_in_a_few() {
    let (_dir, blobs) = store();
    // Everything that starts only once is started.
    common::put(&blobs, "attach_small", &noise(MIB, 1)).await.unwrap();
    common::get(&blobs, "attach_small").await.unwrap();

    let chunk = Bytes::from(noise(64 * 1024, 1));
    let (before, start) = (peak("VmHWM:"), Instant::now());
    let mut writer = blobs.writer(100 * MIB as u64);
    for _ in 0..1600 {
        writer.write(chunk.clone()).await.unwrap();
    }
    let written = start.elapsed();
    let stored = writer.finish("attach_large").await.unwrap();
    let durable = start.elapsed();
    assert_eq!(stored.size, 100 * MIB as u64);

    let start = Instant::now();
    let object = blobs.read("attach_large", None).await.unwrap().unwrap();
    let read = object.body.try_fold(0, |sum, bytes| async move { Ok(sum + bytes.len()) }).await.unwrap();
    let reading = start.elapsed();
    assert_eq!(read, 100 * MIB);

    let secret = blobs::Secret { key: [7; 32].into(), part: 0 };
    let start = Instant::now();
    blobs.rewrite("attach_large", None, "attach_sealed", Some(&secret)).await.unwrap().unwrap();
    let sealing = start.elapsed();
    let start = Instant::now();
    let object = blobs.read_sealed("attach_sealed", secret, None).await.unwrap().unwrap();
    let read = object.body.try_fold(0, |sum, bytes| async move { Ok(sum + bytes.len()) }).await.unwrap();
    let opening = start.elapsed();
    assert_eq!(read, 100 * MIB);

    let grown = peak("VmHWM:").saturating_sub(before);
    println!("write {written:?}, durable {durable:?}, read {reading:?}, {grown} KiB more");
    println!("sealed {sealing:?}, opened {opening:?}");
    assert!(grown < 4 * 1024, "{grown} KiB more");
}
