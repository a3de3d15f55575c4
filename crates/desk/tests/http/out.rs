//! Through Douyin, JD and a bridge from end to end: a customer's callback comes in, a person's answer goes out.

use std::{collections::BTreeMap, time::Duration};

use accounts::Role;
use axum::{
    body::Body,
    http::{Method, Request, header},
};
use channels::{bridge, douyin, jd};
use serde_json::{Value, json};
use testkit::{
    TestDb,
    app::{Answer, TestApp, User, png},
};

use crate::{
    accounts::connect,
    callbacks::callback,
    desk::{data, get, post, supervisor, user},
    peers::{BRIDGE, CLIENT_KEY, JD, LIFE, Peer, Trouble},
};

/// A server with one account of a channel, the channel's own server, and a supervisor.
struct Stage {
    app: TestApp,
    peer: Peer,
    account: String,
    operator: User,
    boss: User,
}

impl Stage {
    async fn with(app: TestApp, peer: Peer, account: Value) -> Self {
        let operator = user(&app, "operator", Role::Operator).await;
        let account = connect(&app, &operator, account).await;
        let boss = supervisor(&app, "boss").await;
        Self { app, peer, account, operator, boss }
    }

    async fn douyin(t: TestDb, tokens: &[(&str, &str)]) -> Self {
        let app = TestApp::new(t).await;
        let peer = Peer::douyin(app.system.clock.clone()).await;
        let mut fields =
            json!({"clientKey": CLIENT_KEY, "clientSecret": "cs", "openIds": "shop", "apiBase": peer.url});
        for (name, token) in tokens {
            fields[*name] = json!(token);
        }
        Self::with(app, peer, json!({"kind": "douyin", "name": "d", "fields": fields})).await
    }

    async fn jd(t: TestDb) -> Self {
        let app = TestApp::new(t).await;
        let peer = Peer::jd(app.system.clock.clone()).await;
        let fields = json!({"appKey": JD.0, "appSecret": JD.1, "token": "jd-token", "waiter": "xiaoli", "apiBase": peer.url});
        Self::with(app, peer, json!({"kind": "jd", "name": "j", "fields": fields})).await
    }

    async fn bridge(t: TestDb) -> Self {
        let app = TestApp::new(t).await;
        let peer = Peer::bridge(app.system.clock.clone()).await;
        let fields = json!({"secret": BRIDGE, "apiBase": peer.url});
        Self::with(app, peer, json!({"kind": "bridge", "channelType": "jd", "name": "b", "fields": fields}))
            .await
    }

    /// A customer writes on Douyin; a person takes the session. Its id.
    async fn by_douyin(&self, customer: &str) -> String {
        let content = json!({"conversation_short_id": format!("conv-{customer}"),
            "server_message_id": format!("m-{customer}"), "message_type": "text", "text": "有货吗",
            "create_time": self.app.now().micros() / 1000});
        let event = json!({"event": "im_receive_msg", "from_user_id": customer, "to_user_id": "shop",
            "client_key": CLIENT_KEY, "content": content})
        .to_string();
        let sign = douyin::App::new(CLIENT_KEY, "cs", Vec::new()).unwrap().sign(event.as_bytes());
        let headers = [("X-Douyin-Signature", sign.as_str())];
        let answer = callback(&self.app, "/channel/douyin/callback", &headers, event).await;
        assert_eq!(answer.body["code"], 0, "{}", answer.body);
        self.take(customer).await
    }

    async fn by_jd(&self, customer: &str) -> String {
        let said = json!({"id": format!("j-{customer}"), "type": "chat_message",
            "from": {"pin": customer, "app": "im.customer"}, "to": {"pin": "xiaoli", "app": "im.waiter"},
            "body": {"type": "text", "content": "几点送到", "chatinfo": {"venderId": "v1", "sid": "s1"}},
            "timestamp": self.app.now().micros() / 1000})
        .to_string();
        let there = self.app.now().plus(Duration::from_secs(8 * 3600)).to_string();
        let stamp: String = there.replace('T', " ").chars().take(19).collect();
        let mut form = BTreeMap::from([
            ("token", "t"),
            ("app_key", JD.0),
            ("timestamp", &*stamp),
            ("format", "json"),
            ("v", "1.0"),
            ("jd_param_json", &*said),
        ]);
        let signer = jd::App::new(JD.0, JD.1).unwrap();
        let sign = signer.sign_jos(&form.iter().map(|(k, v)| (*k, *v)).collect::<Vec<_>>());
        form.insert("sign", &sign);
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(&form).finish();
        let kind = [("content-type", "application/x-www-form-urlencoded")];
        let answer = callback(&self.app, "/channel/jd/callback", &kind, body).await;
        assert_eq!(answer.body["code"], "0");
        self.take(customer).await
    }

