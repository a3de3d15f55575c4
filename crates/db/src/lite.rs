//! SQLite: one writer with group commit, several readers, all in process.
//!
//! Statements run on the calling task: with a warm cache they take microseconds, less than a hop to
//! another thread and back. The one slow thing, `COMMIT` with its fsync, runs on a thread of its own.
//!
//! Group commit: the writer is a fair queue. A transaction that finishes releases its savepoint, asks the
//! committer for a commit and lets the next one in; the committer stands in the same queue, so that
//! everybody who was waiting before it gets into the same `COMMIT`. All are answered after it.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, mpsc},
};

use rusqlite::{Connection, OpenFlags, config::DbConfig};
use tokio::sync::{Mutex, OwnedMutexGuard, Semaphore, oneshot};

use crate::{
    FromRow, Row, Value,
    error::{DbError, Result},
    signal::{Notice, Signals},
};

const READERS: usize = 8;
const STATEMENT_CACHE: usize = 256;
/// How long others that use the file are waited for, in milliseconds.
const BUSY: i64 = 5000;
/// The same, where everybody else waits as well.
const SHORT: i64 = 250;

pub(crate) struct Lite {
    writer: Arc<Mutex<Writer>>,
    committer: mpsc::Sender<()>,
    readers: Arc<Readers>,
}

struct Writer {
    conn: Connection,
    /// A `BEGIN` is open, and maybe holds the work of `waiting`.
    open: bool,
    waiting: Vec<Waiting>,
    signals: Signals,
}

/// A transaction that wants to be committed.
struct Waiting {
    done: oneshot::Sender<Result<()>>,
    notices: Vec<Notice>,
}

impl Lite {
    pub(crate) fn open(file: &Path, signals: Signals) -> Result<Self> {
        let conn = Connection::open(file)?;
        configure(&conn)?;
        // What is deleted or written over is zeroed in its page: a text that was encrypted is not to be found.
        conn.execute_batch(
            "PRAGMA wal_autocheckpoint = 4000; PRAGMA foreign_keys = ON; PRAGMA secure_delete = ON;",
        )?;
        let writer = Arc::new(Mutex::new(Writer { conn, open: false, waiting: Vec::new(), signals }));
        let (committer, asked) = mpsc::channel::<()>();
        let for_thread = Arc::downgrade(&writer);
        std::thread::Builder::new()
            .name("sqlite-commit".into())
            .spawn(move || {
                while asked.recv().is_ok() {
                    let Some(writer) = for_thread.upgrade() else { return };
                    let mut writer = writer.blocking_lock();
                    // Whoever asked before the writer was ours is in this commit: once is enough, a commit
                    // for each would cut short the next group.
                    while asked.try_recv().is_ok() {}
                    writer.commit();
                }
            })
            .map_err(DbError::other)?;
        let readers = Arc::new(Readers {
            file: file.to_owned(),
            idle: std::sync::Mutex::new(Vec::new()),
            permits: Arc::new(Semaphore::new(READERS)),
        });
        Ok(Self { writer, committer, readers })
    }

    pub(crate) async fn begin(&self) -> Result<WriteTx> {
        let mut writer = Arc::clone(&self.writer).lock_owned().await;
        if !writer.open {
            writer.conn.execute_batch("BEGIN IMMEDIATE")?;
            writer.open = true;
        }
        writer.conn.prepare_cached("SAVEPOINT tx")?.execute([])?;
        Ok(WriteTx { writer, committer: self.committer.clone(), finished: false, failed: false })
    }

    /// Writes what is committed into the database file and empties the write-ahead log, which holds pages as
    /// they were before.
    pub(crate) async fn empty_log(&self) -> Result<()> {
        let mut writer = Arc::clone(&self.writer).lock_owned().await;
        let work = tokio::task::spawn_blocking(move || {
            writer.commit();
            let busy = |conn: &Connection, ms: i64| conn.pragma_update(None, "busy_timeout", ms);
            // Writers wait meanwhile, so readers that stay longer are not waited for.
            busy(&writer.conn, SHORT)?;
            let blocked = writer.conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0));
            busy(&writer.conn, BUSY)?;
            match blocked? {
                0 => Ok(()),
                _ => Err(DbError::Unavailable("readers keep the write-ahead log".into())),
            }
        });
        work.await.map_err(DbError::other)?
    }

    pub(crate) async fn reader(&self) -> Result<Reader> {
        Readers::get(&self.readers).await
    }

    /// A reader with a transaction open, which sees what is committed now.
    pub(crate) async fn snapshot(&self) -> Result<Reader> {
        let reader = self.reader().await?;
        // The snapshot is taken by the first statement that reads.
        reader.execute_batch("BEGIN; SELECT COUNT(*) FROM sqlite_schema")?;
        Ok(reader)
    }

    pub(crate) async fn prepare(&self, sql: &str) -> Result<()> {
        let reader = self.reader().await?;
        reader.prepare(sql)?;
        Ok(())
    }
}

