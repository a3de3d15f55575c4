//! Hooks: events that a service reports by a signed request.

use axum::{
    body::Body,
    http::{Method, Request},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use kernel::Timestamp;
use serde_json::{Value, json};
use sha2::Sha256;
use testkit::app::{Answer, TestApp, User, shape};

use crate::{helpers::*, triggers::waiting_for};

/// A sender that knows a hook.
struct Sender {
    path: String,
    key: Vec<u8>,
}

impl Sender {
    fn of(created: &Value) -> Self {
        let secret = created["secret"].as_str().unwrap().strip_prefix("whsec_").unwrap();
        let path = created["url"].as_str().unwrap().strip_prefix("http://hongyan.test").unwrap().to_owned();
        Self { path, key: STANDARD.decode(secret).unwrap() }
    }

    fn sign(&self, id: &str, time: &str, body: &str) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).unwrap();
        mac.update(format!("{id}.{time}.{body}").as_bytes());
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }

    async fn raw(&self, app: &TestApp, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut request = Request::builder().method(Method::POST).uri(&self.path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        app.send(request.body(Body::from(body.to_owned())).unwrap()).await
    }

    async fn send_at(&self, app: &TestApp, id: &str, time: Timestamp, body: &str) -> Answer {
        let time = time.seconds().to_string();
        let signature = self.sign(id, &time, body);
        let headers = [("webhook-id", id), ("webhook-timestamp", &time), ("webhook-signature", &signature)];
        self.raw(app, &headers, body).await
    }

    async fn send(&self, app: &TestApp, id: &str, body: &str) -> Answer {
        self.send_at(app, id, app.now(), body).await
    }
}

async fn hook(app: &TestApp, user: &User) -> Value {
    app.post("/triggers/hooks", user, json!({"name": "Calendar"})).await.data().clone()
}

async fn premium_author(app: &TestApp) -> User {
    let author = zhangsan(app).await;
    app.premium(&author).await;
    quiet(app, &author).await;
    author
}

