//! Sending to the future: when, from which state, by which trigger; revoking.

use std::time::Duration;

use axum::http::Method;
use serde_json::{Value, json};
use testkit::app::{Answer, TestApp, User};

use crate::helpers::*;

async fn revoke(app: &TestApp, user: &User, mail: &str) -> Answer {
    app.call(Method::POST, &format!("/mails/{mail}/revoke"), Some(&user.token), None).await
}

/// A draft that was sent to a time.
async fn sent(app: &TestApp, user: &User, time: kernel::Timestamp) -> String {
    let mail = app.draft(user, json!({})).await;
    app.schedule(user, &mail, time).await.data();
    mail
}

testkit::both! {
    &[];

    /// At least an hour from now, the boundary included.
    async fn the_earliest_time_is_an_hour_from_now(t) {
        let app = TestApp::new(t).await;
        let user = zhangsan(&app).await;
        let mail = app.draft(&user, json!({})).await;
        for early in [app.now(), app.now() - DAY, app.now() + HOUR - SECOND, app.now() + HOUR - MICRO] {
            app.schedule(&user, &mail, early).await.refused(422, &["sendTime"]);
        }
        assert_eq!(app.detail(&user, &mail).await["status"], "DRAFT");
        let answer = app.schedule(&user, &mail, app.now() + HOUR).await;
        assert_eq!(
            (&answer.data()["status"], &answer.data()["countdown"]),
            (&json!("PENDING"), &json!(3600))
        );
    }

    /// Both leads are settings.
    async fn the_leads_are_settings(t) {
        let app = TestApp::with(t, |s| {
            s.min_lead = Duration::from_secs(2);
            s.delivering_lead = Duration::from_secs(1);
        })
        .await;
        let user = zhangsan(&app).await;
        let mail = app.draft(&user, json!({})).await;
        app.schedule(&user, &mail, app.now() + 2 * SECOND - MICRO).await.refused(422, &["sendTime"]);
        let answer = app.schedule(&user, &mail, app.now() + 2 * SECOND).await;
        assert_eq!((&answer.data()["status"], &answer.data()["countdown"]), (&json!("PENDING"), &json!(2)));
        app.clock.advance(SECOND);
        assert_eq!(app.detail(&user, &mail).await["status"], "DELIVERING");
    }

    /// Only a draft goes on its way; all that is wrong is said at once.
    async fn only_drafts_are_scheduled(t) {
        let app = TestApp::new(t).await;
        let (user, other) = (zhangsan(&app).await, app.user("other").await);
        let send = app.now() + 2 * HOUR;
        let mail = app.draft(&user, json!({})).await;
        app.schedule(&other, &mail, send).await.refused(404, &[]);
        app.schedule(&user, &mail, send).await.data();
        for (now, status) in [(app.now(), "PENDING"), (send - MINUTE, "DELIVERING"), (send, "DELIVERED")] {
            app.advance_to(now).await;
            assert_eq!(app.detail(&user, &mail).await["status"], status);
            app.schedule(&user, &mail, send + DAY).await.refused(422, &["status"]);
            app.schedule(&user, &mail, now).await.refused(422, &["sendTime", "status"]);
        }
        let body = json!({"mailId": 7, "sendTime": "soon", "triggerType": "X",
            "triggerCondition": {"location": {"latitude": "x"}}});
        app.post("/mails/send-to-future", &user, body)
            .await
            .refused(400, &["mailId", "sendTime", "triggerCondition.location.latitude", "triggerType"]);
    }

    /// Without a triggerType the draft's own stays; TIME where it has none.
    async fn the_draft_s_own_trigger_stays(t) {
        let app = TestApp::new(t).await;
        let user = zhangsan(&app).await;
        app.premium(&user).await;
        let event = json!({"event": {"keywords": ["毕业"]}});
        let send = app.now() + HOUR;
        for (draft, scheduling, trigger, condition) in [
            (json!({}), json!({}), "TIME", json!({})),
            (json!({"triggerType": "EVENT", "triggerCondition": event}), json!({}), "EVENT", event.clone()),
            (
                json!({"triggerType": "EVENT", "triggerCondition": event}),
                json!({"triggerType": "TIME"}),
                "TIME",
                event.clone(),
            ),
            (
                json!({}),
                json!({"triggerType": "LOCATION", "triggerCondition": {"location": {"city": "上海"}}}),
                "LOCATION",
                json!({"location": {"city": "上海"}}),
            ),
        ] {
            let mail = app.draft(&user, draft).await;
            let body = with(json!({"mailId": mail, "sendTime": send}), scheduling);
            app.post("/mails/send-to-future", &user, body).await.data();
            let detail = app.detail(&user, &mail).await;
            assert_eq!((&detail["triggerType"], &detail["triggerCondition"]), (&json!(trigger), &condition));
        }
    }

    /// A trigger needs what it waits for.
    async fn a_trigger_needs_its_condition(t) {
        let app = TestApp::new(t).await;
        let user = zhangsan(&app).await;
        app.premium(&user).await;
        let send = app.now() + HOUR;
        for (trigger, field, conditions) in [
            (
                "LOCATION",
                "triggerCondition.location",
                json!([{}, {"location": {}}, {"location": {"latitude": 1}}, {"event": {"type": "x"}}]),
            ),
            ("EVENT", "triggerCondition.event", json!([{}, {"event": {}}, {"event": {"keywords": []}}])),
        ] {
            for condition in conditions.as_array().unwrap() {
                let advanced = json!({"triggerType": trigger, "triggerCondition": condition});
                app.post("/mails/create", &user, with(future_mail(), advanced.clone()))
                    .await
                    .refused(422, &[field]);
                let mail = app.draft(&user, json!({})).await;
                let body = with(json!({"mailId": mail, "sendTime": send}), advanced);
                app.post("/mails/send-to-future", &user, body).await.refused(422, &[field]);
            }
        }
    }

    /// LOCATION and EVENT: 403 on the free plan at `/mails/create` and at scheduling, not in a draft of
    /// `POST /mails`.
    async fn advanced_triggers_are_premium(t) {
        let app = TestApp::new(t).await;
        let user = zhangsan(&app).await;
        let send = app.now() + HOUR;
        for advanced in [
            json!({"triggerType": "LOCATION", "triggerCondition": {"location": {"latitude": 0, "longitude": 0}}}),
            json!({"triggerType": "EVENT", "triggerCondition": {"event": {"type": "graduation"}}}),
            // The plan is the answer, whatever the condition.
            json!({"triggerType": "LOCATION"}),
        ] {
            app.post("/mails/create", &user, with(future_mail(), advanced.clone()))
                .await
                .refused(403, &["triggerType"]);
            let mail = mail_id(&app.post("/mails", &user, with(capsule(), advanced.clone())).await);
            app.schedule(&user, &mail, send).await.refused(403, &["triggerType"]);
            // Scheduled by time after all.
            let by_time = json!({"mailId": mail, "sendTime": send, "triggerType": "TIME"});
            app.post("/mails/send-to-future", &user, by_time).await.data();
        }
        let used = app.get("/user/subscription", &user).await.data()["remainingMails"].clone();
        assert_eq!(used, 7, "what was refused was counted");
    }

    /// No letter waits for ever: its trigger unmet, it arrives at `sendTime`.
    async fn an_advanced_letter_arrives_at_its_time_at_the_latest(t) {
        let app = TestApp::new(t).await;
        let user = zhangsan(&app).await;
        app.premium(&user).await;
        let send = app.now() + 2 * HOUR;
        for advanced in [
            json!({"triggerType": "LOCATION", "triggerCondition": {"location": {"city": "北京"}}}),
            json!({"triggerType": "EVENT", "triggerCondition": {"event": {"keywords": ["毕业"]}}}),
        ] {
            let mail = mail_id(&app.post("/mails/create", &user, with(future_mail(), advanced)).await);
            app.schedule(&user, &mail, send).await.data();
        }
        assert_eq!(app.advance_to(send - MICRO).await, 0);
        assert_eq!(app.list(&user, "type=INBOX").await.len(), 0);
        app.advance_to(send).await;
        assert_eq!(app.list(&user, "type=INBOX").await.len(), 2);
    }

    /// From ten minutes before `sendTime` exactly: final.
    async fn delivering_begins_ten_minutes_before(t) {
        let app = TestApp::new(t).await;
        let user = zhangsan(&app).await;
        let send = app.now() + 2 * HOUR;
        let (revoked, kept) = (sent(&app, &user, send).await, sent(&app, &user, send).await);
        app.advance_to(send - 10 * MINUTE - MICRO).await;
        let detail = app.detail(&user, &kept).await;
        assert_eq!((&detail["status"], &detail["canRevoke"]), (&json!("PENDING"), &json!(true)));
        assert_eq!(detail["countdown"], 601);
        revoke(&app, &user, &revoked).await.data();

        app.advance_to(send - 10 * MINUTE).await;
        let detail = app.detail(&user, &kept).await;
        assert_eq!((&detail["status"], &detail["canRevoke"]), (&json!("DELIVERING"), &json!(false)));
        assert_eq!((&detail["canEdit"], &detail["countdown"]), (&json!(false), &Value::Null));
        revoke(&app, &user, &kept).await.refused(422, &["status"]);
        app.put(&format!("/mails/{kept}"), &user, json!({"title": "x"})).await.refused(422, &["status"]);
        assert_eq!(app.list(&user, "status=DELIVERING").await, [kept.as_str()]);

        app.advance_to(send).await;
        assert_eq!(app.list(&user, "type=INBOX").await, [kept.as_str()]);
        revoke(&app, &user, &kept).await.refused(422, &["status"]);
        assert_eq!(app.detail(&user, &revoked).await["status"], "DRAFT");
    }

    /// After a 200 a letter is not delivered; scheduled anew it arrives once, at the new time.
    async fn a_revoked_letter_is_not_delivered(t) {
        let app = TestApp::new(t).await;
        let (user, other) = (zhangsan(&app).await, app.user("other").await);
        let (first, second) = (app.now() + 2 * HOUR, app.now() + 3 * HOUR);
        let fields = json!({"recipientType": "SPECIFIC", "recipientEmail": other.email});
        let mail = app.draft(&user, fields).await;
        revoke(&app, &user, &mail).await.refused(422, &["status"]);
        for _ in 0..2 {
            app.schedule(&user, &mail, first).await.data();
            revoke(&app, &other, &mail).await.refused(404, &[]);
            revoke(&app, &user, &mail).await.data();
            revoke(&app, &user, &mail).await.refused(422, &["status"]);
        }
        assert_eq!(app.advance_to(first).await, 0);
        assert!(app.list(&other, "type=INBOX").await.is_empty() && app.mails().is_empty());
        app.put(&format!("/mails/{mail}"), &user, json!({"title": "anew"})).await.data();
        app.schedule(&user, &mail, second).await.data();
        app.advance_to(second).await;
        assert_eq!(app.list(&other, "type=INBOX").await, [mail.as_str()]);
        assert_eq!(app.mails_to(&other.email).len(), 1);
        app.advance_to(second + 2 * HOUR).await;
        assert_eq!(app.list(&other, "type=INBOX").await, [mail]);
        assert_eq!(app.mails().len(), 1);
    }

    /// `GET /mails/{mailId}/deliveries`: every channel, attempt, answer and time.
    async fn deliveries_are_on_record(t) {
        let app = TestApp::new(t).await;
        let (user, other) = (zhangsan(&app).await, app.user("other").await);
        let send = app.now() + HOUR;
        let fields = json!({"recipientType": "SPECIFIC", "recipientEmail": other.email});
        let mail = app.draft(&user, fields).await;
        app.schedule(&user, &mail, send).await.data();
        let path = format!("/mails/{mail}/deliveries");
        let before = app.get(&path, &user).await.data()["deliveries"].clone();
        testkit::app::shape(
            &before,
            &json!([{
                "channel": "string", "state": "=scheduled", "dueAt": format!("={send}"),
                "nextAttemptAt": format!("={send}"), "finishedAt": null, "attemptsMade": 0,
                "possibleDuplicate": false, "answer": null, "attempts": []
            }]),
        );
        app.advance_to(send).await;
        let after = app.get(&path, &user).await.data()["deliveries"].clone();
        let mut channels: Vec<&str> =
            after.as_array().unwrap().iter().map(|d| d["channel"].as_str().unwrap()).collect();
        channels.sort_unstable();
        assert_eq!(channels, ["email", "inbox"]);
        for d in after.as_array().unwrap() {
            assert_eq!((&d["state"], &d["finishedAt"]), (&json!("done"), &json!(send)), "{d}");
        }
        let email = after.as_array().unwrap().iter().find(|d| d["channel"] == "email").unwrap();
        assert_eq!(email["attempts"].as_array().unwrap().len(), 1);
        assert_eq!(email["attempts"][0]["outcome"], "done");
        assert!(email["attempts"][0]["answer"].as_str().unwrap().contains("stored as"));
        app.get(&path, &other).await.refused(404, &[]);
    }
}
