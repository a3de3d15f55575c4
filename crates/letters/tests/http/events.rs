//! `GET /events`: letters are announced as they arrive, and none is missed by a break.

use std::time::Duration;

use axum::{
    body::Body,
    http::{Request, Response},
};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use testkit::app::{TestApp, User};

use crate::helpers::*;

/// An open stream of events.
struct Stream {
    body: Body,
    buffer: String,
}

/// One event.
#[derive(Debug, PartialEq)]
struct Event {
    id: String,
    mail: String,
    at: String,
}

impl Stream {
    async fn open(app: &TestApp, user: &User, last: Option<&str>) -> Self {
        let mut request =
            Request::get("/api/v1/events").header("authorization", format!("Bearer {}", user.token));
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let answer: Response<Body> = app.open(request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        Self { body: answer.into_body(), buffer: String::new() }
    }

    /// The next event; comments are passed over.
    async fn next(&mut self) -> Event {
        let event = tokio::time::timeout(Duration::from_secs(20), self.read()).await;
        event.expect("an event within 20 seconds")
    }

    async fn read(&mut self) -> Event {
        loop {
            while let Some((block, rest)) = self.buffer.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.buffer = rest;
                if block.starts_with(':') {
                    continue;
                }
                let field = |name: &str| {
                    let line = block.lines().find_map(|line| line.strip_prefix(name));
                    line.unwrap_or_else(|| panic!("no {name} in {block}")).trim().to_owned()
                };
                assert_eq!(field("event:"), "letter");
                let data: Value = serde_json::from_str(&field("data:")).unwrap();
                let text = |name: &str| data[name].as_str().unwrap().to_owned();
                return Event { id: field("id:"), mail: text("mailId"), at: text("deliveryTime") };
            }
            let frame = self.body.frame().await.expect("the stream goes on").unwrap();
            self.buffer.push_str(std::str::from_utf8(&frame.into_data().unwrap()).unwrap());
        }
    }
}

testkit::both! {
    &[];

    /// What arrives in one's inbox is announced, and nothing else.
    async fn a_letter_is_announced(t) {
        let app = TestApp::new(t).await;
        let (author, reader) = (zhangsan(&app).await, app.user("reader").await);
        let to_reader = json!({"recipientType": "SPECIFIC", "recipientEmail": "READER@example.com"});
        let before = app.delivered(&author, to_reader.clone()).await;
        let mut stream = Stream::open(&app, &reader, None).await;
        app.delivered(&author, json!({})).await;
        app.delivered(&author, json!({"recipientType": "PUBLIC"})).await;
        let first = app.delivered(&author, to_reader).await;
        let at = app.now().to_string();
        let own = app.delivered(&reader, json!({})).await;
        let event = stream.next().await;
        assert_eq!((&event.mail, &event.at), (&first, &at));
        assert_ne!(event.mail, before);
        assert_eq!(stream.next().await.mail, own);
    }

    /// `Last-Event-ID` goes on after that very event, also in the middle of an instant.
    async fn a_stream_resumes_without_a_gap(t) {
        let app = TestApp::new(t).await;
        let user = zhangsan(&app).await;
        let send = app.now() + HOUR;
        let mut stream = Stream::open(&app, &user, None).await;
        let mut mails = Vec::new();
        for send in [send, send, send, send + 3 * HOUR, send + 3 * HOUR] {
            let mail = app.draft(&user, json!({})).await;
            app.schedule(&user, &mail, send).await.data();
            mails.push(mail);
        }
        mails[..3].sort();
        mails[3..].sort();
        app.advance_to(send).await;
        app.advance_to(send + 3 * HOUR).await;
        let mut events = Vec::new();
        while events.len() < mails.len() {
            events.push(stream.next().await);
        }
        assert_eq!(events.iter().map(|e| &e.mail).collect::<Vec<_>>(), mails.iter().collect::<Vec<_>>());
        for (n, last) in events.iter().enumerate() {
            let mut resumed = Stream::open(&app, &user, Some(&last.id)).await;
            for expected in &events[n + 1..] {
                assert_eq!(&resumed.next().await, expected);
            }
        }
        // What comes after a break comes once, and only once.
        let mut resumed = Stream::open(&app, &user, Some(&events[4].id)).await;
        let mut fresh = Stream::open(&app, &user, Some("nonsense")).await;
        let user = app.login(&user).await;
        app.premium(&user).await;
        let next = app.delivered(&user, json!({})).await;
        let last = app.delivered(&user, json!({})).await;
        for stream in [&mut stream, &mut resumed, &mut fresh] {
            assert_eq!((stream.next().await.mail, stream.next().await.mail), (next.clone(), last.clone()));
        }
    }

    /// An inbox that fills faster than it is read is announced whole.
    async fn more_letters_than_one_look(t) {
        let app = TestApp::new(t).await;
        let user = zhangsan(&app).await;
        app.premium(&user).await;
        let send = app.now() + HOUR;
        for _ in 0..1100 {
            let mail = app.draft(&user, json!({})).await;
            app.schedule(&user, &mail, send).await.data();
        }
        let mut stream = Stream::open(&app, &user, None).await;
        app.advance_to(send).await;
        let mut announced = std::collections::BTreeSet::new();
        for _ in 0..1100 {
            assert!(announced.insert(stream.next().await.mail), "announced twice");
        }
    }

    /// Nothing is announced to who has logged out.
    async fn a_stream_ends_with_its_login(t) {
        let app = TestApp::new(t).await;
        let (author, reader) = (zhangsan(&app).await, app.user("reader").await);
        let elsewhere = app.login(&reader).await;
        let to_reader = json!({"recipientType": "SPECIFIC", "recipientEmail": reader.email});
        let ended = Stream::open(&app, &reader, None).await;
        let mut other = Stream::open(&app, &elsewhere, None).await;
        app.post("/auth/logout", &reader, json!({})).await.data();
        let mail = app.delivered(&author, to_reader).await;
        assert_eq!(other.next().await.mail, mail);
        let rest = tokio::time::timeout(Duration::from_secs(20), ended.body.collect()).await;
        let rest = rest.expect("the stream ends").unwrap().to_bytes();
        assert!(!String::from_utf8_lossy(&rest).contains("event:"), "{rest:?}");
    }

    /// When the server ends, so does the stream.
    async fn a_stream_ends_with_the_server(t) {
        let app = TestApp::new(t).await;
        let user = zhangsan(&app).await;
        let stream = Stream::open(&app, &user, None).await;
        app.system.close();
        let whole = tokio::time::timeout(Duration::from_secs(20), stream.body.collect()).await;
        whole.expect("the stream ends").unwrap();
    }
}
