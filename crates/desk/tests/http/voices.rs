//! Never two voices, as WeCom sees it: an agent comes in at every point of the assistant's turn, and nothing of the
//! assistant's arrives after the agent's first word.

use std::time::Duration;

use dispatch::Engine;
use serde_json::json;
use testkit::{TestDb, app::User};

use crate::{
    assisted::Stub,
    desk::{agent, data},
    line::Line,
};

/// So often a race is run on each database.
const ROUNDS: usize = 40;
const QUESTION: &str = "退款多久到账";

struct Stage {
    line: Line,
    stub: Stub,
    anna: User,
}

impl Stage {
    async fn new(t: TestDb) -> Self {
        let stub = Stub::answering("退款三到五个工作日内退回。").await;
        let line = Line::new(t, Some(stub.provider())).await;
        let anna = agent(&line.desk.app, "anna").await;
        Self { line, stub, anna }
    }

    /// A worker that begins what is due and thinks until it is let.
    fn thinking(&self) -> tokio::task::JoinHandle<()> {
        self.line.desk.app.clock.advance(Duration::from_secs(1));
        let worker: Engine = self.line.desk.worker();
        tokio::spawn(async move { assert!(worker.run_due().await.is_ok()) })
    }

    /// A customer's question, with the assistant's answer stored and nothing of it sent.
    async fn stored(&mut self, customer: &str) -> String {
        let id = self.line.writes(customer, QUESTION).await;
        self.stub.release(1);
        self.thinking().await.unwrap();
        self.stub.arrived().await;
        assert_eq!(self.line.desk.history(&id).await[1]["status"], "queued");
        id
    }

    /// The agent takes over, or accepts what waits, and says something.
    async fn comes_in(&self, id: &str, verb: &str) {
        let desk = &self.line.desk;
        data(&desk.act(id, verb, &self.anna, json!({"csId": self.anna.id})).await);
        data(&desk.act(id, "message", &self.anna, json!({"content": "您好，我来帮您。"})).await);
    }

    /// What arrives in the end.
    async fn heard(&self, id: &str) -> Vec<String> {
        self.line.all_arrives().await;
        let voices = self.line.voices(id).await;
        let history = self.line.desk.history(id).await;
        assert!(history.iter().all(|m| m["status"] != "queued"), "{history:#?}");
        voices
    }
}

fn in_order(voices: &[String]) -> bool {
    let first = voices.iter().position(|v| v == "manual").expect("the agent is heard");
    !voices[first..].iter().any(|v| v == "ai")
}

