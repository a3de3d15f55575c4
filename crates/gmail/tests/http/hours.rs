//! The hours in which an account's automatic mails leave. The tests begin on a Saturday.

use std::time::Duration;

use serde_json::{Value, json};
use testkit::google::{BRAND, CREATOR};

use crate::{
    house::{good, refused},
    talk::Talk,
};

const DAY: Duration = Duration::from_secs(86_400);
/// Longer than automatic replies are held.
const HELD: Duration = Duration::from_secs(61);

fn weekdays() -> Value {
    let day = json!([{"from": "09:00", "to": "18:00"}]);
    json!({"zone": "Asia/Shanghai", "mon": day, "tue": day, "wed": day, "thu": day, "fri": day})
}

fn ruled(outcome: &str, rule: &str) -> (String, String) {
    (outcome.to_owned(), rule.to_owned())
}

impl Talk {
    async fn sets_hours(&self, hours: Value) -> Value {
        let answer = self.house.patch("/credentials/1/", &self.anna(), json!({"sending_hours": hours})).await;
        self.house.app.run_due().await;
        good(&answer)["sending_hours"].clone()
    }

    /// Goes on until this much of UTC has come.
    async fn until(&self, time: &str) {
        let time: kernel::Timestamp = time.parse().unwrap();
        self.pass(time.since(self.house.app.now())).await;
    }
}

