//! What channels call: signatures of every kind, each channel's own answer, and nothing taken twice.

use std::collections::BTreeMap;

use accounts::Role;
use axum::{
    body::Body,
    http::{Method, Request},
};
use channels::{bridge, doudian, douyin, jd};
use serde_json::{Value, json};
use testkit::{
    app::{Answer, TestApp, User},
    wecom::Wecom,
};

use crate::{
    accounts::{connect, connect_wecom},
    desk::{data, get, post, supervisor, user},
};

/// The secret of the tests' bridge.
const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// A callback.
pub async fn callback(app: &TestApp, path: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Answer {
    let mut request = Request::builder().method(Method::POST).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    app.send(request.body(body.into()).unwrap()).await
}

async fn operator(app: &TestApp) -> User {
    user(app, "operator", Role::Operator).await
}

async fn with_bridge(app: &TestApp) -> bridge::Secret {
    let fields = json!({"secret": SECRET});
    let body = json!({"kind": "bridge", "channelType": "jd", "name": "b", "fields": fields});
    connect(app, &operator(app).await, body).await;
    bridge::Secret::new(SECRET).unwrap()
}

fn message(id: &str, text: &str) -> String {
    json!({"messageId": id, "kfId": "kf", "customerId": "c1", "msgType": "text", "content": text}).to_string()
}

/// How many messages all sessions have.
async fn messages(app: &TestApp, boss: &User) -> i64 {
    let list = get(app, "/sessions", boss).await;
    data(&list).as_array().unwrap().iter().map(|s| s["messageCount"].as_i64().unwrap()).sum()
}

testkit::both! {
    &testkit::app::migrations();

    /// Without a configured account nothing is accepted, whatever is signed.
    async fn without_an_account_nothing_is_accepted(t) {
        let app = TestApp::new(t).await;
        let wecom = Wecom::start(app.system.clock.clone()).await;
        let (query, body) = wecom.callback("kf", 1);
        callback(&app, &format!("/wecom/callback?{query}"), &[], body).await.refused(503, &[]);
        let secret = bridge::Secret::new(SECRET).unwrap();
        let body = message("1", "hi");
        let signed = secret.sign(body.as_bytes(), "nonce-0001", app.now());
        let headers = [
            ("X-Signature", signed.signature.as_str()),
            ("X-Timestamp", signed.timestamp.as_str()),
            ("X-Nonce", signed.nonce.as_str()),
        ];
        for channel in ["wechat", "douyin", "jd"] {
            let path = format!("/channel/{channel}/callback");
            callback(&app, &path, &headers, body.clone()).await.refused(503, &[]);
            callback(&app, &path, &[], "{}").await.refused(503, &[]);
        }
        callback(&app, "/channel/taobao/callback", &[], "{}").await.refused(400, &["channelType"]);
        let check = Request::builder().uri("/wecom/callback?echostr=x").body(Body::empty()).unwrap();
        let check = app.send(check).await;
        check.refused(503, &[]);
    }

    /// The check of the URL answers the plain text alone, and `error` for anybody else.
    async fn the_url_is_checked(t) {
        let app = TestApp::new(t).await;
        let wecom = Wecom::start(app.system.clock.clone()).await;
        connect_wecom(&app, &wecom, &[]).await;
        let sealed = Wecom::keys().seal("1616140317555161061", [7; 16], "nonce", app.now());
        let get = async |query: &str| {
            let request = Request::builder().uri(format!("/wecom/callback?{query}"));
            app.send(request.body(Body::empty()).unwrap()).await
        };
        let right = get(&sealed.echo_query()).await;
        assert_eq!((right.status.as_u16(), right.bytes.as_slice()), (200, &b"1616140317555161061"[..]));
        let wrong = get(&sealed.echo_query().replace("nonce=nonce", "nonce=other")).await;
        assert_eq!((wrong.status.as_u16(), wrong.bytes.as_slice()), (500, &b"error"[..]));
    }

    /// A callback that names an account is for that one alone; one that names none of ours is told so.
    async fn a_callback_may_name_its_account(t) {
        let app = TestApp::new(t).await;
        let secret = bridge::Secret::new(SECRET).unwrap();
        let account = json!({"kind": "bridge", "channelType": "jd", "name": "b", "fields": {"secret": SECRET}});
        let id = connect(&app, &operator(&app).await, account).await;
        let say = async |path: &str, nonce: &str| {
            let body = message(nonce, "hi");
            let signed = secret.sign(body.as_bytes(), nonce, app.now());
            let headers = [
                ("X-Signature", signed.signature.as_str()),
                ("X-Timestamp", signed.timestamp.as_str()),
                ("X-Nonce", signed.nonce.as_str()),
            ];
            callback(&app, path, &headers, body).await
        };
        assert_eq!(say(&format!("/channel/jd/callback?account={id}"), "nonce-01").await.status, 200);
        say("/channel/jd/callback?account=chan_other", "nonce-02").await.refused(400, &["account"]);
        say(&format!("/channel/wechat/callback?account={id}"), "nonce-03").await.refused(503, &[]);
        callback(&app, "/channel/jd/callback?account=", &[], "null").await.refused(400, &["account"]);
        callback(&app, &format!("/wecom/callback?account={id}"), &[], "<xml/>").await.refused(503, &[]);
    }

    /// A NUL in a customer's message, which PostgreSQL takes in no text, costs neither it nor the others.
    async fn a_nul_costs_no_message(t) {
        let app = TestApp::new(t).await;
        let (secret, boss) = (with_bridge(&app).await, supervisor(&app, "boss").await);
        let list = json!([
            {"messageId": "m1", "kfId": "kf", "customerId": "c1", "content": "a\0b", "customerName": "\0"},
            {"messageId": "m\0", "kfId": "kf", "customerId": "c1", "msgType": "k\0", "content": "\0"},
        ]);
        let body = list.to_string();
        let signed = secret.sign(body.as_bytes(), "nonce-0001", app.now());
        let query = format!("signature={}&timestamp={}&nonce={}", signed.signature, signed.timestamp, signed.nonce);
        let answer = callback(&app, &format!("/channel/jd/callback?{query}"), &[], body).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(messages(&app, &boss).await, 2);
        let list = get(&app, "/sessions", &boss).await;
        let id = data(&list)[0]["sessionId"].as_str().unwrap().to_owned();
        let history = get(&app, &format!("/sessions/{id}/history"), &boss).await;
        assert_eq!((&data(&history)[0]["content"], &data(&history)[1]["msgType"]), (&json!("ab"), &json!("k")));
    }

    /// Every kind of wrong signature is refused, and says what is wrong.
    async fn wrong_signatures_are_named(t) {
        let app = TestApp::new(t).await;
        let wecom = Wecom::start(app.system.clock.clone()).await;
        connect_wecom(&app, &wecom, &[]).await;
        let (query, body) = wecom.callback("kf", 1);
        let say = |answer: &Answer| answer.body["message"].as_str().unwrap().to_owned();
        let none = callback(&app, "/wecom/callback", &[], body.clone()).await;
        none.refused(401, &[]);
        assert!(say(&none).contains("msg_signature, timestamp and nonce are required"), "{}", say(&none));
        let unsigned = query.replace("msg_signature", "signature");
        callback(&app, &format!("/wecom/callback?{unsigned}"), &[], body.clone()).await.refused(401, &[]);
        let path = format!("/wecom/callback?{}", query.replace("nonce=nonce1", "nonce=nonce2"));
        let wrong = callback(&app, &path, &[], body.clone()).await;
        wrong.refused(401, &[]);
        assert!(say(&wrong).contains("msg_signature is not that of this account"));
        app.clock.advance(std::time::Duration::from_secs(301));
        let late = callback(&app, &format!("/wecom/callback?{query}"), &[], body).await;
        late.refused(401, &[]);
        assert!(say(&late).contains("more than 5 minutes off"));
    }

    /// The general form works in its three ways; a nonce works once, an old time never, parts of two ways neither.
    async fn a_bridge_signs_in_three_ways(t) {
        let app = TestApp::new(t).await;
        let (secret, boss) = (with_bridge(&app).await, supervisor(&app, "boss").await);
        let path = "/channel/jd/callback";
        let body = message("m1", "你好");
        let signed = secret.sign(body.as_bytes(), "nonce-0001", app.now());
        let headers = [
            ("X-Signature", signed.signature.as_str()),
            ("X-Timestamp", signed.timestamp.as_str()),
            ("X-Nonce", signed.nonce.as_str()),
        ];
        let first = callback(&app, path, &headers, body.clone()).await;
        assert_eq!((first.status.as_u16(), &first.body), (200, &json!({"code": 0, "message": "success"})));
        let again = callback(&app, path, &headers, body.clone()).await;
        again.refused(401, &[]);
        assert!(again.body["message"].as_str().unwrap().contains("nonce"));
        callback(&app, path, &headers[..2], body.clone()).await.refused(400, &["X-Nonce"]);

        let body = message("m2", "在吗");
        let signed = secret.sign(body.as_bytes(), "nonce-0002", app.now());
        let query = format!("signature={}&timestamp={}&nonce={}", signed.signature, signed.timestamp, signed.nonce);
        assert_eq!(callback(&app, &format!("{path}?{query}"), &[], body).await.status, 200);

        let inner = message("m3", "谢谢");
        let signed = secret.sign(inner.as_bytes(), "nonce-0003", app.now());
        let body = json!({"rawPayload": inner, "signature": signed.signature, "timestamp": signed.timestamp, "nonce": signed.nonce});
        assert_eq!(callback(&app, path, &[], body.to_string()).await.status, 200);

        let body = message("m4", "x");
        let old = secret.sign(body.as_bytes(), "nonce-0004", app.now().minus(std::time::Duration::from_secs(301)));
        let query = format!("signature={}&timestamp={}&nonce={}", old.signature, old.timestamp, old.nonce);
        callback(&app, &format!("{path}?{query}"), &[], body).await.refused(401, &[]);
        assert_eq!(messages(&app, &boss).await, 3);
        callback(&app, path, &[], "{}").await.refused(401, &[]);
        // Signed well and not to be understood: the bridge is told.
        let signed = secret.sign(b"{}", "nonce-0005", app.now());
        let query = format!("signature={}&timestamp={}&nonce={}", signed.signature, signed.timestamp, signed.nonce);
        callback(&app, &format!("{path}?{query}"), &[], "{}").await.refused(400, &["kfId"]);
    }

    /// Douyin: the challenge keeps its type; a message that is pushed three times is taken once.
    async fn douyin_is_answered_as_it_wants(t) {
        let app = TestApp::new(t).await;
        let boss = supervisor(&app, "boss").await;
        let fields = json!({"clientKey": "ck", "clientSecret": "cs", "openIds": "shop"});
        connect(&app, &operator(&app).await, json!({"kind": "douyin", "name": "d", "fields": fields})).await;
        let signer = douyin::App::new("ck", "cs", Vec::new()).unwrap();
        let path = "/channel/douyin/callback";
        let challenge = r#"{"event":"verify_webhook","client_key":"ck","content":{"challenge":12345}}"#;
        let sign = signer.sign(challenge.as_bytes());
        let answer = callback(&app, path, &[("X-Douyin-Signature", &sign)], challenge).await;
        assert_eq!(answer.body, json!({"challenge": 12345}));
        let content = json!({"conversation_short_id": "s1", "server_message_id": "m1", "message_type": "text",
            "text": "有货吗", "create_time": app.now().micros() / 1000}).to_string();
        let event = json!({"event": "im_receive_msg", "from_user_id": "u1", "to_user_id": "shop", "client_key": "ck",
            "content": content}).to_string();
        let sign = signer.sign(event.as_bytes());
        for _ in 0..3 {
            let answer = callback(&app, path, &[("X-Douyin-Signature", &sign), ("Msg-Id", "x")], event.clone()).await;
            assert_eq!((answer.status.as_u16(), &answer.body["code"]), (200, &json!(0)));
        }
        assert_eq!(messages(&app, &boss).await, 1);
        callback(&app, path, &[("X-Douyin-Signature", "00")], event).await.refused(401, &[]);
        // Signed by Douyin and not to be understood: kept with the reason, acknowledged, and can be read again.
        let odd = r#"{"content":{}}"#;
        let sign = signer.sign(odd.as_bytes());
        assert_eq!(callback(&app, path, &[("X-Douyin-Signature", &sign)], odd).await.status, 200);
        let failed = get(&app, "/desk/callbacks?failed=true", &boss).await;
        let one = &data(&failed)[0];
        assert!(one["error"].as_str().unwrap().contains("event"), "{one}");
        let id = one["callbackId"].as_str().unwrap();
        post(&app, &format!("/desk/callbacks/{id}/replay"), &boss, json!({})).await.refused(422, &["callback"]);
        let all = get(&app, "/desk/callbacks", &boss).await;
        let taken = data(&all).as_array().unwrap().iter().find(|one| one["error"].is_null()).unwrap();
        let id = taken["callbackId"].as_str().unwrap();
        data(&post(&app, &format!("/desk/callbacks/{id}/replay"), &boss, json!({})).await);
        assert_eq!(messages(&app, &boss).await, 1, "what it said before is not said again");
    }

    /// 抖店 and JD, each with its own signature and its own answer.
    async fn shops_are_answered_as_they_want(t) {
        let app = TestApp::new(t).await;
        let (boss, op) = (supervisor(&app, "boss").await, operator(&app).await);
        let fields = json!({"appKey": "ak", "appSecret": "as"});
        connect(&app, &op, json!({"kind": "doudian", "name": "d", "fields": fields})).await;
        connect(&app, &op, json!({"kind": "jd", "name": "j", "fields": fields})).await;
        let signer = doudian::App::new("ak", "as").unwrap();
        let body = "[]";
        let sign = signer.sign(body.as_bytes());
        let answer =
            callback(&app, "/channel/douyin/callback", &[("app-id", "ak"), ("event-sign", &sign)], body).await;
        assert_eq!((&answer.body["code"], &answer.body["msg"]), (&json!(0), &json!("success")));
        let wrong =
            callback(&app, "/channel/douyin/callback", &[("app-id", "ak"), ("event-sign", "00")], body).await;
        wrong.refused(401, &[]);

        let signer = jd::App::new("ak", "as").unwrap();
        let said = json!({"id": "j1", "type": "chat_message", "from": {"pin": "buyer", "app": "im.customer"},
            "to": {"pin": "waiter", "app": "im.waiter"},
            "body": {"type": "text", "content": "几点送到", "chatinfo": {"venderId": "v1", "sid": "s1"}},
            "timestamp": app.now().micros() / 1000}).to_string();
        let now = app.now().plus(std::time::Duration::from_secs(8 * 3600)).to_string();
        let stamp: String = now.replace('T', " ").chars().take(19).collect();
        let mut form: BTreeMap<&str, &str> = BTreeMap::from([
            ("token", "t"), ("app_key", "ak"), ("timestamp", &stamp), ("format", "json"), ("v", "1.0"),
            ("jd_param_json", &said),
        ]);
        let sign = signer.sign_jos(&form.iter().map(|(k, v)| (*k, *v)).collect::<Vec<_>>());
        form.insert("sign", &sign);
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(&form).finish();
        let kind = [("content-type", "application/x-www-form-urlencoded")];
        let answer = callback(&app, "/channel/jd/callback", &kind, body.clone()).await;
        assert_eq!(answer.body, json!({"code": "0", "msg": "success", "data": ""}));
        assert_eq!(messages(&app, &boss).await, 1);
        let bent = body.replace("v1", "v2");
        callback(&app, "/channel/jd/callback", &kind, bent).await.refused(401, &[]);
    }

    /// The same callback many times at once is taken once, and all are answered.
    async fn the_same_callback_at_once(t) {
        let app = TestApp::new(t).await;
        let wecom = Wecom::start(app.system.clock.clone()).await;
        connect_wecom(&app, &wecom, &[]).await;
        let boss = supervisor(&app, "boss").await;
        wecom.says("m1", "kf", "c1", "你好");
        let (query, body) = wecom.callback("kf", 1);
        let path = format!("/wecom/callback?{query}");
        let all = (0..8).map(|_| callback(&app, &path, &[], body.clone()));
        for answer in futures_util::future::join_all(all).await {
            assert_eq!((answer.status.as_u16(), answer.bytes.as_slice()), (200, &b"success"[..]));
        }
        app.run_due().await;
        assert_eq!(messages(&app, &boss).await, 1);
        assert_eq!(wecom.calls("kf/sync_msg"), 1);
        assert_eq!(wecom.pull_tokens(), ["pull-1"]);
    }

    /// Callbacks are forgotten after their time.
    async fn callbacks_are_forgotten(t) {
        let app = TestApp::new(t).await;
        let (secret, boss) = (with_bridge(&app).await, supervisor(&app, "boss").await);
        let body = message("m1", "hi");
        let signed = secret.sign(body.as_bytes(), "nonce-0001", app.now());
        let query = format!("signature={}&timestamp={}&nonce={}", signed.signature, signed.timestamp, signed.nonce);
        callback(&app, &format!("/channel/jd/callback?{query}"), &[], body).await;
        app.clock.advance(kernel::time::days(29));
        app.system.desk.look_after_channels().await.unwrap();
        let boss = &app.login(&boss).await;
        assert_eq!(data(&get(&app, "/desk/callbacks", boss).await).as_array().unwrap().len(), 1);
        app.clock.advance(kernel::time::days(2));
        app.system.desk.look_after_channels().await.unwrap();
        let boss = &app.login(boss).await;
        assert_eq!(data(&get(&app, "/desk/callbacks", boss).await), &Value::Array(Vec::new()));
    }
}
