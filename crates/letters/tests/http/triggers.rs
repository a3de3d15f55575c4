//! LOCATION and EVENT letters: what makes them due, whose reports count, and what a report tells.

use std::time::Duration;

use serde_json::{Value, json};
use testkit::app::{Answer, TestApp, User, shape};

use crate::helpers::*;

/// The Forbidden City.
const HERE: (f64, f64) = (39.9163, 116.3972);
/// A metre north, in degrees.
const METRE: f64 = 1.0 / 111_195.08;

fn place(latitude: f64, longitude: f64) -> Value {
    json!({"latitude": latitude, "longitude": longitude})
}

/// A letter of these fields that waits for this place for a year; its id.
pub async fn waiting_at(app: &TestApp, author: &User, location: Value, fields: Value) -> String {
    waiting(app, author, "LOCATION", json!({"location": location}), fields).await
}

/// A letter to oneself that waits for this event for a year; its id.
pub async fn waiting_for(app: &TestApp, author: &User, event: Value) -> String {
    waiting(app, author, "EVENT", json!({"event": event}), json!({})).await
}

async fn waiting(app: &TestApp, author: &User, kind: &str, condition: Value, fields: Value) -> String {
    let mail = app.draft(author, fields).await;
    let body = json!({"mailId": mail, "sendTime": app.now() + 365 * DAY, "triggerType": kind,
        "triggerCondition": condition});
    app.post("/mails/send-to-future", author, body).await.data();
    mail
}

pub async fn at_place(app: &TestApp, user: &User, fix: Value) -> Answer {
    app.post("/triggers/location", user, fix).await
}

pub async fn happens(app: &TestApp, user: &User, event: Value) -> Answer {
    app.post("/triggers/events", user, event).await
}

/// The ids of what fired.
#[track_caller]
pub fn fired(answer: &Answer) -> Vec<String> {
    ids(&answer.data()["fired"])
}

fn ids(list: &Value) -> Vec<String> {
    list.as_array().unwrap().iter().map(|one| one["mailId"].as_str().unwrap().to_owned()).collect()
}

fn sorted(mut ids: Vec<String>) -> Vec<String> {
    ids.sort();
    ids
}

/// How many rows still wait for something.
async fn armed(app: &TestApp) -> i64 {
    let mut conn = app.system.db.read().await.unwrap();
    let (n,): (i64,) = conn.one(db::sql!("SELECT COUNT(*) FROM armed_triggers"), &[]).await.unwrap();
    n
}

async fn author(app: &TestApp) -> User {
    let author = zhangsan(app).await;
    app.premium(&author).await;
    quiet(app, &author).await;
    author
}