fn configure(conn: &Connection) -> Result<()> {
    conn.set_prepared_statement_cache_capacity(STATEMENT_CACHE);
    // A plan is made once for a statement, not again for each value that is bound to it: that was a third of
    // the time of a list.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    // FULL: a commit that was acknowledged survives a power cut. The busy timeout is for tools that
    // look into the file from outside; inside there is one writer.
    conn.pragma_update(None, "busy_timeout", BUSY)?;
    conn.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
         PRAGMA temp_store = MEMORY; PRAGMA cache_size = -16000; PRAGMA mmap_size = 268435456;",
    )?;
    Ok(())
}

impl Writer {
    /// Commits what is open and answers those who wait for it.
    fn commit(&mut self) {
        if !self.open {
            return;
        }
        let result = self.conn.execute_batch("COMMIT").map_err(DbError::from);
        if let Err(error) = &result {
            tracing::error!(%error, "SQLite commit failed, its transactions are rolled back");
            if let Err(error) = self.conn.execute_batch("ROLLBACK") {
                tracing::debug!(%error, "nothing left to roll back");
            }
        }
        self.open = false;
        self.answer(&result);
    }

    fn answer(&mut self, result: &Result<()>) {
        for Waiting { done, notices } in self.waiting.drain(..) {
            // Here and not by who asked: that one may be gone, while the commit stands.
            if result.is_ok() {
                notices.into_iter().for_each(|notice| self.signals.publish(notice));
            }
            let _ = done.send(result.clone());
        }
    }

    /// SQLite itself ended the whole transaction (disk full, I/O error): nobody's work is left.
    fn check_still_open(&mut self) -> Result<()> {
        if self.open && self.conn.is_autocommit() {
            self.open = false;
            let lost = Err(DbError::Unavailable("SQLite rolled the transaction back".into()));
            self.answer(&lost);
            return lost;
        }
        Ok(())
    }
}

pub(crate) struct WriteTx {
    writer: OwnedMutexGuard<Writer>,
    committer: mpsc::Sender<()>,
    /// Nothing is left to undo.
    finished: bool,
    /// A statement failed. SQLite would go on; PostgreSQL does not, and a test on one must hold on both.
    failed: bool,
}

impl WriteTx {
    /// Runs statements of this transaction.
    pub(crate) fn run<T>(&mut self, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        if self.failed {
            return Err(DbError::after_failure());
        }
        self.failed = true;
        self.check()?;
        let out = work(&self.writer.conn)?;
        self.failed = false;
        Ok(out)
    }

    /// Back to the savepoint `part`, after a failure too.
    pub(crate) fn rollback_part(&mut self) -> Result<()> {
        self.failed = true;
        self.check()?;
        self.writer.conn.prepare_cached("ROLLBACK TO part")?.execute([])?;
        self.writer.conn.prepare_cached("RELEASE part")?.execute([])?;
        self.failed = false;
        Ok(())
    }

    /// Without this a statement after SQLite's own rollback would commit by itself.
    fn check(&mut self) -> Result<()> {
        if self.finished {
            return Err(DbError::after_failure());
        }
        self.writer.check_still_open().inspect_err(|_| self.finished = true)
    }

    pub(crate) async fn commit(mut self, notices: Vec<Notice>) -> Result<()> {
        self.run(|conn| Ok(conn.prepare_cached("RELEASE tx")?.execute([])?))?;
        self.finished = true;
        let (done, committed) = oneshot::channel();
        self.writer.waiting.push(Waiting { done, notices });
        self.committer.send(()).map_err(|_| DbError::other("the committer is gone"))?;
        drop(self);
        committed.await.map_err(|_| DbError::other("the committer is gone"))?
    }
}

