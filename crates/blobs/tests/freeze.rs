//! Objects that are held for a copy stay what they were.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod common;

use std::io::Read as _;

use blobs::{BlobError, Blobs, Frozen};
use common::{files, get, put, store};

fn held(frozen: &Frozen, key: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    frozen.open(key).unwrap().read_to_end(&mut bytes).unwrap();
    bytes
}

#[tokio::test]
async fn what_is_held_outlives_deletion_and_replacement() {
    let (dir, blobs) = store();
    put(&blobs, "attach_1", b"one").await.unwrap();
    put(&blobs, "attach_2", b"two").await.unwrap();
    let mut frozen = blobs.freeze();
    frozen.add().unwrap();
    blobs.delete("attach_1").await.unwrap();
    put(&blobs, "attach_2", b"another").await.unwrap();
    put(&blobs, "attach_3", b"three").await.unwrap();
    frozen.add().unwrap();

    assert_eq!(frozen.keys().collect::<Vec<_>>(), ["attach_1", "attach_2", "attach_3"]);
    for (key, bytes) in [("attach_1", "one"), ("attach_2", "two"), ("attach_3", "three")] {
        assert_eq!(held(&frozen, key), bytes.as_bytes());
    }
    assert!(matches!(frozen.open("attach_4"), Err(BlobError::Missing)));
    assert!(matches!(frozen.add_one("../x"), Err(BlobError::BadKey)));
    frozen.add_one("attach_4").unwrap();

    let mut keys = blobs.keys().await.unwrap();
    keys.sort();
    assert_eq!(keys, ["attach_2", "attach_3"]);
    drop(frozen);
    assert_eq!(files(dir.path()), 3, "the two objects and the lock: no second name is left");
    assert_eq!(get(&blobs, "attach_2").await.unwrap(), b"another");
}

#[tokio::test]
async fn what_a_killed_copy_held_is_cleared_at_the_next_start() {
    let (dir, blobs) = store();
    put(&blobs, "attach_1", b"one").await.unwrap();
    let mut frozen = blobs.freeze();
    frozen.add().unwrap();
    std::mem::forget(frozen);
    // Another process, as the killed one's lock is gone with it: its own folder, same contents.
    let copy = tempfile::tempdir().unwrap();
    std::fs::create_dir(copy.path().join("tmp")).unwrap();
    for entry in std::fs::read_dir(dir.path().join("tmp")).unwrap() {
        let from = entry.unwrap().path();
        std::fs::copy(&from, copy.path().join("tmp").join(from.file_name().unwrap())).unwrap();
    }
    assert_eq!(files(&copy.path().join("tmp")), 1);
    Blobs::open(copy.path()).unwrap();
    assert_eq!(files(&copy.path().join("tmp")), 0);
}
