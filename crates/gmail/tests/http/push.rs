//! Google rings: what is taken, what is not, and that it costs one reading.

use axum::{body::Body, http::Request};
use serde_json::{Value, json};
use testkit::google::{BRAND, CREATOR};

use crate::mailbox::Rig;

fn statuses(pushed: &Value) -> Vec<Value> {
    pushed.as_array().unwrap().iter().flat_map(|p| p["statuses"].as_array().unwrap().clone()).collect()
}

async fn hints(rig: &Rig) -> i64 {
    let mut conn = rig.house.app.system.db.read().await.unwrap();
    let (n,): (i64,) = conn.one(db::sql!("SELECT COUNT(*) FROM gmail_hints"), db::args![]).await.unwrap();
    n
}

testkit::both! {
    &testkit::app::migrations();

    /// A push brings the mail into its conversation.
    async fn a_push_brings_the_mail(t) {
        let Some(rig) = Rig::new(t).await else { return };
        rig.conversation().await;
        let url = rig.listen().await;
        rig.deliver("A").await;
        let pushed = rig.house.google.push(BRAND, json!({"url": url})).await;
        assert_eq!(statuses(&pushed), [200]);
        rig.house.app.run_due().await;
        assert_eq!(rig.subjects(1).await, ["A", "Rates for a collab"]);
        assert!(rig.health().await["last_push"].is_string());
        // A position that the push names is not believed.
        rig.deliver("B").await;
        rig.house.google.push(BRAND, json!({"url": url, "historyId": 9_000_000_000_000_000_000_u64, "asString": true})).await;
        rig.house.google.push(BRAND, json!({"url": url, "historyId": 1})).await;
        rig.house.app.run_due().await;
        assert_eq!(rig.subjects(1).await, ["A", "B", "Rates for a collab"]);
    }

    /// The same push ten times is one reading; so are twenty at once.
    async fn many_pushes_are_one_reading(t) {
        let Some(rig) = Rig::new(t).await else { return };
        rig.conversation().await;
        let url = rig.listen().await;
        rig.deliver("A").await;
        let (wanted, walks) = (rig.wanted().await, rig.calls("/history").await);
        let pushed = rig.house.google.push(BRAND, json!({"url": url, "messageId": "77", "repeat": 10})).await;
        assert_eq!(statuses(&pushed), vec![json!(200); 10]);
        rig.house.app.run_due().await;
        assert_eq!((rig.wanted().await, hints(&rig).await, rig.calls("/history").await), (wanted + 1, 1, walks + 1));
        let many = (0..20).map(|n| {
            let how = json!({"url": url, "messageId": format!("m{}", 19 - n)});
            let google = &rig.house.google;
            async move { google.push(BRAND, how).await }
        });
        for pushed in futures_util::future::join_all(many).await {
            assert_eq!(statuses(&pushed), [200]);
        }
        let walks = rig.calls("/history").await;
        rig.house.app.run_due().await;
        assert_eq!((rig.subjects(1).await.len(), hints(&rig).await, rig.calls("/history").await), (2, 21, walks + 1));
    }

    /// What rings while the mailbox is being read is read after that, by the same reading or the next.
    async fn a_push_during_a_reading(t) {
        let Some(rig) = Rig::new(t).await else { return };
        rig.conversation().await;
        let url = rig.listen().await;
        rig.deliver("A").await;
        rig.want().await;
        rig.house.google.fault(json!({"path": "messages/", "delayMs": 150, "times": 1})).await;
        let ring = async {
            // History was walked, and a mail is being fetched.
            while !rig.house.google.log("/history").await.iter().any(|call| call["status"] == 200) {
                tokio::task::yield_now().await;
            }
            rig.deliver("B").await;
            assert_eq!(statuses(&rig.house.google.push(BRAND, json!({"url": url})).await), [200]);
        };
        tokio::join!(rig.house.app.run_due(), ring);
        rig.house.app.run_due().await;
        assert_eq!(rig.subjects(1).await, ["A", "B", "Rates for a collab"]);
        let health = rig.health().await;
        assert!(health["waiting"] == 0 && health["last_push"].is_string(), "{health}");
    }

    /// Whoever is not Google, or not our service account, is told so, and nothing is kept.
    async fn forgeries(t) {
        let Some(rig) = Rig::new(t).await else { return };
        let url = rig.listen().await;
        for (how, status) in [
            (json!({"badSignature": true}), 401),
            (json!({"noAuth": true}), 401),
            (json!({"expIn": -61}), 401),
            (json!({"iss": "https://evil.example"}), 401),
            (json!({"aud": "https://other.example/"}), 403),
            (json!({"saEmail": "someone@test.iam.gserviceaccount.com"}), 403),
            (json!({"emailVerified": false}), 403),
        ] {
            let mut how = how;
            how["url"] = json!(url);
            assert_eq!(statuses(&rig.house.google.push(BRAND, how.clone()).await), [status], "{how}");
        }
        assert_eq!(hints(&rig).await, 0);
    }

    /// What nothing can be done about is acknowledged, or it would come again and again.
    async fn pushes_about_nothing(t) {
        let Some(rig) = Rig::new(t).await else { return };
        let url = rig.listen().await;
        for (account, how) in [
            (CREATOR, json!({})),
            (BRAND, json!({"data": "bm8ganNvbg=="})),
            (BRAND, json!({"data": "%%%"})),
            (BRAND, json!({"subscription": "projects/test/subscriptions/other"})),
        ] {
            let mut how = how;
            how["url"] = json!(url);
            assert_eq!(statuses(&rig.house.google.push(account, how.clone()).await), [200], "{how}");
        }
        assert_eq!(hints(&rig).await, 0);
        // Old ones are forgotten.
        rig.house.google.push(BRAND, json!({"url": url})).await;
        rig.pass(std::time::Duration::from_secs(7 * 24 * 3600)).await;
        assert_eq!(hints(&rig).await, 1);
        rig.pass(std::time::Duration::from_secs(2 * 24 * 3600)).await;
        assert_eq!(hints(&rig).await, 0);
    }

    /// Without settings none is taken.
    async fn none_are_taken(t) {
        let Some(rig) = Rig::with(t, |_| {}).await else { return };
        let request = Request::post("/api/gmail/webhook/").body(Body::from("{}")).unwrap();
        let answer = rig.house.app.send(request).await;
        assert_eq!((answer.status.as_u16(), &answer.body["status"]), (503, &json!("error")), "{}", answer.body);
    }
}