testkit::both! {
    &[];

    /// At the place the letter is due at once and final; its sendTime stays what it was.
    async fn a_place_makes_its_letter_due(t) {
        let app = TestApp::new(t).await;
        let author = author(&app).await;
        let send = app.now() + 365 * DAY;
        let mail = waiting_at(&app, &author, place(HERE.0, HERE.1), json!({})).await;
        app.clock.advance(DAY - MINUTE);
        let before = app.detail(&author, &mail).await;
        assert_eq!((&before["status"], &before["canRevoke"]), (&json!("PENDING"), &json!(true)));
        assert_eq!(before.get("triggeredAt"), None);

        let now = app.now();
        let answer = at_place(&app, &author, place(HERE.0 + 300.0 * METRE, HERE.1)).await;
        shape(answer.data(), &json!({
            "dryRun": false, "received": 0, "nearMisses": answer.data()["nearMisses"],
            "fired": [{"mailId": format!("={mail}"), "distance": 300.0, "radius": 500.0}],
        }));
        let between = app.detail(&author, &mail).await;
        assert_eq!((&between["status"], &between["canRevoke"]), (&json!("DELIVERING"), &json!(false)));
        assert_eq!(between.get("countdown"), None);
        assert_eq!((&between["triggeredAt"], &between["sendTime"]), (&json!(now), &json!(send)));
        assert_eq!(app.list(&author, "status=DELIVERING").await, [mail.as_str()]);
        assert!(app.list(&author, "status=PENDING").await.is_empty());
        let capsules = app.get("/capsules", &author).await;
        assert_eq!(capsules.data()["capsules"][0]["progress"], 1.0);
        app.post(&format!("/mails/{mail}/revoke"), &author, json!({})).await.refused(422, &["status"]);

        // The letter, and what follows from it.
        assert_eq!(app.run_due().await, 2);
        let after = app.detail(&author, &mail).await;
        assert_eq!((&after["status"], &after["deliveryTime"]), (&json!("DELIVERED"), &json!(now)));
        assert_eq!((&after["triggeredAt"], &after["sendTime"]), (&json!(now), &json!(send)));
        assert_eq!(app.list(&author, "type=INBOX").await, [mail]);
        // Once: neither by another report nor when its time comes.
        assert!(fired(&at_place(&app, &author, place(HERE.0, HERE.1)).await).is_empty());
        // What arrived is analysed, and then nothing is left to do.
        app.advance_to(app.now() + MINUTE).await;
        assert_eq!(app.advance_to(send).await, 0);
        assert_eq!(armed(&app).await, 0);
    }

    /// Without its place it arrives at sendTime, and waits for nothing any more; revoked, neither.
    async fn its_time_comes_without_its_trigger(t) {
        let app = TestApp::new(t).await;
        let author = author(&app).await;
        let mail = waiting_at(&app, &author, place(HERE.0, HERE.1), json!({})).await;
        let event = waiting_for(&app, &author, json!({"keywords": ["毕业", "graduation"]})).await;
        let revoked = waiting_for(&app, &author, json!({"type": "wedding"})).await;
        assert_eq!(armed(&app).await, 4);
        app.post(&format!("/mails/{revoked}/revoke"), &author, json!({})).await.data();
        assert_eq!(armed(&app).await, 3);
        assert!(fired(&happens(&app, &author, json!({"type": "wedding"})).await).is_empty());
        app.advance_to(app.now() + 365 * DAY).await;
        assert_eq!(armed(&app).await, 0);
        let author = app.login(&author).await;
        let inbox = app.list(&author, "type=INBOX").await;
        assert_eq!(sorted(inbox), sorted(vec![mail, event]));
        // Scheduled again it waits for what it is told then.
        let body = json!({"mailId": revoked, "sendTime": app.now() + 2 * HOUR, "triggerType": "EVENT",
            "triggerCondition": {"event": {"type": "birthday"}}});
        app.post("/mails/send-to-future", &author, body).await.data();
        assert!(fired(&happens(&app, &author, json!({"type": "wedding"})).await).is_empty());
        assert_eq!(fired(&happens(&app, &author, json!({"type": "Birthday "})).await), [revoked]);
    }

    /// The radius is the letter's, the boundary included; a position that may be off by more does not count.
    async fn the_radius_and_the_accuracy(t) {
        let app = TestApp::new(t).await;
        let author = author(&app).await;
        let wide = with(place(HERE.0, HERE.1), json!({"radius": 2000}));
        let mail = waiting_at(&app, &author, wide.clone(), json!({})).await;
        assert_eq!(app.detail(&author, &mail).await["triggerCondition"]["location"]["radius"], 2000.0);
        let outside = at_place(&app, &author, place(HERE.0 - 2001.0 * METRE, HERE.1)).await;
        assert!(fired(&outside).is_empty());
        assert_eq!(outside.data()["nearMisses"], json!([]));
        let vague = with(place(HERE.0, HERE.1), json!({"accuracy": 2000.5}));
        let answer = at_place(&app, &author, vague).await;
        shape(&answer.data()["nearMisses"], &json!([{"mailId": format!("={mail}"), "reason": "=ACCURACY",
            "distance": 0.0, "radius": 2000.0}]));
        assert!(fired(&answer).is_empty());
        assert_eq!(app.detail(&author, &mail).await["status"], "PENDING");
        let inside = with(place(HERE.0 - 1999.0 * METRE, HERE.1), json!({"accuracy": 2000}));
        assert_eq!(fired(&at_place(&app, &author, inside).await), [mail]);
    }

    /// Every bad field by its name.
    async fn bad_conditions_and_reports_are_refused(t) {
        let app = TestApp::new(t).await;
        let author = author(&app).await;
        let radius = "triggerCondition.location.radius";
        for (location, status) in [
            (json!({"latitude": 1, "longitude": 1, "radius": 99.9}), 422),
            (json!({"latitude": 1, "longitude": 1, "radius": 50_001}), 422),
            (json!({"latitude": 1, "longitude": 1, "radius": -500}), 422),
            (json!({"city": "北京", "radius": 500}), 422),
            (json!({"latitude": 1, "longitude": 1, "radius": "far"}), 400),
        ] {
            let advanced = json!({"triggerType": "LOCATION", "triggerCondition": {"location": location}});
            app.post("/mails/create", &author, with(future_mail(), advanced)).await.refused(status, &[radius]);
        }
        for keywords in [json!(["毕业", "业"]), json!(["!!"])] {
            let advanced = json!({"triggerType": "EVENT", "triggerCondition": {"event": {"keywords": keywords}}});
            let answer = app.post("/mails/create", &author, with(future_mail(), advanced)).await;
            answer.refused(422, &["triggerCondition.event.keywords"]);
        }
        for (fix, status, fields) in [
            (json!({}), 400, vec!["latitude", "longitude"]),
            (json!({"latitude": null, "longitude": "x", "accuracy": "y", "dryRun": 1}), 400,
                vec!["accuracy", "dryRun", "latitude", "longitude"]),
            (json!({"latitude": 90.01, "longitude": -180.5, "accuracy": -1, "city": ""}), 422,
                vec!["accuracy", "city", "latitude", "longitude"]),
        ] {
            at_place(&app, &author, fix).await.refused(status, &fields);
        }
        happens(&app, &author, json!({})).await.refused(400, &["type"]);
        happens(&app, &author, json!({"type": 1, "text": ["x"]})).await.refused(400, &["text", "type"]);
        let long = json!({"type": "x".repeat(101), "text": "字".repeat(4001)});
        happens(&app, &author, long).await.refused(422, &["text", "type"]);
        for path in ["/triggers/location", "/triggers/events", "/triggers/hooks"] {
            let answer = app.call(axum::http::Method::POST, path, None, Some(json!({}))).await;
            answer.refused(401, &[]);
        }
    }

    /// At the poles every meridian is near; the date line is no border.
    async fn the_globe_has_no_edges(t) {
        let app = TestApp::new(t).await;
        let author = author(&app).await;
        for (letter, near, far) in [
            (place(90.0, 0.0), place(90.0 - 400.0 * METRE, 137.0), place(90.0 - 600.0 * METRE, 0.0)),
            (place(-89.999, 45.0), place(-89.999, -135.0), place(-89.99, 45.0)),
            (place(0.0, 180.0), place(0.0, -180.0), place(0.0, 179.9)),
            (place(-17.0, 179.999), place(-17.0, -179.999), place(-17.0, -179.99)),
            (place(66.0, -179.9999), place(66.0, 179.9999), place(66.0, 179.98)),
        ] {
            let mail = waiting_at(&app, &author, letter, json!({})).await;
            assert!(fired(&at_place(&app, &author, far.clone()).await).is_empty(), "{far}");
            assert_eq!(fired(&at_place(&app, &author, near.clone()).await), [mail], "{near}");
        }
    }

    /// The reader's position counts; the author's for letters to themselves and to everybody.
    async fn whose_position_counts(t) {
        let app = TestApp::new(t).await;
        let (author, reader, stranger) =
            (author(&app).await, app.user("reader").await, app.user("stranger").await);
        let here = || place(HERE.0, HERE.1);
        let specific = json!({"recipientType": "SPECIFIC", "recipientEmail": "Reader@Example.com"});
        let to_reader = waiting_at(&app, &author, here(), specific).await;
        let later = json!({"recipientType": "SPECIFIC", "recipientEmail": "later@example.com"});
        let to_later = waiting_at(&app, &author, here(), later).await;
        let to_self = waiting_at(&app, &author, here(), json!({})).await;
        let to_all = waiting_at(&app, &author, here(), json!({"recipientType": "PUBLIC"})).await;

        // A stranger, and a dry run of the reader: nothing, and not a word.
        let nothing = json!({"dryRun": false, "fired": [], "received": 0, "nearMisses": []});
        assert_eq!(at_place(&app, &stranger, here()).await.data(), &nothing);
        let dry = with(here(), json!({"dryRun": true}));
        assert_eq!(at_place(&app, &reader, dry).await.data(), &with(nothing.clone(), json!({"dryRun": true})));
        let vague = with(here(), json!({"accuracy": 9000}));
        assert_eq!(at_place(&app, &reader, vague).await.data(), &nothing);
        app.get(&format!("/mails/{to_reader}"), &reader).await.refused(404, &[]);

        let own = fired(&at_place(&app, &author, here()).await);
        assert_eq!(sorted(own), sorted(vec![to_self, to_all]));
        let answer = at_place(&app, &reader, here()).await;
        assert_eq!(answer.data(), &with(nothing.clone(), json!({"received": 1})));
        // Still nothing of it until it is there.
        app.get(&format!("/mails/{to_reader}"), &reader).await.refused(404, &[]);
        app.run_due().await;
        assert_eq!(app.list(&reader, "type=INBOX").await, [to_reader.as_str()]);
        assert_eq!(app.mails_to("Reader@example.com").len(), 1);
        assert_eq!(app.mails_to("later@example.com").len(), 0);
        // An account that appears later.
        let later = app.user("later").await;
        assert_eq!(at_place(&app, &later, here()).await.data()["received"], 1);
        app.run_due().await;
        assert_eq!(app.list(&later, "type=INBOX").await, [to_later]);
        assert_eq!(at_place(&app, &reader, here()).await.data(), &nothing);
        assert_eq!(armed(&app).await, 0);
    }

    /// A letter that goes to another address waits for the reports of whoever has that one.
    async fn a_new_address_takes_the_watch_along(t) {
        let app = TestApp::new(t).await;
        let (author, old, new) = (author(&app).await, app.user("old").await, app.user("new").await);
        let here = || place(HERE.0, HERE.1);
        let to_old = json!({"recipientType": "SPECIFIC", "recipientEmail": old.email});
        let mail = waiting_at(&app, &author, here(), to_old).await;
        app.put(&format!("/mails/{mail}/recipient"), &author, json!({"recipientEmail": new.email})).await.data();
        assert_eq!(at_place(&app, &old, here()).await.data()["received"], 0);
        assert_eq!(at_place(&app, &new, here()).await.data()["received"], 1);
        app.run_due().await;
        assert_eq!(app.list(&new, "type=INBOX").await, [mail]);
        assert_eq!(armed(&app).await, 0);
    }

    /// Where addresses are verified, an unverified one releases nothing.
    async fn an_unverified_address_releases_nothing(t) {
        let app = TestApp::with(t, |s| s.verify_email = true).await;
        let (author, reader) = (author(&app).await, app.user("reader").await);
        let specific = json!({"recipientType": "SPECIFIC", "recipientEmail": "reader@example.com"});
        let mail = waiting_at(&app, &author, place(HERE.0, HERE.1), specific).await;
        assert_eq!(at_place(&app, &reader, place(HERE.0, HERE.1)).await.data()["received"], 0);
        assert_eq!(app.detail(&author, &mail).await["status"], "PENDING");
        app.run_due().await;
        let token = app.mails_to("reader@example.com")[0].token();
        let verified = app.call(axum::http::Method::POST, "/auth/verify-email", None, Some(json!({"token": token})));
        verified.await.data();
        assert_eq!(at_place(&app, &reader, place(HERE.0, HERE.1)).await.data()["received"], 1);
    }

    /// A city by the name that the client gives it, in either language, or by the coordinates.
    async fn cities(t) {
        let app = TestApp::new(t).await;
        let author = author(&app).await;
        let far = || place(-54.8, -68.3);
        for (city, fix) in [
            ("北京", with(place(39.6, 116.1), json!({"city": "北京市"}))),
            ("北京市", with(place(39.6, 116.1), json!({"city": "BEIJING"}))),
            ("Beijing", with(place(39.6, 116.1), json!({"city": " Ｂｅｉｊｉｎｇ "}))),
            ("São Paulo", with(place(-23.5, -46.6), json!({"city": "圣保罗"}))),
            ("London", place(51.5, -0.12)),
            ("东京", with(place(35.68, 139.76), json!({"accuracy": 3000}))),
            // Not in the list.
            ("乌斯怀亚", with(far(), json!({"city": "乌斯怀亚市"}))),
            ("Ushuaia", with(far(), json!({"city": "ushuaia"}))),
        ] {
            let mail = waiting_at(&app, &author, json!({"city": city}), json!({})).await;
            let elsewhere = with(place(1.35, 103.82), json!({"city": "Singapore"}));
            assert!(fired(&at_place(&app, &author, elsewhere).await).is_empty(), "{city}");
            assert!(fired(&at_place(&app, &author, place(1.35, 103.82)).await).is_empty(), "{city}");
            let answer = at_place(&app, &author, fix.clone()).await;
            assert_eq!(fired(&answer), [mail], "{city} at {fix}");
            assert_eq!(answer.data()["fired"][0]["city"], city);
        }
        let london = waiting_at(&app, &author, json!({"city": "London"}), json!({})).await;
        // A namesake on another continent, a position too vague for the city, and a neighbour by its name.
        for fix in [
            with(place(42.984, -81.245), json!({"city": "London"})),
            with(place(51.5, -0.12), json!({"accuracy": 40_000})),
            with(place(51.5, -0.12), json!({"city": "Croydon"})),
        ] {
            assert!(fired(&at_place(&app, &author, fix.clone()).await).is_empty(), "{fix}");
        }
        // Beside a point the name only describes it.
        let point = with(place(HERE.0, HERE.1), json!({"city": "北京"}));
        let palace = waiting_at(&app, &author, point, json!({})).await;
        let suburb = with(place(39.6, 116.1), json!({"city": "北京"}));
        assert!(fired(&at_place(&app, &author, suburb).await).is_empty());
        assert_eq!(fired(&at_place(&app, &author, place(HERE.0, HERE.1)).await), [palace]);
        assert_eq!(app.detail(&author, &london).await["status"], "PENDING");
    }

    /// The type as a whole, any of the keywords in the text; both where both are given.
    async fn events(t) {
        let app = TestApp::new(t).await;
        let author = author(&app).await;
        for (condition, misses, hit) in [
            (
                json!({"type": "Graduation Day"}),
                vec![json!({"type": "graduation"}), json!({"text": "Graduation Day"})],
                json!({"type": " ｇraduation  day "}),
            ),
            (
                json!({"keywords": ["毕业典礼", "升职"]}),
                vec![json!({"text": "毕业了,典礼很好"}), json!({"type": "升职"})],
                json!({"text": "今天参加了毕业典礼!", "type": "anything"}),
            ),
            (
                json!({"keywords": ["promote", "new job"]}),
                vec![json!({"text": "a job that is new"}), json!({"text": "promotional jobs"})],
                json!({"text": "I was PROMOTED today"}),
            ),
            (
                json!({"type": "family", "keywords": ["宝宝", "baby"]}),
                vec![
                    json!({"type": "family"}),
                    json!({"text": "宝宝出生了"}),
                    json!({"type": "work", "text": "two babies"}),
                    json!({"type": "family", "text": "babysitter"}),
                ],
                json!({"type": "FAMILY", "text": "Two babies!"}),
            ),
        ] {
            let mail = waiting_for(&app, &author, condition.clone()).await;
            for miss in misses {
                let answer = happens(&app, &author, miss.clone()).await;
                assert!(fired(&answer).is_empty(), "{condition} by {miss}");
                assert_eq!(answer.data()["nearMisses"], json!([]));
            }
            let answer = happens(&app, &author, hit.clone()).await;
            assert_eq!(fired(&answer), [mail.as_str()], "{condition} by {hit}");
            assert!(fired(&happens(&app, &author, hit).await).is_empty());
        }
        // Only the author's own events count.
        let mail = waiting_for(&app, &author, json!({"type": "x"})).await;
        let other = app.user("other").await;
        assert!(fired(&happens(&app, &other, json!({"type": "x"})).await).is_empty());
        assert_eq!(app.detail(&author, &mail).await["status"], "PENDING");
    }

    /// A dry run changes nothing and says what would fire, and what nearly would and why.
    async fn a_dry_run_changes_nothing(t) {
        let app = TestApp::new(t).await;
        let author = author(&app).await;
        let hit = waiting_at(&app, &author, place(HERE.0, HERE.1), json!({})).await;
        let off = waiting_at(&app, &author, place(HERE.0 + 900.0 * METRE, HERE.1), json!({})).await;
        let vague = with(place(HERE.0, HERE.1), json!({"radius": 100}));
        let vague = waiting_at(&app, &author, vague, json!({})).await;
        let city = waiting_at(&app, &author, json!({"city": "天津"}), json!({})).await;
        let gone = waiting_at(&app, &author, place(HERE.0, HERE.1), json!({})).await;
        app.post(&format!("/mails/{gone}/revoke"), &author, json!({})).await.data();
        waiting_at(&app, &author, place(31.2, 121.5), json!({})).await;
        let fix = with(place(HERE.0, HERE.1), json!({"accuracy": 150, "dryRun": true}));
        let near = |id: &str, reason: &str, distance: f64, radius: f64| {
            json!({"mailId": id, "reason": reason, "distance": distance, "radius": radius})
        };
        let tianjin = with(near(&city, "CITY", 0.0, 35_000.0), json!({"city": "天津"}));
        for _ in 0..2 {
            let answer = at_place(&app, &author, fix.clone()).await;
            let data = answer.data();
            assert_eq!((&data["dryRun"], ids(&data["fired"])), (&json!(true), vec![hit.clone()]));
            let distance = data["nearMisses"][2]["distance"].as_f64().unwrap();
            assert!((100_000.0..130_000.0).contains(&distance), "{distance}");
            assert_eq!(
                data["nearMisses"],
                json!([
                    near(&vague, "ACCURACY", 0.0, 100.0),
                    near(&off, "DISTANCE", 900.0, 500.0),
                    with(tianjin.clone(), json!({"distance": distance})),
                ])
            );
        }
        let family = waiting_for(&app, &author, json!({"type": "family", "keywords": ["宝宝"]})).await;
        let answer = happens(&app, &author, json!({"type": "family", "text": "孩子", "dryRun": true})).await;
        assert_eq!(answer.data()["nearMisses"], json!([{"mailId": family, "reason": "KEYWORD"}]));
        let answer = happens(&app, &author, json!({"type": "work", "text": "宝宝", "dryRun": true})).await;
        assert_eq!(
            answer.data()["nearMisses"],
            json!([{"mailId": family, "reason": "TYPE", "keyword": "宝宝"}])
        );
        let right = json!({"type": "family", "text": "宝宝", "dryRun": true});
        let answer = happens(&app, &author, right).await;
        assert_eq!(answer.data()["fired"], json!([{"mailId": family, "keyword": "宝宝"}]));
        assert_eq!(app.run_due().await, 0);
        assert_eq!(app.list(&author, "status=PENDING").await.len(), 6);
    }

    /// A letter that was paid for when it was scheduled fires although the plan has ended.
    async fn a_lapsed_plan_disarms_nothing(t) {
        let app = TestApp::new(t).await;
        let author = zhangsan(&app).await;
        let until = app.now() + Duration::from_secs(7200);
        let given = app.system.accounts.admin_plan(&author.email, accounts::Plan::Premium, Some(until)).await;
        given.unwrap();
        let mail = waiting_for(&app, &author, json!({"type": "wedding"})).await;
        app.clock.advance(3 * HOUR);
        assert_eq!(app.get("/user/subscription", &author).await.data()["plan"], "FREE");
        assert_eq!(fired(&happens(&app, &author, json!({"type": "wedding"})).await), [mail]);
    }

    /// An encrypted letter fires like any other, and its mail has nothing of it.
    async fn an_encrypted_letter_fires_sealed(t) {
        let app = TestApp::new(t).await;
        let author = author(&app).await;
        let fields = json!({"isEncrypted": true, "content": "只有我知道", "recipientType": "SPECIFIC",
            "recipientEmail": "li@example.com"});
        let mail = waiting(&app, &author, "EVENT", json!({"event": {"keywords": ["毕业"]}}), fields).await;
        assert_eq!(fired(&happens(&app, &author, json!({"text": "毕业"})).await), [mail]);
        app.run_due().await;
        assert!(!app.mails_to("li@example.com")[0].text.contains("只有我知道"));
    }

    /// Where 50,000 letters of one author wait for places, 10,000 of them in one town, and 50,000 for events, a
    /// report takes less than 50 ms.
    async fn a_report_among_100_000_letters(t) {
        let app = TestApp::new(t).await;
        let author = author(&app).await;
        let place = |n: i32| match n % 5 {
            0 => (39.7 + f64::from(n * 7 % 4001) * 0.0001, 116.2 + f64::from(n * 11 % 4003) * 0.0001),
            _ => (f64::from(n * 37 % 17000) * 0.01 - 85.0, f64::from(n * 101 % 36000) * 0.01 - 180.0),
        };
        let mail = waiting_at(&app, &author, json!({"latitude": -54.8, "longitude": -68.3}), json!({})).await;
        crate::armed::many(&app, &author.id, 50_000, &place).await;
        let clock = kernel::Clock::system();
        let mut best = [Duration::MAX; 4];
        let here = json!({"latitude": HERE.0, "longitude": HERE.1});
        for _ in 0..8 {
            let reports = [
                ("/triggers/location", json!({"latitude": -54.9, "longitude": -68.3})),
                ("/triggers/location", here.clone()),
                ("/triggers/events", json!({"type": "kind7", "text": "w1 w2 w3 and some more words"})),
                ("/triggers/location", with(here.clone(), json!({"dryRun": true}))),
            ];
            for (n, (path, report)) in reports.into_iter().enumerate() {
                let began = clock.now();
                app.post(path, &author, report).await.data();
                best[n] = best[n].min(clock.now().since(began));
            }
        }
        let [.., dry] = best;
        assert!(best[..3].iter().all(|took| *took < Duration::from_millis(50)), "{best:?}");
        assert!(dry < Duration::from_secs(1), "{best:?}");
        assert_eq!(fired(&at_place(&app, &author, json!({"latitude": -54.8, "longitude": -68.3})).await), [mail]);
    }
}
