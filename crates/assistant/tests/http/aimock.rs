//! The same against a stand-in that others wrote: npm's `@copilotkit/aimock`, as `cargo xtask test` installs it.

use std::{
    io::Write as _,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use assistant::{Length, Privacy, Protocol, Tone, WriteRequest, WritingKind};
use serde_json::{Value, json};
use testkit::app::TestApp;

use crate::provider::{another, config, in_real_time, provider, records};

/// It ends with the test.
struct Aimock {
    process: Child,
    url: String,
    _fixtures: testkit::tempfile::TempDir,
}

impl Drop for Aimock {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn fixtures() -> Value {
    let good = json!({"sentiment": "MIXED", "confidence": 81, "emotions": [{"type": "SAD", "score": 60}],
        "keywords": ["毕业"], "summary": "毕业了。"});
    let limited = json!({"error": {"message": "Rate limited", "type": "rate_limit_error"}, "status": 429});
    let long = "一封很长的信。".repeat(15);
    json!({"fixtures": [
        {"match": {"userMessage": "RATE-ONCE", "sequenceIndex": 0}, "response": limited},
        {"match": {"userMessage": "RATE-EVER"}, "response": limited},
        {"match": {"userMessage": "SERVER-ERROR"}, "response": {"error": {"message": "oops", "type": "server_error"}, "status": 500}},
        {"match": {"userMessage": "CUT"}, "response": {"content": long}, "truncateAfterChunks": 3, "latency": 20},
        {"match": {"userMessage": "HANGUP"}, "response": {"content": long}, "disconnectAfterMs": 30, "latency": 20},
        {"match": {"userMessage": "NEVER-JSON"}, "response": {"content": "I feel great!"}},
        {"match": {"userMessage": "BADJSON", "systemMessage": "[task:sentiment]"},
            "response": {"content": "Sure! Here it is:\n```json\n{\"sentiment\":\"VERY_GOOD\"}\n```"}},
        {"match": {"systemMessage": "[task:repair]"}, "response": {"content": good}},
        {"match": {"systemMessage": "[task:write]"}, "response": {"content": "亲爱的未来的我，你好！这是一封完整的信。"}},
        {"match": {"systemMessage": "[task:sentiment]"}, "response": {"content": good,
            "usage": {"prompt_tokens": 120, "completion_tokens": 45, "total_tokens": 165}}}
    ]})
}

impl Aimock {
    async fn start() -> Option<Self> {
        #[expect(clippy::disallowed_methods, reason = "where the test runner puts it")]
        let Ok(peers) = std::env::var("HONGYAN_TEST_PEERS") else {
            println!("skipped: HONGYAN_TEST_PEERS is not set");
            return None;
        };
        let folder = testkit::tempfile::tempdir().unwrap();
        let mut file = std::fs::File::create(folder.path().join("assistant.json")).unwrap();
        file.write_all(fixtures().to_string().as_bytes()).unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let process = Command::new("node")
            .arg(format!("{peers}/@copilotkit/aimock/dist/cli.js"))
            .args(["-p", &port.to_string(), "-f"])
            .arg(folder.path())
            .args(["--log-level", "warn"])
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let url = format!("http://127.0.0.1:{port}");
        let mock = Self { process, url, _fixtures: folder };
        let began = Instant::now();
        while mock.get("/v1/models").await.is_none() {
            assert!(began.elapsed() < Duration::from_secs(60), "aimock does not start");
            kernel::Clock::system().sleep(Duration::from_millis(50)).await;
        }
        Some(mock)
    }

    async fn get(&self, path: &str) -> Option<Value> {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        client.get(format!("{}{path}", self.url)).send().await.ok()?.json().await.ok()
    }

    /// Answers nobody for so long.
    async fn wait_before_answers(&self, millis: u32) {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let request = client.post(format!("{}/__aimock/chaos", self.url)).json(&json!({"latencyMs": millis}));
        let response = request.send().await.unwrap();
        assert!(response.status().is_success(), "{}", response.text().await.unwrap());
    }

    /// All requests that came, as text.
    async fn journal(&self) -> String {
        self.get("/__aimock/journal").await.expect("a journal").to_string()
    }
}

/// Whether the provider answered, and how long that took.
async fn analysed(app: &TestApp, assistant: &assistant::Assistant, text: &str) -> (bool, Duration) {
    let began = Instant::now();
    let answered = in_real_time(app, assistant.analyse("user_1", text)).await;
    let took = began.elapsed();
    println!("{text}: by {} in {} ms", answered.engine, took.as_millis());
    (!answered.degraded, took)
}

testkit::both! {
    &[];

    /// Whatever it does, there is an answer in time.
    async fn every_case_ends_in_an_answer(t) {
        let Some(mock) = Aimock::start().await else { return };
        nlp::warm();
        let app = TestApp::new(t).await;
        let mut provider = provider(&format!("{}/v1/", mock.url));
        provider.timeout = Duration::from_secs(4);
        provider.privacy = Privacy::Redact;
        let assistant = another(&app, config(provider));
        let limit = Duration::from_secs(6);
        for (text, by_provider) in [
            ("毕业了，我的电话13800138000", true),
            ("BADJSON 毕业了", true),
            ("RATE-ONCE 毕业了", true),
            ("NEVER-JSON 毕业了", true),
            ("RATE-EVER 毕业了", false),
            ("SERVER-ERROR 毕业了", false),
        ] {
            let (answered, took) = analysed(&app, &assistant, text).await;
            assert_eq!(answered, by_provider, "{text}");
            assert!(took < limit, "{text}: {took:?}");
        }
        mock.wait_before_answers(30_000).await;
        let (answered, took) = analysed(&app, &assistant, "HANG 毕业了").await;
        assert!(!answered && took < limit, "{took:?}");
        mock.wait_before_answers(0).await;
        let journal = mock.journal().await;
        assert!(!journal.contains("13800138000") && journal.contains("[PHONE_1]"));
        assert!(!journal.contains("sk-secret-of-the-operator"));
        let before = journal.matches("BADJSON").count();
        assert!(analysed(&app, &assistant, "BADJSON 毕业了").await.0, "kept");
        assert_eq!(mock.journal().await.matches("BADJSON").count(), before);
        let records = records(&app).await;
        assert!(records.iter().any(|r| r.tokens == 165));
        assert_eq!(records.iter().filter(|r| r.outcome == "cached").count(), 1);
    }

    async fn streams(t) {
        let Some(mock) = Aimock::start().await else { return };
        nlp::warm();
        let app = TestApp::new(t).await;
        let mut provider = provider(&format!("{}/v1/", mock.url));
        provider.timeout = Duration::from_secs(6);
        let assistant = another(&app, config(provider));
        for (prompt, whole) in [("写给自己", true), ("CUT 写给自己", false), ("HANGUP 写给自己", false)] {
            let (sender, mut pieces) = tokio::sync::mpsc::unbounded_channel();
            let (kind, tone, length) = (WritingKind::Complete, Tone::Casual, Length::Short);
            let request = WriteRequest { prompt: prompt.to_owned(), kind, tone, length, context: None };
            let began = Instant::now();
            let answered = assistant.write_in_pieces("user_1", request, sender).await;
            println!("{prompt}: by {} in {} ms", answered.engine, began.elapsed().as_millis());
            assert_eq!(!answered.degraded, whole, "{prompt}");
            let mut preview = String::new();
            while let Some(piece) = pieces.recv().await {
                preview.push_str(&piece);
            }
            assert_eq!(answered.value.content == preview, whole, "{prompt}: {preview}");
        }
    }

    /// The other protocols, in their own shapes.
    async fn anthropic_and_gemini(t) {
        let Some(mock) = Aimock::start().await else { return };
        let app = TestApp::new(t).await;
        for (protocol, path) in [(Protocol::Anthropic, "/v1/"), (Protocol::Gemini, "/v1beta/")] {
            let mut provider = provider(&format!("{}{path}", mock.url));
            provider.protocol = protocol;
            let assistant = another(&app, config(provider));
            let answered = assistant.analyse("user_1", "毕业了").await;
            assert_eq!(answered.engine, format!("{}:m-1", protocol.as_str()));
            assert_eq!(answered.value.confidence, 0.81);
            let tokens = records(&app).await.last().unwrap().tokens;
            assert!(tokens >= 165, "{tokens}");
        }
    }
}
