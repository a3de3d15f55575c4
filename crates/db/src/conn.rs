//! [`Db`], [`Conn`] and [`Tx`]: the one `match` between the two engines.

use std::{ops, path::Path, sync::Arc};

use crate::{
    FromRow, Row, Signals, Statement, Value,
    error::{DbError, Result},
    lite, pg,
    signal::Notice,
};

/// A database. Cheap to clone.
#[derive(Clone)]
pub struct Db {
    engine: Engine,
    signals: Signals,
}

#[derive(Clone)]
enum Engine {
    Lite(Arc<lite::Lite>),
    Pg(Arc<pg::Pg>),
}

impl std::fmt::Debug for Db {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Db({})", self.engine())
    }
}

impl Db {
    /// Opens (and creates) the SQLite database in this file.
    ///
    /// # Errors
    /// The file cannot be created or is no database.
    pub fn open_sqlite(file: &Path) -> Result<Self> {
        let signals = Signals::new();
        let lite = lite::Lite::open(file, signals.clone())?;
        Ok(Self { engine: Engine::Lite(Arc::new(lite)), signals })
    }

    /// Connects to `postgres://user:password@host/database?sslmode=…`.
    ///
    /// # Errors
    /// The URL is malformed, or the first connection fails.
    pub async fn connect_postgres(url: &str) -> Result<Self> {
        let signals = Signals::new();
        let pg = pg::Pg::connect(url, Some(signals.clone())).await?;
        Ok(Self { engine: Engine::Pg(Arc::new(pg)), signals })
    }

    /// [`Db::connect_postgres`] where the processes do not hear each other through the database: something else
    /// carries their notices, which it takes from [`Signals::said`] and gives to [`Signals::hear`].
    ///
    /// # Errors
    /// As [`Db::connect_postgres`].
    pub async fn connect_postgres_silently(url: &str) -> Result<Self> {
        let pg = pg::Pg::connect(url, None).await?;
        Ok(Self { engine: Engine::Pg(Arc::new(pg)), signals: Signals::new() })
    }

    /// `sqlite` or `postgres`.
    #[must_use]
    pub fn engine(&self) -> &'static str {
        match self.engine {
            Engine::Lite(_) => "sqlite",
            Engine::Pg(_) => "postgres",
        }
    }

    /// Whether other processes may share this database.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        matches!(self.engine, Engine::Pg(_))
    }

    /// A connection for statements that only read, each on its own.
    ///
    /// # Errors
    /// [`DbError::Unavailable`]
    pub async fn read(&self) -> Result<Conn> {
        Ok(match &self.engine {
            Engine::Lite(lite) => Conn(Inner::LiteReader(lite.reader().await?)),
            Engine::Pg(pg) => Conn(Inner::Pg(pg.get().await?)),
        })
    }

    /// Begins a transaction.
    ///
    /// # Errors
    /// [`DbError::Unavailable`]
    pub async fn begin(&self) -> Result<Tx> {
        let inner = match &self.engine {
            Engine::Lite(lite) => Inner::LiteWriter(lite.begin().await?),
            Engine::Pg(pg) => Inner::PgTx(pg.begin().await?),
        };
        Ok(Tx { conn: Conn(inner), notices: Vec::new(), part: None, signals: self.signals.clone() })
    }

    /// The whole database as it is at this moment, for reading, whatever others write meanwhile.
    ///
    /// # Errors
    /// [`DbError::Unavailable`]
    pub async fn snapshot(&self) -> Result<Snapshot> {
        let conn = match &self.engine {
            Engine::Lite(lite) => Conn(Inner::LiteReader(lite.snapshot().await?)),
            Engine::Pg(pg) => Conn(Inner::PgTx(pg.snapshot().await?)),
        };
        Ok(Snapshot { conn })
    }

    /// Where the notices of committed transactions are heard.
    #[must_use]
    pub fn signals(&self) -> &Signals {
        &self.signals
    }

    /// Runs one statement that returns nothing, in a transaction of its own, as text that is not
    /// registered: for migrations, tests and tools.
    ///
    /// # Errors
    /// As the statement.
    pub async fn execute_raw(&self, sql: &str) -> Result<()> {
        let mut tx = self.begin().await?;
        tx.execute_raw(sql).await?;
        tx.commit().await
    }

    /// Prepares a registered statement without running it.
    ///
    /// # Errors
    /// What the engine has against it.
    pub async fn prepare(&self, statement: &'static Statement) -> Result<()> {
        match &self.engine {
            Engine::Lite(lite) => lite.prepare(statement.sqlite).await,
            Engine::Pg(pg) => pg.prepare(statement.postgres).await,
        }
    }

    /// Leaves no older version of any row in the files of an in-process database. A database server keeps and
    /// cleans its own files: there this does nothing.
    ///
    /// # Errors
    /// [`DbError::Unavailable`] while readers still look at an older version.
    pub async fn forget_old_versions(&self) -> Result<()> {
        match &self.engine {
            Engine::Lite(lite) => lite.empty_log().await,
            Engine::Pg(_) => Ok(()),
        }
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// [`DbError::Unavailable`]
    pub async fn ping(&self) -> Result<()> {
        let mut conn = self.read().await?;
        conn.one::<(i64,)>(crate::sql!("SELECT CAST(1 AS BIGINT)"), crate::args![]).await.map(drop)
    }

    /// The database server's clock minus `now` in microseconds; `None` where the database is in process.
    ///
    /// # Errors
    /// [`DbError::Unavailable`]
    pub async fn clock_offset(&self, now: impl Fn() -> kernel::Timestamp) -> Result<Option<i64>> {
        match &self.engine {
            Engine::Lite(_) => Ok(None),
            Engine::Pg(pg) => pg.clock_offset(now).await.map(Some),
        }
    }
}