testkit::both! {
    &testkit::app::migrations();

    /// Before the turn, while it thinks, after its words are stored, while they are tried again, after they arrived.
    async fn at_every_point(t) {
        let mut s = Stage::new(t).await;
        let before = s.line.writes("before", QUESTION).await;
        s.comes_in(&before, "takeover").await;
        s.thinking().await.unwrap();
        assert_eq!((s.heard(&before).await, s.stub.count()), (vec!["manual".to_owned()], 0));

        let thinking = s.line.writes("thinking", QUESTION).await;
        let working = s.thinking();
        s.stub.arrived().await;
        s.comes_in(&thinking, "takeover").await;
        s.stub.release(1);
        working.await.unwrap();
        assert_eq!(s.heard(&thinking).await, ["manual"]);

        let stored = s.stored("stored").await;
        s.comes_in(&stored, "takeover").await;
        assert_eq!(s.heard(&stored).await, ["manual"]);
        assert_eq!(s.line.desk.history(&stored).await[1]["status"], "recalled");

        let busy = s.stored("busy").await;
        s.line.wecom.fail("kf/send_msg", [-1]);
        s.line.desk.app.run_due().await;
        s.comes_in(&busy, "takeover").await;
        assert_eq!(s.heard(&busy).await, ["manual"]);

        let arrived = s.stored("arrived").await;
        s.line.desk.app.run_due().await;
        s.comes_in(&arrived, "takeover").await;
        assert_eq!(s.heard(&arrived).await, ["ai", "manual"]);
    }

    /// An answer that has not left when the customer asks for a person: the agent who accepts is heard, and the notice.
    async fn accepted(t) {
        let mut s = Stage::new(t).await;
        let id = s.stored("c1").await;
        s.line.wecom.fail("kf/send_msg", [-1]);
        s.line.desk.app.run_due().await;
        s.line.writes("c1", "转人工").await;
        s.thinking().await.unwrap();
        assert_eq!(s.line.desk.session(&id).await["status"], "pending");
        s.comes_in(&id, "accept").await;
        assert_eq!(s.heard(&id).await, ["notice", "manual"]);
        // The same, and the answer left in time.
        let id = s.stored("c2").await;
        s.line.writes("c2", "转人工").await;
        s.line.after(1).await;
        s.comes_in(&id, "accept").await;
        assert_eq!(s.heard(&id).await, ["ai", "notice", "manual"]);
    }

    /// A colleague in WeCom's own client is heard at once: what is not sent by then is not sent any more.
    async fn a_colleague(t) {
        let mut s = Stage::new(t).await;
        let id = s.stored("c1").await;
        s.line.wecom.fail("kf/send_msg", [-1]);
        s.line.colleague("c1", "三天。").await;
        s.line.all_arrives().await;
        assert_eq!(s.line.voices(&id).await, Vec::<String>::new());
        assert_eq!(s.line.desk.history(&id).await[1]["status"], "recalled");
    }

    /// What was taken back is no answer: handed back, the customer is answered.
    async fn handed_back_unanswered(t) {
        let mut s = Stage::new(t).await;
        let id = s.stored("c1").await;
        data(&s.line.desk.act(&id, "takeover", &s.anna, json!({})).await);
        assert_ne!(s.line.desk.session(&id).await["waitingSince"], json!(null), "the customer waits");
        data(&s.line.desk.act(&id, "handback", &s.anna, json!({})).await);
        s.stub.release(1);
        s.line.all_arrives().await;
        assert_eq!(s.line.voices(&id).await, ["ai"]);
    }

    /// The agent while the words are being sent, again and again, a little later each time.
    async fn while_it_is_sent(t) {
        let mut s = Stage::new(t).await;
        let mut alone = 0;
        for round in 0..ROUNDS {
            let id = s.stored(&format!("c{round}")).await;
            let person = async {
                for _ in 0..round * 400 {
                    tokio::task::yield_now().await;
                }
                s.comes_in(&id, "takeover").await;
            };
            tokio::join!(s.line.desk.app.run_due(), person);
            let voices = s.heard(&id).await;
            assert!(in_order(&voices), "{voices:?}");
            alone += usize::from(voices == ["manual"]);
            let taken_back = s.line.desk.history(&id).await[1]["status"] == "recalled";
            assert_eq!(taken_back, voices == ["manual"], "what was taken back did not leave, and what left was not");
        }
        println!("of {ROUNDS} rounds the agent alone was heard in {alone}");
    }

    /// The agent anywhere in a whole turn: reading, thinking, storing, sending at once.
    async fn anywhere(t) {
        let mut s = Stage::new(t).await;
        s.stub.release(ROUNDS);
        let mut alone = 0;
        for round in 0..ROUNDS {
            let id = s.line.writes(&format!("c{round}"), QUESTION).await;
            s.line.desk.app.clock.advance(Duration::from_secs(1));
            let person = async {
                for _ in 0..round * 1000 {
                    tokio::task::yield_now().await;
                }
                s.comes_in(&id, "takeover").await;
            };
            tokio::join!(s.line.desk.app.run_due(), person);
            let voices = s.heard(&id).await;
            assert!(in_order(&voices), "{voices:?}");
            assert_eq!(s.line.desk.outcomes(&id).await.len(), 1);
            alone += usize::from(voices == ["manual"]);
        }
        println!("of {ROUNDS} rounds the agent alone was heard in {alone}");
    }
}
