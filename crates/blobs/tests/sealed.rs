//! Sealed objects: opened by their key alone, in any range, and not at all once they were tampered with.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    reason = "tests"
)]

mod common;

use std::{ops::Range, path::Path};

use blobs::{BlobError, Blobs, Secret};
use bytes::Bytes;
use common::{get, noise, put, store};
use futures_util::TryStreamExt as _;
use proptest::prelude::*;

const CHUNK: usize = 64 * 1024;

fn secret(part: u8) -> Secret {
    Secret { key: [9; 32].into(), part }
}

/// The plain bytes, or that they cannot be had.
async fn opened(blobs: &Blobs, key: &str, secret: Secret, range: Option<Range<u64>>) -> Option<Vec<u8>> {
    let object = match blobs.read_sealed(key, secret, range).await {
        Ok(object) => object.unwrap(),
        Err(BlobError::Damaged) => return None,
        Err(error) => panic!("{error}"),
    };
    let parts: Vec<Bytes> = object.body.try_collect().await.ok()?;
    Some(parts.concat())
}

fn object(dir: &Path, key: &str) -> std::path::PathBuf {
    dir.join("objects").join(&key[key.len() - 2..]).join(key)
}

#[tokio::test]
async fn sealed_and_plain_again() {
    let (dir, blobs) = store();
    for len in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 300_000] {
        let bytes = noise(len, 7);
        put(&blobs, "plain_1", &bytes).await.unwrap();
        let stored = blobs.rewrite("plain_1", None, "sealed_1", Some(&secret(0))).await.unwrap().unwrap();
        let on_disk = std::fs::read(object(dir.path(), "sealed_1")).unwrap();
        assert_eq!(stored.size, on_disk.len() as u64);
        let beginning = &bytes[..len.min(16)];
        assert!(len < 16 || !on_disk.windows(16).any(|window| window == beginning));
        assert!(opened(&blobs, "sealed_1", secret(0), None).await.unwrap() == bytes, "{len}");
        if len > 0 {
            assert_eq!(opened(&blobs, "sealed_1", secret(1), None).await, None);
        }
        // Under another key, and open again.
        let other = Secret { key: [8; 32].into(), part: 3 };
        blobs.rewrite("sealed_1", Some(&secret(0)), "sealed_2", Some(&other)).await.unwrap().unwrap();
        assert!(opened(&blobs, "sealed_2", other.clone(), None).await.unwrap() == bytes);
        blobs.rewrite("sealed_2", Some(&other), "plain_2", None).await.unwrap().unwrap();
        assert!(get(&blobs, "plain_2").await.unwrap() == bytes);
    }
    assert!(blobs.rewrite("nothing", None, "sealed_1", Some(&secret(0))).await.unwrap().is_none());
    assert!(blobs.read_sealed("nothing", secret(0), None).await.unwrap().is_none());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_range(total in 0_usize..3 * CHUNK, start in 0_u64..4 * 65_536, length in 0_u64..3 * 65_536) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (_dir, blobs) = store();
            let bytes = noise(total, 3);
            put(&blobs, "plain_1", &bytes).await.unwrap();
            blobs.rewrite("plain_1", None, "sealed_1", Some(&secret(0))).await.unwrap();
            let range = start..start + length;
            let within = |at: u64| usize::try_from(at).unwrap().min(total);
            let got = opened(&blobs, "sealed_1", secret(0), Some(range.clone())).await.unwrap();
            assert!(got == bytes[within(range.start)..within(range.end)], "{range:?} of {total}");
        });
    }

    /// Cut off, longer, or one bit changed in what is read: nothing comes out as if it were whole.
    #[test]
    fn tampering(total in 1_usize..3 * CHUNK, at in 0_usize..4 * CHUNK, what in 0..3) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (dir, blobs) = store();
            put(&blobs, "plain_1", &noise(total, 3)).await.unwrap();
            blobs.rewrite("plain_1", None, "sealed_1", Some(&secret(0))).await.unwrap();
            let file = object(dir.path(), "sealed_1");
            let mut sealed = std::fs::read(&file).unwrap();
            match what {
                0 => sealed.truncate(at % sealed.len()),
                1 => sealed.extend(vec![0; 1 + at]),
                _ => {
                    let at = at % sealed.len();
                    sealed[at] ^= 4;
                }
            }
            std::fs::write(&file, sealed).unwrap();
            assert_eq!(opened(&blobs, "sealed_1", secret(0), None).await, None);
            let copy = blobs.rewrite("sealed_1", Some(&secret(0)), "plain_2", None).await;
            assert!(matches!(copy, Err(BlobError::Damaged)));
            assert_eq!(get(&blobs, "plain_2").await, None);
            if what < 2 {
                // A range at the beginning tells as well.
                assert_eq!(opened(&blobs, "sealed_1", secret(0), Some(0..1)).await, None);
            }
        });
    }
}
