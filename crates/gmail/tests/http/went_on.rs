//! Conversations go on while an answer waits to leave: what counts, what stops it, and what comes of its goal.

use std::time::Duration;

use serde_json::json;
use testkit::google::{BRAND, CREATOR};

use crate::talk::Talk;

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
            "text": "Would March suit you?", "headers": {"Message-ID": "<both@elsewhere.example>"},
            "labelIds": ["INBOX", "UNREAD"]});
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
}