    async fn by_bridge(&self, customer: &str) -> String {
        let body = json!({"messageId": format!("b-{customer}"), "kfId": "kf", "customerId": customer,
            "conversation": "room-7", "msgType": "text", "content": "在吗"})
        .to_string();
        let nonce = format!("nonce-{customer}");
        let signed = bridge::Secret::new(BRIDGE).unwrap().sign(body.as_bytes(), &nonce, self.app.now());
        let headers = [
            ("X-Signature", &*signed.signature),
            ("X-Timestamp", &*signed.timestamp),
            ("X-Nonce", &*signed.nonce),
        ];
        assert_eq!(callback(&self.app, "/channel/jd/callback", &headers, body).await.status, 200);
        self.take(customer).await
    }

    /// The supervisor takes this customer's session before the assistant says anything.
    async fn take(&self, customer: &str) -> String {
        let list = get(&self.app, "/sessions?status=ai", &self.boss).await;
        let session =
            data(&list).as_array().unwrap().iter().find(|s| s["customerId"] == customer).unwrap().clone();
        let id = session["sessionId"].as_str().unwrap().to_owned();
        data(&post(&self.app, &format!("/sessions/{id}/takeover"), &self.boss, json!({})).await);
        self.app.run_due().await;
        id
    }

    async fn say(&self, id: &str, body: Value) -> Answer {
        post(&self.app, &format!("/sessions/{id}/message"), &self.boss, body).await
    }

    /// An agent's text; its id.
    async fn text(&self, id: &str, text: &str) -> String {
        data(&self.say(id, json!({"content": text})).await)["msgId"].as_str().unwrap().to_owned()
    }

    async fn history(&self, id: &str) -> Vec<Value> {
        data(&get(&self.app, &format!("/sessions/{id}/history"), &self.boss).await)
            .as_array()
            .unwrap()
            .clone()
    }

    /// The person's messages: content and status.
    async fn ours(&self, id: &str) -> Vec<(String, String)> {
        let text = |m: &Value, key: &str| m[key].as_str().unwrap().to_owned();
        let history = self.history(id).await;
        let ours = history.iter().filter(|m| m["senderType"] == "manual" && m["status"] != "internal");
        ours.map(|m| (text(m, "content"), text(m, "status"))).collect()
    }

    async fn after(&mut self, time: Duration) {
        self.app.clock.advance(time);
        if time > Duration::from_secs(3600) {
            self.boss = self.app.login(&self.boss).await;
            self.operator = self.app.login(&self.operator).await;
        }
        self.app.run_due().await;
    }

    /// What the minute's round does, and what follows.
    async fn round(&self) {
        self.app.system.desk.look_after_channels().await.unwrap();
        self.app.run_due().await;
    }

    async fn health(&self) -> Value {
        let list = get(&self.app, "/desk/accounts", &self.operator).await;
        data(&list).as_array().unwrap().iter().find(|a| a["accountId"] == *self.account).unwrap()["health"]
            .clone()
    }

    /// What was taken, in order: the ids by which the channel knows each, and what they said.
    fn taken(&self) -> Vec<Value> {
        self.peer.taken().iter().map(|one| one["said"].clone()).collect()
    }
}

const SECOND: Duration = Duration::from_secs(1);

fn pairs(of: &[(&str, &str)]) -> Vec<(String, String)> {
    of.iter().map(|(content, status)| ((*content).to_owned(), (*status).to_owned())).collect()
}

