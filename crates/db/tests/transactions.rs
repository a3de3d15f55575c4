//! What a transaction promises, on both engines.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::{future::Future, pin::pin, task::Poll, time::Duration};

use db::{Db, DbError, Migration, Notice, Tx, args, sql};
use tokio::sync::broadcast::{Receiver, error::TryRecvError};

const MIGRATIONS: &[Migration] =
    &[Migration { name: "test/001", sql: "CREATE TABLE things (id {ID} PRIMARY KEY);" }];

async fn insert(tx: &mut Tx, id: &str) -> db::Result<u64> {
    tx.exec(sql!("INSERT INTO things (id) VALUES ($1)"), args![id]).await
}

async fn ids(db: &Db) -> Vec<String> {
    let rows: Vec<(String,)> =
        db.read().await.unwrap().all(sql!("SELECT id FROM things ORDER BY id"), args![]).await.unwrap();
    rows.into_iter().map(|(id,)| id).collect()
}

/// Polls `future` so many times and drops it.
async fn poll_and_drop(future: impl Future, times: usize) {
    let mut future = pin!(future);
    for _ in 0..times {
        if std::future::poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx).is_ready())).await {
            return;
        }
        tokio::task::yield_now().await;
    }
}

async fn next(heard: &mut Receiver<Notice>) -> (String, String) {
    let notice =
        tokio::time::timeout(Duration::from_secs(10), heard.recv()).await.expect("a notice").unwrap();
    (notice.topic.to_string(), notice.payload.to_string())
}

testkit::both! {
    MIGRATIONS;

    async fn dropped_is_undone(t) {
        let mut tx = t.db.begin().await.unwrap();
        insert(&mut tx, "a").await.unwrap();
        drop(tx);
        let mut tx = t.db.begin().await.unwrap();
        insert(&mut tx, "b").await.unwrap();
        assert!(matches!(insert(&mut tx, "b").await, Err(DbError::Unique(_))));
        drop(tx);
        assert!(ids(&t.db).await.is_empty());
        let mut tx = t.db.begin().await.unwrap();
        insert(&mut tx, "c").await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(ids(&t.db).await, ["c"]);
    }

    /// PostgreSQL would answer such a COMMIT with "ROLLBACK" and no error, SQLite would keep the first half.
    async fn after_a_failed_statement_nothing_is_kept(t) {
        let mut tx = t.db.begin().await.unwrap();
        insert(&mut tx, "a").await.unwrap();
        insert(&mut tx, "a").await.unwrap_err();
        insert(&mut tx, "b").await.unwrap_err();
        tx.commit().await.unwrap_err();
        assert!(ids(&t.db).await.is_empty());
    }

    /// Wherever a caller goes away, all is done or nothing, and the next one finds a clean connection.
    async fn dropped_midway(t) {
        for times in 0..12 {
            let id = format!("{times:02}");
            let work = async {
                let mut tx = t.db.begin().await.unwrap();
                insert(&mut tx, &id).await.unwrap();
                insert(&mut tx, &format!("{id}/2")).await.unwrap();
                tx.commit().await.unwrap();
            };
            poll_and_drop(work, times).await;
            let mut tx = t.db.begin().await.unwrap();
            insert(&mut tx, &format!("after {id}")).await.unwrap();
            tx.commit().await.unwrap();
        }
        let ids = ids(&t.db).await;
        for times in 0..12 {
            let (one, two) = (format!("{times:02}"), format!("{times:02}/2"));
            assert_eq!(ids.contains(&one), ids.contains(&two), "{one} was done by half");
            assert!(ids.contains(&format!("after {one}")));
        }
    }

    async fn savepoints(t) {
        let mut tx = t.db.begin().await.unwrap();
        insert(&mut tx, "before").await.unwrap();
        tx.savepoint().await.unwrap();
        insert(&mut tx, "undone").await.unwrap();
        tx.rollback_to_savepoint().await.unwrap();
        tx.savepoint().await.unwrap();
        insert(&mut tx, "undone too").await.unwrap();
        insert(&mut tx, "before").await.unwrap_err();
        insert(&mut tx, "nothing goes on after an error").await.unwrap_err();
        tx.rollback_to_savepoint().await.unwrap();
        tx.savepoint().await.unwrap();
        insert(&mut tx, "kept").await.unwrap();
        tx.savepoint().await.unwrap_err();
        tx.release_savepoint().await.unwrap();
        tx.release_savepoint().await.unwrap_err();
        tx.savepoint().await.unwrap();
        tx.release_savepoint().await.unwrap();
        tx.savepoint().await.unwrap();
        tx.rollback_to_savepoint().await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(ids(&t.db).await, ["before", "kept"]);
    }

    async fn sixty_four_writers(t) {
        let tasks: Vec<_> = (0..64).map(|w| {
            let db = t.db.clone();
            tokio::spawn(async move {
                for n in 0..8 {
                    let id = format!("{w:02}/{n}");
                    let mut tx = db.begin().await.unwrap();
                    insert(&mut tx, &id).await.unwrap();
                    match (w + n) % 8 {
                        // Fails, gives up, or goes away: the others' work must stay.
                        0 => drop(insert(&mut tx, &id).await.unwrap_err()),
                        1 => {}
                        2 => tx.commit().await.map_or_else(|e| panic!("{e}"), |()| ()),
                        _ => {
                            tx.commit().await.unwrap();
                            let mut conn = db.read().await.unwrap();
                            let seen: Option<(String,)> =
                                conn.opt(sql!("SELECT id FROM things WHERE id = $1"), args![&id]).await.unwrap();
                            assert!(seen.is_some(), "{id} was acknowledged before it was committed");
                        }
                    }
                }
            })
        }).collect();
        for task in tasks {
            task.await.unwrap();
        }
        let want: Vec<String> = (0..64)
            .flat_map(|w| (0..8).filter(move |n| (w + n) % 8 > 1).map(move |n| format!("{w:02}/{n}")))
            .collect();
        // Another process sees the same.
        assert_eq!(ids(&t.again().await).await, want);
    }

    async fn readers_see_what_is_committed(t) {
        let mut tx = t.db.begin().await.unwrap();
        insert(&mut tx, "a").await.unwrap();
        assert!(ids(&t.db).await.is_empty());
        tx.commit().await.unwrap();
        assert_eq!(ids(&t.db).await, ["a"]);
    }

    async fn notices_follow_the_commit(t) {
        let mut heard = t.db.signals().listen();
        let mut tx = t.db.begin().await.unwrap();
        tx.notify("topic", "rolled back");
        insert(&mut tx, "a").await.unwrap();
        drop(tx);
        let mut tx = t.db.begin().await.unwrap();
        tx.notify("topic", "first");
        tx.notify("topic", "first");
        tx.savepoint().await.unwrap();
        tx.notify("topic", "undone");
        tx.rollback_to_savepoint().await.unwrap();
        insert(&mut tx, "a").await.unwrap();
        assert_eq!(heard.try_recv(), Err(TryRecvError::Empty), "before the commit");
        tx.commit().await.unwrap();
        assert_eq!(next(&mut heard).await, ("topic".into(), "first".into()));
        // The only other process would have been heard by now: PostgreSQL sends in commit order.
        let mut tx = t.db.begin().await.unwrap();
        tx.notify("topic", "last | with bars 鸿雁");
        tx.commit().await.unwrap();
        assert_eq!(next(&mut heard).await, ("topic".into(), "last | with bars 鸿雁".into()));
        assert_eq!(heard.try_recv(), Err(TryRecvError::Empty));
    }

    /// Whoever asked for the commit may be gone before it is done.
    async fn notices_survive_their_author(t) {
        let mut heard = t.db.signals().listen();
        let mut tx = t.db.begin().await.unwrap();
        insert(&mut tx, "a").await.unwrap();
        tx.notify("topic", "a");
        poll_and_drop(tx.commit(), 1).await;
        assert_eq!(next(&mut heard).await, ("topic".into(), "a".into()));
        assert_eq!(ids(&t.db).await, ["a"]);
    }

    async fn the_offset_of_the_servers_clock(t) {
        let clock = kernel::Clock::system();
        let behind = Duration::from_secs(3600);
        let offset = t.db.clock_offset(|| clock.now() - behind).await.unwrap();
        match t.db.is_shared() {
            false => assert_eq!(offset, None),
            true => assert!((3_599_900_000..3_600_100_000).contains(&offset.unwrap()), "{offset:?}"),
        }
    }
}

