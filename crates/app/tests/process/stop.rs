//! `SIGTERM`, and the lock on the data folder.

use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::{
    client::{Client, draft},
    eventually, now,
    server::{Home, said},
    sink::{Sink, Verdict},
    soon,
};

/// On both databases at once: it takes the time that the server may take.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_in_hand_is_finished_or_given_back() {
    let postgres = async {
        if let Some(home) = Home::postgres().await {
            ends_in_order(home).await;
        }
    };
    tokio::join!(ends_in_order(Home::sqlite()), postgres);
}

async fn ends_in_order(home: Home) {
    let sink = Sink::start(|to, before| match to {
        "slow@example.net" => Verdict::AcceptAfter(Duration::from_millis(1500)),
        "mute@example.org" if before == 0 => Verdict::Silence,
        _ => Verdict::Accept,
    });
    let home = home
        .set("MAIL__TRANSPORT", "smtp")
        .set("MAIL__SMTP_URL", &sink.url())
        .set("ACCOUNTS__VERIFY_EMAIL", "never");
    let server = home.serve().await;
    let client = Client::new(server.address);
    let author = client.register("author").await;
    let later = soon();
    let slow = client.send(&author, "Slow", Some("slow@example.net"), later).await;
    let mute = client.send(&author, "Mute", Some("mute@example.org"), later).await;
    let asleep = client.send(&author, "Asleep", None, now() + Duration::from_secs(3600)).await;

    let token = Some(author.token.as_str());
    let mut events = client.open("GET", "/api/v1/events", token, None).await.unwrap();
    let mut head = [0; 12];
    events.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 200");
    // A request whose body is still on its way, and a connection that says nothing.
    let body = draft("Half", None).to_string();
    let mut half = client.open("GET", "/health/live", None, None).await.unwrap();
    let mut request = tokio::net::TcpStream::connect(server.address).await.unwrap();
    let start = format!(
        "POST /api/v1/mails HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n",
        author.token,
        body.len()
    );
    request.write_all(start.as_bytes()).await.unwrap();
    let _idle = tokio::net::TcpStream::connect(server.address).await.unwrap();
    half.read_to_end(&mut Vec::new()).await.unwrap();
    eventually(Duration::from_secs(10), "both mails are in hand", async || {
        (sink.received().len() == 2).then_some(())
    })
    .await;

    let asked = now();
    // The stream ends at once, the request is still answered, nobody new is let in.
    let callers = async {
        let mut rest = Vec::new();
        let end = tokio::time::timeout(Duration::from_secs(3), events.read_to_end(&mut rest)).await;
        end.expect("the stream ends").unwrap();
        request.write_all(body.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        request.read_to_end(&mut answer).await.unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
        assert!(tokio::net::TcpStream::connect(client.address()).await.is_err());
    };
    let ((status, log), ()) = tokio::join!(server.terminate(), callers);
    let took = now().since(asked);
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(took < Duration::from_secs(10), "it took {took:?}");

    let server = home.serve().await;
    client.moved(server.address);
    let finished = client.settled(&author, &slow, "email", "done").await;
    assert_eq!((&finished["attemptsMade"], &finished["possibleDuplicate"]), (&json!(1), &json!(false)));
    let repeated = client.settled(&author, &mute, "email", "done").await;
    assert_eq!(repeated["possibleDuplicate"], true, "{repeated}");
    let outcomes: Vec<_> = repeated["attempts"].as_array().unwrap().iter().map(|a| &a["outcome"]).collect();
    assert_eq!(outcomes, ["lost", "done"]);
    let mails = sink.received();
    let copies: Vec<_> = mails.iter().filter(|m| m.to == "mute@example.org").collect();
    assert_eq!(copies.len(), 2);
    assert_eq!(copies[0].raw, copies[1].raw, "the same mail, Message-ID and all");
    assert_eq!(client.delivery(&author, &asleep, "inbox").await.unwrap()["state"], "scheduled");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_server_ends_at_once() {
    let server = Home::sqlite().serve().await;
    let asked = now();
    let (status, log) = server.terminate().await;
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(now().since(asked) < Duration::from_secs(2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_server_for_one_sqlite_folder() {
    let home = Home::sqlite();
    let server = home.serve().await;
    let second = home.run(&["serve"], "");
    assert_eq!(second.status.code(), Some(1));
    let said = said(&second);
    assert!(said.contains("another Hongyan server is running on the data folder"), "{said}");
    assert!(said.contains(home.data().to_str().unwrap()), "{said}");
    // The lock goes with the process, however it ends.
    server.kill();
    home.serve().await;
}
