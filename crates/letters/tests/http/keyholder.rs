//! Letters that only a passphrase opens, or a recovery key: the server cannot.

use serde_json::{Value, json};
use testkit::app::{Answer, PASSWORD, TestApp, User};

use crate::helpers::*;

const SECRET: &str = "只有你能读到的话 quod-nemo-legit";
const PHRASE: &str = "芝麻开门 open sesame";

async fn unlock(app: &TestApp, user: &User, mail: &str, proof: Value) -> Answer {
    app.post(&format!("/mails/{mail}/unlock"), user, proof).await
}

/// A draft that only [`PHRASE`] opens: its id and its recovery key.
async fn sealed(app: &TestApp, user: &User, fields: Value) -> (String, String) {
    let body = with(capsule(), json!({"content": SECRET, "isEncrypted": true, "passphrase": PHRASE}));
    let answer = app.post("/mails", user, with(with(body, json!({"attachments": null})), fields)).await;
    let data = answer.data();
    assert_eq!(data["readableBy"], "keyholder");
    (mail_id(&answer), data["recoveryKey"].as_str().expect("a recovery key").to_owned())
}

async fn change(app: &TestApp, user: &User, mail: &str, fields: Value) -> Answer {
    app.put(&format!("/mails/{mail}"), user, fields).await
}