/// What a row said before it was written over is in no file of a SQLite database.
#[tokio::test]
async fn an_overwritten_text_is_gone_from_the_files() {
    let t = testkit::TestDb::sqlite(&[]).await;
    t.db.execute_raw("CREATE TABLE notes (id TEXT PRIMARY KEY, text TEXT)").await.unwrap();
    let (short, long) = ("said-before-in-the-open ", "said-before-at-length ".repeat(5000));
    for (id, text) in [("a", short.to_owned()), ("b", long.clone())] {
        t.db.execute_raw(&format!("INSERT INTO notes VALUES ('{id}', '{text}')")).await.unwrap();
    }
    let found = || {
        let files = std::fs::read_dir(t.dir.path()).unwrap().map(|entry| entry.unwrap().path());
        files.filter(|f| std::fs::read(f).unwrap().windows(11).any(|window| window == b"said-before")).count()
    };
    assert!(found() > 0);
    let open = t.db.begin().await.unwrap();
    t.db.read()
        .await
        .unwrap()
        .all::<(i64,)>(db::sql!("SELECT CAST(7 AS BIGINT)"), db::args![])
        .await
        .unwrap();
    drop(open);
    t.db.execute_raw("UPDATE notes SET text = 'x' WHERE id = 'a'").await.unwrap();
    t.db.execute_raw("DELETE FROM notes WHERE id = 'b'").await.unwrap();
    t.db.forget_old_versions().await.unwrap();
    assert_eq!(found(), 0);
    t.db.execute_raw("INSERT INTO notes VALUES ('c', 'goes on')").await.unwrap();
}
