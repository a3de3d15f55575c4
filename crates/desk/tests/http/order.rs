//! Locks are taken in one order: many who touch the same sessions at once all come to their end.

use std::sync::Arc;

use channels::Inbound;
use db::{args, sql};
use futures_util::future::{join, join_all};
use serde_json::json;
use testkit::app::TestApp;

use crate::desk::{agent, data, get, listen, post, session, source, supervisor, words};

const ROUNDS: usize = 6;
const MANY: usize = 30;

/// Takes messages in; two at once stand in each other's way if they can.
async fn take(app: &TestApp, messages: &[Inbound]) -> usize {
    let mut tx = app.system.db.begin().await.unwrap();
    let received = app.system.desk.receive(&mut tx, &source(), messages, app.now()).await.unwrap();
    tx.commit().await.unwrap();
    received.new
}

/// Until a transaction waits for another one, at this table.
pub async fn somebody_waits(app: &TestApp, table: &str) {
    loop {
        let mut conn = app.system.db.read().await.unwrap();
        let (waiting,): (i64,) = conn
            .one(
                sql!(
                    sqlite: "SELECT 1 WHERE $1 <> ''",
                    postgres: "SELECT COUNT(*) FROM pg_locks AS l JOIN pg_stat_activity AS a ON a.pid = l.pid
                               WHERE NOT l.granted AND a.query LIKE $1"
                ),
                args![format!("%{table}%")],
            )
            .await
            .unwrap();
        if waiting > 0 {
            return;
        }
    }
}

fn reversed(mut messages: Vec<Inbound>) -> Vec<Inbound> {
    messages.reverse();
    messages
}

testkit::both! {
    &testkit::app::migrations();

    /// Two lists with the same messages, in opposite orders.
    async fn the_same_messages(t) {
        let app = TestApp::new(t).await;
        for round in 0..ROUNDS {
            let list: Vec<Inbound> =
                (0..MANY).map(|n| words(&app, &format!("m{round}.{n}"), &format!("c{n}"), "x")).collect();
            let other = reversed(list.clone());
            let (one, two) = join(take(&app, &list), take(&app, &other)).await;
            assert_eq!(one + two, MANY, "each once");
        }
    }

    /// Two lists of the same customers, old and new, in opposite orders; of one customer in order.
    async fn the_same_customers(t) {
        let app = TestApp::new(t).await;
        let boss = supervisor(&app, "boss").await;
        for round in 0..ROUNDS {
            let from = |list: &str| -> Vec<Inbound> {
                let one = |n: usize| words(&app, &format!("{list}{round}.{n}"), &format!("c{}", n % (20 + round)), &format!("{n:02}"));
                (0..MANY).map(one).collect()
            };
            let (a, b) = (from("a"), reversed(from("b")));
            let (one, two) = join(take(&app, &a), take(&app, &b)).await;
            assert_eq!((one, two), (MANY, MANY));
        }
        let list = get(&app, "/sessions?limit=100", &boss).await;
        assert_eq!(data(&list).as_array().unwrap().len(), 25);
    }

    /// Messages of customers who wait, while they are given to agents.
    async fn while_customers_are_given_to_agents(t) {
        let app = TestApp::new(t).await;
        let (boss, anna) = (supervisor(&app, "boss").await, agent(&app, "anna").await);
        for n in 0..MANY {
            let id = session(&app, &format!("c{n}")).await;
            data(&post(&app, &format!("/sessions/{id}/takeover"), &anna, json!({})).await);
            data(&post(&app, &format!("/sessions/{id}/release"), &anna, json!({})).await);
        }
        for round in 0..ROUNDS {
            let list: Vec<Inbound> =
                (0..MANY).map(|n| words(&app, &format!("m{round}.{n}"), &format!("c{n}"), "x")).collect();
            let list = reversed(list);
            // As the queue does: by their ids.
            let by_id = async {
                let mut tx = app.system.db.begin().await.unwrap();
                let rows: Vec<(String,)> = tx
                    .all(
                        sql!(
                            sqlite: "SELECT id FROM desk_sessions ORDER BY id",
                            postgres: "SELECT id FROM desk_sessions ORDER BY id FOR UPDATE"
                        ),
                        args![],
                    )
                    .await
                    .unwrap();
                tx.commit().await.unwrap();
                rows.len()
            };
            let (new, seen, again) = tokio::join!(take(&app, &list), by_id, get(&app, "/sessions", &boss));
            assert_eq!((new, seen), (MANY, MANY));
            data(&again);
        }
    }

    /// A request whose transaction PostgreSQL ends, since it stands in another's way, is repeated, not refused.
    async fn who_loses_is_repeated(t) {
        let app = Arc::new(TestApp::new(t).await);
        let anna = agent(&app, "anna").await;
        listen(&app, &anna).await;
        let id = session(&app, "c1").await;
        data(&post(&app, &format!("/sessions/{id}/takeover"), &anna, json!({})).await);
        // The other way round than everybody: first a stream, then the session.
        let mut tx = app.system.db.begin().await.unwrap();
        if !tx.is_postgres() {
            return;
        }
        tx.exec(sql!("UPDATE desk_streams SET used_at = used_at WHERE agent_id = $1"), args![&anna.id])
            .await
            .unwrap();
        let paths = ["notes", "message"].map(|what| format!("/sessions/{id}/{what}"));
        let says = join_all(paths.iter().map(|path| post(&app, path, &anna, json!({"content": "x"}))));
        let crosses = async {
            somebody_waits(&app, "desk_streams").await;
            let locked = tx
                .exec(sql!("UPDATE desk_sessions SET updated_at = updated_at WHERE id = $1"), args![&id])
                .await;
            // One of the two loses; if it is this one, the others never waited in vain.
            if locked.is_ok() {
                tx.commit().await.unwrap();
            }
        };
        let (answers, ()) = join(says, crosses).await;
        for answer in answers {
            data(&answer);
        }
    }
}
