//! The whole machine under random orders of events: customers write, turns begin, end and are lost, people take, give
//! back and close. Whatever the order, what the customer sees makes sense.

use std::time::Duration;

use proptest::{
    prelude::*,
    strategy::ValueTree as _,
    test_runner::{Config, TestRunner},
};
use serde_json::{Value, json};
use testkit::app::User;

use crate::{
    assisted::{Assisted, Stub},
    desk::agent,
};

/// So many orders are tried.
const CASES: u32 = 24;

#[derive(Debug, Clone, Copy)]
enum Event {
    /// The customer writes this.
    Writes(&'static str),
    /// A picture.
    Picture,
    /// A worker begins whatever is due.
    Begins,
    /// It goes on to its end.
    Ends,
    /// It is lost, and what it held is taken back.
    Lost,
    Accept,
    TakeOver,
    Message,
    HandBack,
    Close,
    Colleague,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => prop::sample::select(vec!["退款多久到账", "运费怎么算", "转人工", "你好", "会员积分", "1", "火星在哪里"])
            .prop_map(Event::Writes),
        1 => Just(Event::Picture),
        4 => Just(Event::Begins),
        3 => Just(Event::Ends),
        1 => Just(Event::Lost),
        1 => Just(Event::Accept),
        1 => Just(Event::TakeOver),
        1 => Just(Event::Message),
        2 => Just(Event::HandBack),
        1 => Just(Event::Close),
        1 => Just(Event::Colleague),
    ]
}

/// One customer's story.
struct Story<'a> {
    desk: &'a Assisted,
    stub: &'a Stub,
    anna: &'a User,
    customer: String,
    /// The customer's sessions, the newest last.
    sessions: Vec<String>,
    working: Option<tokio::task::JoinHandle<()>>,
}

impl Story<'_> {
    async fn happens(&mut self, event: Event) {
        match event {
            Event::Writes(text) => {
                let id = self.desk.writes(&self.customer, text).await;
                self.know(id);
            }
            Event::Picture => {
                let id = self.desk.brings(self.desk.picture(&self.customer)).await;
                self.know(id);
            }
            Event::Colleague => {
                let id = self.desk.brings(self.desk.colleague(&self.customer, "我来看看。")).await;
                self.know(id);
            }
            Event::Begins if self.working.is_none() => self.begin().await,
            Event::Begins => {}
            Event::Ends => self.end().await,
            Event::Lost => {
                if let Some(working) = self.working.take() {
                    working.abort();
                    let _ = working.await;
                    // The call itself goes on without it.
                    self.stub.release(1);
                    self.desk.worker().rescue_all().await.unwrap();
                }
            }
            Event::Accept => self.act("accept", json!({"csId": self.anna.id})).await,
            Event::TakeOver => self.act("takeover", json!({})).await,
            Event::Message => self.act("message", json!({"content": "您好，我来帮您。"})).await,
            Event::HandBack => self.act("handback", json!({})).await,
            Event::Close => self.act("close", json!({})).await,
        }
    }

    fn know(&mut self, id: String) {
        if self.sessions.last() != Some(&id) {
            self.sessions.push(id);
        }
    }

    /// Until the model is asked, or there is nothing to ask it.
    async fn begin(&mut self) {
        self.desk.app.clock.advance(Duration::from_secs(1));
        let worker = self.desk.worker();
        let mut working = tokio::spawn(async move { assert!(worker.run_due().await.is_ok()) });
        tokio::select! {
            () = self.stub.arrived() => self.working = Some(working),
            ended = &mut working => ended.unwrap(),
        }
    }

    async fn end(&mut self) {
        let Some(mut working) = self.working.take() else { return };
        loop {
            self.stub.release(1);
            tokio::select! {
                () = self.stub.arrived() => {}
                ended = &mut working => return ended.unwrap(),
            }
        }
    }

    /// Whether it was allowed does not matter here.
    async fn act(&self, verb: &str, body: Value) {
        let Some(id) = self.sessions.last() else { return };
        let status = self.desk.act(id, verb, self.anna, body).await.status.as_u16();
        assert!([200, 400, 403, 404].contains(&status), "{verb}: {status}");
    }

    /// Nobody waits for nobody: what the assistant has not answered yet has its turn.
    async fn nobody_is_forgotten(&self) {
        for id in &self.sessions {
            let session = self.desk.session(id).await;
            let history = self.desk.history(id).await;
            if session["status"] != "ai" || last_of_people(&history) != Some("customer") {
                continue;
            }
            let mut conn = self.desk.app.system.db.read().await.unwrap();
            let (records, _) = dispatch::store::history(&mut conn, id).await.unwrap();
            let last = history.iter().rfind(|m| m["senderType"] == "customer").unwrap();
            let turn = format!("{id}/turn/{}.{}", session["version"], last["seqNo"]);
            let waits =
                records.iter().any(|r| r.id == turn && (r.state == "scheduled" || r.state == "running"));
            assert!(waits, "{turn} is not scheduled: {records:?}");
        }
    }

    async fn made_sense(&self) {
        for id in &self.sessions {
            let history = self.desk.history(id).await;
            for (n, message) in history.iter().enumerate() {
                if message["senderType"] == "ai" {
                    let before = last_of_people(&history[..n]);
                    assert_eq!(before, Some("customer"), "message {n} of {history:#?}");
                }
            }
            let to_customer = |m: &&Value| m["senderType"] != "customer" && m["status"] == "queued";
            let queued = history.iter().filter(to_customer).count();
            assert_eq!(self.desk.sent(id).await.len(), queued);
            let session = self.desk.session(id).await;
            if session["status"] == "manual" {
                // Nothing is ever sent here, so all of it was taken back; the desk's own notices stand.
                let stands = |m: &Value| m["senderType"] == "ai" && m["notice"] != true;
                assert!(history.iter().all(|m| !stands(m) || m["status"] == "recalled"), "{history:#?}");
            }
            if session["status"] == "ai" {
                assert_ne!(last_of_people(&history), Some("customer"), "{history:#?}");
            }
        }
    }
}

/// Who said the last thing that is not the desk's own.
fn last_of_people(history: &[Value]) -> Option<&str> {
    let heard = |m: &&Value| m["status"] != "internal" && m["status"] != "recalled";
    let said = history.iter().rev().find(|m| m["notice"] != true && heard(m));
    said.and_then(|m| m["senderType"].as_str())
}

testkit::both! {
    &testkit::app::migrations();

    async fn whatever_the_order(t) {
        let stub = Stub::answering("退款三到五个工作日内退回。").await;
        let desk = Assisted::with(t, |_| {}, Some(stub.provider())).await;
        let anna = agent(&desk.app, "anna").await;
        let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::default() });
        let stories = prop::collection::vec(event(), 4..20);
        for case in 0..CASES {
            let events = stories.new_tree(&mut runner).unwrap().current();
            println!("case {case}: {events:?}");
            let mut story = Story {
                desk: &desk,
                stub: &stub,
                anna: &anna,
                customer: format!("c{case}"),
                sessions: Vec::new(),
                working: None,
            };
            for event in events {
                story.happens(event).await;
                story.nobody_is_forgotten().await;
            }
            story.end().await;
            story.begin().await;
            story.end().await;
            story.made_sense().await;
        }
    }
}
