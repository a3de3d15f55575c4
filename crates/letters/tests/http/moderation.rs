//! Reports by readers, and letters that operators take down and give back.

use axum::http::Method;
use serde_json::json;
use testkit::app::TestApp;

use crate::{evidence::*, helpers::*};

testkit::both! {
    &[];

    /// A public letter is reported, taken down, gone for everybody but its author, who is told; and given back.
    async fn a_public_letter_is_taken_down(t) {
        let app = TestApp::new(t).await;
        let author = zhangsan(&app).await;
        let reader = app.user("reader").await;
        let boss = operator(&app, "boss").await;
        let mail = app.delivered(&author, json!({"recipientType": "PUBLIC", "content": "private things"})).await;
        let (report, path) = (format!("/mails/{mail}/report"), format!("/mails/{mail}"));
        let body = json!({"reason": "PRIVACY", "text": "this is about me"});
        app.post(&report, &reader, body.clone()).await.data();
        app.post(&report, &reader, body.clone()).await.refused(409, &[]);
        app.post(&report, &author, body).await.refused(403, &[]);
        app.post(&report, &reader, json!({"reason": "BORING"})).await.refused(400, &["reason"]);
        open(&app, Method::POST, &report, Some(json!({"reason": "SPAM"}))).await.refused(401, &[]);
        let reports = app.get("/admin/reports", &boss).await;
        let [one] = reports.data()["list"].as_array().unwrap().as_slice() else { panic!("{}", reports.body) };
        testkit::app::shape(one, &json!({"reportId": "id:report", "mailId": format!("={mail}"),
            "title": "=写给未来的自己", "content": "=private things", "senderId": format!("={}", author.id),
            "recipientType": "=PUBLIC", "reason": "=PRIVACY", "text": "=this is about me",
            "reporter": "=r***@example.com", "reportedAt": "time", "closedAt": null, "takenDownAt": null}));
        let down = format!("/admin/mails/{mail}/takedown");
        app.post(&down, &boss, json!({})).await.refused(400, &["reason"]);
        let why = json!({"reason": "It names a person."});
        assert_eq!(*app.post(&down, &boss, why.clone()).await.data(),
            json!({"mailId": mail, "action": "TAKEDOWN", "changed": true}));
        assert_eq!(app.post(&down, &boss, why.clone()).await.data()["changed"], false);
        app.run_due().await;
        assert_eq!(open(&app, Method::GET, "/mails/public", None).await.data()["total"], 0);
        open(&app, Method::GET, &path, None).await.refused(404, &[]);
        app.get(&path, &reader).await.refused(404, &[]);
        app.get(&path, &boss).await.refused(404, &[]);
        app.post(&report, &reader, json!({"reason": "SPAM"})).await.refused(404, &[]);
        assert_eq!(app.detail(&author, &mail).await["status"], "DELIVERED");
        let seen = evidence(&app, &author, &mail).await;
        assert_eq!(seen["takenDown"], json!({"reason": "It names a person.", "takenDownAt": app.now()}));
        assert!(only_mail(&app, &author.email).text.contains("It names a person."));
        assert_eq!(app.get("/admin/reports", &boss).await.data()["total"], 0);
        assert_eq!(app.get("/admin/reports?open=false", &boss).await.data()["list"][0]["takenDownAt"], json!(app.now()));
        app.post(&format!("/admin/mails/{mail}/restore"), &boss, why).await.data();
        app.run_due().await;
        assert_eq!(open(&app, Method::GET, "/mails/public", None).await.data()["total"], 1);
        open(&app, Method::GET, &path, None).await.data();
        assert_eq!(evidence(&app, &author, &mail).await["takenDown"], json!(null));
        assert_eq!(app.mails_to(&author.email).len(), 2);
    }

    /// Only operators decide, only over what has readers; a report can be closed without a consequence.
    async fn who_may_decide_over_what(t) {
        let app = TestApp::new(t).await;
        let author = zhangsan(&app).await;
        let (reader, boss) = (app.user("reader").await, operator(&app, "boss").await);
        let mail = sent(&app, &author, &reader.email).await;
        let why = json!({"reason": "because"});
        for action in ["takedown", "restore", "dismiss"] {
            let path = format!("/admin/mails/{mail}/{action}");
            app.post(&path, &reader, why.clone()).await.refused(403, &[]);
            app.post(&path, &author, why.clone()).await.refused(403, &[]);
            app.post(&format!("/admin/mails/mail_x/{action}"), &boss, why.clone()).await.refused(404, &[]);
        }
        app.get("/admin/reports", &author).await.refused(403, &[]);
        app.get("/admin/reports?open=maybe", &boss).await.refused(400, &["open"]);
        let draft = app.draft(&author, json!({})).await;
        app.post(&format!("/admin/mails/{draft}/takedown"), &boss, why.clone()).await.refused(422, &["status"]);
        app.post(&format!("/mails/{draft}/report"), &reader, json!({"reason": "SPAM"})).await.refused(404, &[]);
        // By the link of its mail, without an account; the same reader again, signed in.
        let link = format!("/unsubscribe/{}/report", only_mail(&app, &reader.email).token());
        open(&app, Method::POST, &link, Some(json!({"reason": "ABUSE"}))).await.data();
        app.post(&format!("/mails/{mail}/report"), &reader, json!({"reason": "ABUSE"})).await.refused(409, &[]);
        assert_eq!(app.get("/admin/reports", &boss).await.data()["total"], 1);
        app.post(&format!("/admin/mails/{mail}/dismiss"), &boss, why).await.data();
        assert_eq!(app.get("/admin/reports", &boss).await.data()["total"], 0);
        assert_eq!(app.list(&reader, "type=INBOX").await, [mail]);
        app.run_due().await;
        assert!(app.mails_to(&author.email).is_empty(), "nothing was taken from the author");
    }

    /// Taken down and blocked: given back, the letter is still blocked; let through, it is there.
    async fn taken_down_and_blocked(t) {
        let app = traced(t).await;
        let author = zhangsan(&app).await;
        let (reader, boss) = (app.user("reader").await, operator(&app, "boss").await);
        let mail = sent(&app, &author, &reader.email).await;
        let decide = |action: &str| format!("/admin/mails/{mail}/{action}");
        let why = json!({"reason": "because"});
        let block = json!({"userId": author.id});
        let inbox = async || app.list(&reader, "type=INBOX").await.len();
        app.post("/user/blocks", &reader, block.clone()).await.data();
        app.post(&decide("takedown"), &boss, why.clone()).await.data();
        app.post(&decide("restore"), &boss, why.clone()).await.data();
        assert_eq!(inbox().await, 0);
        app.delete(&format!("/user/blocks/{}", author.id), &reader).await.data();
        assert_eq!(inbox().await, 1);
        app.post(&decide("takedown"), &boss, why.clone()).await.data();
        app.post("/user/blocks", &reader, block).await.data();
        app.delete(&format!("/user/blocks/{}", author.id), &reader).await.data();
        assert_eq!(inbox().await, 0);
        // Not even its mail is sent again.
        comes_back(&app, &mail, 1, &report("failed", "5.1.1", &reader.email)).await;
        let elsewhere = json!({"recipientEmail": "else@example.net"});
        app.put(&format!("/mails/{mail}/recipient"), &author, elsewhere).await.refused(422, &["status"]);
        app.post(&decide("restore"), &boss, why).await.data();
        assert_eq!(inbox().await, 1);
    }
}
