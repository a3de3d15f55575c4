//! WeCom from end to end: callbacks, pages, answers in order, limits, files.

use std::time::Duration;

use axum::{
    body::Body,
    http::{Method, Request, header},
};
use futures_util::future::join_all;
use serde_json::{Value, json};
use testkit::{
    TestDb,
    app::{Answer, TestApp, User, png},
    wecom::Wecom,
};

use crate::{
    accounts::connect_wecom,
    callbacks::callback,
    desk::{data, get, post, supervisor},
};

/// A server with one account of WeCom, and a supervisor.
pub struct Stage {
    pub app: TestApp,
    pub wecom: Wecom,
    pub boss: User,
    salt: u8,
}

impl Stage {
    pub async fn new(t: TestDb, more: &[(&str, &str)]) -> Self {
        let app = TestApp::new(t).await;
        let wecom = Wecom::start(app.system.clock.clone()).await;
        connect_wecom(&app, &wecom, more).await;
        let boss = supervisor(&app, "boss").await;
        Self { app, wecom, boss, salt: 0 }
    }

    /// WeCom calls back, and what follows is done.
    pub async fn told(&mut self) {
        self.salt += 1;
        let (query, body) = self.wecom.callback("kf", self.salt);
        let answer = callback(&self.app, &format!("/wecom/callback?{query}"), &[], body).await;
        assert_eq!((answer.status.as_u16(), answer.bytes.as_slice()), (200, &b"success"[..]));
        self.app.run_due().await;
    }

    /// A customer's session, with a colleague who answered in WeCom's own client: a person's, so that people may answer.
    pub async fn manual(&mut self) -> String {
        self.wecom.says("hello", "kf", "c1", "你好");
        self.wecom.item(json!({
            "msgid": "colleague", "open_kfid": "kf", "external_userid": "c1", "origin": 5,
            "send_time": self.app.now().seconds(), "servicer_userid": "zhang", "msgtype": "text",
            "text": {"content": "您好,稍等"},
        }));
        self.told().await;
        self.session("manual").await["sessionId"].as_str().unwrap().to_owned()
    }

    /// The one session in this state.
    pub async fn session(&self, status: &str) -> Value {
        let list = get(&self.app, &format!("/sessions?status={status}"), &self.boss).await;
        assert_eq!(data(&list).as_array().unwrap().len(), 1, "{}", list.body);
        data(&list)[0].clone()
    }

    pub async fn detail(&self, id: &str) -> Value {
        data(&get(&self.app, &format!("/sessions/{id}"), &self.boss).await).clone()
    }

    pub async fn history(&self, id: &str) -> Vec<Value> {
        let history = get(&self.app, &format!("/sessions/{id}/history"), &self.boss).await;
        data(&history).as_array().unwrap().clone()
    }

    pub async fn say(&self, id: &str, text: &str) -> Answer {
        post(&self.app, &format!("/sessions/{id}/message"), &self.boss, json!({"content": text})).await
    }

    /// Messages of ours: content and status.
    pub async fn ours(&self, id: &str) -> Vec<(String, String)> {
        let text = |m: &Value, key: &str| m[key].as_str().unwrap().to_owned();
        let history = self.history(id).await;
        let ours = history.iter().filter(|m| m["status"] != "received" && m["status"] != "recalled");
        ours.map(|m| (text(m, "content"), text(m, "status"))).collect()
    }

    pub async fn after(&self, seconds: u64) {
        self.app.clock.advance(Duration::from_secs(seconds));
        self.app.run_due().await;
    }
}

