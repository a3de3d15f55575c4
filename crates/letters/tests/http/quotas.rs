//! Plan quotas by UTC calendar month: ten letters created, five different ones scheduled.

use axum::http::Method;
use serde_json::{Value, json};
use testkit::app::{TestApp, User};

use crate::helpers::*;

async fn remaining(app: &TestApp, user: &User) -> Value {
    app.get("/user/subscription", user).await.data()["remainingMails"].clone()
}

async fn revoke(app: &TestApp, user: &User, mail: &str) {
    let answer = app.call(Method::POST, &format!("/mails/{mail}/revoke"), Some(&user.token), None).await;
    answer.data();
}

testkit::both! {
    &[];

    /// Ten a month by either route; what was refused or deleted does not change the count.
    async fn ten_letters_a_month(t) {
        let app = TestApp::new(t).await;
        let user = zhangsan(&app).await;
        for left in (0..10).rev() {
            let answer = match left % 2 {
                0 => app.post("/mails", &user, capsule()).await,
                _ => app.post("/mails/create", &user, future_mail()).await,
            };
            answer.data();
            app.post("/mails", &user, with(capsule(), json!({"title": ""}))).await.refused(422, &["title"]);
            assert_eq!(remaining(&app, &user).await, left);
        }
        app.post("/mails", &user, capsule()).await.refused(403, &["quota"]);
        app.post("/mails/create", &user, future_mail()).await.refused(403, &["quota"]);
        let mails = app.list(&user, "").await;
        app.put(&format!("/mails/{}", mails[0]), &user, json!({"title": "x"})).await.data();
        app.delete(&format!("/mails/{}", mails[1]), &user).await.data();
        app.post("/mails", &user, capsule()).await.refused(403, &["quota"]);
        let other = app.user("other").await;
        app.post("/mails", &other, capsule()).await.data();
    }

    /// The month is UTC's: it ends at midnight there and nowhere else.
    async fn a_new_month_begins_at_midnight_utc(t) {
        let app = TestApp::new(t).await;
        app.clock.set(at("2028-02-29T12:00:00Z"));
        let user = zhangsan(&app).await;
        for _ in 0..10 {
            app.draft(&user, json!({})).await;
        }
        let mails = app.list(&user, "").await;
        for mail in &mails[..5] {
            app.schedule(&user, mail, at("2028-06-01T00:00:00Z")).await.data();
        }
        app.clock.set(at("2028-02-29T23:59:59.999999Z"));
        app.post("/mails", &user, capsule()).await.refused(403, &["quota"]);
        app.schedule(&user, &mails[5], at("2028-06-01T00:00:00Z")).await.refused(403, &["quota"]);
        app.clock.set(at("2028-03-01T00:00:00Z"));
        app.post("/mails", &user, capsule()).await.data();
        app.schedule(&user, &mails[5], at("2028-06-01T00:00:00Z")).await.data();
        assert_eq!(remaining(&app, &user).await, 9);
    }

    /// Five different letters; the same one again after a revoke counts once.
    async fn five_different_letters_are_scheduled(t) {
        let app = TestApp::new(t).await;
        let user = zhangsan(&app).await;
        let send = app.now() + DAY;
        let mut mails = Vec::new();
        for _ in 0..6 {
            mails.push(app.draft(&user, json!({})).await);
        }
        for mail in &mails[..5] {
            for _ in 0..3 {
                app.schedule(&user, mail, send).await.data();
                revoke(&app, &user, mail).await;
            }
        }
        app.schedule(&user, &mails[5], send).await.refused(403, &["quota"]);
        assert_eq!(app.detail(&user, &mails[5]).await["status"], "DRAFT");
        for mail in &mails[..5] {
            app.schedule(&user, mail, send).await.data();
        }
        app.schedule(&user, &mails[5], send).await.refused(403, &["quota"]);
        app.premium(&user).await;
        app.schedule(&user, &mails[5], send).await.data();
    }

    /// Premium has no monthly limit; a plan that has ended is the free one, and what was made counts.
    async fn premium_has_no_limit_while_it_lasts(t) {
        let app = TestApp::new(t).await;
        let user = zhangsan(&app).await;
        let until = app.now() + HOUR;
        let given = app.system.accounts.admin_plan(&user.email, accounts::Plan::Premium, Some(until)).await;
        given.unwrap();
        for _ in 0..12 {
            let mail = app.draft(&user, json!({})).await;
            app.schedule(&user, &mail, app.now() + DAY).await.data();
        }
        assert_eq!(remaining(&app, &user).await, Value::Null);
        app.clock.set(until - MICRO);
        let last = app.draft(&user, json!({})).await;
        app.clock.set(until);
        assert_eq!(remaining(&app, &user).await, 0);
        app.post("/mails", &user, capsule()).await.refused(403, &["quota"]);
        app.schedule(&user, &last, app.now() + DAY).await.refused(403, &["quota"]);
    }

    /// A creation that fails after it was counted is not counted.
    async fn what_fails_is_not_counted(t) {
        let app = TestApp::new(t).await;
        let user = zhangsan(&app).await;
        let file = json!([{"type": "IMAGE", "url": "http://hongyan.test/api/v1/files/attach_0000000000"}]);
        let body = with(capsule(), json!({"attachments": file}));
        app.post("/mails", &user, body).await.refused(422, &["attachments[0].url"]);
        assert_eq!(remaining(&app, &user).await, 10);
        assert!(app.list(&user, "").await.is_empty());
    }
}
