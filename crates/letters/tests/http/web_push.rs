//! Web Push against `web-push-testing`, which decrypts as a browser does. It is npm's; where it is installed,
//! `HONGYAN_TEST_PEERS` says.

use std::{
    io::{BufRead as _, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use serde_json::{Value, json};
use testkit::app::TestApp;
use transports::web::{Reach, Web, WebSettings};

use crate::helpers::*;

/// The peer on a port of its own; ends with the test.
struct Browser {
    process: Child,
    base: String,
    web: Web,
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Browser {
    fn start() -> Option<Self> {
        #[expect(clippy::disallowed_methods, reason = "where the test runner puts it")]
        let Ok(peers) = std::env::var("HONGYAN_TEST_PEERS") else {
            eprintln!("skipped: HONGYAN_TEST_PEERS is not set");
            return None;
        };
        let port = testkit::port();
        let script = PathBuf::from(peers).join("web-push-testing/src/bin/server.js");
        let mut process = Command::new("node")
            .arg(script)
            .arg(port.to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("node starts");
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        assert!(lines.next().unwrap().unwrap().contains("running"));
        let web = Web::new(&WebSettings::new(Reach::Anywhere)).unwrap();
        Some(Self { process, base: format!("http://localhost:{port}"), web })
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        let request = http::Request::post(format!("{}{path}", self.base))
            .header("content-type", "application/json")
            .body(body.to_string().into_bytes())
            .unwrap();
        let answer = self.web.send(request).await.unwrap();
        assert_eq!(answer.status(), 200);
        serde_json::from_slice(answer.body()).unwrap_or(Value::Null)
    }

    /// Subscribes as a page does; the subscription, and what the peer calls it.
    async fn subscribe(&self, key: &str) -> (String, String) {
        let answer =
            self.post("/subscribe", json!({"userVisibleOnly": "true", "applicationServerKey": key})).await;
        let hash = answer["data"]["clientHash"].as_str().unwrap().to_owned();
        let subscription = json!({"endpoint": answer["data"]["endpoint"], "keys": answer["data"]["keys"]});
        (subscription.to_string(), hash)
    }

    /// What was decrypted.
    async fn notifications(&self, hash: &str) -> Vec<Value> {
        let answer = self.post("/get-notifications", json!({"clientHash": hash})).await;
        let texts = answer["data"]["messages"].as_array().unwrap();
        texts.iter().map(|t| serde_json::from_str(t.as_str().unwrap()).unwrap()).collect()
    }
}

testkit::both! {
    &[];

    /// A letter arrives, the browser reads what was sent; when it has left, the subscription goes.
    async fn a_browser_reads_what_was_sent(t) {
        let Some(browser) = Browser::start() else { return };
        let app = TestApp::with(t, |s| s.push.allow_private = true).await;
        let user = zhangsan(&app).await;
        let key = app.get("/notification/vapid-key", &user).await.data()["publicKey"].as_str().unwrap().to_owned();
        let (subscription, hash) = browser.subscribe(&key).await;
        let body = json!({"deviceId": "browser", "platform": "WEB", "token": subscription});
        app.post("/notification/device", &user, body).await.data();
        let mail = app.delivered(&user, json!({"title": "十年之约 🎐", "content": "正文在此"})).await;
        let received = browser.notifications(&hash).await;
        assert_eq!(received, [json!({
            "title": "您的信到了 / Your letter has arrived", "body": "《十年之约 🎐》", "type": "received",
            "mailId": mail, "tag": mail, "url": format!("http://hongyan.test/letters/{mail}")
        })]);
        let push = |answer: Value| {
            let all = answer["deliveries"].as_array().unwrap().clone();
            all.into_iter().find(|d| d["channel"] == "received-push")
        };
        let seen = push(app.get(&format!("/mails/{mail}/deliveries"), &user).await.data().clone()).unwrap();
        assert!(seen["answer"].as_str().unwrap().starts_with("201"), "{seen}");
        assert!(!seen.to_string().contains(&hash));
        browser.post(&format!("/expire-subscription/{hash}"), json!({})).await;
        let mail = app.delivered(&user, json!({})).await;
        let seen = push(app.get(&format!("/mails/{mail}/deliveries"), &user).await.data().clone()).unwrap();
        assert!(seen["answer"].as_str().unwrap().starts_with("410"), "{seen}");
        let mail = app.delivered(&user, json!({})).await;
        assert_eq!(push(app.get(&format!("/mails/{mail}/deliveries"), &user).await.data().clone()), None);
        assert_eq!(browser.notifications(&hash).await.len(), 1);
    }

    /// Without the operator's leave, no subscription leads into the network.
    async fn a_subscription_that_leads_inside_is_refused(t) {
        let Some(browser) = Browser::start() else { return };
        let app = TestApp::new(t).await;
        let user = zhangsan(&app).await;
        let key = app.get("/notification/vapid-key", &user).await.data()["publicKey"].as_str().unwrap().to_owned();
        let (subscription, _) = browser.subscribe(&key).await;
        let body = json!({"deviceId": "browser", "platform": "WEB", "token": subscription});
        app.post("/notification/device", &user, body).await.refused(422, &["token"]);
    }
}
