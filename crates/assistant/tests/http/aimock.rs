//! The same against a stand-in that others wrote: npm's `@copilotkit/aimock`.

use std::time::{Duration, Instant};

use assistant::{Length, Privacy, Protocol, Tone, WriteRequest, WritingKind};
use serde_json::{Value, json};
use testkit::{
    aimock::{Aimock, in_real_time},
    app::TestApp,
};

use crate::provider::{another, config, provider, records};

fn fixtures() -> Value {
    let good = json!({"sentiment": "MIXED", "confidence": 81, "emotions": [{"type": "SAD", "score": 60}],
        "keywords": ["毕业"], "summary": "毕业了。"});
    let limited = json!({"error": {"message": "Rate limited", "type": "rate_limit_error"}, "status": 429});
    let long = "一封很长的信。".repeat(15);
    json!([
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
    ])
}

/// Whether the provider answered, and how long that took.
async fn analysed(app: &TestApp, assistant: &assistant::Assistant, text: &str) -> (bool, Duration) {
    let began = Instant::now();
    let answered = in_real_time(&app.clock, assistant.analyse("user_1", text)).await;
    let took = began.elapsed();
    println!("{text}: by {} in {} ms", answered.engine, took.as_millis());
    (!answered.degraded, took)
}

testkit::both! {
    &[];

    /// Whatever it does, there is an answer in time.
    async fn every_case_ends_in_an_answer(t) {
        let Some(mock) = Aimock::start(fixtures()).await else { return };
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
        mock.chaos(json!({"latencyMs": 30_000})).await;
        let (answered, took) = analysed(&app, &assistant, "HANG 毕业了").await;
        assert!(!answered && took < limit, "{took:?}");
        mock.chaos(json!({"latencyMs": 0})).await;
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
        let Some(mock) = Aimock::start(fixtures()).await else { return };
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
        let Some(mock) = Aimock::start(fixtures()).await else { return };
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
