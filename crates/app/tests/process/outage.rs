//! PostgreSQL goes away without a word, twice, while letters are written and fall due.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use serde_json::json;

use crate::{
    client::{Answer, Client, User, draft, time},
    cluster::Cluster,
    eventually, now, pass, random,
    server::Home,
    sink::{Sink, Verdict},
    soon,
};

/// No answer takes longer, whatever happens.
const LONGEST: Duration = Duration::from_secs(15);

/// What was answered with 200.
#[derive(Default)]
struct Acknowledged {
    drafts: Mutex<BTreeSet<String>>,
    scheduled: Mutex<BTreeSet<String>>,
    refused: Mutex<usize>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost() {
    let Some(cluster) = Cluster::start() else { return };
    let home = Home::sqlite().set("DATABASE__URL", &cluster.url());
    let server = home.serve().await;
    let client = Client::new(server.address);
    let author = client.register("author").await;
    // Mails of letters alone are counted below.
    let silent = serde_json::json!({"receivedNotification": false});
    client.api("PUT", "/notification/settings", &author, Some(silent)).await;
    home.done(&["user", "plan", &author.email, "premium"], "");

    let stop = AtomicBool::new(false);
    let known = Acknowledged::default();
    let writer = || async {
        while !stop.load(Ordering::Relaxed) {
            write(&client, &author, &known).await;
        }
    };
    let outages = async {
        pass(Duration::from_millis(1500)).await;
        tokio::task::block_in_place(|| cluster.restart());
        ready(&client, 200).await;
        pass(Duration::from_millis(500)).await;
        tokio::task::block_in_place(|| cluster.down());
        ready(&client, 503).await;
        pass(Duration::from_millis(1000)).await;
        assert_eq!(client.get("/health/live").await.status, 200);
        tokio::task::block_in_place(|| cluster.up());
        ready(&client, 200).await;
        // Written after the outage as before it.
        pass(Duration::from_millis(500)).await;
        stop.store(true, Ordering::Relaxed);
    };
    tokio::join!(writer(), writer(), writer(), writer(), outages);

    let drafts = known.drafts.into_inner().unwrap();
    let scheduled = known.scheduled.into_inner().unwrap();
    let refused = known.refused.into_inner().unwrap();
    eprintln!("{} drafts and {} letters acknowledged, {refused} refused", drafts.len(), scheduled.len());
    assert!(refused > 0, "the outage was seen");
    assert!(scheduled.len() > 20, "there was load");
    check(&client, &author, &home, &drafts, &scheduled).await;
}

/// A database that hangs shows in time. `SIGTERM` while it is away and a mail is in hand: in order, and in time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_is_seen_to_be_without_its_database_and_ends_in_order() {
    let Some(cluster) = Cluster::start() else { return };
    let sink = Sink::start(|_, _| Verdict::AcceptAfter(Duration::from_millis(300)));
    let home = Home::sqlite()
        .set("DATABASE__URL", &cluster.url())
        .set("MAIL__TRANSPORT", "smtp")
        .set("MAIL__SMTP_URL", &sink.url())
        .set("ACCOUNTS__VERIFY_EMAIL", "never");
    let server = home.serve().await;
    let client = Client::new(server.address);
    let author = client.register("author").await;
    cluster.freeze();
    let asked = now();
    assert_eq!(client.get("/health/ready").await.status, 503);
    assert!(now().since(asked) < Duration::from_secs(7));
    cluster.thaw();
    ready(&client, 200).await;
    client.send(&author, "In hand", Some("friend@example.com"), soon()).await;
    eventually(Duration::from_secs(10), "the mail is in hand", async || {
        (!sink.received().is_empty()).then_some(())
    })
    .await;
    tokio::task::block_in_place(|| cluster.down());
    let asked = now();
    let (status, log) = server.terminate().await;
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(now().since(asked) < Duration::from_secs(10));
    assert!(log.contains("could not give back what was still in hand"), "{log}");
}

/// A draft, and off it goes.
async fn write(client: &Client, author: &User, known: &Acknowledged) {
    let to_friend = random(2) == 0;
    let body = draft("A letter", to_friend.then_some("friend@example.com"));
    let Some(answer) = answered(client, author, "/mails", body, known).await else { return };
    let mail = answer.data()["mailId"].as_str().unwrap().to_owned();
    known.drafts.lock().unwrap().insert(mail.clone());
    let at = now() + Duration::from_millis(1200 + random(3000));
    let body = json!({"mailId": mail, "sendTime": at});
    if answered(client, author, "/mails/send-to-future", body, known).await.is_some() {
        known.scheduled.lock().unwrap().insert(mail);
    }
}

/// The answer, if it is a 200; otherwise it must be a proper 503.
async fn answered(
    client: &Client,
    author: &User,
    path: &str,
    body: serde_json::Value,
    known: &Acknowledged,
) -> Option<Answer> {
    let asked = now();
    let path = format!("/api/v1{path}");
    let answer = client.call("POST", &path, Some(&author.token), Some(body)).await.expect("an answer");
    let took = now().since(asked);
    assert!(took < LONGEST, "{path} took {took:?}");
    if answer.status == 200 {
        return Some(answer);
    }
    assert_eq!((answer.status, &answer.json()["code"]), (503, &json!(503)), "{path}: {}", answer.text());
    assert!(answer.headers["retry-after"].parse::<u32>().unwrap() > 0);
    assert!(answer.json()["message"].is_string());
    *known.refused.lock().unwrap() += 1;
    pass(Duration::from_millis(50)).await;
    None
}

async fn ready(client: &Client, status: u16) {
    eventually(Duration::from_secs(20), &format!("/health/ready answers {status}"), async || {
        let asked = now();
        let answer = client.get("/health/ready").await;
        assert!(now().since(asked) < LONGEST);
        (answer.status == status).then_some(())
    })
    .await;
}

async fn check(
    client: &Client,
    author: &User,
    home: &Home,
    drafts: &BTreeSet<String>,
    scheduled: &BTreeSet<String>,
) {
    let mails = eventually(Duration::from_secs(60), "all that is due is delivered", async || {
        let mails = client.list(author, "type=SENT").await;
        mails.iter().all(|m| m["status"] == "DELIVERED").then_some(mails)
    })
    .await;
    for mail in &mails {
        assert!(time(&mail["deliveryTime"]) >= time(&mail["sendTime"]), "early: {mail}");
    }
    let ids = |list: &[serde_json::Value]| -> BTreeMap<String, usize> {
        let mut ids = BTreeMap::new();
        for mail in list {
            *ids.entry(mail["mailId"].as_str().unwrap().to_owned()).or_default() += 1;
        }
        ids
    };
    let sent = ids(&mails);
    assert!(scheduled.iter().all(|id| sent.contains_key(id)), "a letter is lost");
    let written = ids(&client.list(author, "").await);
    assert!(drafts.iter().all(|id| written.contains_key(id)), "a draft is lost");
    let own = client.list(author, "type=INBOX").await;
    assert!(ids(&own).values().all(|n| *n == 1), "once each");
    let mut mailed = 0;
    for mail in &mails {
        let id = mail["mailId"].as_str().unwrap();
        let inbox = client.settled(author, id, "inbox", "done").await;
        assert_eq!(inbox["attemptsMade"], 1, "{inbox}");
        if mail["recipient"]["userId"] == author.id.as_str() {
            assert!(ids(&own).contains_key(id), "{mail}");
        } else {
            client.settled(author, id, "email", "done").await;
            mailed += 1;
        }
    }
    assert_eq!((own.len(), home.outbox().len()), (mails.len() - mailed, mailed), "one mail for each");
}
