//! Objects: what goes in comes out, whole or not at all.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod common;

use std::{ops::Range, path::Path};

use blobs::{BlobError, Blobs};
use bytes::Bytes;
use common::{files, get, noise, put, store};
use data_encoding::HEXLOWER;
use futures_util::TryStreamExt as _;
use sha2::{Digest as _, Sha256};

const KEY: &str = "attach_06ew1g7k3r8v9w0x1y2z3a4b5c";

#[tokio::test]
async fn what_goes_in_comes_out() {
    let (_dir, blobs) = store();
    // Around the sizes of the buffers, where a seam would lose bytes.
    for (n, len) in
        [0, 1, 65_535, 65_536, 65_537, 262_143, 262_144, 262_145, 524_288, 1_000_003].into_iter().enumerate()
    {
        let (key, bytes) = (format!("attach_{n}x{n}"), noise(len, 7));
        let stored = put(&blobs, &key, &bytes).await.unwrap();
        assert_eq!(stored.size, len as u64);
        assert_eq!(stored.sha256, HEXLOWER.encode(&Sha256::digest(&bytes)));
        assert_eq!(blobs.size(&key).await.unwrap(), Some(len as u64));
        assert!(get(&blobs, &key).await.unwrap() == bytes, "{len} bytes");
    }
}

#[tokio::test]
async fn parts_of_an_object() {
    let (_dir, blobs) = store();
    let bytes = noise(300_000, 3);
    put(&blobs, KEY, &bytes).await.unwrap();
    for (asked, expected) in [
        (0..1, 0..1),
        (0..300_000, 0..300_000),
        (65_535..65_537, 65_535..65_537),
        (299_999..300_000, 299_999..300_000),
        (299_999..u64::MAX, 299_999..300_000),
        (5..5, 5..5),
        (300_000..300_001, 300_000..300_000),
        (u64::MAX - 1..u64::MAX, 300_000..300_000),
        (Range { start: 9, end: 2 }, 9..9),
    ] {
        let object = blobs.read(KEY, Some(asked.clone())).await.unwrap().unwrap();
        assert_eq!((object.total, &object.range), (300_000, &expected), "{asked:?}");
        let part: Vec<Bytes> = object.body.try_collect().await.unwrap();
        let (start, end) = (usize::try_from(expected.start).unwrap(), usize::try_from(expected.end).unwrap());
        assert!(part.concat() == bytes[start..end], "{asked:?}");
    }
}

#[tokio::test]
async fn an_open_download_outlives_replacement_and_deletion() {
    let (_dir, blobs) = store();
    let bytes = noise(500_000, 5);
    put(&blobs, KEY, &bytes).await.unwrap();
    let open = blobs.read(KEY, None).await.unwrap().unwrap();
    put(&blobs, KEY, b"new").await.unwrap();
    assert_eq!(get(&blobs, KEY).await.unwrap(), b"new");
    blobs.delete(KEY).await.unwrap();
    let old: Vec<Bytes> = open.body.try_collect().await.unwrap();
    assert!(old.concat() == bytes);
}

#[tokio::test]
async fn deleting_twice_and_what_is_not_there() {
    let (_dir, blobs) = store();
    put(&blobs, KEY, b"x").await.unwrap();
    for _ in 0..2 {
        blobs.delete(KEY).await.unwrap();
        assert!(blobs.read(KEY, None).await.unwrap().is_none());
        assert_eq!(blobs.size(KEY).await.unwrap(), None);
    }
    blobs.delete("attach_never").await.unwrap();
}

#[tokio::test]
async fn the_limit_is_exact_and_nothing_stays_beyond_it() {
    let (dir, blobs) = store();
    for limit in [0_u64, 10, 300_000] {
        let exact = noise(usize::try_from(limit).unwrap(), 9);
        let mut writer = blobs.writer(limit);
        writer.write(exact.clone().into()).await.unwrap();
        assert_eq!(writer.size(), limit);
        assert_eq!(writer.finish("attach_exact").await.unwrap().size, limit);

        let mut writer = blobs.writer(limit);
        writer.write(exact.into()).await.unwrap();
        for _ in 0..2 {
            let error = writer.write(Bytes::from_static(b"1")).await.unwrap_err();
            assert!(matches!(error, BlobError::TooLarge { limit: l } if l == limit), "{error:?}");
        }
        let error = writer.finish(KEY).await.unwrap_err();
        assert!(matches!(error, BlobError::TooLarge { .. }), "{error:?}");
        assert_eq!(blobs.size(KEY).await.unwrap(), None);
    }
    assert_eq!(files(&dir.path().join("objects")), 1, "only attach_exact");
}

#[test]
fn a_dropped_upload_leaves_nothing() {
    let (dir, blobs) = store();
    let tmp = dir.path().join("tmp");
    // Dropping a runtime waits for what runs on its blocking pool.
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let mut writers = Vec::new();
        for _ in 0..4 {
            let mut writer = blobs.writer(u64::MAX);
            writer.write(noise(600_000, 1).into()).await.unwrap();
            writers.push(writer);
        }
        assert_eq!(files(&tmp), 4);
        let last = writers.pop().unwrap();
        assert!(matches!(last.finish("../up").await, Err(BlobError::BadKey)));
    });
    drop(runtime);
    assert_eq!(files(&tmp), 0);
    assert_eq!(files(&dir.path().join("objects")), 0);
}

