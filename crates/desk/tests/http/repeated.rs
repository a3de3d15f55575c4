//! Keys that senders give what they say: one for each thing, whoever says it and whatever it is.

use axum::{
    body::Body,
    http::{Method, Request, header},
};
use serde_json::{Value, json};
use testkit::app::{Answer, TestApp, User};

use crate::desk::{agent, data, post, session, supervisor};

async fn say(app: &TestApp, path: &str, who: &User, key: &str, body: Value) -> Answer {
    let request = Request::builder()
        .method(Method::POST)
        .uri(format!("/api{path}"))
        .header(header::AUTHORIZATION, format!("Bearer {}", who.token))
        .header("Idempotency-Key", key);
    app.send(request.body(Body::from(body.to_string())).unwrap()).await
}

async fn file(app: &TestApp, who: &User, bytes: &[u8]) -> Value {
    let answer = crate::unsent::upload(app, who, bytes).await;
    data(&answer)["fileId"].clone()
}

testkit::both! {
    &testkit::app::migrations();

    /// The same again is the same message; a key that was used for anything else is refused, and shows nothing of it.
    async fn a_key_is_for_one_thing(t) {
        let app = TestApp::new(t).await;
        let (boss, anna) = (supervisor(&app, "boss").await, agent(&app, "anna").await);
        let id = session(&app, "c1").await;
        data(&post(&app, &format!("/sessions/{id}/assign"), &boss, json!({"csId": anna.id})).await);
        let path = |what: &str| format!("/sessions/{id}/{what}");
        let words = json!({"content": "两个人之间的话"});
        for kind in ["whisper", "notes", "message"] {
            let first = say(&app, &path(kind), &boss, kind, words.clone()).await;
            let again = say(&app, &path(kind), &boss, kind, words.clone()).await;
            assert_eq!(data(&first)["msgId"], data(&again)["msgId"], "{kind}");
            say(&app, &path(kind), &boss, kind, json!({"content": "另一句"})).await.refused(409, &[]);
            for other in ["notes", "message"] {
                // Another sender, or another kind.
                let refused = say(&app, &path(other), &anna, kind, words.clone()).await;
                refused.refused(409, &[]);
                assert!(!refused.body.to_string().contains("两个人"));
            }
        }
        say(&app, &path("whisper"), &boss, "notes", words.clone()).await.refused(409, &[]);
        let mentions = json!({"content": "两个人之间的话", "mentions": [anna.id]});
        say(&app, &path("notes"), &boss, "notes", mentions.clone()).await.refused(409, &[]);
        let first = say(&app, &path("notes"), &boss, "with", mentions.clone()).await;
        let again = say(&app, &path("notes"), &boss, "with", mentions).await;
        assert_eq!(data(&first)["msgId"], data(&again)["msgId"]);
    }

    /// Another file is another message.
    async fn another_file_is_another_message(t) {
        let app = TestApp::new(t).await;
        let anna = agent(&app, "anna").await;
        let id = session(&app, "c1").await;
        data(&post(&app, &format!("/sessions/{id}/takeover"), &anna, json!({})).await);
        let path = format!("/sessions/{id}/message");
        let (one, two) = (file(&app, &anna, b"one").await, file(&app, &anna, b"two").await);
        let body = |file: &Value| json!({"msgType": "file", "fileId": file});
        let first = say(&app, &path, &anna, "k", body(&one)).await;
        let again = say(&app, &path, &anna, "k", body(&one)).await;
        assert_eq!(data(&first)["msgId"], data(&again)["msgId"]);
        say(&app, &path, &anna, "k", body(&two)).await.refused(409, &[]);
    }
}
