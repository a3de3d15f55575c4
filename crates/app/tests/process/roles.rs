//! One process that answers and one that delivers, on one PostgreSQL: what the one commits, the other hears.

use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};

use crate::{
    client::{Client, time},
    server::Home,
    soon,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_answers_and_one_delivers() {
    let Some(home) = Home::postgres().await else { return };
    // Both at once on an empty database and an empty folder: one schema, one keyring.
    let (api, worker) = (home.clone().set("SERVER__ROLES", "api"), home.set("SERVER__ROLES", "worker"));
    let (answering, delivering) = tokio::join!(api.serve(), worker.serve());
    let (client, other) = (Client::new(answering.address), Client::new(delivering.address));
    for path in ["/health/live", "/health/ready", "/metrics"] {
        assert_eq!((client.get(path).await.status, other.get(path).await.status), (200, 200), "{path}");
    }
    for path in ["/api/v1/mails", "/docs/", "/openapi.json", "/verify-email"] {
        let answer = other.get(path).await;
        assert_eq!((answer.status, &answer.json()["code"]), (404, &Value::from(404)), "{path}");
    }

    let author = client.register("author").await;
    // Mails of letters alone are counted below.
    let silent = serde_json::json!({"receivedNotification": false});
    client.api("PUT", "/notification/settings", &author, Some(silent)).await;
    let stream = client.open("GET", "/api/v1/events", Some(&author.token), None).await.unwrap();
    let (first, second) = (soon(), soon() + Duration::from_millis(700));
    let letters = [
        client.send(&author, "First", None, first).await,
        client.send(&author, "Second", None, second).await,
    ];
    let mailed = client.send(&author, "Mailed", Some("friend@example.com"), first).await;
    let revoked = client.send(&author, "Revoked", Some("friend@example.com"), second).await;
    client.api("POST", &format!("/mails/{revoked}/revoke"), &author, None).await;

    let heard = tokio::time::timeout(Duration::from_secs(15), events(stream, letters.len())).await;
    let heard = heard.expect("events of what the other process delivered");
    assert_eq!(heard.iter().map(|e| e["mailId"].as_str().unwrap()).collect::<Vec<_>>(), letters);
    for (event, due) in heard.iter().zip([first, second]) {
        let late = time(&event["deliveryTime"]).since(due);
        assert!(time(&event["deliveryTime"]) >= due && late < Duration::from_secs(2), "{late:?} late");
    }
    client.settled(&author, &mailed, "email", "done").await;
    assert_eq!(client.settled(&author, &revoked, "email", "cancelled").await["attemptsMade"], 0);
    assert_eq!(api.outbox().len(), 1, "a revoked letter is not mailed");
    let delivered = "hongyan_dispatch_attempts_total{kind=\"letter.inbox\",outcome=\"done\"}";
    assert!(other.get("/metrics").await.text().contains(&format!("{delivered} 3")));
    assert!(!client.get("/metrics").await.text().contains(delivered), "who answers does not deliver");
    for server in [answering, delivering] {
        let (status, log) = server.terminate().await;
        assert_eq!(status.code(), Some(0), "{log}");
    }
}

/// The data of so many events.
pub async fn events(stream: tokio::net::TcpStream, count: usize) -> Vec<Value> {
    let mut lines = BufReader::new(stream).lines();
    let mut all = Vec::new();
    while all.len() < count {
        let line = lines.next_line().await.unwrap().expect("the stream goes on");
        if let Some(data) = line.strip_prefix("data: ") {
            all.push(serde_json::from_str(data).unwrap());
        }
    }
    all
}