testkit::both! {
    &[];

    /// Author, and recipient once it is delivered, by passphrase or recovery key; nothing else helps.
    async fn only_its_own_secrets_open_it(t) {
        let app = TestApp::new(t).await;
        let (author, reader) = (zhangsan(&app).await, app.user("reader").await);
        let to = json!({"recipientType": "SPECIFIC", "recipientEmail": reader.email,
            "passphraseHint": "what Ali Baba said"});
        let (mail, recovery) = sealed(&app, &author, to).await;
        let detail = app.detail(&author, &mail).await;
        assert_eq!(detail["content"], Value::Null);
        assert_eq!(detail["readableBy"], "keyholder");
        assert_eq!(detail["passphraseHint"], "what Ali Baba said");
        let opened = unlock(&app, &author, &mail, json!({"passphrase": PHRASE})).await;
        let expected = json!({"mailId": mail, "content": SECRET, "readableBy": "keyholder", "attachments": []});
        assert_eq!(opened.data(), &expected);
        let typed = recovery.to_lowercase().replace('-', " ");
        let opened = unlock(&app, &author, &mail, json!({"recoveryKey": typed})).await;
        assert_eq!(opened.data()["content"], SECRET);

        unlock(&app, &author, &mail, json!({})).await.refused(400, &["passphrase"]);
        unlock(&app, &author, &mail, json!({"password": PASSWORD})).await.refused(400, &["passphrase"]);
        let both = json!({"passphrase": PHRASE, "recoveryKey": recovery});
        unlock(&app, &author, &mail, both).await.refused(400, &["recoveryKey"]);
        unlock(&app, &author, &mail, json!({"passphrase": "open sesame!"})).await.refused(403, &["passphrase"]);
        let mistyped = recovery.replacen(&recovery[..1], if recovery.starts_with('7') { "8" } else { "7" }, 1);
        unlock(&app, &author, &mail, json!({"recoveryKey": mistyped})).await.refused(422, &["recoveryKey"]);
        let (_, another) = sealed(&app, &author, json!({})).await;
        unlock(&app, &author, &mail, json!({"recoveryKey": another})).await.refused(403, &["recoveryKey"]);
        unlock(&app, &reader, &mail, json!({"passphrase": PHRASE})).await.refused(404, &[]);

        app.schedule(&author, &mail, app.now() + HOUR).await.data();
        app.advance_to(app.now() + HOUR).await;
        let opened = unlock(&app, &reader, &mail, json!({"passphrase": PHRASE})).await;
        assert_eq!(opened.data()["content"], SECRET);
        assert_eq!(app.detail(&reader, &mail).await["passphraseHint"], "what Ali Baba said");
        let mails = app.mails_to(&reader.email);
        assert!(!mails[0].raw.contains("sesame") && !mails[0].text.contains(SECRET));
    }

    /// What the server keeps does not hold the letter's key in a form that its keyring opens.
    async fn the_server_cannot_open_it(t) {
        let app = TestApp::new(t).await;
        let author = zhangsan(&app).await;
        let (mail, _) = sealed(&app, &author, json!({})).await;
        let mut conn = app.system.db.read().await.unwrap();
        let (server,): (Option<Vec<u8>>,) = conn
            .one(db::sql!("SELECT server FROM letter_keys WHERE letter_id = $1"), db::args![&mail])
            .await
            .unwrap();
        assert_eq!(server, None);
    }

    /// Ten wrong ones, then one a minute, for each caller and letter; a right one clears them.
    async fn guessing_is_limited(t) {
        let app = TestApp::new(t).await;
        let (author, reader) = (zhangsan(&app).await, app.user("reader").await);
        let (mail, recovery) = sealed(&app, &author, json!({"recipientType": "PUBLIC"})).await;
        app.schedule(&author, &mail, app.now() + HOUR).await.data();
        app.advance_to(app.now() + HOUR).await;
        let wrong = json!({"passphrase": "open sesamf"});
        for _ in 0..9 {
            unlock(&app, &reader, &mail, wrong.clone()).await.refused(403, &["passphrase"]);
        }
        unlock(&app, &reader, &mail, json!({"passphrase": PHRASE})).await.data();
        let guesses = (0..12).map(|_| unlock(&app, &reader, &mail, wrong.clone()));
        let answers = futures_util::future::join_all(guesses).await;
        let count = |status: u16| answers.iter().filter(|a| a.status == status).count();
        assert_eq!((count(403), count(429)), (10, 2));
        let refused = unlock(&app, &reader, &mail, json!({"recoveryKey": recovery})).await;
        refused.refused(429, &[]);
        assert_eq!(refused.headers["retry-after"], "60");
        // Others and other letters are not held up.
        unlock(&app, &author, &mail, json!({"passphrase": PHRASE})).await.data();
        app.advance_to(app.now() + MINUTE - MICRO).await;
        unlock(&app, &reader, &mail, wrong.clone()).await.refused(429, &[]);
        app.advance_to(app.now() + MICRO).await;
        unlock(&app, &reader, &mail, wrong).await.refused(403, &["passphrase"]);
        app.advance_to(app.now() + MINUTE).await;
        unlock(&app, &reader, &mail, json!({"recoveryKey": recovery})).await.data();
    }

    /// Title and time may be changed as they are; text and secrecy take the passphrase.
    async fn a_draft_is_changed_with_its_passphrase(t) {
        let app = TestApp::new(t).await;
        let user = zhangsan(&app).await;
        let (mail, recovery) = sealed(&app, &user, json!({})).await;
        let text = async |proof: Value| unlock(&app, &user, &mail, proof).await.data()["content"].clone();
        let open = json!({"passphrase": PHRASE});
        let changed = change(&app, &user, &mail, json!({"title": "新标题", "passphraseHint": "a door"})).await;
        assert_eq!(changed.data()["readableBy"], "keyholder");
        assert_eq!(changed.data().get("recoveryKey"), None);
        assert_eq!(app.detail(&user, &mail).await["passphraseHint"], "a door");
        assert_eq!(text(open.clone()).await, SECRET);

        for fields in [json!({"content": "x"}), json!({"isEncrypted": false})] {
            change(&app, &user, &mail, fields.clone()).await.refused(422, &["passphrase"]);
            let wrong = with(fields, json!({"passphrase": "open sesamf"}));
            change(&app, &user, &mail, wrong).await.refused(403, &["passphrase"]);
        }
        change(&app, &user, &mail, json!({"newPassphrase": "another one"})).await.refused(422, &["passphrase"]);
        assert_eq!(text(open.clone()).await, SECRET);

        let kept = change(&app, &user, &mail, with(open.clone(), json!({"content": "second"}))).await;
        assert_eq!(kept.data().get("recoveryKey"), None);
        assert_eq!(text(json!({"recoveryKey": recovery})).await, "second");

        // Another passphrase, with the old one: the text stays, the old secrets go.
        let new = with(open.clone(), json!({"newPassphrase": "another one"}));
        let changed = change(&app, &user, &mail, new).await;
        let second = changed.data()["recoveryKey"].clone();
        assert_eq!(text(json!({"passphrase": "another one"})).await, "second");
        assert_eq!(text(json!({"recoveryKey": second})).await, "second");
        unlock(&app, &user, &mail, open.clone()).await.refused(403, &["passphrase"]);
        unlock(&app, &user, &mail, json!({"recoveryKey": recovery})).await.refused(403, &["recoveryKey"]);

        // Forgotten: the text is written anew.
        let anew = json!({"content": "third", "newPassphrase": "and a third"});
        let third = change(&app, &user, &mail, anew).await.data()["recoveryKey"].clone();
        assert_eq!(text(json!({"recoveryKey": third})).await, "third");
        let plain = json!({"isEncrypted": false, "passphrase": "and a third"});
        assert_eq!(change(&app, &user, &mail, plain).await.data().get("readableBy"), None);
        let detail = app.detail(&user, &mail).await;
        assert_eq!((&detail["content"], detail.get("readableBy")), (&json!("third"), None));
    }

    /// A letter that the server can read becomes one that it cannot.
    async fn from_the_server_to_the_keyholder(t) {
        let app = TestApp::new(t).await;
        let user = zhangsan(&app).await;
        for start in [json!({"content": SECRET}), json!({"content": SECRET, "isEncrypted": true})] {
            let mail = app.draft(&user, start).await;
            let sealed = change(&app, &user, &mail, json!({"isEncrypted": true, "passphrase": PHRASE})).await;
            assert_eq!(sealed.data()["readableBy"], "keyholder");
            assert!(sealed.data()["recoveryKey"].is_string());
            unlock(&app, &user, &mail, json!({"password": PASSWORD})).await.refused(400, &["passphrase"]);
            let opened = unlock(&app, &user, &mail, json!({"passphrase": PHRASE})).await;
            assert_eq!(opened.data()["content"], SECRET);
            app.delete(&format!("/mails/{mail}"), &user).await.data();
        }
    }

    /// Changes at once: each is made of a whole state, none of them mixes two.
    async fn changes_at_once_do_not_mix(t) {
        let app = TestApp::new(t).await;
        let user = zhangsan(&app).await;
        let mail = app.draft(&user, json!({"content": "0", "isEncrypted": true})).await;
        let changes = (1..=6).map(|n| {
            let fields = match n % 3 {
                0 => json!({"content": n.to_string(), "isEncrypted": false}),
                _ => json!({"content": n.to_string(), "isEncrypted": true}),
            };
            change(&app, &user, &mail, fields)
        });
        for answer in futures_util::future::join_all(changes).await {
            assert!(answer.status == 200 || answer.status == 409, "{}", answer.body);
        }
        let opened = unlock(&app, &user, &mail, json!({"password": PASSWORD})).await;
        let text = opened.data()["content"].as_str().unwrap().to_owned();
        let encrypted = app.detail(&user, &mail).await["isEncrypted"].as_bool().unwrap();
        assert_eq!(encrypted, text.parse::<u32>().unwrap() % 3 != 0, "{text}");
    }

    /// A letter that was encrypted before letters had keys opens, and gets its key with the next change.
    async fn letters_of_the_first_version(t) {
        let app = TestApp::new(t).await;
        let user = zhangsan(&app).await;
        let mail = app.draft(&user, json!({"content": "x", "isEncrypted": true})).await;
        let place = format!("letter_contents:{mail}:content");
        let first = app.system.accounts.keyring().seal(&place, SECRET.as_bytes()).unwrap();
        let mut tx = app.system.db.begin().await.unwrap();
        tx.exec(db::sql!("DELETE FROM letter_keys WHERE letter_id = $1"), db::args![&mail]).await.unwrap();
        tx.exec(
            db::sql!("UPDATE letter_contents SET sealed = $2 WHERE letter_id = $1"),
            db::args![&mail, first],
        )
        .await
        .unwrap();
        tx.commit().await.unwrap();
        let proof = json!({"password": PASSWORD});
        assert_eq!(unlock(&app, &user, &mail, proof.clone()).await.data()["content"], SECRET);
        assert_eq!(app.detail(&user, &mail).await["readableBy"], "server");
        change(&app, &user, &mail, json!({"title": "y"})).await.data();
        assert_eq!(unlock(&app, &user, &mail, proof).await.data()["content"], SECRET);
        let mut conn = app.system.db.read().await.unwrap();
        let keys: Vec<(String,)> = conn
            .all(db::sql!("SELECT letter_id FROM letter_keys WHERE server IS NOT NULL"), db::args![])
            .await
            .unwrap();
        assert_eq!(keys, [(mail,)]);
    }

    /// What was bent in the database is not opened as anything else.
    async fn tampering_is_noticed(t) {
        let app = TestApp::new(t).await;
        let user = zhangsan(&app).await;
        let proof = json!({"password": PASSWORD});
        let one = app.draft(&user, json!({"content": "one", "isEncrypted": true})).await;
        let two = app.draft(&user, json!({"content": "two", "isEncrypted": true})).await;
        // Another letter's text and key in its place.
        let mut tx = app.system.db.begin().await.unwrap();
        tx.exec(
            db::sql!(
                "UPDATE letter_contents SET sealed = (SELECT x.sealed FROM letter_contents AS x
                    WHERE x.letter_id = $2) WHERE letter_id = $1"
            ),
            db::args![&one, &two],
        )
        .await
        .unwrap();
        tx.commit().await.unwrap();
        unlock(&app, &user, &one, proof.clone()).await.refused(500, &[]);
        let mut tx = app.system.db.begin().await.unwrap();
        tx.exec(
            db::sql!(
                "UPDATE letter_keys SET server = (SELECT x.server FROM letter_keys AS x
                    WHERE x.letter_id = $2) WHERE letter_id = $1"
            ),
            db::args![&one, &two],
        )
        .await
        .unwrap();
        tx.commit().await.unwrap();
        unlock(&app, &user, &one, proof.clone()).await.refused(500, &[]);
        assert_eq!(unlock(&app, &user, &two, proof.clone()).await.data()["content"], "two");
        // An older text of the same letter.
        let mut conn = app.system.db.read().await.unwrap();
        let (old,): (Vec<u8>,) = conn
            .one(db::sql!("SELECT sealed FROM letter_contents WHERE letter_id = $1"), db::args![&two])
            .await
            .unwrap();
        drop(conn);
        change(&app, &user, &two, json!({"content": "later"})).await.data();
        let mut tx = app.system.db.begin().await.unwrap();
        tx.exec(
            db::sql!("UPDATE letter_contents SET sealed = $2 WHERE letter_id = $1"),
            db::args![&two, old],
        )
        .await
        .unwrap();
        tx.commit().await.unwrap();
        unlock(&app, &user, &two, proof).await.refused(500, &[]);
    }
}
