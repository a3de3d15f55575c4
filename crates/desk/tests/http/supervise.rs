//! What supervisors do with sessions of others, and what is on record of it.

use serde_json::{Value, json};
use testkit::app::{TestApp, User, shape};

use crate::desk::{agent, call, data, get, post, receive, supervisor, words};

async fn session(app: &TestApp, who: &User) -> String {
    receive(app, &[words(app, "m1", "wm_1", "你好")]).await;
    data(&get(app, "/sessions", who).await)[0]["sessionId"].as_str().unwrap().to_owned()
}

/// A moment passes.
fn tick(app: &TestApp) {
    app.clock.set(app.now() + std::time::Duration::from_micros(1));
}

testkit::both! {
    &testkit::app::migrations();

    /// A supervisor gives a session to an agent, and to another; who and why is on record.
    async fn sessions_are_assigned(t) {
        let app = TestApp::new(t).await;
        let (boss, anna, ben) = (supervisor(&app, "boss").await, agent(&app, "anna").await, agent(&app, "ben").await);
        let stranger = app.user("stranger").await;
        let id = session(&app, &boss).await;
        let path = format!("/sessions/{id}/assign");
        let to = |user: &User, reason: Option<&str>| json!({"csId": user.id, "reason": reason});
        post(&app, &path, &anna, to(&anna, None)).await.refused(403, &[]);
        post(&app, &path, &boss, to(&stranger, None)).await.refused(422, &["csId"]);
        post(&app, &path, &boss, json!({"csId": "nobody"})).await.refused(422, &["csId"]);
        post(&app, &path, &boss, json!({})).await.refused(400, &["csId"]);
        post(&app, "/sessions/sess_x/assign", &boss, to(&anna, None)).await.refused(404, &[]);
        let given = post(&app, &path, &boss, to(&anna, Some("knows cars"))).await;
        assert_eq!((&data(&given)["status"], &data(&given)["manualCsId"]), (&json!("manual"), &json!(anna.id)));
        let version = data(&given)["version"].clone();
        assert_eq!(data(&post(&app, &path, &boss, to(&anna, None)).await)["version"], version, "it stands");
        tick(&app);
        assert_eq!(data(&post(&app, &path, &boss, to(&ben, Some("anna is ill"))).await)["manualCsId"], ben.id);
        post(&app, &format!("/sessions/{id}/message"), &anna, json!({"content": "x"})).await.refused(403, &["manualCsId"]);
        tick(&app);
        data(&post(&app, &format!("/sessions/{id}/close"), &ben, json!({})).await);
        tick(&app);
        post(&app, &path, &boss, to(&anna, None)).await.refused(400, &["manualCsId", "status"]);
        let audit = get(&app, &format!("/desk/audit?sessionId={id}"), &boss).await;
        shape(&data(&audit)[1], &json!({
            "auditId": "id:audit", "at": "time", "actorKind": "=supervisor", "actorId": format!("={}", boss.id),
            "action": "=assign", "subject": format!("={id}"), "reason": "=anna is ill", "fromStatus": "=manual",
            "toStatus": "=manual", "fromOwner": format!("={}", anna.id), "toOwner": format!("={}", ben.id),
        }));
        let list = |answer: &testkit::app::Answer| -> Vec<Value> { data(answer).as_array().unwrap().clone() };
        let actions = |list: &[Value]| -> Vec<Value> { list.iter().map(|a| a["action"].clone()).collect() };
        assert_eq!(actions(&list(&audit)), ["close", "assign", "assign"]);
        assert_eq!(list(&audit)[2]["reason"], "knows cars");
        let by = get(&app, &format!("/desk/audit?actorId={}", ben.id), &boss).await;
        assert_eq!(actions(&list(&by)), ["close"]);
        let url = json!({"name": "x", "url": "https://example.com/", "events": ["session.closed"]});
        data(&post(&app, "/desk/webhooks", &boss, url).await);
        let all = list(&get(&app, "/desk/audit", &boss).await);
        assert_eq!(actions(&all), ["webhook.created", "close", "assign", "assign"]);
        let page = get(&app, "/desk/audit?limit=2", &boss).await;
        let last = list(&page)[1]["auditId"].as_str().unwrap().to_owned();
        let rest = get(&app, &format!("/desk/audit?before={last}"), &boss).await;
        assert_eq!([list(&page), list(&rest)].concat(), all);
        get(&app, "/desk/audit?before=audit_x", &boss).await.refused(422, &["before"]);
        let later = app.now() + std::time::Duration::from_secs(1);
        assert_eq!(data(&get(&app, &format!("/desk/audit?from={later}"), &boss).await), &json!([]));
        assert_eq!(list(&get(&app, &format!("/desk/audit?to={later}"), &boss).await).len(), 4);
        get(&app, "/desk/audit?from=yesterday&limit=0", &boss).await.refused(400, &["from", "limit"]);
    }

    /// A whisper is for whoever has the session and for supervisors; it is no message of the conversation.
    async fn whispers_stay_inside(t) {
        let app = TestApp::new(t).await;
        let (boss, anna, ben) = (supervisor(&app, "boss").await, agent(&app, "anna").await, agent(&app, "ben").await);
        let id = session(&app, &boss).await;
        let path = format!("/sessions/{id}/whisper");
        post(&app, &path, &boss, json!({"content": "x"})).await.refused(400, &["status"]);
        data(&post(&app, &format!("/sessions/{id}/assign"), &boss, json!({"csId": anna.id})).await);
        post(&app, &path, &anna, json!({"content": "x"})).await.refused(403, &[]);
        post(&app, &path, &boss, json!({})).await.refused(400, &["content"]);
        let said = post(&app, &path, &boss, json!({"content": "offer a refund"})).await;
        assert_eq!((&data(&said)["status"], &data(&said)["msgType"]), (&json!("internal"), &json!("whisper")));
        let history = format!("/sessions/{id}/history");
        let words = |answer: testkit::app::Answer| data(&answer)[1]["content"].clone();
        assert_eq!(words(get(&app, &history, &anna).await), "offer a refund");
        let session = get(&app, &format!("/sessions/{id}"), &anna).await;
        assert_eq!((&data(&session)["lastMessage"], &data(&session)["messageCount"]), (&json!("你好"), &json!(1)));
        data(&post(&app, &format!("/sessions/{id}/assign"), &boss, json!({"csId": ben.id})).await);
        let seen = get(&app, &history, &ben).await;
        assert_eq!((&data(&seen)[1]["content"], &data(&seen)[1]["seqNo"]), (&json!(""), &json!(2)));
        assert_eq!(words(get(&app, &history, &boss).await), "offer a refund");
        let before = get(&app, &format!("{history}?before=3"), &ben).await;
        assert_eq!((&data(&before)[1]["content"], &data(&before)[1]["payload"]), (&json!(""), &json!(null)));
        for whoever in [&ben, &boss] {
            assert_eq!(data(&get(&app, "/desk/search?q=refund", whoever).await), &json!([]), "it is found");
        }
        let summary = post(&app, &format!("/sessions/{id}/summary"), &ben, json!({})).await;
        assert!(!data(&summary).to_string().contains("refund"), "{:?}", data(&summary));
    }

    /// Every change of how the desk is set up is on record with who made it, those of single sessions too.
    async fn every_change_is_on_record(t) {
        let app = TestApp::new(t).await;
        let (boss, anna) = (supervisor(&app, "boss").await, agent(&app, "anna").await);
        let id = session(&app, &boss).await;
        let put = async |path: &str, who: &User, body: Value| {
            tick(&app);
            data(&call(&app, axum::http::Method::PUT, path, Some(who), Some(body)).await).clone()
        };
        put("/desk/agents/me", &anna, json!({"state": "online"})).await;
        put(&format!("/desk/agents/{}", anna.id), &boss, json!({"capacity": 3})).await;
        put(&format!("/sessions/{id}/labels"), &boss, json!({"labels": ["vip", "refund"]})).await;
        put(&format!("/sessions/{id}/priority"), &boss, json!({"priority": 7})).await;
        put("/desk/settings", &boss, json!({"version": 0, "settings": {}})).await;
        tick(&app);
        let made = post(&app, "/desk/canned", &boss, json!({"shortcut": "hi", "content": "你好", "shared": true})).await;
        let canned = data(&made)["id"].as_str().unwrap().to_owned();
        let all = get(&app, "/desk/audit", &boss).await;
        let seen: Vec<[&str; 4]> = data(&all).as_array().unwrap().iter().rev()
            .map(|a| ["actorId", "action", "subject", "reason"].map(|field| a[field].as_str().unwrap_or("")))
            .collect();
        assert_eq!(seen, [
            [anna.id.as_str(), "agent.online", &anna.id, ""],
            [&boss.id, "agent.capacity", &anna.id, "3"],
            [&boss.id, "labels", &id, "refund, vip"],
            [&boss.id, "priority", &id, "7"],
            [&boss.id, "settings.changed", "settings", "version 1"],
            [&boss.id, "canned.created", &canned, ""],
        ]);
    }

    /// Without authentication whoever calls supervises.
    async fn without_authentication(t) {
        let app = TestApp::with(t, |settings| settings.desk.auth = false).await;
        receive(&app, &[words(&app, "m1", "wm_1", "你好")]).await;
        let list = call(&app, axum::http::Method::GET, "/sessions", None, None).await;
        let id = data(&list)[0]["sessionId"].as_str().unwrap();
        let given = call(&app, axum::http::Method::POST, &format!("/sessions/{id}/assign"), None, Some(json!({"csId": "cs_1"}))).await;
        assert_eq!(data(&given)["manualCsId"], "cs_1");
        data(&call(&app, axum::http::Method::GET, "/desk/reports", None, None).await);
    }
}
