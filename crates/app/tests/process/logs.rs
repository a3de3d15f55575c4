//! Logs are for operators: what people wrote, and what opens their accounts, is not in them, however much is
//! logged.

use serde_json::json;

use crate::{
    client::{Client, PASSWORD, draft},
    server::Home,
    soon,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hold_no_secret_and_no_letter_on_sqlite() {
    scenario(Home::sqlite()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hold_no_secret_and_no_letter_on_postgres() {
    if let Some(home) = Home::postgres().await {
        scenario(home).await;
    }
}

async fn scenario(home: Home) {
    let server = home
        .set("LOG__LEVEL", "trace,tokio_postgres=trace")
        .set("ACCOUNTS__VERIFY_EMAIL", "always")
        .serve()
        .await;
    let client = Client::new(server.address);
    let first = client.register("author").await;
    let friend = client.register("friend").await;
    let author = crate::client::user(&client.login("author@example.com", PASSWORD).await.data());
    assert_eq!(client.login("author@example.com", "Wrong-Password-1").await.status, 401);
    let post = async |path: &str, body| {
        let path = format!("/api/v1{path}");
        client.call("POST", &path, Some(&author.token), Some(body)).await.unwrap()
    };

    let at = soon();
    let open = client.send(&author, "Marked-Title", Some("friend@example.com"), at).await;
    let mut sealed = draft("Sealed-Title", Some("friend@example.com"));
    sealed["content"] = json!("Sealed-Text");
    sealed["isEncrypted"] = json!(true);
    let sealed = post("/mails", sealed).await.data()["mailId"].as_str().unwrap().to_owned();
    post("/mails/send-to-future", json!({"mailId": sealed, "sendTime": at})).await.data();
    let unlock = format!("/mails/{sealed}/unlock");
    assert_eq!(post(&unlock, json!({"password": "Wrong-Password-2"})).await.status, 403);
    assert_eq!(post(&unlock, json!({"password": PASSWORD})).await.data()["content"], "Sealed-Text");
    // What is refused is not quoted either.
    assert_eq!(post("/mails", json!({"title": "Refused-Title", "content": 7})).await.status, 400);
    let mut long = draft("Long-Title", Some("Marked-Address"));
    long["title"] = json!("Long-Title".repeat(100));
    assert_eq!(post("/mails", long).await.status, 422);
    post("/triggers/location", json!({"latitude": 12.345_678, "longitude": 1, "city": "Marked-City"}))
        .await
        .data();
    post("/triggers/location", json!({"latitude": 98.765_432, "longitude": 1})).await;
    post("/triggers/events", json!({"type": "Marked-Type", "text": "Marked-Event", "dryRun": true}))
        .await
        .data();
    let hook = post("/triggers/hooks", json!({"name": "Marked-Hook"})).await.data();
    let wrong = client.call("GET", "/api/v1/mails", Some("Wrong-Token"), None).await.unwrap();
    assert_eq!(wrong.status, 401);
    let refresh = json!({"refreshToken": author.refresh});
    let renewed = post("/auth/refresh", refresh.clone()).await.data();
    assert_eq!(post("/auth/refresh", refresh).await.status, 401);
    post("/auth/password/forgot", json!({"email": "friend@example.com"})).await.data();
    assert_eq!(post("/auth/verify-email", json!({"token": "Wrong-Mail-Token"})).await.status / 100, 4);
    let events = client.open("GET", "/api/v1/events", Some(&friend.token), None).await.unwrap();
    // The refresh token that was used twice ended its family: the first log-in goes on.
    for mail in [&open, &sealed] {
        client.settled(&first, mail, "email", "done").await;
    }
    drop(events);
    let (_, log) = server.terminate().await;
    assert!(log.contains("\"TRACE\"") && log.contains("/api/v1/mails/{mailId}/unlock"), "all was logged");
    let renewed = ["token", "refreshToken"].map(|name| renewed[name].as_str().unwrap());
    let secrets =
        [&first.token, &first.refresh, &author.token, &author.refresh, &friend.token, &friend.refresh];
    let written = [
        PASSWORD,
        "Wrong-Password",
        "Marked-Title",
        "The text of",
        "Sealed-Title",
        "Sealed-Text",
        "Refused-Title",
        "Long-Title",
        "Marked-Address",
        "Wrong-Token",
        "Wrong-Mail-Token",
        "#token=",
        "argon2",
        "12.345",
        "98.765",
        "Marked-City",
        "Marked-Type",
        "Marked-Event",
        "Marked-Hook",
        hook["secret"].as_str().unwrap(),
    ];
    for secret in secrets.into_iter().map(String::as_str).chain(renewed).chain(written) {
        let line = log.lines().find(|line| line.contains(secret));
        assert!(line.is_none(), "{secret} was logged: {}", line.unwrap_or_default());
    }
}