/// A connection. Reads see what is committed, and inside a [`Tx`] also what it did itself.
pub struct Conn(Inner);

enum Inner {
    LiteReader(lite::Reader),
    LiteWriter(lite::WriteTx),
    Pg(pg::Client),
    PgTx(pg::PgTx),
}

impl Conn {
    /// Whether this is PostgreSQL, for the few places where one statement there is two on SQLite.
    #[must_use]
    pub fn is_postgres(&self) -> bool {
        matches!(self.0, Inner::Pg(_) | Inner::PgTx(_))
    }

    /// All rows.
    ///
    /// # Errors
    /// [`DbError`]
    pub async fn all<T: FromRow>(&mut self, sql: &'static Statement, args: &[Value<'_>]) -> Result<Vec<T>> {
        match &mut self.0 {
            Inner::LiteReader(conn) => lite::all(conn, sql.sqlite, args),
            Inner::LiteWriter(tx) => tx.run(|conn| lite::all(conn, sql.sqlite, args)),
            Inner::Pg(client) => pg::all(client, sql.postgres, args).await,
            Inner::PgTx(tx) => tx.run(async |client| pg::all(client, sql.postgres, args).await).await,
        }
    }

    /// Hands on the rows of a statement that is not registered one by one, as they come.
    pub(crate) async fn each(
        &mut self,
        sql: &str,
        mut each: impl FnMut(&Row<'_>) -> Result<()>,
    ) -> Result<()> {
        match &mut self.0 {
            Inner::LiteReader(conn) => lite::each(conn, sql, each),
            Inner::LiteWriter(tx) => tx.run(|conn| lite::each(conn, sql, each)),
            Inner::Pg(client) => pg::each(client, sql, &mut each).await,
            Inner::PgTx(tx) => tx.run(async |client| pg::each(client, sql, &mut each).await).await,
        }
    }

    /// The first row, if there is one.
    ///
    /// # Errors
    /// [`DbError`]
    pub async fn opt<T: FromRow>(
        &mut self,
        sql: &'static Statement,
        args: &[Value<'_>],
    ) -> Result<Option<T>> {
        Ok(self.all(sql, args).await?.into_iter().next())
    }

    /// The first row.
    ///
    /// # Errors
    /// [`DbError`], also where there is none.
    pub async fn one<T: FromRow>(&mut self, sql: &'static Statement, args: &[Value<'_>]) -> Result<T> {
        self.opt(sql, args).await?.ok_or_else(|| DbError::Other(format!("{}: no row", sql.at)))
    }
}

/// The database as it was at one moment, for reading: [`Db::snapshot`].
pub struct Snapshot {
    conn: Conn,
}

impl ops::Deref for Snapshot {
    type Target = Conn;
    fn deref(&self) -> &Conn {
        &self.conn
    }
}

impl ops::DerefMut for Snapshot {
    fn deref_mut(&mut self) -> &mut Conn {
        &mut self.conn
    }
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        // PostgreSQL's transaction ends by itself when it is dropped; SQLite's reader goes back to the others.
        if let Inner::LiteReader(reader) = &self.conn.0
            && let Err(error) = reader.execute_batch("ROLLBACK")
        {
            tracing::error!(%error, "a SQLite snapshot cannot be given up");
        }
    }
}

/// A transaction: rolled back when dropped, kept by [`Tx::commit`]. After a statement failed nothing more
/// can be done in it but [`Tx::rollback_to_savepoint`].
pub struct Tx {
    conn: Conn,
    notices: Vec<Notice>,
    /// A savepoint is open; how many notices there were at it.
    part: Option<usize>,
    signals: Signals,
}

