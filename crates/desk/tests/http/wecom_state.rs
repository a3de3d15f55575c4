//! WeCom's tokens for many at once, its own state of a conversation beside ours, menus, and the health of an account.

use axum::http::Method;
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::{
    desk::{call, data, get, post},
    wecom::Stage,
};

impl Stage {
    /// Sessions of so many customers that the supervisor has.
    async fn taken(&mut self, customers: usize) -> Vec<String> {
        for n in 0..customers {
            self.wecom.says(&format!("m{n}"), "kf", &format!("c{n}"), "你好");
        }
        self.told().await;
        let list = get(&self.app, "/sessions?status=ai", &self.boss).await;
        let ids: Vec<String> = data(&list)
            .as_array()
            .unwrap()
            .iter()
            .map(|s| s["sessionId"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(ids.len(), customers);
        for id in &ids {
            data(&post(&self.app, &format!("/sessions/{id}/takeover"), &self.boss, json!({})).await);
        }
        self.app.run_due().await;
        ids
    }

    /// What the last note on a session says.
    async fn note(&self, id: &str) -> Option<String> {
        let history = self.history(id).await;
        let note = history.iter().rev().find(|m| m["msgType"] == "note")?;
        Some(note["content"].as_str().unwrap().to_owned())
    }

    async fn reason(&self, id: &str) -> String {
        let history = self.history(id).await;
        let failed = history.iter().rev().find(|m| m["status"] == "failed").unwrap();
        failed["failReason"].as_str().unwrap().to_owned()
    }

    async fn account(&self) -> Value {
        let operator = self.operator().await;
        data(&get(&self.app, "/desk/accounts", &operator).await)[0].clone()
    }

    async fn operator(&self) -> testkit::app::User {
        let answer = self.app.call(
            Method::POST,
            "/auth/login",
            None,
            Some(json!({"email": "operator@example.com", "password": testkit::app::PASSWORD})),
        );
        testkit::app::User::of(&answer.await)
    }

    async fn round(&self) {
        self.app.system.desk.look_after_channels().await.unwrap();
        self.app.run_due().await;
    }
}

testkit::both! {
    &testkit::app::migrations();

    /// However many messages need a token at the same time, one asks for it: when it is over by the clock, and when WeCom
    /// ended it early.
    async fn one_asks_for_a_token_for_all(t) {
        let mut s = Stage::new(t, &[]).await;
        let ids = s.taken(12).await;
        let before = s.wecom.calls("gettoken");
        s.wecom.expire_token();
        for answer in join_all(ids.iter().map(|id| s.say(id, "一"))).await {
            data(&answer);
        }
        s.app.run_due().await;
        assert_eq!(s.wecom.calls("gettoken"), before + 1, "ended early");
        assert_eq!(s.wecom.texts().len(), 12);
        s.app.clock.advance(std::time::Duration::from_secs(7200));
        for answer in join_all(ids.iter().map(|id| s.say(id, "二"))).await {
            data(&answer);
        }
        s.app.run_due().await;
        assert_eq!(s.wecom.calls("gettoken"), before + 2, "over by the clock");
        assert_eq!(s.wecom.texts().len(), 24);
    }

    /// A message that met an ended token is sent again at once, under its own id, with a new one.
    async fn an_ended_token_costs_no_message(t) {
        let mut s = Stage::new(t, &[]).await;
        let id = s.taken(1).await.remove(0);
        for code in [40014, 42001, 40001] {
            let before = (s.wecom.calls("gettoken"), s.wecom.calls("kf/send_msg"));
            s.wecom.fail("kf/send_msg", [code]);
            let message = data(&s.say(&id, &code.to_string()).await)["msgId"].clone();
            s.app.run_due().await;
            assert_eq!(s.wecom.calls("gettoken"), before.0 + 1, "{code}");
            assert_eq!(s.wecom.calls("kf/send_msg"), before.1 + 2, "{code}");
            assert_eq!(s.wecom.sent().last().unwrap()["msgid"], message);
        }
    }

    /// A session that goes to people while WeCom's own client has the customer: whoever took it is told, and one that
    /// waits goes to the colleague there.
    async fn who_has_the_customer_at_wecom_is_known(t) {
        let mut s = Stage::new(t, &[]).await;
        s.wecom.put("c0", 3, "wang");
        let id = s.taken(1).await.remove(0);
        assert!(s.note(&id).await.unwrap().contains("with wang in WeCom's own client"));
        s.wecom.put("c9", 3, "wang");
        s.wecom.says("person", "kf", "c9", "转人工");
        s.told().await;
        s.after(2).await;
        s.after(2).await;
        let list = get(&s.app, "/sessions?status=manual&csId=wang", &s.boss).await;
        assert_eq!(data(&list)[0]["customerId"], "c9", "{}", list.body);
        s.wecom.says("plain", "kf", "c8", "转人工");
        s.told().await;
        s.after(2).await;
        s.after(2).await;
        let list = get(&s.app, "/sessions?status=pending", &s.boss).await;
        assert_eq!(data(&list)[0]["customerId"], "c8", "{}", list.body);
    }

    /// A message that WeCom refuses for its state fails with what that state is; if it is ours after all, it is sent.
    async fn a_refusal_for_the_state_is_explained(t) {
        let mut s = Stage::new(t, &[]).await;
        let ids = s.taken(3).await;
        s.wecom.fail("kf/send_msg", [95018]);
        data(&s.say(&ids[0], "早").await);
        s.app.run_due().await;
        assert_eq!(s.wecom.texts(), ["早"]);
        let customer = async |id: &str| s.detail(id).await["customerId"].as_str().unwrap().to_owned();
        s.wecom.put(&customer(&ids[0]).await, 2, "");
        s.wecom.put(&customer(&ids[1]).await, 3, "wang");
        s.wecom.put(&customer(&ids[2]).await, 4, "");
        for id in &ids {
            data(&s.say(id, "在吗").await);
        }
        s.app.run_due().await;
        assert!(s.reason(&ids[0]).await.contains("waits in WeCom's own client"));
        assert!(s.reason(&ids[1]).await.contains("with wang in WeCom's own client"));
        assert!(s.reason(&ids[2]).await.contains("WeCom ended the conversation"));
        let status = async |id: &str| s.detail(id).await["status"].clone();
        assert_eq!([status(&ids[0]).await, status(&ids[1]).await, status(&ids[2]).await], ["manual", "manual", "closed"]);
        assert_eq!(s.wecom.texts(), ["早"]);
    }

    /// Choices leave as a menu where WeCom takes them as one, and as words where there are too many.
    async fn choices_leave_as_a_menu(t) {
        let mut s = Stage::new(t, &[]).await;
        let id = s.taken(1).await.remove(0);
        for items in [2_usize, 11] {
            let message = data(&s.say(&id, "请选择").await)["msgId"].as_str().unwrap().to_owned();
            let menu: Vec<Value> =
                (0..items).map(|n| json!({"id": format!("k{n}"), "text": format!("选项{n}")})).collect();
            let mut tx = s.app.system.db.begin().await.unwrap();
            tx.exec(
                db::sql!("UPDATE desk_messages SET payload = $2 WHERE id = $1"),
                db::args![&message, json!({"menu": menu}).to_string()],
            )
            .await
            .unwrap();
            tx.commit().await.unwrap();
            s.app.run_due().await;
        }
        let sent = s.wecom.sent();
        assert_eq!(sent[0]["msgtype"], "msgmenu");
        assert_eq!(sent[0]["msgmenu"], json!({"head_content": "请选择", "list": [
            {"type": "click", "click": {"id": "k0", "content": "选项0"}},
            {"type": "click", "click": {"id": "k1", "content": "选项1"}}]}));
        assert_eq!((&sent[1]["msgtype"], &sent[1]["text"]["content"]), (&json!("text"), &json!("请选择")));
        assert_eq!(s.detail(&id).await["window"]["left"], 3, "a menu counts as a message");
    }

    /// An account says which customer-service accounts it serves, and what is wrong with it: soon after it changed, and
    /// every quarter of an hour.
    async fn an_account_says_how_it_is(t) {
        let mut s = Stage::new(t, &[]).await;
        assert_eq!(s.account().await["health"], Value::Null);
        s.told().await;
        s.round().await;
        s.round().await;
        assert_eq!(s.wecom.calls("kf/account/list"), 1);
        let health = s.account().await["health"].clone();
        assert_eq!((&health["ok"], &health["problem"]), (&json!(true), &Value::Null));
        assert_eq!(health["served"], json!([{"kfId": "kf", "name": "客服", "managed": true}]));
        let many = (0..250).map(|n| json!({"open_kfid": format!("wk{n}"), "name": "x", "manage_privilege": true}));
        s.wecom.kf_accounts(many);
        s.after(900).await;
        s.round().await;
        let health = s.account().await["health"].clone();
        assert_eq!(health["served"].as_array().unwrap().len(), 250);
        assert_eq!(health["problem"], "this app may not serve kf any more", "customers wrote to it");
        s.wecom.kf_accounts([]);
        s.after(900).await;
        s.round().await;
        assert!(s.account().await["health"]["problem"].as_str().unwrap().contains("通过API管理"));

        let (operator, id) = (s.operator().await, s.account().await["accountId"].as_str().unwrap().to_owned());
        let change = json!({"fields": {"secret": "wrong"}});
        let path = format!("/desk/accounts/{id}");
        data(&call(&s.app, Method::PATCH, &path, Some(&operator), Some(change)).await);
        assert_eq!(s.account().await["health"], Value::Null);
        s.round().await;
        let health = s.account().await["health"].clone();
        assert_eq!((&health["ok"], &health["problem"]), (&json!(false), &json!("WeCom answers 40001: invalid credential")));
    }
}
