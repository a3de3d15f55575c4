//! What the tests of the assistant's turns have in common: a knowledge base, customers who wait, and a provider that
//! answers when the test lets it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use ::desk::{Policy, Turns};
use assistant::{Caps, Config, Privacy, Protocol, Provider, Secret};
use axum::{Json, Router, routing::post};
use channels::{Content, Inbound, MediaKind, Origin};
use dispatch::{Engine, Retry, SingleOptions};
use serde_json::{Value, json};
use testkit::{
    TestDb,
    app::{TestApp, User},
};
use tokio::sync::Semaphore;

use crate::desk::{call, data, get, post as call_post, receive, supervisor, words};

pub const REFUND: &str = "退款一般在三到五个工作日内原路退回。";
pub const SHIPPING: &str = "满 99 元包邮，不满收取 8 元运费。";
pub const INVOICE: &str = "Invoices are sent by e-mail within two days.";

/// A desk whose knowledge base knows a few things.
pub struct Assisted {
    pub app: TestApp,
    pub boss: User,
}

impl Assisted {
    pub async fn new(db: TestDb) -> Self {
        Self::with(db, |_| {}, None).await
    }

    pub async fn with(db: TestDb, policy: impl FnOnce(&mut Policy), provider: Option<Provider>) -> Self {
        let app = TestApp::with(db, |settings| {
            policy(&mut settings.desk.assistant);
            if provider.is_some() {
                settings.assistant = config(provider);
            }
        })
        .await;
        let boss = supervisor(&app, "boss").await;
        let base = json!({"name": "店铺问答", "shared": true});
        let made = call(&app, axum::http::Method::POST, "/kb/bases", Some(&boss), Some(base)).await;
        let base = made.body["data"]["kbId"].as_str().expect("a base").to_owned();
        for (question, answer) in [
            ("退款多久到账", REFUND),
            ("运费怎么算", SHIPPING),
            ("会员积分怎么兑换", "在“我的”页面兑换。"),
            ("会员积分怎么查询", "在“我的”页面查询。"),
            ("How do I get an invoice?", INVOICE),
        ] {
            let entry = json!({"question": question, "answer": answer});
            let path = format!("/kb/bases/{base}/entries");
            let made = call(&app, axum::http::Method::POST, &path, Some(&boss), Some(entry)).await;
            assert_eq!(made.status, 200, "{}", made.body);
        }
        Self { app, boss }
    }

    /// A customer writes; the id of their session.
    pub async fn writes(&self, customer: &str, text: &str) -> String {
        self.brings(words(&self.app, &kernel::id::new("x", self.app.now()), customer, text)).await
    }

    /// A message comes in; the id of its session.
    pub async fn brings(&self, message: Inbound) -> String {
        let customer = message.customer_id.clone();
        receive(&self.app, &[message]).await;
        let answer = get(&self.app, "/sessions?limit=500", &self.boss).await;
        let all = data(&answer).as_array().unwrap().clone();
        let own = all.iter().find(|s| s["customerId"] == customer.as_str()).expect("a session");
        own["sessionId"].as_str().unwrap().to_owned()
    }

    /// A customer sends a picture.
    pub fn picture(&self, customer: &str) -> Inbound {
        let content = Content::Media { kind: MediaKind::Image, reference: "media_1".to_owned() };
        Inbound { content, ..words(&self.app, &kernel::id::new("x", self.app.now()), customer, "") }
    }

    /// A colleague answers in the channel's own client.
    pub fn colleague(&self, customer: &str, text: &str) -> Inbound {
        Inbound {
            origin: Origin::Colleague,
            colleague: Some("zhang".to_owned()),
            ..words(&self.app, &kernel::id::new("x", self.app.now()), customer, text)
        }
    }

    /// A worker that takes the assistant's turns alone, and may be lost.
    pub fn worker(&self) -> Engine {
        let system = &self.app.system;
        let options = SingleOptions {
            concurrency: 4,
            per_destination: 4,
            retry: Retry::INTERNAL,
            timeout: Duration::from_secs(60),
        };
        let builder = Engine::builder(system.db.clone(), system.clock.clone());
        builder.single(::desk::TURN, options, Turns { desk: system.desk.clone() }).build()
    }

    /// Lets the settle time pass, and the assistant act.
    pub async fn turn(&self) {
        self.app.advance_to(self.app.now() + Duration::from_secs(1)).await;
    }

    pub async fn session(&self, id: &str) -> Value {
        data(&get(&self.app, &format!("/sessions/{id}"), &self.boss).await).clone()
    }

