//! Files of encrypted letters: sealed on disk, opened by a ticket, their letter's alone.

use serde_json::{Value, json};
use testkit::app::{PASSWORD, TestApp, User, png};

use crate::helpers::*;

const PHRASE: &str = "芝麻开门 open sesame";
const NAME: &str = "hochzeitsfoto-geheim.mp3";

/// A voice recording over several chunks, which says what it is everywhere.
fn recording() -> Vec<u8> {
    [b"ID3\x04\0\0\0\0\0\0".to_vec(), "gesprochenes-geheimnis ".repeat(9000).into_bytes()].concat()
}

fn finds(app: &TestApp, needle: &str) -> Vec<std::path::PathBuf> {
    let mut found = app.stored_files();
    found.retain(|f| {
        std::fs::read(f).unwrap().windows(needle.len()).any(|window| window == needle.as_bytes())
    });
    found
}

fn list(files: &[&Value]) -> Value {
    let list: Vec<Value> = files.iter().map(|f| json!({"type": f["fileType"], "url": f["url"]})).collect();
    json!({"attachments": list})
}

async fn status(app: &TestApp, url: &Value, user: Option<&User>) -> u16 {
    let token = user.map(|u| u.token.as_str());
    app.fetch(url.as_str().expect("a URL"), token, &[]).await.status.as_u16()
}

async fn unlocked(app: &TestApp, user: &User, mail: &str, proof: &Value) -> Vec<Value> {
    let answer = app.post(&format!("/mails/{mail}/unlock"), user, proof.clone()).await;
    answer.data()["attachments"].as_array().expect("a list").clone()
}

