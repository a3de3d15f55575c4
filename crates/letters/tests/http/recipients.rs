//! Another address for a letter: before it is sent, after its mail came back, and not otherwise.

use std::{pin::Pin, sync::Arc};

use serde_json::json;
use testkit::app::{Answer, TestApp, User};

use crate::{evidence::*, helpers::*};

async fn move_to(app: &TestApp, user: &User, mail: &str, to: &str) -> Answer {
    app.put(&format!("/mails/{mail}/recipient"), user, json!({"recipientEmail": to})).await
}

testkit::both! {
    &[];

    /// A pending letter goes to the new address, by inbox and by mail, at its time; the content stays.
    async fn a_pending_letter_goes_elsewhere(t) {
        let app = traced(t).await;
        let author = zhangsan(&app).await;
        let (old, new) = (app.user("old").await, app.user("new").await);
        let mail = app.draft(&author, json!({"recipientType": "SPECIFIC", "recipientEmail": old.email})).await;
        let at = soon(&app);
        app.schedule(&author, &mail, at).await.data();
        let moved = move_to(&app, &author, &mail, "New@Example.com").await;
        assert_eq!(
            *moved.data(),
            json!({"mailId": mail, "recipientEmail": "New@example.com", "status": "PENDING",
                "changedAt": app.now(), "resent": false})
        );
        app.advance_to(at).await;
        assert!(app.list(&old, "type=INBOX").await.is_empty() && app.mails_to(&old.email).is_empty());
        assert_eq!(app.list(&new, "type=INBOX").await, [mail.as_str()]);
        assert!(app.detail(&new, &mail).await["content"].as_str().unwrap().contains("亲爱的"));
        only_mail(&app, "New@example.com");
        let seen = evidence(&app, &author, &mail).await;
        let change = &seen["recipientChanges"][0];
        assert_eq!((&change["oldEmail"], &change["newEmail"], &change["resent"]),
            (&json!("old@example.com"), &json!("New@example.com"), &json!(false)));
    }

    /// A letter that came back moves, is mailed again under an id of its own, and is gone for the old address; and
    /// so once more from there.
    async fn a_letter_that_came_back_is_sent_again(t) {
        let app = traced(t).await;
        let author = zhangsan(&app).await;
        let (old, new) = (app.user("old").await, app.user("new").await);
        let mail = sent(&app, &author, &old.email).await;
        assert_eq!(app.list(&old, "type=INBOX").await, [mail.as_str()]);
        move_to(&app, &author, &mail, &new.email).await.refused(422, &["status"]);
        comes_back(&app, &mail, 1, &report("delayed", "4.4.1", &old.email)).await;
        move_to(&app, &author, &mail, &new.email).await.refused(422, &["status"]);
        comes_back(&app, &mail, 1, &report("failed", "5.1.1", &old.email)).await;
        let moved = move_to(&app, &author, &mail, &new.email).await;
        assert_eq!((&moved.data()["status"], &moved.data()["resent"]), (&json!("DELIVERED"), &json!(true)));
        assert!(app.list(&old, "type=INBOX").await.is_empty());
        app.get(&format!("/mails/{mail}"), &old).await.refused(404, &[]);
        assert_eq!(app.list(&new, "type=INBOX").await, [mail.as_str()]);
        app.run_due().await;
        let (first, second) = (only_mail(&app, &old.email), only_mail(&app, &new.email));
        assert_ne!(header(&first, "Message-ID"), header(&second, "Message-ID"));
        assert_ne!(header(&first, "List-Unsubscribe"), header(&second, "List-Unsubscribe"));
        // A late report about the first mail is no reason to move it from the second address.
        comes_back(&app, &mail, 1, &report("failed", "5.4.4", &old.email)).await;
        move_to(&app, &author, &mail, "third@example.net").await.refused(422, &["status"]);
        comes_back(&app, &mail, 2, &report("failed", "5.2.1", &new.email)).await;
        move_to(&app, &author, &mail, "third@example.net").await.data();
        app.run_due().await;
        only_mail(&app, "third@example.net");
        let seen = evidence(&app, &author, &mail).await;
        let sent_to: Vec<_> = seen["bounces"].as_array().unwrap().iter().map(|b| b["recipientEmail"].clone()).collect();
        assert_eq!(sent_to.iter().filter(|to| **to == json!(new.email)).count(), 1, "{seen}");
        assert_eq!(sent_to.iter().filter(|to| **to == json!(old.email)).count(), 3, "{seen}");
        let emails = seen["deliveries"].as_array().unwrap().iter().filter(|d| d["channel"] == "email");
        assert_eq!(emails.filter(|d| d["state"] == "done").count(), 3);
        // Each mail's failure was told, each once.
        assert_eq!(app.mails_to(&author.email).len(), 2);
    }

    /// What is refused, by name.
    async fn what_cannot_be_moved(t) {
        let app = TestApp::new(t).await;
        let author = zhangsan(&app).await;
        let stranger = app.user("stranger").await;
        let own = app.draft(&author, json!({})).await;
        move_to(&app, &author, &own, "a@example.net").await.refused(422, &["recipientEmail"]);
        let mail = app.draft(&author, json!({"recipientType": "SPECIFIC", "recipientEmail": "a@example.net"})).await;
        move_to(&app, &author, &mail, "b@example.net").await.refused(422, &["status"]);
        let at = soon(&app);
        app.schedule(&author, &mail, at).await.data();
        move_to(&app, &author, &mail, "A@Example.net").await.refused(422, &["recipientEmail"]);
        move_to(&app, &author, &mail, "nobody").await.refused(422, &["recipientEmail"]);
        move_to(&app, &author, &mail, "a@b\r\nRCPT TO:<c@d.test>").await.refused(422, &["recipientEmail"]);
        let path = format!("/mails/{mail}/recipient");
        app.put(&path, &author, json!({})).await.refused(400, &["recipientEmail"]);
        app.put(&path, &author, json!({"recipientEmail": 7})).await.refused(400, &["recipientEmail"]);
        move_to(&app, &stranger, &mail, "b@example.net").await.refused(404, &[]);
        app.clock.set(at - 5 * MINUTE);
        move_to(&app, &author, &mail, "b@example.net").await.refused(422, &["status"]);
        for n in 0..20 {
            app.clock.set(at - HOUR);
            move_to(&app, &author, &mail, &format!("n{n}@example.net")).await.data();
        }
        move_to(&app, &author, &mail, "n20@example.net").await.refused(422, &["recipientEmail"]);
    }

    /// A letter that came back, given four addresses at once: one gets it.
    async fn one_of_four_addresses(t) {
        let app = Arc::new(traced(t).await);
        let author = zhangsan(&app).await;
        let mail = sent(&app, &author, "x@example.net").await;
        comes_back(&app, &mail, 1, &report("failed", "5.1.1", "x@example.net")).await;
        let requests = (0..4).map(|n| -> Pin<Box<dyn Future<Output = Answer> + Send>> {
            let (app, author, mail) = (Arc::clone(&app), author.clone(), mail.clone());
            Box::pin(async move { move_to(&app, &author, &mail, &format!("r{n}@example.net")).await })
        });
        let answers = at_once(requests.collect()).await;
        assert_eq!(answers.iter().filter(|a| a.status == 200).count(), 1, "{answers:?}");
        answers.iter().filter(|a| a.status != 200).for_each(|a| a.refused(422, &["status"]));
        app.run_due().await;
        let now = app.detail(&author, &mail).await["recipient"]["email"].clone();
        let mailed = (0..4).map(|n| format!("r{n}@example.net")).filter(|to| !app.mails_to(to).is_empty());
        assert_eq!(json!(mailed.collect::<Vec<_>>()), json!([now]));
    }

    /// Several addresses at once, and the delivery in between: one of each, and what was answered is what happened.
    async fn one_outcome(t) {
        let app = Arc::new(traced(t).await);
        let author = zhangsan(&app).await;
        app.premium(&author).await;
        for round in 0..6 {
            let mail = app.draft(&author, json!({"recipientType": "SPECIFIC", "recipientEmail": format!("r{round}-x@example.net")})).await;
            let at = soon(&app);
            app.schedule(&author, &mail, at).await.data();
            // The delivery runs while the letter may still be moved, as if this machine's clock were ahead of others'.
            let ids = [format!("{mail}/1/inbox"), format!("{mail}/1/email")];
            let mut tx = app.system.db.begin().await.unwrap();
            for (id, kind) in ids.iter().zip([letters::INBOX, letters::EMAIL]) {
                dispatch::store::expedite(&mut tx, app.now(), kind, std::slice::from_ref(id)).await.unwrap();
            }
            tx.commit().await.unwrap();
            let to = |n: u32| format!("r{round}-{n}@example.net");
            let mut requests: Vec<Pin<Box<dyn Future<Output = Answer> + Send>>> = Vec::new();
            for n in 0..4 {
                let (app, author, mail, to) = (Arc::clone(&app), author.clone(), mail.clone(), to(n));
                requests.push(Box::pin(async move { move_to(&app, &author, &mail, &to).await }));
            }
            let engine = { let app = Arc::clone(&app); tokio::spawn(async move { app.run_due().await }) };
            let answers = at_once(requests).await;
            engine.await.unwrap();
            app.run_due().await;
            let seen = evidence(&app, &author, &mail).await;
            let changes = seen["recipientChanges"].as_array().unwrap();
            assert_eq!(changes.len(), answers.iter().filter(|a| a.status == 200).count());
            let first = format!("r{round}-x@example.net");
            let last = changes.last().map_or(json!(first), |c| c["newEmail"].clone());
            assert_eq!(app.detail(&author, &mail).await["recipient"]["email"], last);
            let all = (0..4).map(to).chain([first]);
            let got: Vec<String> = all.filter(|to| !app.mails_to(to).is_empty()).collect();
            assert_eq!(json!(got), json!([last]), "mailed once, to the address that the letter shows");
        }
    }
}
