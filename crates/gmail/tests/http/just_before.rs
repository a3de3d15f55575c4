//! Just before a mail leaves that nobody looked at, Gmail is asked whether somebody answered meanwhile.

use std::time::Duration;

use serde_json::json;
use testkit::google::{BRAND, CREATOR};

use crate::{house::good, talk::Talk};

/// Longer than automatic replies are held.
const HELD: Duration = Duration::from_secs(61);
const HALF_A_MINUTE: Duration = Duration::from_secs(30);
const HALF_AN_HOUR: Duration = Duration::from_secs(1800);

fn ruled(outcome: &str, rule: &str) -> (String, String) {
    (outcome.to_owned(), rule.to_owned())
}

impl Talk {
    /// A mail waits to leave by itself; what Gmail was asked of threads before.
    async fn about_to_answer(&self) -> usize {
        self.goal(json!({})).await;
        self.hears("Would March suit you?").await;
        assert_eq!(self.outbox().await, [ruled("auto_reply", "held")]);
        self.asked_of_threads().await
    }

    async fn asked_of_threads(&self) -> usize {
        self.house.google.log("/threads/").await.len()
    }

    /// The account's owner answers in Gmail itself, of which nothing is known here yet; Gmail's id.
    async fn answers_in_gmail(&self, labels: &[&str]) -> String {
        let mail = json!({"from": BRAND, "to": CREATOR, "subject": "Re: Rates for a collab", "text": "March is fine.",
            "labelIds": labels, "threadId": self.thread().await});
        self.deliver(mail).await
    }

    /// The mail does not leave by itself; a person may send it.
    async fn given_to_a_person(&self) {
        assert_eq!(self.outbox().await, [ruled("auto_reply", "cancelled")]);
        assert_eq!(self.last_decision().await, ruled("waits", "unread_news"));
        assert_eq!(self.replies("status=waiting").await.len(), 1);
    }
}

