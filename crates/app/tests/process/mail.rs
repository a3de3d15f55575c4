//! Letters as e-mail: over SMTP, to a server that takes, delays, refuses or is not there.

use std::time::Duration;

use serde_json::json;

use crate::{
    client::{Client, time},
    eventually,
    server::Home,
    sink::{Sink, Verdict},
    soon,
};

fn by_smtp(sink: &Sink) -> Home {
    Home::sqlite().set("MAIL__TRANSPORT", "smtp").set("MAIL__SMTP_URL", &sink.url())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delay_is_waited_out_and_a_refusal_is_told_to_the_author() {
    let sink = Sink::start(|to, before| match to {
        "grey@example.net" if before == 0 => Verdict::Refuse("450 4.2.0 Greylisted, come back"),
        "nobody@example.net" => Verdict::Refuse("550 5.1.1 User unknown"),
        _ => Verdict::Accept,
    });
    let server = by_smtp(&sink).set("ACCOUNTS__VERIFY_EMAIL", "never").serve().await;
    let client = Client::new(server.address);
    let author = client.register("author").await;
    let grey = client.send(&author, "To the grey one", Some("grey@example.net"), soon()).await;
    let nobody = client.send(&author, "To nobody", Some("nobody@example.net"), soon()).await;

    let delayed = client.settled(&author, &grey, "email", "done").await;
    let [first, second] = delayed["attempts"].as_array().unwrap().as_slice() else {
        panic!("two attempts: {delayed}")
    };
    assert_eq!(
        (&first["outcome"], &first["answer"]),
        (&json!("retry"), &json!("450 4.2.0 Greylisted, come back"))
    );
    assert_eq!(second["outcome"], "done");
    assert!(second["answer"].as_str().unwrap().starts_with("250 2.0.0 Ok"), "{delayed}");
    assert_eq!((&delayed["possibleDuplicate"], &delayed["attemptsMade"]), (&json!(false), &json!(2)));
    let asked = sink.asked("grey@example.net");
    assert!(asked[0] >= time(&delayed["dueAt"]), "not before it is due");
    // `MAIL__RETRY_FIRST`, give or take a tenth.
    assert!(asked[1].since(asked[0]) >= Duration::from_millis(180), "{asked:?}");
    assert_eq!(sink.mail("grey@example.net", "To the grey one").await.to, "grey@example.net");

    let refused = client.settled(&author, &nobody, "email", "dead").await;
    assert_eq!(refused["answer"], "550 5.1.1 User unknown");
    assert_eq!((&refused["attemptsMade"], &refused["attempts"][0]["outcome"]), (&json!(1), &json!("dead")));
    let told = sink.mail(&author.email, "could not be delivered").await;
    for what in ["To nobody", "nobody@example.net", "550 5.1.1 User unknown"] {
        assert!(told.text().contains(what), "{}", told.text());
    }
    client.settled(&author, &nobody, "notice", "done").await;
    let path = format!("/mails/{nobody}");
    let seen = client.api("GET", &format!("{path}/deliveries"), &author, None).await;
    assert_eq!(seen["deadAddress"]["status"], "5.1.1");
    let elsewhere = json!({"recipientEmail": "somebody@example.net"});
    let moved = client.api("PUT", &format!("{path}/recipient"), &author, Some(elsewhere)).await;
    assert_eq!(moved["resent"], true);
    assert_eq!(sink.mail("somebody@example.net", "To nobody").await.from, "letters@localhost");
    assert_eq!(sink.asked("nobody@example.net").len(), 1, "a refusal is final");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_away_is_asked_again() {
    let mut sink = Sink::closed(|_, _| Verdict::Accept);
    let server = by_smtp(&sink).set("ACCOUNTS__VERIFY_EMAIL", "never").serve().await;
    let client = Client::new(server.address);
    let author = client.register("author").await;
    let mail = client.send(&author, "Patience", Some("friend@example.net"), soon()).await;
    let waiting = eventually(Duration::from_secs(20), "two attempts", async || {
        let email = client.delivery(&author, &mail, "email").await?;
        (email["attempts"].as_array()?.len() >= 2).then_some(email)
    })
    .await;
    for attempt in waiting["attempts"].as_array().unwrap() {
        assert_eq!(attempt["outcome"], "retry", "{waiting}");
        assert!(attempt["answer"].as_str().unwrap().contains("refused"), "{waiting}");
    }
    sink.open();
    let done = client.settled(&author, &mail, "email", "done").await;
    assert_eq!(done["possibleDuplicate"], false, "a refused connection leaves no doubt");
    assert_eq!(sink.received().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_is_verified_by_the_mailed_link() {
    let sink = Sink::start(|_, _| Verdict::Accept);
    // `ACCOUNTS__VERIFY_EMAIL` is `auto`, hence on: mail really leaves.
    let server = by_smtp(&sink).serve().await;
    let client = Client::new(server.address);
    let author = client.register("author").await;
    let friend = client.register("friend").await;
    let mail = client.send(&author, "For a friend", Some(&friend.email), soon()).await;
    let first = sink.mail(&friend.email, "").await;
    assert!(first.subject().contains("confirm"), "{}", first.subject());
    let link = first.text().split_whitespace().find(|w| w.contains("#token=")).unwrap().to_owned();
    let (page, token) = link.strip_prefix("http://hongyan.test").unwrap().split_once("#token=").unwrap();

    client.settled(&author, &mail, "email", "done").await;
    assert!(sink.mail(&friend.email, "For a friend").await.text().contains("The text of For a friend."));
    let read = format!("/api/v1/mails/{mail}");
    let hidden = client.call("GET", &read, Some(&friend.token), None).await.unwrap();
    assert_eq!(hidden.status, 404, "whoever registered with the address sees nothing yet");
    assert!(client.list(&friend, "type=INBOX").await.is_empty());

    assert_eq!(client.get(page).await.status, 200);
    let verify = |token: &str| {
        let (client, body) = (client.clone(), json!({"token": token}));
        async move { client.call("POST", "/api/v1/auth/verify-email", None, Some(body)).await.unwrap() }
    };
    assert!((400..500).contains(&verify("wrong").await.status));
    assert!(client.list(&friend, "type=INBOX").await.is_empty(), "to open the page changes nothing");
    verify(token).await.data();
    let inbox = client.list(&friend, "type=INBOX").await;
    assert_eq!(inbox.iter().map(|m| &m["title"]).collect::<Vec<_>>(), ["For a friend"]);
    assert_eq!(client.call("GET", &read, Some(&friend.token), None).await.unwrap().status, 200);
}
