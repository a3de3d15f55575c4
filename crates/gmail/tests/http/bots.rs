//! Two installations, each with an account that answers by itself and an assistant that always has an answer, write to
//! each other: what ends that.

use std::{sync::Arc, time::Duration};

use serde_json::json;
use testkit::{
    TestDb,
    app::User,
    google::{BRAND, CREATOR},
};

use crate::{
    house::{House, good},
    talk::Talk,
};

const MINUTE: Duration = Duration::from_secs(60);
/// By which a mail says that a machine wrote it.
const MARKS: [&str; 5] = [
    "Auto-Submitted",
    "X-Auto-Response-Suppress",
    "X-Hongyan-Outreach",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
];

/// The other installation: [`CREATOR`]'s.
struct Other {
    house: House,
    ben: User,
}

impl Other {
    async fn new(talk: &Talk) -> Self {
        let db = TestDb::sqlite(&testkit::app::migrations()).await;
        let config = talk.brain.config();
        let google = Arc::clone(&talk.house.google);
        let house = House::at(db, google, |settings| settings.assistant = config).await;
        let ben = house.app.user("ben").await;
        house.connect(&ben, CREATOR).await;
        let body = json!({"user_email": CREATOR, "influencer_email": BRAND});
        good(&house.post("/conversations/", &ben, body).await);
        let goal =
            json!({"conversation_id": 1, "goal_description": "Get paid for a video", "auto_reply": true});
        good(&house.post("/goals/", &ben, goal).await);
        house.app.run_due().await;
        Self { house, ben }
    }

    /// Reads the mailbox, and does what is due at this time.
    async fn follow(&mut self, talk: &Talk) {
        self.house.app.advance_to(talk.house.app.now()).await;
        self.ben = self.house.app.login(&self.ben).await;
        assert_eq!(self.house.post("/credentials/1/sync/", &self.ben, json!({})).await.status, 202);
        self.house.app.run_due().await;
    }

    async fn rules(&self) -> Vec<String> {
        let list = good(&self.house.get("/decisions/", &self.ben).await).clone();
        list["results"].as_array().unwrap().iter().map(|d| d["rule"].as_str().unwrap().to_owned()).collect()
    }
}

/// Both go on for so long, in steps; how many mails each of them sent in all.
async fn go_on(talk: &Talk, other: &mut Other, steps: u32, step: Duration) -> (usize, usize) {
    for _ in 0..steps {
        talk.pass(step).await;
        talk.sync().await;
        other.follow(talk).await;
    }
    (talk.sent().await.len(), talk.house.google.sent(CREATOR).await.len())
}

testkit::both! {
    &testkit::app::migrations();

    /// As they are: the first automatic answer is the last.
    async fn marks_end_it(t) {
        let Some(talk) = Talk::new(t).await else { return };
        let mut other = Other::new(&talk).await;
        talk.goal(json!({})).await;
        talk.hears("Would March suit you?").await;
        assert_eq!(go_on(&talk, &mut other, 20, 11 * MINUTE).await, (1, 0));
        assert_eq!(other.rules().await, ["machine_soft"]);
    }

    /// Where something between them takes the marks away: the caps.
    async fn caps_end_it(t) {
        let Some(talk) = Talk::new(t).await else { return };
        let mut other = Other::new(&talk).await;
        talk.house.google.config(json!({"strip": MARKS})).await;
        talk.goal(json!({})).await;
        talk.hears("Would March suit you?").await;
        // Three in a day to one counterpart.
        assert_eq!(go_on(&talk, &mut other, 40, 11 * MINUTE).await, (3, 3));
        assert!(other.rules().await.contains(&"contact_cap".to_owned()) || talk.last_decision().await.1 == "contact_cap");
        // Nothing begins again by itself when the day is over.
        assert_eq!(go_on(&talk, &mut other, 20, 360 * MINUTE).await, (3, 3));
    }
}
