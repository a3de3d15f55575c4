//! Readers who want no letters: one click, by the mailed page, signed in; and back again.

use axum::{
    body::Body,
    http::{Method, Request, header::ACCEPT},
};
use serde_json::json;
use testkit::app::{Mail, PUBLIC_URL, TestApp};

use crate::{evidence::*, helpers::*};

/// The path of the one-click link, below `/api/v1`.
#[track_caller]
fn one_click(mail: &Mail) -> String {
    assert_eq!(header(mail, "List-Unsubscribe-Post"), "List-Unsubscribe=One-Click");
    let value = header(mail, "List-Unsubscribe");
    let url = value.strip_prefix('<').and_then(|v| v.strip_suffix('>')).expect("one URL");
    url.strip_prefix(PUBLIC_URL).and_then(|path| path.strip_prefix("/api/v1")).expect("ours").to_owned()
}

testkit::both! {
    &[];

    /// RFC 8058: a POST without login, from a form, ends the mails; the inbox goes on. Looking changes nothing.
    async fn one_click_ends_the_mails(t) {
        let app = TestApp::new(t).await;
        let author = zhangsan(&app).await;
        let reader = app.user("reader").await;
        sent(&app, &author, &reader.email).await;
        let mail = only_mail(&app, &reader.email);
        let path = one_click(&mail);
        assert_eq!(mail.token(), path.rsplit('/').next().unwrap(), "the page has the same token");
        assert!(!path.contains("reader") && !path.contains('@'), "the address is not in the link");
        let state = json!({"address": "r***@example.com", "sender": "张三", "letterEmails": true, "senderBlocked": false});
        for _ in 0..2 {
            assert_eq!(*open(&app, Method::GET, &path, None).await.data(), state);
        }
        let browser = Request::get(format!("/api/v1{path}")).header(ACCEPT, "text/html,*/*").body(Body::empty());
        let shown = app.send(browser.unwrap()).await;
        assert_eq!(shown.status, 303);
        assert_eq!(shown.headers["location"], format!("{PUBLIC_URL}/unsubscribe#token={}", mail.token()));
        for _ in 0..2 {
            let form = Request::post(format!("/api/v1{path}"))
                .header("content-type", "application/x-www-form-urlencoded")
                .body(Body::from("List-Unsubscribe=One-Click"));
            assert_eq!(app.send(form.unwrap()).await.data()["letterEmails"], false);
        }
        let next = sent(&app, &author, "Reader@example.com").await;
        only_mail(&app, &reader.email);
        assert!(app.mails_to("Reader@example.com").is_empty());
        assert_eq!(app.list(&reader, "type=INBOX").await.len(), 2);
        let seen = evidence(&app, &author, &next).await;
        let email = seen["deliveries"].as_array().unwrap().iter().find(|d| d["channel"] == "email").unwrap();
        assert_eq!((&email["state"], &email["answer"]),
            (&json!("done"), &json!("not sent: the address does not want mail from here")));
        // And back again.
        let back = open(&app, Method::PUT, &path, Some(json!({"letterEmails": true}))).await;
        assert_eq!(back.data()["letterEmails"], true);
        sent(&app, &author, &reader.email).await;
        assert_eq!(app.mails_to(&reader.email).len(), 2);
    }

    /// A token that was not mailed opens nothing, and one opens nothing but its own letter's address.
    async fn tokens_cannot_be_made(t) {
        let app = TestApp::new(t).await;
        let author = zhangsan(&app).await;
        let first = sent(&app, &author, "a@example.net").await;
        let second = sent(&app, &author, "b@example.net").await;
        let token = only_mail(&app, "a@example.net").token();
        let (_, tag) = token.split_once('-').unwrap();
        let other = second.strip_prefix("mail_").unwrap();
        let own = first.strip_prefix("mail_").unwrap();
        for bad in [format!("{other}-{tag}"), format!("{own}-"), own.to_owned(), format!("{own}-{}", "a".repeat(26)),
            "x".to_owned(), format!("{token}a")]
        {
            let path = format!("/unsubscribe/{bad}");
            open(&app, Method::GET, &path, None).await.refused(404, &[]);
            open(&app, Method::POST, &path, None).await.refused(404, &[]);
            open(&app, Method::PUT, &path, Some(json!({"letterEmails": false}))).await.refused(404, &[]);
            open(&app, Method::POST, &format!("{path}/report"), Some(json!({"reason": "SPAM"}))).await.refused(404, &[]);
        }
        let path = format!("/unsubscribe/{token}");
        open(&app, Method::PUT, &path, Some(json!({"letterEmails": 1, "senderBlocked": "no"}))).await
            .refused(400, &["letterEmails", "senderBlocked"]);
    }

    /// A blocked sender's letters leave the inbox and stay out of it, their mails are not sent, and he sees them
    /// delivered; other people's come. Let through again, all are there.
    async fn a_blocked_sender_is_not_told(t) {
        let app = TestApp::new(t).await;
        let author = zhangsan(&app).await;
        let other = app.user("other").await;
        let reader = app.user("reader").await;
        let file = app.attachment(&author, "a.png", &testkit::app::png(4, 4), "IMAGE").await;
        let fields = json!({"recipientType": "SPECIFIC", "recipientEmail": reader.email,
            "attachments": [{"type": "IMAGE", "url": file["url"]}]});
        let before = app.delivered(&author, fields).await;
        let path = format!("/unsubscribe/{}", only_mail(&app, &reader.email).token());
        let blocked = open(&app, Method::PUT, &path, Some(json!({"senderBlocked": true}))).await;
        assert_eq!((&blocked.data()["senderBlocked"], &blocked.data()["letterEmails"]), (&json!(true), &json!(true)));
        let during = sent(&app, &author, &reader.email).await;
        let others = sent(&app, &other, &reader.email).await;
        assert_eq!(app.mails_to(&reader.email).len(), 2, "the first, and the other's");
        assert_eq!(app.list(&reader, "type=INBOX").await, [others.as_str()]);
        assert_eq!(app.list(&reader, "").await, [others.as_str()]);
        for letter in [&before, &during] {
            app.get(&format!("/mails/{letter}"), &reader).await.refused(404, &[]);
            assert_eq!(app.detail(&author, letter).await["status"], "DELIVERED");
        }
        app.fetch(file["url"].as_str().unwrap(), Some(&reader.token), &[]).await.refused(404, &[]);
        let seen = evidence(&app, &author, &during).await.to_string();
        assert!(!seen.contains("block"), "{seen}");
        let list = app.get("/user/blocks", &reader).await;
        assert_eq!(list.data()["letterEmails"], true);
        let [entry] = list.data()["blocked"].as_array().unwrap().as_slice() else { panic!("{}", list.body) };
        assert_eq!((&entry["userId"], &entry["username"]), (&json!(author.id), &json!("张三")));
        let free = app.delete(&format!("/user/blocks/{}", author.id), &reader).await;
        assert_eq!(free.data()["blocked"], json!([]));
        assert_eq!(app.list(&reader, "type=INBOX").await, [others, during, before]);
    }

    /// Signed in, the same; whoever has not confirmed an address cannot refuse for it.
    async fn signed_in(t) {
        let app = TestApp::with(t, |settings| settings.verify_email = true).await;
        let author = zhangsan(&app).await;
        let reader = app.user("reader").await;
        let block = json!({"userId": author.id});
        app.post("/user/blocks", &reader, block.clone()).await.refused(403, &[]);
        app.put("/user/blocks", &reader, json!({"letterEmails": false})).await.refused(403, &[]);
        app.get("/user/blocks", &reader).await.refused(403, &[]);
        app.run_due().await;
        let token = app.mails_to(&reader.email)[0].token();
        open(&app, Method::POST, "/auth/verify-email", Some(json!({"token": token}))).await.data();
        app.post("/user/blocks", &reader, block.clone()).await.data();
        app.post("/user/blocks", &reader, block).await.data();
        app.post("/user/blocks", &reader, json!({"userId": reader.id})).await.refused(422, &["userId"]);
        app.post("/user/blocks", &reader, json!({"userId": "user_x"})).await.refused(422, &["userId"]);
        app.post("/user/blocks", &reader, json!({})).await.refused(400, &["userId"]);
        app.put("/user/blocks", &reader, json!({})).await.refused(400, &["letterEmails"]);
        sent(&app, &author, &reader.email).await;
        assert!(app.list(&reader, "type=INBOX").await.is_empty());
        app.delete(&format!("/user/blocks/{}", author.id), &reader).await.data();
        assert_eq!(app.list(&reader, "type=INBOX").await.len(), 1);
        app.put("/user/blocks", &reader, json!({"letterEmails": false})).await.data();
        sent(&app, &author, &reader.email).await;
        assert_eq!(app.mails_to(&reader.email).len(), 1, "the confirmation alone");
        assert_eq!(app.put("/user/blocks", &reader, json!({"letterEmails": true})).await.data()["letterEmails"], true);
        sent(&app, &author, &reader.email).await;
        assert_eq!(app.mails_to(&reader.email).len(), 2);
    }
}
