//! One process that answers and one that delivers, on one PostgreSQL, with NATS between them.

use std::{process::Stdio, time::Duration};

use kernel::Timestamp;
use testkit::nats::Nats;
use tokio::net::TcpStream;

use crate::{
    client::{Client, User, time},
    eventually, now,
    roles::events,
    server::{Home, said},
    soon,
};

/// Far less than what a stream waits before it looks by itself.
const AT_ONCE: Duration = Duration::from_secs(2);

/// Sends a letter to its author; from when it is in the inbox to when the stream says so.
async fn told_after(client: &Client, author: &User) -> Duration {
    let stream = client.open("GET", "/api/v1/events", Some(&author.token), None).await.unwrap();
    let mail = client.send(author, "Geese", None, soon()).await;
    let (event, heard) = tokio::time::timeout(Duration::from_secs(20), first(stream)).await.unwrap();
    assert_eq!(event["mailId"], mail);
    heard.since(time(&event["deliveryTime"]))
}

async fn first(stream: TcpStream) -> (serde_json::Value, Timestamp) {
    let mut all = events(stream, 1).await;
    (all.remove(0), now())
}

async fn connected(client: &Client, value: u8) {
    let line = format!("hongyan_events_connected {value}\n");
    eventually(Duration::from_secs(15), &line, async || {
        client.get("/metrics").await.text().contains(&line).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_delivers_the_other_tells_at_once() {
    let (Some(home), Some(mut nats)) = (Home::postgres().await, Nats::prepare("")) else { return };
    let home = home.set("EVENTS__URL", &nats.url());
    let (api, worker) =
        (home.clone().set("SERVER__ROLES", "api"), home.clone().set("SERVER__ROLES", "worker"));
    // Both start although there is no NATS, and it shows where it should, and only there.
    let (answering, delivering) = tokio::join!(api.serve(), worker.serve());
    let (client, other) = (Client::new(answering.address), Client::new(delivering.address));
    for node in [&client, &other] {
        assert_eq!(node.get("/health/ready").await.status, 200);
        connected(node, 0).await;
    }
    let doctor = home.run(&["doctor"], "");
    assert_eq!(doctor.status.code(), Some(1));
    let report = said(&doctor);
    assert!(report.contains("FAIL events: events.url (HONGYAN_EVENTS__URL)"), "{report}");
    let author = client.register("author").await;
    let late = told_after(&client, &author).await;
    assert!(late < Duration::from_secs(8), "found by looking, after {late:?}");

    for round in 0..2 {
        tokio::task::block_in_place(|| nats.up());
        connected(&client, 1).await;
        connected(&other, 1).await;
        let late = told_after(&client, &author).await;
        assert!(late < AT_ONCE, "told after {late:?} in round {round}");
        let report = home.done(&["doctor"], "");
        assert!(report.contains("ok   events: over NATS") && report.contains("hongyan."), "{report}");

        tokio::task::block_in_place(|| nats.down());
        connected(&client, 0).await;
        connected(&other, 0).await;
        assert_eq!(client.get("/health/ready").await.status, 200);
        let late = told_after(&client, &author).await;
        assert!(late < Duration::from_secs(8), "found by looking, after {late:?} in round {round}");
    }
    for server in [answering, delivering] {
        let (status, log) = server.terminate().await;
        assert_eq!(status.code(), Some(0), "{log}");
        let lost = log.lines().filter(|line| line.contains("NATS is not available")).count();
        assert!((2..20).contains(&lost), "said, and not again and again:\n{log}");
        assert!(log.contains("events travel over NATS"), "{log}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_credentials_are_said_and_never_shown() {
    let settings = "authorization { user: hongyan, password: right }";
    let (Some(home), Some(nats)) = (Home::postgres().await, Nats::start(settings)) else { return };
    let wrong = home.clone().set("EVENTS__URL", &nats.url_as("hongyan:geheim@")).set("LOG__LEVEL", "trace");
    let server = wrong.serve().await;
    let client = Client::new(server.address);
    eventually(Duration::from_secs(15), "the log says why", async || {
        server.log().contains("authorization violation").then_some(())
    })
    .await;
    connected(&client, 0).await;
    let author = client.register("author").await;
    assert!(told_after(&client, &author).await < AT_ONCE, "a process hears itself");
    let report = said(&wrong.run(&["doctor"], ""));
    assert!(report.contains("FAIL events") && report.contains("authorization violation"), "{report}");
    let (status, log) = server.terminate().await;
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(!log.contains("geheim") && !report.contains("geheim"), "{log}{report}");

    let right = home.set("EVENTS__URL", &nats.url_as("hongyan:right@"));
    let server = right.serve().await;
    connected(&Client::new(server.address), 1).await;
    assert!(right.done(&["doctor"], "").contains("ok   events: over NATS"));
}

/// `tls://` trusts what the machine trusts, and nothing else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls() {
    let Some(home) = Home::postgres().await else { return };
    let dir = testkit::tempfile::tempdir().unwrap();
    let (certificate, key) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let settings =
        format!("tls {{ cert_file: \"{}\", key_file: \"{}\" }}", certificate.display(), key.display());
    let Some(nats) = Nats::start(&settings) else { return };
    let home = home.set("EVENTS__URL", &format!("tls://{}", nats.host()));
    home.done(&["migrate"], "");
    for trusted in [true, false] {
        let mut doctor = home.command(&["doctor"]);
        if trusted {
            doctor.env("SSL_CERT_FILE", &certificate);
        }
        let report = said(&doctor.stdout(Stdio::piped()).stderr(Stdio::piped()).output().unwrap());
        assert_eq!(report.contains("ok   events: over NATS"), trusted, "{report}");
    }
}
