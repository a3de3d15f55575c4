//! Tables that leave one database and enter another are the same there, on whichever engine.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::large_futures,
    reason = "tests"
)]

use db::{
    Db, DbError, Migration,
    archive::{self, Load},
    args, sql,
};
use kernel::Timestamp;
use testkit::TestDb;

/// `apples` refers to `trees` and `trees` to `woods`: not in the order of the alphabet.
const MIGRATIONS: &[Migration] = &[Migration {
    name: "archive/001",
    sql: "CREATE TABLE woods (id {ID} NOT NULL PRIMARY KEY);
          CREATE TABLE trees (wood {ID} NOT NULL REFERENCES woods (id), n BIGINT NOT NULL, \"order\" TEXT,
            PRIMARY KEY (wood, n)
          --sqlite ) WITHOUT ROWID;
          --pg );
          CREATE TABLE apples (id {ID} NOT NULL PRIMARY KEY, wood {ID} NOT NULL, tree BIGINT NOT NULL,
            parent {ID} REFERENCES apples (id), ripe BOOLEAN, weight DOUBLE PRECISION, core {BYTES},
            FOREIGN KEY (wood, tree) REFERENCES trees (wood, n));
          CREATE INDEX apples_tree ON apples (wood, tree);",
}];

const ROWS: i64 = 1003;

async fn fill(db: &Db) {
    let mut tx = db.begin().await.unwrap();
    let hard = "漢\u{1F34E} \"quoted\" \\ back\n\r\t\u{1}\u{7f}\u{2028} ' $1";
    tx.exec(sql!("INSERT INTO woods (id) VALUES ($1)"), args![hard]).await.unwrap();
    tx.exec(sql!("INSERT INTO trees (wood, n, \"order\") VALUES ($1, $2, $3)"), args![hard, i64::MIN, ""])
        .await
        .unwrap();
    for n in 0..ROWS {
        let bytes: Vec<u8> = (0..n % 300).map(|b| u8::try_from(b % 256).unwrap()).collect();
        let weight = [0.1, -1.5, f64::MAX, f64::MIN_POSITIVE, 1.0 / 3.0, f64::INFINITY, 1e300, 3.0];
        let parent = (n > 0).then(|| format!("apple_{:06}", n - 1));
        let (ripe, weight) = (
            (n % 3 != 0).then_some(n % 2 == 0),
            (n % 5 != 0).then_some(weight[usize::try_from(n % 8).unwrap()]),
        );
        tx.exec(
            sql!(
                "INSERT INTO apples (id, wood, tree, parent, ripe, weight, core)
                 VALUES ($1, $2, $3, $4, $5, $6, $7)"
            ),
            args![format!("apple_{n:06}"), hard, i64::MIN, parent, ripe, weight, bytes],
        )
        .await
        .unwrap();
    }
    tx.commit().await.unwrap();
}

/// All tables with all their lines, in the order in which they can be loaded.
async fn dumped(db: &Db) -> Vec<(archive::Table, Vec<Vec<u8>>)> {
    let mut snapshot = db.snapshot().await.unwrap();
    let mut all = Vec::new();
    for table in archive::tables(&mut snapshot).await.unwrap() {
        let mut lines = Vec::new();
        let rows = snapshot.dump(&table, |line| {
            lines.push(line.to_vec());
            Ok(())
        });
        assert_eq!(rows.await.unwrap(), lines.len() as u64);
        all.push((table, lines));
    }
    all
}

async fn load(db: &Db, all: &[(archive::Table, Vec<Vec<u8>>)]) -> db::Result<()> {
    let mut tx = db.begin().await?;
    let here = archive::tables(&mut tx).await?;
    if let Some(filled) = archive::lock_empty(&mut tx, &here).await? {
        return Err(DbError::Other(format!("{filled} is not empty")));
    }
    for (table, lines) in all {
        let ours = here.iter().find(|t| t.name == table.name).expect("the same tables").in_order_of(table)?;
        let mut load = Load::new(&mut tx, &ours);
        for line in lines {
            load.row(line).await?;
        }
        assert_eq!(load.finish().await?, lines.len() as u64);
    }
    tx.commit().await
}

