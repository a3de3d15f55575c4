//! What bridges and customers send that is easily taken for something else.

use accounts::Role;
use channels::bridge;
use db::{args, sql};
use serde_json::{Value, json};
use testkit::app::{Answer, TestApp};

use crate::{
    accounts::connect,
    callbacks::callback,
    desk::{data, get, post, settings, user},
    wecom::Stage,
};

const SECRET: &str = "0123456789abcdef0123456789abcdef";

async fn bridge(app: &TestApp) {
    let operator = user(app, "operator", Role::Operator).await;
    let fields = json!({"secret": SECRET, "apiBase": "http://10.0.0.7:8080/out"});
    let body = json!({"kind": "bridge", "channelType": "jd", "name": "b", "fields": fields});
    connect(app, &operator, body).await;
}

/// A bridge's message, as `curl -d` sends it: its type is that of a form.
async fn says(app: &TestApp, n: usize, message: Value) -> Answer {
    let said = json!({"messageId": format!("m{n}"), "kfId": "kf", "customerId": "c1"});
    let mut said = said.as_object().unwrap().clone();
    said.extend(message.as_object().unwrap().clone());
    let body = Value::from(said).to_string();
    let nonce = format!("nonce-{n:04}");
    let signed = bridge::Secret::new(SECRET).unwrap().sign(body.as_bytes(), &nonce, app.now());
    let headers = [
        ("X-Signature", signed.signature.as_str()),
        ("X-Timestamp", signed.timestamp.as_str()),
        ("X-Nonce", nonce.as_str()),
        ("Content-Type", "application/x-www-form-urlencoded"),
    ];
    callback(app, "/channel/jd/callback", &headers, body).await
}

/// How many messages webhooks hear of.
async fn heard(app: &TestApp) -> i64 {
    let mut conn = app.system.db.read().await.unwrap();
    let (rows,): (i64,) = conn
        .one(sql!("SELECT COUNT(*) FROM desk_webhook_events WHERE type = 'message.created'"), args![])
        .await
        .unwrap();
    rows
}

testkit::both! {
    &testkit::app::migrations();

    /// What a bridge signs is a bridge's, whatever its client calls the body; so it is where the body holds the signature.
    async fn a_bridge_may_call_it_a_form(t) {
        let app = TestApp::new(t).await;
        bridge(&app).await;
        assert_eq!(says(&app, 1, json!({"content": "你好"})).await.status, 200);
        let inner = json!({"messageId": "m2", "kfId": "kf", "customerId": "c1", "content": "在吗"}).to_string();
        let signed = bridge::Secret::new(SECRET).unwrap().sign(inner.as_bytes(), "nonce-0002", app.now());
        let body = json!({"rawPayload": inner, "signature": signed.signature, "timestamp": signed.timestamp,
            "nonce": signed.nonce});
        let kind = [("Content-Type", "application/x-www-form-urlencoded")];
        let answer = callback(&app, "/channel/jd/callback", &kind, body.to_string()).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        // JD's own is still JD's.
        callback(&app, "/channel/jd/callback", &kind, "app_key=ak&sign=00").await.refused(503, &[]);
    }

    /// A file that could never be fetched is refused at once; one of the bridge's own may lie inside.
    async fn a_file_must_be_within_reach(t) {
        let app = TestApp::new(t).await;
        bridge(&app).await;
        let file = |url: &str| json!({"msgType": "image", "mediaUrl": url});
        let refused =
            ["http://files.example.com/a.png", "https://files.example.com:8443/a.png", "https://10.0.0.8/a.png",
             "http://10.0.0.7:8080/outside/a.png", "ftp://files.example.com/a"];
        for (n, url) in refused.iter().enumerate() {
            says(&app, n, file(url)).await.refused(400, &["mediaUrl"]);
        }
        for (n, url) in ["https://files.example.com/a.png", "http://10.0.0.7:8080/out/a.png"].iter().enumerate() {
            let answer = says(&app, 10 + n, file(url)).await;
            assert_eq!(answer.status, 200, "{}", answer.body);
        }
    }

    /// Without an account WeCom's check of the URL is 503; a check that fails stays 500.
    async fn without_an_account_no_url_is_checked(t) {
        let app = TestApp::new(t).await;
        let request = axum::http::Request::builder().uri("/wecom/callback?echostr=x");
        app.send(request.body(axum::body::Body::empty()).unwrap()).await.refused(503, &[]);
    }

    /// A rating is a message like others: webhooks hear of it, and the customer can be answered again.
    async fn a_rating_is_a_message(t) {
        let mut s = Stage::new(t, &[]).await;
        settings(&s.app, &s.boss, json!({"rating": true, "ratingText": "1-5?"})).await;
        let hook = json!({"name": "x", "url": "https://example.com/", "events": ["message.created"]});
        data(&post(&s.app, "/desk/webhooks", &s.boss, hook).await);
        let id = s.manual().await;
        data(&s.say(&id, "再见").await);
        s.app.run_due().await;
        data(&post(&s.app, &format!("/sessions/{id}/close"), &s.boss, json!({})).await);
        s.app.run_due().await;
        let spent = s.detail(&id).await["window"]["left"].as_i64().unwrap();
        let before = heard(&s.app).await;
        s.wecom.says("rate", "kf", "c1", "5");
        s.told().await;
        let detail = s.detail(&id).await;
        assert_eq!((&detail["rating"], &detail["status"]), (&json!(5), &json!("closed")));
        assert_eq!(heard(&s.app).await, before + 1);
        assert!(spent < 5);
        assert_eq!(detail["window"]["left"], 5);
        data(&get(&s.app, "/sessions", &s.boss).await);
    }
}
