//! The assistant's turns with a model behind them that others wrote (npm's `aimock`): whatever it does, the customer gets an
//! answer or a person in time, and the turn says who decided.

use std::time::{Duration, Instant};

use assistant::{Privacy, Protocol, Provider, Secret};
use serde_json::{Value, json};
use testkit::{
    TestDb,
    aimock::{Aimock, in_real_time},
};

use crate::{
    assisted::{Assisted, REFUND, SHIPPING},
    line::Line,
};

/// What the model says of a refund.
const SAID: &str = "退款三到五个工作日内退回。";
/// The desk waits for a model for 8 s at most; a slow machine is given as much again.
const LIMIT: Duration = Duration::from_secs(16);

fn fixtures() -> Value {
    let says = |action: &str, answer: &str, citations: Value, reason: &str| {
        json!({"content": {"action": action, "answer": answer, "citations": citations, "handoff_reason": reason,
            "confidence": 90}})
    };
    let limited = json!({"error": {"message": "Rate limited", "type": "rate_limit_error"}, "status": 429});
    // In the order in which they are tried. Each question is in the prompt with what the base knows of it.
    json!([
        {"match": {"systemMessage": "[task:repair]"}, "response": {"content": "Still no object."}},
        {"match": {"userMessage": "LIMITED-ONCE", "sequenceIndex": 0}, "response": limited},
        {"match": {"userMessage": "BABBLE"}, "response": {"content": "I feel great!"}},
        {"match": {"userMessage": "MANAGER"}, "response": says("HANDOFF", "我请同事来。", json!([]), "NOT_IN_KB")},
        {"match": {"userMessage": "NOSOURCE"}, "response": says("ANSWER", "明天就到。", json!([]), "NONE")},
        {"match": {"systemMessage": "[task:desk]"}, "response": says("ANSWER", SAID, json!([1]), "NONE")},
    ])
}

struct Stage {
    line: Line,
    mock: Aimock,
}

impl Stage {
    async fn new(t: TestDb) -> Option<Self> {
        let mock = Aimock::start(fixtures()).await?;
        nlp::warm();
        let provider = Provider {
            protocol: Protocol::OpenAi,
            base_url: format!("{}/v1/", mock.url),
            api_key: Secret("sk-secret-of-the-operator".to_owned()),
            model: "m-1".to_owned(),
            timeout: Duration::from_secs(20),
            privacy: Privacy::Redact,
        };
        Some(Self { line: Line::new(t, Some(provider)).await, mock })
    }

    fn desk(&self) -> &Assisted {
        &self.line.desk
    }

    /// A new customer asks, and what comes of it in real time: the turn, and what WeCom took.
    async fn asks(&mut self, customer: &str, text: &str) -> (Value, Vec<String>) {
        let id = self.line.writes(customer, text).await;
        let app = &self.desk().app;
        app.clock.advance(Duration::from_secs(1));
        let began = Instant::now();
        in_real_time(&app.clock, app.run_due()).await;
        let took = began.elapsed();
        println!("{customer}: {} ms", took.as_millis());
        assert!(took < LIMIT, "{customer}: {took:?}");
        let turns = self.desk().turns(&id).await;
        let [turn] = &turns[..] else { panic!("{turns:?}") };
        let sent = self.line.wecom.sent();
        let own = sent.iter().filter(|m| m["touser"] == customer);
        (turn.clone(), own.map(words).collect())
    }
}

/// What a message says, with a menu or without.
fn words(message: &Value) -> String {
    let text = message["text"]["content"].as_str().or_else(|| message["msgmenu"]["head_content"].as_str());
    text.unwrap().to_owned()
}

/// Outcome, reason, engine, degraded.
fn ended(turn: &Value) -> Value {
    json!([turn["outcome"], turn["reason"], turn["engine"], turn["degraded"]])
}

testkit::both! {
    &testkit::app::migrations();

    /// It answers; it fails in every way, each followed by an answer, so that it is asked each time.
    async fn every_way_to_fail(t) {
        let Some(mut s) = Stage::new(t).await else { return };
        let by_model = json!(["answered", null, "openai:m-1", false]);
        let by_base = json!(["answered", null, "embedded", true]);
        let (turn, sent) = s.asks("good", "退款多久到账，我的电话13800138000").await;
        assert_eq!((ended(&turn), sent), (by_model.clone(), vec![SAID.to_owned()]));
        for (name, chaos) in [
            ("429", json!({"rateLimitRate": 1})),
            ("500", json!({"dropRate": 1})),
            ("broken", json!({"malformedRate": 1})),
            ("cut", json!({"disconnectRate": 1})),
            ("hangs", json!({"latencyMs": 30_000})),
        ] {
            s.mock.chaos(chaos.clone()).await;
            let before = s.mock.journal().await.matches("chat/completions").count();
            let (turn, sent) = s.asks(name, "退款多久到账").await;
            assert_eq!((ended(&turn), sent), (by_base.clone(), vec![REFUND.to_owned()]), "{name}");
            if name != "hangs" {
                assert!(s.mock.journal().await.matches("chat/completions").count() > before, "{name} was asked");
            }
            let (turn, sent) = s.asks(&format!("unknown-{name}"), "火星上有没有分店").await;
            let person = json!(["handed_over", "unsure", "embedded", true]);
            assert_eq!((ended(&turn), sent.len()), (person, 1), "{name}");
            s.mock.chaos(json!({})).await;
            let (turn, sent) = s.asks(&format!("after-{name}"), "退款多久到账").await;
            assert_eq!((ended(&turn), sent), (by_model.clone(), vec![SAID.to_owned()]), "after {name}");
        }
        let journal = s.mock.journal().await;
        assert!(!journal.contains("13800138000") && !journal.contains("sk-secret-of-the-operator"));
    }

    /// A model that fails once, babbles, names no source, or wants a person.
    async fn what_it_says(t) {
        let Some(mut s) = Stage::new(t).await else { return };
        let (turn, sent) = s.asks("once", "退款多久到账 LIMITED-ONCE").await;
        assert_eq!((ended(&turn), sent), (json!(["answered", null, "openai:m-1", false]), vec![SAID.to_owned()]));
        let (turn, sent) = s.asks("babble", "运费怎么算 BABBLE").await;
        assert_eq!((&turn["engine"], &turn["degraded"]), (&json!("embedded"), &json!(true)));
        assert!(sent.len() == 1 && sent[0].contains(if turn["outcome"] == "answered" { SHIPPING } else { "运费怎么算" }), "{sent:?}");
        let (turn, sent) = s.asks("manager", "退款多久到账 MANAGER").await;
        let person = json!(["handed_over", "unsure", "openai:m-1", false]);
        assert_eq!((ended(&turn), sent.len()), (person.clone(), 1));
        let (turn, sent) = s.asks("nosource", "退款多久到账 NOSOURCE").await;
        assert_eq!(ended(&turn), person);
        assert!(sent.len() == 1 && !sent[0].contains("明天就到"), "{sent:?}");
    }
}