impl Drop for WriteTx {
    fn drop(&mut self) {
        if self.check().is_err() {
            return;
        }
        if let Err(error) = self.writer.conn.execute_batch("ROLLBACK TO tx; RELEASE tx") {
            // Then the others' work in this transaction cannot be told from ours: nobody is told "done".
            tracing::error!(%error, "a SQLite rollback failed");
            if let Err(error) = self.writer.conn.execute_batch("ROLLBACK") {
                tracing::debug!(%error, "nothing left to roll back");
            }
            self.writer.open = false;
            self.writer.answer(&Err(DbError::Unavailable("SQLite rolled the transaction back".into())));
        }
        // Ends the transaction, so that no lock and no snapshot stays behind.
        let _ = self.committer.send(());
    }
}

struct Readers {
    file: PathBuf,
    idle: std::sync::Mutex<Vec<Connection>>,
    permits: Arc<Semaphore>,
}

impl Readers {
    async fn get(readers: &Arc<Self>) -> Result<Reader> {
        let permit = Arc::clone(&readers.permits).acquire_owned().await.map_err(DbError::other)?;
        let idle = readers.idle.lock().ok().and_then(|mut idle| idle.pop());
        let conn = match idle {
            Some(conn) => conn,
            None => {
                let conn = Connection::open_with_flags(
                    &readers.file,
                    OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
                )?;
                configure(&conn)?;
                conn.execute_batch("PRAGMA query_only = ON")?;
                conn
            }
        };
        Ok(Reader { conn: Some(conn), readers: Arc::clone(readers), _permit: permit })
    }
}

pub(crate) struct Reader {
    conn: Option<Connection>,
    readers: Arc<Readers>,
    _permit: tokio::sync::OwnedSemaphorePermit,
}

impl std::ops::Deref for Reader {
    type Target = Connection;
    #[expect(clippy::expect_used, reason = "taken by Drop only")]
    fn deref(&self) -> &Connection {
        self.conn.as_ref().expect("a reader has its connection until it is dropped")
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        if let (Some(conn), Ok(mut idle)) = (self.conn.take(), self.readers.idle.lock()) {
            idle.push(conn);
        }
    }
}

pub(crate) fn all<T: FromRow>(conn: &Connection, sql: &str, args: &[Value<'_>]) -> Result<Vec<T>> {
    let mut statement = conn.prepare_cached(sql)?;
    bind(&mut statement, args)?;
    let mut rows = statement.raw_query();
    let mut out = Vec::new();
    while let Some(row) = rows.next()? {
        out.push(T::from_row(&Row::Lite(row))?);
    }
    Ok(out)
}

pub(crate) fn each(conn: &Connection, sql: &str, mut each: impl FnMut(&Row<'_>) -> Result<()>) -> Result<()> {
    let mut statement = conn.prepare(sql)?;
    let mut rows = statement.raw_query();
    while let Some(row) = rows.next()? {
        each(&Row::Lite(row))?;
    }
    Ok(())
}

pub(crate) fn exec(conn: &Connection, sql: &str, args: &[Value<'_>]) -> Result<u64> {
    let mut statement = conn.prepare_cached(sql)?;
    bind(&mut statement, args)?;
    let changed = statement.raw_execute()?;
    u64::try_from(changed).map_err(DbError::other)
}

/// To SQLite `$2` is a name, numbered by its first appearance; to PostgreSQL it is the second value.
fn bind(statement: &mut rusqlite::Statement<'_>, args: &[Value<'_>]) -> Result<()> {
    let count = statement.parameter_count();
    if count != args.len() {
        return Err(DbError::Other(format!("the statement takes {count} values, not {}", args.len())));
    }
    for index in 1..=count {
        let number =
            statement.parameter_name(index).and_then(|name| name.strip_prefix('$')?.parse::<usize>().ok());
        let value = number
            .and_then(|n| args.get(n.checked_sub(1)?))
            .ok_or_else(|| DbError::Other(format!("parameter {index} is not one of $1 to ${count}")))?;
        statement.raw_bind_parameter(index, value)?;
    }
    Ok(())
}
