//! What delivered letters feel like: once for each letter, never for an encrypted one.

use serde_json::{Value, json};
use testkit::app::{TestApp, User};

use crate::helpers::*;

const GLAD: &str = "今天真开心，我太高兴了，幸福极了！";

/// Emotions by letter, of the newest thousand events.
async fn emotions(app: &TestApp, user: &User) -> std::collections::BTreeMap<String, Value> {
    let answer = app.get("/timeline", user).await;
    let days = answer.data()["timeline"].as_array().unwrap().iter();
    let events = days.flat_map(|day| day["events"].as_array().unwrap());
    events.map(|e| (e["mailId"].as_str().unwrap().to_owned(), e["emotion"].clone())).collect()
}

testkit::both! {
    &[];

    /// To oneself, to somebody, to everybody: analysed alike, a little after the delivery, for whoever sees it.
    async fn letters_are_analysed_whoever_they_go_to(t) {
        let app = TestApp::new(t).await;
        let (user, friend) = (zhangsan(&app).await, app.user("friend").await);
        let send = app.now() + HOUR;
        let mut mails = Vec::new();
        for fields in [
            json!({"content": GLAD}),
            json!({"content": GLAD, "recipientType": "SPECIFIC", "recipientEmail": friend.email}),
            json!({"content": "I miss the old days and our childhood summers so much.", "recipientType": "PUBLIC"}),
            json!({"content": "会议在三号楼二层。"}),
            json!({"content": GLAD, "isEncrypted": true}),
        ] {
            let mail = app.draft(&user, fields).await;
            app.schedule(&user, &mail, send).await.data();
            mails.push(mail);
        }
        app.advance_to(send).await;
        assert!(emotions(&app, &user).await.values().all(Value::is_null));
        app.advance_to(send + MINUTE).await;
        let found = emotions(&app, &user).await;
        let of = |n: usize| found[&mails[n]].clone();
        assert_eq!([of(0), of(1), of(2), of(3), of(4)].map(|v| v.as_str().map(str::to_owned)),
            [Some("HAPPY"), Some("HAPPY"), Some("NOSTALGIC"), None, None].map(|v: Option<&str>| v.map(str::to_owned)));
        assert_eq!(emotions(&app, &friend).await, [(mails[1].clone(), json!("HAPPY"))].into());
        // Nothing is left to do, and it is no delivery that the author would see.
        assert_eq!(app.run_due().await, 0);
        let deliveries = app.get(&format!("/mails/{}/deliveries", mails[0]), &user).await;
        assert!(!deliveries.body.to_string().contains("analysis"), "{}", deliveries.body);
    }

    /// A letter of which nothing may be read asks for no analysis.
    async fn encrypted_letters_alone_schedule_nothing(t) {
        let app = TestApp::new(t).await;
        let user = zhangsan(&app).await;
        quiet(&app, &user).await;
        let mail = app.draft(&user, json!({"content": GLAD, "isEncrypted": true})).await;
        let send = app.now() + HOUR;
        app.schedule(&user, &mail, send).await.data();
        app.advance_to(send).await;
        assert_eq!(app.detail(&user, &mail).await["status"], "DELIVERED");
        assert_eq!(app.advance_to(send + MINUTE).await, 0);
    }

    /// A whole batch is analysed in few dispatches, which may be repeated.
    async fn many_letters_of_one_moment(t) {
        let app = TestApp::new(t).await;
        let user = zhangsan(&app).await;
        app.premium(&user).await;
        quiet(&app, &user).await;
        let send = app.now() + HOUR;
        for _ in 0..130 {
            let mail = app.draft(&user, json!({"content": GLAD})).await;
            app.schedule(&user, &mail, send).await.data();
        }
        // 130 deliveries in one batch and what follows from each fifty, then two analyses.
        assert_eq!(app.advance_to(send).await, 130 + 3);
        assert_eq!(app.advance_to(send + MINUTE).await, 2);
        let found = emotions(&app, &user).await;
        assert_eq!(found.len(), 130);
        assert!(found.values().all(|emotion| emotion == "HAPPY"));
        // Done twice it is the same.
        app.system.db
            .execute_raw("UPDATE dispatches SET state = 'scheduled' WHERE kind = 'letter.analysis'")
            .await
            .unwrap();
        assert_eq!(app.run_due().await, 2);
        assert_eq!(emotions(&app, &user).await, found);
    }
}