testkit::both! {
    &testkit::app::migrations();

    /// A question, a person's answers, the end, and the customer's return.
    async fn a_whole_conversation(t) {
        let mut s = Stage::new(t, &[]).await;
        let id = s.manual().await;
        let detail = s.detail(&id).await;
        assert_eq!(detail["customerName"], "昵称 c1");
        assert_eq!(detail["window"]["left"], 5);
        for text in ["第一", "第二", "第三"] {
            data(&s.say(&id, text).await);
        }
        s.app.run_due().await;
        assert_eq!(s.wecom.texts(), ["第一", "第二", "第三"]);
        let (sent, history) = (s.wecom.sent(), s.history(&id).await);
        assert_eq!(sent[0]["msgid"], history[2]["msgId"]);
        assert_eq!((&sent[0]["touser"], &sent[0]["open_kfid"]), (&json!("c1"), &json!("kf")));
        let status: Vec<&Value> = history.iter().map(|m| &m["status"]).collect();
        assert_eq!(status, ["received", "received", "sent", "sent", "sent"]);
        assert_eq!(s.detail(&id).await["window"]["left"], 2);
        data(&post(&s.app, &format!("/sessions/{id}/close"), &s.boss, json!({})).await);
        s.wecom.says("back", "kf", "c1", "还有一个问题");
        s.told().await;
        let back = s.session("ai").await;
        assert_ne!(back["sessionId"], id.as_str());
        assert_eq!(back["messageCount"], 1);
    }

    /// Pages are read to their end, empty ones too; each message once, in WeCom's order.
    async fn pages_are_read_to_the_end(t) {
        let mut s = Stage::new(t, &[]).await;
        s.wecom.pages(3, 2);
        for n in 0..10 {
            s.wecom.says(&format!("m{n}"), "kf", "c1", &format!("{n}"));
        }
        s.told().await;
        let id = s.session("ai").await["sessionId"].as_str().unwrap().to_owned();
        let said = |history: &[Value]| -> Vec<String> {
            history.iter().map(|m| m["content"].as_str().unwrap().to_owned()).collect()
        };
        let expected: Vec<String> = (0..10).map(|n| n.to_string()).collect();
        assert_eq!(said(&s.history(&id).await), expected);
        assert_eq!(s.wecom.calls("kf/sync_msg"), 12, "four pages, two empty ones before each");
        s.wecom.says("m9", "kf", "c1", "9");
        s.told().await;
        assert_eq!(said(&s.history(&id).await), expected, "the same id is the same message");
    }

    /// What no callback announced is asked for after a while.
    async fn a_lost_callback_is_made_up_for(t) {
        let mut s = Stage::new(t, &[]).await;
        s.told().await;
        s.wecom.says("m1", "kf", "c1", "有人吗");
        s.app.clock.advance(Duration::from_secs(299));
        s.app.system.desk.look_after_channels().await.unwrap();
        s.app.run_due().await;
        assert_eq!(data(&get(&s.app, "/sessions", &s.boss).await), &json!([]));
        s.app.clock.advance(Duration::from_secs(2));
        s.app.system.desk.look_after_channels().await.unwrap();
        s.app.run_due().await;
        assert_eq!(s.session("ai").await["lastMessage"], "有人吗");
    }

    /// A token that ended early is renewed once, and one asks for it however many need it.
    async fn one_asks_for_a_token(t) {
        let mut s = Stage::new(t, &[]).await;
        s.wecom.says("m1", "kf", "c1", "1");
        s.told().await;
        assert_eq!(s.wecom.calls("gettoken"), 1);
        s.wecom.expire_token();
        s.wecom.says("m2", "kf", "c1", "2");
        s.told().await;
        assert_eq!(s.wecom.calls("gettoken"), 2);
        assert_eq!(s.session("ai").await["messageCount"], 2);
    }

    /// Busy is tried again in order; a limit stops all calls for a minute, and if it is still there for an hour.
    async fn busy_and_limits(t) {
        let mut s = Stage::new(t, &[]).await;
        let id = s.manual().await;
        s.wecom.fail("kf/send_msg", [-1, -1]);
        data(&s.say(&id, "一").await);
        data(&s.say(&id, "二").await);
        s.app.run_due().await;
        assert_eq!(s.wecom.texts(), Vec::<String>::new());
        for _ in 0..4 {
            s.after(3).await;
        }
        assert_eq!(s.wecom.texts(), ["一", "二"]);
        s.wecom.fail("kf/send_msg", [45009, 45009]);
        data(&s.say(&id, "三").await);
        s.app.run_due().await;
        let calls = s.wecom.calls("kf/send_msg");
        s.after(30).await;
        assert_eq!(s.wecom.calls("kf/send_msg"), calls, "nothing is called while the limit holds");
        s.after(31).await;
        assert_eq!(s.wecom.calls("kf/send_msg"), calls + 1);
        s.after(120).await;
        assert_eq!(s.wecom.calls("kf/send_msg"), calls + 1, "the hour's limit");
        s.after(3600).await;
        assert_eq!(s.wecom.texts(), ["一", "二", "三"]);
    }

    /// Five messages for each of the customer's: the sixth is refused at once, and welcome when they wrote again.
    async fn the_window_is_metered(t) {
        let mut s = Stage::new(t, &[]).await;
        let id = s.manual().await;
        for n in 0..5 {
            data(&s.say(&id, &n.to_string()).await);
        }
        s.say(&id, "zu viel").await.refused(422, &["window"]);
        s.app.run_due().await;
        assert_eq!(s.wecom.sent().len(), 5);
        assert_eq!(s.detail(&id).await["window"]["left"], 0);
        s.wecom.says("more", "kf", "c1", "谢谢");
        s.told().await;
        assert_eq!(s.detail(&id).await["window"]["left"], 5);
        data(&s.say(&id, "不客气").await);
        s.app.run_due().await;
        assert_eq!(s.wecom.sent().len(), 6);
        s.app.clock.advance(Duration::from_secs(48 * 3600));
        s.boss = s.app.login(&s.boss).await;
        s.say(&id, "还在吗").await.refused(422, &["window"]);
        assert_eq!(s.detail(&id).await["window"]["left"], 0);
    }

    /// What WeCom refuses for good fails with the reason, and is sent again by hand when the customer wrote.
    async fn a_failed_message_is_sent_again_by_hand(t) {
        let mut s = Stage::new(t, &[]).await;
        let id = s.manual().await;
        s.wecom.fail("kf/send_msg", [95018, 95018]);
        let message = data(&s.say(&id, "您好").await)["msgId"].as_str().unwrap().to_owned();
        data(&s.say(&id, "第二").await);
        s.app.run_due().await;
        assert_eq!(s.ours(&id).await, [("您好".into(), "failed".into()), ("第二".into(), "sent".into())]);
        let failed = get(&s.app, "/desk/failed-messages", &s.boss).await;
        assert!(data(&failed)[0]["failReason"].as_str().unwrap().contains("95018"));
        let path = format!("/sessions/{id}/messages/{message}/retry");
        assert_eq!(data(&post(&s.app, &path, &s.boss, json!({})).await)["status"], "queued");
        s.app.run_due().await;
        assert_eq!(s.wecom.texts(), ["第二", "您好"]);
        post(&s.app, &path, &s.boss, json!({})).await.refused(422, &["msgId"]);
        assert_eq!(data(&get(&s.app, "/desk/failed-messages", &s.boss).await), &json!([]));
    }

    /// WeCom says later that a message did not arrive; a customer takes one back; WeCom ends the conversation.
    async fn events_change_what_is_known(t) {
        let mut s = Stage::new(t, &[]).await;
        let id = s.manual().await;
        let message = data(&s.say(&id, "您好").await)["msgId"].as_str().unwrap().to_owned();
        s.app.run_due().await;
        s.wecom.event("e1", json!({"event_type": "msg_send_fail", "open_kfid": "kf", "external_userid": "c1",
            "fail_msgid": message, "fail_type": 10}));
        s.wecom.event("e2", json!({"event_type": "user_recall_msg", "open_kfid": "kf", "external_userid": "c1",
            "recall_msgid": "hello"}));
        s.told().await;
        let history = s.history(&id).await;
        assert_eq!(history[0]["status"], "recalled");
        let last = history.last().unwrap();
        assert_eq!((&last["status"], &last["failReason"]), (&json!("failed"), &json!("the customer refuses messages")));
        s.wecom.event("e3", json!({"event_type": "session_status_change", "open_kfid": "kf",
            "external_userid": "c1", "change_type": 3}));
        s.told().await;
        assert_eq!(s.session("closed").await["sessionId"], id.as_str());
    }

    /// A text that is longer than WeCom takes leaves in parts, in order, and is one message of ours.
    async fn a_long_text_leaves_in_parts(t) {
        let mut s = Stage::new(t, &[]).await;
        let id = s.manual().await;
        let text = "这是很长的一句话。".repeat(150);
        data(&s.say(&id, &text).await);
        s.app.run_due().await;
        assert_eq!(s.wecom.texts().len(), 2);
        assert!(s.wecom.texts().iter().all(|part| part.len() <= 2048));
        assert_eq!(s.wecom.texts().concat(), text);
        assert_eq!(s.ours(&id).await, [(text.clone(), "sent".into())]);
        assert_eq!(s.detail(&id).await["window"]["left"], 3);
        s.say(&id, &text.repeat(2)).await.refused(422, &["window"]);
    }

    /// A customer's file is fetched and served to whoever sees the session; ours is uploaded.
    async fn files_go_both_ways(t) {
        let mut s = Stage::new(t, &[]).await;
        let id = s.manual().await;
        let picture = png(40, 30);
        s.wecom.sends_file("pic", "kf", "c1", "image", "照片.png", &picture);
        s.wecom.sends_file("amr", "kf", "c1", "voice", "v.amr", b"#!AMR\n123456");
        s.wecom.fail("media/get", [-1]);
        s.told().await;
        s.after(3).await;
        let history = s.history(&id).await;
        let file = &history[2]["payload"];
        assert_eq!((&file["mimeType"], &file["name"]), (&json!("image/png"), &json!("照片.png")), "{file}");
        assert_eq!(history[3]["payload"]["mimeType"], "audio/amr");
        let url = file["url"].as_str().unwrap();
        let fetched = s.app.fetch(url, Some(&s.boss.token), &[]).await;
        assert_eq!(fetched.bytes, picture);
        assert_eq!(fetched.headers["x-content-type-options"], "nosniff");
        let part = s.app.fetch(url, Some(&s.boss.token), &[("range", "bytes=0-3")]).await;
        assert_eq!((part.status.as_u16(), part.bytes.as_slice()), (206, &picture[..4]));
        let stranger = crate::desk::agent(&s.app, "other").await;
        assert_eq!(s.app.fetch(url, Some(&stranger.token), &[]).await.status, 404);
        assert_eq!(s.app.fetch(url, None, &[]).await.status, 401);

        let uploaded = upload(&s, "回复.png", &picture).await;
        let file = data(&uploaded)["fileId"].clone();
        let body = json!({"msgType": "image", "fileId": file});
        data(&post(&s.app, &format!("/sessions/{id}/message"), &s.boss, body).await);
        let body = json!({"msgType": "voice", "fileId": file});
        post(&s.app, &format!("/sessions/{id}/message"), &s.boss, body).await.refused(422, &["fileId"]);
        let body = json!({"msgType": "image", "fileId": "file_0"});
        post(&s.app, &format!("/sessions/{id}/message"), &s.boss, body).await.refused(422, &["fileId"]);
        s.app.run_due().await;
        assert_eq!(s.wecom.sent()[0]["image"]["media_id"], "uploaded-1");
        assert!(s.wecom.uploads()[0].windows(picture.len()).any(|bytes| bytes == picture));
    }

    /// A customer who opens the chat is welcomed once, within the code's 20 seconds.
    async fn whoever_enters_is_welcomed(t) {
        let mut s = Stage::new(t, &[("welcome", "欢迎光临")]).await;
        s.wecom.event("e1", json!({"event_type": "enter_session", "open_kfid": "kf", "external_userid": "c1",
            "welcome_code": "code-1"}));
        s.told().await;
        s.told().await;
        let welcomed = s.wecom.welcomed();
        assert_eq!(welcomed.len(), 1);
        assert_eq!((&welcomed[0]["code"], &welcomed[0]["text"]["content"]), (&json!("code-1"), &json!("欢迎光临")));
        assert_eq!(data(&get(&s.app, "/sessions", &s.boss).await), &json!([]), "nobody said anything yet");
    }

    /// Many sessions at once: each answer to its customer, in the order of its session.
    async fn many_sessions_keep_their_order(t) {
        let mut s = Stage::new(t, &[]).await;
        for n in 0..6 {
            s.wecom.says(&format!("m{n}"), "kf", &format!("c{n}"), "hi");
            s.wecom.item(json!({"msgid": format!("z{n}"), "open_kfid": "kf", "external_userid": format!("c{n}"),
                "origin": 5, "send_time": 1, "servicer_userid": "zhang", "msgtype": "text", "text": {"content": "x"}}));
        }
        s.told().await;
        let list = get(&s.app, "/sessions?status=manual", &s.boss).await;
        let ids: Vec<String> =
            data(&list).as_array().unwrap().iter().map(|one| one["sessionId"].as_str().unwrap().to_owned()).collect();
        for n in 0..4 {
            let text = n.to_string();
            for answer in join_all(ids.iter().map(|id| s.say(id, &text))).await {
                data(&answer);
            }
        }
        s.wecom.fail("kf/send_msg", [-1, 0, -1, 0, -1]);
        for _ in 0..10 {
            s.after(3).await;
        }
        for n in 0..6 {
            let to = format!("c{n}");
            let sent: Vec<Value> = s.wecom.sent().into_iter().filter(|body| body["touser"] == to.as_str()).collect();
            let texts: Vec<&Value> = sent.iter().map(|body| &body["text"]["content"]).collect();
            assert_eq!(texts, ["0", "1", "2", "3"], "{to}");
        }
    }
}

async fn upload(s: &Stage, name: &str, bytes: &[u8]) -> Answer {
    let head = format!(
        "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\
         Content-Type: application/octet-stream\r\n\r\n"
    );
    let body = [head.as_bytes(), bytes, b"\r\n--x--\r\n"].concat();
    let request = Request::builder()
        .method(Method::POST)
        .uri("/api/desk/files")
        .header(header::AUTHORIZATION, format!("Bearer {}", s.boss.token))
        .header(header::CONTENT_TYPE, "multipart/form-data; boundary=x");
    s.app.send(request.body(Body::from(body)).unwrap()).await
}