testkit::both! {
    &[];

    /// Made, listed without its secret, used, deleted; nobody else's business.
    async fn a_hook_s_life(t) {
        let app = TestApp::new(t).await;
        let (author, other) = (premium_author(&app).await, app.user("other").await);
        app.post("/triggers/hooks", &author, json!({})).await.refused(400, &["name"]);
        let created = hook(&app, &author).await;
        shape(&created, &json!({"hookId": "id:hook", "name": "=Calendar", "url": "string", "secret": "string",
            "createdAt": "time"}));
        let view = |used: Value| json!({"hooks": [{"hookId": created["hookId"], "name": "Calendar",
            "url": created["url"], "createdAt": created["createdAt"], "usedAt": used}]});
        assert_eq!(app.get("/triggers/hooks", &author).await.data(), &view(Value::Null));
        assert_eq!(app.get("/triggers/hooks", &other).await.data(), &json!({"hooks": []}));

        let mail = waiting_for(&app, &author, json!({"type": "party", "keywords": ["毕业"]})).await;
        let sender = Sender::of(&created);
        app.clock.advance(MINUTE);
        assert_eq!(sender.send(&app, "msg_1", r#"{"type":"party"}"#).await.data(), &json!({"fired": 0}));
        let event = r#"{"type": "Party", "text": "毕业了"}"#;
        assert_eq!(sender.send(&app, "msg_2", event).await.data(), &json!({"fired": 1}));
        // The letter, and what follows from it.
        assert_eq!(app.run_due().await, 2);
        assert_eq!(app.detail(&author, &mail).await["status"], "DELIVERED");
        assert_eq!(app.get("/triggers/hooks", &author).await.data(), &view(json!(app.now())));

        let path = format!("/triggers/hooks/{}", created["hookId"].as_str().unwrap());
        app.delete(&path, &other).await.refused(404, &[]);
        app.delete(&path, &author).await.data();
        app.delete(&path, &author).await.refused(404, &[]);
        sender.send(&app, "msg_3", event).await.refused(404, &[]);
        assert_eq!(app.get("/triggers/hooks", &author).await.data(), &json!({"hooks": []}));
    }

    /// What is not signed, signed by another, changed, or five minutes off is refused, and fires nothing.
    async fn only_what_is_signed_counts(t) {
        let app = TestApp::new(t).await;
        let author = premium_author(&app).await;
        let mail = waiting_for(&app, &author, json!({"type": "x"})).await;
        let (sender, another) = (Sender::of(&hook(&app, &author).await), Sender::of(&hook(&app, &author).await));
        let body = r#"{"type":"x"}"#;
        let time = app.now().seconds().to_string();
        let signature = sender.sign("m1", &time, body);
        let of_another = another.sign("m1", &time, body);
        let dotted = sender.sign("m.1", &time, body);
        let good = [("webhook-id", "m1"), ("webhook-timestamp", time.as_str()), ("webhook-signature", &signature)];
        for missing in 0..3 {
            let headers: Vec<_> = good.iter().copied().enumerate().filter(|(n, _)| *n != missing).map(|(_, h)| h).collect();
            sender.raw(&app, &headers, body).await.refused(401, &[]);
        }
        let [id, stamp, signed] = good;
        for (headers, body) in [
            ([id, stamp, ("webhook-signature", of_another.as_str())], body),
            ([id, stamp, ("webhook-signature", "v1,AAAA")], body),
            ([id, stamp, ("webhook-signature", "")], body),
            ([("webhook-id", "m2"), stamp, signed], body),
            ([id, ("webhook-timestamp", "1"), signed], body),
            (good, r#"{"type": "x"}"#),
            ([("webhook-id", "m.1"), stamp, ("webhook-signature", dotted.as_str())], body),
        ] {
            sender.raw(&app, &headers, body).await.refused(401, &[]);
        }
        for off in [app.now() + 301 * SECOND, app.now() - 301 * SECOND] {
            sender.send_at(&app, "m1", off, body).await.refused(401, &[]);
        }
        // Signed, and wrong: its id is not used up.
        sender.send(&app, "m1", "[]").await.refused(400, &[]);
        sender.send(&app, "m1", "{}").await.refused(400, &["type"]);
        sender.send(&app, "m1", &" ".repeat(65_537)).await.refused(413, &[]);
        assert_eq!(app.detail(&author, &mail).await["status"], "PENDING");
        let two = format!("{of_another} {signature}");
        assert_eq!(
            sender.raw(&app, &[id, stamp, ("webhook-signature", &two)], body).await.data(),
            &json!({"fired": 1})
        );
    }

    /// A message counts once, however late within its window it comes again; after it, its time is refused.
    async fn a_replay_is_refused(t) {
        let app = TestApp::new(t).await;
        let author = premium_author(&app).await;
        let (sender, another) = (Sender::of(&hook(&app, &author).await), Sender::of(&hook(&app, &author).await));
        let body = r#"{"type":"x"}"#;
        let ahead = app.now() + 300 * SECOND;
        sender.send_at(&app, "m1", ahead, body).await.data();
        another.send_at(&app, "m1", ahead, body).await.data();
        let mail = waiting_for(&app, &author, json!({"type": "x"})).await;
        for later in [0, 300, 300] {
            app.clock.advance(later * SECOND);
            sender.send_at(&app, "m1", ahead, body).await.refused(409, &[]);
        }
        app.clock.advance(SECOND);
        sender.send_at(&app, "m1", ahead, body).await.refused(401, &[]);
        assert_eq!(app.detail(&author, &mail).await["status"], "PENDING");
        // The window's ids are forgotten after it.
        sender.send(&app, "m2", r#"{"type":"y"}"#).await.data();
        let mut conn = app.system.db.read().await.unwrap();
        let (kept,): (i64,) = conn.one(db::sql!("SELECT COUNT(*) FROM hook_nonces"), &[]).await.unwrap();
        assert_eq!(kept, 2);
        drop(conn);
        assert_eq!(sender.send(&app, "m3", body).await.data(), &json!({"fired": 1}));
    }

    /// The same message eight times at once: taken once.
    async fn one_of_eight_copies_is_taken(t) {
        let app = std::sync::Arc::new(TestApp::new(t).await);
        let author = premium_author(&app).await;
        waiting_for(&app, &author, json!({"type": "x"})).await;
        let created = hook(&app, &author).await;
        let copies: Vec<_> = (0..8)
            .map(|_| {
                let (app, sender) = (std::sync::Arc::clone(&app), Sender::of(&created));
                tokio::spawn(async move { sender.send(&app, "m1", r#"{"type":"x"}"#).await })
            })
            .collect();
        let (mut taken, mut refused) = (0, 0);
        for copy in copies {
            let answer = copy.await.unwrap();
            match answer.status.as_u16() {
                200 => taken += i32::from(answer.data() == &json!({"fired": 1})),
                _ => {
                    answer.refused(409, &[]);
                    refused += 1;
                }
            }
        }
        assert_eq!((taken, refused), (1, 7));
    }

    /// The secret is in no table in the open, and 20 hooks are enough.
    async fn the_secret_is_sealed(t) {
        let app = TestApp::new(t).await;
        let author = zhangsan(&app).await;
        let created = hook(&app, &author).await;
        let mut conn = app.system.db.read().await.unwrap();
        let (sealed,): (Vec<u8>,) = conn.one(db::sql!("SELECT secret FROM trigger_hooks"), &[]).await.unwrap();
        drop(conn);
        let key = Sender::of(&created).key;
        assert!(!sealed.windows(key.len()).any(|part| part == key));
        for _ in 1..20 {
            hook(&app, &author).await;
        }
        app.post("/triggers/hooks", &author, json!({"name": "one more"})).await.refused(422, &["name"]);
    }

    /// Of one hook 60 events at once, then one a second; others are not held up.
    async fn a_busy_hook_is_slowed_down(t) {
        let app = TestApp::with(t, |s| s.limits = true).await;
        let author = zhangsan(&app).await;
        let (sender, another) = (Sender::of(&hook(&app, &author).await), Sender::of(&hook(&app, &author).await));
        let mut refused = 0;
        for n in 0..70 {
            let answer = sender.send(&app, &format!("m{n}"), r#"{"type":"x"}"#).await;
            if answer.status == 429 {
                refused += 1;
                assert!(answer.headers.contains_key("retry-after"));
            }
        }
        assert!((1..=10).contains(&refused), "{refused} were refused");
        another.send(&app, "m1", r#"{"type":"x"}"#).await.data();
    }
}
