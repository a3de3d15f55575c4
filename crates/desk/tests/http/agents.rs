//! Agents, and who is given what: by the desk itself, exactly, however many assign at once.

use std::{collections::BTreeMap, time::Duration};

use dispatch::{Engine, Retry};
use serde_json::{Value, json};
use testkit::app::{TestApp, User, shape};

use crate::desk::{agent, data, get, post, put, session, settings, supervisor, waiting};

async fn online(app: &TestApp, who: &User) {
    data(&put(app, "/desk/agents/me", who, json!({"state": "online"})).await);
}

/// Who has which session.
async fn owners(app: &TestApp, boss: &User) -> BTreeMap<String, String> {
    let list = get(app, "/sessions?status=manual&limit=500", boss).await;
    let list = data(&list).as_array().unwrap().clone();
    let text = |s: &Value, field: &str| s[field].as_str().unwrap().to_owned();
    list.iter().map(|s| (text(s, "sessionId"), text(s, "manualCsId"))).collect()
}

testkit::both! {
    &testkit::app::migrations();

    /// Many who wait are shared out among all who are free, not given to one agent after the other.
    async fn a_queue_is_shared_out(t) {
        let app = TestApp::new(t).await;
        let boss = supervisor(&app, "boss").await;
        let mut agents = Vec::new();
        for name in ["anna", "ben", "carla"] {
            let who = agent(&app, name).await;
            app.system.desk.agent_seen(&who.id).await.unwrap();
            // Each was given something at another time.
            let id = session(&app, &format!("first_{name}")).await;
            data(&post(&app, &format!("/sessions/{id}/takeover"), &who, json!({})).await);
            data(&post(&app, &format!("/sessions/{id}/close"), &who, json!({})).await);
            app.advance_to(app.now() + Duration::from_secs(60)).await;
            agents.push(who);
        }
        for n in 0..6 {
            waiting(&app, &format!("wm_{n}"), &boss).await;
        }
        settings(&app, &boss, json!({"assignment": "auto"})).await;
        app.run_due().await;
        let list = get(&app, "/sessions?status=manual", &boss).await;
        for who in &agents {
            let own = data(&list).as_array().unwrap().iter().filter(|s| s["manualCsId"] == who.id.as_str()).count();
            assert_eq!(own, 2, "{list:?}");
        }
    }

    /// One says oneself whether one is there; supervisors see and decide how much each is given.
    async fn states_and_capacity(t) {
        let app = TestApp::new(t).await;
        let (anna, ben) = (agent(&app, "anna").await, agent(&app, "ben").await);
        let (boss, stranger) = (supervisor(&app, "boss").await, app.user("stranger").await);
        assert_eq!(data(&get(&app, "/desk/agents", &boss).await), &json!([]));
        let own = put(&app, "/desk/agents/me", &anna, json!({"state": "online"})).await;
        shape(data(&own), &json!({
            "csId": format!("={}", anna.id), "name": "=anna", "state": "=online", "inHand": 0, "capacity": 5,
        }));
        let path = format!("/desk/agents/{}", ben.id);
        put(&app, &path, &anna, json!({"capacity": 9})).await.refused(403, &[]);
        let set = put(&app, &path, &boss, json!({"capacity": 9})).await;
        assert_eq!((&data(&set)["capacity"], &data(&set)["state"]), (&json!(9), &json!("offline")));
        assert_eq!(data(&put(&app, &path, &boss, json!({"capacity": null})).await)["capacity"], 5);
        let seen = get(&app, "/desk/agents", &anna).await;
        let ben_seen = data(&seen).as_array().unwrap().iter().find(|a| a["csId"] == json!(ben.id)).unwrap().clone();
        assert_eq!(ben_seen, json!({"csId": ben.id, "name": "ben", "state": "offline"}));
        put(&app, &path, &boss, json!({})).await.refused(400, &["capacity"]);
        put(&app, &path, &boss, json!({"capacity": 1001})).await.refused(422, &["capacity"]);
        put(&app, "/desk/agents/user_none", &boss, json!({"capacity": 1})).await.refused(404, &[]);
        put(&app, &format!("/desk/agents/{}", stranger.id), &boss, json!({"capacity": 1})).await.refused(404, &[]);
        put(&app, "/desk/agents/me", &anna, json!({"state": "asleep"})).await.refused(400, &["state"]);
        let other = json!({"state": "online", "csId": ben.id});
        put(&app, "/desk/agents/me", &anna, other).await.refused(403, &["csId"]);
        get(&app, "/desk/agents", &stranger).await.refused(403, &[]);
    }

    /// A blink of the connection changes nothing; who is gone for longer is shown as offline.
    async fn presence_has_a_grace(t) {
        let app = TestApp::new(t).await;
        let (anna, boss) = (agent(&app, "anna").await, supervisor(&app, "boss").await);
        let state = async || data(&get(&app, "/desk/agents", &boss).await)[0]["state"].clone();
        app.system.desk.agent_seen(&anna.id).await.unwrap();
        assert_eq!(state().await, "online", "whoever comes for the first time is online");
        app.system.desk.agent_gone(&anna.id).await.unwrap();
        app.clock.advance(Duration::from_secs(29));
        assert_eq!(state().await, "online");
        app.clock.advance(Duration::from_secs(1));
        assert_eq!(state().await, "offline");
        app.system.desk.agent_seen(&anna.id).await.unwrap();
        assert_eq!(state().await, "online");
        data(&put(&app, "/desk/agents/me", &anna, json!({"state": "away"})).await);
        app.system.desk.agent_seen(&anna.id).await.unwrap();
        assert_eq!(state().await, "away", "what one chose stays");
    }

    /// By default nobody is given anything: the agents accept.
    async fn nothing_is_given_unless_the_desk_is_told(t) {
        let app = TestApp::new(t).await;
        let (anna, ben) = (agent(&app, "anna").await, agent(&app, "ben").await);
        online(&app, &anna).await;
        let id = waiting(&app, "wm_1", &ben).await;
        app.run_due().await;
        assert_eq!(data(&get(&app, &format!("/sessions/{id}"), &anna).await)["status"], "pending");
        // Told so, the desk gives away who waits already.
        settings(&app, &supervisor(&app, "boss").await, json!({"assignment": "auto"})).await;
        app.run_due().await;
        assert_eq!(data(&get(&app, &format!("/sessions/{id}"), &anna).await)["manualCsId"], json!(anna.id));
    }

    /// In the order of the queue, to whom was given nothing for the longest time, and first to whom the customer knows.
    async fn who_is_given_whom(t) {
        let app = TestApp::new(t).await;
        let (anna, ben) = (agent(&app, "anna").await, agent(&app, "ben").await);
        let (carl, boss) = (agent(&app, "carl").await, supervisor(&app, "boss").await);
        // Ben had this customer before.
        let old = session(&app, "wm_known").await;
        data(&post(&app, &format!("/sessions/{old}/takeover"), &ben, json!({})).await);
        data(&post(&app, &format!("/sessions/{old}/close"), &ben, json!({})).await);
        settings(&app, &boss, json!({"assignment": "auto", "capacity": 2})).await;
        let known = waiting(&app, "wm_known", &carl).await;
        let mut ids = Vec::new();
        for n in 0..4 {
            app.clock.advance(Duration::from_secs(10));
            ids.push(waiting(&app, &format!("wm_{n}"), &carl).await);
        }
        let urgent = ids.pop().unwrap();
        data(&put(&app, &format!("/sessions/{urgent}/priority"), &boss, json!({"priority": 9})).await);
        for user in [&anna, &ben] {
            online(&app, user).await;
            app.clock.advance(Duration::from_secs(10));
        }
        app.run_due().await;
        let owners = owners(&app, &boss).await;
        assert_eq!(owners.len(), 4, "two for each of two, carl is not online");
        assert!(!owners.contains_key(&ids[2]), "the last of the queue waits");
        assert!(owners.contains_key(&urgent));
        assert_eq!(owners.get(&known), Some(&ben.id), "whom the customer knows");
        // Room is filled at once, by the next of the queue.
        let (free, _) = owners.iter().find(|(_, owner)| **owner == anna.id).unwrap();
        data(&post(&app, &format!("/sessions/{free}/close"), &anna, json!({})).await);
        app.run_due().await;
        let last = get(&app, &format!("/sessions/{}", ids[2]), &boss).await;
        assert_eq!(data(&last)["manualCsId"], json!(anna.id));
    }

    /// Two engines assign while agents accept, come and go: nobody is ever given more than they may have.
    async fn nobody_is_given_too_much(t) {
        let app = TestApp::new(t).await;
        let boss = supervisor(&app, "boss").await;
        let mut agents = Vec::new();
        for n in 0..4 {
            agents.push(agent(&app, &format!("agent{n}")).await);
        }
        settings(&app, &boss, json!({"assignment": "auto", "capacity": 3})).await;
        let other = Engine::builder(app.system.db.clone(), app.system.clock.clone())
            .batch(::desk::ASSIGN, Retry::INTERNAL, ::desk::Assign { desk: app.system.desk.clone() })
            .build();
        for n in 0..16 {
            waiting(&app, &format!("wm_{n}"), &boss).await;
        }
        let come = futures_util::future::join_all(agents.iter().map(|a| online(&app, a)));
        let assign = async || {
            for _ in 0..4 {
                app.system.engine.run_due().await.unwrap();
            }
        };
        let assign_too = async || {
            for _ in 0..4 {
                other.run_due().await.unwrap();
            }
        };
        tokio::join!(come, assign(), assign_too());
        app.run_due().await;
        let mut counted: BTreeMap<String, usize> = BTreeMap::new();
        for owner in owners(&app, &boss).await.into_values() {
            *counted.entry(owner).or_default() += 1;
        }
        assert_eq!(counted.values().copied().collect::<Vec<_>>(), [3, 3, 3, 3], "all full, none over");
        let waiting = get(&app, "/sessions?order=queue", &boss).await;
        assert_eq!(data(&waiting).as_array().unwrap().len(), 4);
        // Whoever takes one over out of turn may: the limit is on what is accepted and given.
        let id = data(&waiting)[0]["sessionId"].as_str().unwrap().to_owned();
        let own = json!({"csId": agents[0].id});
        post(&app, &format!("/sessions/{id}/accept"), &agents[0], own.clone()).await.refused(422, &["csId"]);
        data(&post(&app, &format!("/sessions/{id}/takeover"), &agents[0], own).await);
    }

    /// Should every trigger be missed: once a minute it is looked again while anybody waits.
    async fn it_is_looked_again(t) {
        let app = TestApp::new(t).await;
        let (anna, boss) = (agent(&app, "anna").await, supervisor(&app, "boss").await);
        settings(&app, &boss, json!({"assignment": "auto", "awayAfterSeconds": 60})).await;
        app.system.desk.agent_seen(&anna.id).await.unwrap();
        app.system.desk.agent_gone(&anna.id).await.unwrap();
        app.clock.advance(Duration::from_secs(60));
        let id = waiting(&app, "wm_1", &boss).await;
        app.run_due().await;
        // As if nobody had noticed that she is back.
        let mut tx = app.system.db.begin().await.unwrap();
        tx.exec(db::sql!("UPDATE desk_agents SET gone_at = NULL WHERE agent_id = $1"), db::args![&anna.id]).await
            .unwrap();
        tx.commit().await.unwrap();
        app.run_due().await;
        assert_eq!(data(&get(&app, &format!("/sessions/{id}"), &boss).await)["status"], "pending");
        app.advance_to(app.now() + Duration::from_secs(121)).await;
        assert_eq!(data(&get(&app, &format!("/sessions/{id}"), &boss).await)["manualCsId"], json!(anna.id));
    }
}
