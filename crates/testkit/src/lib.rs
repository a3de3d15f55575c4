//! What tests need: a database of their own, on both engines.
//!
//! PostgreSQL is where `HONGYAN_TEST_POSTGRES` says (`cargo xtask test` starts one and sets it); each test
//! gets a schema of its own there, which goes when the server does. Without the variable the PostgreSQL half of a test says that it was
//! skipped.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "tests stop at the first surprise"
)]

#[cfg(feature = "aimock")]
pub mod aimock;
#[cfg(feature = "app")]
pub mod app;
#[cfg(feature = "google")]
pub mod google;
pub mod nats;
mod port;
#[cfg(feature = "push")]
pub mod push;
#[cfg(feature = "wecom")]
pub mod wecom;

use db::{Db, Migration};
use kernel::{Clock, Timestamp};

pub use port::port;
pub use tempfile;

/// A database of a test's own.
pub struct TestDb {
    /// The database, migrated.
    pub db: Db,
    /// How to connect to it once more, as `DATABASE__URL` has it.
    pub url: String,
    /// A folder for the test.
    pub dir: tempfile::TempDir,
}

impl TestDb {
    /// A SQLite file in a temporary folder.
    pub async fn sqlite(migrations: &[Migration]) -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let file = dir.path().join("hongyan.db");
        let db = Db::open_sqlite(&file).expect("SQLite opens");
        db::migrate(&db, migrations, Timestamp::EPOCH).await.expect("the migrations run");
        Self { db, url: format!("sqlite:{}", file.display()), dir }
    }

    /// A schema of its own in the PostgreSQL that the environment names.
    pub async fn postgres(migrations: &[Migration]) -> Option<Self> {
        #[expect(clippy::disallowed_methods, reason = "where the test runner puts it")]
        let Ok(server) = std::env::var("HONGYAN_TEST_POSTGRES") else {
            eprintln!("skipped: HONGYAN_TEST_POSTGRES is not set");
            return None;
        };
        let schema = kernel::id::new("t", Clock::system().now());
        let admin = Db::connect_postgres(&server).await.expect("PostgreSQL answers");
        admin.execute_raw(&format!("CREATE SCHEMA {schema}")).await.expect("a schema is made");
        let separator = if server.contains('?') { '&' } else { '?' };
        let url = format!("{server}{separator}options=-csearch_path%3D{schema}");
        let db = Db::connect_postgres(&url).await.expect("PostgreSQL answers");
        db::migrate(&db, migrations, Timestamp::EPOCH).await.expect("the migrations run");
        Some(Self { db, url, dir: tempfile::tempdir().expect("a temporary folder") })
    }

    /// The same database once more, as another process has it.
    pub async fn again(&self) -> Db {
        open(&self.url).await
    }
}

/// Opens `sqlite:{file}` or `postgres://…`.
pub async fn open(url: &str) -> Db {
    match url.strip_prefix("sqlite:") {
        Some(file) => Db::open_sqlite(file.as_ref()).expect("SQLite opens"),
        None => Db::connect_postgres(url).await.expect("PostgreSQL answers"),
    }
}

/// Prepares every registered statement from files below `folder` that is linked into the test, each of which
/// `db` must have the tables for, and shows all that it refuses at once. `minimum` says how many there must be
/// at least, lest the linker drops the registry unseen.
pub async fn prepare_all(db: &Db, folder: &str, minimum: usize) {
    let statements: Vec<_> = db::STATEMENTS.iter().filter(|s| s.at.contains(folder)).collect();
    assert!(statements.len() >= minimum, "only {} statements are registered", statements.len());
    let mut refused = String::new();
    for statement in statements {
        if let Err(error) = db.prepare(statement).await {
            refused.push_str(&format!("\n{}: {error}", statement.at));
        }
    }
    assert!(refused.is_empty(), "{} refuses:{refused}", db.engine());
}

/// Makes two tests of one scenario: `name::sqlite` and `name::postgres`.
///
/// ```ignore
/// testkit::both! {
///     dispatch::MIGRATIONS;
///     /// What it shows.
///     async fn nothing_is_early(t) { t.db.begin().await.unwrap(); }
/// }
/// ```
#[macro_export]
macro_rules! both {
    ($migrations:expr; $($(#[$meta:meta])* async fn $name:ident($t:ident) $body:block)*) => { $(
        $(#[$meta])*
        mod $name {
            use super::*;
            async fn scenario($t: $crate::TestDb) $body
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                scenario($crate::TestDb::sqlite($migrations).await).await;
            }
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                if let Some(t) = $crate::TestDb::postgres($migrations).await {
                    scenario(t).await;
                }
            }
        }
    )* };
}
