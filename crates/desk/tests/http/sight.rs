//! Who sees what: what is told of a session to those for whom the API has no such session, and when that changes.

use std::{collections::BTreeSet, time::Duration};

use accounts::Role;
use axum::http::Method;
use serde_json::{Value, json};
use testkit::app::{TestApp, User};

use crate::{
    desk::{agent, call, data, get, listen, post, put, receive, session, supervisor, told, waiting, words},
    socket::{Client, Node, while_time_passes},
    stream,
};

/// What may be known of a session that one may not see.
const REDUCED: [&str; 6] = ["channelType", "kfId", "manualCsId", "sessionId", "status", "version"];

/// The last thing that they were told.
async fn last(app: &TestApp, user: &User) -> (String, Value) {
    let (kind, _, data) = told(app, user).await.pop().unwrap();
    (kind, data)
}

fn fields(data: &Value) -> BTreeSet<&str> {
    data.as_object().unwrap().keys().map(String::as_str).collect()
}

/// These get all of it, those that it changed.
async fn split(app: &TestApp, kind: &str, whole: &[&User], reduced: &[&User]) {
    for user in whole {
        let (told, data) = last(app, user).await;
        assert_eq!((told.as_str(), &data["customerId"]), (kind, &json!("wm_1")), "{data}");
        assert!(data["lastMessage"].is_string(), "{data}");
    }
    for user in reduced {
        let (told, data) = last(app, user).await;
        assert_eq!((told.as_str(), fields(&data)), (kind, BTreeSet::from(REDUCED)), "{data}");
        assert!(data["version"].is_i64() && data["status"].is_string(), "{data}");
    }
}

/// A socket of theirs that is live, where it goes on.
async fn resumed(node: &Node, user: &User, epoch: &Value, seq: i64) -> (Client, Value) {
    let path = format!("{}?epoch={}&lastSeq={seq}", user.id, epoch.as_str().unwrap());
    let (mut client, _) = Client::connect(node.address, &path, &user.token).await;
    let first = client.next().await;
    (client, first)
}

