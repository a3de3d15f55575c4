//! Who gets no mail gets none.

use std::time::Duration;

use serde_json::json;
use testkit::{app::shape, google::BRAND};

use crate::{
    house::{good, refused},
    post_office::{LI, mail_to_li, office},
};

testkit::both! {
    &testkit::app::migrations();

    /// Entered, listed, removed: by and for one user.
    async fn the_list(t) {
        let Some((house, anna)) = office(t).await else { return };
        let ben = house.app.user("ben").await;
        let entry = json!({"email": "Li <Li.Lei@Gmail.com>", "detail": "by phone"});
        let made = house.post("/suppressions/", &anna, entry.clone()).await;
        shape(good(&made), &json!({
            "id": 1, "email": "=Li.Lei@gmail.com", "reason": "=manual", "detail": "=by phone", "created_at": "time",
        }));
        // The same mailbox in another spelling is the same entry.
        let again = house.post("/suppressions/", &anna, json!({"email": "lilei+x@googlemail.com"})).await;
        assert_eq!(good(&again), &made.body);
        for bad in [json!({}), json!({"email": 1})] {
            refused(&house.post("/suppressions/", &anna, bad).await, 400, &["email"]);
        }
        for bad in ["nobody", "a@b.cn, c@d.cn", " "] {
            refused(&house.post("/suppressions/", &anna, json!({"email": bad})).await, 422, &["email"]);
        }
        assert_eq!(good(&house.get("/suppressions/", &anna).await)["count"], 1);
        assert_eq!(good(&house.get("/suppressions/?reason=bounce", &anna).await)["count"], 0);
        assert_eq!(good(&house.get("/suppressions/", &ben).await)["count"], 0);
        refused(&house.delete("/suppressions/1/", &ben).await, 404, &[]);
        good(&house.delete("/suppressions/1/", &anna).await);
        refused(&house.delete("/suppressions/1/", &anna).await, 404, &[]);
        assert_eq!(good(&house.post("/suppressions/", &anna, entry).await)["id"], 2);
    }

    /// Refused by the field and with the reason, in any field and spelling, until the entry is removed.
    async fn nothing_is_sent_to_them(t) {
        let Some((house, anna)) = office(t).await else { return };
        good(&house.post("/suppressions/", &anna, json!({"email": "li@example.cn"})).await);
        for (fields, named) in [
            (json!({"to": "LI+a@example.cn"}), vec!["to"]),
            (json!({"to": "han@example.cn", "cc": "li@example.cn", "bcc": "x@x.cn, li+1@example.cn"}), vec!["bcc", "cc"]),
        ] {
            let answer = house.hold(&anna, mail_to_li(fields)).await;
            refused(&answer, 422, &named);
            let why = answer.body["errors"][named[0]].as_str().unwrap();
            assert!(why.contains("suppression list since 2028-01-15"), "{why}");
        }
        good(&house.delete("/suppressions/1/", &anna).await);
        good(&house.mail(&anna, mail_to_li(json!({}))).await);
    }

    /// What waits when the entry is made is not sent, and says why; nor can it be tried again before the entry goes.
    async fn what_waits(t) {
        let Some((house, anna)) = office(t).await else { return };
        let held = house.hold(&anna, mail_to_li(json!({"hold_seconds": 60, "to": "han@example.cn", "bcc": LI}))).await;
        let other = house.hold(&anna, mail_to_li(json!({"hold_seconds": 60, "to": "han@example.cn"}))).await;
        let ben = house.app.user("ben").await;
        good(&house.post("/suppressions/", &ben, json!({"email": "han@example.cn"})).await);
        good(&house.post("/suppressions/", &anna, json!({"email": LI})).await);
        let out = house.out(&anna, &held.body["outbox_id"]).await;
        assert!(out["state"] == "failed" && out["error"].as_str().unwrap().contains(LI), "{out}");
        let retry = format!("/outbox/{}/retry/", held.body["outbox_id"].as_str().unwrap());
        refused(&house.post(&retry, &anna, json!({})).await, 422, &["to"]);
        refused(&house.post(&retry, &ben, json!({})).await, 404, &[]);
        house.pass(Duration::from_secs(61)).await;
        house.app.run_due().await;
        assert_eq!(house.out(&anna, &other.body["outbox_id"]).await["state"], "sent");
        good(&house.delete("/suppressions/2/", &anna).await);
        good(&house.post(&retry, &anna, json!({})).await);
        house.app.run_due().await;
        assert_eq!(house.out(&anna, &held.body["outbox_id"]).await["state"], "sent");
        assert_eq!(house.sent_raw().await.len(), 2);
    }

    /// Who has no conversation here, and writes in a thread of its own that they want no more, gets no more; who was never
    /// written to and says something else is nobody's concern.
    async fn refused_in_a_new_thread(t) {
        let Some((house, anna)) = office(t).await else { return };
        house.app.run_due().await;
        good(&house.mail(&anna, mail_to_li(json!({}))).await);
        house.app.run_due().await;
        for (from, subject, text) in [
            (LI, "Your offer", "Please remove me from your list."),
            ("button@elsewhere.example", "unsubscribe", ""),
            ("stranger@elsewhere.example", "Your offer", "Please remove me from your list."),
        ] {
            let mail = json!({"from": from, "subject": subject, "text": text, "labelIds": ["INBOX"]});
            house.google.deliver(BRAND, mail).await;
        }
        assert_eq!(house.post("/credentials/1/sync/", &anna, json!({})).await.status, 202);
        house.app.run_due().await;
        let list = house.get("/suppressions/?reason=opt_out", &anna).await;
        let mut emails: Vec<&str> =
            good(&list)["results"].as_array().unwrap().iter().map(|s| s["email"].as_str().unwrap()).collect();
        emails.sort_unstable();
        assert_eq!(emails, ["button@elsewhere.example", LI]);
    }
}
