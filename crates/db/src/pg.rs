//! PostgreSQL: a pool of connections, `LISTEN` for the others' notices.

use std::{sync::Arc, time::Duration};

use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, RecyclingMethod};
use futures_util::StreamExt;
use tokio_postgres::{AsyncMessage, Config, types::ToSql};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::{
    FromRow, Row, Value,
    error::{DbError, Result},
    signal::{Notice, Signals},
};

/// One channel for all topics; the payload is `{process}|{topic}|{payload}`.
const CHANNEL: &str = "hongyan";
const POOL: usize = 16;
const CONNECT: Duration = Duration::from_secs(10);
/// How long a request waits for a connection before it says that the database is not available.
const WAIT: Duration = Duration::from_secs(10);

pub(crate) struct Pg {
    pool: Pool,
    process: Arc<str>,
    listener: tokio::task::JoinHandle<()>,
}

pub(crate) type Client = Object;

impl Pg {
    pub(crate) async fn connect(url: &str, signals: Signals) -> Result<Self> {
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
            .wait_timeout(Some(WAIT))
            .create_timeout(Some(CONNECT))
            .runtime(deadpool_postgres::Runtime::Tokio1)
            .build()
            .map_err(DbError::other)?;
        drop(pool.get().await?);
        let process: Arc<str> = std::str::from_utf8(&kernel::id::random::<16>().map_err(DbError::other)?.map(hex))
            .map_err(DbError::other)?
            .into();
        let listener = tokio::spawn(listen(config, tls, Arc::clone(&process), signals));
        Ok(Self { pool, process, listener })
    }

    pub(crate) async fn get(&self) -> Result<Client> {
        Ok(self.pool.get().await?)
    }

    pub(crate) async fn begin(&self) -> Result<PgTx> {
        let client = self.get().await?;
        client.batch_execute("BEGIN").await?;
        Ok(PgTx { client: Some(client), process: Arc::clone(&self.process), failed: false })
    }

    pub(crate) async fn prepare(&self, sql: &str) -> Result<()> {
        self.get().await?.prepare(sql).await?;
        Ok(())
    }

    /// The best of three: half of the round trip is the error.
    pub(crate) async fn clock_offset(&self, now: impl Fn() -> kernel::Timestamp) -> Result<i64> {
        let client = self.get().await?;
        let mut best: Option<(Duration, i64)> = None;
        for _ in 0..3 {
            let before = now();
            let row = client
                .query_one("SELECT (EXTRACT(EPOCH FROM clock_timestamp()) * 1000000)::BIGINT", &[])
                .await?;
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

impl Drop for Pg {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

fn hex(byte: u8) -> u8 {
    b"0123456789abcdef".get(usize::from(byte & 15)).copied().unwrap_or(b'0')
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

pub(crate) struct PgTx {
    client: Option<Client>,
    process: Arc<str>,
    /// A statement failed, hence PostgreSQL will answer `COMMIT` by rolling back, without an error.
    failed: bool,
}

impl PgTx {
    pub(crate) fn client(&self) -> Result<&Client> {
        self.client.as_ref().ok_or_else(|| DbError::other("the transaction is over"))
    }

    /// Remembers whether a statement failed.
    pub(crate) fn noted<T>(&mut self, result: Result<T>) -> Result<T> {
        self.failed |= result.is_err();
        result
    }

    /// A savepoint brought the transaction back to before the failure.
    pub(crate) fn recovered(&mut self) {
        self.failed = false;
    }

    pub(crate) async fn commit(mut self, notices: &[Notice]) -> Result<()> {
        if self.failed {
            return Err(DbError::other("a statement of this transaction failed"));
        }
        let client = self.client()?;
        for notice in notices {
            let payload = format!("{}|{}|{}", self.process, notice.topic, notice.payload);
            let notify = client.prepare_cached("SELECT pg_notify($1, $2)").await?;
            client.execute(&notify, &[&CHANNEL, &payload]).await?;
        }
        client.batch_execute("COMMIT").await?;
        self.client.take();
        Ok(())
    }
}

impl Drop for PgTx {
    fn drop(&mut self) {
        let Some(client) = self.client.take() else { return };
        if client.is_closed() {
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

pub(crate) async fn exec(client: &Client, sql: &str, args: &[Value<'_>]) -> Result<u64> {
    let statement = client.prepare_cached(sql).await?;
    Ok(client.execute(&statement, &params(args)).await?)
}

fn params<'a>(args: &'a [Value<'_>]) -> Vec<&'a (dyn ToSql + Sync)> {
    args.iter().map(|v| v as &(dyn ToSql + Sync)).collect()
}

/// Hears the other processes' notices. After a lost connection everybody is told to look for themselves,
/// by a notice with the topic `*`.
async fn listen(config: Config, tls: MakeRustlsConnect, process: Arc<str>, signals: Signals) {
    let clock = kernel::Clock::system();
    loop {
        match listen_once(&config, &tls, &process, &signals).await {
            Ok(()) => tracing::debug!("the listening connection was closed"),
            Err(error) => tracing::warn!(%error, "cannot listen for notices, the periodic scan stands in"),
        }
        clock.sleep(Duration::from_secs(1)).await;
    }
}

async fn listen_once(config: &Config, tls: &MakeRustlsConnect, process: &str, signals: &Signals) -> Result<()> {
    let (client, mut connection) = config.connect(tls.clone()).await?;
    let mut messages = futures_util::stream::poll_fn(move |cx| connection.poll_message(cx));
    let subscribe = tokio::spawn(async move {
        let result = client.batch_execute("LISTEN hongyan").await;
        (client, result)
    });
    let mut announced = false;
    while let Some(message) = messages.next().await {
        if !announced {
            announced = true;
            signals.publish(Notice { topic: "*".into(), payload: "".into() });
        }
        if let AsyncMessage::Notification(n) = message? {
            let mut parts = n.payload().splitn(3, '|');
            let (from, topic, payload) = (parts.next(), parts.next(), parts.next());
            if let (Some(from), Some(topic), Some(payload)) = (from, topic, payload)
                && from != process
            {
                signals.publish(Notice { topic: topic.into(), payload: payload.into() });
            }
        }
    }
    subscribe.abort();
    Ok(())
}
