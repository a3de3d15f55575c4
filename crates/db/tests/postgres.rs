//! What PostgreSQL alone can do to us.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::time::Duration;

use db::{Db, DbError, args, sql};
use testkit::TestDb;

/// Connects as a role of its own, which tells these connections from all others.
async fn connect_as(t: &TestDb, role: &str) -> Db {
    t.db.execute_raw(&format!("CREATE ROLE {role} LOGIN")).await.unwrap();
    let (_, rest) = t.url.split_once('@').unwrap();
    Db::connect_postgres(&format!("postgres://{role}@{rest}")).await.unwrap()
}

async fn pid(tx: &mut db::Tx) -> i64 {
    tx.one::<(i64,)>(sql!(sqlite: "SELECT 0", postgres: "SELECT pg_backend_pid()::BIGINT"), args![])
        .await
        .unwrap()
        .0
}

#[tokio::test]
async fn a_killed_backend_is_unavailable_and_the_next_call_works() {
    let Some(t) = TestDb::postgres(&[]).await else { return };
    let other = t.again().await;
    for commit in [false, true] {
        let mut tx = t.db.begin().await.unwrap();
        let pid = pid(&mut tx).await;
        other.execute_raw(&format!("SELECT pg_terminate_backend({pid}, 5000)")).await.unwrap();
        let error = match commit {
            true => tx.commit().await.unwrap_err(),
            false => tx.execute_raw("SELECT 1").await.unwrap_err(),
        };
        assert!(matches!(error, DbError::Unavailable(_)), "{error:?}");
        t.db.execute_raw("SELECT 1").await.unwrap();
    }
}

#[tokio::test]
async fn notices_are_heard_by_other_processes() {
    let Some(t) = TestDb::postgres(&[]).await else { return };
    let (other, topic) = (t.again().await, kernel::id::new("topic", kernel::Clock::system().now()));
    let mut heard = other.signals().listen();
    for payload in ["rolled back", "one", "two | 鸿雁"] {
        let mut tx = t.db.begin().await.unwrap();
        tx.notify(&topic, payload);
        if payload != "rolled back" {
            tx.commit().await.unwrap();
        }
    }
    let mut payloads = Vec::new();
    while payloads.len() < 2 {
        let notice = tokio::time::timeout(Duration::from_secs(10), heard.recv()).await.unwrap().unwrap();
        if *notice.topic == *topic {
            payloads.push(notice.payload.to_string());
        }
    }
    assert_eq!(payloads, ["one", "two | 鸿雁"]);
}

/// What was said while the listening connection was away is made up for by `*`.
#[tokio::test]
async fn a_lost_listener_comes_back_and_says_so() {
    let Some(t) = TestDb::postgres(&[]).await else { return };
    let name = kernel::id::new("l", kernel::Clock::system().now());
    let listener = connect_as(&t, &name).await;
    let mut heard = listener.signals().listen();
    t.db.execute_raw(&format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{name}' AND query LIKE 'LISTEN%'"
    ))
    .await
    .unwrap();
    loop {
        let notice = tokio::time::timeout(Duration::from_secs(10), heard.recv()).await.unwrap().unwrap();
        if &*notice.topic == "*" {
            return;
        }
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let error = Db::connect_postgres(&format!("postgres://x@127.0.0.1:{port}/x")).await.unwrap_err();
    assert!(matches!(error, DbError::Unavailable(_)), "{error:?}");
    assert!(matches!(Db::connect_postgres("mysql://x").await, Err(DbError::Other(_))));
}
