//! Many at once: one account for each address, one use of each token.

use std::sync::Arc;

use serde_json::json;
use testkit::app::{Answer, PASSWORD, TestApp};

use crate::helpers::*;

/// `n` requests at once; their answers.
async fn at_once<F>(n: usize, request: impl Fn(usize) -> F) -> Vec<Answer>
where
    F: Future<Output = Answer> + Send + 'static,
{
    let tasks: Vec<_> = (0..n).map(|n| tokio::spawn(request(n))).collect();
    let mut answers = Vec::new();
    for task in tasks {
        answers.push(task.await.unwrap());
    }
    answers
}

fn count(answers: &[Answer], status: u16) -> usize {
    answers.iter().filter(|a| a.status == status).count()
}

testkit::both! {
    &[];

    /// Parallel registrations of one address, however written: one account.
    async fn one_address_registers_once(t) {
        let app = Arc::new(TestApp::new(t).await);
        let answers = at_once(6, |n| {
            let app = Arc::clone(&app);
            let email = if n % 2 == 0 { "li@example.com" } else { "LI@example.com" };
            async move {
                post(&app, "/auth/register", json!({"username": "li", "email": email, "password": PASSWORD}))
                    .await
            }
        })
        .await;
        assert_eq!((count(&answers, 200), count(&answers, 409)), (1, 5));
        let made = answers.iter().find(|a| a.status == 200).unwrap().data()["userId"].clone();
        assert_eq!(login(&app, "li@example.com", PASSWORD).await.data()["userId"], made);
    }

    /// Parallel refreshes with one token: at most one succeeds, and the family ends, since who came second
    /// may be the thief.
    async fn one_refresh_token_is_used_once(t) {
        let app = Arc::new(TestApp::new(t).await);
        let user = app.user("reader").await;
        let elsewhere = app.login(&user).await;
        let answers = at_once(8, |_| {
            let (app, token) = (Arc::clone(&app), user.refresh.clone());
            async move { refresh(&app, &token).await }
        })
        .await;
        assert_eq!((count(&answers, 200), count(&answers, 401)), (1, 7));
        let winner = answers.iter().find(|a| a.status == 200).unwrap();
        let newest = refreshed(&user, winner);
        assert_eq!((status(&app, &newest.token).await, status(&app, &user.token).await), (401, 401));
        refresh(&app, &newest.refresh).await.refused(401, &[]);
        assert_eq!(status(&app, &elsewhere.token).await, 200);
    }

    /// A mailed link, opened several times at once, works once.
    async fn one_link_is_used_once(t) {
        let app = Arc::new(TestApp::new(t).await);
        let user = app.user("reader").await;
        post(&app, "/auth/password/forgot", json!({"email": user.email})).await.data();
        app.run_due().await;
        let token = app.mails_to(&user.email)[0].token();
        let answers = at_once(6, |n| {
            let (app, token) = (Arc::clone(&app), token.clone());
            async move {
                let body = json!({"token": token, "password": format!("password of {n}")});
                post(&app, "/auth/password/reset", body).await
            }
        })
        .await;
        assert_eq!((count(&answers, 200), count(&answers, 422)), (1, 5));
        let n = answers.iter().position(|a| a.status == 200).unwrap();
        login(&app, &user.email, &format!("password of {n}")).await.data();
    }

    /// Parallel registrations of one device: one device.
    async fn one_device_is_registered_once(t) {
        let app = Arc::new(TestApp::new(t).await);
        let user = app.user("reader").await;
        let answers = at_once(8, |n| {
            let (app, user) = (Arc::clone(&app), user.clone());
            async move {
                let body = json!({"deviceId": "d", "platform": "WEB", "token": subscription(&format!("token-{n}"))});
                app.post("/notification/device", &user, body).await
            }
        })
        .await;
        assert_eq!(count(&answers, 200), 8);
    }
}
