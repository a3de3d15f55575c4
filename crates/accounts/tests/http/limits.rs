//! Rate limits: 429 with `Retry-After`.

use axum::http::Method;
use serde_json::json;
use testkit::app::{Answer, PASSWORD, TestApp};

use crate::helpers::*;

#[track_caller]
fn told_to_wait(answer: &Answer) -> u64 {
    answer.refused(429, &[]);
    let seconds = answer.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=600).contains(&seconds), "{seconds}");
    seconds
}

async fn limited(t: testkit::TestDb) -> TestApp {
    TestApp::with(t, |s| s.limits = true).await
}

testkit::both! {
    &[];

    /// Ten wrong passwords, then not even the right one; another account is not meant.
    async fn wrong_passwords_are_limited_by_account(t) {
        let app = limited(t).await;
        let (user, other) = (app.user("reader").await, app.user("other").await);
        for n in 0..10 {
            let email = if n % 2 == 0 { "reader@example.com" } else { "Reader@Example.com" };
            login(&app, email, "wrong").await.refused(401, &[]);
        }
        assert_eq!(told_to_wait(&login(&app, &user.email, "wrong").await), 30);
        told_to_wait(&login(&app, &user.email, PASSWORD).await);
        login(&app, &other.email, PASSWORD).await.data();
        // Half a minute gives one more guess; the right one forgives all.
        app.clock.advance(30 * SECOND - MICRO);
        told_to_wait(&login(&app, &user.email, PASSWORD).await);
        app.clock.advance(MICRO);
        login(&app, &user.email, "wrong").await.refused(401, &[]);
        told_to_wait(&login(&app, &user.email, PASSWORD).await);
        app.clock.advance(30 * SECOND);
        login(&app, &user.email, PASSWORD).await.data();
        for _ in 0..10 {
            login(&app, &user.email, "wrong").await.refused(401, &[]);
        }
    }

    /// Who knows the password may log in as often as they like.
    async fn right_passwords_are_not_limited(t) {
        let app = limited(t).await;
        let user = app.user("reader").await;
        for _ in 0..15 {
            login(&app, &user.email, PASSWORD).await.data();
        }
        let mail = app.draft(&user, json!({"isEncrypted": true})).await;
        for _ in 0..15 {
            app.post(&format!("/mails/{mail}/unlock"), &user, json!({"password": PASSWORD})).await.data();
        }
    }

    /// Opening an encrypted letter is no way round the limit on passwords.
    async fn unlocking_is_limited(t) {
        let app = limited(t).await;
        let user = app.user("reader").await;
        let mail = app.draft(&user, json!({"isEncrypted": true})).await;
        let path = format!("/mails/{mail}/unlock");
        let wrong = json!({"password": "wrong"});
        for _ in 0..10 {
            app.post(&path, &user, wrong.clone()).await.refused(403, &["password"]);
        }
        assert_eq!(told_to_wait(&app.post(&path, &user, wrong).await), 30);
        told_to_wait(&app.post(&path, &user, json!({"password": PASSWORD})).await);
    }

    /// An address gets three mails, whether it has an account or not.
    async fn mails_are_limited_by_address(t) {
        let app = limited(t).await;
        let user = app.user("reader").await;
        for email in [user.email.as_str(), "nobody@example.com"] {
            let body = json!({"email": email});
            for _ in 0..3 {
                post(&app, "/auth/password/forgot", body.clone()).await.data();
            }
            assert!(told_to_wait(&post(&app, "/auth/password/forgot", body).await) > 500);
        }
    }

    /// Requests of one address, whoever they say they are; health stays out of it.
    async fn requests_are_limited_by_address(t) {
        let app = limited(t).await;
        let mut last = app.call(Method::GET, "/user/profile", None, None).await;
        for _ in 0..20_000 {
            if last.status == 429 {
                break;
            }
            last.refused(401, &[]);
            last = app.call(Method::GET, "/user/profile", None, None).await;
        }
        told_to_wait(&last);
        let health = axum::http::Request::get("/health/live").body(axum::body::Body::empty()).unwrap();
        assert_eq!(app.send(health).await.status, 200);
    }
}