testkit::both! {
    &testkit::app::migrations();

    /// What is decided at the weekend leaves soon after nine on Monday, where the account is, though that is more than a day.
    async fn at_the_weekend(t) {
        let Some(talk) = Talk::new(t).await else { return };
        let set = talk.sets_hours(weekdays()).await;
        assert_eq!((&set["zone"], &set["mon"][0]["from"], &set["sat"]), (&json!("Asia/Shanghai"), &json!("09:00"), &json!([])));
        assert_eq!(talk.get("/credentials/").await["results"][0]["sending_hours"], set);
        talk.goal(json!({})).await;
        talk.hears("Would March suit you?").await;
        talk.pass(HELD).await;
        assert_eq!((talk.outbox().await, talk.last_decision().await), (vec![ruled("auto_reply", "held")], ruled("sent", "all_passed")));
        let waits = talk.get("/outbox/").await["results"][0].clone();
        assert!(waits["waiting_reason"].as_str().unwrap().contains("hours"), "{waits}");
        let until = waits["waiting_until"].as_str().unwrap();
        assert!(("2028-01-17T01:00:00Z".."2028-01-17T01:30:00Z").contains(&until), "{until}");
        talk.until("2028-01-17T00:59:59Z").await;
        assert!(talk.sent().await.is_empty());
        talk.until("2028-01-17T01:30:00Z").await;
        talk.sync().await;
        assert_eq!((talk.sent().await.len(), talk.outbox().await), (1, vec![ruled("auto_reply", "sent")]));
    }

    /// Within the hours nothing waits, and what people ask for never does.
    async fn what_does_not_wait(t) {
        let Some(talk) = Talk::new(t).await else { return };
        talk.sets_hours(weekdays()).await;
        let mail = json!({"email": BRAND, "to": "li@example.cn", "subject": "On a Saturday", "body": "By hand."});
        good(&talk.house.mail(&talk.anna(), mail).await);
        assert_eq!(talk.sent().await.len(), 1);
        talk.until("2028-01-17T02:00:00Z").await;
        talk.sync().await;
        talk.goal(json!({})).await;
        talk.hears("Would March suit you?").await;
        talk.pass(HELD).await;
        assert_eq!(talk.sent().await.len(), 2);
    }

    /// Whatever comes meanwhile takes back what waits; the answer to that leaves.
    async fn what_comes_meanwhile(t) {
        let Some(talk) = Talk::new(t).await else { return };
        talk.sets_hours(weekdays()).await;
        talk.goal(json!({})).await;
        talk.hears("Would March suit you?").await;
        talk.pass(HELD).await;
        talk.pass(DAY).await;
        talk.hears("Or rather April?").await;
        assert_eq!(talk.outbox().await[0], ruled("auto_reply", "cancelled"));
        talk.until("2028-01-17T01:30:00Z").await;
        talk.sync().await;
        assert_eq!(talk.outbox().await[1], ruled("auto_reply", "sent"));
        assert_eq!(talk.sent().await.len(), 1);
    }

    /// Other hours count for what waits already, and none let it go, though it waited for more than a day.
    async fn hours_that_change(t) {
        let Some(talk) = Talk::new(t).await else { return };
        talk.goal(json!({})).await;
        talk.hears("Would March suit you?").await;
        talk.sets_hours(weekdays()).await;
        talk.pass(HELD).await;
        talk.pass(DAY).await;
        talk.sync().await;
        assert_eq!(talk.outbox().await, [ruled("auto_reply", "held")]);
        assert_eq!(talk.sets_hours(Value::Null).await, Value::Null);
        assert_eq!((talk.outbox().await, talk.sent().await.len()), (vec![ruled("auto_reply", "sent")], 1));
    }

    /// What was written over the weekend leaves no faster than what is written in an hour.
    async fn not_all_at_once(t) {
        let Some(talk) = Talk::with(t, |settings| settings.gmail.replies.per_hour = 1).await else { return };
        talk.sets_hours(weekdays()).await;
        talk.goal(json!({})).await;
        let other = talk.house.converse(&talk.anna(), BRAND, "other@example.org").await;
        talk.post("/goals/", json!({"conversation_id": other, "goal_description": "Agree on a post", "auto_reply": true})).await;
        talk.house.app.run_due().await;
        talk.hears("Would March suit you?").await;
        talk.pass(DAY / 6).await;
        talk.deliver(json!({"from": "other@example.org", "to": BRAND, "subject": "A post", "text": "Tell me more?"})).await;
        talk.sync().await;
        talk.pass(HELD).await;
        assert_eq!(talk.outbox().await.len(), 2);
        talk.until("2028-01-17T01:30:00Z").await;
        talk.sync().await;
        assert_eq!(talk.sent().await.len(), 1);
        talk.until("2028-01-17T02:30:00Z").await;
        talk.sync().await;
        assert_eq!((talk.sent().await.len(), talk.outbox().await.iter().all(|mail| mail.1 == "sent")), (2, true));
    }

    /// A holiday of more than a week is no delay of a follow-up; a person's mail in it needs none.
    async fn a_follow_up_in_a_holiday(t) {
        let Some(talk) = Talk::new(t).await else { return };
        talk.goal(json!({"follow_up_days": [3]})).await;
        let mail = json!({"email": BRAND, "to": CREATOR, "subject": "Hello", "body": "Shall we?",
            "conversation_id": talk.conversation});
        good(&talk.house.mail(&talk.anna(), mail).await);
        talk.sync().await;
        let mut hours = weekdays();
        hours["holidays"] = (17..=26).map(|day| json!(format!("2028-01-{day}"))).collect();
        talk.sets_hours(hours).await;
        for _ in 0..10 {
            talk.pass(DAY).await;
            talk.sync().await;
        }
        assert_eq!((talk.last_decision().await, talk.sent().await.len()), (ruled("sent", "all_passed"), 1));
        talk.until("2028-01-27T01:30:00Z").await;
        talk.sync().await;
        assert_eq!((talk.sent().await.len(), talk.last_decision().await), (2, ruled("sent", "all_passed")));
    }

    /// Each bad field is named, and hours that never come are refused.
    async fn bad_hours(t) {
        let Some(talk) = Talk::new(t).await else { return };
        let set = async |hours: Value| {
            talk.house.patch("/credentials/1/", &talk.anna(), json!({"sending_hours": hours})).await
        };
        refused(&set(json!("always")).await, 400, &["sending_hours"]);
        refused(&set(json!({"zone": "Asia/Shanghai"})).await, 422, &["sending_hours"]);
        refused(&set(json!({"mon": [{"from": "09:00", "to": "18:00"}]})).await, 400, &["sending_hours.zone"]);
        let bad = json!({"zone": "Asia/Atlantis", "mon": [{"from": "9", "to": "18:00"}], "holidays": ["2028-02-30"]});
        let fields = ["sending_hours.zone", "sending_hours.mon[0].from", "sending_hours.holidays[0]"];
        let answer = set(bad).await;
        assert_eq!(answer.status, 422, "{}", answer.body);
        for field in fields {
            assert!(answer.body["errors"][field].is_string(), "{field}: {}", answer.body);
        }
        assert_eq!(talk.get("/credentials/").await["results"][0]["sending_hours"], Value::Null);
    }
}
