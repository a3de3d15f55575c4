//! Every type goes in and comes out the same on both engines; every statement can be prepared on both.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use db::{Db, DbError, Migration, args, sql};
use kernel::Timestamp;
use proptest::{prelude::*, strategy::ValueTree};

const MIGRATIONS: &[Migration] = &[Migration {
    name: "test/001",
    sql: "CREATE TABLE things (
            id {ID} NOT NULL PRIMARY KEY, flag BOOLEAN, number BIGINT, real DOUBLE PRECISION, text TEXT, bytes {BYTES});
          --pg COMMENT ON TABLE things IS 'for PostgreSQL alone';
          --sqlite CREATE TABLE for_sqlite_alone (x TEXT);",
}];

db::row! {
    #[derive(Debug, Clone, PartialEq)]
    struct Thing {
        flag: Option<bool>,
        number: Option<i64>,
        real: Option<f64>,
        text: Option<String>,
        bytes: Option<Vec<u8>>,
    }
}

async fn there_and_back(db: &Db, id: &str, t: &Thing) -> Thing {
    let mut tx = db.begin().await.unwrap();
    tx.exec(
        sql!("INSERT INTO things (id, flag, number, real, text, bytes) VALUES ($1, $2, $3, $4, $5, $6)"),
        args![id, t.flag, t.number, t.real, t.text.as_deref(), t.bytes.clone()],
    )
    .await
    .unwrap();
    tx.commit().await.unwrap();
    db.read()
        .await
        .unwrap()
        .one(sql!("SELECT flag, number, real, text, bytes FROM things WHERE id = $1"), args![id])
        .await
        .unwrap()
}

testkit::both! {
    MIGRATIONS;

    async fn nulls_and_extremes(t) {
        let none = Thing { flag: None, number: None, real: None, text: None, bytes: None };
        assert_eq!(there_and_back(&t.db, "none", &none).await, none);
        for (id, number, real) in [("max", i64::MAX, f64::MAX), ("min", i64::MIN, f64::MIN), ("0", 0, 0.1)] {
            let thing = Thing {
                flag: Some(number == 0),
                number: Some(number),
                real: Some(real),
                text: Some(String::new()),
                bytes: Some(Vec::new()),
            };
            assert_eq!(there_and_back(&t.db, id, &thing).await, thing);
        }
    }

    async fn any_value(t) {
        let strategy = (
            any::<bool>(), any::<i64>(), prop::num::f64::NORMAL, "[^\\x00]{0,40}", prop::collection::vec(any::<u8>(), 0..99),
        );
        let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1) });
        for n in 0..100 {
            let (flag, number, real, text, bytes) = strategy.new_tree(&mut runner).unwrap().current();
            let thing =
                Thing { flag: Some(flag), number: Some(number), real: Some(real), text: Some(text), bytes: Some(bytes) };
            assert_eq!(there_and_back(&t.db, &n.to_string(), &thing).await, thing);
        }
    }

    async fn lists(t) {
        let odd = ["it's", "\"quoted\"", "back\\slash", "鸿雁, 亲爱的", "{a,b}", "[1]", "", "NULL", "a\nb"].map(str::to_owned);
        let mut tx = t.db.begin().await.unwrap();
        for id in &odd {
            tx.exec(sql!("INSERT INTO things (id) VALUES ($1)"), args![id]).await.unwrap();
        }
        tx.exec(sql!("INSERT INTO things (id) VALUES ($1)"), args!["another"]).await.unwrap();
        let listed = sql!(
            sqlite: "SELECT id FROM things WHERE id IN (SELECT value FROM json_each($1)) ORDER BY id",
            postgres: "SELECT id FROM things WHERE id = ANY($1) ORDER BY id"
        );
        let found: Vec<(String,)> = tx.all(listed, args![odd.as_slice()]).await.unwrap();
        let mut sorted = odd.to_vec();
        sorted.sort();
        assert_eq!(found.into_iter().map(|(id,)| id).collect::<Vec<_>>(), sorted, "and byte order is the order");
        let none: Vec<(String,)> = tx.all(listed, args![Vec::<&str>::new()]).await.unwrap();
        assert!(none.is_empty());
    }

    /// `$2` is the second value wherever it stands, and however often.
    async fn values_go_by_their_number(t) {
        let mut tx = t.db.begin().await.unwrap();
        tx.exec(sql!("INSERT INTO things (text, number, id) VALUES ($3, $2, $1)"), args!["id", 2, "three"]).await.unwrap();
        let n = tx.exec(
            sql!("UPDATE things SET number = $2, text = $1 WHERE id = $3 AND text = $4 AND text <> $1"),
            args!["one", 7, "id", "three"],
        ).await.unwrap();
        assert_eq!(n, 1);
        let row: (String, i64, String) = tx.one(sql!("SELECT id, number, text FROM things"), args![]).await.unwrap();
        assert_eq!(row, ("id".into(), 7, "one".into()));
    }

    async fn what_does_not_fit_is_an_error(t) {
        let conn = &mut t.db.read().await.unwrap();
        there_and_back(&t.db, "x", &Thing { flag: Some(true), number: None, real: None, text: Some("t".into()), bytes: None }).await;
        let by_id = sql!("SELECT text FROM things WHERE id = $1");
        assert!(conn.opt::<(String,)>(by_id, args![]).await.is_err(), "too few");
        assert!(conn.opt::<(String,)>(by_id, args!["x", "y"]).await.is_err(), "too many");
        assert!(conn.opt::<(i64,)>(by_id, args!["x"]).await.is_err(), "another type");
        assert!(conn.opt::<(String, String)>(by_id, args!["x"]).await.is_err(), "no such column");
        assert!(conn.one::<(String,)>(by_id, args!["y"]).await.is_err(), "no row");
        assert_eq!(conn.opt::<(String,)>(by_id, args!["y"]).await.unwrap(), None);
        assert_eq!(conn.opt::<(String,)>(by_id, args!["x"]).await.unwrap(), Some(("t".into(),)));
    }

    async fn a_taken_key_is_unique(t) {
        let insert = sql!("INSERT INTO things (id, number) VALUES ($1, $2)");
        let mut tx = t.db.begin().await.unwrap();
        tx.exec(insert, args!["a", Timestamp::EPOCH]).await.unwrap();
        assert!(matches!(tx.exec(insert, args!["a", None::<i64>]).await, Err(DbError::Unique(_))));
    }

    async fn every_statement_prepares(t) {
        testkit::prepare_all(&t.db, "crates/db/", 7).await;
    }
}
