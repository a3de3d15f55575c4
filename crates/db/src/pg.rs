//! PostgreSQL: a pool of connections, `LISTEN` for the others' notices.
//!
//! Notices travel on one channel, `hongyan`, unless something else carries them: `NOTIFY` lets commits pass one at a
//! time.

use std::{pin::pin, sync::Arc, time::Duration};

use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, RecyclingMethod};
use futures_util::{FutureExt, StreamExt, future};
use tokio::sync::oneshot;
use tokio_postgres::{AsyncMessage, Config, types::ToSql};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::{
    FromRow, Row, Value,
    error::{DbError, Result},
    signal::{Notice, Process, Signals},
};

const POOL: usize = 16;
const CONNECT: Duration = Duration::from_secs(10);
/// How long a request waits for a connection before it says that the database is not available.
const WAIT: Duration = Duration::from_secs(10);

pub(crate) struct Pg {
    pool: Pool,
    /// `None` where something else carries the notices.
    listening: Option<Listening>,
}

struct Listening {
    process: Process,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub(crate) type Client = Object;

impl Pg {
    /// Hears the others' notices by `LISTEN`, and says its own by `NOTIFY`, if there are `signals` for them.
    pub(crate) async fn connect(url: &str, signals: Option<Signals>) -> Result<Self> {
        let mut config: Config =
            url.parse().map_err(|e| DbError::Other(format!("not a PostgreSQL URL: {e}")))?;
        config.connect_timeout(CONNECT).application_name("hongyan");
        if config.get_keepalives() {
            config.keepalives_idle(Duration::from_secs(30));
        }
        let tls = tls();
        let manager = Manager::from_config(
            config.clone(),
            tls.clone(),
            ManagerConfig { recycling_method: RecyclingMethod::Fast },
        );
        let pool = Pool::builder(manager)
            .max_size(POOL)
            // The one used last has the warmest caches.
            .queue_mode(deadpool_postgres::QueueMode::Lifo)
            .wait_timeout(Some(WAIT))
            .create_timeout(Some(CONNECT))
            .runtime(deadpool_postgres::Runtime::Tokio1)
            .build()
            .map_err(DbError::other)?;
        drop(pool.get().await?);
        let listening = match signals {
            None => None,
            Some(signals) => {
                let process = Process::new().map_err(DbError::other)?;
                let (ready, heard) = oneshot::channel();
                let task = tokio::spawn(listen(config, tls, process.clone(), signals, ready));
                // Whatever others commit from here on is heard. If it cannot be, that is in the log.
                let _ = heard.await;
                Some(Listening { process, task })
            }
        };
        Ok(Self { pool, listening })
    }

    pub(crate) async fn get(&self) -> Result<Client> {
        Ok(self.pool.get().await?)
    }

    pub(crate) async fn begin(&self) -> Result<PgTx> {
        self.begin_as("BEGIN").await
    }

    /// A transaction that sees what is committed when its first statement runs, and only reads.
    pub(crate) async fn snapshot(&self) -> Result<PgTx> {
        let mut tx = self.begin_as("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
        tx.run(async |client| Ok(client.batch_execute("SELECT 1").await?)).await?;
        Ok(tx)
    }

    async fn begin_as(&self, begin: &'static str) -> Result<PgTx> {
        let client = self.get().await?;
        Ok(PgTx {
            client: Some(client),
            process: self.listening.as_ref().map(|l| l.process.clone()),
            pending: vec![begin],
            begun: false,
            failed: false,
        })
    }

    pub(crate) async fn prepare(&self, sql: &str) -> Result<()> {
        self.get().await?.prepare(sql).await?;
        Ok(())
    }

    /// The best of three: half of the round trip is the error.
    pub(crate) async fn clock_offset(&self, now: impl Fn() -> kernel::Timestamp) -> Result<i64> {
        let client = self.get().await?;
        let ask =
            client.prepare_cached("SELECT (EXTRACT(EPOCH FROM clock_timestamp()) * 1000000)::BIGINT").await?;
        let mut best: Option<(Duration, i64)> = None;
        for _ in 0..3 {
            let before = now();
            let row = client.query_one(&ask, &[]).await?;
            let after = now();
            let trip = after.since(before);
            let server: i64 = row.try_get(0)?;
            let middle = before.plus(trip / 2).micros();
            if best.is_none_or(|(least, _)| trip < least) {
                best = Some((trip, server - middle));
            }
        }
        Ok(best.map_or(0, |(_, offset)| offset))
    }
}

fn tls() -> MakeRustlsConnect {
    let roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    #[expect(clippy::expect_used, reason = "the provider's own default versions, checked by every test")]
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider supports its default versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    MakeRustlsConnect::new(config)
}

/// `BEGIN` and the savepoints' commands travel with the next statement, so they cost no round trip.
pub(crate) struct PgTx {
    client: Option<Client>,
    /// Who says its notices by `NOTIFY`, if they go that way.
    process: Option<Process>,
    pending: Vec<&'static str>,
    /// `BEGIN` was sent.
    begun: bool,
    /// A statement failed or its end was not awaited, hence PostgreSQL may answer `COMMIT` by rolling back,
    /// without an error.
    failed: bool,
}

impl PgTx {
    fn client(&self) -> Result<&Client> {
        self.client.as_ref().ok_or_else(|| DbError::other("the transaction is over"))
    }