impl ops::Deref for Tx {
    type Target = Conn;
    fn deref(&self) -> &Conn {
        &self.conn
    }
}

impl ops::DerefMut for Tx {
    fn deref_mut(&mut self) -> &mut Conn {
        &mut self.conn
    }
}

impl Tx {
    /// Runs a statement; how many rows it changed.
    ///
    /// # Errors
    /// [`DbError`]
    pub async fn exec(&mut self, sql: &'static Statement, args: &[Value<'_>]) -> Result<u64> {
        let text = if self.conn.is_postgres() { sql.postgres } else { sql.sqlite };
        self.exec_text(text, args).await
    }

    /// [`Tx::exec`] of a statement that is not registered.
    pub(crate) async fn exec_text(&mut self, sql: &str, args: &[Value<'_>]) -> Result<u64> {
        match &mut self.conn.0 {
            Inner::LiteWriter(tx) => tx.run(|conn| lite::exec(conn, sql, args)),
            Inner::PgTx(tx) => tx.run(async |client| pg::exec(client, sql, args).await).await,
            Inner::LiteReader(_) | Inner::Pg(_) => Err(DbError::other("a reader cannot write")),
        }
    }

    /// Runs statements that are not registered.
    ///
    /// # Errors
    /// [`DbError`]
    pub async fn execute_raw(&mut self, sql: &str) -> Result<()> {
        match &mut self.conn.0 {
            Inner::LiteWriter(tx) => tx.run(|conn| Ok(conn.execute_batch(sql)?)),
            Inner::PgTx(tx) => tx.run(async |client| Ok(client.batch_execute(sql).await?)).await,
            Inner::LiteReader(_) | Inner::Pg(_) => Err(DbError::other("a reader cannot write")),
        }
    }

    /// Marks a point that [`Tx::rollback_to_savepoint`] returns to.
    ///
    /// # Errors
    /// [`DbError`], also while another savepoint is open: they do not nest, since one that was left open by
    /// a failure would be taken for the other.
    pub async fn savepoint(&mut self) -> Result<()> {
        if self.part.is_some() {
            return Err(DbError::other("a savepoint is open already"));
        }
        self.control("SAVEPOINT part")?;
        self.part = Some(self.notices.len());
        Ok(())
    }

    /// Keeps what was done since [`Tx::savepoint`].
    ///
    /// # Errors
    /// [`DbError`]
    pub async fn release_savepoint(&mut self) -> Result<()> {
        self.part.take().ok_or_else(|| DbError::other("no savepoint is open"))?;
        self.control("RELEASE part")
    }

    /// Undoes what was done since [`Tx::savepoint`], its notices too, after an error too.
    ///
    /// # Errors
    /// [`DbError`]
    pub async fn rollback_to_savepoint(&mut self) -> Result<()> {
        let notices = self.part.take().ok_or_else(|| DbError::other("no savepoint is open"))?;
        self.notices.truncate(notices);
        match &mut self.conn.0 {
            Inner::LiteWriter(tx) => tx.rollback_part(),
            Inner::PgTx(tx) => {
                tx.rollback_part();
                Ok(())
            }
            Inner::LiteReader(_) | Inner::Pg(_) => Err(DbError::other("a reader has no savepoints")),
        }
    }

    fn control(&mut self, sql: &'static str) -> Result<()> {
        match &mut self.conn.0 {
            Inner::LiteWriter(tx) => tx.run(|conn| Ok(conn.prepare_cached(sql)?.execute([]).map(drop)?)),
            Inner::PgTx(tx) => tx.later(sql),
            Inner::LiteReader(_) | Inner::Pg(_) => Err(DbError::other("a reader has no savepoints")),
        }
    }

    /// Says something to all listeners once this transaction is committed.
    pub fn notify(&mut self, topic: &str, payload: &str) {
        let notice = Notice { topic: topic.into(), payload: payload.into() };
        if !self.notices.contains(&notice) {
            self.notices.push(notice);
        }
    }

    /// Commits. `Ok` means that it is on disk; an error of kind [`DbError::Unavailable`] may leave open
    /// whether it is. Once begun it runs to its end, even if the caller goes away.
    ///
    /// # Errors
    /// [`DbError`], also after a failed statement: then nothing is kept.
    pub async fn commit(self) -> Result<()> {
        let Self { conn, notices, signals, .. } = self;
        match conn.0 {
            Inner::LiteWriter(tx) => tx.commit(notices).await,
            Inner::PgTx(tx) => tokio::spawn(tx.commit(notices, signals))
                .await
                .map_err(|e| DbError::Unavailable(e.to_string()))?,
            Inner::LiteReader(_) | Inner::Pg(_) => Err(DbError::other("a reader cannot commit")),
        }
    }
}
