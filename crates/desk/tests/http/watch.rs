//! What happens when something does not: agents who go away or do not answer, customers who do not, targets that are
//! missed; business hours; ratings; the settings of all that.

use std::time::Duration;

use axum::http::Method;
use serde_json::{Value, json};
use testkit::app::{TestApp, User, shape};

use crate::desk::{
    agent, call, data, get, listen, post, put, receive, session, settings, supervisor, told, waiting, words,
};

async fn later(app: &TestApp, seconds: u64) {
    app.advance_to(app.now() + Duration::from_secs(seconds)).await;
}

async fn take(app: &TestApp, customer: &str, who: &User) -> String {
    let id = session(app, customer).await;
    data(&post(app, &format!("/sessions/{id}/takeover"), who, json!({})).await);
    id
}

async fn shown(app: &TestApp, id: &str, who: &User) -> Value {
    data(&get(app, &format!("/sessions/{id}"), who).await).clone()
}

async fn rows(app: &TestApp) -> Vec<(String, i64, i64, bool, bool)> {
    let mut conn = app.system.db.read().await.unwrap();
    conn.all(
        db::sql!(
            "SELECT kind, since, due_at, answered, breached_at IS NOT NULL FROM desk_sla ORDER BY since, id"
        ),
        db::args![],
    )
    .await
    .unwrap()
}