    /// Runs a statement of this transaction.
    pub(crate) async fn run<T>(&mut self, work: impl AsyncFnOnce(&Client) -> Result<T>) -> Result<T> {
        if self.failed {
            return Err(DbError::after_failure());
        }
        self.failed = true;
        self.begun = true;
        let before = std::mem::take(&mut self.pending);
        let client = self.client()?;
        let out = if before.is_empty() {
            work(client).await?
        } else {
            // Both are sent before either is answered, in this order.
            let (before, out) = future::join(control(client, &before), work(client)).await;
            before?;
            out?
        };
        self.failed = false;
        Ok(out)
    }

    /// Sends a command along with the next statement.
    pub(crate) fn later(&mut self, sql: &'static str) -> Result<()> {
        if self.failed {
            return Err(DbError::after_failure());
        }
        self.pending.push(sql);
        Ok(())
    }

    /// Back to the savepoint `part`, after a failure too.
    pub(crate) fn rollback_part(&mut self) {
        self.pending.extend(["ROLLBACK TO part", "RELEASE part"]);
        self.failed = false;
    }

    pub(crate) async fn commit(mut self, notices: Vec<Notice>, signals: Signals) -> Result<()> {
        if let Some(process) = self.process.as_ref().filter(|_| !notices.is_empty()) {
            let payloads: Vec<String> = notices.iter().map(|n| process.say(n)).collect();
            self.run(async |client| {
                exec(
                    client,
                    "SELECT pg_notify('hongyan', n) FROM unnest($1::TEXT[]) AS n",
                    &[(&payloads).into()],
                )
                .await
            })
            .await?;
        }
        if self.begun {
            self.later("COMMIT")?;
            let last = std::mem::take(&mut self.pending);
            self.failed = true;
            control(self.client()?, &last).await?;
        }
        // Nothing is left to roll back.
        self.client.take();
        notices.into_iter().for_each(|notice| signals.publish(notice));
        Ok(())
    }
}

async fn control(client: &Client, commands: &[&str]) -> Result<()> {
    Ok(client.batch_execute(&commands.join(";")).await?)
}

impl Drop for PgTx {
    fn drop(&mut self) {
        let Some(client) = self.client.take() else { return };
        if client.is_closed() || !self.begun {
            return;
        }
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                if let Err(error) = client.batch_execute("ROLLBACK").await {
                    tracing::debug!(%error, "rollback failed, the connection is dropped");
                    drop(Object::take(client));
                }
            });
        } else {
            drop(Object::take(client));
        }
    }
}

pub(crate) async fn all<T: FromRow>(client: &Client, sql: &str, args: &[Value<'_>]) -> Result<Vec<T>> {
    let statement = client.prepare_cached(sql).await?;
    let rows = client.query(&statement, &params(args)).await?;
    rows.iter().map(|row| T::from_row(&Row::Pg(row))).collect()
}

pub(crate) async fn each(
    client: &Client,
    sql: &str,
    each: &mut impl FnMut(&Row<'_>) -> Result<()>,
) -> Result<()> {
    let statement = client.prepare(sql).await?;
    let mut rows = pin!(client.query_raw(&statement, [] as [&(dyn ToSql + Sync); 0]).await?);
    while let Some(row) = rows.next().await.transpose()? {
        each(&Row::Pg(&row))?;
    }
    Ok(())
}

pub(crate) async fn exec(client: &Client, sql: &str, args: &[Value<'_>]) -> Result<u64> {
    let statement = client.prepare_cached(sql).await?;
    Ok(client.execute(&statement, &params(args)).await?)
}

fn params<'a>(args: &'a [Value<'_>]) -> Vec<&'a (dyn ToSql + Sync)> {
    args.iter().map(|v| v as &(dyn ToSql + Sync)).collect()
}

/// Hears the other processes' notices. Whenever it begins to hear, everybody is told to look for themselves,
/// by a notice with the topic `*`: what was said before is lost.
async fn listen(
    config: Config,
    tls: MakeRustlsConnect,
    process: Process,
    signals: Signals,
    ready: oneshot::Sender<()>,
) {
    let clock = kernel::Clock::system();
    let mut ready = Some(ready);
    loop {
        match listen_once(&config, &tls, &process, &signals, &mut ready).await {
            Ok(()) => tracing::debug!("the listening connection was closed"),
            Err(error) => tracing::warn!(%error, "cannot listen for notices, the periodic scan stands in"),
        }
        ready = None;
        clock.sleep(Duration::from_secs(1)).await;
    }
}

async fn listen_once(
    config: &Config,
    tls: &MakeRustlsConnect,
    process: &Process,
    signals: &Signals,
    ready: &mut Option<oneshot::Sender<()>>,
) -> Result<()> {
    let (client, mut connection) = config.connect(tls.clone()).await?;
    let mut messages = futures_util::stream::poll_fn(move |cx| connection.poll_message(cx));
    let subscribe = pin!(client.batch_execute("LISTEN hongyan"));
    let mut subscribe = subscribe.fuse();
    loop {
        tokio::select! {
            listening = &mut subscribe => {
                listening?;
                signals.hear(Notice::look_at_everything());
                if let Some(ready) = ready.take() {
                    // Whoever connected may have given up.
                    let _ = ready.send(());
                }
            }
            message = messages.next() => match message.transpose()? {
                None => return Ok(()),
                Some(AsyncMessage::Notification(n)) => {
                    if let Some(notice) = process.hear(n.payload()) {
                        signals.hear(notice);
                    }
                }
                Some(_) => {}
            }
        }
    }
}
