//! A letter while it is written: the pieces are a preview, the end counts.

use assistant::Privacy;
use axum::{
    body::Body,
    http::{Method, Request},
};
use serde_json::{Value, json};
use testkit::app::{TestApp, User, shape};

use crate::provider::{Act, Stub, provider, records, server};

/// The events of a stream.
async fn streamed(app: &TestApp, user: &User, prompt: &str) -> Vec<(String, Value)> {
    let body = json!({"prompt": prompt, "type": "COMPLETE", "tone": "CASUAL", "length": "SHORT"});
    let request = Request::builder()
        .method(Method::POST)
        .uri("/api/v1/ai/writing-assistant")
        .header("authorization", format!("Bearer {}", user.token))
        .header("content-type", "application/json")
        .header("accept", "text/event-stream")
        .body(Body::from(body.to_string()))
        .unwrap();
    let answer = app.send(request).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.headers["content-type"], "text/event-stream");
    let text = String::from_utf8(answer.bytes).unwrap();
    let event = |block: &str| {
        let (name, data) = block.split_once('\n').unwrap();
        let data = data.strip_prefix("data: ").unwrap();
        (name.strip_prefix("event: ").unwrap().to_owned(), serde_json::from_str(data).unwrap())
    };
    text.split("\n\n").filter(|block| !block.trim().is_empty()).map(event).collect()
}

/// The preview, and the answer at the end.
fn parts(events: &[(String, Value)]) -> (String, Value) {
    let (last, pieces) = events.split_last().unwrap();
    assert_eq!(last.0, "done");
    assert!(pieces.iter().all(|(name, _)| name == "piece"));
    (pieces.iter().map(|(_, data)| data["text"].as_str().unwrap()).collect(), last.1.clone())
}

testkit::both! {
    &[];

    async fn embedded(t) {
        let app = TestApp::new(t).await;
        let user = app.user("li").await;
        let (preview, done) = parts(&streamed(&app, &user, "给明年的自己，关于学游泳").await);
        let template = json!({"code": 200, "message": "=success", "data":
            {"content": "string", "suggestions": ["string"], "estimatedTime": "number", "engine": "=embedded"}});
        shape(&done, &template);
        assert_eq!(preview, done["data"]["content"].as_str().unwrap());
    }

    async fn whole(t) {
        let pieces = vec!["<thi", "nk>先想想</think>亲爱", "的你，请打[PHO", "NE_1]找我。"];
        let stub = Stub::start(move |_, _| Act::Pieces(pieces.clone(), true)).await;
        let mut provider = provider(&stub.url);
        provider.privacy = Privacy::Redact;
        let app = server(t, provider).await;
        let user = app.user("li").await;
        let events = streamed(&app, &user, "写给李雷，我的电话是13800138000").await;
        let (preview, done) = parts(&events);
        assert_eq!(preview, "亲爱的你，请打13800138000找我。");
        assert_eq!(done["data"]["content"], preview.as_str());
        assert_eq!(done["data"]["engine"], "openai:m-1");
        assert!(events.len() > 2, "{events:?}");
        assert!(!stub.seen()[0].text.contains("13800138000"));
        assert_eq!(records(&app).await[0].tokens, 120);
        // The same again comes from what was kept.
        assert_eq!(parts(&streamed(&app, &user, "写给李雷，我的电话是13800138000").await).0, preview);
        assert_eq!(stub.count(), 1);
    }

    /// What broke off is never taken for complete.
    async fn cut(t) {
        let stub = Stub::start(|_, _| Act::Pieces(vec!["亲爱的你，", "我想说"], false)).await;
        let app = server(t, provider(&stub.url)).await;
        let user = app.user("li").await;
        let (preview, done) = parts(&streamed(&app, &user, "给明年的自己，关于学游泳").await);
        assert_eq!(preview, "亲爱的你，我想说");
        assert_eq!((&done["data"]["engine"], &done["data"]["degraded"]), (&json!("embedded"), &json!(true)));
        assert!(!done["data"]["content"].as_str().unwrap().starts_with("亲爱的你，我想说"));
        assert_eq!(records(&app).await[0].reason.as_deref(), Some("the answer broke off"));
    }

    async fn failed(t) {
        let stub = Stub::start(|_, _| Act::Fail(401, None)).await;
        let app = server(t, provider(&stub.url)).await;
        let user = app.user("li").await;
        let (preview, done) = parts(&streamed(&app, &user, "给明年的自己").await);
        assert_eq!((preview.as_str(), &done["data"]["degraded"]), ("", &json!(true)));
    }

    async fn empty(t) {
        let stub = Stub::start(|_, _| Act::Pieces(vec!["<think>hm</think>", " \n"], true)).await;
        let app = server(t, provider(&stub.url)).await;
        let user = app.user("li").await;
        let (_, done) = parts(&streamed(&app, &user, "给明年的自己").await);
        assert_eq!(done["data"]["degraded"], true);
    }
}
