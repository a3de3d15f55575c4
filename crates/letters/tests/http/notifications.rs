//! Who is told what about a letter: push messages and mails, by everybody's settings.

use serde_json::{Value, json};
use testkit::{
    TestDb,
    app::{
        TestApp, User,
        settings::push::{Apns, Fcm},
    },
    push::{APPLE, Services},
};

use crate::helpers::*;

/// A server with an Android app, and the services it talks to.
pub async fn with_services(t: TestDb, verify_email: bool) -> (TestApp, Services) {
    let services = Services::start().await;
    let credentials = t.dir.path().join("service-account.json");
    std::fs::write(&credentials, services.service_account()).unwrap();
    let key = t.dir.path().join("apns.p8");
    std::fs::write(&key, services.apns_key()).unwrap();
    let [team_id, key_id, topic] = APPLE.map(str::to_owned);
    let app = TestApp::with(t, |s| {
        s.verify_email = verify_email;
        s.push.allow_private = true;
        let base = services.base().to_owned();
        s.push.fcm =
            Some(Fcm { credentials, base: services.base().to_owned(), token_uri: services.token_uri() });
        s.push.apns = Some(Apns { key, key_id, team_id, topic, base });
    })
    .await;
    (app, services)
}

pub async fn register(app: &TestApp, user: &User, device: &str, token: &str) {
    let body = json!({"deviceId": device, "platform": "ANDROID", "token": token});
    app.post("/notification/device", user, body).await.data();
}

pub async fn settings(app: &TestApp, user: &User, settings: Value) {
    app.put("/notification/settings", user, settings).await.data();
}

/// `(token, type)` of the messages since the last look, sorted.
pub fn pushed(services: &Services) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let mut all: Vec<_> = services
        .calls()
        .iter()
        .map(|c| (text(&c.body["message"]["token"]), text(&c.body["message"]["data"]["type"])))
        .collect();
    all.sort();
    all
}

pub fn one(token: &str, occasion: &str) -> Vec<(String, String)> {
    vec![(token.to_owned(), occasion.to_owned())]
}

pub fn to(reader: &User) -> Value {
    json!({"recipientType": "SPECIFIC", "recipientEmail": reader.email})
}

