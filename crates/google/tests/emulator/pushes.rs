//! Pushes of the emulator, as a webhook sees them.

use std::sync::{Arc, Mutex};

use axum::{Router, body::Bytes, extract::State, http::HeaderMap, http::StatusCode, routing::post};
use google::{Expected, Hint, Pushes, Refused};
use serde_json::{Value, json};
use testkit::google::{BRAND, CREATOR, SERVICE_ACCOUNT, SUBSCRIPTION};

use crate::account::House;

const AUDIENCE: &str = "https://desk.example/api/gmail/webhook/";

#[derive(Clone)]
struct Hook {
    pushes: Arc<Pushes>,
    taken: Arc<Mutex<Vec<Hint>>>,
}

async fn hook(State(hook): State<Hook>, headers: HeaderMap, body: Bytes) -> StatusCode {
    match hook.pushes.verify(&headers, &body).await {
        Ok(hint) => {
            hook.taken.lock().unwrap().push(hint);
            StatusCode::NO_CONTENT
        }
        Err(Refused::Undecodable(_)) => StatusCode::OK,
        Err(Refused::Unauthenticated(_)) => StatusCode::UNAUTHORIZED,
        Err(Refused::Forbidden(_)) => StatusCode::FORBIDDEN,
        Err(Refused::Unavailable(_)) => StatusCode::SERVICE_UNAVAILABLE,
    }
}

async fn listening(house: &House) -> Hook {
    let expected = Expected {
        audience: AUDIENCE.to_owned(),
        service_account: SERVICE_ACCOUNT.to_owned(),
        subscription: Some(SUBSCRIPTION.to_owned()),
    };
    let pushes = Arc::new(Pushes::new(&house.web, &house.endpoints, expected, house.clock.clone()));
    let this = Hook { pushes, taken: Arc::default() };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let router = Router::new().route("/", post(hook)).with_state(this.clone());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    house.emulator.config(json!({"pushUrl": url, "pushAud": AUDIENCE, "pushRetries": 0})).await;
    this
}

#[tokio::test]
async fn a_watched_mailbox_rings_and_forgeries_do_not() {
    let Some(house) = House::new() else { return };
    let hook = listening(&house).await;
    let statuses = |pushed: &Value| pushed[0]["statuses"].clone();
    let good = house.emulator.push(BRAND, json!({"asString": true})).await;
    assert_eq!(statuses(&good), json!([204]));
    for (how, status) in [
        (json!({}), 204),
        (json!({"iss": "accounts.google.com"}), 204),
        (json!({"badSignature": true}), 401),
        (json!({"noAuth": true}), 401),
        (json!({"expIn": -61}), 401),
        (json!({"iss": "https://evil.example"}), 401),
        (json!({"aud": "https://other.example/"}), 403),
        (json!({"saEmail": "someone@test.iam.gserviceaccount.com"}), 403),
        (json!({"emailVerified": false}), 403),
        (json!({"data": "bm8ganNvbg=="}), 200),
        (json!({"subscription": "projects/test/subscriptions/other"}), 200),
    ] {
        assert_eq!(statuses(&house.emulator.push(BRAND, how.clone()).await), json!([status]), "{how}");
    }
    let taken = std::mem::take(&mut *hook.taken.lock().unwrap());
    assert_eq!(taken.len(), 3);
    assert!(taken.iter().all(|h| h.address == BRAND && h.history_id.is_some() && h.published_at.is_some()));
    assert_eq!(house.emulator.log("/oauth2/v3/certs").await.len(), 1);

    // By itself, when a mail comes.
    let mailbox = house.connected(BRAND).await;
    let watch = mailbox.watch("projects/test/topics/gmail", &["INBOX"]).await.unwrap();
    house.emulator.deliver(BRAND, json!({"from": CREATOR, "subject": "x", "text": "x"})).await;
    let rang = || hook.taken.lock().unwrap().first().cloned();
    let hint = loop {
        match rang() {
            Some(hint) => break hint,
            None => tokio::task::yield_now().await,
        }
    };
    assert!(hint.history_id > Some(watch.history_id), "{hint:?} {watch:?}");
}
