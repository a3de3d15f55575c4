//! `GET /statistics`: seed 002 §5.2, what counts and what does not, UTC months.

use serde_json::{Value, json};
use testkit::app::{TestApp, User, shape};

use crate::helpers::*;

async fn statistics(app: &TestApp, user: &User) -> Value {
    app.get("/statistics", user).await.data().clone()
}

/// A month's `sent` and `received`.
fn month(statistics: &Value, month: &str) -> (i64, i64) {
    let months = statistics["monthlyStats"].as_array().unwrap();
    let found = months.iter().find(|m| m["month"] == month).unwrap_or_else(|| panic!("no {month}"));
    (found["sent"].as_i64().unwrap(), found["received"].as_i64().unwrap())
}

fn words(statistics: &Value) -> Vec<(String, i64)> {
    let cloud = statistics["keywordCloud"].as_array().unwrap().iter();
    cloud.map(|w| (w["word"].as_str().unwrap().to_owned(), w["count"].as_i64().unwrap())).collect()
}

/// How often a word occurs in the cloud.
fn count(statistics: &Value, word: &str) -> i64 {
    words(statistics).iter().find(|(w, _)| w == word).map_or(0, |(_, n)| *n)
}

testkit::both! {
    &[];

    /// §5.2
    async fn seed_002_5_2_statistics(t) {
        let app = TestApp::new(t).await;
        let user = zhangsan(&app).await;
        let text = json!({"content": "时间胶囊装着梦想，时间胶囊装着希望。A time capsule full of dreams."});
        app.delivered(&user, text).await;
        let answer = app.get("/statistics", &user).await;
        shape(
            &answer.body,
            &json!({
                "code": 200, "message": "=success",
                "data": {
                    "totalSent": 1, "totalReceived": 1, "timeTravelDuration": 0,
                    "mostFrequentRecipient": "=张三", "mostCommonYear": 2028,
                    "keywordCloud": [{"word": "string", "count": "number", "size": "number"}],
                    "monthlyStats": [{"month": "string", "sent": "number", "received": "number"}]
                }
            }),
        );
        let months: Vec<&Value> =
            answer.data()["monthlyStats"].as_array().unwrap().iter().map(|m| &m["month"]).collect();
        assert_eq!((months.len(), months[0], months[11]), (12, &json!("2027-02"), &json!("2028-01")));
        assert_eq!(month(answer.data(), "2028-01"), (1, 1));
    }

    /// Nothing is null that has a number, and nothing is invented.
    async fn an_empty_account(t) {
        let app = TestApp::new(t).await;
        let user = zhangsan(&app).await;
        app.draft(&user, json!({})).await;
        let found = statistics(&app, &user).await;
        for (field, value) in [
            ("totalSent", json!(0)),
            ("totalReceived", json!(0)),
            ("timeTravelDuration", json!(0)),
            ("mostFrequentRecipient", Value::Null),
            ("mostCommonYear", Value::Null),
            ("keywordCloud", json!([])),
        ] {
            assert_eq!(found[field], value, "{field}");
        }
        assert!(found["monthlyStats"].as_array().unwrap().iter().all(|m| m["sent"] == 0 && m["received"] == 0));
        for bad in ["0", "121", "-1", "1.5", "x"] {
            app.get(&format!("/statistics?months={bad}"), &user).await.refused(400, &["months"]);
        }
        for (months, first) in [(1, "2028-01"), (13, "2027-01"), (120, "2018-02")] {
            let found = app.get(&format!("/statistics?months={months}"), &user).await;
            let list = found.data()["monthlyStats"].as_array().unwrap();
            assert_eq!((list.len(), &list[0]["month"]), (months, &json!(first)));
        }
        app.call(axum::http::Method::GET, "/statistics", None, None).await.refused(401, &[]);
    }

    /// A letter counts in the UTC month in which it was scheduled, and where it arrived in that of its arrival:
    /// at the ends of a year, around a leap day, to the microsecond.
    async fn months_are_utc_months(t) {
        let app = TestApp::new(t).await;
        let user = zhangsan(&app).await;
        app.premium(&user).await;
        let mut scheduled = Vec::new();
        for time in [
            "2028-02-29T23:59:59.999999Z",
            "2028-03-01T00:00:00Z",
            // New year in Shanghai is still December in UTC.
            "2029-01-01T07:59:59+08:00",
            "2028-12-31T23:59:59.999999Z",
            "2029-01-01T00:00:00Z",
        ] {
            app.clock.set(at(time));
            let user = app.login(&user).await;
            let mail = app.draft(&user, json!({})).await;
            app.schedule(&user, &mail, at(time) + HOUR).await.data();
            scheduled.push(at(time) + HOUR);
        }
        scheduled.sort();
        for time in scheduled {
            if time > app.now() {
                app.clock.set(time);
            }
            app.run_due().await;
        }
        let user = app.login(&user).await;
        let found = statistics(&app, &user).await;
        for (name, counts) in
            [("2028-02", (1, 0)), ("2028-03", (1, 2)), ("2028-12", (2, 1)), ("2029-01", (1, 2))]
        {
            assert_eq!(month(&found, name).0, counts.0, "{name}");
        }
        assert_eq!((&found["totalSent"], &found["totalReceived"]), (&json!(5), &json!(5)));
        // The third arrives at 00:59:59 UTC in January, the last two an hour after midnight.
        assert_eq!(found["mostCommonYear"], 2029);
        // Later months leave the list, not the totals.
        app.clock.set(at("2031-06-30T00:00:00Z"));
        let user = app.login(&user).await;
        let found = statistics(&app, &user).await;
        assert_eq!((&found["totalSent"], &found["totalReceived"]), (&json!(5), &json!(5)));
        assert!(found["monthlyStats"].as_array().unwrap().iter().all(|m| m["sent"] == 0));
        let all = app.get("/statistics?months=60", &user).await;
        assert_eq!(month(all.data(), "2028-12").0, 2);
    }

    /// From scheduling to `sendTime` in whole days of the sum, once for each letter.
    async fn the_time_that_letters_travel(t) {
        let app = TestApp::new(t).await;
        let user = zhangsan(&app).await;
        let mut mails = Vec::new();
        for hours in [36, 36, 12] {
            let mail = app.draft(&user, json!({})).await;
            app.schedule(&user, &mail, app.now() + hours * HOUR).await.data();
            mails.push(mail);
        }
        assert_eq!(statistics(&app, &user).await["timeTravelDuration"], 3);
        app.post(&format!("/mails/{}/revoke", mails[2]), &user, json!({})).await.data();
        assert_eq!(statistics(&app, &user).await["timeTravelDuration"], 3);
        app.post(&format!("/mails/{}/revoke", mails[1]), &user, json!({})).await.data();
        assert_eq!(statistics(&app, &user).await["timeTravelDuration"], 1);
        // A letter to the year 2128 is no overflow.
        app.schedule(&user, &mails[1], at("2128-01-15T12:00:00Z")).await.data();
        assert_eq!(statistics(&app, &user).await["timeTravelDuration"], 36_524 + 1);
    }

    /// Whom most letters went to: by name, by a masked address, oneself under two addresses; PUBLIC is nobody.
    async fn the_most_frequent_recipient(t) {
        let app = TestApp::new(t).await;
        let user = zhangsan(&app).await;
        app.premium(&user).await;
        app.user("friend").await;
        let send = async |fields: Value| {
            let mail = app.draft(&user, fields).await;
            app.schedule(&user, &mail, app.now() + DAY).await.data();
        };
        let to = |address: &str| json!({"recipientType": "SPECIFIC", "recipientEmail": address});
        for _ in 0..4 {
            send(json!({"recipientType": "PUBLIC"})).await;
        }
        assert_eq!(statistics(&app, &user).await["mostFrequentRecipient"], Value::Null);
        send(json!({})).await;
        assert_eq!(statistics(&app, &user).await["mostFrequentRecipient"], "张三");
        send(to("Stranger@Example.com")).await;
        assert_eq!(statistics(&app, &user).await["mostFrequentRecipient"], "s***@example.com");
        send(to("friend@example.com")).await;
        send(to("FRIEND@example.com")).await;
        assert_eq!(statistics(&app, &user).await["mostFrequentRecipient"], "friend");
        send(to("zhangsan@example.com")).await;
        send(to("zhangsan@example.com")).await;
        let found = statistics(&app, &user).await;
        assert_eq!((&found["mostFrequentRecipient"], &found["totalSent"]), (&json!("张三"), &json!(10)));
    }

    /// Chinese is cut into words, English is folded, stop words and numbers are left out, both may be mixed.
    async fn words_are_cut(t) {
        let app = TestApp::new(t).await;
        let user = zhangsan(&app).await;
        let text = "时间胶囊里有我们的梦想。2036 年打开时间胶囊的时候，the Capsule and my capsule 会说：梦想，梦想！";
        let mail = app.draft(&user, json!({"content": text})).await;
        app.schedule(&user, &mail, app.now() + DAY).await.data();
        let found = statistics(&app, &user).await;
        assert_eq!((count(&found, "梦想"), count(&found, "capsule")), (3, 2), "{found:#}");
        assert_eq!(count(&found, "胶囊") + count(&found, "时间胶囊"), 2, "{found:#}");
        for stop in ["的", "the", "and", "2036", "，", "my"] {
            assert_eq!(count(&found, stop), 0, "{stop}");
        }
        let cloud = found["keywordCloud"].as_array().unwrap();
        assert_eq!((&cloud[0]["word"], &cloud[0]["size"]), (&json!("梦想"), &json!(2.0)));
        assert_eq!(cloud.last().unwrap()["size"], 0.5);
    }

    /// Of an encrypted letter nothing is counted but that it was sent; a letter that is encrypted after a revocation
    /// leaves no word behind; a revoked one neither.
    async fn encrypted_and_revoked_letters_have_no_words(t) {
        let app = TestApp::new(t).await;
        let user = zhangsan(&app).await;
        let secret = json!({"content": "秘密花园 secretgarden", "isEncrypted": true});
        let mail = app.draft(&user, secret).await;
        app.schedule(&user, &mail, app.now() + DAY).await.data();
        let found = statistics(&app, &user).await;
        assert_eq!((&found["totalSent"], &found["keywordCloud"]), (&json!(1), &json!([])));

        let mail = app.draft(&user, json!({"content": "灯塔 lighthouse lighthouse"})).await;
        app.schedule(&user, &mail, app.now() + DAY).await.data();
        assert_eq!(count(&statistics(&app, &user).await, "lighthouse"), 2);
        app.post(&format!("/mails/{mail}/revoke"), &user, json!({})).await.data();
        let found = statistics(&app, &user).await;
        assert_eq!((&found["totalSent"], &found["keywordCloud"]), (&json!(1), &json!([])));
        app.put(&format!("/mails/{mail}"), &user, json!({"isEncrypted": true})).await.data();
        app.schedule(&user, &mail, app.now() + DAY).await.data();
        let found = statistics(&app, &user).await;
        assert_eq!((&found["totalSent"], &found["keywordCloud"]), (&json!(2), &json!([])));
        // Nor is anything of it in the tables.
        let mut conn = app.system.db.read().await.unwrap();
        let statement = db::sql!("SELECT COUNT(*) FROM sent_counts WHERE name LIKE '%light%' OR name LIKE '%灯塔%'");
        assert_eq!(conn.one::<(i64,)>(statement, db::args![]).await.unwrap(), (0,));
        let statement = db::sql!("SELECT COUNT(*) FROM letter_words WHERE words LIKE '%light%'");
        assert_eq!(conn.one::<(i64,)>(statement, db::args![]).await.unwrap(), (0,));
    }

    /// Fifty words, the most frequent first, the same order for the same letters.
    async fn a_cloud_has_fifty_words(t) {
        let app = TestApp::new(t).await;
        let user = zhangsan(&app).await;
        let name = |n: usize| format!("word{}{}", ["a", "b", "c", "d", "e", "f", "g", "h"][n / 10], "x".repeat(n % 10));
        let text: String = (0..80).map(|n| format!("{} ", name(n)).repeat(n + 1)).collect();
        let mail = app.draft(&user, json!({"content": text})).await;
        app.schedule(&user, &mail, app.now() + DAY).await.data();
        let found = words(&statistics(&app, &user).await);
        let expected: Vec<(String, i64)> = (30..80).rev().map(|n| (name(n), i64::try_from(n).unwrap() + 1)).collect();
        assert_eq!(found, expected);
    }

    /// Letters to me count for me, to the address that opens for me too, and nobody else's do.
    async fn received_is_what_opens_for_me(t) {
        let app = TestApp::with(t, |s| s.verify_email = true).await;
        let (user, friend) = (zhangsan(&app).await, app.user("friend").await);
        app.delivered(&friend, json!({"recipientType": "SPECIFIC", "recipientEmail": user.email, "content": "问候"})).await;
        app.delivered(&friend, json!({"recipientType": "PUBLIC"})).await;
        let found = statistics(&app, &user).await;
        // Not verified: not opened, not counted.
        assert_eq!((&found["totalReceived"], &found["totalSent"]), (&json!(0), &json!(0)));
        let mail = app.mails_to(&user.email).into_iter().find(|m| m.text.contains("verify-email#token=")).unwrap();
        let verify = json!({"token": mail.token()});
        app.call(axum::http::Method::POST, "/auth/verify-email", None, Some(verify)).await.data();
        let found = statistics(&app, &user).await;
        assert_eq!((&found["totalReceived"], &found["keywordCloud"]), (&json!(1), &json!([])));
        let theirs = statistics(&app, &friend).await;
        assert_eq!((&theirs["totalSent"], &theirs["totalReceived"]), (&json!(2), &json!(0)));
    }

    /// Asked by many at once while letters are scheduled and revoked: each letter counts once.
    async fn counted_once_under_races(t) {
        let app = std::sync::Arc::new(TestApp::new(t).await);
        let user = zhangsan(&app).await;
        app.premium(&user).await;
        let mut tasks = Vec::new();
        for n in 0..12 {
            let (app, user) = (std::sync::Arc::clone(&app), user.clone());
            tasks.push(tokio::spawn(async move {
                let mail = app.draft(&user, json!({"content": "海边 seaside"})).await;
                app.schedule(&user, &mail, app.now() + DAY).await.data();
                statistics(&app, &user).await;
                if n % 3 == 0 {
                    app.post(&format!("/mails/{mail}/revoke"), &user, json!({})).await.data();
                }
                statistics(&app, &user).await;
            }));
        }
        for task in tasks {
            task.await.unwrap();
        }
        let found = statistics(&app, &user).await;
        assert_eq!((&found["totalSent"], count(&found, "seaside")), (&json!(8), 8));
        assert_eq!(month(&found, "2028-01"), (8, 0));
        assert_eq!(found["timeTravelDuration"], 8);
    }
}
