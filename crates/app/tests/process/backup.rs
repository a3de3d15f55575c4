//! `hongyan export` and `hongyan import`: an installation moves, whole, to either kind of database.

use std::{
    collections::BTreeMap,
    io::{Cursor, Read as _, Write as _},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use serde_json::{Value, json};
use testkit::tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use zip::{ZipArchive, ZipWriter, write::SimpleFileOptions};

use crate::{
    client::{Client, PASSWORD, User, draft},
    now, pass,
    server::{Home, said},
    sink::{Sink, Verdict},
};

/// Larger than any buffer on its way, and not to be packed.
fn picture() -> Vec<u8> {
    let noise = (0..700_000_u32).map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[1]);
    testkit::app::png(40, 30).into_iter().chain(noise).collect()
}

async fn upload(client: &Client, user: &User, bytes: &[u8]) -> Value {
    let part = |name: &str| format!("--X\r\nContent-Disposition: form-data; name=\"{name}\"");
    let form = [
        format!("{}\r\n\r\nIMAGE\r\n{}; filename=\"a.png\"\r\n\r\n", part("type"), part("file")).as_bytes(),
        bytes,
        b"\r\n--X--\r\n",
    ]
    .concat();
    let head = format!(
        "POST /api/v1/upload/attachment HTTP/1.1\r\nHost: hongyan.test\r\nConnection: close\r\nAuthorization: Bearer {}\r\n\
         Content-Type: multipart/form-data; boundary=X\r\nContent-Length: {}\r\n\r\n",
        user.token,
        form.len()
    );
    let mut stream = tokio::net::TcpStream::connect(client.address()).await.unwrap();
    stream.write_all(&[head.as_bytes(), &form].concat()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let body: Value = serde_json::from_str(answer.split("\r\n\r\n").nth(1).unwrap()).unwrap();
    assert_eq!(body["code"], 200, "{answer}");
    body["data"].clone()
}

/// The letters of an installation, as their author and their reader see them.
struct Seen {
    author: User,
    reader: User,
    /// Title to id.
    letters: BTreeMap<&'static str, String>,
    picture: String,
}

async fn write(client: &Client) -> Seen {
    let (author, reader) = (client.register("author").await, client.register("reader").await);
    let file = upload(client, &author, &picture()).await;
    let to = Some(reader.email.as_str());
    let mut letters = BTreeMap::new();
    let picture = json!([{"type": "IMAGE", "url": file["url"]}]);
    for (title, extra) in [
        ("plain 你好 \"quoted\"", json!({})),
        ("with a picture", json!({"attachments": picture})),
        ("encrypted", json!({"isEncrypted": true})),
        ("a draft", json!({})),
        ("in ten years", json!({})),
        ("due soon", json!({})),
    ] {
        let mut body = draft(title, to);
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        let id =
            client.api("POST", "/mails", &author, Some(body)).await["mailId"].as_str().unwrap().to_owned();
        let at = match title {
            "a draft" => None,
            "in ten years" => Some(now() + Duration::from_secs(10 * 365 * 86_400)),
            "due soon" => Some(now() + Duration::from_secs(25)),
            _ => Some(crate::soon()),
        };
        if let Some(at) = at {
            client
                .api("POST", "/mails/send-to-future", &author, Some(json!({"mailId": id, "sendTime": at})))
                .await;
        }
        letters.insert(title, id);
    }
    for title in ["plain 你好 \"quoted\"", "with a picture", "encrypted"] {
        client.settled(&author, &letters[title], "inbox", "done").await;
    }
    let picture = file["url"].as_str().unwrap().replace("http://hongyan.test", "");
    Seen { author, reader, letters, picture }
}

impl Seen {
    /// Everything that a letter's people can see of it.
    async fn all(&self, client: &Client) -> Vec<Value> {
        let mut all = Vec::new();
        for id in self.letters.values() {
            let mut detail = client.api("GET", &format!("/mails/{id}"), &self.author, None).await;
            // Runs.
            detail.as_object_mut().unwrap().remove("countdown");
            all.push(detail);
        }
        all.push(client.api("GET", "/user/profile", &self.reader, None).await);
        all
    }

    async fn readable(&self, client: &Client) {
        let got = client.call("GET", &self.picture, Some(&self.reader.token), None).await.unwrap();
        assert!(got.bytes == picture(), "{} {} bytes", got.status, got.bytes.len());
        let unlock = format!("/mails/{}/unlock", self.letters["encrypted"]);
        let opened = client.api("POST", &unlock, &self.reader, Some(json!({"password": PASSWORD}))).await;
        assert_eq!(opened["content"], "The text of encrypted.");
        assert_eq!(client.login(&self.reader.email, PASSWORD).await.status, 200);
    }

    async fn titles(&self, client: &Client) -> Vec<String> {
        let inbox = client.list(&self.reader, "type=INBOX").await;
        let mut titles: Vec<String> = inbox.iter().map(|l| l["title"].as_str().unwrap().to_owned()).collect();
        titles.sort();
        titles
    }
}

fn folder() -> TempDir {
    testkit::tempfile::tempdir().unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A member, and what becomes of its bytes; `None`: it is gone.
type Change<'a> = (&'a str, Option<&'a dyn Fn(&[u8]) -> Vec<u8>>);

/// The archive with some of its members changed: removed, replaced or added.
fn changed(archive: &Path, changes: &[Change<'_>]) -> PathBuf {
    let mut zip = ZipArchive::new(Cursor::new(std::fs::read(archive).unwrap())).unwrap();
    let mut out = ZipWriter::new(Cursor::new(Vec::new()));
    let mut added: Vec<&str> = changes.iter().map(|(name, _)| *name).collect();
    for n in 0..zip.len() {
        let mut member = zip.by_index(n).unwrap();
        let name = member.name().unwrap().into_owned();
        let mut bytes = Vec::new();
        member.read_to_end(&mut bytes).unwrap();
        added.retain(|known| *known != name);
        match changes.iter().find(|(known, _)| *known == name) {
            Some((_, None)) => continue,
            Some((_, Some(change))) => bytes = change(&bytes),
            None => {}
        }
        out.start_file(name, SimpleFileOptions::default()).unwrap();
        out.write_all(&bytes).unwrap();
    }
    for name in added {
        out.start_file(name, SimpleFileOptions::default()).unwrap();
    }
    let path = archive.with_file_name(format!("changed-{}.zip", crate::random(u64::MAX)));
    std::fs::write(&path, out.finish().unwrap().into_inner()).unwrap();
    path
}

/// A manifest with some of it changed.
fn manifest(change: impl Fn(&mut Value)) -> impl Fn(&[u8]) -> Vec<u8> {
    move |bytes| {
        let mut manifest: Value = serde_json::from_slice(bytes).unwrap();
        change(&mut manifest);
        manifest.to_string().into_bytes()
    }
}

#[track_caller]
fn fails(home: &Home, args: &[&str], says: &[&str]) {
    let out = home.run(args, "");
    let said = said(&out);
    assert_eq!(out.status.code(), Some(1), "{args:?}: {said}");
    for what in says {
        assert!(said.contains(what), "{args:?} does not say {what:?}: {said}");
    }
}

async fn targets() -> Vec<Home> {
    let mut targets = vec![Home::sqlite()];
    targets.extend(Home::postgres().await);
    targets
}

async fn moves(source: Home) {
    let sink = Sink::start(|_, _| Verdict::Silence);
    let source = source
        .set("MAIL__TRANSPORT", "smtp")
        .set("MAIL__SMTP_URL", &sink.url())
        .set("ACCOUNTS__VERIFY_EMAIL", "never");
    let server = source.serve().await;
    let client = Client::new(server.address);
    let seen = write(&client).await;
    let dir = folder();
    let file = dir.path().join("hongyan.zip");
    let path = text(&file);

    // Others go on writing.
    let (busy, writer) = (client.clone(), seen.author.clone());
    let writing = tokio::spawn(async move {
        for n in 0.. {
            let body = draft(&format!("meanwhile {n}"), None);
            if busy.call("POST", "/api/v1/mails", Some(&writer.token), Some(body)).await.is_err() {
                break;
            }
        }
    });
    crate::eventually(Duration::from_secs(30), "a mail is in hand", async || {
        (!sink.asked(&seen.reader.email).is_empty()).then_some(())
    })
    .await;
    let said = source.done(&["export", path, "--with-keyring"], "");
    assert!(said.contains("WITH THE KEYRING"), "{said}");
    let before = seen.all(&client).await;
    fails(&source, &["export", path], &["exists already"]);
    server.kill();
    writing.await.unwrap();
    assert!(source.done(&["import", path, "--check"], "").contains("whole"));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is left beside it");

    for target in targets().await {
        let said = target.done(&["import", path], "");
        assert!(!said.contains(" 0 deliveries that were in hand"), "{said}");
        fails(&target, &["import", path], &["the database is not empty"]);
        target.done(&["doctor"], "");
        let server = target.serve().await;
        let client = Client::new(server.address);
        let after = seen.all(&client).await;
        seen.readable(&client).await;
        for (before, after) in before.iter().zip(&after) {
            if before["status"] != "PENDING" {
                assert_eq!(after, before);
            } else {
                assert_eq!(after["content"], before["content"]);
                assert_eq!(after["sendTime"], before["sendTime"]);
            }
        }
        client.settled(&seen.author, &seen.letters["due soon"], "email", "done").await;
        let expected = ["due soon", "encrypted", "plain 你好 \"quoted\"", "with a picture"];
        assert_eq!(seen.titles(&client).await, expected, "each once");
        for title in ["plain 你好 \"quoted\"", "with a picture", "encrypted"] {
            client.settled(&seen.author, &seen.letters[title], "email", "done").await;
        }
        pass(Duration::from_millis(500)).await;
        assert_eq!(target.outbox().len(), 4, "each mail once");
        assert_eq!(seen.titles(&client).await, expected);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_installation_moves_from_sqlite() {
    moves(Home::sqlite()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_installation_moves_from_postgres() {
    if let Some(home) = Home::postgres().await {
        moves(home).await;
    }
}

/// A small installation's archive, without its keyring, and the installation.
async fn small() -> (Home, TempDir, PathBuf) {
    let source = Home::sqlite();
    let server = source.serve().await;
    let client = Client::new(server.address);
    let user = client.register("author").await;
    upload(&client, &user, &picture()).await;
    client.api("POST", "/mails", &user, Some(draft("one", None))).await;
    let dir = folder();
    let file = dir.path().join("small.zip");
    let said = source.done(&["export", text(&file)], "");
    assert!(said.contains("WITHOUT THE KEYRING"), "{said}");
    server.kill();
    (source, dir, file)
}

fn is_untouched(home: &Home) {
    let files = home.data().join("files/objects");
    let objects = walk(&files);
    assert!(objects.is_empty(), "{objects:?}");
    assert!(!home.data().join("keyring").exists());
}

fn walk(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let entries = entries.map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_a_whole_archive_is_refused_by_name() {
    let (source, _dir, good) = small().await;
    let longer = |bytes: &[u8]| [bytes, b"[]\n"].concat();
    let other =
        |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap().replace("author", "writer").into_bytes();
    let form = manifest(|m| m["format"] = json!(2));
    let newer = manifest(|m| {
        m["migrations"].as_array_mut().unwrap().push(json!({"name": "letters/999_wings", "checksum": "00"}));
    });
    let edited = manifest(|m| m["migrations"][0]["checksum"] = json!("00"));
    let fewer = manifest(|m| m["tables"][0]["rows"] = json!(12_345));
    let climbing =
        manifest(|m| m["secrets"] = json!([{"member": "secrets/../../x", "bytes": 0, "sha256": ""}]));
    let nothing = |_: &[u8]| Vec::new();
    let first = String::from_utf8_lossy(&member(&good, "files.jsonl")).lines().next().unwrap().to_owned();
    let key = serde_json::from_str::<Value>(&first).unwrap()["key"].as_str().unwrap().to_owned();
    let object = format!("files/{key}");
    let escape =
        |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap().replace(&key, "../../x").into_bytes();
    let cases: Vec<(Vec<Change<'_>>, &str)> = vec![
        (vec![("tables/users.jsonl", Some(&other))], "tables/users.jsonl is damaged"),
        (vec![("tables/users.jsonl", Some(&longer))], "tables/users.jsonl is damaged"),
        (vec![("tables/letters.jsonl", None)], "tables/letters.jsonl is missing"),
        (vec![(&object, Some(&nothing))], &object),
        (vec![(&object, Some(&longer))], &object),
        (vec![(&object, None)], &object),
        (vec![("files.jsonl", Some(&escape))], "files.jsonl is damaged"),
        (vec![("files/../../evil", Some(&nothing))], "evil"),
        (vec![("manifest.json", None)], "is not an archive of Hongyan"),
        (vec![("manifest.json", Some(&nothing))], "manifest.json is not Hongyan's"),
        (vec![("manifest.json", Some(&form))], "format 2"),
        (vec![("manifest.json", Some(&newer))], "letters/999_wings"),
        (vec![("manifest.json", Some(&edited))], "was changed"),
        (vec![("manifest.json", Some(&fewer))], "12345"),
        (vec![("manifest.json", Some(&climbing))], "no file of keys"),
    ];
    let target = Home::sqlite();
    for (changes, says) in &cases {
        let bad = changed(&good, changes);
        fails(&target, &["import", text(&bad), "--check"], &[says]);
        fails(&target, &["import", text(&bad)], &[says]);
    }
    let whole = std::fs::read(&good).unwrap();
    let cut = good.with_file_name("cut.zip");
    std::fs::write(&cut, &whole[..whole.len() - 30]).unwrap();
    fails(&target, &["import", text(&cut)], &["is not a whole zip archive"]);
    let mut bent = whole.clone();
    let at = bent.windows(object.len()).position(|w| w == object.as_bytes()).unwrap() + object.len() + 5000;
    bent[at] ^= 1;
    std::fs::write(&cut, &bent).unwrap();
    fails(&target, &["import", text(&cut)], &[&object, "damaged"]);
    fails(&target, &["import", "/nowhere/x.zip"], &["/nowhere/x.zip"]);
    assert!(!target.data().exists(), "nothing is made before the archive is known to be good");

    // The archive of an older version: without what came later.
    let older = manifest(|m| {
        m["migrations"].as_array_mut().unwrap().retain(|m| !m["name"].as_str().unwrap().starts_with("kb/"));
        m["tables"].as_array_mut().unwrap().retain(|t| !t["name"].as_str().unwrap().starts_with("kb_"));
    });
    let older = changed(
        &good,
        &[
            ("manifest.json", Some(&older)),
            ("tables/kb_bases.jsonl", None),
            ("tables/kb_entries.jsonl", None),
            ("tables/kb_numbers.jsonl", None),
        ],
    );
    for target in targets().await {
        std::fs::create_dir_all(target.data()).unwrap();
        std::fs::copy(source.data().join("keyring"), target.data().join("keyring")).unwrap();
        target.done(&["import", text(&older)], "");
        target.done(&["doctor"], "");
        assert!(target.done(&["user", "list"], "").contains("author@example.com"));
    }
}

fn member(archive: &Path, name: &str) -> Vec<u8> {
    let mut zip = ZipArchive::new(std::fs::File::open(archive).unwrap()).unwrap();
    let mut bytes = Vec::new();
    zip.by_name(name).unwrap().read_to_end(&mut bytes).unwrap();
    bytes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_needs_an_empty_installation_and_its_keys() {
    let (source, _dir, file) = small().await;
    let path = text(&file);
    for target in targets().await {
        fails(&target, &["import", path], &["keyring", "--without-keyring"]);
        is_untouched(&target);
        std::fs::write(target.data().join("keyring"), "1 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n")
            .unwrap();
        fails(&target, &["import", path], &["keyring", "--without-keyring"]);
        std::fs::copy(source.data().join("keyring"), target.data().join("keyring")).unwrap();

        let stray = target.data().join("files/objects/ay/attach_stray");
        std::fs::create_dir_all(stray.parent().unwrap()).unwrap();
        std::fs::write(&stray, "stray").unwrap();
        fails(&target, &["import", path], &["attach_stray is not of this archive"]);
        assert!(stray.exists(), "what was there stays");
        std::fs::remove_file(&stray).unwrap();

        target.done(&["import", path], "");
        let server = target.serve().await;
        assert_eq!(Client::new(server.address).login("author@example.com", PASSWORD).await.status, 200);
        if target.data().join("hongyan.db").exists() {
            fails(&target, &["import", path], &["another Hongyan server is running"]);
        } else {
            fails(&target, &["import", path], &["the database is not empty"]);
        }
        server.kill();
        assert!(
            target
                .done(&["export", text(&file.with_extension("again")), "--with-keyring"], "")
                .contains("WITH")
        );
        std::fs::remove_file(file.with_extension("again")).unwrap();
    }
    let alone = Home::sqlite();
    alone.done(&["import", path, "--without-keyring"], "");
    assert!(alone.done(&["user", "list"], "").contains("author@example.com"));
    let (other, _other_dir, other_file) = small().await;
    fails(&other, &["import", text(&other_file)], &["the database is not empty"]);
    let empty = Home::sqlite();
    std::fs::create_dir_all(empty.data()).unwrap();
    fails(&empty, &["export", text(&file.with_extension("none"))], &["hongyan migrate"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_that_was_killed_is_repeated() {
    let (_source, _dir, file) = small().await;
    for target in targets().await {
        for _ in 0..6 {
            let mut child = target
                .command(&["import", text(&file), "--without-keyring"])
                .stdout(Stdio::null())
                .spawn()
                .unwrap();
            pass(Duration::from_millis(crate::random(150))).await;
            // It may be done already.
            let _ = child.kill();
            if child.wait().unwrap().success() {
                break;
            }
        }
        let out = target.run(&["import", text(&file), "--without-keyring"], "");
        let said = said(&out);
        assert!(out.status.success() || said.contains("the database is not empty"), "{said}");
        let server = target.serve().await;
        let client = Client::new(server.address);
        let user = crate::client::user(&client.login("author@example.com", PASSWORD).await.data());
        assert_eq!(client.list(&user, "type=DRAFT").await.len(), 1);
    }
}