testkit::both! {
    &[];

    /// Sealed with the letter, opened in any range with a ticket for 15 minutes, by whoever has it.
    async fn files_are_sealed_and_opened_by_a_ticket(t) {
        let app = TestApp::new(t).await;
        for (extra, proof) in [
            (json!({}), json!({"password": PASSWORD})),
            (json!({"passphrase": PHRASE}), json!({"passphrase": PHRASE})),
        ] {
            let author = app.user(&format!("author{}", proof.to_string().len())).await;
            let reader = app.user(&format!("reader{}", proof.to_string().len())).await;
            let bytes = recording();
            let sound = app.attachment(&author, NAME, &bytes, "VOICE").await;
            let picture = app.attachment(&author, "p.png", &png(640, 480), "IMAGE").await;
            assert_eq!(finds(&app, "gesprochenes-geheimnis").len(), 1);
            let fields = with(list(&[&sound, &picture]), json!({"isEncrypted": true,
                "recipientType": "SPECIFIC", "recipientEmail": reader.email}));
            let mail = app.draft(&author, with(fields, extra)).await;
            app.run_due().await;
            assert_eq!(finds(&app, "gesprochenes-geheimnis"), Vec::<std::path::PathBuf>::new());
            assert_eq!(app.stored_files().len() % 3, 0);
            assert_eq!(status(&app, &sound["url"], Some(&author)).await, 403);
            assert_eq!(status(&app, &picture["thumbnailUrl"], Some(&author)).await, 403);
            assert_eq!(status(&app, &sound["url"], Some(&reader)).await, 404);
            assert_eq!(status(&app, &sound["url"], None).await, 404);

            app.schedule(&author, &mail, app.now() + HOUR).await.data();
            app.advance_to(app.now() + HOUR).await;
            assert_eq!(status(&app, &sound["url"], Some(&reader)).await, 403);
            let opened = unlocked(&app, &reader, &mail, &proof).await;
            assert_eq!(opened[0]["size"], bytes.len());
            let url = opened[0]["url"].as_str().unwrap();
            let whole = app.fetch(url, None, &[]).await;
            assert!(whole.status == 200 && whole.bytes == bytes);
            assert_eq!(whole.headers["cache-control"], "no-store");
            assert_eq!(whole.headers["content-length"], bytes.len().to_string().as_str());
            let disposition = whole.headers["content-disposition"].to_str().unwrap();
            assert!(disposition.contains("hochzeitsfoto%2Dgeheim%2Emp3"), "{disposition}");
            for (range, from, to) in [
                ("bytes=0-9", 0, 10),
                ("bytes=65530-65545", 65530, 65546),
                ("bytes=131072-", 131_072, bytes.len()),
                ("bytes=-70000", bytes.len() - 70_000, bytes.len()),
            ] {
                let part = app.fetch(url, None, &[("range", range)]).await;
                assert!(part.status == 206 && part.bytes == bytes[from..to], "{range}");
                let said = format!("bytes {from}-{}/{}", to - 1, bytes.len());
                assert_eq!(part.headers["content-range"], said.as_str());
            }
            let beyond = format!("bytes={}-", bytes.len());
            assert_eq!(app.fetch(url, None, &[("range", beyond.as_str())]).await.status, 416);
            let thumbnail = app.fetch(opened[1]["thumbnail"].as_str().unwrap(), None, &[]).await;
            assert!(thumbnail.status == 200 && thumbnail.bytes.starts_with(b"\xff\xd8"));
            assert_eq!(app.fetch(opened[1]["url"].as_str().unwrap(), None, &[]).await.bytes, png(640, 480));

            // Another file's ticket does not help, nor one that is bent or old.
            let ticket = |n: usize| {
                let url = opened[n]["url"].as_str().unwrap();
                url.split_once("?ticket=").unwrap().1.to_owned()
            };
            let with_ticket = |t: String| json!(format!("{}?ticket={t}", sound["url"].as_str().unwrap()));
            assert_eq!(status(&app, &with_ticket(ticket(1)), Some(&reader)).await, 403);
            assert_eq!(status(&app, &with_ticket(ticket(0)[1..].to_owned()), Some(&reader)).await, 403);
            app.advance_to(app.now() + 15 * MINUTE - MICRO).await;
            assert_eq!(status(&app, &opened[0]["url"], None).await, 200);
            app.advance_to(app.now() + MICRO).await;
            let old = app.fetch(url, Some(&reader.token), &[]).await;
            old.refused(403, &["ticket"]);
            assert_eq!(status(&app, &opened[0]["url"], None).await, 404);
        }
    }

    /// A draft that is encrypted later, and decrypted again: files and their names with it.
    async fn files_follow_their_letter(t) {
        let app = TestApp::new(t).await;
        let user = zhangsan(&app).await;
        let bytes = recording();
        let sound = app.attachment(&user, NAME, &bytes, "VOICE").await;
        let mail = app.draft(&user, list(&[&sound])).await;
        let path = format!("/mails/{mail}");
        let seal = json!({"isEncrypted": true});
        app.put(&path, &user, seal).await.data();
        app.run_due().await;
        assert!(finds(&app, "gesprochenes-geheimnis").is_empty());
        assert_eq!(app.stored_files().len(), 1);
        if app.dir.join("hongyan.db").exists() {
            for file in ["hongyan.db", "hongyan.db-wal"] {
                let bytes = std::fs::read(app.dir.join(file)).unwrap();
                assert!(!bytes.windows(20).any(|w| w == &NAME.as_bytes()[..20]), "{file}");
            }
        }
        // Sealed anew where the server is not to read it any more.
        let before = app.stored_files();
        app.put(&path, &user, json!({"passphrase": PHRASE})).await.data();
        app.run_due().await;
        assert!(app.stored_files().len() == 1 && app.stored_files() != before);
        let opened = unlocked(&app, &user, &mail, &json!({"passphrase": PHRASE})).await;
        assert!(app.fetch(opened[0]["url"].as_str().unwrap(), None, &[]).await.bytes == bytes);
        // With a new passphrase alone its files could not be opened.
        let lost = json!({"content": "anew", "newPassphrase": "another one"});
        app.put(&path, &user, lost).await.refused(422, &["attachments"]);
        // A second file needs the key.
        let second = app.attachment(&user, "p.png", &png(640, 480), "IMAGE").await;
        let both = list(&[&sound, &second]);
        app.put(&path, &user, both.clone()).await.refused(422, &["passphrase"]);
        app.put(&path, &user, with(both, json!({"passphrase": PHRASE}))).await.data();
        app.run_due().await;
        assert_eq!(status(&app, &second["url"], Some(&user)).await, 403);
        app.put(&path, &user, json!({"isEncrypted": false, "passphrase": PHRASE})).await.data();
        app.run_due().await;
        let plain = app.fetch(sound["url"].as_str().unwrap(), Some(&user.token), &[]).await;
        assert!(plain.bytes == bytes);
        let disposition = plain.headers["content-disposition"].to_str().unwrap();
        assert!(disposition.contains("hochzeitsfoto%2Dgeheim%2Emp3"), "{disposition}");
        assert_eq!(status(&app, &second["thumbnailUrl"], Some(&user)).await, 200);
        assert_eq!(app.stored_files().len(), 3);
    }

    /// A file of an encrypted letter is that letter's alone, whichever of two had it first, in a race as well.
    async fn a_sealed_file_has_one_letter(t) {
        let app = TestApp::new(t).await;
        let user = zhangsan(&app).await;
        let first = app.attachment(&user, "a.png", &png(40, 40), "IMAGE").await;
        let sealed = with(list(&[&first]), json!({"isEncrypted": true}));
        let mail = app.draft(&user, sealed.clone()).await;
        for body in [list(&[&first]), sealed] {
            let answer = app.post("/mails", &user, with(capsule(), body)).await;
            answer.refused(422, &["attachments[0].url"]);
        }
        let shared = app.attachment(&user, "b.png", &png(40, 40), "IMAGE").await;
        let plain = app.draft(&user, list(&[&shared])).await;
        app.put(&format!("/mails/{mail}"), &user, list(&[&first, &shared]))
            .await
            .refused(422, &["attachments[1].url"]);
        let other = app.draft(&user, list(&[&shared])).await;
        app.put(&format!("/mails/{plain}"), &user, json!({"isEncrypted": true}))
            .await
            .refused(422, &["attachments"]);
        app.put(&format!("/mails/{other}"), &user, json!({"attachments": []})).await.data();
        app.put(&format!("/mails/{plain}"), &user, json!({"isEncrypted": true})).await.data();

        app.premium(&user).await;
        for round in 0..6 {
            let file = app.attachment(&user, "c.png", &png(40 + round, 40), "IMAGE").await;
            let attempts = (0..4).map(|n| {
                let secret = json!({"isEncrypted": n % 2 == 0});
                app.post("/mails", &user, with(with(capsule(), list(&[&file])), secret))
            });
            let answers = futures_util::future::join_all(attempts).await;
            let mut encrypted = 0;
            let mut all = 0;
            for (n, _) in answers.iter().enumerate().filter(|(_, a)| a.status == 200) {
                all += 1;
                encrypted += u32::from(n % 2 == 0);
            }
            for answer in answers.iter().filter(|a| a.status != 200) {
                assert!(answer.status == 422 || answer.status == 409, "{}", answer.body);
            }
            assert!(all >= 1 && (encrypted == 0 || all == 1), "{encrypted} of {all}");
        }
    }

    /// What a crash or a refusal left behind is removed; a deleted letter takes its sealed files with it.
    async fn nothing_stays_behind(t) {
        let app = TestApp::new(t).await;
        let user = zhangsan(&app).await;
        let file = app.attachment(&user, "a.png", &png(400, 400), "IMAGE").await;
        // The quota is looked at last, when the file is written already.
        for _ in 0..10 {
            app.draft(&user, json!({})).await;
        }
        let body = with(capsule(), with(list(&[&file]), json!({"isEncrypted": true})));
        app.post("/mails", &user, body.clone()).await.refused(403, &["quota"]);
        assert_eq!(app.stored_files().len(), 4);
        assert_eq!(status(&app, &file["url"], Some(&user)).await, 200);
        app.premium(&user).await;
        let mail = mail_id(&app.post("/mails", &user, body).await);
        app.run_due().await;
        app.advance_to(app.now() + DAY).await;
        assert_eq!(app.stored_files().len(), 2);
        let user = app.login(&user).await;
        unlocked(&app, &user, &mail, &json!({"password": PASSWORD})).await;
        app.delete(&format!("/mails/{mail}"), &user).await.data();
        app.run_due().await;
        assert!(app.stored_files().is_empty(), "{:?}", app.stored_files());
    }

    /// A sealed file that was bent on disk is not served as if it were whole.
    async fn a_bent_file_is_not_served(t) {
        let app = TestApp::new(t).await;
        let user = zhangsan(&app).await;
        let sound = app.attachment(&user, NAME, &recording(), "VOICE").await;
        let mail = app.draft(&user, with(list(&[&sound]), json!({"isEncrypted": true}))).await;
        app.run_due().await;
        let opened = unlocked(&app, &user, &mail, &json!({"password": PASSWORD})).await;
        let on_disk = app.stored_files().remove(0);
        let sealed = std::fs::read(&on_disk).unwrap();
        for bent in [&sealed[..sealed.len() - 1], &sealed[..65_552], &[sealed.clone(), vec![0]].concat()] {
            std::fs::write(&on_disk, bent).unwrap();
            let answer = app.fetch(opened[0]["url"].as_str().unwrap(), None, &[("range", "bytes=0-9")]).await;
            answer.refused(500, &[]);
        }
    }
}
