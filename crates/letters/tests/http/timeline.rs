//! `GET /timeline`: seed 002 §5.1, UTC days, pages of events, and who sees what.

use serde_json::{Value, json};
use testkit::app::{TestApp, User, shape};

use crate::helpers::*;

/// The events of an answer as `date time type mail`, in its order.
fn events(data: &Value) -> Vec<String> {
    let mut all = Vec::new();
    for day in data["timeline"].as_array().unwrap() {
        for event in day["events"].as_array().unwrap() {
            let text = |field: &str| event[field].as_str().unwrap();
            let date = day["date"].as_str().unwrap();
            all.push(format!("{date} {} {} {}", text("time"), text("type"), text("mailId")));
        }
    }
    all
}

async fn timeline(app: &TestApp, user: &User, query: &str) -> Vec<String> {
    events(app.get(&format!("/timeline?{query}"), user).await.data())
}

/// A letter scheduled at `time` for an hour later, and that hour passed.
async fn letter(app: &TestApp, user: &User, time: &str, fields: Value) -> String {
    app.clock.set(at(time));
    let user = app.login(user).await;
    app.delivered(&user, fields).await
}

testkit::both! {
    &[];

    /// §5.1
    async fn seed_002_5_1_timeline(t) {
        let app = TestApp::new(t).await;
        let user = zhangsan(&app).await;
        let mail = app.delivered(&user, json!({"title": "一封信", "content": "今天很开心，太高兴了！"})).await;
        let answer = app.get("/timeline", &user).await;
        shape(
            &answer.body,
            &json!({
                "code": 200, "message": "=success",
                "data": {
                    "timeline": [{
                        "date": "=2028-01-15",
                        "events": [{
                            "type": "string", "mailId": format!("={mail}"), "title": "=一封信",
                            "time": "string", "withUser": person(&user), "emotion": null
                        }]
                    }],
                    "nextCursor": null
                }
            }),
        );
        assert_eq!(
            events(answer.data()),
            [format!("2028-01-15 13:00:00 RECEIVED {mail}"), format!("2028-01-15 12:00:00 SENT {mail}")]
        );
        app.clock.advance(MINUTE);
        app.run_due().await;
        let answer = app.get("/timeline", &user).await;
        for event in answer.data()["timeline"][0]["events"].as_array().unwrap() {
            assert_eq!(event["emotion"], "HAPPY");
        }
    }

    /// Both ends are included: days from their first to their last microsecond, instants exactly.
    async fn ends_are_included(t) {
        let app = TestApp::new(t).await;
        let user = zhangsan(&app).await;
        app.premium(&user).await;
        let (a, b, c) = ("2028-02-28T23:59:59.999999Z", "2028-02-29T00:00:00Z", "2028-02-29T23:59:59.999999Z");
        let mut mails = Vec::new();
        for time in [a, b, c, "2028-03-01T00:00:00Z", "2028-12-31T23:30:00Z"] {
            app.clock.set(at(time));
            let user = app.login(&user).await;
            let mail = app.draft(&user, json!({})).await;
            app.schedule(&user, &mail, at(time) + 3000 * DAY).await.data();
            mails.push(mail);
        }
        let user = app.login(&user).await;
        let sent = |n: usize, time: &str| format!("{time} SENT {}", mails[n]);
        let (one, two, three) =
            (sent(0, "2028-02-28 23:59:59"), sent(1, "2028-02-29 00:00:00"), sent(2, "2028-02-29 23:59:59"));
        let (four, five) = (sent(3, "2028-03-01 00:00:00"), sent(4, "2028-12-31 23:30:00"));
        let encoded = |time: &str| time.replace('+', "%2B");
        for (query, expected) in [
            (String::new(), vec![&five, &four, &three, &two, &one]),
            ("startDate=2028-02-29&endDate=2028-02-29".into(), vec![&three, &two]),
            ("endDate=2028-02-28".into(), vec![&one]),
            ("startDate=2028-03-01".into(), vec![&five, &four]),
            (format!("startDate={a}&endDate={b}"), vec![&two, &one]),
            (format!("startDate={b}&endDate={b}"), vec![&two]),
            (format!("startDate={}", encoded("2028-02-29T08:00:00.000001+08:00")), vec![&five, &four, &three]),
            ("startDate=2029-01-01".into(), vec![]),
            ("startDate=2028-01-01&endDate=9999-12-31".into(), vec![&five, &four, &three, &two, &one]),
            ("type=RECEIVED".into(), vec![]),
        ] {
            assert_eq!(timeline(&app, &user, &query).await.iter().collect::<Vec<_>>(), expected, "{query}");
        }
    }

    /// What is refused, all of it at once.
    async fn bad_questions(t) {
        let app = TestApp::new(t).await;
        let user = zhangsan(&app).await;
        for (query, status, fields) in [
            ("startDate=2028-02-30", 400, vec!["startDate"]),
            ("startDate=x&endDate=2027-02-29&type=OUTBOX&cursor=y", 400, vec!["cursor", "endDate", "startDate", "type"]),
            ("startDate=2028-01-01T00:00:00", 400, vec!["startDate"]),
            ("startDate=2028-01-02&endDate=2028-01-01", 422, vec!["endDate"]),
            ("startDate=2028-01-01T00:00:00.000001Z&endDate=2028-01-01T00:00:00Z", 422, vec!["endDate"]),
            ("type=sent", 400, vec!["type"]),
            ("cursor=1.mail_1.x", 400, vec!["cursor"]),
            ("cursor=1.user_1.s", 400, vec!["cursor"]),
            ("cursor=99999999999999999999.mail_1.s", 400, vec!["cursor"]),
        ] {
            app.get(&format!("/timeline?{query}"), &user).await.refused(status, &fields);
        }
        app.call(axum::http::Method::GET, "/timeline", None, None).await.refused(401, &[]);
        assert!(timeline(&app, &user, "").await.is_empty());
    }

    /// Whom a letter goes to or is from, and what does not show: drafts, revoked letters, what has not arrived,
    /// what went to others, what others published.
    async fn what_shows(t) {
        let app = TestApp::new(t).await;
        let (user, friend) = (zhangsan(&app).await, app.user("friend").await);
        let to = |address: &str| json!({"recipientType": "SPECIFIC", "recipientEmail": address});
        let received = letter(&app, &friend, "2028-02-01T00:00:00Z", to(&user.email)).await;
        let theirs = letter(&app, &friend, "2028-02-02T00:00:00Z", json!({})).await;
        let stranger = letter(&app, &user, "2028-02-03T00:00:00Z", to("stranger@example.com")).await;
        let public = letter(&app, &user, "2028-02-04T00:00:00Z", json!({"recipientType": "PUBLIC"})).await;
        let (user, friend) = (app.login(&user).await, app.login(&friend).await);
        app.draft(&user, json!({})).await;
        let revoked = app.draft(&user, json!({})).await;
        app.schedule(&user, &revoked, app.now() + DAY).await.data();
        app.post(&format!("/mails/{revoked}/revoke"), &user, json!({})).await.data();
        let coming = app.draft(&friend, to(&user.email)).await;
        app.schedule(&friend, &coming, app.now() + HOUR).await.data();

        let answer = app.get("/timeline", &user).await;
        assert_eq!(
            events(answer.data()),
            [
                format!("2028-02-04 00:00:00 SENT {public}"),
                format!("2028-02-03 00:00:00 SENT {stranger}"),
                format!("2028-02-01 01:00:00 RECEIVED {received}")
            ]
        );
        let with: Vec<&Value> =
            answer.data()["timeline"].as_array().unwrap().iter().map(|d| &d["events"][0]["withUser"]).collect();
        let nobody = json!({"userId": null, "username": "s***@example.com", "avatar": null});
        let sender = json!({"userId": friend.id, "username": "friend", "avatar": null});
        assert_eq!(with, [&Value::Null, &nobody, &sender]);
        assert_eq!(
            timeline(&app, &friend, "type=SENT").await,
            [
                format!("2028-02-04 01:00:00 SENT {coming}"),
                format!("2028-02-02 00:00:00 SENT {theirs}"),
                format!("2028-02-01 00:00:00 SENT {received}")
            ]
        );
        assert_eq!(
            timeline(&app, &friend, "type=RECEIVED").await,
            [format!("2028-02-02 01:00:00 RECEIVED {theirs}")]
        );
    }

    /// 1,250 letters to oneself, many of one instant: 1,000 events an answer, none twice, none left out, in order.
    async fn a_long_timeline_comes_in_parts(t) {
        let app = TestApp::new(t).await;
        let user = zhangsan(&app).await;
        crate::bulk::seed(&app, &format!("'{}'", user.id), 1250, 7, &["一封信".to_owned()]).await;
        // Every tenth went to somebody else.
        for (query, expected) in [("", 2375), ("type=SENT", 1250), ("type=RECEIVED&startDate=2027-01-01", 1125_usize)] {
            let mut all: Vec<String> = Vec::new();
            let mut cursor = String::new();
            let mut answers = 0;
            loop {
                let answer = app.get(&format!("/timeline?{query}&cursor={cursor}"), &user).await;
                let found = events(answer.data());
                assert!(found.len() <= 1000);
                all.extend(found);
                answers += 1;
                match answer.data()["nextCursor"].as_str() {
                    Some(next) => cursor = next.to_owned(),
                    None => break,
                }
            }
            assert_eq!((all.len(), answers), (expected, expected.div_ceil(1000)), "{query}");
            let unique: std::collections::BTreeSet<&String> = all.iter().collect();
            assert_eq!(unique.len(), expected, "{query}");
            let times: Vec<&str> = all.iter().map(|e| &e[..19]).collect();
            assert!(times.windows(2).all(|pair| pair[0] >= pair[1]), "{query}");
        }
    }
}
