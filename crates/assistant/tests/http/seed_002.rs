//! Seed 002 §4, with the embedded engine and with a provider, and what is refused.

use axum::http::Method;
use serde_json::{Value, json};
use testkit::app::{TestApp, User, shape};

use crate::provider::{Act, Stub, provider, server};

const SENTIMENT: &str = r#"{"sentiment":"MIXED","confidence":85,"emotions":[{"type":"SAD","score":60},{"type":"HOPEFUL","score":70}],
    "keywords":["毕业","北京","未来"],"summary":"毕业让人难过，但未来有希望。"}"#;
const WRITTEN: &str = r#"{"content":"亲爱的未来的我，你好！","suggestions":["写一个具体的日期"]}"#;
const PREDICTION: &str = r#"{"prediction":"也许你已经换了城市。","confidence":95,"factors":["时间"],"suggestions":["定一个小目标"]}"#;

fn writing() -> Value {
    json!({"prompt": "给十年后的自己写一封信，谈谈毕业和梦想", "type": "OUTLINE", "tone": "FORMAL",
        "length": "MEDIUM", "context": "我今年二十二岁"})
}

fn text() -> Value {
    json!({"content": "虽然毕业让我很难过，但我对未来充满希望。"})
}

fn future() -> Value {
    json!({"content": "希望你已经学会了游泳，打算在2030年之前买一套房子。",
        "deliveryTime": "2036-10-16T08:03:58.479Z", "context": "1998年出生"})
}

/// The seed's shapes with `engine` and perhaps `degraded` beside their fields.
async fn all_three(app: &TestApp, user: &User, engine: &str, degraded: bool) -> [Value; 3] {
    let mut found = Vec::new();
    for (path, body, template) in [
        (
            "/ai/writing-assistant",
            writing(),
            json!({"content": "string", "suggestions": ["string"], "estimatedTime": "number"}),
        ),
        (
            "/ai/sentiment-analysis",
            text(),
            json!({"sentiment": "string", "confidence": "number", "emotions": [{"type": "string", "score": "number"}],
                "keywords": ["string"], "summary": "string"}),
        ),
        (
            "/ai/future-prediction",
            future(),
            json!({"prediction": "string", "confidence": "number", "factors": ["string"], "suggestions": ["string"]}),
        ),
    ] {
        let mut template = template;
        template["engine"] = json!(format!("={engine}"));
        if degraded {
            template["degraded"] = json!(true);
        }
        let answer = app.post(path, user, body).await;
        shape(answer.data(), &template);
        assert_eq!(answer.headers["x-assistant-engine"], engine);
        found.push(answer.data().clone());
    }
    found.try_into().unwrap()
}

fn says(system: &str) -> Act {
    let text = match system {
        s if s.starts_with("[task:write]") => WRITTEN,
        s if s.starts_with("[task:sentiment]") => SENTIMENT,
        s if s.starts_with("[task:predict]") => PREDICTION,
        _ => "?",
    };
    Act::Say(text.to_owned())
}

