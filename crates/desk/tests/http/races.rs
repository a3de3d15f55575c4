//! Many act on one session at once: one wins, the others learn who did.

use futures_util::future::join_all;
use serde_json::json;
use testkit::app::{Answer, TestApp, User};

use crate::desk::{agent, call, data, get, post, session, settings, supervisor, waiting};

/// So often each race is run.
const ROUNDS: usize = 8;

async fn agents(app: &TestApp, count: usize) -> Vec<User> {
    let mut agents = Vec::new();
    for n in 0..count {
        agents.push(agent(app, &format!("agent{n}")).await);
    }
    agents
}

fn winners(answers: &[Answer]) -> Vec<usize> {
    answers.iter().enumerate().filter(|(_, a)| a.status == 200).map(|(n, _)| n).collect()
}

testkit::both! {
    &testkit::app::migrations();

    /// Six agents accept at once: one has the session, five are told who.
    async fn accept(t) {
        let app = TestApp::new(t).await;
        let agents = agents(&app, 6).await;
        settings(&app, &supervisor(&app, "boss").await, json!({"capacity": 100})).await;
        for round in 0..ROUNDS {
            let id = waiting(&app, &format!("wm_{round}"), &agents[0]).await;
            let path = format!("/sessions/{id}/accept");
            let answers = join_all(agents.iter().map(|a| post(&app, &path, a, json!({"csId": a.id})))).await;
            let winners = winners(&answers);
            let [winner] = winners[..] else { panic!("{winners:?} have it") };
            let winner = &agents[winner].id;
            for lost in answers.iter().filter(|a| a.status != 200) {
                lost.refused(400, &["manualCsId", "status"]);
                assert!(lost.body["errors"]["manualCsId"].as_str().unwrap().contains(winner.as_str()));
            }
            let boss = supervisor_of(&app, round).await;
            let now = get(&app, &format!("/sessions/{id}"), &boss).await;
            assert_eq!(data(&now)["manualCsId"], json!(winner));
            assert_eq!(data(&now)["version"], 4);
        }
    }

    /// Accept, close and take-over at once: whatever order they come in, the end is one that an order explains.
    async fn accept_close_and_take_over(t) {
        let app = TestApp::new(t).await;
        let agents = agents(&app, 3).await;
        for round in 0..ROUNDS {
            let id = waiting(&app, &format!("wm_{round}"), &agents[0]).await;
            let path = |verb: &str| format!("/sessions/{id}/{verb}");
            let (paths, own) = ([path("accept"), path("takeover"), path("close")], json!({"csId": agents[0].id}));
            let (accept, take, close) = tokio::join!(
                post(&app, &paths[0], &agents[0], own),
                post(&app, &paths[1], &agents[1], json!({})),
                post(&app, &paths[2], &agents[2], json!({})),
            );
            let closed = close.status == 200;
            let taken = winners(&[accept, take]);
            assert!(taken.len() <= 1, "two have it");
            assert!(closed || taken.len() == 1, "somebody wins");
            assert!(!(closed && taken.len() == 1), "an agent closed what was another's, or took what was closed");
        }
    }

    /// Two transfers and a release of one session: exactly one is done by its agent.
    async fn transfer_and_release(t) {
        let app = TestApp::new(t).await;
        let agents = agents(&app, 3).await;
        let online = json!({"state": "online"});
        for a in &agents {
            let put = call(&app, axum::http::Method::PUT, "/desk/agents/me", Some(a), Some(online.clone())).await;
            assert_eq!(data(&put)["state"], "online");
        }
        for round in 0..ROUNDS {
            let id = session(&app, &format!("wm_{round}")).await;
            let path = |verb: &str| format!("/sessions/{id}/{verb}");
            data(&post(&app, &path("takeover"), &agents[0], json!({})).await);
            let (transfer, release) = (path("transfer"), path("release"));
            let answers = join_all([
                post(&app, &transfer, &agents[0], json!({"csId": agents[1].id})),
                post(&app, &transfer, &agents[0], json!({"csId": agents[2].id})),
                post(&app, &release, &agents[0], json!({})),
            ])
            .await;
            assert_eq!(winners(&answers).len(), 1, "{:?}", answers.iter().map(|a| &a.body).collect::<Vec<_>>());
            data(&post(&app, &path("close"), &supervisor_of(&app, round).await, json!({})).await);
        }
    }

    /// A double click with one key is one message, however the two arrive.
    async fn double_click(t) {
        let app = TestApp::new(t).await;
        let anna = agent(&app, "anna").await;
        let id = session(&app, "wm_1").await;
        data(&post(&app, &format!("/sessions/{id}/takeover"), &anna, json!({})).await);
        for round in 0..ROUNDS {
            let key = format!("click-{round}");
            let answers = join_all((0..4).map(|_| with_key(&app, &id, &anna, &key))).await;
            let first = data(&answers[0])["msgId"].clone();
            assert!(answers.iter().all(|a| data(a)["msgId"] == first));
        }
        let history = get(&app, &format!("/sessions/{id}/history"), &anna).await;
        assert_eq!(data(&history).as_array().unwrap().len(), 1 + ROUNDS);
        with_key(&app, &id, &anna, &"k".repeat(129)).await.refused(400, &["Idempotency-Key"]);
    }
}

async fn with_key(app: &TestApp, id: &str, user: &User, key: &str) -> Answer {
    let request = axum::http::Request::builder()
        .method("POST")
        .uri(format!("/api/sessions/{id}/message"))
        .header("authorization", format!("Bearer {}", user.token))
        .header("idempotency-key", key)
        .body(axum::body::Body::from(json!({"content": "您好"}).to_string()))
        .unwrap();
    app.send(request).await
}

async fn supervisor_of(app: &TestApp, round: usize) -> User {
    supervisor(app, &format!("boss{round}")).await
}