/// `(channel, state)` as the author sees them, sorted.
pub async fn channels(app: &TestApp, user: &User, mail: &str) -> Vec<(String, String)> {
    let answer = app.get(&format!("/mails/{mail}/deliveries"), user).await;
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let mut all: Vec<_> = answer.data()["deliveries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|d| (text(&d["channel"]), text(&d["state"])))
        .collect();
    all.sort();
    all
}

fn is(list: &[(String, String)], expected: &[(&str, &str)]) -> bool {
    list.iter().map(|(a, b)| (a.as_str(), b.as_str())).eq(expected.iter().copied())
}

pub const MAIL_OF_ARRIVAL: &str = "您的信到了 / Your letter has arrived";
const MAIL_OF_REMINDER: &str = "您的信即将送出 / Your letter will leave soon";

pub fn mails(app: &TestApp, user: &User, subject: &str) -> usize {
    app.mails_to(&user.email).iter().filter(|m| m.subject == subject).count()
}

testkit::both! {
    &[];

    /// A letter to oneself is told by mail and push, by all sixteen settings.
    async fn a_letter_to_oneself_by_every_setting(t) {
        let (app, services) = with_services(t, false).await;
        let user = zhangsan(&app).await;
        app.premium(&user).await;
        register(&app, &user, "phone", "a-phone").await;
        let mut told = 0;
        for n in 0..16 {
            let on = |bit: u32| n >> bit & 1 == 1;
            let (email, push, received, delivery) = (on(0), on(1), on(2), on(3));
            settings(&app, &user, json!({"emailNotification": email, "pushNotification": push,
                "receivedNotification": received, "deliveryReminder": delivery})).await;
            app.delivered(&user, json!({})).await;
            let expected = if push && received { one("a-phone", "received") } else { Vec::new() };
            assert_eq!(pushed(&services), expected, "{n:04b}");
            told += usize::from(email && received);
            assert_eq!(mails(&app, &user, MAIL_OF_ARRIVAL), told, "{n:04b}");
        }
        assert_eq!((app.mails().len(), services.faults()), (told, Vec::new()));
    }

    /// A letter to somebody: the reader is told by their settings and the author by theirs.
    async fn a_letter_to_another_by_every_setting(t) {
        let (app, services) = with_services(t, false).await;
        let (author, reader) = (zhangsan(&app).await, app.user("reader").await);
        app.premium(&author).await;
        register(&app, &author, "phone", "a-phone").await;
        register(&app, &reader, "phone", "b-phone").await;
        for n in 0..16 {
            let on = |bit: u32| n >> bit & 1 == 1;
            settings(&app, &author, json!({"pushNotification": on(0), "deliveryReminder": on(1),
                "receivedNotification": on(2)})).await;
            settings(&app, &reader, json!({"pushNotification": on(2), "receivedNotification": on(3),
                "deliveryReminder": on(0)})).await;
            app.delivered(&author, to(&reader)).await;
            let mut expected = Vec::new();
            if on(0) && on(1) {
                expected.extend(one("a-phone", "delivered"));
            }
            if on(2) && on(3) {
                expected.extend(one("b-phone", "received"));
            }
            assert_eq!(pushed(&services), expected, "{n:04b}");
        }
        // The letters themselves, and no mail about them.
        assert_eq!((app.mails_to(&reader.email).len(), app.mails().len()), (16, 16));
        assert_eq!(services.faults(), Vec::<String>::new());
    }

    /// Every enabled device, and only those whose platform is set up; who writes to themselves is told once.
    async fn every_device(t) {
        let (app, services) = with_services(t, false).await;
        let user = zhangsan(&app).await;
        register(&app, &user, "one", "token-1").await;
        register(&app, &user, "two", "token-2").await;
        let off = json!({"deviceId": "three", "platform": "ANDROID", "token": "token-3", "isEnabled": false});
        app.post("/notification/device", &user, off).await.data();
        let ios = json!({"deviceId": "four", "platform": "IOS", "token": "0a1b"});
        app.post("/notification/device", &user, ios).await.data();
        let mail = app.delivered(&user, to(&user)).await;
        let mut paths: Vec<String> = services.calls().into_iter().map(|c| c.path).collect();
        paths.sort();
        let fcm = "/v1/projects/hongyan-test/messages:send";
        assert_eq!(paths, ["/3/device/0a1b", fcm, fcm]);
        let seen = app.get(&format!("/mails/{mail}/deliveries"), &user).await;
        for secret in ["token-1", "token-2", "0a1b"] {
            assert!(!seen.body.to_string().contains(secret));
        }
        assert_eq!(services.faults(), Vec::<String>::new());
    }

    /// Without the services of its platform nothing is scheduled for a device.
    async fn a_platform_that_is_not_set_up(t) {
        let app = TestApp::new(t).await;
        let user = zhangsan(&app).await;
        register(&app, &user, "phone", "token-1").await;
        let mail = app.delivered(&user, json!({})).await;
        let seen = channels(&app, &user, &mail).await;
        assert!(is(&seen, &[("inbox", "done"), ("received-email", "done")]), "{seen:?}");
    }

    /// A public letter: its author is told.
    async fn a_public_letter(t) {
        let (app, services) = with_services(t, false).await;
        let (author, other) = (zhangsan(&app).await, app.user("other").await);
        register(&app, &author, "phone", "a-phone").await;
        register(&app, &other, "phone", "b-phone").await;
        let mail = app.delivered(&author, json!({"recipientType": "PUBLIC"})).await;
        assert_eq!(pushed(&services), one("a-phone", "delivered"));
        let seen = channels(&app, &author, &mail).await;
        assert!(is(&seen, &[("delivered-push", "done"), ("inbox", "done")]), "{seen:?}");
        assert!(app.mails().is_empty());
    }

    /// Where addresses are verified, an unverified one is told nothing of letters that it may not open.
    async fn an_unverified_address_is_not_told(t) {
        let (app, services) = with_services(t, true).await;
        let (author, reader) = (zhangsan(&app).await, app.user("reader").await);
        register(&app, &reader, "phone", "b-phone").await;
        app.delivered(&author, to(&reader)).await;
        assert_eq!(pushed(&services), []);
        app.run_due().await;
        let token = app.mails_to(&reader.email).iter().find(|m| m.text.contains("verify-email#token=")).unwrap().token();
        app.post("/auth/verify-email", &reader, json!({"token": token})).await.data();
        app.delivered(&author, to(&reader)).await;
        assert_eq!(pushed(&services), one("b-phone", "received"));
    }

    /// The author sees their own channels, and nothing of the reader's devices.
    async fn the_readers_devices_are_no_business_of_the_author(t) {
        let (app, services) = with_services(t, false).await;
        let (author, reader) = (zhangsan(&app).await, app.user("reader").await);
        register(&app, &author, "phone", "a-phone").await;
        register(&app, &reader, "phone", "b-phone").await;
        let mail = app.delivered(&author, to(&reader)).await;
        assert_eq!(pushed(&services).len(), 2);
        let seen = channels(&app, &author, &mail).await;
        assert!(is(&seen, &[("delivered-push", "done"), ("email", "done"), ("inbox", "done")]), "{seen:?}");
    }

    /// A service that is away is asked again; what is not wanted any more by then is not sent.
    async fn what_is_wanted_is_asked_again(t) {
        let (app, services) = with_services(t, false).await;
        let (user, other) = (zhangsan(&app).await, app.user("other").await);
        register(&app, &user, "phone", "a-phone").await;
        let away = || services.next(503, &[("retry-after", "600")], json!({}));
        // Asked again when the service says.
        away();
        let mail = app.delivered(&user, json!({})).await;
        assert_eq!(pushed(&services).len(), 1);
        assert!(is(&channels(&app, &user, &mail).await,
            &[("inbox", "done"), ("received-email", "done"), ("received-push", "scheduled")]));
        app.advance_to(app.now() + 599 * SECOND).await;
        assert_eq!(pushed(&services).len(), 0);
        app.advance_to(app.now() + SECOND).await;
        assert_eq!(pushed(&services), one("a-phone", "received"));
        // Push is switched off meanwhile.
        away();
        app.delivered(&user, json!({})).await;
        settings(&app, &user, json!({"pushNotification": false})).await;
        pushed(&services);
        app.advance_to(app.now() + HOUR).await;
        assert_eq!(pushed(&services), []);
        settings(&app, &user, json!({"pushNotification": true})).await;
        // The device passes to somebody else meanwhile.
        away();
        app.delivered(&user, json!({})).await;
        register(&app, &other, "phone", "a-phone").await;
        pushed(&services);
        app.advance_to(app.now() + HOUR).await;
        assert_eq!(pushed(&services), []);
        app.delivered(&user, json!({})).await;
        assert_eq!(pushed(&services), []);
        app.delivered(&other, json!({})).await;
        assert_eq!(pushed(&services), one("a-phone", "received"));
        assert_eq!(services.faults(), Vec::<String>::new());
    }

    /// A device that its service does not know any more is forgotten, unless it has another token by then.
    async fn dead_devices_are_removed(t) {
        let (app, services) = with_services(t, false).await;
        let user = zhangsan(&app).await;
        app.premium(&user).await;
        let gone = || {
            let details = json!([{"errorCode": "UNREGISTERED"}]);
            services.next(404, &[], json!({"error": {"status": "NOT_FOUND", "message": "", "details": details}}));
        };
        register(&app, &user, "phone", "old-token").await;
        gone();
        let mail = app.delivered(&user, json!({})).await;
        assert_eq!(pushed(&services), one("old-token", "received"));
        let seen = app.get(&format!("/mails/{mail}/deliveries"), &user).await.body.to_string();
        assert!(seen.contains("was removed") && !seen.contains("old-token"), "{seen}");
        app.delivered(&user, json!({})).await;
        assert_eq!(pushed(&services), []);
        register(&app, &user, "phone", "new-token").await;
        app.delivered(&user, json!({})).await;
        assert_eq!(pushed(&services), one("new-token", "received"));
        // The answer about the old token comes when the new one is there.
        register(&app, &user, "phone", "old-token").await;
        services.next(503, &[("retry-after", "60")], json!({}));
        app.delivered(&user, json!({})).await;
        register(&app, &user, "phone", "new-token").await;
        register(&app, &user, "tablet", "old-token").await;
        gone();
        pushed(&services);
        app.advance_to(app.now() + MINUTE).await;
        assert_eq!(pushed(&services), one("old-token", "received"));
        app.delivered(&user, json!({})).await;
        assert_eq!(pushed(&services), one("new-token", "received"));
    }

    /// The text is in no message and no mail about a letter; of an encrypted one not even the title.
    async fn no_text_leaves(t) {
        let (app, services) = with_services(t, false).await;
        let (mut author, reader) = (zhangsan(&app).await, app.user("reader").await);
        app.premium(&author).await;
        register(&app, &author, "phone", "a-phone").await;
        register(&app, &reader, "phone", "b-phone").await;
        for encrypted in [false, true] {
            for fields in [json!({}), to(&reader), json!({"recipientType": "PUBLIC"})] {
                let fields = with(fields, json!({"title": "题目在此", "content": "正文在此", "isEncrypted": encrypted}));
                let mail = app.draft(&author, fields.clone()).await;
                let send = app.now() + 4 * DAY;
                app.schedule(&author, &mail, send).await.data();
                app.advance_to(send.minus(DAY)).await;
                app.advance_to(send).await;
                author = app.login(&author).await;
                let calls = services.calls();
                assert!(!calls.is_empty());
                for call in calls {
                    let text = String::from_utf8(call.bytes).unwrap();
                    assert!(!text.contains("正文在此"), "{text}");
                    assert_eq!(text.contains("题目在此"), !encrypted, "{text}");
                }
                let mails: Vec<_> = app.mails_to(&author.email).into_iter().filter(|m| m.text.contains(&mail)).collect();
                assert_eq!(mails.len(), 1, "{fields}");
                for mail in mails {
                    assert!(!mail.raw.contains("正文在此") && !mail.text.contains("正文在此"));
                    let shown = mail.text.contains("题目在此") || mail.html.contains("题目在此");
                    assert_eq!((shown, mail.subject.contains("题目在此")), (!encrypted, false));
                }
            }
        }
        assert_eq!(services.faults(), Vec::<String>::new());
    }

    /// A day before a letter to others leaves, not earlier, its author is reminded, once.
    async fn a_reminder(t) {
        let (app, services) = with_services(t, false).await;
        let (author, reader) = (zhangsan(&app).await, app.user("reader").await);
        register(&app, &author, "phone", "a-phone").await;
        register(&app, &reader, "phone", "b-phone").await;
        let mail = app.draft(&author, to(&reader)).await;
        let send = app.now() + 30 * DAY;
        app.schedule(&author, &mail, send).await.data();
        assert_eq!(app.advance_to(send.minus(DAY + MICRO)).await, 0);
        app.advance_to(send.minus(DAY)).await;
        let author = app.login(&author).await;
        assert_eq!(pushed(&services), one("a-phone", "reminder"));
        let reminders = app.mails_to(&author.email);
        let [reminder] = reminders.as_slice() else { panic!("{}", reminders.len()) };
        assert_eq!(reminder.subject, MAIL_OF_REMINDER);
        assert!(reminder.text.contains(&send.to_string()) && reminder.text.contains(&reader.email));
        assert!(app.mails_to(&reader.email).is_empty());
        let seen = channels(&app, &author, &mail).await;
        assert!(is(&seen, &[("email", "scheduled"), ("inbox", "scheduled"), ("reminder", "done"),
            ("reminder-email", "done"), ("reminder-push", "done")]), "{seen:?}");
        app.advance_to(send).await;
        let mut both = one("a-phone", "delivered");
        both.extend(one("b-phone", "received"));
        assert_eq!(pushed(&services), both);
        assert_eq!(mails(&app, &author, MAIL_OF_REMINDER), 1);
    }

    /// Who is not reminded: of a letter to oneself, of one that leaves soon, by settings, by the operator.
    async fn no_reminder(t) {
        let (app, services) = with_services(t, false).await;
        let (author, reader) = (zhangsan(&app).await, app.user("reader").await);
        app.premium(&author).await;
        register(&app, &author, "phone", "a-phone").await;
        let own = app.draft(&author, json!({})).await;
        app.schedule(&author, &own, app.now() + 30 * DAY).await.data();
        let soon = app.draft(&author, to(&reader)).await;
        app.schedule(&author, &soon, (app.now() + 2 * DAY).minus(MICRO)).await.data();
        let edge = app.draft(&author, to(&reader)).await;
        app.schedule(&author, &edge, app.now() + 2 * DAY).await.data();
        for (mail, reminded) in [(&own, false), (&soon, false), (&edge, true)] {
            let seen = channels(&app, &author, mail).await;
            assert_eq!(seen.iter().any(|(channel, _)| channel == "reminder"), reminded, "{seen:?}");
        }
        // What an author does not want is asked when it would be told.
        settings(&app, &author, json!({"deliveryReminder": false})).await;
        app.advance_to(app.now() + DAY).await;
        assert_eq!((pushed(&services), app.mails().len()), (Vec::new(), 0));
        let author = app.login(&author).await;
        let mail = app.draft(&author, to(&reader)).await;
        app.schedule(&author, &mail, app.now() + 3 * DAY).await.data();
        for (email, push) in [(true, false), (false, true)] {
            let wants = json!({"deliveryReminder": true, "emailNotification": email, "pushNotification": push});
            settings(&app, &app.login(&author).await, wants).await;
            let mail = app.draft(&author, json!({"recipientType": "PUBLIC"})).await;
            app.schedule(&author, &mail, app.now() + 2 * DAY).await.data();
        }
        app.advance_to(app.now() + DAY).await;
        assert_eq!(mails(&app, &author, MAIL_OF_REMINDER), 0);
        assert_eq!(pushed(&services).iter().filter(|(_, o)| o == "reminder").count(), 2);
    }

    /// A letter can be called back before and after its reminder; what was not told by then is not told.
    async fn revoked_letters(t) {
        let (app, services) = with_services(t, false).await;
        let (author, reader) = (zhangsan(&app).await, app.user("reader").await);
        register(&app, &author, "phone", "a-phone").await;
        let mail = app.draft(&author, to(&reader)).await;
        let revoke = format!("/mails/{mail}/revoke");
        let send = app.now() + 3 * DAY;
        // Before it.
        app.schedule(&author, &mail, send).await.data();
        app.post(&revoke, &author, json!({})).await.data();
        let seen = channels(&app, &author, &mail).await;
        assert!(is(&seen, &[("email", "cancelled"), ("inbox", "cancelled"), ("reminder", "cancelled")]), "{seen:?}");
        // After it, while the push service is away.
        app.schedule(&author, &mail, send).await.data();
        services.next(503, &[("retry-after", "60")], json!({}));
        app.advance_to(send.minus(DAY)).await;
        let author = app.login(&author).await;
        assert_eq!((pushed(&services).len(), mails(&app, &author, MAIL_OF_REMINDER)), (1, 1));
        app.post(&revoke, &author, json!({})).await.data();
        app.advance_to(send).await;
        assert_eq!((pushed(&services), app.mails().len()), (Vec::new(), 1));
        assert_eq!(app.detail(&app.login(&author).await, &mail).await["status"], "DRAFT");
        // Scheduled anew it is told anew.
        let author = app.login(&author).await;
        let send = app.now() + 3 * DAY;
        app.schedule(&author, &mail, send).await.data();
        app.advance_to(send.minus(DAY)).await;
        assert_eq!((pushed(&services), mails(&app, &author, MAIL_OF_REMINDER)), (one("a-phone", "reminder"), 2));
    }
}

/// Zero is never.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reminders_can_be_switched_off() {
    let t = TestDb::sqlite(&[]).await;
    let app = TestApp::with(t, |s| s.reminder_lead = std::time::Duration::ZERO).await;
    let user = zhangsan(&app).await;
    let mail = app.draft(&user, json!({"recipientType": "PUBLIC"})).await;
    app.schedule(&user, &mail, app.now() + 30 * DAY).await.data();
    assert!(is(&channels(&app, &user, &mail).await, &[("inbox", "scheduled")]));
}