#[test]
fn a_crash_in_the_middle_leaves_no_object_and_the_next_start_cleans() {
    let dir = tempfile::tempdir().unwrap();
    let tmp = dir.path().join("tmp");
    let blobs = Blobs::open(dir.path()).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        put(&blobs, KEY, b"safe").await.unwrap();
        let mut writer = blobs.writer(u64::MAX);
        writer.write(noise(600_000, 1).into()).await.unwrap();
        assert_eq!(files(&tmp), 1, "written under tmp");
        assert_eq!(files(&dir.path().join("objects")), 1, "nothing half written is visible");
        // What a process that is killed leaves: the file, and no destructor that ran.
        let left = std::fs::read_dir(&tmp).unwrap().next().unwrap().unwrap().path();
        std::fs::copy(&left, tmp.join("left")).unwrap();
    });
    drop((runtime, blobs));
    assert_eq!(files(&tmp), 1);

    let blobs = Blobs::open(dir.path()).unwrap();
    assert_eq!(files(&tmp), 0);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    assert_eq!(runtime.block_on(get(&blobs, KEY)).unwrap(), b"safe");
}

#[tokio::test]
async fn a_second_opener_takes_no_running_upload_away() {
    let (dir, blobs) = store();
    let bytes = noise(600_000, 1);
    let mut writer = blobs.writer(u64::MAX);
    writer.write(bytes.clone().into()).await.unwrap();
    let beside = Blobs::open(dir.path()).unwrap();
    writer.finish(KEY).await.unwrap();
    assert!(get(&beside, KEY).await.unwrap() == bytes);
}

#[tokio::test]
async fn only_our_keys() {
    let (dir, blobs) = store();
    let long = "a".repeat(65);
    for bad in [
        "",
        "a",
        "ab",
        ".",
        "..",
        "...",
        "../etc",
        "/etc/passwd",
        "a/b",
        "a\\b",
        "attach_1.png",
        "attach_\0",
        "attach_é",
        "attach 1",
        "attach_%2e%2e",
        "C:abc",
        "~root",
        &long,
    ] {
        assert!(matches!(put(&blobs, bad, b"x").await, Err(BlobError::BadKey)), "{bad:?}");
        assert!(matches!(blobs.read(bad, None).await, Err(BlobError::BadKey)), "{bad:?}");
        assert!(matches!(blobs.size(bad).await, Err(BlobError::BadKey)), "{bad:?}");
        assert!(matches!(blobs.delete(bad).await, Err(BlobError::BadKey)), "{bad:?}");
        assert!(matches!(blobs.make_thumbnail(bad, KEY, 9).await, Err(BlobError::BadKey)), "{bad:?}");
        assert!(matches!(blobs.make_thumbnail(KEY, bad, 9).await, Err(BlobError::BadKey)), "{bad:?}");
    }
    assert_eq!(files(&dir.path().join("objects")), 0);
    for good in ["abc", "attach_06ew1g", "user_1-avatar", &"Z".repeat(64)] {
        put(&blobs, good, b"x").await.unwrap();
    }
    assert_eq!(files(&dir.path().join("objects")), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_at_once() {
    let (dir, blobs) = store();
    let uploads = (0..32_u32).map(|n| {
        let blobs = blobs.clone();
        tokio::spawn(async move {
            let (key, bytes) = (format!("attach_{n:04}"), noise(200_000 + 10_000 * n as usize, n + 1));
            put(&blobs, &key, &bytes).await.unwrap();
            assert!(get(&blobs, &key).await.unwrap() == bytes, "{key}");
        })
    });
    for upload in uploads.collect::<Vec<_>>() {
        upload.await.unwrap();
    }
    assert_eq!(files(&dir.path().join("objects")), 32);
    assert_eq!(files(&dir.path().join("tmp")), 0);
}

#[tokio::test]
async fn one_key_from_two_sides_is_one_of_both() {
    let (_dir, blobs) = store();
    let (a, b) = (noise(400_000, 1), noise(300_000, 2));
    let (left, right) = tokio::join!(put(&blobs, KEY, &a), put(&blobs, KEY, &b));
    left.unwrap();
    right.unwrap();
    let kept = get(&blobs, KEY).await.unwrap();
    assert!(kept == a || kept == b);
}

#[tokio::test]
async fn others_on_the_machine_cannot_look_in() {
    use std::os::unix::fs::PermissionsExt as _;
    let (dir, blobs) = store();
    put(&blobs, KEY, b"x").await.unwrap();
    for folder in ["objects", "tmp"] {
        let mode = std::fs::metadata(dir.path().join(folder)).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{folder}");
    }
}

#[tokio::test]
async fn a_full_disk_is_told_apart() {
    // Linux has a device that is always full.
    let full = Path::new("/dev/full");
    if !full.exists() {
        return;
    }
    let error = std::fs::write(full, b"x").unwrap_err();
    assert!(matches!(BlobError::from(error), BlobError::Full(_)));
    let other = std::io::Error::from(std::io::ErrorKind::PermissionDenied);
    assert!(matches!(BlobError::from(other), BlobError::Io(_)));
}

#[tokio::test]
async fn a_failed_write_is_reported_and_nothing_is_stored() {
    let (dir, blobs) = store();
    let mut writer = blobs.writer(u64::MAX);
    std::fs::remove_dir(dir.path().join("tmp")).unwrap();
    let mut failed = false;
    for _ in 0..3 {
        failed |= writer.write(noise(300_000, 1).into()).await.is_err();
    }
    assert!(failed, "by a later call at the latest");
    assert!(matches!(writer.finish(KEY).await, Err(BlobError::Io(_))));
    assert_eq!(blobs.size(KEY).await.unwrap(), None);
}