testkit::both! {
    &testkit::app::migrations();

    /// Who is gone for too long loses their sessions to the queue; who comes back in time keeps them.
    async fn sessions_of_who_is_gone_go_back(t) {
        let app = TestApp::new(t).await;
        let (anna, boss) = (agent(&app, "anna").await, supervisor(&app, "boss").await);
        listen(&app, &boss).await;
        app.system.desk.agent_seen(&anna.id).await.unwrap();
        let (one, two) = (take(&app, "wm_1", &anna).await, take(&app, "wm_2", &anna).await);
        app.system.desk.agent_gone(&anna.id).await.unwrap();
        later(&app, 299).await;
        app.system.desk.agent_seen(&anna.id).await.unwrap();
        later(&app, 300).await;
        assert_eq!(shown(&app, &one, &boss).await["status"], "manual", "she was back in time");
        app.system.desk.agent_gone(&anna.id).await.unwrap();
        later(&app, 299).await;
        assert_eq!(shown(&app, &one, &boss).await["status"], "manual");
        later(&app, 1).await;
        for id in [&one, &two] {
            let now = shown(&app, id, &boss).await;
            assert_eq!((&now["status"], &now["handoverReason"]), (&json!("pending"), &json!("abandoned")));
        }
        let last = told(&app, &boss).await.pop().unwrap();
        assert_eq!(last.0, "new_pending_session");
    }

    /// A customer who waits too long for the agent's answer goes back to the queue with the time they waited.
    async fn a_silent_agent_loses_the_session(t) {
        let app = TestApp::new(t).await;
        let (anna, boss) = (agent(&app, "anna").await, supervisor(&app, "boss").await);
        settings(&app, &boss, json!({"unansweredAfterSeconds": 120})).await;
        let id = take(&app, "wm_1", &anna).await;
        let message = format!("/sessions/{id}/message");
        receive(&app, &[words(&app, "m2", "wm_1", "在吗")]).await;
        later(&app, 100).await;
        data(&post(&app, &message, &anna, json!({"content": "在"})).await);
        receive(&app, &[words(&app, "m3", "wm_1", "好的")]).await;
        later(&app, 20).await;
        assert_eq!(shown(&app, &id, &boss).await["status"], "manual", "the first was answered");
        let since = shown(&app, &id, &boss).await["waitingSince"].clone();
        receive(&app, &[words(&app, "m4", "wm_1", "??")]).await;
        later(&app, 100).await;
        let now = shown(&app, &id, &boss).await;
        assert_eq!((&now["status"], &now["waitingSince"]), (&json!("pending"), &since));
    }

    /// A customer who does not answer us any more: the session ends, unless it is we who owe an answer.
    async fn an_idle_customer_s_session_ends(t) {
        let app = TestApp::new(t).await;
        let (anna, boss) = (agent(&app, "anna").await, supervisor(&app, "boss").await);
        settings(&app, &boss, json!({"closeIdleAfterSeconds": 600})).await;
        let (answered, owed) = (take(&app, "wm_1", &anna).await, take(&app, "wm_2", &anna).await);
        for id in [&answered, &owed] {
            let path = format!("/sessions/{id}/message");
            data(&post(&app, &path, &anna, json!({"content": "还有什么可以帮您?"})).await);
        }
        later(&app, 300).await;
        receive(&app, &[words(&app, "m2", "wm_2", "还没收到")]).await;
        // A note among ourselves is no answer of anybody's.
        data(&post(&app, &format!("/sessions/{answered}/notes"), &anna, json!({"content": "等"})).await);
        later(&app, 299).await;
        assert_eq!(shown(&app, &answered, &boss).await["status"], "manual");
        later(&app, 1).await;
        assert_eq!(shown(&app, &answered, &boss).await["status"], "closed");
        later(&app, 6000).await;
        assert_eq!(shown(&app, &owed, &boss).await["status"], "manual", "a customer waits");
        data(&post(&app, &format!("/sessions/{owed}/message"), &anna, json!({"content": "马上"})).await);
        later(&app, 600).await;
        assert_eq!(shown(&app, &owed, &boss).await["status"], "closed");
    }

    /// The first answer counts from the hand-over, later ones from the question; who misses a target is told once.
    async fn targets(t) {
        let app = TestApp::new(t).await;
        let (anna, boss) = (agent(&app, "anna").await, supervisor(&app, "boss").await);
        for user in [&anna, &boss] {
            listen(&app, user).await;
            app.system.desk.agent_seen(&user.id).await.unwrap();
        }
        settings(&app, &boss, json!({"firstResponseSeconds": 60, "nextResponseSeconds": 30})).await;
        let start = app.now() + Duration::from_millis(1);
        let id = waiting(&app, "wm_1", &boss).await;
        let (accept, message) = (format!("/sessions/{id}/accept"), format!("/sessions/{id}/message"));
        later(&app, 40).await;
        data(&post(&app, &accept, &anna, json!({"csId": anna.id})).await);
        later(&app, 20).await;
        let breached = |heard: Vec<(String, String, Value)>| -> Vec<Value> {
            heard.into_iter().filter(|(kind, ..)| kind == "sla_breached").map(|(.., data)| data).collect()
        };
        for user in [&anna, &boss] {
            let heard = breached(told(&app, user).await);
            shape(&json!(heard), &json!([{
                "kind": "=first_response", "since": format!("={start}"), "dueAt": "time", "breachedAt": "time",
                "manualCsId": format!("={}", anna.id), "status": "=manual",
            }]));
            assert_eq!(heard.len(), 1);
        }
        data(&post(&app, &message, &anna, json!({"content": "您好"})).await);
        receive(&app, &[words(&app, "m2", "wm_1", "问题一")]).await;
        later(&app, 20).await;
        data(&post(&app, &message, &anna, json!({"content": "回答"})).await);
        later(&app, 60).await;
        receive(&app, &[words(&app, "m3", "wm_1", "谢谢")]).await;
        data(&post(&app, &format!("/sessions/{id}/close"), &anna, json!({})).await);
        later(&app, 60).await;
        assert_eq!(breached(told(&app, &boss).await).len(), 1, "one was answered in time, one needed none");
        let kept: Vec<_> = rows(&app).await.into_iter().map(|(kind, _, _, answered, late)| (kind, answered, late)).collect();
        let expected = [("first_response", true, true), ("next_response", true, false), ("next_response", false, false)];
        assert_eq!(kept, expected.map(|(kind, answered, late)| (kind.to_owned(), answered, late)));
    }

    /// A wait begins when a customer begins to wait for people: not when somebody took over while nobody waited, and after the
    /// assistant had the session again, not when people had it first. A target that was made longer lets them wait on.
    async fn a_wait_begins_with_the_customer(t) {
        let app = TestApp::new(t).await;
        let (anna, boss) = (agent(&app, "anna").await, supervisor(&app, "boss").await);
        let targets = |seconds: i64| json!({"firstResponseSeconds": seconds});
        settings(&app, &boss, targets(60)).await;
        let id = take(&app, "wm_1", &anna).await;
        later(&app, 3600).await;
        let asked = app.now().micros();
        receive(&app, &[words(&app, "m2", "wm_1", "在吗")]).await;
        later(&app, 50).await;
        let (_, since, due, _, late) = rows(&app).await.pop().unwrap();
        assert_eq!((since, due, late), (asked, asked + 60_000_000, false), "they took over an hour before");
        // Given back unanswered, asked for again a day later.
        data(&post(&app, &format!("/sessions/{id}/handback"), &anna, json!({})).await);
        later(&app, 86_400).await;
        let (anna, boss) = (app.login(&anna).await, app.login(&boss).await);
        let again = app.now().micros();
        data(&post(&app, &format!("/sessions/{id}/takeover"), &anna, json!({})).await);
        receive(&app, &[words(&app, "m3", "wm_1", "人呢")]).await;
        settings(&app, &boss, targets(120)).await;
        later(&app, 61).await;
        let (_, since, due, _, late) = rows(&app).await.pop().unwrap();
        assert!(since >= again && !late && due == since + 120_000_000, "the target became longer");
        later(&app, 60).await;
        assert!(rows(&app).await.pop().unwrap().4);
    }

    /// Outside of business hours no target runs; everybody can ask when people are back.
    async fn targets_run_in_business_hours(t) {
        let app = TestApp::new(t).await;
        let (anna, boss) = (agent(&app, "anna").await, supervisor(&app, "boss").await);
        let open = get(&app, "/desk/hours", &anna).await;
        assert_eq!(data(&open), &json!({"open": true, "zone": null, "opensAt": null, "closesAt": null}));
        // It is Saturday, 20:00 in Shanghai; Monday is a holiday.
        let day = json!([{"from": "13:30", "to": "18:00"}, {"from": "09:00", "to": "12:00"}]);
        let hours = json!({
            "zone": "Asia/Shanghai", "mon": day, "tue": day, "sat": day, "holidays": ["2028-01-17"],
        });
        settings(&app, &boss, json!({"firstResponseSeconds": 14400, "hours": hours})).await;
        let closed = get(&app, "/desk/hours", &anna).await;
        assert_eq!(data(&closed), &json!({
            "open": false, "zone": "Asia/Shanghai", "opensAt": "2028-01-18T01:00:00Z", "closesAt": null,
        }));
        waiting(&app, "wm_1", &anna).await;
        let due: kernel::Timestamp = "2028-01-18T14:30:00+08:00".parse().unwrap();
        assert_eq!(rows(&app).await[0].2, due.micros(), "three hours before noon and one after");
        app.clock.set("2028-01-18T11:00:00+08:00".parse().unwrap());
        let open = get(&app, "/desk/hours", &agent(&app, "ben").await).await;
        assert_eq!(data(&open)["closesAt"], "2028-01-18T04:00:00Z");
    }

    /// A digit answers the question; anything else, a second digit or a late one is what a customer writes.
    async fn customers_rate(t) {
        let app = TestApp::new(t).await;
        let (anna, boss) = (agent(&app, "anna").await, supervisor(&app, "boss").await);
        listen(&app, &anna).await;
        settings(&app, &boss, json!({"rating": true, "ratingText": "1-5?"})).await;
        let close = async |customer: &str| {
            let id = take(&app, customer, &anna).await;
            data(&post(&app, &format!("/sessions/{id}/close"), &anna, json!({})).await);
            id
        };
        let id = close("wm_1").await;
        let history = get(&app, &format!("/sessions/{id}/history"), &boss).await;
        let asked = data(&history).as_array().unwrap().last().unwrap().clone();
        let seen = ["content", "senderType", "notice", "status"].map(|field| asked[field].clone());
        assert_eq!(seen, [json!("1-5?"), json!("ai"), json!(true), json!("queued")]);
        receive(&app, &[words(&app, "r1", "wm_1", " \u{ff15} ")]).await;
        let rated = shown(&app, &id, &boss).await;
        assert_eq!((&rated["rating"], &rated["status"]), (&json!(5), &json!("closed")));
        assert_eq!(told(&app, &anna).await.last().unwrap().0, "session_rated");
        receive(&app, &[words(&app, "r2", "wm_1", "3")]).await;
        assert_eq!(shown(&app, &id, &boss).await["rating"], 5);
        let list = get(&app, "/sessions?status=ai", &boss).await;
        assert_eq!(data(&list)[0]["lastMessage"], "3", "there was a rating, so it is a new question");
        // Nobody is asked about what only the assistant had.
        let id = session(&app, "wm_5").await;
        data(&post(&app, &format!("/sessions/{id}/close"), &anna, json!({})).await);
        let history = get(&app, &format!("/sessions/{id}/history"), &boss).await;
        assert_eq!(data(&history).as_array().unwrap().len(), 1);
        for (customer, text) in [("wm_2", "6"), ("wm_3", "5分"), ("wm_4", "")] {
            let id = close(customer).await;
            let late = text.is_empty();
            let text = if late { "4" } else { text };
            let mut boss = boss.clone();
            if late {
                later(&app, 86_400).await;
                boss = app.login(&boss).await;
            }
            receive(&app, &[words(&app, &format!("x-{customer}"), customer, text)]).await;
            assert_eq!(shown(&app, &id, &boss).await["rating"], json!(null));
            let list = get(&app, "/sessions?status=ai", &boss).await;
            assert_eq!(data(&list)[0]["lastMessage"], json!(text));
        }
    }

    /// One document, changed as a whole by whoever read the newest; every version is kept.
    async fn settings_are_one_document(t) {
        let app = TestApp::new(t).await;
        let (anna, boss) = (agent(&app, "anna").await, supervisor(&app, "boss").await);
        get(&app, "/desk/settings", &anna).await.refused(403, &[]);
        let first = get(&app, "/desk/settings", &boss).await;
        shape(data(&first), &json!({
            "version": 0, "changedBy": null, "changedAt": null,
            "settings": {
                "assignment": "=manual", "capacity": 5, "awayAfterSeconds": 30, "requeueAfterSeconds": 300,
                "unansweredAfterSeconds": null, "closeIdleAfterSeconds": null, "firstResponseSeconds": null,
                "nextResponseSeconds": null, "hours": null, "closedText": "string", "rating": false,
                "ratingText": "string",
            },
        }));
        let mut document = data(&first)["settings"].clone();
        document["capacity"] = json!(7);
        document["requeueAfterSeconds"] = json!(null);
        document["hours"] = json!({"zone": "UTC", "mon": [{"from": "22:00", "to": "06:00"}]});
        let body = json!({"version": 0, "settings": document});
        put(&app, "/desk/settings", &anna, body.clone()).await.refused(403, &[]);
        let changed = put(&app, "/desk/settings", &boss, body.clone()).await;
        assert_eq!((&data(&changed)["version"], &data(&changed)["changedBy"]), (&json!(1), &json!(boss.id)));
        let kept = &data(&changed)["settings"];
        assert_eq!((&kept["capacity"], &kept["requeueAfterSeconds"]), (&json!(7), &json!(null)));
        assert_eq!(kept["hours"]["mon"], json!([{"from": "22:00", "to": "06:00"}]));
        let late = put(&app, "/desk/settings", &boss, body).await;
        late.refused(409, &["version"]);
        // What was answered can be put back as it is.
        let again = put(&app, "/desk/settings", &boss, json!({"version": 1, "settings": kept})).await;
        assert_eq!(&data(&again)["settings"], kept);
        let history = get(&app, "/desk/settings/history", &boss).await;
        let versions: Vec<_> = data(&history).as_array().unwrap().iter().map(|v| v["version"].clone()).collect();
        assert_eq!(versions, [2, 1]);
        get(&app, "/desk/settings/history", &anna).await.refused(403, &[]);
    }

    /// Every bad field by its name, all at once.
    async fn bad_settings_are_named(t) {
        let app = TestApp::new(t).await;
        let boss = supervisor(&app, "boss").await;
        let bad = json!({"version": 0, "settings": {
            "assignment": "auto", "capacity": 1001, "awayAfterSeconds": 0, "unansweredAfterSeconds": -1,
            "closedText": " ", "hours": {
                "zone": "Asia/Atlantis", "mon": [{"from": "9:00", "to": "18:00"}, {"from": "09:00", "to": "25:00"}],
                "holidays": ["2028-01-01", "2028-02-30"],
            },
        }});
        put(&app, "/desk/settings", &boss, bad).await.refused(422, &[
            "settings.awayAfterSeconds", "settings.capacity", "settings.closedText", "settings.hours.holidays[1]",
            "settings.hours.mon[0].from", "settings.hours.mon[1].to", "settings.hours.zone",
            "settings.unansweredAfterSeconds",
        ]);
        let malformed = json!({"version": 0, "settings": {"assignment": "random", "rating": "yes", "hours": 7}});
        let fields = ["settings.assignment", "settings.hours", "settings.rating"];
        put(&app, "/desk/settings", &boss, malformed).await.refused(400, &fields);
        let less = json!({"version": 0, "settings": {"awayAfterSeconds": 60, "requeueAfterSeconds": 30}});
        put(&app, "/desk/settings", &boss, less).await.refused(422, &["settings.requeueAfterSeconds"]);
        put(&app, "/desk/settings", &boss, json!({})).await.refused(400, &["settings", "version"]);
        call(&app, Method::GET, "/desk/settings", None, None).await.refused(401, &[]);
    }

    /// Two supervisors at once: one changes the settings, the other is told.
    async fn two_supervisors_at_once(t) {
        let app = TestApp::new(t).await;
        let (one, two) = (supervisor(&app, "one").await, supervisor(&app, "two").await);
        for version in 0..6 {
            let body = |n: i64| json!({"version": version, "settings": {"capacity": n}});
            let (a, b) = tokio::join!(
                put(&app, "/desk/settings", &one, body(1)),
                put(&app, "/desk/settings", &two, body(2)),
            );
            let mut statuses = [a.status.as_u16(), b.status.as_u16()];
            statuses.sort_unstable();
            assert_eq!(statuses, [200, 409]);
        }
    }
}
