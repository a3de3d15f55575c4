//! Verification and password reset by mailed link.

use serde_json::{Value, json};
use testkit::app::{Answer, Mail, PASSWORD, TestApp, User};

use crate::helpers::*;

/// A server that verifies addresses, with a user whose mail was sent.
async fn verifying(t: testkit::TestDb) -> (TestApp, User) {
    let app = TestApp::with(t, |s| s.verify_email = true).await;
    let user = app.user("reader").await;
    app.run_due().await;
    (app, user)
}

/// All mails to a user whose link leads to this page.
fn links(app: &TestApp, user: &User, page: &str) -> Vec<Mail> {
    let mut mails = app.mails_to(&user.email);
    mails.retain(|mail| mail.text.contains(&format!("http://hongyan.test/{page}#token=")));
    mails
}

async fn verify(app: &TestApp, token: &str) -> Answer {
    post(app, "/auth/verify-email", json!({"token": token})).await
}

async fn forgot(app: &TestApp, email: &str) -> Answer {
    let answer = post(app, "/auth/password/forgot", json!({"email": email})).await;
    app.run_due().await;
    answer
}

async fn reset(app: &TestApp, token: &str, password: &str) -> Answer {
    post(app, "/auth/password/reset", json!({"token": token, "password": password})).await
}

async fn is_verified(app: &TestApp, user: &User) -> Value {
    app.get("/user/profile", user).await.data()["emailVerified"].clone()
}

