//! Ratings on WeCom: by a touch on the menu, or a digit; they never open a session.

use serde_json::{Value, json};
use testkit::{TestDb, app::User};

use crate::{
    desk::{agent, data, get, listen, settings, told},
    line::Line,
};

struct Stage {
    line: Line,
    anna: User,
}

impl Stage {
    async fn new(t: TestDb) -> Self {
        let line = Line::new(t, None).await;
        let anna = agent(&line.desk.app, "anna").await;
        listen(&line.desk.app, &anna).await;
        settings(&line.desk.app, &line.desk.boss, json!({"rating": true, "ratingText": "请打分(1-5)"})).await;
        Self { line, anna }
    }

    /// A session that Anna had and ended; the menu that its customer was sent.
    async fn asked(&mut self, customer: &str) -> (String, Vec<Value>) {
        let id = self.line.writes(customer, "订单在哪里").await;
        data(&self.line.desk.act(&id, "takeover", &self.anna, json!({})).await);
        data(&self.line.desk.act(&id, "close", &self.anna, json!({})).await);
        self.line.desk.app.run_due().await;
        let question = self.line.desk.history(&id).await.pop().unwrap();
        assert_eq!((&question["content"], &question["status"]), (&json!("请打分(1-5)"), &json!("sent")));
        (id, question["payload"]["menu"].as_array().unwrap().clone())
    }

    async fn touch(&mut self, customer: &str, entry: &Value) {
        let text = |key: &str| entry[key].as_str().unwrap().to_owned();
        self.line.touches(customer, &text("id"), &text("text")).await;
    }

    async fn rating(&self, id: &str) -> Value {
        let session = self.line.desk.session(id).await;
        assert_eq!(session["status"], "closed");
        session["rating"].clone()
    }

    async fn heard(&self) -> usize {
        let heard = told(&self.line.desk.app, &self.anna).await;
        heard.iter().filter(|(kind, ..)| kind == "session_rated").count()
    }
}

testkit::both! {
    &testkit::app::migrations();

    /// The menu has the best first; a touch counts once, and stands in the session that it is about.
    async fn by_a_touch(t) {
        let mut s = Stage::new(t).await;
        let (id, menu) = s.asked("c1").await;
        let texts: Vec<&str> = menu.iter().map(|entry| entry["text"].as_str().unwrap()).collect();
        assert_eq!(texts, ["5 ★★★★★", "4 ★★★★", "3 ★★★", "2 ★★", "1 ★"]);
        s.touch("c1", &menu[1]).await;
        assert_eq!((s.rating(&id).await, s.heard().await), (json!(4), 1));
        let last = s.line.desk.history(&id).await.pop().unwrap();
        assert_eq!((&last["senderType"], &last["content"]), (&json!("customer"), &json!("4 ★★★★")));
        // Again, and for another score: nothing changes, nothing opens.
        s.touch("c1", &menu[4]).await;
        assert_eq!((s.rating(&id).await, s.heard().await), (json!(4), 1));
        assert_eq!(s.line.sessions_of("c1").await, [id]);
        s.line.after(2).await;
        assert_eq!(s.line.wecom.sent().len(), 1, "nobody answers a rating");
    }

    /// A touch is about its own session, though the customer has a new one by then, or was asked about another.
    async fn a_touch_knows_its_session(t) {
        let mut s = Stage::new(t).await;
        let (first, menu) = s.asked("c1").await;
        let (second, newer) = s.asked("c1").await;
        let open = s.line.writes("c1", "还有一个问题").await;
        let before = s.line.desk.session(&open).await["messageCount"].clone();
        s.touch("c1", &menu[0]).await;
        s.touch("c1", &newer[2]).await;
        assert_eq!((s.rating(&first).await, s.rating(&second).await), (json!(5), json!(3)));
        assert_eq!(s.line.desk.session(&open).await["messageCount"], before);
        assert_eq!(s.line.sessions_of("c1").await, [open, second, first]);
    }

    /// A day later it does not count, and opens nothing all the same. Nobody rates for others.
    async fn too_late_and_not_ones_own(t) {
        let mut s = Stage::new(t).await;
        let (id, menu) = s.asked("c1").await;
        s.touch("c2", &menu[0]).await;
        assert_eq!(s.rating(&id).await, json!(null));
        assert_eq!(s.line.sessions_of("c2").await.len(), 1, "to the desk that is what a customer says");
        s.line.after(86_400).await;
        s.line.desk.boss = s.line.desk.app.login(&s.line.desk.boss).await;
        s.touch("c1", &menu[0]).await;
        assert_eq!(s.rating(&id).await, json!(null));
        assert_eq!(s.line.sessions_of("c1").await, [id]);
    }

    /// A digit typed is a message, as WeCom counts: it opens the window again. A touch is none.
    async fn what_it_does_to_the_window(t) {
        let mut s = Stage::new(t).await;
        let window = async |s: &Stage, id: &str| {
            data(&get(&s.line.desk.app, &format!("/sessions/{id}"), &s.line.desk.boss).await)["window"]["left"].clone()
        };
        let (id, menu) = s.asked("c1").await;
        assert_eq!(window(&s, &id).await, 4);
        s.touch("c1", &menu[0]).await;
        assert_eq!(window(&s, &id).await, 4);
        let (id, _) = s.asked("c2").await;
        s.line.writes("c2", "５").await;
        assert_eq!((s.rating(&id).await, window(&s, &id).await), (json!(5), json!(5)));
        assert_eq!(s.line.sessions_of("c2").await, [id]);
    }

    /// Where WeCom would not take the question any more, nobody is asked.
    async fn a_window_that_is_over(t) {
        let mut s = Stage::new(t).await;
        let id = s.line.writes("c1", "订单在哪里").await;
        data(&s.line.desk.act(&id, "takeover", &s.anna, json!({})).await);
        for n in 0..5 {
            data(&s.line.desk.act(&id, "message", &s.anna, json!({"content": n.to_string()})).await);
        }
        s.line.desk.app.run_due().await;
        data(&s.line.desk.act(&id, "close", &s.anna, json!({})).await);
        s.line.all_arrives().await;
        let history = s.line.desk.history(&id).await;
        assert!(history.iter().all(|m| m["status"] != "failed" && m["content"] != "请打分(1-5)"), "{history:#?}");
        // A digit is then what a customer writes.
        s.line.writes("c1", "5").await;
        assert_eq!(s.line.sessions_of("c1").await.len(), 2);
    }
}
