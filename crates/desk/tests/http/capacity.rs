//! Nobody has more than they may: who accepts, who is given, and both at once.

use std::collections::BTreeMap;

use axum::http::Method;
use futures_util::future::join_all;
use serde_json::{Value, json};
use testkit::app::{TestApp, User};

use crate::desk::{agent, call, data, get, post, settings, supervisor, waiting};

const ROUNDS: usize = 12;

async fn may_have(app: &TestApp, boss: &User, who: &User, n: i64) {
    let path = format!("/desk/agents/{}", who.id);
    data(&call(app, Method::PUT, &path, Some(boss), Some(json!({"capacity": n}))).await);
}

async fn accept(app: &TestApp, id: &str, who: &User) -> testkit::app::Answer {
    post(app, &format!("/sessions/{id}/accept"), who, json!({"csId": who.id})).await
}

async fn in_hand(app: &TestApp, boss: &User) -> BTreeMap<String, usize> {
    let list = get(app, "/sessions?status=manual&limit=500", boss).await;
    let mut counts = BTreeMap::new();
    for session in data(&list).as_array().unwrap() {
        *counts.entry(session["manualCsId"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    counts
}

testkit::both! {
    &testkit::app::migrations();

    /// Two sessions accepted by one agent at the same moment, of whom nothing is known or who may have one: one of them.
    async fn two_at_once(t) {
        let app = TestApp::new(t).await;
        let (ben, boss) = (agent(&app, "ben").await, supervisor(&app, "boss").await);
        settings(&app, &boss, json!({"capacity": 1})).await;
        for round in 0..ROUNDS {
            let anna = agent(&app, &format!("anna{round}")).await;
            if round % 2 == 0 {
                may_have(&app, &boss, &anna, 1).await;
            }
            let (one, two) =
                (waiting(&app, &format!("a{round}"), &ben).await, waiting(&app, &format!("b{round}"), &ben).await);
            let (a, b) = tokio::join!(accept(&app, &one, &anna), accept(&app, &two, &anna));
            let mut answers = [(a, one), (b, two)];
            answers.sort_by_key(|(answer, _)| answer.status);
            let [(won, kept), (lost, left)] = answers;
            data(&won);
            lost.refused(422, &["csId"]);
            assert_eq!(lost.body["errors"]["csId"], "has 1 of at most 1 sessions");
            assert_eq!(in_hand(&app, &boss).await.get(&anna.id), Some(&1));
            let waits = get(&app, &format!("/sessions/{left}"), &boss).await;
            assert_eq!((&data(&waits)["status"], &data(&waits)["version"]), (&json!("pending"), &json!(3)));
            // Accepting again what one has is no second session, and room is room again.
            data(&accept(&app, &kept, &anna).await);
            data(&post(&app, &format!("/sessions/{kept}/close"), &anna, json!({})).await);
            data(&accept(&app, &left, &anna).await);
        }
    }

    /// Many accept many while the desk gives some away itself: nobody ever has more than they may.
    async fn a_rush(t) {
        let app = TestApp::new(t).await;
        let (ben, boss) = (agent(&app, "ben").await, supervisor(&app, "boss").await);
        let mut agents = Vec::new();
        for n in 0..3 {
            let agent = agent(&app, &format!("agent{n}")).await;
            data(&call(&app, Method::PUT, "/desk/agents/me", Some(&agent), Some(json!({"state": "online"}))).await);
            agents.push(agent);
        }
        settings(&app, &boss, json!({"capacity": 3, "assignment": "auto"})).await;
        let mut ids = Vec::new();
        for n in 0..12 {
            ids.push(waiting(&app, &format!("c{n}"), &ben).await);
        }
        let accepts = ids.iter().enumerate().map(|(n, id)| accept(&app, id, &agents[n % 3]));
        let (answers, _) = tokio::join!(join_all(accepts), app.run_due());
        assert!(answers.iter().all(|a| [200, 400, 422].contains(&a.status.as_u16())));
        app.run_due().await;
        let counts = in_hand(&app, &boss).await;
        assert!(agents.iter().all(|agent| counts.get(&agent.id) == Some(&3)), "{counts:?}");
    }

    /// Supervisors may give them more all the same; they themselves may take over out of turn.
    async fn beyond_it(t) {
        let app = TestApp::new(t).await;
        let (anna, ben, boss) =
            (agent(&app, "anna").await, agent(&app, "ben").await, supervisor(&app, "boss").await);
        may_have(&app, &boss, &anna, 0).await;
        let id = waiting(&app, "c1", &ben).await;
        let path = format!("/sessions/{id}/accept");
        accept(&app, &id, &anna).await.refused(422, &["csId"]);
        post(&app, &path, &boss, json!({"csId": anna.id})).await.refused(422, &["csId"]);
        let given = post(&app, &format!("/sessions/{id}/assign"), &boss, json!({"csId": anna.id})).await;
        assert_eq!(data(&given)["manualCsId"], json!(anna.id));
        let urgent = waiting(&app, "c2", &ben).await;
        data(&post(&app, &format!("/sessions/{urgent}/takeover"), &anna, json!({})).await);
        assert_eq!(in_hand(&app, &boss).await.get(&anna.id), Some(&2));
    }

    /// Who is known only by what was decided of them, or by what they accepted, is online when they first come.
    async fn who_never_came(t) {
        let app = TestApp::new(t).await;
        let (anna, ben, boss) =
            (agent(&app, "anna").await, agent(&app, "ben").await, supervisor(&app, "boss").await);
        may_have(&app, &boss, &anna, 9).await;
        let id = waiting(&app, "c1", &boss).await;
        data(&accept(&app, &id, &ben).await);
        let states = async || -> Vec<Value> {
            let all = get(&app, "/desk/agents", &boss).await;
            data(&all).as_array().unwrap().iter().map(|a| a["state"].clone()).collect()
        };
        assert_eq!(states().await, ["offline", "offline"]);
        for who in [&anna, &ben] {
            app.system.desk.agent_seen(&who.id).await.unwrap();
        }
        assert_eq!(states().await, ["online", "online"]);
        for who in [&anna, &ben] {
            data(&call(&app, Method::PUT, "/desk/agents/me", Some(who), Some(json!({"state": "away"}))).await);
            app.system.desk.agent_seen(&who.id).await.unwrap();
        }
        assert_eq!(states().await, ["away", "away"], "what one chose stays");
    }
}
