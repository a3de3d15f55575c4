//! The folder: whole files, one per Message-ID, never outside.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use std::{collections::BTreeSet, path::Path};

use transports::{Kind, Mailer, Outbox, Stage, parse_address};

fn files(dir: &Path) -> BTreeSet<String> {
    std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect()
}

fn message(id: &str, body: &str) -> Vec<u8> {
    format!("Subject: x\r\nmessage-ID: <{id}>\r\n\r\nMessage-ID: <not@this.one>\r\n{body}\r\n").into_bytes()
}

#[tokio::test]
async fn the_same_message_is_the_same_file() {
    let dir = tempfile::tempdir().unwrap();
    let mailer = Mailer::File(Outbox::open(dir.path().join("a/b")).unwrap());
    let to = parse_address("li@example.org").unwrap();
    let bytes = message("dlv_1.k3@letters.example.org", "hello");
    for _ in 0..2 {
        let receipt = mailer.send("", &to, &bytes).await.unwrap();
        assert_eq!(receipt.answer, "stored as dlv_1.k3@letters.example.org.eml");
    }
    let found = mailer.check().await.unwrap();
    assert!(found.ends_with("is writable"), "{found}");
    let dir = dir.path().join("a/b");
    assert_eq!(files(&dir), BTreeSet::from(["dlv_1.k3@letters.example.org.eml".to_owned()]));
    assert_eq!(std::fs::read(dir.join("dlv_1.k3@letters.example.org.eml")).unwrap(), bytes);
}

#[tokio::test]
async fn no_message_id_leaves_the_folder_or_meets_another() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("outbox");
    let outbox = Outbox::open(&dir).unwrap();
    let long = format!("{}@a", "x".repeat(300));
    let longer = format!("{}@b", "x".repeat(300));
    let ids = [
        "../../etc/passwd@x",
        "..",
        ".",
        "a/b@c",
        "a_b@c",
        "a\\b@c",
        "信@x",
        ".hidden@x",
        "",
        "\0@x",
        &long,
        &longer,
    ];
    for id in ids {
        outbox.send(&message(id, id)).await.unwrap();
    }
    outbox.send(b"Subject: none\r\n\r\n").await.unwrap();
    outbox.send(b"").await.unwrap();
    assert_eq!(files(parent.path()), BTreeSet::from(["outbox".to_owned()]));
    let files = files(&dir);
    assert_eq!(files.len(), ids.len() + 2, "{files:?}");
    assert!(files.iter().all(|f| f.ends_with(".eml") && !f.starts_with('.') && f.len() < 200), "{files:?}");
}

#[tokio::test]
async fn concurrent_attempts_leave_one_whole_file() {
    let dir = tempfile::tempdir().unwrap();
    let outbox = Outbox::open(dir.path()).unwrap();
    let bytes = message("a@b", &"line\r\n".repeat(10_000));
    let sends: Vec<_> = (0..16)
        .map(|_| {
            let (outbox, bytes) = (outbox.clone(), bytes.clone());
            tokio::spawn(async move { outbox.send(&bytes).await })
        })
        .collect();
    for send in sends {
        send.await.unwrap().unwrap();
    }
    assert_eq!(files(dir.path()), BTreeSet::from(["a@b.eml".to_owned()]));
    assert_eq!(std::fs::read(dir.path().join("a@b.eml")).unwrap(), bytes);
}

#[tokio::test]
async fn a_folder_that_went_away_is_our_trouble() {
    let dir = tempfile::tempdir().unwrap();
    let outbox = Outbox::open(dir.path().join("gone")).unwrap();
    std::fs::remove_dir(dir.path().join("gone")).unwrap();
    let e = outbox.send(&message("a@b", "x")).await.unwrap_err();
    assert_eq!((e.kind, e.stage, e.in_doubt), (Kind::Transient, Stage::Store, false));
    assert_eq!(outbox.check().await.unwrap_err().stage, Stage::Store);
    assert!(Outbox::open(Path::new("/proc/version/x")).is_err());
}
