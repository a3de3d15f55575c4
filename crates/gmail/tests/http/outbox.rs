//! Mails that wait: taken back, sent at a time, kept within the cap; and what becomes of one whose process ends.

use std::time::Duration;

use db::{args, sql};
use futures_util::future::{join, join_all};
use serde_json::{Value, json};
use testkit::{app::shape, google::BRAND};

use crate::{
    house::{good, refused},
    post_office::{LI, mail_to_li, office, office_with, uploaded},
};

const DAY: Duration = kernel::time::days(1);

testkit::both! {
    &testkit::app::migrations();

    /// Held for a minute: until then it can be taken back, and then it cannot.
    async fn taken_back(t) {
        let Some((house, anna)) = office(t).await else { return };
        let file = uploaded(&house, &anna, "a.txt", b"x").await;
        let held = house.hold(&anna, mail_to_li(json!({"hold_seconds": 60, "attachments": [file], "cc": "Han <h@x.cn>"}))).await;
        assert_eq!((held.status.as_u16(), &held.body["status"]), (202, &json!("held")), "{}", held.body);
        let id = held.body["outbox_id"].as_str().unwrap();
        let out = house.out(&anna, &held.body["outbox_id"]).await;
        shape(&out, &json!({
            "id": "id:gout", "state": "=held", "source": "=person", "conversation_id": null, "from": format!("=Brand Ops <{BRAND}>"),
            "to": [format!("={LI}")], "cc": ["=Han <h@x.cn>"], "bcc": out["bcc"], "subject": "=Hello",
            "attachments": [{"id": "id:gup", "filename": "=a.txt", "size": 1, "mime_type": "=text/plain"}],
            "due_at": "time", "waiting_reason": null, "waiting_until": null, "error": null, "message_id": null,
            "thread_id": null, "rfc_message_id": "string", "sent_at": null, "reply_id": null, "goal_id": null,
            "created_at": "time", "updated_at": "time", "text": "=Hello Li", "html": null, "in_reply_to": null,
            "unsubscribe": true,
        }));
        let ben = house.app.user("ben").await;
        let path = format!("/outbox/{id}/cancel/");
        refused(&house.post(&path, &ben, json!({})).await, 404, &[]);
        refused(&house.get(&format!("/outbox/{id}/"), &ben).await, 404, &[]);
        assert_eq!(good(&house.post(&path, &anna, json!({})).await)["state"], "cancelled");
        refused(&house.post(&path, &anna, json!({})).await, 409, &["state"]);
        house.pass(Duration::from_secs(1)).await;
        let other = house.hold(&anna, mail_to_li(json!({"hold_seconds": 60, "subject": "other"}))).await;
        house.pass(Duration::from_secs(61)).await;
        house.app.run_due().await;
        assert_eq!(house.sent_raw().await.len(), 1);
        let path = format!("/outbox/{}/cancel/", other.body["outbox_id"].as_str().unwrap());
        refused(&house.post(&path, &anna, json!({})).await, 409, &["state"]);
        let list = house.get("/outbox/?page_size=1&page=2", &anna).await;
        assert_eq!((&good(&list)["count"], &list.body["results"][0]["id"]), (&json!(2), &json!(id)));
        assert_eq!(good(&house.get("/outbox/?state=cancelled", &anna).await)["count"], 1);
        refused(&house.get("/outbox/?state=lost&page=0", &anna).await, 400, &["page", "state"]);
        assert_eq!(good(&house.get("/outbox/", &ben).await)["count"], 0);
    }

    /// Taking back races with leaving, ten times: what was taken back never left, what left was not taken back.
    async fn undo_races(t) {
        let Some((house, anna)) = office(t).await else { return };
        let mut kept = 0;
        for n in 0..10 {
            let mail = mail_to_li(json!({"hold_seconds": 5, "subject": format!("race {n}")}));
            let id = house.hold(&anna, mail).await.body["outbox_id"].as_str().unwrap().to_owned();
            house.pass(Duration::from_secs(5)).await;
            let path = format!("/outbox/{id}/cancel/");
            let cancel = house.post(&path, &anna, json!({}));
            let (answer, _) = if n % 2 == 0 {
                join(cancel, house.app.run_due()).await
            } else {
                let (ran, answer) = join(house.app.run_due(), cancel).await;
                (answer, ran)
            };
            house.app.run_due().await;
            let state = house.out(&anna, &json!(id)).await["state"].clone();
            match answer.status.as_u16() {
                200 => assert_eq!(state, "cancelled"),
                409 => {
                    kept += 1;
                    assert_eq!(state, "sent");
                }
                other => panic!("{other}: {}", answer.body),
            }
        }
        assert_eq!(house.sent_raw().await.len(), kept);
    }

    /// At a time in half a year: not before.
    async fn at_a_time(t) {
        let Some((house, anna)) = office(t).await else { return };
        let at = house.app.now() + DAY * 180;
        let held = house.hold(&anna, mail_to_li(json!({"send_at": at}))).await;
        assert_eq!((held.status.as_u16(), &held.body["due_at"]), (202, &json!(at)), "{}", held.body);
        house.pass(DAY * 180 - Duration::from_secs(1)).await;
        house.app.run_due().await;
        assert!(house.sent_raw().await.is_empty());
        house.pass(Duration::from_secs(1)).await;
        house.app.run_due().await;
        house.only_sent().await;
        refused(&house.hold(&anna, mail_to_li(json!({"send_at": at, "hold_seconds": 1}))).await, 401, &[]);
        let anna = house.app.login(&anna).await;
        refused(&house.hold(&anna, mail_to_li(json!({"send_at": at, "hold_seconds": 1}))).await, 422, &["hold_seconds"]);
    }

    /// The process ends while Gmail is being called: Gmail has the mail, and gets it once.
    async fn killed_while_sending(t) {
        let Some((house, anna)) = office(t).await else { return };
        let held = house.hold(&anna, mail_to_li(json!({"hold_seconds": 1}))).await;
        house.pass(Duration::from_secs(1)).await;
        house.google.fault(json!({"path": "/messages/send", "delayMs": 700, "times": 1})).await;
        let killed = house.sender();
        let ended = tokio::time::timeout(Duration::from_millis(400), killed.run_due()).await;
        assert!(ended.is_err(), "it is still being sent");
        drop(killed);
        let id = &held.body["outbox_id"];
        assert_eq!(house.out(&anna, id).await["state"], "sending");
        let cancel = format!("/outbox/{}/cancel/", id.as_str().unwrap());
        refused(&house.post(&cancel, &anna, json!({})).await, 409, &["state"]);
        while house.sent_raw().await.is_empty() {}
        house.pass(Duration::from_secs(60)).await;
        house.app.run_due().await;
        assert_eq!(house.out(&anna, id).await["state"], "sent");
        house.pass(Duration::from_secs(3600)).await;
        house.app.run_due().await;
        house.only_sent().await;
        assert_eq!(house.google.log("/messages/send").await.len(), 1);
    }

    /// The process ends after the mail was taken for sending, and before Gmail was called; and after it is on record.
    async fn killed_before_and_after(t) {
        let Some((house, anna)) = office(t).await else { return };
        let held = house.hold(&anna, mail_to_li(json!({"hold_seconds": 1}))).await;
        house.pass(Duration::from_secs(1)).await;
        // As it is then: counted and in `sending`, its dispatch under a lease that runs out.
        let mut tx = house.app.system.db.begin().await.unwrap();
        tx.exec(
            sql!("UPDATE gmail_outbox SET state = 'sending', attempted_at = $1, counted_at = $1, sends = 1"),
            args![house.app.now()],
        )
        .await
        .unwrap();
        tx.commit().await.unwrap();
        let id = &held.body["outbox_id"];
        house.app.run_due().await;
        assert_eq!(house.out(&anna, id).await["state"], "unknown");
        // Whoever had it may still be calling Gmail.
        let looked = house.tried_at(&anna, id).await;
        assert_eq!(looked.since(house.app.now()), Duration::from_secs(270));
        house.pass(Duration::from_secs(270)).await;
        house.google.fault(json!({"path": "/messages/msg", "delayMs": 700, "times": 1})).await;
        let killed = house.sender();
        let ended = tokio::time::timeout(Duration::from_millis(500), killed.run_due()).await;
        assert!(ended.is_err(), "its Message-ID is being read");
        drop(killed);
        assert_eq!(house.out(&anna, id).await["state"], "sent");
        house.pass(Duration::from_secs(60)).await;
        house.app.run_due().await;
        let out = house.out(&anna, id).await;
        let raw = house.only_sent().await;
        assert!(raw.contains(out["rfc_message_id"].as_str().unwrap()), "{out}");
    }

    /// New accounts begin with few mails a day and may send twice as many each day; what is over it waits until there is room.
    async fn warm_up(t) {
        let Some((house, anna)) = office_with(t, |s| (s.gmail.send.warm_up, s.gmail.send.daily_cap) = (2, 7)).await else {
            return;
        };
        let begin = house.app.now();
        for n in 0..20 {
            house.hold(&anna, mail_to_li(json!({"hold_seconds": 1, "subject": format!("mail {n}")}))).await;
        }
        house.pass(Duration::from_secs(1)).await;
        house.app.run_due().await;
        assert_eq!(house.sent_raw().await.len(), 2);
        let waiting = house.get("/outbox/?state=held", &anna).await;
        let first = &good(&waiting)["results"][0];
        assert!(waiting.body["count"] == 18 && first["waiting_reason"].as_str().unwrap().contains("2 mails"), "{first}");
        assert_eq!(first["waiting_until"], json!(begin + DAY));
        let account = house.get("/credentials/", &anna).await.body["results"][0].clone();
        assert_eq!((&account["sends_today"], &account["cap"]), (&json!(2), &json!(2)), "{account}");
        // One more is told so at once.
        let more = house.mail(&anna, mail_to_li(json!({"subject": "more"}))).await;
        assert_eq!((more.status.as_u16(), &more.body["status"]), (202, &json!("held")), "{}", more.body);
        let mut sent = vec![2];
        for day in 1..6 {
            // A second after the day's end, what left a day ago counts no more.
            let at = begin + DAY * day + Duration::from_secs(2 * u64::from(day));
            house.app.clock.set(at);
            house.google.set_now(at).await;
            house.app.run_due().await;
            sent.push(house.sent_raw().await.len() - sent.iter().sum::<usize>());
        }
        assert_eq!(sent, [2, 4, 7, 7, 1, 0]);
    }

    /// Its owner sets fewer; a higher cap lets go what waits.
    async fn an_owners_cap(t) {
        let Some((house, anna)) = office(t).await else { return };
        let cap = |cap: Value| json!({"daily_cap": cap});
        let set = house.patch("/credentials/1/", &anna, cap(json!(1))).await;
        assert_eq!((&good(&set)["daily_cap"], &set.body["cap"]), (&json!(1), &json!(1)));
        for bad in [json!(0), json!(401)] {
            refused(&house.patch("/credentials/1/", &anna, cap(bad)).await, 422, &["daily_cap"]);
        }
        refused(&house.patch("/credentials/1/", &anna, json!({"auto_reply": "maybe"})).await, 400, &["auto_reply"]);
        let ben = house.app.user("ben").await;
        refused(&house.patch("/credentials/1/", &ben, cap(json!(2))).await, 404, &[]);
        good(&house.mail(&anna, mail_to_li(json!({}))).await);
        let over = house.mail(&anna, mail_to_li(json!({"subject": "over"}))).await;
        assert_eq!(over.status, 202, "{}", over.body);
        let set = house.patch("/credentials/1/", &anna, json!({"auto_reply": "dry_run"})).await;
        assert_eq!((&good(&set)["auto_reply"], &set.body["daily_cap"]), (&json!("dry_run"), &json!(1)));
        house.app.run_due().await;
        assert_eq!(house.out(&anna, &over.body["outbox_id"]).await["state"], "held");
        good(&house.patch("/credentials/1/", &anna, cap(Value::Null)).await);
        house.app.run_due().await;
        assert_eq!(house.out(&anna, &over.body["outbox_id"]).await["state"], "sent");
    }

    /// Two processes and eight mails at once: the cap is exact.
    async fn the_cap_is_exact(t) {
        let Some((house, anna)) = office_with(t, |s| s.gmail.send.daily_cap = 5).await else { return };
        join_all((0..8).map(|n| house.hold(&anna, mail_to_li(json!({"hold_seconds": 1, "subject": n.to_string()}))))).await;
        house.pass(Duration::from_secs(1)).await;
        let (one, other) = (house.sender(), house.sender());
        let (a, b) = join(one.run_due(), other.run_due()).await;
        a.unwrap();
        b.unwrap();
        assert_eq!(house.sent_raw().await.len(), 5);
        assert_eq!(good(&house.get("/outbox/?state=held", &anna).await)["count"], 3);
        // Nobody looks again before there is room; then all three leave.
        house.pass(DAY - Duration::from_secs(1)).await;
        let tried = house.sender().run_due().await.unwrap();
        assert_eq!((tried, house.sent_raw().await.len()), (0, 5));
        house.pass(Duration::from_secs(1)).await;
        let tried = house.sender().run_due().await.unwrap();
        assert_eq!((tried, house.sent_raw().await.len()), (3, 8));
    }

    /// A disconnected account's mails go with it.
    async fn disconnected(t) {
        let Some((house, anna)) = office(t).await else { return };
        house.hold(&anna, mail_to_li(json!({"hold_seconds": 60}))).await;
        good(&house.delete("/credentials/1/", &anna).await);
        house.pass(Duration::from_secs(61)).await;
        house.app.run_due().await;
        assert!(house.sent_raw().await.is_empty());
        assert_eq!(good(&house.get("/outbox/", &anna).await)["count"], 0);
    }
}
