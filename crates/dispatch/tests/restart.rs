//! PostgreSQL is restarted at once, without a checkpoint, under a running engine: it comes back by itself,
//! nothing is lost, and a batch kind takes effect once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod common;

use std::{
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use common::*;
use db::Db;
use dispatch::{Engine, Outcome, Retry};
use kernel::{Clock, Timestamp};

const NOTES: usize = 10_000;
const ACTS: usize = 1_000;

/// A cluster of the test's own, since it stops it.
struct Cluster {
    bin: PathBuf,
    data: PathBuf,
    port: u16,
    /// Whom it belongs to where the test is run by root, as whom PostgreSQL does not run.
    owner: Option<(u32, u32)>,
    _dir: testkit::tempfile::TempDir,
}

impl Cluster {
    fn start(bin: PathBuf) -> Self {
        let dir = testkit::tempfile::tempdir().unwrap();
        let owner = (id(&["-u"]) == Some(0)).then(|| {
            let of = |name| Some((id(&["-u", name])?, id(&["-g", name])?));
            of("postgres").or_else(|| of("nobody")).expect("a user for PostgreSQL")
        });
        if let Some((uid, gid)) = owner {
            std::os::unix::fs::chown(dir.path(), Some(uid), Some(gid)).unwrap();
        }
        let port = testkit::port();
        let cluster = Self { data: dir.path().join("data"), bin, port, owner, _dir: dir };
        let data = cluster.data.display().to_string();
        cluster
            .run("initdb", &["-D", &data, "-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8"]);
        cluster.pg_ctl("start");
        cluster
    }

    fn pg_ctl(&self, command: &str) {
        let (data, log) =
            (self.data.display().to_string(), self.data.with_extension("log").display().to_string());
        let options = format!("-p {} -h 127.0.0.1 -c unix_socket_directories=", self.port);
        self.run("pg_ctl", &[command, "-w", "-D", &data, "-l", &log, "-m", "immediate", "-o", &options]);
    }

    fn run(&self, tool: &str, args: &[&str]) {
        let tool = self.bin.join(tool);
        let mut command = Command::new(&tool);
        if let Some((uid, gid)) = self.owner {
            command.uid(uid).gid(gid);
        }
        let folder: &Path = self.data.parent().unwrap();
        let status =
            command.args(args).current_dir(folder).stdin(Stdio::null()).stdout(Stdio::null()).status();
        assert!(status.unwrap().success(), "{} {args:?}", tool.display());
    }
}

fn id(args: &[&str]) -> Option<u32> {
    let out = Command::new("id").args(args).stderr(Stdio::null()).output().unwrap();
    String::from_utf8(out.stdout).unwrap().trim().parse().ok()
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.pg_ctl("stop");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_load() {
    #[expect(clippy::disallowed_methods, reason = "where the test runner puts it")]
    let Ok(bin) = std::env::var("HONGYAN_TEST_PG_BIN") else {
        eprintln!("skipped: HONGYAN_TEST_PG_BIN is not set");
        return;
    };
    let cluster = Cluster::start(bin.into());
    let url = format!("postgres://postgres@127.0.0.1:{}/postgres", cluster.port);
    let db = Db::connect_postgres(&url).await.unwrap();
    db::migrate(&db, MIGRATIONS, Timestamp::EPOCH).await.unwrap();
    let due = start_time();
    let all: Vec<_> = (0..NOTES)
        .map(|n| new("note", &format!("{n:05}"), due))
        .chain((0..ACTS).map(|n| new("act", &format!("{n:05}"), due)))
        .collect();
    for part in all.chunks(2000) {
        enqueue(&db, due, part).await;
    }
    let clock = Clock::system();
    let engine = Engine::builder(Db::connect_postgres(&url).await.unwrap(), clock.clone())
        .batch("note", Retry::INTERNAL, Note::default())
        .single(
            "act",
            options(16, 16),
            Act::new(|_| async {
                tokio::task::yield_now().await;
                Outcome::Done("ok".into())
            }),
        )
        .build();
    let running = Running::start(engine);
    for part in 1..=3 {
        let reached = i64::try_from((NOTES + ACTS) * part / 8).unwrap();
        until(|| async { done(&db).await >= reached }).await;
        cluster.pg_ctl("restart");
        // A claim whose commit was not answered stays leased for 30 s; a minute later it is not.
        clock.adjust(i64::try_from(part).unwrap() * 60_000_000);
    }
    let everything = i64::try_from(NOTES + ACTS).unwrap();
    until(|| async { done(&db).await >= everything }).await;
    running.stop().await;
    let effects = effects(&db).await;
    assert_eq!(effects.len(), NOTES);
    assert!(effects.values().all(|n| *n == 1), "a batch kind took effect twice");
    let ends = ends(&db).await;
    assert_eq!(ends.len(), ACTS, "each end has its consequence once");
}

/// How many are done, as far as the database can tell at the moment.
async fn done(db: &Db) -> i64 {
    let ask = async {
        let mut conn = db.read().await?;
        conn.one::<(i64,)>(db::sql!("SELECT COUNT(*) FROM dispatches WHERE state = 'done'"), &[]).await
    };
    ask.await.map_or(0, |(n,)| n)
}