testkit::both! {
    MIGRATIONS;

    async fn tables_travel_to_either_engine(t) {
        fill(&t.db).await;
        let all = dumped(&t.db).await;
        let names: Vec<&str> = all.iter().map(|(t, _)| t.name.as_str()).collect();
        assert_eq!(names, ["woods", "trees", "apples"], "none before one that it refers to");
        assert_eq!(all[2].1.len(), usize::try_from(ROWS).unwrap());

        let mut targets = vec![TestDb::sqlite(MIGRATIONS).await];
        targets.extend(TestDb::postgres(MIGRATIONS).await);
        for target in targets {
            load(&target.db, &all).await.unwrap();
            assert_eq!(dumped(&target.db).await, all, "the same on {}", target.db.engine());
            let again = load(&target.db, &all).await.unwrap_err().to_string();
            assert!(again.contains("woods is not empty"), "{again}");
        }
    }

    async fn a_dump_is_of_one_moment(t) {
        fill(&t.db).await;
        let mut snapshot = t.db.snapshot().await.unwrap();
        let mut tx = t.db.begin().await.unwrap();
        tx.exec(sql!("DELETE FROM apples"), args![]).await.unwrap();
        tx.commit().await.unwrap();
        let tables = archive::tables(&mut snapshot).await.unwrap();
        let apples = tables.iter().find(|t| t.name == "apples").unwrap();
        assert_eq!(snapshot.dump(apples, |_| Ok(())).await.unwrap(), u64::try_from(ROWS).unwrap());
        drop(snapshot);
        let mut later = t.db.snapshot().await.unwrap();
        assert_eq!(later.dump(apples, |_| Ok(())).await.unwrap(), 0);
        let full = later.dump(&tables[0], |_| Err(std::io::ErrorKind::StorageFull.into())).await;
        assert!(full.unwrap_err().to_string().contains("table woods, row 1"));
    }

    async fn what_does_not_fit_is_named(t) {
        fill(&t.db).await;
        let all = dumped(&t.db).await;
        let (apples, lines) = &all[2];
        let good = std::str::from_utf8(&lines[1]).unwrap();
        archive::check_row(apples, good.as_bytes()).unwrap();
        for (bad, says) in [
            ("{}", "is no list of values"),
            ("[", "is no list of values"),
            ("[1,2]", "has 2 values, not 7"),
            (&good.replacen("\"apple_000001\"", "null", 1), "column id: is null"),
            (&good.replacen("\"apple_000001\"", "7", 1), "column id: is no text"),
            (&good.replacen("false", "0", 1), "column ripe: is no bool"),
            (&good.replacen("\"AA==\"", "\"A\"", 1), "column core: is no bytes"),
            (&good.replacen("-9223372036854775808", "9223372036854775808", 1), "column tree: is no int"),
            (&good.replacen("\"-1.5\"", "-1.5", 1), "column weight: is no float"),
        ] {
            let error = archive::check_row(apples, bad.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(says), "{bad}: {error}");
        }

        let empty = TestDb::sqlite(MIGRATIONS).await;
        let orphan = [(apples.clone(), lines.clone())];
        let refused = load(&empty.db, &orphan).await.unwrap_err().to_string();
        assert!(refused.contains("table apples, rows 1 to 200"), "{refused}");
        assert!(dumped(&empty.db).await.iter().all(|(_, lines)| lines.is_empty()), "nothing stays");

        let mut less = apples.clone();
        less.columns.pop();
        assert!(apples.in_order_of(&less).unwrap_err().to_string().contains("core: only in this database"));
        assert!(less.in_order_of(apples).unwrap_err().to_string().contains("core: not in this database"));
    }

    async fn a_schema_is_made_up_to_where_another_was(t) {
        const MORE: &[Migration] = &[
            MIGRATIONS[0],
            Migration { name: "archive/002", sql: "ALTER TABLE woods ADD COLUMN age BIGINT;" },
        ];
        let applied = db::applied(&mut t.db.snapshot().await.unwrap()).await.unwrap();
        let known: Vec<&str> = db::known(MORE, &applied).unwrap().iter().map(|m| m.name).collect();
        assert_eq!(known, ["archive/001"]);
        assert!(db::known(&[], &applied).unwrap_err().to_string().contains("archive/001"));
        let changed = [Migration { name: "archive/001", sql: "" }];
        assert!(db::known(&changed, &applied).unwrap_err().to_string().contains("was changed"));
        let mut tx = t.db.begin().await.unwrap();
        assert_eq!(db::migrate_in(&mut tx, MORE, Timestamp::EPOCH).await.unwrap(), 1);
        drop(tx);
        let after = db::applied(&mut t.db.snapshot().await.unwrap()).await.unwrap();
        assert_eq!(after, applied, "rolled back with its transaction");
    }
}
