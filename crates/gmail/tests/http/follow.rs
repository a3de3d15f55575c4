//! Follow-ups: when a mail of ours stays unanswered, and what stops them. The tests begin on a Saturday.

use std::time::Duration;

use serde_json::json;
use testkit::google::{BRAND, CREATOR};

use crate::{
    house::good,
    talk::{Talk, field},
};

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

fn ruled(outcome: &str, rule: &str) -> (String, String) {
    (outcome.to_owned(), rule.to_owned())
}

impl Talk {
    /// A person answers what is there, and that is in the mailbox.
    async fn write_first(&self) {
        self.pass(Duration::from_secs(60)).await;
        let made = self.post("/recommended-reply/", json!({"conversation_id": self.conversation})).await;
        self.post(&format!("/recommended-reply/{}/approve/", made["id"]), json!({})).await;
        self.house.app.run_due().await;
        self.sync().await;
        assert_eq!(self.sent().await.len(), 1);
    }

    /// A person writes in Gmail itself.
    async fn writes_to(&self, to: &str, subject: &str) {
        let mail = format!(
            "From: {BRAND}\r\nTo: {to}\r\nSubject: {subject}\r\nMessage-ID: <{subject}@example.com>\r\n\r\nhi"
        );
        let raw = data_encoding::BASE64URL_NOPAD.encode(mail.as_bytes());
        self.house.google.as_owner(BRAND, "POST", "messages/send", json!({"raw": raw})).await;
    }

    /// A conversation with somebody else, whose goal wants a follow-up after three days, as far as its past can be read.
    async fn another(&self, counterpart: &str) -> i64 {
        let id = self.house.converse(&self.anna(), BRAND, counterpart).await;
        let goal = json!({"conversation_id": id, "goal_description": "Agree on a video", "auto_reply": true,
            "follow_up_days": [3]});
        self.post("/goals/", goal).await;
        self.house.app.run_due().await;
        id
    }

    /// A follow-up is about to leave when the counterpart says that they are away until the 25th.
    async fn away_at_the_last_moment(&self) {
        self.goal(json!({"follow_up_days": [3]})).await;
        self.write_first().await;
        while self.outbox().await.len() < 2 {
            self.pass(DAY / 4).await;
        }
        let away = json!({"Auto-Submitted": "auto-replied"});
        self.hears_with("I am out of office until 2028-01-25.", away).await;
        assert_eq!(self.outbox().await[1], ruled("follow_up", "held"));
        self.pass(Duration::from_secs(120)).await;
        assert_eq!((self.sent().await.len(), self.outbox().await[1].1.as_str()), (1, "held"));
    }

    /// What was decided in a conversation.
    async fn decided(&self, conversation: i64) -> Vec<(String, String)> {
        let list = self.get(&format!("/decisions/?conversation_id={conversation}")).await;
        let text = |v: &serde_json::Value| v.as_str().unwrap().to_owned();
        list["results"].as_array().unwrap().iter().map(|d| (text(&d["outcome"]), text(&d["rule"]))).collect()
    }

    /// So many days later, and a little.
    async fn days(&self, days: u32) {
        self.pass(DAY * days).await;
        self.pass(HOUR).await;
        self.sync().await;
    }
}