testkit::both! {
    &testkit::app::migrations();

    /// Douyin: an answer names the message that it answers; what passes is tried again in order, what is final fails.
    async fn douyin_is_answered(t) {
        let mut s = Stage::douyin(t, &[("accessToken", "act-0")]).await;
        let id = s.by_douyin("u1").await;
        s.peer.trouble([Trouble::Status(502), Trouble::Code(2_100_004), Trouble::Silence]);
        s.text(&id, "有的").await;
        s.text(&id, "今天发货").await;
        s.app.run_due().await;
        assert_eq!(s.ours(&id).await, pairs(&[("有的", "queued"), ("今天发货", "queued")]));
        for _ in 0..4 {
            s.after(5 * SECOND).await;
        }
        assert_eq!(s.ours(&id).await, pairs(&[("有的", "sent"), ("今天发货", "sent")]));
        let taken = s.taken();
        assert_eq!(taken[0], json!({"msg_id": "m-u1", "conversation_id": "conv-u1", "to_user_id": "u1",
            "scene": "im_reply_msg", "content": {"msg_type": 1, "text": {"text": "有的"}}}));
        assert_eq!(taken[1]["content"]["text"]["text"], "今天发货");
        let seen = s.peer.seen();
        assert_eq!(seen.len(), 5, "three times in vain, once more, and the next");
        assert!(seen[..4].iter().all(|body| *body == taken[0]), "each time the same");

        s.peer.trouble([Trouble::Code(28_003_010)]);
        s.text(&id, "您好").await;
        s.text(&id, "还在吗").await;
        s.app.run_due().await;
        assert_eq!(s.ours(&id).await[2..], pairs(&[("您好", "failed"), ("还在吗", "sent")]));
        let reason = s.history(&id).await.iter().find(|m| m["status"] == "failed").unwrap()["failReason"].clone();
        assert_eq!(reason, "Douyin answers 28003010: as ordered");
    }

    /// A token that Douyin takes no longer is renewed once, however many messages find that out at the same time; each
    /// message arrives once.
    async fn douyins_token_is_renewed_once_for_all(t) {
        let mut s = Stage::douyin(t, &[("accessToken", "act-0"), ("refreshToken", "rft-0")]).await;
        s.round().await;
        assert_eq!(s.peer.renewals(), (1, 0));
        let mut sessions = Vec::new();
        for n in 0..8 {
            sessions.push(s.by_douyin(&format!("u{n}")).await);
        }
        s.peer.end_token();
        for (n, id) in sessions.iter().enumerate() {
            s.text(id, &format!("answer {n}")).await;
        }
        s.app.run_due().await;
        for _ in 0..4 {
            s.after(2 * SECOND).await;
        }
        assert_eq!(s.peer.renewals(), (2, 0));
        for (n, id) in sessions.iter().enumerate() {
            assert_eq!(s.ours(id).await, pairs(&[(&format!("answer {n}"), "sent")]));
        }
        assert_eq!(s.taken().len(), 8);
        assert_eq!(s.health().await["ok"], true);
    }

    /// Tokens are renewed before they end, without a message and without end, and lie sealed.
    async fn douyins_token_is_renewed_ahead(t) {
        let mut s = Stage::douyin(t, &[("refreshToken", "rft-0")]).await;
        for _ in 0..3 {
            s.round().await;
        }
        assert_eq!(s.peer.renewals(), (1, 0), "at once, and once");
        s.after(LIFE.mul_f64(0.9) - 60 * SECOND).await;
        s.round().await;
        assert_eq!(s.peer.renewals(), (1, 0));
        s.after(61 * SECOND).await;
        assert_eq!(s.peer.renewals(), (2, 0), "a tenth of its life before its end");
        // The next renewal would be too late for the refresh token: it is exchanged, and the new one is used.
        s.peer.short_refresh(LIFE, []);
        s.after(LIFE).await;
        assert_eq!(s.peer.renewals(), (3, 1));
        s.after(LIFE).await;
        assert_eq!(s.peer.renewals(), (4, 1));
        let id = s.by_douyin("u1").await;
        s.text(&id, "有的").await;
        s.app.run_due().await;
        assert_eq!(s.ours(&id).await, pairs(&[("有的", "sent")]));
        let (access, refresh) = s.peer.tokens();
        assert_eq!((access.as_str(), refresh.as_str()), ("act-1", "rft-1"));
        let mut conn = s.app.system.db.read().await.unwrap();
        let (sealed,): (Vec<u8>,) = conn.one(db::sql!("SELECT tokens FROM desk_tokens"), db::args![]).await.unwrap();
        for token in [access, refresh] {
            assert!(!sealed.windows(token.len()).any(|bytes| bytes == token.as_bytes()));
        }
    }

    /// A refused renewal is the account's health, messages say so when the token is over, and a new token heals it.
    async fn a_refused_renewal_is_told(t) {
        let mut s = Stage::douyin(t, &[("accessToken", "act-0"), ("refreshToken", "rft-0")]).await;
        s.peer.refuse_renewals([500, 2_100_004]);
        s.round().await;
        assert_eq!(s.health().await["problem"], "Douyin answers with status 500");
        for _ in 0..3 {
            s.after(10 * SECOND).await;
        }
        assert_eq!((s.peer.renewals().0, &s.health().await["ok"]), (3, &json!(true)), "what passes is tried again");
        let id = s.by_douyin("u1").await;
        s.peer.end_token();
        s.peer.refuse_renewals([10_010]);
        s.text(&id, "有的").await;
        s.app.run_due().await;
        for _ in 0..3 {
            s.after(2 * SECOND).await;
        }
        assert_eq!(s.ours(&id).await, pairs(&[("有的", "failed")]));
        let failed = s.history(&id).await.last().unwrap()["failReason"].as_str().unwrap().to_owned();
        assert!(failed.contains("is not renewed: Douyin answers 10010"), "{failed}");
        let health = s.health().await;
        assert_eq!((&health["ok"], &health["problem"]), (&json!(false), &json!("Douyin answers 10010: as ordered")));
        s.round().await;
        assert_eq!(s.peer.renewals().0, 4, "what is refused is not asked again");

        let (_, good) = s.peer.tokens();
        let change = json!({"fields": {"refreshToken": good, "accessToken": "another"}});
        let path = format!("/desk/accounts/{}", s.account);
        data(&crate::desk::call(&s.app, Method::PATCH, &path, Some(&s.operator), Some(change)).await);
        s.round().await;
        assert_eq!(s.health().await["ok"], true);
        let message = s.history(&id).await.last().unwrap()["msgId"].as_str().unwrap().to_owned();
        data(&post(&s.app, &format!("/sessions/{id}/messages/{message}/retry"), &s.boss, json!({})).await);
        s.app.run_due().await;
        assert_eq!(s.ours(&id).await, pairs(&[("有的", "sent")]));
    }

    /// Where Douyin exchanges the refresh token no more, the operator hears of it while everything still works.
    async fn the_end_of_an_authorisation_is_told_early(t) {
        let s = Stage::douyin(t, &[("refreshToken", "rft-0")]).await;
        s.peer.short_refresh(LIFE, [10_020]);
        s.round().await;
        assert_eq!(s.peer.renewals(), (1, 1));
        let health = s.health().await;
        assert!(health["problem"].as_str().unwrap().contains("10020") && health["ok"] == false, "{health}");
        let id = s.by_douyin("u1").await;
        s.text(&id, "有的").await;
        s.app.run_due().await;
        assert_eq!(s.ours(&id).await, pairs(&[("有的", "sent")]));
    }

    /// Without anything to renew with, an ended token fails messages at once, and says what is missing.
    async fn a_token_without_renewal_ends(t) {
        let s = Stage::douyin(t, &[("accessToken", "act-0")]).await;
        let id = s.by_douyin("u1").await;
        s.peer.end_token();
        s.text(&id, "有的").await;
        s.app.run_due().await;
        assert_eq!(s.ours(&id).await, pairs(&[("有的", "failed")]));
        assert!(s.history(&id).await.last().unwrap()["failReason"].as_str().unwrap().contains("refreshToken"));
        assert_eq!(s.peer.renewals(), (0, 0));
    }

    /// A refresh token that Douyin refuses does not end an access token that it still takes.
    async fn a_good_token_outlives_a_bad_renewal(t) {
        let s = Stage::douyin(t, &[("accessToken", "act-0"), ("refreshToken", "bad")]).await;
        s.round().await;
        assert_eq!(s.health().await["problem"], "Douyin answers 10010: as ordered");
        let id = s.by_douyin("u1").await;
        s.text(&id, "有的").await;
        s.app.run_due().await;
        assert_eq!(s.ours(&id).await, pairs(&[("有的", "sent")]));
        s.peer.end_token();
        s.text(&id, "今天").await;
        s.app.run_due().await;
        assert_eq!(s.ours(&id).await[1..], pairs(&[("今天", "failed")]));
        assert_eq!(s.peer.renewals().0, 1);
    }

    /// JD: signed as JD signs, under one id however often it is sent.
    async fn jd_is_answered(t) {
        let mut s = Stage::jd(t).await;
        let id = s.by_jd("buyer").await;
        s.peer.trouble([Trouble::Status(500), Trouble::Code(-10_000), Trouble::Silence]);
        let message = s.text(&id, "半小时内").await;
        s.app.run_due().await;
        for _ in 0..4 {
            s.after(5 * SECOND).await;
        }
        assert_eq!(s.ours(&id).await, pairs(&[("半小时内", "sent")]));
        let taken = s.taken();
        assert_eq!(taken.len(), 1, "what was taken before it broke off is known by its id");
        assert_eq!(taken[0]["to"]["pin"], "buyer");
        assert_eq!(taken[0]["from"]["pin"], "xiaoli");
        assert_eq!(taken[0]["body"]["content"], "半小时内");
        assert_eq!(taken[0]["body"]["chatinfo"]["venderId"], "v1");
        assert_eq!(taken[0]["body"]["chatinfo"]["sid"], "s1");
        let seen = s.peer.seen();
        assert_eq!(seen.len(), 4);
        assert!(seen.iter().all(|said| said["id"] == channels::wecom::msgid(&message)), "{seen:?}");

        s.peer.trouble([Trouble::Code(10_032)]);
        s.text(&id, "抱歉").await;
        s.text(&id, "马上到").await;
        s.app.run_due().await;
        assert_eq!(s.ours(&id).await[1..], pairs(&[("抱歉", "failed"), ("马上到", "sent")]));
        let failed = get(&s.app, "/desk/failed-messages", &s.boss).await;
        assert_eq!(data(&failed)[0]["failReason"], "JD answers 10032: as ordered");
    }

    /// A bridge: signed by our documents, the same id each time, a file by an address that opens it.
    async fn a_bridge_is_answered(t) {
        let mut s = Stage::bridge(t).await;
        let id = s.by_bridge("c1").await;
        s.peer.trouble([Trouble::Status(503), Trouble::Status(429), Trouble::Status(500)]);
        let message = s.text(&id, "在的").await;
        s.app.run_due().await;
        for _ in 0..4 {
            s.after(5 * SECOND).await;
        }
        assert_eq!(s.ours(&id).await, pairs(&[("在的", "sent")]));
        let seen = s.peer.seen();
        assert_eq!(seen.len(), 4);
        assert!(seen.iter().all(|said| said["messageId"] == *message && *said == seen[0]));
        let said = &s.taken()[0];
        assert_eq!(
            (&said["kfId"], &said["customerId"], &said["conversation"], &said["senderType"], &said["content"]),
            (&json!("kf"), &json!("c1"), &json!("room-7"), &json!("manual"), &json!("在的"))
        );

        let picture = png(20, 10);
        let file = s.upload("图.png", &picture).await;
        data(&s.say(&id, json!({"msgType": "image", "fileId": file})).await);
        s.app.run_due().await;
        let said = s.taken()[1].clone();
        assert_eq!(said["msgType"], "image");
        let url = said["mediaUrl"].as_str().unwrap();
        let (_, path) = url.split_once("/api/").unwrap();
        let path = &format!("/api/{path}");
        assert_eq!(s.app.fetch(path, None, &[]).await.bytes, picture, "whoever has the address may open it");
        s.app.clock.advance(Duration::from_secs(3601));
        assert_eq!(s.app.fetch(path, None, &[]).await.status, 401, "for an hour");

        s.peer.trouble([Trouble::Status(422)]);
        s.boss = s.app.login(&s.boss).await;
        s.text(&id, "再见").await;
        s.app.run_due().await;
        assert_eq!(s.ours(&id).await.last().unwrap().1, "failed");
        assert_eq!(s.history(&id).await.last().unwrap()["failReason"], "the channel answers with status 422");
    }

    /// Where a channel takes no files from us, the agent is told at once, and nothing is stored.
    async fn files_are_refused_where_they_cannot_go(t) {
        let s = Stage::jd(t).await;
        let id = s.by_jd("buyer").await;
        let file = s.upload("图.png", &png(20, 10)).await;
        let before = s.history(&id).await.len();
        s.say(&id, json!({"msgType": "image", "fileId": file})).await.refused(400, &["msgType"]);
        assert_eq!(s.history(&id).await.len(), before);
        // The file is still nobody's.
        let fields = json!({"secret": BRIDGE, "apiBase": s.peer.url});
        let bridge = json!({"kind": "bridge", "channelType": "jd", "name": "b", "fields": fields});
        connect(&s.app, &s.operator, bridge).await;
        let other = s.by_bridge("c1").await;
        data(&s.say(&other, json!({"msgType": "image", "fileId": file})).await);
    }
}

impl Stage {
    /// Uploads a file; its id.
    async fn upload(&self, name: &str, bytes: &[u8]) -> String {
        let head = format!(
            "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\
             Content-Type: application/octet-stream\r\n\r\n"
        );
        let body = [head.as_bytes(), bytes, b"\r\n--x--\r\n"].concat();
        let request = Request::builder()
            .method(Method::POST)
            .uri("/api/desk/files")
            .header(header::AUTHORIZATION, format!("Bearer {}", self.boss.token))
            .header(header::CONTENT_TYPE, "multipart/form-data; boundary=x");
        let answer = self.app.send(request.body(Body::from(body)).unwrap()).await;
        data(&answer)["fileId"].as_str().unwrap().to_owned()
    }
}
