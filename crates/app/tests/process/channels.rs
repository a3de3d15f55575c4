//! `SIGKILL` at random moments while customers write and are answered: every message is there once, in order; every
//! answer that was acknowledged reaches WeCom once, in order.

use std::{collections::BTreeSet, time::Duration};

use serde_json::{Value, json};
use testkit::wecom::{AES_KEY, CORP_ID, SECRET, TOKEN, Wecom};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::{client::Client, eventually, pass, random, server::Home};

const KILLS: u8 = 5;
/// Messages between two kills.
const ROUND: usize = 12;

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

/// Calls back as WeCom does: three times, until it is answered with 200.
pub async fn call_back(client: &Client, wecom: &Wecom, salt: u8) {
    let (query, body) = wecom.callback("kf", salt);
    for _ in 0..3 {
        let exchange = async {
            let mut stream = TcpStream::connect(client.address()).await?;
            let length = body.len();
            let request = format!(
                "POST /wecom/callback?{query} HTTP/1.1\r\nHost: hongyan.test\r\nConnection: close\r\n\
                 Content-Type: application/xml\r\nContent-Length: {length}\r\n\r\n{body}"
            );
            stream.write_all(request.as_bytes()).await?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await?;
            std::io::Result::Ok(answer.starts_with("HTTP/1.1 200"))
        };
        if matches!(exchange.await, Ok(true)) {
            return;
        }
        pass(Duration::from_millis(50)).await;
    }
}

fn said(wecom: &Wecom, n: usize) {
    wecom.says(&format!("m{n}"), "kf", "c1", &format!("{n}"));
}

async fn session(client: &Client) -> Option<String> {
    let answer = client.call("GET", "/api/sessions?status=manual", None, None).await.ok()?;
    answer.json()["data"][0]["sessionId"].as_str().map(str::to_owned)
}

async fn history(client: &Client, id: &str) -> Vec<Value> {
    let answer = client.get(&format!("/api/sessions/{id}/history")).await;
    answer.json()["data"].as_array().cloned().unwrap_or_default()
}

async fn scenario(home: Home) {
    let wecom = Wecom::start(kernel::Clock::system()).await;
    wecom.pages(3, 1);
    let home = home
        .set("DESK__AUTH", "off")
        .set("DESK__WECOM__CORP_ID", CORP_ID)
        .set("DESK__WECOM__TOKEN", TOKEN)
        .set("DESK__WECOM__ENCODING_AES_KEY", AES_KEY)
        .set("DESK__WECOM__SECRET", SECRET)
        .set("DESK__WECOM__API_BASE", &wecom.url);
    let mut server = home.serve().await;
    let client = Client::new(server.address);
    said(&wecom, 0);
    wecom.item(json!({"msgid": "colleague", "open_kfid": "kf", "external_userid": "c1", "origin": 5,
        "send_time": 1, "servicer_userid": "zhang", "msgtype": "text", "text": {"content": "x"}}));
    call_back(&client, &wecom, 1).await;
    let id = eventually(Duration::from_secs(20), "a session", async || session(&client).await).await;
    let (mut next, mut acknowledged, mut tried) = (1, Vec::new(), 0);
    for kill in 0..KILLS {
        let writing = async {
            for n in 0..ROUND {
                said(&wecom, next);
                next += 1;
                if n % 3 == 0 {
                    call_back(&client, &wecom, 10 + kill * 10 + u8::try_from(n).unwrap()).await;
                }
                tried += 1;
                let body = json!({"content": format!("answer {tried}"), "msgType": "text"});
                let answer =
                    client.call("POST", &format!("/api/sessions/{id}/message"), None, Some(body)).await;
                if answer.is_ok_and(|answer| answer.status == 200) {
                    acknowledged.push(format!("answer {tried}"));
                }
            }
        };
        let killing = async {
            pass(Duration::from_millis(100 + random(900))).await;
            server.kill();
            home.serve().await
        };
        let ((), started) = tokio::join!(writing, killing);
        client.moved(started.address);
        server = started;
    }
    call_back(&client, &wecom, 200).await;
    let expected: Vec<String> = (0..next).map(|n| n.to_string()).collect();
    eventually(Duration::from_secs(90), "every message once, in order", async || {
        let history = history(&client, &id).await;
        let mine = history.iter().filter(|m| m["senderType"] == "customer");
        let texts: Vec<&str> = mine.map(|m| m["content"].as_str().unwrap()).collect();
        assert!(texts.len() <= expected.len(), "{texts:?}");
        (texts == expected).then_some(())
    })
    .await;
    let open = eventually(Duration::from_secs(90), "nothing is on its way any more", async || {
        let history = history(&client, &id).await;
        (!history.is_empty() && history.iter().all(|m| m["status"] != "queued")).then_some(history)
    })
    .await;
    let sent = wecom.texts();
    assert_eq!(sent.iter().collect::<BTreeSet<_>>().len(), sent.len(), "no answer twice: {sent:?}");
    let numbers: Vec<u32> = sent.iter().map(|t| t.split(' ').nth(1).unwrap().parse().unwrap()).collect();
    assert!(numbers.is_sorted(), "in order: {numbers:?}");
    for text in &acknowledged {
        let message =
            open.iter().find(|m| m["content"] == text.as_str()).expect("what was acknowledged is stored");
        let arrived = sent.contains(text);
        assert_eq!(arrived, message["status"] == "sent", "{message}");
    }
    drop(server);
}
