//! A customer on WeCom whom the assistant answers: callbacks come in, and what WeCom took is counted by who said it.

use std::time::Duration;

use assistant::Provider;
use serde_json::{Value, json};
use testkit::{TestDb, wecom::Wecom};

use crate::{accounts::connect_wecom, assisted::Assisted, callbacks::callback};

pub struct Line {
    pub desk: Assisted,
    pub wecom: Wecom,
    salt: u8,
}

impl Line {
    pub async fn new(t: TestDb, provider: Option<Provider>) -> Self {
        let desk = Assisted::with(t, |_| {}, provider).await;
        let wecom = Wecom::start(desk.app.system.clock.clone()).await;
        connect_wecom(&desk.app, &wecom, &[]).await;
        Self { desk, wecom, salt: 0 }
    }

    /// WeCom calls back, and what it has is pulled.
    pub async fn calls_back(&mut self) {
        self.salt += 1;
        // So that ids are in order.
        self.desk.app.clock.advance(Duration::from_millis(1));
        let (query, body) = self.wecom.callback("kf", self.salt);
        let answer = callback(&self.desk.app, &format!("/wecom/callback?{query}"), &[], body).await;
        assert_eq!((answer.status.as_u16(), answer.bytes.as_slice()), (200, &b"success"[..]));
        self.desk.app.run_due().await;
    }

    /// A customer writes; the id of their newest session.
    pub async fn writes(&mut self, customer: &str, text: &str) -> String {
        self.wecom.says(&format!("m{}", self.salt), "kf", customer, text);
        self.calls_back().await;
        self.session_of(customer).await
    }

    /// A customer touches an entry of a menu.
    pub async fn touches(&mut self, customer: &str, id: &str, text: &str) {
        self.wecom.item(json!({
            "msgid": format!("t{}", self.salt), "open_kfid": "kf", "external_userid": customer, "origin": 3,
            "send_time": self.desk.app.now().seconds(), "msgtype": "text", "text": {"content": text, "menu_id": id},
        }));
        self.calls_back().await;
    }

    /// A colleague answers in WeCom's own client.
    pub async fn colleague(&mut self, customer: &str, text: &str) {
        self.wecom.item(json!({
            "msgid": format!("k{}", self.salt), "open_kfid": "kf", "external_userid": customer, "origin": 5,
            "send_time": self.desk.app.now().seconds(), "servicer_userid": "zhang", "msgtype": "text",
            "text": {"content": text},
        }));
        self.calls_back().await;
    }

    pub async fn session_of(&self, customer: &str) -> String {
        self.sessions_of(customer).await.remove(0)
    }

    /// The ids of a customer's sessions, the newest first.
    pub async fn sessions_of(&self, customer: &str) -> Vec<String> {
        let answer = crate::desk::get(&self.desk.app, "/sessions?limit=500", &self.desk.boss).await;
        let all = crate::desk::data(&answer).as_array().unwrap().clone();
        let own = all.iter().filter(|s| s["customerId"] == customer);
        own.map(|s| s["sessionId"].as_str().unwrap().to_owned()).collect()
    }

    /// Lets time pass, and what is due happen.
    pub async fn after(&self, seconds: u64) {
        self.desk.app.advance_to(self.desk.app.now() + Duration::from_secs(seconds)).await;
    }

    /// Whatever is on its way arrives.
    pub async fn all_arrives(&self) {
        for _ in 0..6 {
            self.after(2).await;
        }
    }

    /// Who spoke to a session's customer, in the order in which WeCom took it.
    pub async fn voices(&self, id: &str) -> Vec<String> {
        let history = self.desk.history(id).await;
        let customer = self.desk.session(id).await["customerId"].clone();
        let sent = self.wecom.sent();
        let to_them = sent.iter().filter(|m| m["touser"] == customer);
        let said = |m: &Value| history.iter().find(|h| h["msgId"] == m["msgid"]);
        let who = |h: &Value| {
            if h["notice"] == true { "notice" } else { h["senderType"].as_str().unwrap() }.to_owned()
        };
        to_them.filter_map(said).map(who).collect()
    }
}
