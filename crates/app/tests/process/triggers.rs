//! A letter whose trigger fires is there within a second of the report, once, by the running engine.

use std::time::Duration;

use kernel::Timestamp;
use serde_json::{Value, json};

use crate::{
    client::{Client, User, time},
    eventually, now,
    server::Home,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fire_within_a_second_on_sqlite() {
    let home = Home::sqlite();
    let server = home.serve().await;
    scenario(&home, &Client::new(server.address)).await;
}

/// One process takes the reports, another delivers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fire_within_a_second_in_another_process_on_postgres() {
    let Some(home) = Home::postgres().await else { return };
    let (api, worker) =
        (home.clone().set("SERVER__ROLES", "api"), home.clone().set("SERVER__ROLES", "worker"));
    let (answering, _delivering) = tokio::join!(api.serve(), worker.serve());
    scenario(&home, &Client::new(answering.address)).await;
}

async fn waiting(client: &Client, author: &User, kind: &str, condition: Value) -> String {
    let draft = crate::client::draft(kind, Some("reader@example.com"));
    let id = client.api("POST", "/mails", author, Some(draft)).await["mailId"].as_str().unwrap().to_owned();
    let body = json!({"mailId": id, "sendTime": now() + Duration::from_secs(86_400), "triggerType": kind,
        "triggerCondition": condition});
    client.api("POST", "/mails/send-to-future", author, Some(body)).await;
    id
}

async fn scenario(home: &Home, client: &Client) {
    let (author, reader) = (client.register("author").await, client.register("reader").await);
    home.done(&["user", "plan", "author@example.com", "premium"], "");
    let place = json!({"latitude": 48.8584, "longitude": 2.2945});
    for round in 0..3 {
        let (kind, condition) = match round {
            0 => ("EVENT", json!({"event": {"keywords": ["毕业"]}})),
            _ => ("LOCATION", json!({"location": place})),
        };
        let mail = waiting(client, &author, kind, condition).await;
        let (path, who, report) = match round {
            0 => ("/triggers/events", &author, json!({"text": "我毕业了"})),
            _ => ("/triggers/location", &reader, place.clone()),
        };
        let began = now();
        let reports: Vec<_> = (0..8)
            .map(|_| {
                let (client, who, report) = (client.clone(), who.clone(), report.clone());
                tokio::spawn(async move { client.api("POST", path, &who, Some(report)).await })
            })
            .collect();
        let mut fired = 0;
        for report in reports {
            let data = report.await.unwrap();
            fired += data["fired"].as_array().unwrap().len() as u64 + data["received"].as_u64().unwrap();
        }
        assert_eq!(fired, 1, "in round {round}");
        let arrived = eventually(Duration::from_secs(10), "the letter arrives", async || {
            let detail = client.api("GET", &format!("/mails/{mail}"), &author, None).await;
            detail["deliveryTime"].is_string().then_some(detail)
        })
        .await;
        let (triggered, delivered): (Timestamp, Timestamp) =
            (time(&arrived["triggeredAt"]), time(&arrived["deliveryTime"]));
        assert!(triggered >= began && delivered >= triggered);
        let took = delivered.since(began);
        assert!(took < Duration::from_secs(1), "{took:?} after the first report");
        assert_eq!(client.settled(&author, &mail, "email", "done").await["attemptsMade"], 1);
        assert_eq!(client.settled(&author, &mail, "inbox", "done").await["attemptsMade"], 1);
    }
    assert_eq!(home.outbox().len(), 3, "each was mailed once");
}
