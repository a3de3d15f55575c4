//! Never two voices: whoever comes between a turn's reading and its words wins, and a repeated turn says nothing twice.

use std::time::Duration;

use serde_json::json;

use crate::{
    assisted::{Assisted, REFUND, Stub},
    desk::{agent, data},
};

/// So often a race is run.
const ROUNDS: usize = 12;

/// Lets the clock reach the turn, and the engine take it, beside the test.
fn engine(desk: &Assisted) -> tokio::task::JoinHandle<()> {
    desk.app.clock.advance(Duration::from_secs(1));
    let worker = desk.worker();
    tokio::spawn(async move { assert!(worker.run_due().await.is_ok()) })
}

testkit::both! {
    &testkit::app::migrations();

    /// While the model thinks, an agent takes over and answers: only the agent's words leave.
    async fn an_agent_takes_over_while_the_model_thinks(t) {
        let stub = Stub::answering("退款三到五个工作日内退回。").await;
        let desk = Assisted::with(t, |_| {}, Some(stub.provider())).await;
        let anna = agent(&desk.app, "anna").await;
        let id = desk.writes("c1", "退款多久到账").await;
        let working = engine(&desk);
        stub.arrived().await;
        data(&desk.act(&id, "takeover", &anna, json!({})).await);
        data(&desk.act(&id, "message", &anna, json!({"content": "您好，我来帮您。"})).await);
        stub.release(1);
        working.await.unwrap();
        assert_eq!(desk.sent(&id).await, [("manual".to_owned(), "您好，我来帮您。".to_owned())]);
        let dropped = ("dropped".to_owned(), Some("a person has the session".to_owned()));
        assert_eq!(desk.outcomes(&id).await, [dropped]);
    }

    /// The same at the same moment, again and again: nothing of the assistant's comes after a person took over.
    async fn at_the_same_moment(t) {
        let stub = Stub::answering("退款三到五个工作日内退回。").await;
        let desk = Assisted::with(t, |_| {}, Some(stub.provider())).await;
        let anna = agent(&desk.app, "anna").await;
        for n in 0..ROUNDS {
            let id = desk.writes(&format!("c{n}"), "退款多久到账").await;
            let working = engine(&desk);
            stub.arrived().await;
            let person = async {
                for _ in 0..n * 7 {
                    tokio::task::yield_now().await;
                }
                data(&desk.act(&id, "takeover", &anna, json!({})).await);
                data(&desk.act(&id, "message", &anna, json!({"content": "我来。"})).await);
            };
            stub.release(1);
            person.await;
            working.await.unwrap();
            let sent: Vec<String> = desk.sent(&id).await.into_iter().map(|(sender, _)| sender).collect();
            assert_eq!(sent, ["manual"], "what was said in time had not left, so it was taken back");
            let turns = desk.outcomes(&id).await;
            assert_eq!(turns.len(), 1, "{turns:?}");
            let said = desk.history(&id).await.iter().any(|m| m["status"] == "recalled");
            assert_eq!(turns[0].0 == "answered", said, "{turns:?}");
        }
    }

    /// A colleague in the channel's own client, an end, a newer message.
    async fn others_in_between(t) {
        let stub = Stub::answering("退款三到五个工作日内退回。").await;
        let desk = Assisted::with(t, |_| {}, Some(stub.provider())).await;
        let colleague = desk.writes("c1", "退款多久到账").await;
        let working = engine(&desk);
        stub.arrived().await;
        desk.brings(desk.colleague("c1", "三天。")).await;
        stub.release(1);
        working.await.unwrap();
        assert_eq!(desk.sent(&colleague).await, []);
        let closed = desk.writes("c2", "退款多久到账").await;
        let working = engine(&desk);
        stub.arrived().await;
        data(&desk.act(&closed, "close", &desk.boss, json!({})).await);
        stub.release(1);
        working.await.unwrap();
        assert_eq!(desk.sent(&closed).await, []);
        assert_eq!(desk.outcomes(&closed).await[0].1.as_deref(), Some("the session is closed"));
        // A newer message: one answer, to both.
        let newer = desk.writes("c3", "退款多久到账").await;
        let working = engine(&desk);
        stub.arrived().await;
        desk.writes("c3", "就是上次那个订单").await;
        stub.release(1);
        working.await.unwrap();
        assert_eq!(desk.sent(&newer).await, []);
        stub.release(5);
        desk.turn().await;
        assert_eq!(desk.sent(&newer).await.len(), 1);
    }

    /// The worker is lost before its words are committed, and again after: one answer.
    async fn a_lost_worker(t) {
        let stub = Stub::answering("退款三到五个工作日内退回。").await;
        let desk = Assisted::with(t, |_| {}, Some(stub.provider())).await;
        let id = desk.writes("c1", "退款多久到账").await;
        for _ in 0..2 {
            let working = engine(&desk);
            stub.arrived().await;
            working.abort();
            let _ = working.await;
            assert_eq!(desk.worker().rescue_all().await.unwrap(), 1);
        }
        stub.release(10);
        desk.turn().await;
        assert_eq!(desk.sent(&id).await.len(), 1);
        // As if the end had not been recorded.
        let mut tx = desk.app.system.db.begin().await.unwrap();
        tx.exec(
            db::sql!(
                "UPDATE dispatches SET state = 'scheduled', in_doubt = TRUE, finished_at = NULL WHERE kind = 'desk.turn'"
            ),
            db::args![],
        )
        .await
        .unwrap();
        tx.commit().await.unwrap();
        desk.turn().await;
        assert_eq!(desk.sent(&id).await.len(), 1);
        assert_eq!(desk.outcomes(&id).await, [("answered".to_owned(), None)]);
    }

    /// A model that never answers: people take over within the turn's limit.
    async fn a_model_that_hangs(t) {
        let stub = Stub::answering("…").await;
        let desk = Assisted::with(t, |_| {}, Some(stub.provider())).await;
        let id = desk.writes("c1", "退款多久到账").await;
        let working = engine(&desk);
        stub.arrived().await;
        for _ in 0..30 {
            desk.app.clock.advance(Duration::from_secs(1));
            tokio::task::yield_now().await;
        }
        working.await.unwrap();
        let sent = desk.last_sent(&id).await;
        assert!(sent == ("ai".to_owned(), REFUND.to_owned()) || sent.0 == "notice", "{sent:?}");
    }
}