testkit::both! {
    &testkit::app::migrations();

    /// After three days, and after seven more; then no more.
    async fn followed_up_by_itself(t) {
        let Some(talk) = Talk::new(t).await else { return };
        talk.goal(json!({"follow_up_days": [3, 7]})).await;
        talk.write_first().await;
        talk.pass(2 * DAY).await;
        assert_eq!(talk.sent().await.len(), 1);
        talk.days(1).await;
        assert_eq!(talk.decisions().await, [ruled("sent", "all_passed")]);
        let sent = talk.sent().await;
        assert_eq!((sent.len(), talk.get("/goals/1/").await["follow_ups_sent"].clone()), (2, json!(1)));
        assert!(field(&sent[1], "To").unwrap().contains(CREATOR) && field(&sent[1], "In-Reply-To").is_some());
        assert!(field(&sent[1], "Auto-Submitted").is_some(), "{}", sent[1]);
        assert_eq!(talk.outbox().await[1].0, "follow_up");
        assert!(talk.brain.last().contains("follow-up number 1"));
        talk.pass(6 * DAY).await;
        assert_eq!(talk.sent().await.len(), 2);
        talk.days(2).await;
        assert_eq!(talk.sent().await.len(), 3);
        for _ in 0..5 {
            talk.days(10).await;
        }
        assert_eq!((talk.sent().await.len(), talk.decisions().await.len()), (3, 2));
    }

    /// An answer ends them; the next mail of ours begins anew.
    async fn an_answer_stops_them(t) {
        let Some(talk) = Talk::new(t).await else { return };
        talk.goal(json!({"follow_up_days": [3]})).await;
        talk.write_first().await;
        talk.pass(2 * DAY).await;
        talk.brain.says(json!({"needs_human": "YES"}));
        talk.hears("I will think about it.").await;
        talk.days(5).await;
        assert_eq!(talk.decisions().await, [ruled("waits", "needs_human"), ruled("no", "not_newest")]);
        assert_eq!(talk.sent().await.len(), 1);
    }

    /// An absence that is told of while a follow-up waits to leave puts it off until a day after the return; then it leaves.
    async fn an_absence_at_the_last_moment(t) {
        let Some(talk) = Talk::new(t).await else { return };
        talk.away_at_the_last_moment().await;
        let waits = talk.get("/outbox/?state=held").await["results"][0].clone();
        assert!(waits["waiting_reason"].as_str().is_some_and(|why| why.contains("away")), "{waits}");
        while talk.outbox().await[1].1 == "held" {
            assert!(talk.house.app.now() < "2028-01-27T00:00:00Z".parse().unwrap());
            assert_eq!(talk.sent().await.len(), 1);
            talk.pass(DAY / 4).await;
        }
        assert!(talk.house.app.now() >= "2028-01-26T00:00:00Z".parse().unwrap());
        assert_eq!((talk.sent().await.len(), talk.outbox().await[1].1.as_str()), (2, "sent"));
    }

    /// What could not leave for long after that a person looks at.
    async fn long_after_an_absence(t) {
        let Some(talk) = Talk::new(t).await else { return };
        talk.away_at_the_last_moment().await;
        talk.days(12).await;
        assert_eq!((talk.sent().await.len(), talk.outbox().await[1].1.as_str()), (1, "cancelled"));
        assert_eq!(talk.last_decision().await, ruled("waits", "overdue"));
        assert_eq!(talk.replies("status=waiting").await.len(), 1);
        assert_eq!(talk.was_told("waits for your approval").await, 1);
    }

    /// Whoever is away is not reminded before they are back; an absence is no answer.
    async fn an_absence_puts_them_off(t) {
        let Some(talk) = Talk::new(t).await else { return };
        talk.goal(json!({"follow_up_days": [3]})).await;
        talk.write_first().await;
        talk.hears_with("I am out of office until 2028-01-25.", json!({"Auto-Submitted": "auto-replied"})).await;
        let path = format!("/conversations/{}/", talk.conversation);
        assert!(talk.get(&path).await["away_until"].as_str().unwrap().starts_with("2028-01-25"));
        assert_eq!(talk.decisions().await, [ruled("no", "out_of_office")]);
        talk.days(9).await;
        assert_eq!(talk.decisions().await.len(), 1, "2028-01-24");
        talk.days(2).await;
        assert_eq!(talk.last_decision().await, ruled("sent", "all_passed"));
        talk.pass(HOUR).await;
        assert_eq!(talk.sent().await.len(), 2);
    }

    /// Without automatic replies it is proposed, and counts once it is approved.
    async fn proposed_where_approval_is_asked_for(t) {
        let Some(talk) = Talk::new(t).await else { return };
        let goal = talk.goal(json!({"auto_reply": false, "follow_up_days": [3, 4]})).await;
        talk.write_first().await;
        talk.days(3).await;
        assert_eq!(talk.decisions().await, [ruled("waits", "approval")]);
        let waiting = talk.replies("status=waiting").await;
        assert_eq!((waiting.len(), &waiting[0]["follow_up"]), (1, &json!(1)));
        assert_eq!(waiting[0]["to"], json!([CREATOR]));
        talk.post(&format!("/recommended-reply/{}/approve/", waiting[0]["id"]), json!({})).await;
        talk.house.app.run_due().await;
        assert_eq!(talk.get(&format!("/goals/{goal}/")).await["follow_ups_sent"], 1);
        talk.sync().await;
        assert_eq!(talk.sent().await.len(), 2);
        // That would be a Saturday.
        talk.days(6).await;
        assert_eq!(talk.replies("status=waiting").await[0]["follow_up"], 2);
    }

    /// What would be on a weekend is on Monday; a goal that is changed changes the time; one that is off has none.
    async fn when(t) {
        let Some(talk) = Talk::new(t).await else { return };
        let goal = talk.goal(json!({"follow_up_days": [7]})).await;
        talk.write_first().await;
        // Saturday in a week is Monday after that.
        talk.days(8).await;
        assert!(talk.decisions().await.is_empty());
        let path = format!("/goals/{goal}/");
        good(&talk.house.patch(&path, &talk.anna(), json!({"follow_up_days": [12]})).await);
        talk.days(2).await;
        assert!(talk.decisions().await.is_empty());
        good(&talk.house.patch(&path, &talk.anna(), json!({"follow_up_days": [11]})).await);
        talk.days(1).await;
        assert_eq!(talk.decisions().await, [ruled("sent", "all_passed")]);
        talk.days(5).await;
        assert_eq!((talk.decisions().await.len(), talk.sent().await.len()), (1, 2));
    }

    /// A goal that is set today sends no follow-up whose time was before that: it is proposed.
    async fn late_ones_are_proposed(t) {
        let Some(talk) = Talk::new(t).await else { return };
        talk.write_first().await;
        talk.days(10).await;
        talk.goal(json!({"follow_up_days": [3]})).await;
        talk.days(3).await;
        assert_eq!(talk.decisions().await, [ruled("waits", "overdue")]);
        assert_eq!((talk.replies("status=waiting").await.len(), talk.sent().await.len()), (1, 1));
    }

    /// Nothing follows a mail of the past before all of the past is read: what is still to be read may be the answer.
    async fn only_a_past_that_is_read_is_followed_up(t) {
        let Some(talk) = Talk::new(t).await else { return };
        let (answered, silent) = ("answered@example.org", "silent@example.org");
        talk.writes_to(answered, "A").await;
        talk.writes_to(silent, "B").await;
        talk.pass(HOUR).await;
        let answer = talk.deliver(json!({"from": answered, "subject": "Re: A", "text": "Yes, gladly."})).await;
        talk.days(10).await;
        let in_path = answer.replace('_', "%5F").replace('-', "%2D");
        talk.house.google.fault(json!({"path": format!("messages/{in_path}$"), "status": 500, "times": 2})).await;
        let (answered, silent) = (talk.another(answered).await, talk.another(silent).await);
        let count = |id: i64| {
            let talk = &talk;
            async move { talk.get(&format!("/conversations/{id}/")).await["message_count"].clone() }
        };
        assert_eq!((count(answered).await, count(silent).await), (json!(1), json!(1)));
        assert!(talk.decided(answered).await.is_empty() && talk.decided(silent).await.is_empty());
        for minutes in [2, 5] {
            talk.pass(Duration::from_secs(60 * minutes)).await;
            talk.sync().await;
        }
        assert_eq!(count(answered).await, 2);
        talk.days(4).await;
        assert!(talk.decided(answered).await.is_empty());
        assert_eq!(talk.decided(silent).await, [ruled("waits", "overdue")]);
    }

    /// What turns up of a past that was read is weighed with all else that turns up.
    async fn more_of_the_past(t) {
        let Some(talk) = Talk::new(t).await else { return };
        let other = "other@example.org";
        talk.writes_to(other, "A").await;
        talk.days(10).await;
        // Gmail's search does not know it yet.
        let nothing = json!({"path": "messages$", "query": "other%40", "status": 200, "times": 2,
            "body": {"resultSizeEstimate": 0}});
        talk.house.google.fault(nothing).await;
        let id = talk.another(other).await;
        talk.days(1).await;
        assert_eq!(talk.get(&format!("/conversations/{id}/")).await["message_count"], 1);
        assert_eq!(talk.decided(id).await, [ruled("waits", "overdue")]);
    }

    /// A past that Gmail refuses to search for does not keep what is written from then on from being followed up.
    async fn without_a_past(t) {
        let Some(talk) = Talk::new(t).await else { return };
        let refused = json!({"path": "messages$", "query": "other%40", "status": 400, "reason": "invalidArgument",
            "times": 50});
        talk.house.google.fault(refused).await;
        let id = talk.another("other@example.org").await;
        talk.writes_to("other@example.org", "A").await;
        talk.sync().await;
        let shown = talk.get(&format!("/conversations/{id}/")).await;
        assert_eq!((&shown["backfilled"], &shown["message_count"]), (&json!(false), &json!(1)));
        talk.days(3).await;
        assert_eq!(talk.decided(id).await, [ruled("sent", "all_passed")]);
    }
}
