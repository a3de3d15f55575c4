//! A provider that a test plays: what it says, and what it was asked.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use assistant::{Assistant, Caps, Config, Privacy, Protocol, Provider, Secret};
use axum::{
    Router,
    body::{Body, Bytes},
    http::{HeaderMap, Response, Uri},
    routing::post,
};
use futures_util::{StreamExt as _, stream};
use serde_json::{Value, json};
use testkit::{TestDb, app::TestApp};

/// What it does with a call.
#[derive(Clone)]
pub enum Act {
    /// Says this.
    Say(String),
    /// Fails with a status and perhaps a `Retry-After`.
    Fail(u16, Option<&'static str>),
    /// 200, and no JSON.
    Broken,
    /// Never answers.
    Hang,
    /// Streams pieces; whole if `true`, else it breaks off.
    Pieces(Vec<&'static str>, bool),
}

/// A call as it came.
#[derive(Debug, Clone)]
pub struct Seen {
    pub path: String,
    pub authorization: Option<String>,
    pub text: String,
    pub body: Value,
}

impl Seen {
    /// The system prompt.
    pub fn system(&self) -> &str {
        self.body["messages"][0]["content"].as_str().expect("a system prompt")
    }

    /// The user's part.
    pub fn user(&self) -> &str {
        self.body["messages"][1]["content"].as_str().expect("a user's part")
    }
}

type Script = Arc<dyn Fn(usize, &Seen) -> Act + Send + Sync>;

/// The provider; it ends with the test.
pub struct Stub {
    pub url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Stub {
    /// Acts by the number of the call, from 0, and the call.
    pub async fn start(script: impl Fn(usize, &Seen) -> Act + Send + Sync + 'static) -> Self {
        let (seen, script): (Arc<Mutex<Vec<Seen>>>, Script) = (Arc::default(), Arc::new(script));
        let calls = Arc::clone(&seen);
        let handler = move |uri: Uri, headers: HeaderMap, body: Bytes| {
            let (calls, script) = (Arc::clone(&calls), Arc::clone(&script));
            async move {
                let authorization = headers.get("authorization").map(|v| v.to_str().unwrap().to_owned());
                let text = String::from_utf8(body.to_vec()).unwrap();
                let call = Seen {
                    path: uri.path().to_owned(),
                    authorization,
                    body: serde_json::from_str(&text).unwrap(),
                    text,
                };
                let act = {
                    let mut calls = calls.lock().unwrap();
                    calls.push(call.clone());
                    script(calls.len() - 1, &call)
                };
                act.respond().await
            }
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1/", listener.local_addr().unwrap());
        let router = Router::new().route("/{*any}", post(handler));
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, seen, task }
    }

    /// Says the same to every call.
    pub async fn saying(text: &'static str) -> Self {
        Self::start(move |_, _| Act::Say(text.to_owned())).await
    }

    /// All calls so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// How many calls so far.
    pub fn count(&self) -> usize {
        self.seen.lock().unwrap().len()
    }
}

impl Act {
    async fn respond(self) -> Response<Body> {
        let json = |value: Value| {
            let response = Response::builder().header("content-type", "application/json");
            response.body(Body::from(value.to_string())).unwrap()
        };
        match self {
            Self::Say(text) => json(json!({
                "id": "x", "object": "chat.completion", "model": "m",
                "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}],
                "usage": {"prompt_tokens": 120, "completion_tokens": 45, "total_tokens": 165}
            })),
            Self::Fail(status, retry_after) => {
                let mut response =
                    Response::builder().status(status).header("content-type", "application/json");
                if let Some(seconds) = retry_after {
                    response = response.header("retry-after", seconds);
                }
                response.body(Body::from(r#"{"error":{"message":"no"}}"#)).unwrap()
            }
            Self::Broken => {
                let response = Response::builder().header("content-type", "application/json");
                response.body(Body::from("{malformed json: <<<chaos>>>")).unwrap()
            }
            Self::Hang => std::future::pending().await,
            Self::Pieces(pieces, whole) => {
                let chunk = |delta: Value, reason: Value| {
                    json!({"id": "x", "object": "chat.completion.chunk", "model": "m",
                        "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]})
                };
                let mut lines: Vec<Result<String, std::io::Error>> = Vec::new();
                let data = |value: &Value| Ok(format!("data: {value}\n\n"));
                lines.push(data(&chunk(json!({"role": "assistant", "content": ""}), Value::Null)));
                lines.extend(pieces.iter().map(|p| data(&chunk(json!({"content": p}), Value::Null))));
                if whole {
                    lines.push(data(&chunk(json!({}), json!("stop"))));
                    let usage = json!({"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120});
                    lines.push(data(&json!({"id": "x", "model": "m", "choices": [], "usage": usage})));
                    lines.push(Ok("data: [DONE]\n\n".to_owned()));
                } else {
                    lines.push(Err(std::io::Error::other("cut")));
                }
                let response = Response::builder().header("content-type", "text/event-stream");
                // Pending before each line, so that those before it leave.
                let lines = stream::iter(lines).then(|line| async {
                    tokio::task::yield_now().await;
                    line
                });
                response.body(Body::from_stream(lines)).unwrap()
            }
        }
    }
}

/// The settings of a provider at this address.
pub fn provider(url: &str) -> Provider {
    Provider {
        protocol: Protocol::OpenAi,
        base_url: url.to_owned(),
        api_key: Secret("sk-secret-of-the-operator".to_owned()),
        model: "m-1".to_owned(),
        timeout: Duration::from_secs(10),
        privacy: Privacy::Allow,
    }
}

/// No caps.
pub const FREE: Caps = Caps {
    requests_per_minute: 0,
    tokens_per_day: 0,
    tokens_per_month: 0,
    spend_per_month: 0,
    price_input: 0,
    price_output: 0,
};

/// All that the assistant is told, with this provider.
pub fn config(provider: Provider) -> Config {
    Config {
        provider: Some(provider),
        caps: FREE,
        cache_ttl: Duration::from_secs(3600),
        records_keep: Duration::from_secs(86_400 * 30),
    }
}

/// A server that asks this provider, on the tests' clock.
pub async fn server(db: TestDb, provider: Provider) -> TestApp {
    TestApp::with(db, |settings| settings.assistant = config(provider)).await
}

/// Another assistant on a server's accounts.
pub fn another(app: &TestApp, config: Config) -> Assistant {
    Assistant::new(app.system.accounts.clone(), config).unwrap()
}

/// A record of a call.
#[derive(Debug)]
pub struct Record {
    pub engine: String,
    pub outcome: String,
    pub reason: Option<String>,
    pub tokens: i64,
}

/// The records, the oldest first.
pub async fn records(app: &TestApp) -> Vec<Record> {
    let mut conn = app.system.db.read().await.unwrap();
    let rows: Vec<(String, String, Option<String>, i64)> = conn
        .all(
            db::sql!(
                "SELECT engine, outcome, reason, tokens_in + tokens_out FROM assistant_calls ORDER BY id"
            ),
            db::args![],
        )
        .await
        .unwrap();
    let record = |(engine, outcome, reason, tokens)| Record { engine, outcome, reason, tokens };
    rows.into_iter().map(record).collect()
}
