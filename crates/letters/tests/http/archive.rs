//! An account's archive: what is in it, what is not, and what becomes of it when it is taken in.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{Cursor, Read as _, Write as _},
};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use testkit::app::{Answer, PASSWORD, TestApp, User, png};
use zip::{ZipArchive, ZipWriter, write::SimpleFileOptions};

use crate::helpers::*;

type Members = BTreeMap<String, Vec<u8>>;

async fn export(app: &TestApp, user: &User, body: Value) -> Vec<u8> {
    let answer = app.post("/user/export", user, body).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.headers["content-type"], "application/zip");
    assert_eq!(answer.headers["content-length"], answer.bytes.len().to_string());
    assert_eq!(answer.headers["cache-control"], "no-store");
    answer.bytes
}

async fn import(app: &TestApp, user: &User, bytes: &[u8]) -> Answer {
    app.upload("/user/import", user, "hongyan.zip", bytes, None).await
}

/// The members of an archive, each as its manifest says.
fn members(bytes: &[u8]) -> Members {
    let mut zip = ZipArchive::new(Cursor::new(bytes)).unwrap();
    let mut all = Members::new();
    for n in 0..zip.len() {
        let mut member = zip.by_index(n).unwrap();
        let mut bytes = Vec::new();
        member.read_to_end(&mut bytes).unwrap();
        all.insert(member.name().unwrap().into_owned(), bytes);
    }
    let manifest: Value = serde_json::from_slice(&all["manifest.json"]).unwrap();
    let named = manifest["members"].as_array().unwrap();
    assert_eq!(named.len() + 1, all.len());
    for member in named {
        let bytes = &all[member["name"].as_str().unwrap()];
        assert_eq!(member["size"], bytes.len());
        assert_eq!(member["sha256"], digest(bytes));
    }
    all
}

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}

fn letter(all: &Members, id: &str) -> Value {
    serde_json::from_slice(&all[&format!("letters/{id}.json")]).unwrap()
}

fn letters(all: &Members) -> BTreeSet<String> {
    let ids = all.keys().filter_map(|name| name.strip_prefix("letters/")?.strip_suffix(".json"));
    ids.map(str::to_owned).collect()
}