testkit::both! {
    &[];

    /// §4.1–4.3 without a provider.
    async fn seed_002_4_embedded(t) {
        let app = TestApp::new(t).await;
        let user = app.user("li").await;
        let [written, analysis, prediction] = all_three(&app, &user, "embedded", false).await;
        assert!(written["content"].as_str().unwrap().starts_with("1. "), "{written}");
        assert_eq!(analysis["sentiment"], "MIXED");
        assert!(prediction["confidence"].as_f64().unwrap() <= 0.3);
        assert!(crate::provider::records(&app).await.is_empty(), "nothing left the process");
    }

    /// §4.1–4.3 with a provider: what goes over the wire, and what comes of it.
    async fn seed_002_4_provider(t) {
        let stub = Stub::start(|_, seen| says(seen.system())).await;
        let app = server(t, provider(&stub.url)).await;
        let user = app.user("li").await;
        let [written, analysis, prediction] = all_three(&app, &user, "openai:m-1", false).await;
        assert_eq!(written["content"], "亲爱的未来的我，你好！");
        assert_eq!(analysis["emotions"], json!([{"type": "HOPEFUL", "score": 0.7}, {"type": "SAD", "score": 0.6}]));
        assert_eq!(analysis["keywords"], json!(["毕业", "未来"]), "北京 is not in the text");
        assert_eq!(prediction["confidence"], 0.6, "nobody is surer of the future");
        assert!(prediction["prediction"].as_str().unwrap().starts_with("（以下是想象，不是预言。）"));

        let seen = stub.seen();
        assert_eq!(seen.len(), 3);
        for (call, task) in seen.iter().zip(["write", "sentiment", "predict"]) {
            assert_eq!(call.path, "/v1/chat/completions");
            assert_eq!(call.authorization.as_deref(), Some("Bearer sk-secret-of-the-operator"));
            assert!(call.system().starts_with(&format!("[task:{task}]\n")));
            let format = &call.body["response_format"];
            assert_eq!((&format["type"], &format["json_schema"]["name"]), (&json!("json_schema"), &json!(task)));
            assert_eq!(format["json_schema"]["schema"]["additionalProperties"], false);
            assert!(call.user().starts_with("<untrusted-") && call.body["max_tokens"].is_u64());
        }
        let records = crate::provider::records(&app).await;
        assert_eq!(records.len(), 3);
        assert!(records.iter().all(|r| r.outcome == "answered" && r.tokens == 165 && r.engine == "openai:m-1"));

        // The same question of the same user is not asked twice; another user's is.
        all_three(&app, &user, "openai:m-1", false).await;
        assert_eq!(stub.count(), 3);
        let other = app.user("wang").await;
        all_three(&app, &other, "openai:m-1", false).await;
        assert_eq!(stub.count(), 6);
        app.clock.advance(std::time::Duration::from_secs(3601));
        app.post("/ai/sentiment-analysis", &user, text()).await.data();
        assert_eq!(stub.count(), 7, "a kept answer has its time");
        let records = crate::provider::records(&app).await;
        assert_eq!(records.iter().filter(|r| r.outcome == "cached").count(), 3);
    }

    /// Every bad field by name at once.
    async fn what_is_refused(t) {
        let app = TestApp::new(t).await;
        let user = app.user("li").await;
        for path in ["/ai/writing-assistant", "/ai/sentiment-analysis", "/ai/future-prediction"] {
            app.call(Method::POST, path, None, Some(json!({}))).await.refused(401, &[]);
        }
        let post = async |path: &str, body: Value| app.post(&format!("/ai/{path}"), &user, body).await;
        post("writing-assistant", json!({})).await.refused(400, &["length", "prompt", "tone", "type"]);
        let bad = json!({"prompt": " ", "type": "POEM", "tone": 1, "length": "medium", "context": []});
        post("writing-assistant", bad).await.refused(400, &["context", "length", "prompt", "tone", "type"]);
        let mut long = writing();
        long["prompt"] = json!("长".repeat(4001));
        post("writing-assistant", long).await.refused(422, &["prompt"]);
        post("sentiment-analysis", json!({"content": "a\u{0}b"})).await.refused(422, &["content"]);
        post("sentiment-analysis", json!({"content": "字".repeat(20_001)})).await.refused(422, &["content"]);
        post("sentiment-analysis", json!({"content": "字".repeat(20_000)})).await.data();
        post("future-prediction", json!({"content": 1})).await.refused(400, &["content", "deliveryTime"]);
        let mut past = future();
        past["deliveryTime"] = json!(app.now());
        post("future-prediction", past).await.refused(422, &["deliveryTime"]);
        let mut odd = future();
        odd["deliveryTime"] = json!("next year");
        post("future-prediction", odd).await.refused(400, &["deliveryTime"]);
    }

    /// Emoji, other scripts, markup, a lone letter: each is answered by the embedded engine.
    async fn any_text_is_answered(t) {
        let app = TestApp::new(t).await;
        let user = app.user("li").await;
        for content in ["😀", "a", "？？？", "привет мир", "<script>alert(1)</script>", "\n\t今天\r\n", "{\"a\":1}"] {
            let answer = app.post("/ai/sentiment-analysis", &user, json!({"content": content})).await;
            assert_eq!(answer.data()["engine"], "embedded");
            let mut body = future();
            body["content"] = json!(content);
            app.post("/ai/future-prediction", &user, body).await.data();
            let mut body = writing();
            body["prompt"] = json!(content);
            app.post("/ai/writing-assistant", &user, body).await.data();
        }
    }
}
