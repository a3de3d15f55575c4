//! Encrypted letters that the server can read: sealed at rest, left out everywhere, opened by one more check.

use std::path::Path;

use axum::http::Method;
use serde_json::{Value, json};
use testkit::app::{PASSWORD, TestApp};

use crate::helpers::*;

const SECRET: &str = "只有你能读到的话 quod-nemo-legit";

/// Every file below a folder that holds these bytes.
fn files_with(dir: &Path, needle: &[u8]) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_with(&path, needle));
        } else if std::fs::read(&path).unwrap().windows(needle.len()).any(|w| w == needle) {
            found.push(path);
        }
    }
    found
}

testkit::both! {
    &[];

    /// The text is in no answer but `unlock`'s, in no file (database, log, outbox), in no e-mail.
    async fn the_text_of_an_encrypted_letter_is_nowhere(t) {
        let app = TestApp::new(t).await;
        let (author, reader) = (zhangsan(&app).await, app.user("reader").await);
        let fields = json!({"content": SECRET, "isEncrypted": true, "title": "一封密信",
            "recipientType": "SPECIFIC", "recipientEmail": reader.email});
        let mail = app.delivered(&author, fields).await;
        for user in [&author, &reader] {
            let detail = app.detail(user, &mail).await;
            assert_eq!((&detail["content"], &detail["isEncrypted"]), (&Value::Null, &json!(true)));
            let list = app.get("/mails", user).await;
            assert_eq!(list.data()["list"][0]["isEncrypted"], true);
            for path in ["/mails".to_owned(), format!("/mails/{mail}"), "/capsules".to_owned()] {
                assert!(!app.get(&path, user).await.body.to_string().contains(SECRET), "{path}");
            }
        }
        let mails = app.mails_to(&reader.email);
        assert_eq!(mails.len(), 1);
        assert_eq!(mails[0].subject, "一封密信");
        assert!(!mails[0].text.contains(SECRET) && !mails[0].html.contains(SECRET));
        assert!(mails[0].text.contains(&format!("http://hongyan.test/letters/{mail}")));
        assert_eq!(files_with(&app.dir, SECRET.as_bytes()), Vec::<std::path::PathBuf>::new());
        // That the search can find something: the same with a letter that is not encrypted.
        if app.dir.join("hongyan.db").exists() {
            app.draft(&author, json!({"content": "offen-für-alle"})).await;
            assert!(!files_with(&app.dir, "offen-für-alle".as_bytes()).is_empty());
        }
    }

    /// The account's password opens it, for its author and, once delivered, its reader.
    async fn unlocking_takes_the_password(t) {
        let app = TestApp::new(t).await;
        let (author, reader) = (zhangsan(&app).await, app.user("reader").await);
        let fields = json!({"content": SECRET, "isEncrypted": true,
            "recipientType": "SPECIFIC", "recipientEmail": reader.email});
        let mail = app.draft(&author, fields).await;
        let path = format!("/mails/{mail}/unlock");
        let good = json!({"password": PASSWORD});
        let opened = app.post(&path, &author, good.clone()).await;
        let expected =
            json!({"mailId": mail, "content": SECRET, "readableBy": "server", "attachments": []});
        assert_eq!(opened.data(), &expected);
        app.post(&path, &reader, good.clone()).await.refused(404, &[]);
        for wrong in ["", "password124", "Password123", "password123 "] {
            app.post(&path, &author, json!({"password": wrong})).await.refused(403, &["password"]);
        }
        app.post(&path, &author, json!({})).await.refused(400, &["password"]);
        app.post(&path, &author, json!({"password": 7})).await.refused(400, &["password"]);
        app.call(Method::POST, &path, None, Some(good.clone())).await.refused(401, &[]);
        app.schedule(&author, &mail, app.now() + HOUR).await.data();
        app.advance_to(app.now() + HOUR).await;
        assert_eq!(app.post(&path, &reader, good).await.data()["content"], SECRET);
        app.post(&path, &reader, json!({"password": "wrong"})).await.refused(403, &["password"]);
    }

    /// Sealing and unsealing by an update, with a new text and without.
    async fn a_draft_can_be_sealed_and_unsealed(t) {
        let app = TestApp::new(t).await;
        let user = zhangsan(&app).await;
        let mail = app.draft(&user, json!({"content": "first"})).await;
        let path = format!("/mails/{mail}");
        let unlock = async || {
            let answer = app.post(&format!("{path}/unlock"), &user, json!({"password": PASSWORD})).await;
            answer.data()["content"].clone()
        };
        app.put(&path, &user, json!({"isEncrypted": true})).await.data();
        assert_eq!(app.detail(&user, &mail).await["content"], Value::Null);
        assert_eq!(unlock().await, "first");
        app.put(&path, &user, json!({"title": "x", "content": "second"})).await.data();
        assert_eq!(app.detail(&user, &mail).await["content"], Value::Null);
        assert_eq!(unlock().await, "second");
        app.put(&path, &user, json!({"isEncrypted": false})).await.data();
        assert_eq!(app.detail(&user, &mail).await["content"], "second");
        app.put(&path, &user, json!({"isEncrypted": true, "content": "third"})).await.data();
        assert_eq!(unlock().await, "third");
    }

    /// A passphrase that would not be used is refused, never passed over: its owner would trust in it.
    async fn a_passphrase_is_not_passed_over(t) {
        let app = TestApp::new(t).await;
        let user = zhangsan(&app).await;
        let mail = app.draft(&user, json!({})).await;
        for (body, field) in [
            (json!({"passphrase": "open sesame"}), "passphrase"),
            (json!({"passphrase": "open sesame", "isEncrypted": false}), "passphrase"),
            (json!({"passphrase": "sesame!", "isEncrypted": true}), "passphrase"),
            (json!({"passphrase": "      sesame", "isEncrypted": true}), "passphrase"),
            (json!({"passphrase": "x".repeat(1025), "isEncrypted": true}), "passphrase"),
            (json!({"newPassphrase": "open sesame", "isEncrypted": true}), "newPassphrase"),
            (json!({"passphraseHint": "who?", "isEncrypted": true}), "passphraseHint"),
            (json!({"passphraseHint": "not Open Sesame", "passphrase": "open sesame", "isEncrypted": true}),
                "passphraseHint"),
        ] {
            app.post("/mails", &user, with(capsule(), body.clone())).await.refused(422, &[field]);
            app.put(&format!("/mails/{mail}"), &user, body).await.refused(422, &[field]);
        }
        let body = json!({"passphrase": 12345678, "isEncrypted": true});
        app.put(&format!("/mails/{mail}"), &user, body).await.refused(400, &["passphrase"]);
    }

    /// A public encrypted letter is opened with the reader's own password.
    async fn a_public_encrypted_letter(t) {
        let app = TestApp::new(t).await;
        let (author, reader) = (zhangsan(&app).await, app.user("reader").await);
        let fields = json!({"content": SECRET, "isEncrypted": true, "recipientType": "PUBLIC"});
        let mail = app.delivered(&author, fields).await;
        let seen = app.call(Method::GET, &format!("/mails/{mail}"), None, None).await;
        assert_eq!(seen.data()["content"], Value::Null);
        let opened = app.post(&format!("/mails/{mail}/unlock"), &reader, json!({"password": PASSWORD})).await;
        assert_eq!(opened.data()["content"], SECRET);
    }
}
