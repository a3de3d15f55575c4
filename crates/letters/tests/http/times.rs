//! Time: any offset in, UTC out; delivery on the microsecond, years ahead.

use serde_json::json;
use testkit::app::TestApp;

use crate::helpers::*;

testkit::both! {
    &[];

    /// Inputs have any offset and up to microseconds; answers are RFC 3339 in UTC.
    async fn any_offset_is_taken(t) {
        let app = TestApp::new(t).await;
        let user = zhangsan(&app).await;
        let mail = app.draft(&user, json!({})).await;
        for (given, answered) in [
            ("2030-06-01T08:00:00Z", "2030-06-01T08:00:00Z"),
            ("2030-06-01T16:00:00+08:00", "2030-06-01T08:00:00Z"),
            ("2030-06-01T03:30:00-04:30", "2030-06-01T08:00:00Z"),
            ("2030-06-01T13:45:00.5+05:45", "2030-06-01T08:00:00.5Z"),
            ("2030-06-01t08:00:00.123456z", "2030-06-01T08:00:00.123456Z"),
            ("2029-12-31T23:00:00-02:00", "2030-01-01T01:00:00Z"),
            // Finer than a microsecond: never earlier than what was written.
            ("2030-06-01T08:00:00.1234561Z", "2030-06-01T08:00:00.123457Z"),
        ] {
            app.put(&format!("/mails/{mail}"), &user, json!({"sendTime": given})).await.data();
            assert_eq!(app.detail(&user, &mail).await["sendTime"], answered, "{given}");
        }
        let answer = app
            .post(
                "/mails/send-to-future",
                &user,
                json!({"mailId": mail, "sendTime": "2028-01-15T21:30:00+08:00"}),
            )
            .await;
        assert_eq!(
            (&answer.data()["sendTime"], &answer.data()["countdown"]),
            (&json!("2028-01-15T13:30:00Z"), &json!(5400))
        );
    }

    /// As late as four digits of a year go.
    async fn the_latest_time(t) {
        let app = TestApp::new(t).await;
        let user = zhangsan(&app).await;
        let mail = app.draft(&user, json!({})).await;
        let last = "9999-12-30T21:59:59Z";
        let answer = app.schedule(&user, &mail, at(last)).await;
        assert_eq!((&answer.data()["status"], &answer.data()["sendTime"]), (&json!("PENDING"), &json!(last)));
        let seconds = at(last).seconds() - app.now().seconds();
        assert_eq!(answer.data()["countdown"], seconds);
        assert_eq!(app.list(&user, "type=SENT&status=PENDING").await, [mail.as_str()]);
        assert_eq!(app.get("/capsules", &user).await.data()["capsules"][0]["progress"], 0.0);
        for never in ["10000-01-01T00:00:00Z", "2036-12-31T23:59:61Z"] {
            let body = json!({"mailId": mail, "sendTime": never});
            app.post("/mails/send-to-future", &user, body).await.refused(400, &["sendTime"]);
        }
    }

    /// Around changes of summer time, on leap days and ten years ahead: exactly then, not a microsecond
    /// early.
    async fn letters_arrive_on_the_microsecond(t) {
        let app = TestApp::new(t).await;
        let user = zhangsan(&app).await;
        app.premium(&user).await;
        let times = [
            // Europe and North America go to summer time and back; a leap day; the ends of a year.
            "2028-02-29T23:59:59.999999+08:00",
            "2028-03-12T02:30:00-05:00",
            "2028-03-26T00:59:59.999999Z",
            "2028-03-26T03:00:00+02:00",
            "2028-10-29T02:30:00+02:00",
            "2028-10-29T02:30:00+01:00",
            "2028-12-31T23:59:59.999999Z",
            "2029-01-01T00:00:00Z",
            "2032-02-29T00:00:00.000001Z",
            "2038-01-15T12:00:00Z",
            "2038-01-19T03:14:08Z",
        ];
        let mut due = Vec::new();
        for time in times {
            let mail = app.draft(&user, json!({})).await;
            app.schedule(&user, &mail, at(time)).await.data();
            due.push((at(time), mail));
        }
        due.sort();
        let mut arrived = Vec::new();
        for (time, mail) in due {
            app.advance_to(time - MICRO).await;
            let user = app.login(&user).await;
            assert_eq!(app.detail(&user, &mail).await["status"], "DELIVERING");
            app.advance_to(time).await;
            let user = app.login(&user).await;
            let detail = app.detail(&user, &mail).await;
            assert_eq!((&detail["status"], &detail["deliveryTime"]), (&json!("DELIVERED"), &json!(time)));
            arrived.insert(0, mail);
            assert_eq!(app.list(&user, "type=INBOX&size=100").await, arrived);
        }
        assert_eq!(app.now(), at("2038-01-19T03:14:08Z"));
    }

    /// A server that was away delivers what is overdue, late rather than never, and once.
    async fn what_is_overdue_is_delivered(t) {
        let app = TestApp::new(t).await;
        let user = zhangsan(&app).await;
        let mail = app.draft(&user, json!({})).await;
        let send = app.now() + HOUR;
        app.schedule(&user, &mail, send).await.data();
        app.clock.set(send + 400 * DAY);
        let user = app.login(&user).await;
        assert_eq!(app.detail(&user, &mail).await["status"], "DELIVERING");
        // The letter, what follows from it, and the mail that says so.
        assert_eq!(app.run_due().await, 3);
        assert_eq!(app.run_due().await, 0);
        assert_eq!(app.detail(&user, &mail).await["deliveryTime"], json!(send + 400 * DAY));
        assert_eq!(app.list(&user, "type=INBOX").await, [mail]);
    }
}