testkit::both! {
    &testkit::app::migrations();

    /// A person's answer that is not read yet keeps the machine's from leaving; then it is read.
    async fn an_answer_in_gmail_itself(t) {
        let Some(talk) = Talk::new(t).await else { return };
        let asked = talk.about_to_answer().await;
        talk.answers_in_gmail(&["SENT"]).await;
        talk.pass(HELD).await;
        assert_eq!(talk.asked_of_threads().await, asked + 1);
        talk.pass(HALF_A_MINUTE).await;
        assert_eq!(talk.outbox().await, [ruled("auto_reply", "cancelled")]);
        assert_eq!(talk.sent().await.len(), 1, "the person's");
    }

    /// A draft is no answer, and what is known is no news.
    async fn drafts_do_not_count(t) {
        let Some(talk) = Talk::new(t).await else { return };
        talk.about_to_answer().await;
        talk.answers_in_gmail(&["DRAFT"]).await;
        talk.pass(HELD).await;
        assert_eq!(talk.outbox().await, [ruled("auto_reply", "sent")]);
    }

    /// While Gmail does not say, nothing leaves; when it does, the mail leaves.
    async fn nothing_leaves_unasked(t) {
        let Some(talk) = Talk::new(t).await else { return };
        talk.about_to_answer().await;
        talk.house.google.fault(json!({"path": "/threads/", "status": 503, "times": 50})).await;
        talk.pass(HELD).await;
        assert_eq!(talk.outbox().await, [ruled("auto_reply", "held")]);
        let waits = talk.get("/outbox/").await["results"][0]["waiting_reason"].clone();
        assert!(waits.as_str().unwrap().contains("whether somebody answered"), "{waits}");
        talk.house.google.clear_faults().await;
        talk.pass(Duration::from_secs(600)).await;
        assert_eq!(talk.outbox().await, [ruled("auto_reply", "sent")]);
        assert_eq!(talk.sent().await.len(), 1);
    }

    /// Whoever deletes the thread wants nothing more in it.
    async fn a_thread_that_was_deleted(t) {
        let Some(talk) = Talk::new(t).await else { return };
        talk.about_to_answer().await;
        let path = format!("threads/{}", talk.thread().await.as_str().unwrap());
        talk.house.google.as_owner(BRAND, "DELETE", &path, json!(null)).await;
        talk.pass(HELD).await;
        assert_eq!(talk.outbox().await, [ruled("auto_reply", "cancelled")]);
        assert_eq!(talk.last_decision().await, ruled("no", "thread_gone"));
        assert!(talk.sent().await.is_empty());
    }

    /// Whoever throws a mail away, or calls it spam, wants no answer to it, also where that is not read yet.
    async fn a_mail_that_was_thrown_away(t) {
        let Some(talk) = Talk::new(t).await else { return };
        talk.goal(json!({})).await;
        let heard = talk.hears("Would March suit you?").await;
        assert_eq!(talk.outbox().await, [ruled("auto_reply", "held")]);
        let path = format!("messages/{heard}/modify");
        let spam = json!({"addLabelIds": ["SPAM"], "removeLabelIds": ["INBOX"]});
        talk.house.google.as_owner(BRAND, "POST", &path, spam).await;
        talk.pass(HELD).await;
        assert_eq!(talk.outbox().await, [ruled("auto_reply", "held")]);
        talk.pass(HALF_A_MINUTE).await;
        assert_eq!(talk.outbox().await, [ruled("auto_reply", "cancelled")]);
        assert_eq!(talk.last_decision().await, ruled("no", "gone"));
        assert!(talk.sent().await.is_empty());
    }

    /// The same of a whole thread.
    async fn a_thread_that_was_thrown_away(t) {
        let Some(talk) = Talk::new(t).await else { return };
        talk.about_to_answer().await;
        let path = format!("threads/{}/trash", talk.thread().await.as_str().unwrap());
        talk.house.google.as_owner(BRAND, "POST", &path, json!({})).await;
        talk.pass(HELD).await;
        talk.pass(HALF_A_MINUTE).await;
        assert_eq!(talk.outbox().await, [ruled("auto_reply", "cancelled")]);
        assert!(talk.sent().await.is_empty());
    }

    /// What cannot be read keeps the mail as long as that is tried; then a person looks at it.
    async fn an_answer_that_cannot_be_read(t) {
        let Some(talk) = Talk::new(t).await else { return };
        let asked = talk.about_to_answer().await;
        let answer = talk.answers_in_gmail(&["SENT"]).await;
        let path = format!("messages/{}$", answer.replace('_', "%5F").replace('-', "%2D"));
        talk.house.google.fault(json!({"path": path, "status": 500, "times": 50})).await;
        let begin = talk.house.app.now();
        while talk.outbox().await == [ruled("auto_reply", "held")] {
            talk.pass(HALF_A_MINUTE).await;
            assert!(talk.house.app.now() < begin + 4 * HALF_AN_HOUR);
        }
        assert!(talk.house.app.now() > begin + 2 * HALF_AN_HOUR);
        talk.given_to_a_person().await;
        let asked = talk.asked_of_threads().await - asked;
        assert!(asked < 12, "Gmail was asked {asked} times");
        assert_eq!(talk.sent().await.len(), 1, "the person's");
    }

    /// So it is where nothing is left to be read.
    async fn a_mail_of_a_conversation_that_was_deleted(t) {
        let Some(talk) = Talk::new(t).await else { return };
        let other = "other@example.org";
        let id = talk.house.converse(&talk.anna(), BRAND, other).await;
        talk.about_to_answer().await;
        talk.pass(Duration::from_secs(1)).await;
        let mail = json!({"from": other, "to": BRAND, "subject": "Re: Rates for a collab", "text": "And I?",
            "threadId": talk.thread().await});
        talk.deliver(mail).await;
        talk.sync().await;
        let conversation = format!("/conversations/{id}/");
        assert_eq!(talk.get(&conversation).await["message_count"], 1);
        good(&talk.house.delete(&conversation, &talk.anna()).await);
        talk.pass(HELD).await;
        talk.pass(HALF_A_MINUTE).await;
        assert_eq!(talk.outbox().await, [ruled("auto_reply", "held")]);
        talk.pass(2 * HALF_A_MINUTE).await;
        talk.given_to_a_person().await;
        assert!(talk.sent().await.is_empty());
    }
}
