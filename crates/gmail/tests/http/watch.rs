//! That Google rings: set up, renewed each day, moved to another topic, stopped; and what is seen where it is not.

use std::time::Duration;

use serde_json::json;
use testkit::{app::shape, google::BRAND};

use crate::{
    house::{good, refused},
    mailbox::{Rig, pushes},
};

const TOPIC: &str = "projects/test/topics/gmail";
const DAY: Duration = Duration::from_secs(24 * 3600);
const MINUTE: Duration = Duration::from_secs(60);

testkit::both! {
    &testkit::app::migrations();

    async fn set_up_and_stopped(t) {
        let Some(rig) = Rig::new(t).await else { return };
        let set_up = |topic: &'static str| {
            rig.house.post("/notifications/setup/", &rig.anna, json!({"email": "Brand@Example.com", "topic_name": topic}))
        };
        let answer = set_up(TOPIC).await;
        shape(good(&answer), &json!({
            "status": "=success", "topic": format!("={TOPIC}"), "expiration": "time", "message": "string",
        }));
        assert_eq!(rig.house.google.watches().await[0]["topicName"], TOPIC);
        assert_eq!(rig.health().await["watch_expires"], answer.body["expiration"]);
        // The same again renews it; another one replaces it; a name alone is of the client's project.
        good(&set_up(TOPIC).await);
        assert_eq!(rig.calls("/stop").await, 0);
        assert_eq!(good(&set_up("other").await)["topic"], "projects/test/topics/other");
        assert_eq!((rig.calls("/stop").await, rig.house.google.watches().await.len()), (1, 1));
        for bad in ["", "projects/elsewhere/topics/gmail", "projects/test/gmail", "projects/test/topics/goog"] {
            let body = json!({"email": BRAND, "topic_name": bad});
            refused(&rig.house.post("/notifications/setup/", &rig.anna, body).await, 422, &["topic_name"]);
        }
        refused(&rig.house.post("/notifications/setup/", &rig.anna, json!({"email": BRAND})).await, 422, &["topic_name"]);
        refused(&rig.house.post("/notifications/setup/", &rig.anna, json!({})).await, 400, &["email"]);
        refused(&rig.house.post("/notifications/setup/", &rig.anna, json!({"email": "x@y.example"})).await, 404, &[]);
        good(&rig.house.post("/notifications/stop/", &rig.anna, json!({"email": BRAND})).await);
        assert!(rig.house.google.watches().await.is_empty());
        assert!(rig.health().await["watch_expires"].is_null());
    }

    /// Where another topic cannot be rung, the one before is rung on.
    async fn a_topic_that_is_refused(t) {
        let Some(rig) = Rig::new(t).await else { return };
        let set_up = |topic: &'static str| {
            rig.house.post("/notifications/setup/", &rig.anna, json!({"email": BRAND, "topic_name": topic}))
        };
        good(&set_up(TOPIC).await);
        rig.house.google.fault(json!({"path": "watch", "status": 403, "reason": "forbidden", "times": 1})).await;
        refused(&set_up("other").await, 422, &["topic_name"]);
        assert_eq!(rig.house.google.watches().await[0]["topicName"], TOPIC);
        assert!(rig.health().await["watch_error"].is_null());
        // Not even that: it is said, and tried again.
        rig.house.google.fault(json!({"path": "watch", "status": 403, "reason": "forbidden", "times": 2})).await;
        refused(&set_up("other").await, 422, &["topic_name"]);
        assert!(rig.health().await["watch_error"].is_string());
        rig.house.app.run_due().await;
        assert_eq!(rig.house.google.watches().await[0]["topicName"], TOPIC);
        assert!(rig.health().await["watch_error"].is_null());
    }

    /// The server's topic, renewed daily; what keeps it from that is seen, and so is its end.
    async fn renewed_daily(t) {
        let with_topic = |settings: &mut testkit::app::settings::Settings| {
            pushes(settings);
            settings.gmail.sync.topic = Some(TOPIC.to_owned());
        };
        let Some(rig) = Rig::with(t, with_topic).await else { return };
        good(&rig.house.post("/notifications/setup/", &rig.anna, json!({"email": BRAND})).await);
        let mut calls = rig.calls("/watch").await;
        rig.pass(DAY / 2).await;
        assert_eq!(rig.calls("/watch").await, calls);
        for _ in 0..3 {
            rig.pass(DAY + MINUTE).await;
            calls += 1;
            assert_eq!(rig.calls("/watch").await, calls);
        }
        let health = |anna: testkit::app::User| {
            let house = &rig.house;
            async move { good(&house.get("/credentials/", &anna).await)["results"][0].clone() }
        };
        let until = health(rig.house.app.login(&rig.anna).await).await["watch_expires"].clone();
        rig.house.google.fault(json!({"path": "watch", "status": 403, "reason": "forbidden", "times": 100})).await;
        rig.pass(DAY + MINUTE).await;
        let anna = rig.house.app.login(&rig.anna).await;
        let failing = health(anna).await;
        assert!(failing["watch_error"].is_string() && failing["watch_expires"] == until, "{failing}");
        for _ in 0..8 {
            rig.pass(DAY + MINUTE).await;
        }
        let anna = rig.house.app.login(&rig.anna).await;
        let lapsed = health(anna.clone()).await;
        assert!(lapsed["watch_error"].is_string(), "{lapsed}");
        assert!(lapsed["watch_expires"].as_str().unwrap() < rig.house.app.now().to_string().as_str());
        assert!(lapsed["last_sync"].as_str() > lapsed["watch_expires"].as_str(), "read all the same: {lapsed}");
        // As its grant is renewed, so is the watch.
        rig.house.google.clear_faults().await;
        rig.house.connect(&anna, BRAND).await;
        rig.house.app.run_due().await;
        let again = health(anna).await;
        assert!(again["watch_error"].is_null(), "{again}");
    }
}