testkit::both! {
    &testkit::app::migrations();

    /// What is another's is told without its customer; what waits, and one's own, whole; to supervisors all.
    async fn what_is_anothers_is_told_without_its_customer(t) {
        let app = TestApp::new(t).await;
        let (anna, ben, boss) = (agent(&app, "anna").await, agent(&app, "ben").await, supervisor(&app, "boss").await);
        let id = waiting(&app, "wm_1", &boss).await;
        for user in [&anna, &ben, &boss] {
            listen(&app, user).await;
        }
        let act = async |verb: &str, who: &User, body: Value| {
            data(&post(&app, &format!("/sessions/{id}/{verb}"), who, body).await);
        };
        act("accept", &anna, json!({"csId": anna.id})).await;
        split(&app, "session_accepted", &[&anna, &boss], &[&ben]).await;
        data(&put(&app, &format!("/sessions/{id}/labels"), &anna, json!({"labels": ["VIP"]})).await);
        split(&app, "session_updated", &[&anna, &boss], &[&ben]).await;
        act("assign", &boss, json!({"csId": ben.id})).await;
        split(&app, "session_updated", &[&ben, &boss], &[&anna]).await;
        act("release", &ben, json!({})).await;
        split(&app, "new_pending_session", &[&anna, &ben, &boss], &[]).await;
        act("takeover", &ben, json!({})).await;
        split(&app, "session_accepted", &[&ben, &boss], &[&anna]).await;
        act("close", &ben, json!({})).await;
        split(&app, "session_closed", &[&ben, &boss], &[&anna]).await;
        assert_eq!(last(&app, &boss).await.1["closedBy"], ben.id);
        let seqs = async |user: &User| told(&app, user).await.len();
        assert_eq!([seqs(&anna).await, seqs(&ben).await, seqs(&boss).await], [6; 3], "all hear that it changed");
    }

    /// Supervisors hear of a new session at once; agents when it waits.
    async fn supervisors_hear_of_new_sessions(t) {
        let app = TestApp::new(t).await;
        let (anna, boss) = (agent(&app, "anna").await, supervisor(&app, "boss").await);
        for user in [&anna, &boss] {
            listen(&app, user).await;
        }
        session(&app, "wm_1").await;
        split(&app, "session_created", &[&boss], &[]).await;
        assert_eq!(told(&app, &boss).await.len(), 1);
        assert_eq!(told(&app, &anna).await, []);
    }

    /// To do again what another did shows nothing of it.
    async fn what_stands_is_shown_to_those_who_may_see_it(t) {
        let app = TestApp::new(t).await;
        let node = Node::start(&app).await;
        let (anna, ben, boss) = (agent(&app, "anna").await, agent(&app, "ben").await, supervisor(&app, "boss").await);
        let id = waiting(&app, "wm_1", &boss).await;
        let act = async |verb: &str, who: &User, body: Value| {
            post(&app, &format!("/sessions/{id}/{verb}"), who, body).await
        };
        data(&act("accept", &anna, json!({"csId": anna.id})).await);
        act("transfer", &ben, json!({"csId": anna.id, "note": "hi"})).await.refused(403, &["manualCsId"]);
        let to_her = json!({"csId": anna.id, "note": "她懂车"});
        assert_eq!(data(&act("transfer", &boss, to_her).await)["manualCsId"], anna.id);
        let history = get(&app, &format!("/sessions/{id}/history"), &anna).await;
        assert_eq!(data(&history).as_array().unwrap().last().unwrap()["content"], "她懂车", "no note is lost");
        data(&act("close", &anna, json!({})).await);
        act("close", &ben, json!({})).await.refused(404, &[]);
        let (mut client, _) = Client::connect(node.address, &ben.id, &ben.token).await;
        let refused = client.ask(json!({"type": "close", "cid": "c", "sessionId": id})).await;
        assert_eq!((&refused["type"], &refused["code"]), (&json!("error"), &json!(404)));
        for who in [&anna, &boss] {
            assert_eq!(data(&act("close", who, json!({})).await)["status"], "closed");
        }
        // What was nobody's, too: whoever ended it may say so again.
        let id = session(&app, "wm_2").await;
        let path = format!("/sessions/{id}/close");
        for _ in 0..2 {
            data(&post(&app, &path, &anna, json!({})).await);
        }
        post(&app, &path, &ben, json!({})).await.refused(404, &[]);
    }

    /// A customer is given to people of the desk alone; nobody waits in what is closed.
    async fn nobody_gets_no_customer(t) {
        let app = TestApp::new(t).await;
        let (anna, boss) = (agent(&app, "anna").await, supervisor(&app, "boss").await);
        let stranger = app.user("stranger").await;
        let id = waiting(&app, "wm_1", &boss).await;
        let accept = format!("/sessions/{id}/accept");
        for nobody in ["typo", &stranger.id] {
            post(&app, &accept, &boss, json!({"csId": nobody})).await.refused(422, &["csId"]);
        }
        assert_eq!(data(&get(&app, &format!("/sessions/{id}"), &boss).await)["status"], "pending");
        assert_eq!(data(&post(&app, &accept, &boss, json!({"csId": anna.id})).await)["manualCsId"], anna.id);
        let closed = post(&app, &format!("/sessions/{id}/close"), &anna, json!({})).await;
        assert_eq!(data(&closed)["waitingSince"], json!(null));
        assert_eq!(data(&get(&app, &format!("/sessions/{id}"), &anna).await)["waitingSince"], json!(null));
    }

    /// Who is a supervisor no more begins anew, with what agents may see; who becomes one, too.
    async fn a_role_that_changes_begins_the_stream_anew(t) {
        let app = TestApp::new(t).await;
        let node = Node::start(&app).await;
        let (anna, boss) = (agent(&app, "anna").await, supervisor(&app, "boss").await);
        let id = stream::owned(&app, "wm_1", &anna).await;
        let (mut client, hello) = Client::connect(node.address, &boss.id, &boss.token).await;
        client.bind(&id).await;
        receive(&app, &[words(&app, "m2", "wm_1", "在吗")]).await;
        let seq = client.next_of("new_message").await["seq"].as_i64().unwrap();
        app.system.accounts.admin_role(&boss.email, Role::Agent).await.unwrap();
        receive(&app, &[words(&app, "m3", "wm_1", "谢谢")]).await;
        assert_eq!(while_time_passes(&app, client.end()).await, 4001);
        receive(&app, &[words(&app, "m4", "wm_1", "密码")]).await;
        let (mut client, first) = resumed(&node, &boss, &hello["epoch"], seq).await;
        assert_eq!((&first["type"], &first["data"]["reason"]), (&json!("resync"), &json!("epoch")), "{first}");
        assert_eq!(first["data"]["sessions"], json!([]));
        receive(&app, &[words(&app, "m5", "wm_1", "在吗")]).await;
        client.is_quiet().await;
        data(&post(&app, &format!("/sessions/{id}/close"), &anna, json!({})).await);
        let closed = client.next().await;
        assert_eq!((&closed["type"], fields(&closed["data"])), (&json!("session_closed"), BTreeSet::from(REDUCED)));
        let other = stream::owned(&app, "wm_2", &anna).await;
        app.system.accounts.admin_role(&boss.email, Role::Supervisor).await.unwrap();
        assert_eq!(while_time_passes(&app, client.end()).await, 4001);
        let (_client, first) = resumed(&node, &boss, &first["data"]["epoch"], 0).await;
        assert_eq!(first["data"]["sessions"][0]["sessionId"], other, "{first}");
    }

    /// Who writes and who looks is for those who may see the session.
    async fn who_may_not_see_it_does_not_see_who_looks(t) {
        let app = TestApp::new(t).await;
        let node = Node::start(&app).await;
        let (anna, bob, boss) = (agent(&app, "anna").await, agent(&app, "bob").await, supervisor(&app, "boss").await);
        let id = stream::waiting(&app, "wm_1").await;
        let (mut annas, _) = Client::connect(node.address, &anna.id, &anna.token).await;
        annas.bind(&id).await;
        let (mut bobs, _) = Client::connect(node.address, &bob.id, &bob.token).await;
        bobs.bind(&id).await;
        annas.next_of("viewers").await;
        data(&post(&app, &format!("/sessions/{id}/accept"), &bob, json!({"csId": bob.id})).await);
        bobs.next_of("session_accepted").await;
        annas.next_of("session_accepted").await;
        let (mut bosss, _) = Client::connect(node.address, &boss.id, &boss.token).await;
        let mut both = [&bob.id, &boss.id];
        both.sort();
        assert_eq!(bosss.bind(&id).await[1]["data"]["agents"], json!(both), "anna may not see it");
        assert_eq!(bobs.next_of("viewers").await["data"]["agents"], json!(both));
        bosss.say(json!({"type": "typing", "sessionId": id, "on": true})).await;
        assert_eq!(bobs.next_of("typing").await["data"]["csId"], boss.id);
        annas.is_quiet().await;
    }

    /// A socket that is gone without a word looks at nothing any more.
    async fn who_is_gone_looks_at_nothing(t) {
        let app = TestApp::new(t).await;
        let node = Node::start(&app).await;
        let (anna, bob) = (agent(&app, "anna").await, agent(&app, "bob").await);
        let id = stream::waiting(&app, "wm_1").await;
        let (mut annas, _) = Client::connect(node.address, &anna.id, &anna.token).await;
        annas.bind(&id).await;
        let (mut bobs, _) = Client::connect(node.address, &bob.id, &bob.token).await;
        bobs.bind(&id).await;
        annas.next_of("viewers").await;
        // As if it had broken off when the database was away.
        let mut tx = app.system.db.begin().await.unwrap();
        let ghost = db::sql!("UPDATE desk_viewers SET socket_id = socket_id || '99' WHERE agent_id = $1");
        tx.exec(ghost, db::args![&bob.id]).await.unwrap();
        tx.commit().await.unwrap();
        drop(bobs);
        let end = app.now() + Duration::from_secs(120);
        let viewers = while_time_passes(&app, async {
            loop {
                assert!(app.now() < end, "they still look");
                let frame = annas.next().await;
                if frame["type"] == "viewers" && frame["data"]["agents"] == json!([anna.id]) {
                    return;
                }
            }
        });
        viewers.await;
    }

    /// What a supervisor watches comes on their own stream.
    async fn another_ones_stream_is_for_looking(t) {
        let app = TestApp::new(t).await;
        let node = Node::start(&app).await;
        let (anna, boss) = (agent(&app, "anna").await, supervisor(&app, "boss").await);
        let (_annas, _) = Client::connect(node.address, &anna.id, &anna.token).await;
        let id = stream::owned(&app, "wm_1", &anna).await;
        let (mut over, _) = Client::connect(node.address, &anna.id, &boss.token).await;
        over.say(json!({"type": "bind_session", "sessionId": id})).await;
        let refused = over.next_of("error").await;
        assert_eq!(refused["code"], 403);
        assert!(refused["message"].as_str().unwrap().contains("csId"), "{refused}");
        receive(&app, &[words(&app, "m2", "wm_1", "在吗")]).await;
        assert_eq!(over.next_of("new_message").await["data"]["content"], "在吗");
    }

    /// Without authentication all are supervisors, and are told what supervisors are told.
    async fn without_authentication_all_are_told(t) {
        let app = TestApp::with(t, |s| s.desk.auth = false).await;
        let node = Node::start(&app).await;
        let settings = json!({"version": 0, "settings": {"firstResponseSeconds": 60}});
        data(&call(&app, Method::PUT, "/desk/settings", None, Some(settings)).await);
        let mut client = Client::open(node.address, "cs_1", &[]).await.unwrap();
        client.next_of("hello").await;
        client.say(json!({"type": "ping"})).await;
        client.next_of("pong").await;
        let id = session(&app, "wm_1").await;
        assert_eq!(client.next_of("session_created").await["data"]["lastMessage"], "你好");
        let post = async |verb: &str| {
            let body = Some(json!({"csId": "cs_2"}));
            data(&call(&app, Method::POST, &format!("/sessions/{id}/{verb}"), None, body).await);
        };
        post("takeover").await;
        assert_eq!(client.next_of("session_accepted").await["data"]["customerId"], "wm_1");
        post("release").await;
        app.advance_to(app.now() + Duration::from_secs(61)).await;
        assert_eq!(client.next_of("sla_breached").await["data"]["status"], "pending");
    }
}
