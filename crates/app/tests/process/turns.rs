//! `SIGKILL` at random moments while the assistant thinks, answers and hands over: every question gets exactly one answer or
//! one hand-over, and WeCom takes each once.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{Json, Router, routing::post};
use serde_json::{Value, json};
use testkit::wecom::{AES_KEY, CORP_ID, SECRET, TOKEN, Wecom};

use crate::{
    channels::call_back,
    client::{Client, User},
    eventually, pass, random,
    server::Home,
};

const KILLS: u8 = 6;
/// Customers between two kills.
const ROUND: usize = 8;
/// So long the model thinks, in milliseconds, at least and at most.
const THINKS: (u64, u64) = (50, 600);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_sqlite() {
    scenario(Home::sqlite()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_postgres() {
    if let Some(home) = Home::postgres().await {
        scenario(home).await;
    }
}

/// A model that takes its time, and how often it was asked.
async fn model() -> (String, Arc<AtomicUsize>) {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let handler = move |_: String| {
        let counted = Arc::clone(&counted);
        async move {
            counted.fetch_add(1, Ordering::Relaxed);
            pass(Duration::from_millis(THINKS.0 + random(THINKS.1 - THINKS.0))).await;
            let said = json!({"action": "ANSWER", "answer": "三到五个工作日内退回。", "citations": [1],
                "handoff_reason": "NONE", "confidence": 90});
            Json(json!({
                "id": "x", "object": "chat.completion", "model": "m",
                "choices": [{"index": 0, "finish_reason": "stop",
                    "message": {"role": "assistant", "content": said.to_string()}}],
                "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
            }))
        }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1/", listener.local_addr().unwrap());
    let router = Router::new().route("/{*any}", post(handler));
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (url, calls)
}

/// A supervisor, and what the assistant knows.
async fn taught(home: &Home, client: &Client) -> User {
    let boss = client.register("boss").await;
    home.done(&["user", "role", &boss.email, "supervisor"], "");
    let token = Some(boss.token.as_str());
    let base = json!({"name": "店铺问答", "shared": true});
    let made = client.call("POST", "/api/kb/bases", token, Some(base)).await.unwrap();
    let base = made.json()["data"]["kbId"].as_str().expect("a base").to_owned();
    let entry = json!({"question": "退款多久到账", "answer": "退款一般在三到五个工作日内原路退回。"});
    let made =
        client.call("POST", &format!("/api/kb/bases/{base}/entries"), token, Some(entry)).await.unwrap();
    assert_eq!(made.status, 200, "{}", made.text());
    boss
}

/// What a customer writes: a question, a wish for a person, small talk and a question at once.
fn says(wecom: &Wecom, n: usize) {
    let customer = format!("c{n}");
    let said: &[&str] = match n % 3 {
        0 => &["退款多久到账"],
        1 => &["转人工"],
        _ => &["你好", "退款多久到账"],
    };
    for (m, text) in said.iter().enumerate() {
        wecom.says(&format!("{customer}-{m}"), "kf", &customer, text);
    }
}

/// The sessions by their customers.
async fn sessions(client: &Client, boss: &User) -> Option<BTreeMap<String, Value>> {
    let answer = client.call("GET", "/api/sessions?limit=500", Some(&boss.token), None).await.ok()?;
    let list = answer.json()["data"].as_array()?.clone();
    Some(list.into_iter().map(|s| (s["customerId"].as_str().unwrap().to_owned(), s)).collect())
}

async fn list(client: &Client, boss: &User, id: &str, what: &str) -> Vec<Value> {
    let path = format!("/api/sessions/{id}/{what}");
    let answer = client.call("GET", &path, Some(&boss.token), None).await.unwrap();
    answer.json()["data"].as_array().cloned().unwrap_or_default()
}

async fn scenario(home: Home) {
    let wecom = Wecom::start(kernel::Clock::system()).await;
    let (model, calls) = model().await;
    let home = home
        .set("DESK__ASSISTANT_SETTLE", "200ms")
        .set("DESK__WECOM__CORP_ID", CORP_ID)
        .set("DESK__WECOM__TOKEN", TOKEN)
        .set("DESK__WECOM__ENCODING_AES_KEY", AES_KEY)
        .set("DESK__WECOM__SECRET", SECRET)
        .set("DESK__WECOM__API_BASE", &wecom.url)
        .set("ASSISTANT__PROVIDER", "openai")
        .set("ASSISTANT__BASE_URL", &model)
        .set("ASSISTANT__MODEL", "m-1");
    let mut server = home.serve().await;
    let client = Client::new(server.address);
    let boss = taught(&home, &client).await;
    let mut next = 0;
    for kill in 0..KILLS {
        let writing = async {
            for n in 0..ROUND {
                says(&wecom, next);
                next += 1;
                call_back(&client, &wecom, kill * 20 + u8::try_from(n).unwrap()).await;
                pass(Duration::from_millis(random(150))).await;
            }
        };
        let killing = async {
            pass(Duration::from_millis(400 + random(1200))).await;
            server.kill();
            home.serve().await
        };
        let ((), started) = tokio::join!(writing, killing);
        client.moved(started.address);
        server = started;
    }
    call_back(&client, &wecom, 250).await;
    eventually(Duration::from_secs(120), "everybody is answered", async || {
        let all = sessions(&client, &boss).await?;
        if all.len() < next {
            return None;
        }
        for session in all.values() {
            let history = list(&client, &boss, session["sessionId"].as_str()?, "history").await;
            let last = history.iter().rfind(|m| m["status"] != "internal")?;
            if last["senderType"] == "customer" || history.iter().any(|m| m["status"] == "queued") {
                return None;
            }
        }
        Some(())
    })
    .await;
    let all = sessions(&client, &boss).await.unwrap();
    verify(&client, &boss, &wecom, &all, calls.load(Ordering::Relaxed)).await;
    drop(server);
}

/// Each customer's words and ours in turn; each of ours at WeCom, once.
async fn verify(client: &Client, boss: &User, wecom: &Wecom, all: &BTreeMap<String, Value>, calls: usize) {
    let sent = wecom.sent();
    let (mut by_model, mut handed_over, mut dropped) = (0, 0, 0);
    for (customer, session) in all {
        let id = session["sessionId"].as_str().unwrap();
        let history = list(client, boss, id, "history").await;
        let heard: Vec<&Value> = history.iter().filter(|m| m["status"] != "internal").collect();
        let mut open = false;
        let mut ours = Vec::new();
        for message in &heard {
            let asks = message["senderType"] == "customer";
            assert!(asks || open, "{customer} is answered twice: {heard:#?}");
            if !asks {
                assert_eq!(message["status"], "sent", "{customer}: {message}");
                ours.push(message["msgId"].as_str().unwrap());
            }
            open = asks;
        }
        assert!(!open, "{customer} is answered");
        let took = sent.iter().filter(|m| m["touser"] == customer.as_str());
        let took: Vec<&str> = took.map(|m| m["msgid"].as_str().unwrap()).collect();
        assert_eq!(took, ours, "{customer}: what we say we sent, once, in order");
        let turns = list(client, boss, id, "turns").await;
        let ended = |outcome: &str| turns.iter().filter(|t| t["outcome"] == outcome).count();
        assert_eq!(turns.len() - ended("dropped"), ours.len(), "{customer}: {turns:#?}");
        by_model += turns.iter().filter(|t| t["engine"] == "openai:m-1").count();
        (handed_over, dropped) = (handed_over + ended("handed_over"), dropped + ended("dropped"));
        let pending = session["status"] == "pending";
        assert_eq!(pending, ended("handed_over") == 1, "{customer}: {session}");
    }
    eprintln!(
        "{} customers, {KILLS} kills: {} messages of ours in {} calls; {calls} calls of the model for {by_model} turns; \
         {handed_over} handed over, {dropped} dropped",
        all.len(),
        sent.len(),
        wecom.calls("kf/send_msg"),
    );
}