    pub async fn history(&self, id: &str) -> Vec<Value> {
        data(&get(&self.app, &format!("/sessions/{id}/history"), &self.boss).await)
            .as_array()
            .unwrap()
            .clone()
    }

    pub async fn turns(&self, id: &str) -> Vec<Value> {
        data(&get(&self.app, &format!("/sessions/{id}/turns"), &self.boss).await).as_array().unwrap().clone()
    }

    /// `outcome` and `reason` of the turns.
    pub async fn outcomes(&self, id: &str) -> Vec<(String, Option<String>)> {
        let text = |v: &Value| v.as_str().map(str::to_owned);
        let turns = self.turns(id).await;
        turns.iter().map(|t| (text(&t["outcome"]).unwrap(), text(&t["reason"]))).collect()
    }

    /// What goes to the customer, in order, as `desk.send` has it: sender and words.
    pub async fn sent(&self, id: &str) -> Vec<(String, String)> {
        let mut conn = self.app.system.db.read().await.unwrap();
        let outbound: Vec<(String,)> = conn
            .all(
                db::sql!("SELECT id FROM dispatches WHERE kind = 'desk.send' AND subject = $1"),
                db::args![id],
            )
            .await
            .unwrap();
        drop(conn);
        let history = self.history(id).await;
        let goes =
            |m: &&Value| m["status"] != "recalled" && outbound.iter().any(|(id,)| m["msgId"] == id.as_str());
        let sent = history.iter().filter(goes);
        let text = |v: &Value| v.as_str().unwrap().to_owned();
        let who = |m: &Value| if m["notice"] == true { "notice".to_owned() } else { text(&m["senderType"]) };
        sent.map(|m| (who(m), text(&m["content"]))).collect()
    }

    /// The last thing that goes to the customer.
    pub async fn last_sent(&self, id: &str) -> (String, String) {
        self.sent(id).await.pop().expect("something was sent")
    }

    /// `POST /sessions/{id}/{verb}` by somebody.
    pub async fn act(&self, id: &str, verb: &str, who: &User, body: Value) -> testkit::app::Answer {
        call_post(&self.app, &format!("/sessions/{id}/{verb}"), who, body).await
    }
}

fn config(provider: Option<Provider>) -> Config {
    Config {
        provider,
        caps: Caps {
            requests_per_minute: 0,
            tokens_per_day: 0,
            tokens_per_month: 0,
            spend_per_month: 0,
            price_input: 0,
            price_output: 0,
        },
        cache_ttl: Duration::ZERO,
        records_keep: Duration::from_secs(86_400),
    }
}

/// A provider that a test plays: each call waits for a permit, then says the same.
pub struct Stub {
    pub url: String,
    calls: Arc<AtomicUsize>,
    arrived: Arc<Semaphore>,
    permits: Arc<Semaphore>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Stub {
    /// Says this once it is let.
    pub async fn saying(said: Value) -> Self {
        let (calls, arrived, permits) =
            (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
        let (counted, here, gate) = (Arc::clone(&calls), Arc::clone(&arrived), Arc::clone(&permits));
        let handler = move |_: String| {
            let (counted, here, gate) = (Arc::clone(&counted), Arc::clone(&here), Arc::clone(&gate));
            let said = said.to_string();
            async move {
                counted.fetch_add(1, Ordering::SeqCst);
                here.add_permits(1);
                gate.acquire().await.unwrap().forget();
                Json(json!({
                    "id": "x", "object": "chat.completion", "model": "m",
                    "choices": [{"index": 0, "finish_reason": "stop",
                        "message": {"role": "assistant", "content": said}}],
                    "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
                }))
            }
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1/", listener.local_addr().unwrap());
        let router = Router::new().route("/{*any}", post(handler));
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, calls, arrived, permits, task }
    }

    /// Answers with the first entry that it is shown.
    pub async fn answering(text: &str) -> Self {
        Self::saying(json!({
            "action": "ANSWER", "answer": text, "citations": [1], "handoff_reason": "NONE", "confidence": 90
        }))
        .await
    }

    pub fn provider(&self) -> Provider {
        Provider {
            protocol: Protocol::OpenAi,
            base_url: self.url.clone(),
            api_key: Secret("sk-test".to_owned()),
            model: "m-1".to_owned(),
            timeout: Duration::from_secs(10),
            privacy: Privacy::Allow,
        }
    }

    /// Lets so many calls go on.
    pub fn release(&self, n: usize) {
        self.permits.add_permits(n);
    }

    /// Waits until one more call is there.
    pub async fn arrived(&self) {
        self.arrived.acquire().await.unwrap().forget();
    }

    pub fn count(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}
