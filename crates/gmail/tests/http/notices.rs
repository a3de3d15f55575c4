//! What the owner of an account is told by mail.

use std::time::Duration;

use axum::http::Method;
use serde_json::json;
use testkit::{app::settings::Settings, google::BRAND};

use crate::{
    house::good,
    post_office::{LI, mail_to_li, office, office_with},
    talk::{Talk, field},
};

impl Talk {
    /// The subjects of the notices that anna got.
    async fn told(&self) -> Vec<String> {
        self.house.app.run_due().await;
        self.house.app.mails_to(&self.anna().email).into_iter().map(|mail| mail.subject).collect()
    }

    /// Whether one of them says this.
    pub async fn was_told(&self, what: &str) -> usize {
        self.told().await.iter().filter(|subject| subject.contains(what)).count()
    }
}

testkit::both! {
    &testkit::app::migrations();

    /// Of the first proposal of a conversation that waits, and of no later one.
    async fn a_proposal_waits(t) {
        let Some(talk) = Talk::new(t).await else { return };
        talk.goal(json!({})).await;
        talk.hears("Would March suit you?").await;
        assert_eq!(talk.was_told("waits for your approval").await, 0);
        talk.brain.says(json!({"needs_human": "YES"}));
        talk.hears("And what about April?").await;
        assert_eq!(talk.was_told("waits for your approval").await, 1);
        talk.hears("Or May?").await;
        assert_eq!(talk.last_decision().await.0, "waits");
        assert_eq!(talk.was_told("waits for your approval").await, 1);
        // They are found by what came of them.
        for (query, count) in [("outcome=waits", 2), ("rule=needs_human", 2), ("outcome=sent&rule=needs_human", 0)] {
            assert_eq!(talk.get(&format!("/decisions/?{query}")).await["count"], count, "{query}");
        }
        let bad = talk.house.get("/decisions/?outcome=maybe", &talk.anna()).await;
        crate::house::refused(&bad, 400, &["outcome"]);
    }

    /// What was answered with 202 has nobody who waits for it, be it held for ten seconds or kept by Gmail for one.
    async fn a_mail_fails_soon(t) {
        let Some((house, anna)) = office(t).await else { return };
        let refuse = || house.google.fault(json!({"path": "/messages/send", "status": 403, "reason": "domainPolicy", "times": 1}));
        let failures = || house.app.mails_to(&anna.email).iter().filter(|mail| mail.subject.contains("was not sent")).count();
        let held = house.hold(&anna, mail_to_li(json!({"hold_seconds": 10}))).await;
        refuse().await;
        house.pass(Duration::from_secs(11)).await;
        house.app.run_due().await;
        assert_eq!(house.out(&anna, &held.body["outbox_id"]).await["state"], "failed");
        house.app.run_due().await;
        assert_eq!(failures(), 1);
        house.pass(Duration::from_secs(3600)).await;
        let busy = json!({"path": "/messages/send", "status": 429, "reason": "rateLimitExceeded", "times": 1});
        house.google.fault(busy).await;
        let kept = house.mail(&anna, mail_to_li(json!({"subject": "Again"}))).await;
        assert_eq!((kept.status.as_u16(), &kept.body["status"]), (202, &json!("held")));
        refuse().await;
        let until = house.tried_at(&anna, &kept.body["outbox_id"]).await;
        house.pass(until.since(house.app.now())).await;
        house.app.run_due().await;
        assert_eq!(house.out(&anna, &kept.body["outbox_id"]).await["state"], "failed");
        house.app.run_due().await;
        assert_eq!(failures(), 2);
        // Nor has what is tried again.
        house.pass(Duration::from_secs(3600)).await;
        refuse().await;
        let failed = house.mail(&anna, mail_to_li(json!({"subject": "Once more"}))).await;
        house.app.run_due().await;
        assert_eq!((failed.status.as_u16(), failures()), (403, 2));
        let id = failed.body["message"].as_str().unwrap().split_whitespace().nth(2).unwrap().to_owned();
        refuse().await;
        good(&house.post(&format!("/outbox/{id}/retry/"), &anna, json!({})).await);
        house.app.run_due().await;
        house.app.run_due().await;
        assert_eq!(failures(), 3);
    }

    /// Of what waits to go to somebody who wants no more; not where its sender said so themselves.
    async fn a_reader_wants_no_more(t) {
        let Some((house, anna)) = office(t).await else { return };
        let failures = || house.app.mails_to(&anna.email).iter().filter(|mail| mail.subject.contains("was not sent")).count();
        let hold = |to: &'static str| house.hold(&anna, mail_to_li(json!({"hold_seconds": 7200, "to": to})));
        let manual = hold("han@example.cn").await;
        good(&house.post("/suppressions/", &anna, json!({"email": "han@example.cn"})).await);
        assert_eq!(house.out(&anna, &manual.body["outbox_id"]).await["state"], "failed");
        house.app.run_due().await;
        assert_eq!(failures(), 0);
        good(&house.mail(&anna, mail_to_li(json!({}))).await);
        house.app.run_due().await;
        let held = [hold(LI).await, hold(LI).await];
        let no_more = json!({"from": LI, "subject": "Your offer", "text": "Please remove me from your list.",
            "labelIds": ["INBOX"]});
        house.google.deliver(BRAND, no_more).await;
        assert_eq!(house.post("/credentials/1/sync/", &anna, json!({})).await.status, 202);
        house.app.run_due().await;
        for held in &held {
            assert_eq!(house.out(&anna, &held.body["outbox_id"]).await["state"], "failed");
        }
        house.app.run_due().await;
        assert_eq!(failures(), 1, "within the hour");
        let told = house.app.mails_to(&anna.email).into_iter().any(|mail| mail.text.contains("wants no more mail since"));
        assert!(told);
    }

    /// Of many conversations in which something waits within the hour, one is told of.
    async fn many_proposals_wait(t) {
        let Some(talk) = Talk::new(t).await else { return };
        let others = ["one@example.org", "two@example.org", "three@example.org"];
        for other in others {
            let body = json!({"user_email": BRAND, "influencer_email": other});
            let made = talk.post("/conversations/", body).await;
            talk.post("/goals/", json!({"conversation_id": made["conversation_id"], "goal_description": "Agree"})).await;
        }
        talk.house.app.run_due().await;
        let writes = |other: &'static str| talk.deliver(json!({"from": other, "subject": "Rates", "text": "How much?"}));
        talk.pass(Duration::from_secs(60)).await;
        for other in &others[..2] {
            writes(other).await;
        }
        talk.sync().await;
        assert_eq!(talk.get("/decisions/?outcome=waits").await["count"], 2);
        assert_eq!(talk.was_told("waits for your approval").await, 1);
        talk.pass(Duration::from_secs(3600)).await;
        writes(others[2]).await;
        talk.sync().await;
        assert_eq!(talk.get("/decisions/?outcome=waits").await["count"], 3);
        assert_eq!(talk.was_told("waits for your approval").await, 2);
    }

    /// What the assistant wrote, and links that others chose, are not in it: they are with the decisions.
    async fn in_our_own_words(t) {
        let Some(talk) = Talk::new(t).await else { return };
        talk.goal(json!({})).await;
        talk.brain.says(json!({"needs_human": "YES", "reason": "Pay at https://evil.example/pay today"}));
        talk.hears("Pay today?").await;
        assert_eq!(talk.last_decision().await, ("waits".to_owned(), "needs_human".to_owned()));
        assert_eq!(talk.was_told("waits for your approval").await, 1);
        let told = talk.house.app.mails_to(&talk.anna().email);
        assert!(told.iter().all(|mail| !mail.text.contains("evil.example")));
        assert!(told.iter().any(|mail| mail.text.contains("asks for a person") && mail.text.contains("由您处理")));
        let decided = talk.get("/decisions/?rule=needs_human").await;
        assert!(decided["results"][0]["reason"].as_str().unwrap().contains("evil.example"), "{decided}");
    }

    /// Where addresses are to be verified, only to one that is: anybody may register with anybody's.
    async fn to_verified_addresses_alone(t) {
        let verify = |settings: &mut Settings| settings.verify_email = true;
        let Some((house, anna)) = office_with(t, verify).await else { return };
        let fail = |subject: &'static str| {
            let (house, anna) = (&house, &anna);
            async move {
                let mail = mail_to_li(json!({"hold_seconds": 60, "subject": subject}));
                let held = house.hold(anna, mail).await;
                let refused = json!({"path": "/messages/send", "status": 403, "reason": "domainPolicy", "times": 1});
                house.google.fault(refused).await;
                house.pass(Duration::from_secs(3600)).await;
                house.app.run_due().await;
                assert_eq!(house.out(anna, &held.body["outbox_id"]).await["state"], "failed");
                house.app.run_due().await;
                house.app.mails_to(&anna.email)
            }
        };
        let [confirm] = fail("Before").await.try_into().unwrap();
        let token = json!({"token": confirm.token()});
        let verified = house.app.call(Method::POST, "/auth/verify-email", None, Some(token)).await;
        assert_eq!(verified.status, 200, "{}", verified.body);
        let mails = fail("After").await;
        assert!(mails.len() == 2 && mails.iter().any(|mail| mail.text.contains("After")));
    }

    /// When the mail has left that reaches it.
    async fn a_goal_is_reached(t) {
        let Some(talk) = Talk::new(t).await else { return };
        talk.goal(json!({})).await;
        talk.brain.says(json!({"goal_progress": "REACHED"}));
        talk.hears("Agreed, March it is!").await;
        assert_eq!(talk.was_told("A goal is reached").await, 0);
        talk.pass(Duration::from_secs(61)).await;
        assert_eq!(talk.get("/goals/1/").await["progress"], "reached");
        assert_eq!(talk.was_told("A goal is reached").await, 1);
        // Opened again, it may be reached again.
        good(&talk.house.patch("/goals/1/", &talk.anna(), json!({"progress": "open"})).await);
        talk.pass(Duration::from_secs(3600)).await;
        talk.hears("And April is fine as well!").await;
        talk.pass(Duration::from_secs(61)).await;
        assert_eq!(talk.get("/goals/1/").await["progress"], "reached");
        assert_eq!(talk.was_told("A goal is reached").await, 2);
    }

    /// Of what fails later; who waits for the answer of the call has it there.
    async fn a_mail_fails(t) {
        let Some((house, anna)) = office(t).await else { return };
        let refuse = || house.google.fault(json!({"path": "/messages/send", "status": 403, "reason": "domainPolicy", "times": 1}));
        let failures = || house.app.mails_to(&anna.email).iter().filter(|mail| mail.subject.contains("was not sent")).count();
        refuse().await;
        assert_eq!(house.mail(&anna, mail_to_li(json!({}))).await.status, 403);
        house.app.run_due().await;
        assert_eq!(failures(), 0);
        for n in 0..2 {
            let held = house.hold(&anna, mail_to_li(json!({"hold_seconds": 60, "subject": format!("Later {n}")}))).await;
            refuse().await;
            house.pass(Duration::from_secs(61)).await;
            house.app.run_due().await;
            assert_eq!(house.out(&anna, &held.body["outbox_id"]).await["state"], "failed");
        }
        house.app.run_due().await;
        assert_eq!(failures(), 1, "within the hour");
    }

    /// A reminder says below how to refuse more.
    async fn a_way_out_that_is_seen(t) {
        let Some(talk) = Talk::new(t).await else { return };
        talk.goal(json!({"follow_up_days": [3]})).await;
        talk.pass(Duration::from_secs(60)).await;
        let made = talk.post("/recommended-reply/", json!({"conversation_id": talk.conversation})).await;
        good(&talk.house.post(&format!("/recommended-reply/{}/approve/", made["id"]), &talk.anna(), json!({})).await);
        talk.house.app.run_due().await;
        talk.sync().await;
        talk.pass(kernel::time::days(3) + Duration::from_secs(3700)).await;
        talk.pass(Duration::from_secs(61)).await;
        let sent = talk.sent().await;
        assert_eq!(sent.len(), 2);
        // An answer to somebody's mail has none.
        assert!(field(&sent[0], "List-Unsubscribe").is_none() && !crate::post_office::read(&sent[0]).text.contains("No more mails"));
        assert!(field(&sent[1], "List-Unsubscribe").is_some());
        let seen = crate::post_office::read(&sent[1]);
        assert!(seen.text.contains("-- \nNo more mails from us?"), "{}", seen.text);
        assert!(sent[1].contains("text/html"));
    }
}