testkit::both! {
    &[];

    /// The mailed link verifies, once.
    async fn a_link_verifies_once(t) {
        let (app, user) = verifying(t).await;
        assert_eq!(is_verified(&app, &user).await, false);
        let mails = links(&app, &user, "verify-email");
        let [mail] = mails.as_slice() else { panic!("{} mails", mails.len()) };
        let token = mail.token();
        for bad in ["", "x", &token.replacen(|_| true, "", 1), &user.token, &user.refresh] {
            verify(&app, bad).await.refused(422, &["token"]);
        }
        assert_eq!(is_verified(&app, &user).await, false);
        assert_eq!(verify(&app, &token).await.data(), &Value::Null);
        assert_eq!(is_verified(&app, &user).await, true);
        verify(&app, &token).await.refused(422, &["token"]);
        post(&app, "/auth/verify-email", json!({})).await.refused(400, &["token"]);
    }

    /// A link is good for seven days; a new one can be had, until the address is verified.
    async fn a_link_expires_and_can_be_sent_again(t) {
        let (app, user) = verifying(t).await;
        let first = links(&app, &user, "verify-email")[0].token();
        let sent = app.now();
        app.clock.set(sent + 7 * DAY);
        verify(&app, &first).await.refused(422, &["token"]);
        let user = app.login(&user).await;
        app.post("/auth/verify-email/resend", &user, json!({})).await.data();
        app.run_due().await;
        let mails = links(&app, &user, "verify-email");
        assert_eq!(mails.len(), 2);
        let second = mails.iter().map(Mail::token).find(|token| *token != first).unwrap();
        app.clock.set(sent + 14 * DAY - MICRO);
        verify(&app, &second).await.data();
        let user = app.login(&user).await;
        app.post("/auth/verify-email/resend", &user, json!({})).await.data();
        assert_eq!(app.run_due().await, 0);
        post(&app, "/auth/verify-email/resend", json!({})).await.refused(401, &[]);
    }

    /// Nothing is mailed where addresses need no verification.
    async fn no_verification_where_none_is_needed(t) {
        let app = TestApp::new(t).await;
        app.user("reader").await;
        assert_eq!(app.run_due().await, 0);
        assert!(app.mails().is_empty());
    }

    /// The mailed link sets a password, once; all logins end; the address counts as verified.
    async fn a_link_sets_a_new_password(t) {
        let (app, user) = verifying(t).await;
        let elsewhere = app.login(&user).await;
        assert_eq!(forgot(&app, "READER@example.com").await.data(), &Value::Null);
        let token = links(&app, &user, "reset-password")[0].token();
        reset(&app, &token, "short").await.refused(422, &["password"]);
        reset(&app, "x", "another password").await.refused(422, &["token"]);
        assert_eq!(status(&app, &user.token).await, 200);
        assert_eq!(reset(&app, &token, "another password").await.data(), &Value::Null);
        for ended in [&user, &elsewhere] {
            assert_eq!(status(&app, &ended.token).await, 401);
            refresh(&app, &ended.refresh).await.refused(401, &[]);
        }
        login(&app, &user.email, PASSWORD).await.refused(401, &[]);
        let user = User::of(&login(&app, &user.email, "another password").await);
        assert_eq!(is_verified(&app, &user).await, true);
        reset(&app, &token, "a third password").await.refused(422, &["token"]);
        login(&app, &user.email, "another password").await.data();
    }

    /// Good for an hour; and when one link was used, those mailed beside it are too.
    async fn a_reset_link_expires_and_ends_the_others(t) {
        let app = TestApp::new(t).await;
        let user = app.user("reader").await;
        forgot(&app, &user.email).await;
        forgot(&app, &user.email).await;
        let mails = links(&app, &user, "reset-password");
        assert_eq!(mails.len(), 2);
        app.clock.advance(HOUR - MICRO);
        reset(&app, &mails[0].token(), "another password").await.data();
        reset(&app, &mails[1].token(), "a thief's password").await.refused(422, &["token"]);
        forgot(&app, &user.email).await;
        let late = links(&app, &user, "reset-password")
            .into_iter()
            .find(|mail| mails.iter().all(|m| m.token() != mail.token()))
            .unwrap();
        app.clock.advance(HOUR);
        reset(&app, &late.token(), "a third password").await.refused(422, &["token"]);
        login(&app, &user.email, "another password").await.data();
    }

    /// The answer is the same for an address without an account, and nothing is mailed there.
    async fn forgetting_tells_nothing(t) {
        let app = TestApp::new(t).await;
        let user = app.user("reader").await;
        let (known, unknown) = (forgot(&app, &user.email).await, forgot(&app, "nobody@example.com").await);
        assert_eq!((known.status, &known.body), (unknown.status, &unknown.body));
        assert_eq!((app.mails().len(), app.mails_to(&user.email).len()), (1, 1));
        post(&app, "/auth/password/forgot", json!({"email": "nobody"})).await.refused(422, &["email"]);
        post(&app, "/auth/password/forgot", json!({})).await.refused(400, &["email"]);
        post(&app, "/auth/password/reset", json!({})).await.refused(400, &["password", "token"]);
    }

    /// A link does what it was mailed for and nothing else.
    async fn a_link_has_one_purpose(t) {
        let (app, user) = verifying(t).await;
        forgot(&app, &user.email).await;
        let verification = links(&app, &user, "verify-email")[0].token();
        let resetting = links(&app, &user, "reset-password")[0].token();
        verify(&app, &resetting).await.refused(422, &["token"]);
        reset(&app, &verification, "another password").await.refused(422, &["token"]);
        verify(&app, &verification).await.data();
        reset(&app, &resetting, "another password").await.data();
    }

    /// A name is text in the mail, and in its header no more than a name.
    async fn a_name_stays_a_name_in_a_mail(t) {
        let app = TestApp::with(t, |s| s.verify_email = true).await;
        let name = "<img src=x> \"Bcc: a@b.c\", <evil@example.org>";
        let user =
            app.register(json!({"username": name, "email": "li@example.com", "password": PASSWORD})).await;
        app.run_due().await;
        let mail = links(&app, &user, "verify-email").remove(0);
        assert!(mail.text.contains(name));
        assert!(mail.html.contains("&lt;img src=x&gt;") && !mail.html.contains("<img"), "{}", mail.html);
        let names: Vec<String> = mail.headers().into_iter().map(|(name, _)| name.to_lowercase()).collect();
        assert!(!names.contains(&"bcc".to_owned()) && !names.contains(&"cc".to_owned()), "{names:?}");
        assert_eq!(mail.to, "li@example.com");
    }
}
