//! A conversation between [`BRAND`], which is connected, and [`CREATOR`], who writes through the emulator; and an assistant
//! whose words a test chooses.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use assistant::{Caps, Config, Privacy, Protocol, Provider, Secret};
use axum::{
    Json, Router,
    body::Body,
    http::{Request, header},
    routing::post,
};
use kernel::Timestamp;
use serde_json::{Value, json};
use testkit::{
    TestDb,
    app::{User, settings::Settings},
    google::{BRAND, CREATOR},
};

use crate::house::{House, good};

/// An assistant that a test plays.
pub struct Brain {
    url: String,
    reply: Arc<Mutex<Value>>,
    sentiment: Arc<Mutex<&'static str>>,
    asked: Arc<Mutex<Vec<String>>>,
    calls: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Brain {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A reply against which nothing stands; each is another.
fn harmless(n: usize) -> Value {
    const WORDS: [&str; 6] = [
        "Thank you, that sounds good. Which week would suit you?",
        "Great to hear! Could you tell us more about your audience?",
        "We liked your last video a lot. What would you enjoy making next?",
        "Understood. How long does production usually take?",
        "Lovely idea, we are glad to read it. Who else works with you?",
        "Good question! The team will happily explain the idea in detail.",
    ];
    json!({
        "recommended_reply": WORDS[n % WORDS.len()], "alternative_replies": ["Thanks!", "Let us talk."],
        "conversation_summary": "They talk about a collab.", "facts_used": [], "goal_progress": "PROGRESS",
        "needs_human": "NO", "reason": "plain", "confidence": 90,
    })
}

impl Brain {
    async fn start() -> Self {
        let (reply, sentiment) = (Arc::new(Mutex::new(Value::Null)), Arc::new(Mutex::new("NEUTRAL")));
        let (asked, calls): (Arc<Mutex<Vec<String>>>, _) = (Arc::default(), Arc::new(AtomicUsize::new(0)));
        let (said, felt, heard, counted) =
            (Arc::clone(&reply), Arc::clone(&sentiment), Arc::clone(&asked), Arc::clone(&calls));
        let handler = move |body: String| {
            let (said, felt) = (said.lock().unwrap().clone(), *felt.lock().unwrap());
            heard.lock().unwrap().push(body.clone());
            let content = if body.contains("[task:sentiment]") {
                json!({"sentiment": felt, "confidence": 90, "emotions": [], "keywords": [], "summary": "x"})
            } else {
                let n = counted.fetch_add(1, Ordering::SeqCst);
                let mut content = harmless(n);
                if let Value::Object(said) = said {
                    content.as_object_mut().unwrap().extend(said);
                }
                content
            };
            let message = json!({"role": "assistant", "content": content.to_string()});
            async move {
                Json(json!({
                    "id": "x", "object": "chat.completion", "model": "m",
                    "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
                    "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
                }))
            }
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1/", listener.local_addr().unwrap());
        let router = Router::new().route("/{*any}", post(handler));
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, reply, sentiment, asked, calls, task }
    }

    /// From now on these fields of its replies are so.
    pub fn says(&self, fields: Value) {
        *self.reply.lock().unwrap() = fields;
    }

    /// From now on mails sound like this.
    pub fn feels(&self, sentiment: &'static str) {
        *self.sentiment.lock().unwrap() = sentiment;
    }

    /// How many replies it was asked for.
    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    /// The last prompt.
    pub fn last(&self) -> String {
        self.asked.lock().unwrap().last().cloned().unwrap_or_default()
    }

    /// What makes a server ask it.
    pub fn config(&self) -> Config {
        Config {
            provider: Some(Provider {
                protocol: Protocol::OpenAi,
                base_url: self.url.clone(),
                api_key: Secret("sk".to_owned()),
                model: "m".to_owned(),
                timeout: Duration::from_secs(30),
                privacy: Privacy::Allow,
            }),
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
}

/// The two of them.
pub struct Talk {
    pub house: House,
    pub brain: Brain,
    anna: Mutex<(User, Timestamp)>,
    pub conversation: i64,
    credential: i64,
}

impl Talk {
    pub async fn new(db: TestDb) -> Option<Self> {
        Self::with(db, |_| {}).await
    }

    pub async fn with(db: TestDb, change: impl FnOnce(&mut Settings)) -> Option<Self> {
        let brain = Brain::start().await;
        let config = brain.config();
        let house = House::with(db, |settings| {
            settings.assistant = config;
            change(settings);
        })
        .await?;
        let anna = house.app.user("anna").await;
        let credential = house.connect(&anna, BRAND).await["id"].as_i64().unwrap();
        house.app.run_due().await;
        let body = json!({"user_email": BRAND, "influencer_email": CREATOR});
        let made = house.post("/conversations/", &anna, body).await;
        let conversation = good(&made)["conversation_id"].as_i64().unwrap();
        house.app.run_due().await;
        let anna = Mutex::new((anna, house.app.now()));
        Some(Self { house, brain, anna, conversation, credential })
    }

    /// Whose the account is.
    pub fn anna(&self) -> User {
        self.anna.lock().unwrap().0.clone()
    }

    /// A token lasts for a day.
    async fn log_in_again(&self) {
        let now = self.house.app.now();
        if now.since(self.anna.lock().unwrap().1) > Duration::from_secs(20 * 3600) {
            let anna = self.house.app.login(&self.anna()).await;
            *self.anna.lock().unwrap() = (anna, now);
        }
    }

    pub async fn get(&self, path: &str) -> Value {
        good(&self.house.get(path, &self.anna()).await).clone()
    }

    pub async fn post(&self, path: &str, body: Value) -> Value {
        good(&self.house.post(path, &self.anna(), body).await).clone()
    }

    /// `POST /api{path}`, of the knowledge bases; its `data`.
    pub async fn base(&self, path: &str, body: Value) -> Value {
        let request = Request::post(format!("/api{path}"))
            .header(header::AUTHORIZATION, format!("Bearer {}", self.anna().token))
            .body(Body::from(body.to_string()));
        let answer = self.house.app.send(request.unwrap()).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.body["data"].clone()
    }

    /// A goal with automatic replies, or as these fields say.
    pub async fn goal(&self, fields: Value) -> i64 {
        let mut body = json!({"conversation_id": self.conversation, "goal_description": "Agree on a video in March",
            "auto_reply": true});
        if let Value::Object(fields) = fields {
            body.as_object_mut().unwrap().extend(fields);
        }
        self.post("/goals/", body).await["id"].as_i64().unwrap()
    }

    /// Reads the mailbox and does what is due.
    pub async fn sync(&self) {
        self.log_in_again().await;
        let path = format!("/credentials/{}/sync/", self.credential);
        let answer = self.house.post(&path, &self.anna(), json!({})).await;
        assert_eq!(answer.status, 202, "{}", answer.body);
        self.house.app.run_due().await;
    }

    /// Puts a mail into the mailbox; Gmail's id.
    pub async fn deliver(&self, mail: Value) -> String {
        let mut mail = mail;
        if mail.get("labelIds").is_none() {
            mail["labelIds"] = json!(["INBOX", "UNREAD"]);
        }
        self.house.google.deliver(BRAND, mail).await["id"].as_str().unwrap().to_owned()
    }

    /// [`CREATOR`] writes in the thread, and all that follows at once follows.
    pub async fn hears(&self, text: &str) -> String {
        self.hears_with(text, json!({})).await
    }

    /// The same with header fields.
    pub async fn hears_with(&self, text: &str, headers: Value) -> String {
        // Google's times have whole seconds here and there.
        self.pass(Duration::from_secs(1)).await;
        let id = self
            .deliver(json!({"from": format!("Creator One <{CREATOR}>"), "subject": "Re: Rates for a collab",
                "text": text, "headers": headers, "threadId": self.thread().await}))
            .await;
        self.sync().await;
        id
    }

    /// The thread that they write in.
    pub async fn thread(&self) -> Value {
        let mut conn = self.house.app.system.db.read().await.unwrap();
        let (thread,): (String,) = conn
            .one(db::sql!("SELECT thread_id FROM gmail_messages WHERE gmail_id = 'msg_seed1'"), db::args![])
            .await
            .unwrap();
        json!(thread)
    }

    /// Lets time pass, here and at Google, and does what is due then.
    pub async fn pass(&self, time: Duration) {
        let now = self.house.app.now() + time;
        self.house.google.set_now(now).await;
        self.house.app.advance_to(now).await;
        self.log_in_again().await;
    }

    /// What was decided, the oldest first: outcome and rule.
    pub async fn decisions(&self) -> Vec<(String, String)> {
        let path = format!("/decisions/?conversation_id={}", self.conversation);
        let list = self.get(&path).await;
        let text = |v: &Value| v.as_str().unwrap().to_owned();
        list["results"]
            .as_array()
            .unwrap()
            .iter()
            .rev()
            .map(|d| (text(&d["outcome"]), text(&d["rule"])))
            .collect()
    }

    /// Outcome and rule of the last decision.
    pub async fn last_decision(&self) -> (String, String) {
        self.decisions().await.pop().expect("a decision")
    }

    /// Proposals, the newest first.
    pub async fn replies(&self, query: &str) -> Vec<Value> {
        self.get(&format!("/recommended-reply/?{query}")).await["results"].as_array().unwrap().clone()
    }

    /// Mails in the outbox, the oldest first: source and state.
    pub async fn outbox(&self) -> Vec<(String, String)> {
        let mut conn = self.house.app.system.db.read().await.unwrap();
        conn.all(db::sql!("SELECT source, state FROM gmail_outbox ORDER BY id"), db::args![]).await.unwrap()
    }

    /// What Google sent, as it was written, the oldest first.
    pub async fn sent(&self) -> Vec<String> {
        let sent = self.house.google.sent(BRAND).await;
        sent.iter().rev().map(|mail| raw(&mail["raw"])).collect()
    }
}

fn raw(value: &Value) -> String {
    let text = value.as_str().unwrap();
    let bytes = data_encoding::BASE64URL_NOPAD.decode(text.trim_end_matches('=').as_bytes());
    bytes.map_or_else(|_| text.to_owned(), |bytes| String::from_utf8_lossy(&bytes).into_owned())
}

/// One field of a mail as it was written, unfolded.
pub fn field(mail: &str, name: &str) -> Option<String> {
    let head = mail.split("\r\n\r\n").next()?.replace("\r\n ", " ").replace("\r\n\t", " ");
    let line = head
        .split("\r\n")
        .find(|line| line.split_once(':').is_some_and(|(found, _)| found.eq_ignore_ascii_case(name)))?;
    line.split_once(':').map(|(_, value)| value.trim().to_owned())
}
