//! Mail that comes back: on record, told once, and what it means for the address.

use std::sync::Arc;

use serde_json::json;

use crate::{evidence::*, helpers::*};

testkit::both! {
    &[];

    /// A hard bounce is shown to the author, told once however often it comes, and marks the address.
    async fn a_hard_bounce_is_told_once(t) {
        let app = Arc::new(traced(t).await);
        let author = zhangsan(&app).await;
        let mail = sent(&app, &author, "gone@example.net").await;
        let before = evidence(&app, &author, &mail).await;
        assert_eq!((&before["bounces"], &before["deadAddress"]), (&json!([]), &json!(null)));
        let parallel = (0..8).map(|_| {
            let (app, mail) = (Arc::clone(&app), mail.clone());
            tokio::spawn(async move {
                comes_back(&app, &mail, 1, &report("failed", "5.1.1", "gone@example.net")).await;
            })
        });
        for task in parallel.collect::<Vec<_>>() {
            task.await.unwrap();
        }
        app.run_due().await;
        let after = evidence(&app, &author, &mail).await;
        assert_eq!(
            after["bounces"],
            json!([{"kind": "HARD", "status": "5.1.1", "diagnostic": "550 5.1.1 says mx.test",
                "recipientEmail": "gone@example.net", "receivedAt": app.now()}])
        );
        assert_eq!(after["deadAddress"], json!({"status": "5.1.1", "seenAt": app.now()}));
        let told = only_mail(&app, &author.email);
        for what in ["gone@example.net", "550 5.1.1 says mx.test", "写给未来的自己"] {
            assert!(told.text.contains(what), "{}", told.text);
        }
        // The next letter to this address says so before anything is sent.
        let next = app.draft(&author, json!({"recipientType": "SPECIFIC", "recipientEmail": "Gone@example.net"})).await;
        assert_eq!(evidence(&app, &author, &next).await["deadAddress"]["status"], "5.1.1");
        app.clock.advance(90 * DAY);
        assert_eq!(evidence(&app, &author, &next).await["deadAddress"], json!(null));
    }

    /// Delays are on record only; a soft failure is told and marks nothing; then a final one adds no second mail.
    async fn delays_and_soft_failures(t) {
        let app = traced(t).await;
        let author = zhangsan(&app).await;
        let mail = sent(&app, &author, "slow@example.net").await;
        comes_back(&app, &mail, 1, &report("delayed", "4.4.1", "slow@example.net")).await;
        comes_back(&app, &mail, 1, &report("delayed", "4.4.1", "slow@example.net")).await;
        app.run_due().await;
        assert!(app.mails_to(&author.email).is_empty());
        app.clock.advance(DAY);
        comes_back(&app, &mail, 1, &report("failed", "4.4.7", "slow@example.net")).await;
        comes_back(&app, &mail, 1, &report("failed", "5.2.2", "slow@example.net")).await;
        app.run_due().await;
        let seen = evidence(&app, &author, &mail).await;
        let kinds: Vec<_> = seen["bounces"].as_array().unwrap().iter().map(|b| (&b["kind"], &b["status"])).collect();
        assert_eq!(kinds.len(), 3, "{seen}");
        assert_eq!(kinds[0], (&json!("DELAYED"), &json!("4.4.1")));
        assert!(kinds[1..].iter().all(|(kind, _)| **kind == json!("SOFT")));
        assert_eq!(seen["deadAddress"], json!(null));
        assert!(only_mail(&app, &author.email).text.contains("4.4.7"));
    }

    /// Automatic answers, people's answers and references that lead nowhere change nothing; a bounce in a server's
    /// own words counts.
    async fn what_is_no_bounce(t) {
        let app = traced(t).await;
        let author = zhangsan(&app).await;
        let mail = sent(&app, &author, "away@example.net").await;
        comes_back(&app, &mail, 1, "Subject: Out of office\r\nAuto-Submitted: auto-replied\r\n\r\n550 5.1.1\r\n").await;
        comes_back(&app, &mail, 1, "From: a@b.test\r\nSubject: Re: a letter\r\n\r\nThank you\r\n").await;
        comes_back(&app, "mail_00000000000000000000000000", 1, &report("failed", "5.1.1", "x@y.test")).await;
        let draft = app.draft(&author, json!({})).await;
        comes_back(&app, &draft, 1, &report("failed", "5.1.1", "x@y.test")).await;
        app.run_due().await;
        assert_eq!(evidence(&app, &author, &mail).await["bounces"], json!([]));
        assert!(app.mails_to(&author.email).is_empty());
        let qmail = "Subject: failure notice\r\n\r\nHi. This is the qmail-send program at x.\r\n\
                     <away@example.net>:\r\nNo mailbox here by that name. (#5.1.1)\r\n";
        comes_back(&app, &mail, 1, qmail).await;
        assert_eq!(evidence(&app, &author, &mail).await["bounces"][0]["kind"], "HARD");
    }

    /// Whoever has a return address cannot fill the database with it.
    async fn reports_about_one_mail_are_bounded(t) {
        let app = traced(t).await;
        let author = zhangsan(&app).await;
        let mail = sent(&app, &author, "evil@example.net").await;
        for n in 0..40 {
            comes_back(&app, &mail, 1, &report("failed", &format!("5.3.{n}"), "evil@example.net")).await;
        }
        app.run_due().await;
        assert_eq!(evidence(&app, &author, &mail).await["bounces"].as_array().unwrap().len(), 10);
        only_mail(&app, &author.email);
    }
}
