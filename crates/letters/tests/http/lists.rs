//! Lists: types and states, pages, countdowns.

use serde_json::{Value, json};
use testkit::app::{TestApp, User};

use crate::helpers::*;

/// One letter in each state, and one from a friend: draft, pending, delivering, delivered, received.
async fn one_of_each(app: &TestApp, user: &User) -> [String; 5] {
    let friend = app.user("friend").await;
    let start = app.now();
    let draft = app.draft(user, json!({})).await;
    let to_user = json!({"recipientType": "SPECIFIC", "recipientEmail": user.email});
    let received = app.draft(&friend, to_user).await;
    app.schedule(&friend, &received, start + HOUR).await.data();
    let mut sent = Vec::new();
    for send in [start + DAY, start + 2 * HOUR, start + HOUR] {
        let mail = app.draft(user, json!({})).await;
        app.schedule(user, &mail, send).await.data();
        sent.push(mail);
    }
    app.advance_to(start + HOUR).await;
    app.advance_to(start + HOUR + 50 * MINUTE).await;
    let [pending, delivering, delivered] = sent.try_into().unwrap();
    [draft, pending, delivering, delivered, received]
}

testkit::both! {
    &[];

    /// `type` and `status` together: what is in both.
    async fn types_and_states_narrow_each_other(t) {
        let app = TestApp::new(t).await;
        let user = zhangsan(&app).await;
        let [draft, pending, delivering, delivered, received] = one_of_each(&app, &user).await;
        let all = [&draft, &pending, &delivering, &delivered, &received];
        let types = [
            ("", all.to_vec()),
            ("type=INBOX", vec![&delivered, &received]),
            ("type=SENT", vec![&pending, &delivering, &delivered]),
            ("type=DRAFT", vec![&draft]),
        ];
        let states = [
            ("", all.to_vec()),
            ("status=DRAFT", vec![&draft]),
            ("status=PENDING", vec![&pending]),
            ("status=DELIVERING", vec![&delivering]),
            ("status=DELIVERED", vec![&delivered, &received]),
        ];
        for (kind, of_kind) in &types {
            for (status, in_state) in &states {
                let mut expected: Vec<&String> =
                    of_kind.iter().copied().filter(|mail| in_state.contains(mail)).collect();
                expected.sort();
                let query = format!("{kind}&{status}");
                let answer = app.get(&format!("/mails?{query}"), &user).await;
                assert_eq!(answer.data()["total"], expected.len(), "{query}");
                let mut found = app.list(&user, &query).await;
                found.sort();
                assert_eq!(found.iter().collect::<Vec<_>>(), expected, "{query}");
                for mail in answer.data()["list"].as_array().unwrap() {
                    let counts = mail["countdown"].as_u64();
                    assert_eq!(counts.is_some(), mail["status"] == "PENDING", "{mail}");
                    assert!(counts.is_none_or(|s| s == (DAY - HOUR - 50 * MINUTE).as_secs()), "{mail}");
                }
            }
        }
    }

    /// The newest first; ten a page unless said; at most a hundred; an empty page is an empty list.
    async fn pages(t) {
        let app = TestApp::new(t).await;
        let user = zhangsan(&app).await;
        let empty = app.get("/mails", &user).await;
        assert_eq!(empty.data(), &json!({"list": [], "total": 0, "page": 1, "size": 10}));
        app.premium(&user).await;
        let mut mails = Vec::new();
        for _ in 0..12 {
            app.clock.advance(SECOND);
            mails.push(app.draft(&user, json!({})).await);
        }
        mails.reverse();
        for kind in ["type=DRAFT", ""] {
            assert_eq!(app.list(&user, kind).await, mails[..10]);
            assert_eq!(app.list(&user, &format!("{kind}&page=2")).await, mails[10..]);
            assert_eq!(app.list(&user, &format!("{kind}&page=2&size=5")).await, mails[5..10]);
            assert_eq!(app.list(&user, &format!("{kind}&size=100")).await, mails);
        }
        let past = app.get("/mails?page=3&size=10", &user).await;
        assert_eq!(past.data(), &json!({"list": [], "total": 12, "page": 3, "size": 10}));
        app.get("/mails?page=1000000000&size=100", &user).await.data();
        for (query, fields) in [
            ("page=0", vec!["page"]),
            ("page=-1", vec!["page"]),
            ("page=x&size=y", vec!["page", "size"]),
            ("page=9223372036854775807", vec!["page"]),
            ("page=99999999999999999999", vec!["page"]),
            ("page=1.5", vec!["page"]),
            ("size=0", vec!["size"]),
            ("size=101", vec!["size"]),
            ("type=OUTBOX&status=REVOKED", vec!["status", "type"]),
            ("type=inbox", vec!["type"]),
        ] {
            app.get(&format!("/mails?{query}"), &user).await.refused(400, &fields);
        }
    }

    /// Whole seconds, never fewer than are left, only while PENDING; the same in list and detail.
    async fn a_countdown_is_never_short(t) {
        let app = TestApp::new(t).await;
        let user = zhangsan(&app).await;
        let send = app.now() + HOUR;
        let mail = app.draft(&user, json!({})).await;
        assert_eq!(app.detail(&user, &mail).await["countdown"], Value::Null);
        app.schedule(&user, &mail, send).await.data();
        for (left, countdown) in [
            (HOUR, json!(3600)),
            (HOUR - MICRO, json!(3600)),
            (HOUR - SECOND, json!(3599)),
            (10 * MINUTE + MICRO, json!(601)),
            (10 * MINUTE, Value::Null),
            (MICRO, Value::Null),
        ] {
            app.clock.set(send - left);
            assert_eq!(app.detail(&user, &mail).await["countdown"], countdown, "{left:?}");
            let list = app.get("/mails", &user).await;
            assert_eq!(list.data()["list"][0]["countdown"], countdown, "{left:?}");
        }
    }
}
