//! Migrations run once, in order, whole or not at all.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use db::{Migration, args, migrate, pending, sql};
use kernel::Timestamp;

const FIRST: Migration = Migration { name: "test/001", sql: "CREATE TABLE one (id {ID} PRIMARY KEY);" };
const SECOND: Migration = Migration {
    name: "test/002",
    sql: "CREATE TABLE two (id {ID} PRIMARY KEY, b {BYTES}); INSERT INTO one (id) VALUES ('by the second');",
};
const BROKEN: Migration = Migration {
    name: "test/003",
    sql: "CREATE TABLE three (id TEXT); INSERT INTO nowhere (id) VALUES ('x');",
};

testkit::both! {
    &[];

    async fn once_and_in_order(t) {
        assert_eq!(pending(&t.db, &[FIRST, SECOND]).await.unwrap(), ["test/001", "test/002"]);
        assert_eq!(migrate(&t.db, &[FIRST, SECOND], Timestamp::EPOCH).await.unwrap(), 2);
        assert_eq!(migrate(&t.db, &[FIRST, SECOND], Timestamp::EPOCH).await.unwrap(), 0);
        assert!(pending(&t.db, &[FIRST, SECOND]).await.unwrap().is_empty());
    }

    /// The same on every connection, another in another database.
    async fn an_installation_is_known_by_its_database(t) {
        let other = testkit::TestDb::sqlite(&[]).await;
        for (db, at) in [(&t.db, 1_900_000_000_000_000), (&other.db, 1_900_000_000_000_001)] {
            migrate(db, &[FIRST], Timestamp::from_micros(at)).await.unwrap();
        }
        migrate(&t.db, &[FIRST, SECOND], Timestamp::from_micros(2_000_000_000_000_000)).await.unwrap();
        let mut ids = Vec::new();
        for db in [&t.db, &t.again().await, &other.db] {
            ids.push(db::installation(&mut db.read().await.unwrap()).await.unwrap());
        }
        assert_eq!(ids[0], ids[1]);
        assert_ne!(ids[0], ids[2]);
        assert!(ids.iter().all(|id| id.len() == 16 && id.bytes().all(|b| b.is_ascii_hexdigit())), "{ids:?}");
    }

    async fn by_several_processes_at_once(t) {
        let mut handles = Vec::new();
        for _ in 0..4 {
            handles.push(t.again().await);
        }
        let runs = handles.iter().map(|db| migrate(db, &[FIRST, SECOND], Timestamp::EPOCH));
        let counts = futures_util::future::try_join_all(runs).await.unwrap();
        assert_eq!(counts.iter().sum::<usize>(), 2, "each by one of them: {counts:?}");
    }

    async fn a_changed_one_is_refused(t) {
        migrate(&t.db, &[FIRST], Timestamp::EPOCH).await.unwrap();
        let changed = Migration { sql: "CREATE TABLE one (id {ID} PRIMARY KEY, more TEXT);", ..FIRST };
        let error = migrate(&t.db, &[changed, SECOND], Timestamp::EPOCH).await.unwrap_err().to_string();
        assert!(error.contains("test/001 was changed"), "{error}");
        assert_eq!(pending(&t.db, &[FIRST, SECOND]).await.unwrap(), ["test/002"]);
    }

    async fn a_newer_database_is_refused(t) {
        migrate(&t.db, &[FIRST, SECOND], Timestamp::EPOCH).await.unwrap();
        let error = migrate(&t.db, &[FIRST], Timestamp::EPOCH).await.unwrap_err().to_string();
        assert!(error.contains("newer version") && error.contains("test/002"), "{error}");
    }

    async fn a_failing_one_leaves_nothing(t) {
        migrate(&t.db, &[FIRST], Timestamp::EPOCH).await.unwrap();
        let error = migrate(&t.db, &[FIRST, SECOND, BROKEN], Timestamp::EPOCH).await.unwrap_err().to_string();
        assert!(error.contains("test/003"), "{error}");
        assert_eq!(pending(&t.db, &[FIRST, SECOND]).await.unwrap(), ["test/002"]);
        let (rows,): (i64,) =
            t.db.read().await.unwrap().one(sql!("SELECT COUNT(*) FROM one"), args![]).await.unwrap();
        assert_eq!(rows, 0);
        assert_eq!(migrate(&t.db, &[FIRST, SECOND], Timestamp::EPOCH).await.unwrap(), 1, "nor a table in the way");
    }
}
