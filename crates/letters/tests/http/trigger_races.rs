//! Many reports at once, and reports against revocations and deliveries: a letter fires once or not at all.

use std::sync::Arc;

use serde_json::{Value, json};
use testkit::app::{Answer, TestApp, User};

use crate::{
    helpers::*,
    triggers::{fired, happens, waiting_at, waiting_for},
};

async fn premium_author(app: &TestApp) -> User {
    let author = zhangsan(app).await;
    app.premium(&author).await;
    quiet(app, &author).await;
    author
}

/// Posts all of these at once; their answers in order.
async fn at_once(app: &Arc<TestApp>, user: &User, requests: Vec<(String, Value)>) -> Vec<Answer> {
    let tasks: Vec<_> = requests
        .into_iter()
        .map(|(path, body)| {
            let (app, user) = (Arc::clone(app), user.clone());
            tokio::spawn(async move { app.post(&path, &user, body).await })
        })
        .collect();
    let mut answers = Vec::new();
    for task in tasks {
        answers.push(task.await.unwrap());
    }
    answers
}

fn here() -> Value {
    json!({"latitude": 22.28, "longitude": 114.16})
}

testkit::both! {
    &[];

    /// Eight reports at once: one of them fires it, and it arrives once.
    async fn eight_reports_fire_a_letter_once(t) {
        let app = Arc::new(TestApp::new(t).await);
        let author = premium_author(&app).await;
        let specific = json!({"recipientType": "SPECIFIC", "recipientEmail": author.email});
        for round in 0..6 {
            let place = round % 2 == 0;
            let mail = match place {
                true => waiting_at(&app, &author, here(), specific.clone()).await,
                false => waiting_for(&app, &author, json!({"keywords": ["毕业", "graduate"]})).await,
            };
            let request = match place {
                true => ("/triggers/location".to_owned(), here()),
                false => ("/triggers/events".to_owned(), json!({"text": "毕业了 graduated"})),
            };
            let answers = at_once(&app, &author, vec![request; 8]).await;
            let all: Vec<String> = answers.iter().flat_map(fired).collect();
            assert_eq!(all, [mail.as_str()], "in round {round}");
            // The letter, what follows from it, and the mail of one that goes to an address.
            assert_eq!(app.run_due().await, if place { 3 } else { 2 });
            let deliveries = app.get(&format!("/mails/{mail}/deliveries"), &author).await;
            for delivery in deliveries.data()["deliveries"].as_array().unwrap() {
                // Nobody is reminded of what has left.
                let expected = if delivery["channel"] == "reminder" { ("cancelled", 0) } else { ("done", 1) };
                assert_eq!((&delivery["state"], &delivery["attemptsMade"]), (&json!(expected.0), &json!(expected.1)));
            }
        }
        assert_eq!(app.list(&author, "type=INBOX").await.len(), 6);
        assert_eq!(app.mails().len(), 3);
        // What arrived is analysed, and then nothing is left to do.
        app.advance_to(app.now() + MINUTE).await;
        assert_eq!(app.advance_to(app.now() + 366 * DAY).await, 0);
    }

    /// Many letters and several reports that overlap: each once, and nobody waits for another in a circle.
    async fn overlapping_reports_share_the_letters(t) {
        let app = Arc::new(TestApp::new(t).await);
        let author = premium_author(&app).await;
        let words = ["alpha", "beta", "gamma"];
        for n in 0..30 {
            let pair = json!([words[n % 3], words[(n + 1) % 3]]);
            waiting_for(&app, &author, json!({"keywords": pair})).await;
        }
        let requests = (0..9).map(|n| ("/triggers/events".to_owned(), json!({"text": words[n % 3]})));
        let answers = at_once(&app, &author, requests.collect()).await;
        let mut all: Vec<String> = answers.iter().flat_map(fired).collect();
        all.sort();
        let found = all.len();
        all.dedup();
        assert_eq!((found, all.len()), (30, 30));
        // The letters, and what follows from them all.
        assert_eq!(app.run_due().await, 30 + 1);
    }

    /// Revoking against firing: exactly one wins, and what was answered is so.
    async fn revoked_or_fired(t) {
        let app = Arc::new(TestApp::new(t).await);
        let author = premium_author(&app).await;
        for round in 0..24 {
            let event = format!("round {round}");
            let mail = waiting_for(&app, &author, json!({"type": event})).await;
            let report = ("/triggers/events".to_owned(), json!({"type": event}));
            let revoke = (format!("/mails/{mail}/revoke"), json!({}));
            let order = if round % 2 == 0 {
                vec![report.clone(), revoke, report]
            } else {
                vec![revoke, report.clone(), report]
            };
            let answers = at_once(&app, &author, order).await;
            let (reports, revoked): (Vec<&Answer>, Vec<&Answer>) =
                answers.iter().partition(|a| a.body["data"].get("fired").is_some());
            let fired: Vec<String> = reports.into_iter().flat_map(fired).collect();
            // The letter, and what follows from it.
            let mut done = app.run_due().await;
            // A refused revocation may hold its locks for a moment after its answer.
            for _ in 0..1000 {
                if done >= 2 * fired.len() {
                    break;
                }
                tokio::task::yield_now().await;
                done += app.run_due().await;
            }
            let status = app.detail(&author, &mail).await["status"].clone();
            match revoked[0].status.as_u16() {
                200 => {
                    assert_eq!((fired.len(), done, status), (0, 0, json!("DRAFT")));
                    // And it can be sent anew, and fire.
                    let body = json!({"mailId": mail, "sendTime": app.now() + DAY});
                    app.post("/mails/send-to-future", &author, body).await.data();
                    let again = happens(&app, &author, json!({"type": event})).await;
                    assert_eq!(crate::triggers::fired(&again), [mail]);
                    assert_eq!(app.run_due().await, 2);
                }
                422 => {
                    revoked[0].refused(422, &["status"]);
                    assert_eq!((fired, done, status), (vec![mail], 2, json!("DELIVERED")));
                }
                _ => panic!("{}", revoked[0].body),
            }
        }
    }

    /// Reports while the letters' own time comes: each is delivered once.
    async fn fired_or_delivered_by_time(t) {
        let app = Arc::new(TestApp::new(t).await);
        let author = premium_author(&app).await;
        let mut mails = Vec::new();
        for n in 0..40 {
            mails.push(waiting_for(&app, &author, json!({"type": format!("event {}", n % 8)})).await);
        }
        app.clock.set(app.now() + 365 * DAY);
        let author = app.login(&author).await;
        let worker = tokio::spawn({
            let app = Arc::clone(&app);
            async move { app.run_due().await }
        });
        let requests = (0..8).map(|n| ("/triggers/events".to_owned(), json!({"type": format!("event {n}")})));
        for answer in at_once(&app, &author, requests.collect()).await {
            answer.data();
        }
        worker.await.unwrap();
        app.run_due().await;
        assert_eq!(attempts(&app, "letter.inbox").await, 40);
        let mut inbox = app.list(&author, "type=INBOX&size=100").await;
        inbox.sort();
        mails.sort();
        assert_eq!(inbox, mails);
        let again = happens(&app, &author, json!({"type": "event 1"})).await;
        assert!(fired(&again).is_empty());
    }
}
