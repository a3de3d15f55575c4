//! Who sees what of a letter, and who its sender and recipient are.

use axum::http::Method;
use serde_json::{Value, json};
use testkit::app::{PASSWORD, TestApp, User, shape};

use crate::helpers::*;

fn to(address: &str) -> Value {
    json!({"recipientType": "SPECIFIC", "recipientEmail": address})
}

async fn anonymous(app: &TestApp, mail: &str) -> testkit::app::Answer {
    app.call(Method::GET, &format!("/mails/{mail}"), None, None).await
}

/// Registers this address, whose name is the address too.
async fn register(app: &TestApp, address: &str) -> User {
    app.register(json!({"username": address, "email": address, "password": PASSWORD})).await
}

testkit::both! {
    &[];

    /// The author always, the recipient from delivery on, nobody else ever.
    async fn a_recipient_sees_nothing_before_delivery(t) {
        let app = TestApp::new(t).await;
        let (author, reader, stranger) =
            (zhangsan(&app).await, app.user("reader").await, app.user("stranger").await);
        let send = app.now() + HOUR;
        let mail = app.draft(&author, to(&reader.email)).await;
        let path = format!("/mails/{mail}");
        app.get(&path, &reader).await.refused(404, &[]);
        app.schedule(&author, &mail, send).await.data();
        for now in [app.now(), send - MICRO] {
            app.advance_to(now).await;
            app.get(&path, &reader).await.refused(404, &[]);
            let password = json!({"password": PASSWORD});
            app.post(&format!("{path}/unlock"), &reader, password).await.refused(404, &[]);
            assert!(app.list(&reader, "").await.is_empty());
            app.get(&path, &author).await.data();
        }
        app.advance_to(send).await;
        let detail = app.detail(&reader, &mail).await;
        assert_eq!(detail["content"], "亲爱的未来的我");
        assert_eq!((&detail["canEdit"], &detail["canRevoke"]), (&json!(false), &json!(false)));
        assert_eq!(app.list(&reader, "type=INBOX").await, [mail.as_str()]);
        assert!(app.list(&reader, "type=SENT").await.is_empty());
        // The author sent it; it did not come to them.
        assert!(app.list(&author, "type=INBOX").await.is_empty());
        app.get(&path, &author).await.data();
        for answer in [app.get(&path, &stranger).await, anonymous(&app, &mail).await] {
            answer.refused(404, &[]);
        }
        assert!(app.list(&stranger, "").await.is_empty());
        // What is only the author's stays so.
        app.put(&path, &reader, json!({"title": "x"})).await.refused(404, &[]);
        app.delete(&path, &reader).await.refused(404, &[]);
        app.get(&format!("{path}/deliveries"), &reader).await.refused(404, &[]);
        let style = format!("/capsules/{}/style", mail.replacen("mail", "capsule", 1));
        app.put(&style, &reader, json!({"style": "x"})).await.refused(404, &[]);
    }

    /// Everybody sees a delivered public letter, without an account too, but not its author's address.
    async fn a_public_letter_is_everybody_s_once_delivered(t) {
        let app = TestApp::new(t).await;
        let (author, stranger) = (zhangsan(&app).await, app.user("stranger").await);
        let send = app.now() + HOUR;
        let mail = app.draft(&author, json!({"recipientType": "PUBLIC"})).await;
        anonymous(&app, &mail).await.refused(404, &[]);
        app.schedule(&author, &mail, send).await.data();
        app.advance_to(send - MICRO).await;
        anonymous(&app, &mail).await.refused(404, &[]);
        app.get(&format!("/mails/{mail}"), &stranger).await.refused(404, &[]);
        app.advance_to(send).await;
        let sender = json!({"userId": format!("={}", author.id), "username": "=张三",
            "avatar": "=https://example.com/avatar.jpg", "email": null});
        for answer in [anonymous(&app, &mail).await, app.get(&format!("/mails/{mail}"), &stranger).await] {
            let detail = answer.data();
            shape(&detail["sender"], &sender);
            assert_eq!(detail["recipient"], Value::Null);
            assert_eq!((&detail["content"], &detail["canRevoke"]), (&json!("亲爱的未来的我"), &json!(false)));
        }
        let own = app.detail(&author, &mail).await;
        assert_eq!((&own["sender"]["email"], &own["recipient"]), (&json!(author.email), &Value::Null));
        let list = app.get("/mails?type=SENT", &author).await;
        assert_eq!(list.data()["list"][0]["recipient"], Value::Null);
        // It came to no one's own inbox.
        assert!(app.list(&stranger, "").await.is_empty());
        assert!(app.list(&author, "type=INBOX").await.is_empty());
    }

    /// A list that is open without an account: public letters that have arrived, the latest first.
    async fn public_letters_are_listed_for_everybody(t) {
        let app = TestApp::new(t).await;
        let author = zhangsan(&app).await;
        let list = async |query: &str| {
            app.call(Method::GET, &format!("/mails/public?{query}"), None, None).await.data().clone()
        };
        assert_eq!(list("").await, json!({"list": [], "total": 0, "page": 1, "size": 10}));
        let first = app.delivered(&author, json!({"recipientType": "PUBLIC"})).await;
        let second = app.delivered(&author, json!({"recipientType": "PUBLIC"})).await;
        app.delivered(&author, json!({})).await;
        let waiting = app.draft(&author, json!({"recipientType": "PUBLIC"})).await;
        app.schedule(&author, &waiting, app.now() + HOUR).await.data();
        let all = list("").await;
        shape(
            &all["list"],
            &json!([{
                "mailId": "id:mail", "title": "=写给未来的自己", "sender": person(&author), "recipient": null,
                "sendTime": "time", "deliveryTime": "time", "status": "=DELIVERED", "hasAttachments": false,
                "isEncrypted": false, "capsuleStyle": "=default"
            }]),
        );
        assert_eq!(all["total"], 2);
        assert_eq!((&all["list"][0]["mailId"], &all["list"][1]["mailId"]), (&json!(second), &json!(first)));
        let page = list("page=2&size=1").await;
        assert_eq!((&page["list"][0]["mailId"], &page["total"]), (&json!(first), &json!(2)));
        app.call(Method::GET, "/mails/public?page=0", None, None).await.refused(400, &["page"]);
    }

    /// A person where there is an account, a masked address where there is none.
    async fn a_recipient_is_a_person_or_a_masked_address(t) {
        let app = TestApp::new(t).await;
        let (author, reader) = (zhangsan(&app).await, app.user("reader").await);
        let known = app.draft(&author, to("Reader@Example.com")).await;
        let unknown = app.draft(&author, to("wangwu@example.org")).await;
        shape(
            &app.detail(&author, &known).await["recipient"],
            &json!({
                "userId": format!("={}", reader.id), "username": "=reader", "avatar": null,
                "email": "=reader@example.com"
            }),
        );
        shape(
            &app.detail(&author, &unknown).await["recipient"],
            &json!({
                "userId": null, "username": "=w***@example.org", "avatar": null, "email": "=wangwu@example.org"
            }),
        );
        let list = app.get("/mails", &author).await;
        for mail in list.data()["list"].as_array().unwrap() {
            let expected = if mail["mailId"] == known.as_str() {
                json!({"userId": format!("={}", reader.id), "username": "=reader", "avatar": null})
            } else {
                json!({"userId": null, "username": "=w***@example.org", "avatar": null})
            };
            shape(&mail["recipient"], &expected);
        }
        let received = app.draft(&author, to("reader@example.com")).await;
        app.schedule(&author, &received, app.now() + HOUR).await.data();
        app.advance_to(app.now() + HOUR).await;
        let detail = app.detail(&reader, &received).await;
        shape(&detail["sender"], &person_detail(&author));
        assert_eq!(detail["recipient"]["userId"], reader.id);
    }

    /// An address whose account appears later: the letters are there, however the address is written.
    async fn an_address_gets_its_letters_when_it_registers(t) {
        let app = TestApp::new(t).await;
        let author = zhangsan(&app).await;
        let mail = app.delivered(&author, to("Li.Lei@Example.COM")).await;
        let pending = app.draft(&author, to("li.lei@example.com")).await;
        app.schedule(&author, &pending, app.now() + HOUR).await.data();
        // The e-mail goes out all the same.
        assert_eq!(app.mails_to("Li.Lei@example.com").len(), 1);
        let reader = register(&app, "LI.LEI@example.com").await;
        assert_eq!(app.list(&reader, "type=INBOX").await, [mail.as_str()]);
        assert_eq!(app.detail(&reader, &mail).await["recipient"]["userId"], reader.id);
        app.get(&format!("/mails/{pending}"), &reader).await.refused(404, &[]);
        app.advance_to(app.now() + HOUR).await;
        assert_eq!(app.list(&reader, "type=INBOX").await, [pending, mail]);
    }

    /// Where addresses are verified, registering with one does not show its letters: the mailed link does.
    async fn only_a_verified_address_opens_its_letters(t) {
        let app = TestApp::with(t, |s| s.verify_email = true).await;
        let author = zhangsan(&app).await;
        let mail = app.delivered(&author, to("li@example.com")).await;
        let reader = register(&app, "Li@example.com").await;
        let before = app.draft(&reader, json!({})).await;
        app.run_due().await;
        assert!(app.list(&reader, "type=INBOX").await.is_empty());
        assert_eq!(app.list(&reader, "").await, [before]);
        app.get(&format!("/mails/{mail}"), &reader).await.refused(404, &[]);
        app.get("/events", &User { token: "a.b.c".to_owned(), ..reader.clone() }).await.refused(401, &[]);

        let token = app.mails_to("Li@example.com").pop().expect("the verification").token();
        let verify =
            |token: String| app.call(Method::POST, "/auth/verify-email", None, Some(json!({"token": token})));
        verify(format!("{token}x")).await.refused(422, &["token"]);
        assert!(app.list(&reader, "type=INBOX").await.is_empty());
        verify(token).await.data();
        assert_eq!(app.list(&reader, "type=INBOX").await, [mail.as_str()]);
        assert_eq!(app.detail(&reader, &mail).await["content"], "亲爱的未来的我");
    }

    /// One's own letters need no verified address.
    async fn a_letter_to_oneself_needs_no_verification(t) {
        let app = TestApp::with(t, |s| s.verify_email = true).await;
        let author = zhangsan(&app).await;
        let mail = app.delivered(&author, json!({})).await;
        assert_eq!(app.list(&author, "type=INBOX").await, [mail]);
    }

    /// The e-mail of a letter: from whom, answers to whom, the text as text and as escaped HTML.
    async fn a_letter_to_an_address_is_mailed(t) {
        let app = TestApp::new(t).await;
        let author = zhangsan(&app).await;
        let fields = with(
            to("li@example.com"),
            json!({
                "title": "你好 <b>", "content": "第一行 & <script>alert(1)</script>\n第二行"
            }),
        );
        let mail = app.delivered(&author, fields).await;
        let mails = app.mails_to("li@example.com");
        let [sent] = mails.as_slice() else { panic!("{} mails", mails.len()) };
        assert_eq!(sent.subject, "你好 <b>");
        assert!(sent.text.starts_with("第一行 & <script>alert(1)</script>"), "{}", sent.text);
        assert!(
            sent.html.contains("第一行 &amp; &lt;script&gt;alert(1)&lt;/script&gt;<br>"),
            "{}",
            sent.html
        );
        assert!(!sent.html.contains("<script>") && !sent.html.contains("<b>"));
        let header = |name: &str| {
            let all = sent.headers();
            let found: Vec<_> = all.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name)).collect();
            assert_eq!(found.len(), 1, "{name}: {found:?}");
            found[0].1.clone()
        };
        assert!(header("Reply-To").contains("zhangsan@example.com"));
        assert!(header("From").contains("letters@localhost"));
        assert_eq!(header("Auto-Submitted"), "auto-generated");
        assert_eq!(header("Date"), "Sat, 15 Jan 2028 13:00:00 +0000");
        assert!(!header("Message-ID").contains(&mail));
    }
}
