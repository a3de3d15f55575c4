//! Conversations go on while an answer waits to leave: what counts, what stops it, and what comes of its goal.

use std::time::Duration;

use serde_json::json;
use testkit::google::{BRAND, CREATOR};

use crate::{
    house::{good, refused},
    talk::Talk,
};

/// Longer than automatic replies are held.
const HELD: Duration = Duration::from_secs(61);

fn ruled(outcome: &str, rule: &str) -> (String, String) {
    (outcome.to_owned(), rule.to_owned())
}

testkit::both! {
    &testkit::app::migrations();

    /// A goal is reached by what left, not by what was taken back; who writes on after that is not left without words.
    async fn a_goal_is_reached_by_what_left(t) {
        let Some(talk) = Talk::new(t).await else { return };
        talk.brain.says(json!({"goal_progress": "REACHED"}));
        talk.goal(json!({})).await;
        talk.hears("March is fine.").await;
        assert_eq!(talk.get("/goals/1/").await["progress"], "open");
        talk.hears("Or April, if you like that better.").await;
        assert_eq!(talk.outbox().await, [ruled("auto_reply", "cancelled"), ruled("auto_reply", "held")]);
        assert_eq!(talk.get("/goals/1/").await["progress"], "open");
        talk.pass(HELD).await;
        assert_eq!(talk.sent().await.len(), 1);
        assert_eq!(talk.get("/goals/1/").await["progress"], "reached");
        talk.hears("And which camera?").await;
        assert_eq!(talk.last_decision().await, ruled("waits", "goal_over"));
        assert_eq!(talk.replies("status=waiting").await.len(), 1);
    }

    /// A newsletter in the thread, and a colleague's mail, do not keep the counterpart from being answered.
    async fn machines_do_not_silence_an_answer(t) {
        let Some(talk) = Talk::new(t).await else { return };
        talk.goal(json!({})).await;
        talk.hears("Would March suit you?").await;
        talk.hears_with("This month's news", json!({"List-Unsubscribe": "<mailto:u@example.com>"})).await;
        assert_eq!(talk.outbox().await, [ruled("auto_reply", "held")]);
        talk.pass(Duration::from_secs(1)).await;
        talk.deliver(json!({"from": "Colleague <colleague@example.org>", "subject": "Re: Rates for a collab",
            "text": "I am in copy now.", "threadId": talk.thread().await})).await;
        talk.sync().await;
        assert_eq!(talk.last_decision().await, ruled("no", "unknown_sender"));
        talk.pass(HELD).await;
        assert_eq!(talk.sent().await.len(), 1);
    }

    /// A mail to two accounts gets one answer.
    async fn one_answer_for_both_accounts(t) {
        let Some(talk) = Talk::new(t).await else { return };
        talk.house.connect(&talk.anna(), CREATOR).await;
        let author = "fan@elsewhere.example";
        for own in [BRAND, CREATOR] {
            let body = json!({"user_email": own, "influencer_email": author});
            let conversation = talk.post("/conversations/", body).await["conversation_id"].clone();
            talk.goal(json!({"conversation_id": conversation})).await;
        }
        talk.house.app.run_due().await;
        let mail = json!({"from": author, "to": format!("{BRAND}, {CREATOR}"), "subject": "Both of you",
            "text": "Would March suit you?", "messageId": "<both@elsewhere.example>", "labelIds": ["INBOX", "UNREAD"]});
        for own in [BRAND, CREATOR] {
            talk.house.google.deliver(own, mail.clone()).await;
        }
        talk.sync().await;
        let asked = talk.house.post("/credentials/2/sync/", &talk.anna(), json!({})).await;
        assert_eq!(asked.status, 202, "{}", asked.body);
        talk.house.app.run_due().await;
        let rules: Vec<String> = talk.get("/decisions/").await["results"]
            .as_array()
            .unwrap()
            .iter()
            .map(|d| d["rule"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!((talk.outbox().await.len(), rules.contains(&"answered_before".to_owned())), (1, true), "{rules:?}");
    }

    /// What was proposed while an automatic answer waited to leave is not sent beside it unseen.
    async fn not_beside_what_left_by_itself(t) {
        let Some(talk) = Talk::new(t).await else { return };
        talk.goal(json!({})).await;
        talk.hears("Would March suit you?").await;
        let made = talk.post("/recommended-reply/", json!({"conversation_id": talk.conversation})).await;
        talk.pass(HELD).await;
        assert_eq!(talk.sent().await.len(), 1);
        let path = format!("/recommended-reply/{}/approve/", made["id"]);
        refused(&talk.house.post(&path, &talk.anna(), json!({})).await, 409, &[]);
        talk.post(&path, json!({"force": true})).await;
        talk.house.app.run_due().await;
        assert_eq!(talk.sent().await.len(), 2);
    }

    /// Who takes an approved reply back may approve it again, in other words; the same call twice is one approval, another is
    /// not.
    async fn taken_back_it_waits_again(t) {
        let Some(talk) = Talk::new(t).await else { return };
        talk.goal(json!({"auto_reply": false})).await;
        talk.hears("Would March suit you?").await;
        let id = talk.replies("status=waiting").await[0]["id"].clone();
        let path = format!("/recommended-reply/{id}/approve/");
        let first = json!({"text": "March it is.", "hold_seconds": 60});
        let outbox = talk.post(&path, first.clone()).await["outbox_id"].clone();
        assert_eq!(talk.post(&path, first).await["outbox_id"], outbox);
        refused(&talk.house.post(&path, &talk.anna(), json!({"text": "April!"})).await, 409, &[]);
        talk.post(&format!("/outbox/{}/cancel/", outbox.as_str().unwrap()), json!({})).await;
        let back = talk.get(&format!("/recommended-reply/{id}/")).await;
        assert!(back["status"] == "waiting" && back["outbox_id"].is_null() && back["decided_at"].is_null(), "{back}");
        talk.post(&path, json!({"text": "April!"})).await;
        talk.house.app.run_due().await;
        assert_eq!(talk.sent().await.len(), 1);
    }

    /// Whoever says that a person is to answer has what waits to leave by itself before them, unsent.
    async fn switches_hand_it_over(t) {
        let Some(talk) = Talk::new(t).await else { return };
        let goal = talk.goal(json!({})).await;
        let anna = talk.anna();
        let switches = [
            (format!("/conversations/{}/", talk.conversation), json!({"held": true}), json!({"held": false})),
            ("/credentials/1/".to_owned(), json!({"auto_reply": "off"}), json!({"auto_reply": "on"})),
            (format!("/goals/{goal}/"), json!({"goal_description": "Agree on a video in May"}), json!({})),
        ];
        for (n, (path, off, on)) in switches.into_iter().enumerate() {
            talk.hears(&format!("Would the {}th suit you?", n + 4)).await;
            good(&talk.house.patch(&path, &anna, off).await);
            let waiting = talk.replies("status=waiting").await;
            assert!(waiting.len() == 1 && waiting[0]["outbox_id"].is_null(), "{path}: {waiting:?}");
            talk.pass(HELD).await;
            assert_eq!(talk.sent().await.len(), 0, "{path}");
            if path.starts_with("/c") {
                good(&talk.house.patch(&path, &anna, on).await);
            }
        }
    }

    /// What the counterpart never saw is not shown to whoever writes to them.
    async fn a_colleagues_mail_is_kept_from_the_assistant(t) {
        let Some(talk) = Talk::new(t).await else { return };
        talk.goal(json!({"auto_reply": false})).await;
        talk.pass(Duration::from_secs(1)).await;
        for (to, text) in [
            (BRAND.to_owned(), "Between us: we may go up to 9000."),
            (format!("{BRAND}, {CREATOR}"), "Hello to both of you."),
        ] {
            talk.deliver(json!({"from": "Colleague <colleague@example.org>", "to": to, "subject": "Re: Rates for a collab",
                "text": text, "threadId": talk.thread().await})).await;
        }
        talk.sync().await;
        talk.hears("Would March suit you?").await;
        let asked = talk.brain.last();
        assert!(!asked.contains("9000") && asked.contains("Hello to both") && asked.contains("March suit"), "{asked}");
    }
}