/// An archive of these members; the manifest names `named`, or all but itself.
fn archive(all: &Members, named: Option<Value>) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let mut list = Vec::new();
    for (name, bytes) in all.iter().filter(|(name, _)| *name != "manifest.json") {
        list.push(json!({"name": name, "size": bytes.len(), "sha256": digest(bytes)}));
        zip.start_file(name.as_str(), SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    let manifest = json!({"format": "hongyan-account/1", "version": "1", "createdAt": "", "letters": 1,
        "includesEncrypted": true, "account": {"userId": "", "username": "", "email": ""},
        "members": named.unwrap_or(Value::Array(list))});
    zip.start_file("manifest.json", SimpleFileOptions::default()).unwrap();
    zip.write_all(manifest.to_string().as_bytes()).unwrap();
    zip.finish().unwrap().into_inner()
}

/// A letter as an archive has it.
fn written(fields: Value) -> Members {
    let letter = with(
        json!({"mailId": "mail_1", "title": "旧信", "content": "很久以前", "status": "DRAFT",
            "createdAt": "2020-01-02T03:04:05Z", "isEncrypted": false, "attachments": []}),
        fields,
    );
    Members::from([("letters/mail_1.json".to_owned(), letter.to_string().into_bytes())])
}

fn attached(file: &Value) -> Value {
    json!({"attachments": [{"type": "IMAGE", "url": file["url"]}]})
}

async fn bytes_of(app: &TestApp, user: &User, detail: &Value) -> Vec<u8> {
    let url = detail["attachments"][0]["url"].as_str().unwrap();
    let answer = app.fetch(url, Some(&user.token), &[]).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.bytes
}

testkit::both! {
    &[];

    /// Every kind of letter comes back at another account, with its bytes, and only once.
    async fn a_round_trip(t) {
        let app = TestApp::new(t).await;
        let (author, friend, other) =
            (zhangsan(&app).await, app.user("friend").await, app.user("other").await);
        let picture = png(90, 60);
        let file = app.attachment(&author, "照片.png", &picture, "IMAGE").await;
        let shared = attached(&file);
        let draft = app.draft(&author, with(shared.clone(), json!({"title": "草稿",
            "recipientType": "SPECIFIC", "recipientEmail": friend.email, "sendTime": "2036-01-01T00:00:00Z"}))).await;
        let delivered = app.delivered(&author, with(shared, json!({"title": "到了"}))).await;
        let received = app.delivered(&friend, json!({"title": "来信", "content": "想你",
            "recipientType": "SPECIFIC", "recipientEmail": author.email})).await;
        let pending = app.draft(&author, json!({"title": "在路上"})).await;
        let send = app.now() + 2 * HOUR;
        app.schedule(&author, &pending, send).await.data();

        let bytes = export(&app, &author, json!({})).await;
        let all = members(&bytes);
        let ids = [&draft, &delivered, &received, &pending].map(String::to_owned);
        assert_eq!(letters(&all), BTreeSet::from(ids));
        let files: Vec<_> = all.iter().filter(|(name, _)| name.starts_with("files/")).collect();
        assert_eq!(files.len(), 1, "a file is in it once");
        assert_eq!(files[0].1, &picture);
        assert_eq!(letter(&all, &draft)["attachments"][0]["name"], "照片.png");
        assert_eq!(letter(&all, &received)["sender"]["username"], "friend");
        assert_eq!(letter(&all, &pending)["status"], "PENDING");
        let mail = String::from_utf8(all[&format!("letters/{received}.eml")].clone()).unwrap();
        assert!(mail.contains("friend@example.com") && mail.contains("Subject: "), "{mail}");
        let profile: Value = serde_json::from_slice(&all["profile.json"]).unwrap();
        assert_eq!(profile["profile"]["email"], "zhangsan@example.com");
        assert_eq!(profile["notificationSettings"]["pushNotification"], true);

        // At home nothing is made twice.
        let home = import(&app, &author, &bytes).await;
        assert_eq!((&home.data()["imported"], home.data()["skipped"].as_array().unwrap().len()), (&json!(0), 4));

        let done = import(&app, &other, &bytes).await;
        let expected = json!({"imported": 4, "drafts": 2, "delivered": 2, "skipped": []});
        assert_eq!(done.data(), &expected);
        let mut found = BTreeMap::new();
        for id in app.list(&other, "size=100").await {
            let detail = app.detail(&other, &id).await;
            found.insert(detail["title"].as_str().unwrap().to_owned(), detail);
        }
        assert_eq!(found.len(), 4);
        for (id, title) in [(&draft, "草稿"), (&delivered, "到了"), (&received, "来信"), (&pending, "在路上")] {
            let (before, after) = (app.detail(&author, id).await, &found[title]);
            for field in ["content", "createdAt", "deliveryTime", "sendTime", "capsuleStyle"] {
                assert_eq!(after[field], before[field], "{title}: {field}");
            }
        }
        assert_eq!(found["草稿"]["recipient"]["email"], friend.email);
        assert_eq!(found["到了"]["status"], "DELIVERED");
        assert_eq!(found["来信"]["recipientType"], "SELF");
        assert_eq!(found["在路上"]["status"], "DRAFT");
        for title in ["草稿", "到了"] {
            assert_eq!(bytes_of(&app, &other, &found[title]).await, picture);
        }
        assert_eq!(app.list(&other, "type=INBOX").await.len(), 2);
        let statistics = app.get("/statistics", &other).await;
        assert_eq!((&statistics.data()["totalSent"], &statistics.data()["totalReceived"]), (&json!(0), &json!(2)));
        // No quota was taken, nothing is on its way.
        for _ in 0..10 {
            app.draft(&other, json!({})).await;
        }
        let before = app.list(&friend, "type=INBOX").await.len();
        app.advance_to(send + HOUR).await;
        assert_eq!(app.list(&friend, "type=INBOX").await.len(), before);

        let again = import(&app, &other, &bytes).await;
        assert_eq!(again.data()["imported"], 0);
        // What was deleted comes back.
        let gone = found["草稿"]["mailId"].as_str().unwrap();
        app.delete(&format!("/mails/{gone}"), &other).await.data();
        let back = import(&app, &other, &bytes).await;
        assert_eq!((&back.data()["drafts"], &back.data()["imported"]), (&json!(1), &json!(1)));
    }

    /// Two imports of one archive at the same time make each letter once.
    async fn imports_at_the_same_time(t) {
        let app = TestApp::new(t).await;
        let (author, other) = (zhangsan(&app).await, app.user("other").await);
        for n in 0..5 {
            app.draft(&author, json!({"title": format!("信 {n}")})).await;
        }
        let bytes = export(&app, &author, json!({})).await;
        let (a, b) = tokio::join!(import(&app, &other, &bytes), import(&app, &other, &bytes));
        let made = |answer: &Answer| answer.data()["imported"].as_u64().unwrap();
        assert_eq!(made(&a) + made(&b), 5);
        assert_eq!(app.list(&other, "size=100").await.len(), 5);
    }

    /// Nobody finds in their archive what is not theirs to read yet.
    async fn undelivered_letters_of_others_are_not_in_it(t) {
        let app = TestApp::new(t).await;
        let (author, reader) = (zhangsan(&app).await, app.user("reader").await);
        let to = json!({"recipientType": "SPECIFIC", "recipientEmail": reader.email, "content": "GEHEIM-4711"});
        app.draft(&author, to.clone()).await;
        let mail = app.draft(&author, to).await;
        let send = app.now() + 3 * HOUR;
        app.schedule(&author, &mail, send).await.data();
        app.delivered(&author, json!({"title": "für sich"})).await;
        app.clock.set(send - MICRO);
        app.run_due().await;
        let all = members(&export(&app, &reader, json!({})).await);
        assert!(letters(&all).is_empty());
        app.advance_to(send).await;
        let all = members(&export(&app, &reader, json!({})).await);
        assert_eq!(letters(&all), BTreeSet::from([mail]));
    }

    /// The password opens what the server can read; what it cannot goes along as it is.
    async fn encrypted_letters(t) {
        let app = TestApp::new(t).await;
        let (author, other) = (zhangsan(&app).await, app.user("other").await);
        let picture = png(30, 40);
        let secret = json!({"isEncrypted": true, "content": "quod-nemo-legit"});
        let file = app.attachment(&author, "私.png", &picture, "IMAGE").await;
        let server = app.draft(&author, with(attached(&file), secret.clone())).await;
        let file = app.attachment(&author, "钥.png", &picture, "IMAGE").await;
        let phrase = json!({"passphrase": "open sesame", "passphraseHint": "Ali Baba"});
        let holder = app.draft(&author, with(with(attached(&file), secret), phrase)).await;

        let closed = export(&app, &author, json!({})).await;
        let all = members(&closed);
        for id in [&server, &holder] {
            let letter = letter(&all, id);
            assert_eq!((&letter["content"], &letter["isEncrypted"]), (&Value::Null, &json!(true)));
            assert!(!all.contains_key(&format!("letters/{id}.eml")));
        }
        for bytes in all.values() {
            assert!(!bytes.windows(15).any(|w| w == b"quod-nemo-legit"), "a text in the open");
            assert!(!bytes.windows(8).any(|w| w == &picture[..8]), "a picture in the open");
        }
        assert_eq!(letter(&all, &server)["attachments"][0].get("file"), None);
        let sealed = letter(&all, &holder);
        for field in ["text", "keyForPassphrase", "keyForRecovery"] {
            assert!(sealed["sealed"][field].as_str().unwrap().len() > 50, "{field}");
        }
        assert_eq!(sealed["passphraseHint"], "Ali Baba");
        let member = sealed["attachments"][0]["file"].as_str().unwrap();
        assert!(member.starts_with("sealed/") && all[member].len() > picture.len());
        assert!(sealed["attachments"][0]["sealedKey"].is_string());
        let done = import(&app, &other, &closed).await;
        assert_eq!((&done.data()["imported"], done.data()["skipped"].as_array().unwrap().len()), (&json!(0), 2));

        app.post("/user/export", &author, json!({"password": "wrong password"})).await.refused(403, &["password"]);
        let open = export(&app, &author, json!({"password": PASSWORD})).await;
        let all = members(&open);
        assert_eq!(letter(&all, &server)["content"], "quod-nemo-legit");
        let attachment = &letter(&all, &server)["attachments"][0];
        assert_eq!(attachment["name"], "私.png");
        assert_eq!(all[attachment["file"].as_str().unwrap()], picture);
        assert_eq!(letter(&all, &holder)["content"], Value::Null);

        // It is encrypted where it comes to, too.
        let done = import(&app, &other, &open).await;
        assert_eq!((&done.data()["drafts"], &done.data()["skipped"][0]["mailId"]), (&json!(1), &json!(holder)));
        let id = app.list(&other, "").await.remove(0);
        let detail = app.detail(&other, &id).await;
        assert_eq!((&detail["content"], &detail["readableBy"]), (&Value::Null, &json!("server")));
        let url = detail["attachments"][0]["url"].as_str().unwrap();
        app.fetch(url, Some(&other.token), &[]).await.refused(403, &[]);
        let opened = app.post(&format!("/mails/{id}/unlock"), &other, json!({"password": PASSWORD})).await;
        assert_eq!(opened.data()["content"], "quod-nemo-legit");
        assert_eq!(bytes_of(&app, &other, opened.data()).await, picture);
    }

    /// What is no archive, or not the one that its manifest says, makes nothing.
    async fn hostile_archives(t) {
        let app = TestApp::new(t).await;
        let user = zhangsan(&app).await;
        let refused = async |bytes: &[u8], field: &str| {
            import(&app, &user, bytes).await.refused(422, &[field]);
            assert!(app.list(&user, "").await.is_empty());
        };
        let good = written(json!({}));
        refused(b"", "file").await;
        refused(b"PK\x03\x04 this is no zip archive at all", "file").await;
        let bytes = archive(&good, None);
        refused(&bytes[..bytes.len() - 30], "file").await;
        app.post("/user/import", &user, json!({})).await.refused(400, &[]);

        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        zip.start_file("letters/mail_1.json", SimpleFileOptions::default()).unwrap();
        refused(&zip.finish().unwrap().into_inner(), "manifest.json").await;

        for name in ["../evil.json", "/etc/passwd", "letters/../../x.json", "letters\\mail_1.json", "x"] {
            let mut all = good.clone();
            all.insert(name.to_owned(), b"x".to_vec());
            refused(&archive(&all, None), "manifest.json").await;
        }
        let text = &good["letters/mail_1.json"];
        let entry = |size: usize, sha256: &str| json!([{"name": "letters/mail_1.json", "size": size, "sha256": sha256}]);
        for named in [entry(text.len(), &digest(b"another")), entry(text.len() - 1, &digest(text)),
            entry(text.len() + 1, &digest(text))] {
            refused(&archive(&good, Some(named)), "letters/mail_1.json").await;
        }
        refused(&archive(&good, Some(json!([]))), "file").await;
        let missing = json!([entry(text.len(), &digest(text))[0],
            {"name": "letters/mail_2.eml", "size": 1, "sha256": digest(b"x")}]);
        refused(&archive(&good, Some(missing)), "letters/mail_2.eml").await;
        let twice = json!([entry(text.len(), &digest(text))[0], entry(text.len(), &digest(text))[0]]);
        refused(&archive(&good, Some(twice)), "manifest.json").await;
    }

    /// What grows when it is unpacked, and what is too many.
    async fn bombs(t) {
        let app = TestApp::new(t).await;
        let user = zhangsan(&app).await;
        // Says that it is small and goes on.
        let zeros = Members::from([("files/attach_1".to_owned(), vec![0; 64 * 1024 * 1024])]);
        let small = json!([{"name": "files/attach_1", "size": 10, "sha256": digest(&[0; 10])}]);
        let bytes = archive(&zeros, Some(small));
        assert!(bytes.len() < 1024 * 1024);
        import(&app, &user, &bytes).await.refused(422, &["files/attach_1"]);
        // Says that it is as large as no plan allows.
        let large = json!([{"name": "files/attach_1", "size": 1_u64 << 40, "sha256": digest(b"")}]);
        import(&app, &user, &archive(&zeros, Some(large))).await.refused(422, &["file"]);
        let huge = json!([{"name": "letters/mail_1.json", "size": 1 << 30, "sha256": digest(b"")}]);
        import(&app, &user, &archive(&written(json!({})), Some(huge))).await.refused(422, &["letters/mail_1.json"]);
        let many: Vec<Value> = (0..10_001)
            .map(|n| json!({"name": format!("letters/mail_{n}.json"), "size": 1, "sha256": digest(b"x")}))
            .collect();
        import(&app, &user, &archive(&written(json!({})), Some(Value::Array(many)))).await.refused(422, &["file"]);
    }

    /// A table of contents of more members than any archive has is not even read.
    async fn too_many_members(t) {
        let app = TestApp::new(t).await;
        let user = zhangsan(&app).await;
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        for n in 0..50_001 {
            zip.start_file(format!("f{n}"), SimpleFileOptions::default()).unwrap();
        }
        import(&app, &user, &zip.finish().unwrap().into_inner()).await.refused(422, &["file"]);
    }

    /// What was counted of an inbox is right after an import at older dates, too.
    async fn statistics_after_an_import(t) {
        let app = TestApp::new(t).await;
        let user = zhangsan(&app).await;
        let some = |ids: std::ops::Range<i32>, day: &str| {
            let mut all = Members::new();
            for n in ids {
                let time = format!("{day}T03:04:05Z");
                let letter = json!({"mailId": format!("mail_{n}"), "title": "旧信", "content": "", "status": "DELIVERED",
                    "createdAt": "2018-01-02T03:04:05Z", "deliveredAt": time});
                all.insert(format!("letters/mail_{n}.json"), letter.to_string().into_bytes());
            }
            archive(&all, None)
        };
        let received = async || app.get("/statistics", &user).await.data()["totalReceived"].as_i64().unwrap();
        let done = import(&app, &user, &some(0..1001, "2020-05-05")).await;
        assert_eq!(done.data()["delivered"], 1001);
        assert_eq!(received().await, 1001);
        for (n, day) in [(2000, "2019-05-05"), (3000, "2020-06-05"), (4000, "2018-02-02")] {
            import(&app, &user, &some(n..n + 1, day)).await.data();
            assert_eq!(received().await, received().await);
        }
        assert_eq!(received().await, 1004);
    }

    /// Every bad field of a letter by its name, before anything is made.
    async fn bad_letters(t) {
        let app = TestApp::new(t).await;
        let user = zhangsan(&app).await;
        let later = (app.now() + HOUR).to_string();
        for (fields, bad, status) in [
            (json!({"title": ""}), "title", 422),
            (json!({"title": null}), "title", 400),
            (json!({"mailId": "mail_2"}), "mailId", 422),
            (json!({"status": "SENT"}), "status", 400),
            (json!({"createdAt": null}), "createdAt", 400),
            (json!({"createdAt": later}), "createdAt", 422),
            (json!({"status": "DELIVERED"}), "deliveredAt", 400),
            (json!({"status": "DELIVERED", "deliveredAt": later}), "deliveredAt", 422),
            (json!({"recipientType": "SPECIFIC"}), "recipientEmail", 422),
            (json!({"recipientType": "SPECIFIC", "recipientEmail": "x"}), "recipientEmail", 422),
            (json!({"attachments": [{"type": "IMAGE", "file": "files/attach_9"}]}), "attachments[0].file", 422),
            (json!({"attachments": [{"type": "IMAGE", "file": "letters/mail_1.json"}]}), "attachments[0].file", 422),
            (json!({"attachments": [{"type": "IMAGE", "url": "javascript:1"}]}), "attachments[0].url", 422),
        ] {
            let answer = import(&app, &user, &archive(&written(fields.clone()), None)).await;
            answer.refused(status, &[&format!("letters/mail_1.json: {bad}")]);
        }
        assert!(app.list(&user, "").await.is_empty());
        // A file that is not what it is said to be, or that the plan does not take, holds up nothing else.
        let fields = json!({"attachments": [{"type": "IMAGE", "file": "files/attach_1"}]});
        let mut all = written(fields);
        all.insert("files/attach_1".to_owned(), b"<html>".to_vec());
        let done = import(&app, &user, &archive(&all, None)).await;
        assert_eq!((&done.data()["imported"], &done.data()["skipped"][0]["mailId"]), (&json!(0), &json!("mail_1")));
        all.insert("files/attach_1".to_owned(), vec![0; 10 * 1024 * 1024 + 1]);
        let done = import(&app, &user, &archive(&all, None)).await;
        assert_eq!(done.data()["skipped"][0]["reason"], "a file of it is larger than this plan takes");
        // A past sendTime is a draft's own affair.
        let done = import(&app, &user, &archive(&written(json!({"sendTime": "2021-01-01T00:00:00Z"})), None)).await;
        assert_eq!(done.data()["drafts"], 1);
    }
}
