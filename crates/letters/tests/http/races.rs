//! Many at once, on several threads: quotas are exact, a letter goes once.

use std::sync::Arc;

use axum::http::Method;
use serde_json::{Value, json};
use testkit::app::{Answer, TestApp, User, png};
use tokio::sync::Semaphore;

use crate::helpers::*;

/// Requests at once; their answers.
async fn at_once<F>(requests: impl IntoIterator<Item = F>) -> Vec<Answer>
where
    F: Future<Output = Answer> + Send + 'static,
{
    let tasks: Vec<_> = requests.into_iter().map(tokio::spawn).collect();
    let mut answers = Vec::new();
    for task in tasks {
        answers.push(task.await.unwrap());
    }
    answers
}

fn count(answers: &[Answer], status: u16) -> usize {
    answers.iter().filter(|a| a.status == status).count()
}

async fn post(app: Arc<TestApp>, user: User, path: String, body: Value) -> Answer {
    app.post(&path, &user, body).await
}

testkit::both! {
    &[];

    /// 24 creations of a free account: 10 letters, 14 refusals.
    async fn ten_of_24_letters_are_created(t) {
        let app = Arc::new(TestApp::new(t).await);
        let user = zhangsan(&app).await;
        let answers = at_once((0..24).map(|n| match n % 2 {
            0 => post(Arc::clone(&app), user.clone(), "/mails".to_owned(), capsule()),
            _ => post(Arc::clone(&app), user.clone(), "/mails/create".to_owned(), future_mail()),
        }))
        .await;
        assert_eq!((count(&answers, 200), count(&answers, 403)), (10, 14));
        answers.iter().filter(|a| a.status == 403).for_each(|a| a.refused(403, &["quota"]));
        assert_eq!(app.get("/mails?size=100", &user).await.data()["total"], 10);
        assert_eq!(app.get("/user/subscription", &user).await.data()["remainingMails"], 0);
    }

    /// 9 letters of a free account sent at once: 5 go.
    async fn five_of_nine_letters_are_scheduled(t) {
        let app = Arc::new(TestApp::new(t).await);
        let user = zhangsan(&app).await;
        let mut bodies = Vec::new();
        for _ in 0..9 {
            let mail = app.draft(&user, json!({})).await;
            bodies.push(json!({"mailId": mail, "sendTime": app.now() + DAY}));
        }
        let path = || "/mails/send-to-future".to_owned();
        let answers =
            at_once(bodies.into_iter().map(|body| post(Arc::clone(&app), user.clone(), path(), body))).await;
        assert_eq!((count(&answers, 200), count(&answers, 403)), (5, 4));
        assert_eq!(app.list(&user, "status=PENDING").await.len(), 5);
    }

    /// One letter sent eight times at once goes once.
    async fn one_letter_is_scheduled_once(t) {
        let app = Arc::new(TestApp::new(t).await);
        let user = zhangsan(&app).await;
        let mail = app.draft(&user, json!({})).await;
        let send = app.now() + HOUR;
        let path = || "/mails/send-to-future".to_owned();
        let answers = at_once((0..8).map(|_| {
            post(Arc::clone(&app), user.clone(), path(), json!({"mailId": mail, "sendTime": send}))
        }))
        .await;
        assert_eq!((count(&answers, 200), count(&answers, 422)), (1, 7));
        answers.iter().filter(|a| a.status == 422).for_each(|a| a.refused(422, &["status"]));
        // The letter, what follows from it, and the mail that says so.
        assert_eq!(app.advance_to(send).await, 3);
        assert_eq!(app.list(&user, "type=INBOX").await, [mail]);
    }

    /// Scheduling, changing, revoking and deleting one draft at once: each answer is true.
    async fn what_was_answered_stays_true(t) {
        let app = Arc::new(TestApp::new(t).await);
        let user = zhangsan(&app).await;
        app.premium(&user).await;
        let send = app.now() + HOUR;
        for round in 0..12 {
            let mail = app.draft(&user, json!({})).await;
            let (one, schedule) = (format!("/mails/{mail}"), json!({"mailId": mail, "sendTime": send}));
            let changes: Vec<(Method, String, Value)> = vec![
                (Method::POST, "/mails/send-to-future".to_owned(), schedule),
                (Method::PUT, one.clone(), json!({"title": "changed"})),
                (Method::POST, format!("{one}/revoke"), json!({})),
                (Method::DELETE, one.clone(), json!({})),
            ];
            let answers = at_once(changes.into_iter().map(|(method, path, body)| {
                let (app, user) = (Arc::clone(&app), user.clone());
                async move { app.call(method, &path, Some(&user.token), Some(body)).await }
            }))
            .await;
            for answer in &answers {
                assert!([200, 404, 422].contains(&answer.status.as_u16()), "{round}: {}", answer.body);
            }
            let [scheduled, _, revoked, deleted] = answers.as_slice() else { panic!() };
            let now = app.get(&one, &user).await;
            if deleted.status == 200 {
                assert_eq!(now.status, 404);
            } else if scheduled.status == 200 && revoked.status != 200 {
                assert_eq!(now.data()["status"], "PENDING");
            } else {
                assert_eq!(now.data()["status"], "DRAFT");
            }
        }
        app.advance_to(send).await;
        assert_eq!(app.list(&user, "status=DELIVERING").await.len(), 0);
    }

    /// Revoking while letters are delivered: revoked or delivered, never both, never neither.
    async fn revoked_or_delivered(t) {
        let app = Arc::new(TestApp::with(t, |s| s.delivering_lead = std::time::Duration::ZERO).await);
        let user = zhangsan(&app).await;
        app.premium(&user).await;
        let send = app.now() + HOUR;
        let mut mails = Vec::new();
        for _ in 0..48 {
            let mail = app.draft(&user, json!({})).await;
            app.schedule(&user, &mail, send).await.data();
            mails.push(mail);
        }
        app.clock.set(send - MICRO);
        let answered = Arc::new(Semaphore::new(0));
        let worker = tokio::spawn({
            let (app, answered) = (Arc::clone(&app), Arc::clone(&answered));
            async move {
                // In the middle of the revoking.
                answered.acquire_many(6).await.unwrap().forget();
                app.advance_to(send).await
            }
        });
        let answers = at_once(mails.iter().map(|mail| {
            let (app, user, answered) = (Arc::clone(&app), user.clone(), Arc::clone(&answered));
            let path = format!("/mails/{mail}/revoke");
            async move {
                let answer = app.post(&path, &user, json!({})).await;
                answered.add_permits(1);
                answer
            }
        }))
        .await;
        worker.await.unwrap();
        app.run_due().await;
        let inbox = app.list(&user, "type=INBOX&size=100").await;
        assert!(count(&answers, 200) >= 6);
        for (mail, answer) in mails.iter().zip(&answers) {
            match answer.status.as_u16() {
                200 => {
                    assert!(!inbox.contains(mail), "{mail} was revoked and delivered");
                    assert_eq!(app.detail(&user, mail).await["status"], "DRAFT");
                }
                422 => {
                    answer.refused(422, &["status"]);
                    assert!(inbox.contains(mail), "{mail} was neither revoked nor delivered");
                }
                _ => panic!("{}", answer.body),
            }
        }
    }

    /// Letters that share files, changed at once in opposite orders, do not lock each other out.
    async fn shared_files_do_not_deadlock(t) {
        let app = Arc::new(TestApp::new(t).await);
        let user = zhangsan(&app).await;
        let mut files = Vec::new();
        for name in ["a", "b", "c", "d"] {
            let file = app.attachment(&user, name, &png(8, 8), "IMAGE").await;
            files.push(json!({"type": "IMAGE", "url": file["url"]}));
        }
        let mut mails = Vec::new();
        for _ in 0..4 {
            mails.push(app.draft(&user, json!({})).await);
        }
        for _ in 0..10 {
            let answers = at_once(mails.iter().enumerate().map(|(n, mail)| {
                let (app, user, path) = (Arc::clone(&app), user.clone(), format!("/mails/{mail}"));
                let mut list = files.clone();
                if n % 2 == 0 {
                    list.reverse();
                }
                async move { app.put(&path, &user, json!({"attachments": list})).await }
            }))
            .await;
            assert_eq!(count(&answers, 200), 4, "{answers:?}");
        }
    }

    /// Two rounds of deliveries at once deliver each letter once.
    async fn two_rounds_deliver_once(t) {
        let app = Arc::new(TestApp::new(t).await);
        let user = zhangsan(&app).await;
        app.premium(&user).await;
        let send = app.now() + HOUR;
        for n in 0..20 {
            let to = json!({"recipientType": "SPECIFIC", "recipientEmail": format!("li{n}@example.com")});
            let mail = app.draft(&user, to).await;
            app.schedule(&user, &mail, send).await.data();
        }
        app.clock.set(send);
        let work = |app: Arc<TestApp>| tokio::spawn(async move { app.run_due().await });
        let workers = [work(Arc::clone(&app)), work(Arc::clone(&app))];
        let mut made = 0;
        for worker in workers {
            made += worker.await.unwrap();
        }
        // Into how many batches the deliveries fell, and so how often something follows, is open.
        assert_eq!(made - attempts(&app, "letter.arrived").await, 40);
        assert_eq!(app.mails().len(), 20);
        assert_eq!(app.list(&user, "status=DELIVERED&size=100").await.len(), 20);
    }
}
