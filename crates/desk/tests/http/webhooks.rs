//! Webhooks: what a real receiver on this machine gets, and what is refused.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, Method, StatusCode},
    routing::any,
};
use kernel::{time::days, webhook::Message};
use serde_json::{Value, json};
use testkit::app::{TestApp, User, shape};
use transports::web::Reach;

use crate::desk::{agent, call, data, get, post, receive, source, supervisor, words};

/// One request that a receiver got.
#[derive(Debug, Clone)]
pub struct Call {
    headers: HeaderMap,
    bytes: Vec<u8>,
    body: Value,
}

impl Call {
    fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }

    /// Whether it is signed with a secret as it was shown.
    fn is_signed(&self, secret: &str) -> bool {
        let key = secret.strip_prefix("whsec_").unwrap();
        let key = data_encoding::BASE64.decode(key.as_bytes()).unwrap();
        let (id, timestamp) = (self.header("webhook-id"), self.header("webhook-timestamp"));
        Message { id, timestamp, body: &self.bytes }.is_signed(&key, self.header("webhook-signature"))
    }

    fn kind(&self) -> &str {
        self.body["type"].as_str().unwrap()
    }
}

/// A status, and a header as `name: value`.
type Answer = (u16, Option<&'static str>);

/// A server that takes webhooks.
#[derive(Clone, Default)]
pub struct Receiver {
    calls: Arc<Mutex<Vec<Call>>>,
    /// Answered before 204.
    answers: Arc<Mutex<VecDeque<Answer>>>,
}

impl Receiver {
    async fn start() -> (Self, String) {
        let receiver = Self::default();
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let router = Router::new().fallback(any(take)).with_state(receiver.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        (receiver, url)
    }

    fn answer(&self, status: u16, header: Option<&'static str>) {
        self.answers.lock().unwrap().push_back((status, header));
    }

    fn calls(&self) -> Vec<Call> {
        let mut calls = self.calls.lock().unwrap().clone();
        calls.sort_by_key(|call| call.body["seq"].as_i64());
        calls
    }

    fn kinds(&self) -> Vec<String> {
        self.calls().iter().map(|call| call.kind().to_owned()).collect()
    }
}

async fn take(State(receiver): State<Receiver>, headers: HeaderMap, bytes: Bytes) -> (StatusCode, HeaderMap) {
    let body = serde_json::from_slice(&bytes).unwrap();
    receiver.calls.lock().unwrap().push(Call { headers, bytes: bytes.to_vec(), body });
    let (status, value) = receiver.answers.lock().unwrap().pop_front().unwrap_or((204, None));
    let mut headers = HeaderMap::new();
    if let Some((name, value)) = value.and_then(|value| value.split_once(": ")) {
        headers.insert(axum::http::HeaderName::from_static(name), value.parse().unwrap());
    }
    (StatusCode::from_u16(status).unwrap(), headers)
}

const ALL: [&str; 6] = [
    "message.created",
    "session.created",
    "session.pending",
    "session.accepted",
    "session.transferred",
    "session.closed",
];

/// A server whose webhooks may reach this machine.
async fn open(t: testkit::TestDb) -> TestApp {
    TestApp::with(t, |settings| settings.desk.webhooks = Reach::Anywhere).await
}

/// Makes a webhook; its id and secret.
async fn hook(app: &TestApp, boss: &User, url: &str, events: &[&str]) -> (String, String) {
    let answer =
        post(app, "/desk/webhooks", boss, json!({"name": "CRM", "url": url, "events": events})).await;
    let text = |name: &str| data(&answer)[name].as_str().unwrap().to_owned();
    (text("webhookId"), text("secret"))
}

async fn deliveries(app: &TestApp, boss: &User, hook: &str) -> Vec<Value> {
    let answer = get(app, &format!("/desk/webhooks/{hook}/deliveries"), boss).await;
    data(&answer).as_array().unwrap().clone()
}

async fn state(app: &TestApp, boss: &User, hook: &str) -> Value {
    let list = get(app, "/desk/webhooks", boss).await;
    data(&list).as_array().unwrap().iter().find(|h| h["webhookId"] == hook).unwrap().clone()
}

testkit::both! {
    &testkit::app::migrations();

    /// A session's whole life is told, signed, numbered without gaps; nothing internal leaves.
    async fn a_sessions_life_is_told(t) {
        let app = open(t).await;
        let (receiver, url) = Receiver::start().await;
        let (boss, anna, ben) = (supervisor(&app, "boss").await, agent(&app, "anna").await, agent(&app, "ben").await);
        let (_, secret) = hook(&app, &boss, &url, &ALL).await;
        receive(&app, &[words(&app, "m1", "wm_1", "你好")]).await;
        let list = get(&app, "/sessions", &boss).await;
        let id = data(&list)[0]["sessionId"].as_str().unwrap().to_owned();
        let path = |verb: &str| format!("/sessions/{id}/{verb}");
        data(&post(&app, &path("assign"), &boss, json!({"csId": anna.id})).await);
        data(&post(&app, &path("whisper"), &boss, json!({"content": "be kind"})).await);
        data(&post(&app, &path("message"), &anna, json!({"content": "您好"})).await);
        data(&post(&app, &path("assign"), &boss, json!({"csId": ben.id, "reason": "knows cars"})).await);
        data(&post(&app, &path("close"), &ben, json!({})).await);
        app.run_due().await;
        assert_eq!(receiver.kinds(), [
            "session.created", "message.created", "session.accepted", "message.created", "session.transferred",
            "session.closed",
        ]);
        let calls = receiver.calls();
        for (n, call) in (1..).zip(&calls) {
            assert!(call.is_signed(&secret) && !call.is_signed("whsec_AAAA"), "{call:?}");
            assert_eq!(call.body["seq"], n);
            assert_eq!(call.body["id"], call.header("webhook-id"));
            assert_eq!(call.header("webhook-timestamp"), app.now().seconds().to_string());
            assert_eq!(call.body["data"]["session"]["sessionId"], id);
            assert!(!String::from_utf8_lossy(&call.bytes).contains("be kind"));
        }
        assert_eq!(calls[1].body["data"]["message"]["content"], "你好");
        assert_eq!(calls[1].body["data"]["session"]["customerId"], "wm_1");
        assert_eq!(calls[4].body["data"]["session"]["manualCsId"], ben.id);
        assert_eq!(calls[5].body["data"]["session"]["closedBy"], ben.id);
        let ids: std::collections::BTreeSet<&str> = calls.iter().map(|call| call.header("webhook-id")).collect();
        assert_eq!(ids.len(), 6);
    }

    /// Each webhook is told what it asked for, under numbers of its own; what is not committed is told to nobody.
    async fn numbers_have_no_gaps(t) {
        let app = open(t).await;
        let boss = supervisor(&app, "boss").await;
        let (some, url) = Receiver::start().await;
        hook(&app, &boss, &url, &["session.created", "session.created"]).await;
        let (all, url) = Receiver::start().await;
        hook(&app, &boss, &url, &ALL).await;
        let mut tx = app.system.db.begin().await.unwrap();
        let lost = words(&app, "lost", "wm_0", "x");
        app.system.desk.receive(&mut tx, &source(), &[lost], app.now()).await.unwrap();
        drop(tx);
        let messages: Vec<_> = (0..12).map(|n| words(&app, &format!("m{n}"), &format!("wm_{}", n % 3), "hi")).collect();
        let batches: Vec<_> = messages.chunks(1).collect();
        futures_util::future::join_all(batches.into_iter().map(|batch| receive(&app, batch))).await;
        app.run_due().await;
        let seqs = |receiver: &Receiver| -> Vec<i64> {
            receiver.calls().iter().map(|call| call.body["seq"].as_i64().unwrap()).collect()
        };
        assert_eq!(seqs(&some), [1, 2, 3]);
        assert_eq!(seqs(&all), (1..=15).collect::<Vec<_>>());
    }

    /// A failure is repeated under the same id, with a signature of its own time; `Retry-After` counts.
    async fn failures_are_repeated(t) {
        let app = open(t).await;
        let (receiver, url) = Receiver::start().await;
        let boss = supervisor(&app, "boss").await;
        let (id, secret) = hook(&app, &boss, &url, &["session.created"]).await;
        receiver.answer(503, Some("retry-after: 600"));
        receiver.answer(302, Some("location: http://127.0.0.1:1/"));
        receive(&app, &[words(&app, "m1", "wm_1", "你好")]).await;
        app.run_due().await;
        app.advance_to(app.now() + Duration::from_secs(599)).await;
        assert_eq!(receiver.calls().len(), 1);
        let waiting = deliveries(&app, &boss, &id).await;
        assert_eq!((waiting[0]["state"].as_str(), &waiting[0]["attempts"][0]["answer"]), (Some("scheduled"), &json!("HTTP 503")));
        app.advance_to(app.now() + Duration::from_secs(1)).await;
        app.advance_to(app.now() + Duration::from_secs(3600)).await;
        let calls = receiver.calls();
        assert_eq!(calls.len(), 3);
        assert!(calls.iter().all(|call| call.is_signed(&secret) && call.header("webhook-id") == calls[0].header("webhook-id")));
        assert_ne!(calls[0].header("webhook-timestamp"), calls[2].header("webhook-timestamp"));
        let done = deliveries(&app, &boss, &id).await;
        shape(&done[0], &json!({
            "seq": 1, "eventId": "id:evt", "type": "=session.created", "sessionId": "id:sess", "state": "=done",
            "createdAt": "time", "nextAttemptAt": null,
            "attempts": [{"startedAt": "time", "finishedAt": "time", "outcome": "string", "answer": "string"}],
        }));
        let outcomes: Vec<_> = done[0]["attempts"].as_array().unwrap().iter().map(|a| a["outcome"].clone()).collect();
        assert_eq!(outcomes, ["retry", "retry", "done"]);
        assert!(done[0]["attempts"][1]["answer"].as_str().unwrap().contains("redirect"));
    }

    /// Who takes nothing for days is told nothing more; who enables it again gets what failed, if asked.
    async fn a_dead_receiver_is_left_alone(t) {
        let app = open(t).await;
        let (receiver, url) = Receiver::start().await;
        let boss = supervisor(&app, "boss").await;
        let (id, _) = hook(&app, &boss, &url, &["session.created"]).await;
        for _ in 0..200 {
            receiver.answer(500, None);
        }
        for day in 0..5 {
            receive(&app, &[words(&app, &format!("m{day}"), &format!("wm_{day}"), "hi")]).await;
            for _ in 0..24 {
                app.advance_to(app.now() + Duration::from_secs(3600)).await;
            }
        }
        let boss = app.login(&boss).await;
        let now = state(&app, &boss, &id).await;
        assert_eq!(now["enabled"], false);
        assert!(now["disabledReason"].as_str().unwrap().contains("3 days"), "{now}");
        let audit = get(&app, &format!("/desk/audit?sessionId={id}"), &boss).await;
        let actions: Vec<_> = data(&audit).as_array().unwrap().iter().map(|a| a["action"].clone()).collect();
        assert_eq!(actions, ["webhook.disabled", "webhook.created"]);
        let before = receiver.calls().len();
        receive(&app, &[words(&app, "m9", "wm_9", "hi")]).await;
        app.run_due().await;
        assert_eq!(receiver.calls().len(), before, "nothing is told to a disabled webhook");
        post(&app, &format!("/desk/webhooks/{id}/redeliver"), &boss, json!({"seqs": [1]})).await.refused(409, &[]);
        receiver.answers.lock().unwrap().clear();
        let sent = post(&app, &format!("/desk/webhooks/{id}/test"), &boss, json!({})).await;
        app.run_due().await;
        let seq = data(&sent)["seqs"][0].as_i64().unwrap();
        assert_eq!(receiver.calls().last().unwrap().kind(), "webhook.test");
        assert_eq!(deliveries(&app, &boss, &id).await[0]["seq"], seq);
        let path = format!("/desk/webhooks/{id}");
        let enabled = call(&app, Method::PATCH, &path, Some(&boss), Some(json!({"enabled": true}))).await;
        shape(data(&enabled), &json!({
            "webhookId": "id:hook", "name": "=CRM", "url": "string", "events": ["=session.created"], "enabled": true,
            "disabledReason": null, "failingSince": null, "lastSeq": seq, "createdAt": "time", "updatedAt": "time",
        }));
        data(&post(&app, &format!("{path}/redeliver"), &boss, json!({"seqs": [1, 2]})).await);
        post(&app, &format!("{path}/redeliver"), &boss, json!({"seqs": [1, 999]})).await.refused(422, &["seqs"]);
        app.run_due().await;
        let calls = receiver.calls();
        let first = calls.iter().find(|call| call.body["seq"] == 1).unwrap();
        let again = calls.iter().find(|call| call.body["seq"] == seq + 1).unwrap();
        assert_eq!(first.header("webhook-id"), again.header("webhook-id"));
        app.advance_to(app.now() + days(8)).await;
        let boss = app.login(&boss).await;
        receive(&app, &[words(&app, "m10", "wm_10", "hi")]).await;
        app.system.desk.trim_streams().await.unwrap();
        assert_eq!(deliveries(&app, &boss, &id).await.len(), 1, "what is a week old is forgotten");
    }

    /// One event that was given up long ago is no reason not to try the next.
    async fn a_quiet_webhook_is_tried_again(t) {
        let app = open(t).await;
        let (receiver, url) = Receiver::start().await;
        let boss = supervisor(&app, "boss").await;
        let (id, _) = hook(&app, &boss, &url, &["session.created"]).await;
        for _ in 0..50 {
            receiver.answer(500, None);
        }
        receive(&app, &[words(&app, "m1", "wm_1", "hi")]).await;
        for _ in 0..30 {
            app.advance_to(app.now() + Duration::from_secs(3600)).await;
        }
        let boss = app.login(&boss).await;
        assert_eq!(deliveries(&app, &boss, &id).await[0]["state"], "dead");
        assert!(state(&app, &boss, &id).await["failingSince"].is_string());
        // A test says nothing of what happens.
        data(&post(&app, &format!("/desk/webhooks/{id}/test"), &boss, json!({})).await);
        for _ in 0..96 {
            app.advance_to(app.now() + Duration::from_secs(3600)).await;
        }
        receiver.answers.lock().unwrap().clear();
        receiver.answer(503, None);
        let before = receiver.calls().len();
        receive(&app, &[words(&app, "m2", "wm_2", "hi")]).await;
        app.run_due().await;
        app.advance_to(app.now() + Duration::from_secs(3600)).await;
        assert_eq!(receiver.calls().len(), before + 2, "refused once, then taken");
        let boss = app.login(&boss).await;
        let now = state(&app, &boss, &id).await;
        assert_eq!((&now["enabled"], &now["failingSince"]), (&json!(true), &json!(null)));
    }

    /// Events go when their time is over, whether anything happens or not, and with the last webhook that was told.
    async fn events_do_not_pile_up(t) {
        let app = open(t).await;
        let (_receiver, url) = Receiver::start().await;
        let boss = supervisor(&app, "boss").await;
        let (one, _) = hook(&app, &boss, &url, &["session.created", "message.created"]).await;
        let (two, _) = hook(&app, &boss, &url, &["session.created"]).await;
        receive(&app, &[words(&app, "m1", "wm_1", "hi")]).await;
        app.run_due().await;
        let kept = async || -> (i64, i64) {
            let mut conn = app.system.db.read().await.unwrap();
            let sql = db::sql!(
                "SELECT (SELECT COUNT(*) FROM desk_webhook_events), (SELECT COUNT(*) FROM desk_webhook_deliveries)"
            );
            conn.one(sql, db::args![]).await.unwrap()
        };
        assert_eq!(kept().await, (2, 3));
        data(&call(&app, Method::DELETE, &format!("/desk/webhooks/{one}"), Some(&boss), None).await);
        assert_eq!(kept().await, (1, 1), "the other one may be told again");
        assert_eq!(deliveries(&app, &boss, &two).await[0]["type"], "session.created");
        app.clock.advance(days(8));
        app.system.desk.trim_streams().await.unwrap();
        assert_eq!(kept().await, (0, 0));
    }

    /// 410 ends it at once. A new secret signs from the next attempt on. Removed is removed.
    async fn gone_rotated_removed(t) {
        let app = open(t).await;
        let (receiver, url) = Receiver::start().await;
        let boss = supervisor(&app, "boss").await;
        let (id, old) = hook(&app, &boss, &url, &["session.created"]).await;
        let path = format!("/desk/webhooks/{id}");
        let rotated = post(&app, &format!("{path}/secret"), &boss, json!({})).await;
        let new = data(&rotated)["secret"].as_str().unwrap().to_owned();
        receiver.answer(410, None);
        receive(&app, &[words(&app, "m1", "wm_1", "hi")]).await;
        app.run_due().await;
        let calls = receiver.calls();
        assert!(calls[0].is_signed(&new) && !calls[0].is_signed(&old));
        assert_eq!(state(&app, &boss, &id).await["enabled"], false);
        data(&call(&app, Method::DELETE, &path, Some(&boss), None).await);
        for (method, path) in [
            (Method::DELETE, path.clone()), (Method::POST, format!("{path}/test")),
            (Method::POST, format!("{path}/secret")), (Method::GET, format!("{path}/deliveries")),
        ] {
            call(&app, method, &path, Some(&boss), None).await.refused(404, &[]);
        }
    }

    /// No webhook leads into our own network, and only supervisors have any.
    async fn refusals(t) {
        let app = TestApp::new(t).await;
        let (boss, anna) = (supervisor(&app, "boss").await, agent(&app, "anna").await);
        let with = |url: &str| json!({"name": "x", "url": url, "events": ["session.closed"]});
        for url in [
            "http://example.com/", "https://127.0.0.1/", "https://localhost/", "https://169.254.169.254/latest",
            "https://[::1]/", "https://10.0.0.1/", "https://example.com:8443/", "https://u:p@example.com/",
            "ftp://example.com/", "https://2130706433/", "nonsense",
        ] {
            post(&app, "/desk/webhooks", &boss, with(url)).await.refused(422, &["url"]);
        }
        post(&app, "/desk/webhooks", &boss, json!({})).await.refused(400, &["events", "name", "url"]);
        let odd = json!({"name": "x", "url": "https://example.com/", "events": ["session.eaten"]});
        post(&app, "/desk/webhooks", &boss, odd).await.refused(400, &["events"]);
        let none = json!({"name": "x", "url": "https://example.com/", "events": []});
        post(&app, "/desk/webhooks", &boss, none).await.refused(422, &["events"]);
        post(&app, "/desk/webhooks", &anna, with("https://example.com/")).await.refused(403, &[]);
        for path in ["/desk/webhooks", "/desk/audit", "/desk/reports", "/desk/webhooks/hook_x/deliveries"] {
            get(&app, path, &anna).await.refused(403, &[]);
        }
        for _ in 0..20 {
            data(&post(&app, "/desk/webhooks", &boss, with("https://example.com/")).await);
        }
        post(&app, "/desk/webhooks", &boss, with("https://example.com/")).await.refused(422, &["name"]);
        assert!(!get(&app, "/desk/webhooks", &boss).await.body.to_string().contains("whsec_"));
    }
}
