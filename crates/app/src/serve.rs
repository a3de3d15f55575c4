//! `hongyan serve`: from the settings to a running server, and its end.

use std::{future::IntoFuture, net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Context as _;
use axum::{Router, serve::ListenerExt as _};
use bus::nats::{self, Link};
use kernel::Clock;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio::{net::TcpListener, signal::unix::SignalKind};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    api, data,
    settings::{Database, Settings},
    system::System,
};

/// How long requests and deliveries in hand may take to finish once the server is told to stop.
const GRACE: Duration = Duration::from_secs(8);
/// How long the database may take to note what was not finished; together less than ten seconds.
const LAST_WORD: Duration = Duration::from_secs(1);
/// How often the database server's clock is compared with ours.
const CLOCK_CHECK: Duration = Duration::from_secs(60);

/// How often the histograms' samples are summed up.
const METRICS_UPKEEP: Duration = Duration::from_secs(5);
/// How often the desk's channels are looked after.
const CHANNELS_UPKEEP: Duration = Duration::from_secs(60);
/// How often people's mailboxes are looked after.
const MAILBOXES_UPKEEP: Duration = Duration::from_secs(60);

/// Runs until `SIGTERM` or `SIGINT`.
///
/// # Errors
/// What keeps it from starting, with the name of the setting.
pub async fn serve(settings: &Settings) -> anyhow::Result<()> {
    data::prepare(&settings.data_dir)?;
    let _lock = match settings.database {
        Database::Sqlite(_) => Some(data::lock(&settings.data_dir)?),
        // Several processes may share a PostgreSQL, and with it this folder's keys and files.
        Database::Postgres(_) => None,
    };
    let metrics = recorder()?;
    let clock = Clock::system();
    let listeners = bind(&settings.listen).await?;
    let first = listeners.first().and_then(|l| l.local_addr().ok());
    let public_url = settings.public_url.clone().or_else(|| first.map(derived_url)).unwrap_or_default();
    let returned = returned_mail(settings).await?;
    let system = System::build(settings, clock.clone(), &public_url).await?;
    share_clock(&system, &clock).await?;
    let link = share_events(&system, settings).await?;

    // Before anything is in hand: until then the signals' own way of ending the process does no harm.
    let signalled = signalled()?;
    let stop = CancellationToken::new();
    let tracker = TaskTracker::new();
    system.assistant.warm();
    if settings.worker {
        if !system.db.is_shared() {
            let rescued = system.engine.rescue_all().await?;
            tracing::debug!(dispatches = rescued, "took back what the last run held");
        }
        system.engine.start(&tracker, &stop);
    }
    if settings.api {
        let (desk, stop) = (system.desk.clone(), stop.clone());
        tracker.spawn(async move { desk.run(stop).await });
    }
    take_in(returned, &system, &tracker, &stop)?;
    keep_clock(&system, &clock, &tracker, &stop);
    keep_metrics(metrics.clone(), &tracker, &stop);
    if settings.worker {
        keep_channels(&system, &tracker, &stop);
        keep_mailboxes(&system, &tracker, &stop);
    }
    if settings.api && !settings.desk.auth {
        tracing::warn!("desk.auth is off: whoever reaches this server is a supervisor of the desk");
    }
    let router = match settings.api {
        true => api::router(&system, settings.limits, Some(metrics)),
        false => api::worker_router(&system, Some(metrics)),
    };
    for listener in listeners {
        let address = listener.local_addr()?;
        tracing::info!(%address, public_url, "listening");
        tracker.spawn(answer(listener, router.clone(), stop.clone()));
    }
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        database = system.db.engine(),
        assistant = system.assistant.engine(),
        mail = if settings.mail.smtp_url.is_some() { "smtp" } else { "file" },
        data_dir = %settings.data_dir.display(),
        "ready"
    );

    signalled.await;
    tracing::info!("stopping");
    stop.cancel();
    system.close();
    tracker.close();
    if tokio::time::timeout(GRACE, tracker.wait()).await.is_err() {
        give_back(&system).await;
    }
    if let Some(link) = link {
        link.close().await;
    }
    tracing::info!("stopped");
    Ok(())
}

/// If the database is away there is nothing to be done: the leases run out by themselves.
async fn give_back(system: &System) {
    let released = tokio::time::timeout(LAST_WORD, system.engine.release()).await;
    let released = released.unwrap_or_else(|_| Err(db::DbError::Unavailable("no answer".to_owned())));
    match released {
        Ok(n) => tracing::warn!(dispatches = n, "gave back what was still in hand"),
        Err(error) => tracing::warn!(%error, "could not give back what was still in hand"),
    }
}

/// The listener for returned mail, if this process delivers and the settings name one.
async fn returned_mail(settings: &Settings) -> anyhow::Result<Option<TcpListener>> {
    let listen = settings.mail.bounces.as_ref().and_then(|b| b.listen).filter(|_| settings.worker);
    let Some(address) = listen else { return Ok(None) };
    let named = || format!("mail.bounce_listen (HONGYAN_MAIL__BOUNCE_LISTEN): {address}");
    Ok(Some(TcpListener::bind(address).await.with_context(named)?))
}

fn take_in(
    listener: Option<TcpListener>,
    system: &System,
    tracker: &TaskTracker,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    if let Some((listener, verp)) = listener.zip(system.verp.clone()) {
        let address = listener.local_addr()?;
        tracing::info!(%address, domain = verp.domain(), "listening for returned mail");
        let (intake, all) = (Arc::clone(&system.bounces), tracker.clone());
        tracker.spawn(transports::bounce::serve(listener, verp, intake, all, stop.clone()));
    }
    Ok(())
}

async fn bind(addresses: &[SocketAddr]) -> anyhow::Result<Vec<TcpListener>> {
    let mut listeners = Vec::new();
    for address in addresses {
        let named = || format!("server.listen (HONGYAN_SERVER__LISTEN): {address}");
        listeners.push(TcpListener::bind(address).await.with_context(named)?);
    }
    Ok(listeners)
}

fn derived_url(address: SocketAddr) -> String {
    if address.ip().is_unspecified() {
        return format!("http://localhost:{}", address.port());
    }
    format!("http://{address}")
}

async fn answer(listener: TcpListener, router: Router, stop: CancellationToken) {
    let listener = listener.tap_io(|stream| {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY was refused");
        }
    });
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    let serving = axum::serve(listener, service).with_graceful_shutdown(stop.cancelled_owned());
    if let Err(error) = serving.into_future().await {
        tracing::error!(%error, "a listener failed");
    }
}

/// Listens for the signals from now on; done when one comes.
fn signalled() -> anyhow::Result<impl Future<Output = ()>> {
    let mut term = tokio::signal::unix::signal(SignalKind::terminate())?;
    let mut interrupt = tokio::signal::unix::signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = term.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

fn recorder() -> anyhow::Result<PrometheusHandle> {
    let lateness = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 60.0, 3600.0];
    let requests = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0];
    Ok(PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("lateness_seconds".to_owned()), &lateness)?
        .set_buckets_for_metric(Matcher::Suffix("request_seconds".to_owned()), &requests)?
        .install_recorder()?)
}

/// Several machines that share a PostgreSQL share its clock: none delivers early because its own is fast.
async fn share_clock(system: &System, clock: &Clock) -> db::Result<()> {
    let machine = Clock::system();
    if let Some(offset) = system.db.clock_offset(|| machine.now()).await? {
        if offset.abs() > 1_000_000 {
            tracing::warn!(offset_micros = offset, "this machine's clock differs from the database server's");
        }
        clock.adjust(offset);
    }
    Ok(())
}

/// Where NATS carries the events, they travel from now on, or as soon as it is there.
async fn share_events(system: &System, settings: &Settings) -> anyhow::Result<Option<Link>> {
    let Some(url) = &settings.nats else { return Ok(None) };
    let subject = nats::subject(&db::installation(&mut system.db.read().await?).await?);
    let link = Link::start(&system.db, url, subject).await;
    Ok(Some(link.context("events.url (HONGYAN_EVENTS__URL)")?))
}

/// Sums up what the histograms have taken, which otherwise waits in memory for the next scrape.
fn keep_metrics(metrics: PrometheusHandle, tracker: &TaskTracker, stop: &CancellationToken) {
    let (stop, machine) = (stop.clone(), Clock::system());
    tracker.spawn(async move {
        while stop.run_until_cancelled(machine.sleep(METRICS_UPKEEP)).await.is_some() {
            metrics.run_upkeep();
        }
    });
}

/// Asks WeCom for what no callback announced, and forgets old callbacks.
fn keep_channels(system: &System, tracker: &TaskTracker, stop: &CancellationToken) {
    let (desk, stop, machine) = (system.desk.clone(), stop.clone(), Clock::system());
    tracker.spawn(async move {
        loop {
            if let Err(error) = desk.look_after_channels().await {
                tracing::warn!(%error, "the desk's channels cannot be looked after");
            }
            if stop.run_until_cancelled(machine.sleep(CHANNELS_UPKEEP)).await.is_none() {
                return;
            }
        }
    });
}

/// Reads mailboxes that no push announced, and renews what rings.
fn keep_mailboxes(system: &System, tracker: &TaskTracker, stop: &CancellationToken) {
    let (gmail, stop, machine) = (system.gmail.clone(), stop.clone(), Clock::system());
    tracker.spawn(async move {
        loop {
            if let Err(error) = gmail.look_after_mailboxes().await {
                tracing::warn!(%error, "mailboxes cannot be looked after");
            }
            if stop.run_until_cancelled(machine.sleep(MAILBOXES_UPKEEP)).await.is_none() {
                return;
            }
        }
    });
}

fn keep_clock(system: &System, clock: &Clock, tracker: &TaskTracker, stop: &CancellationToken) {
    if !system.db.is_shared() {
        return;
    }
    let (db, clock, stop, machine) = (system.db.clone(), clock.clone(), stop.clone(), Clock::system());
    tracker.spawn(async move {
        while stop.run_until_cancelled(machine.sleep(CLOCK_CHECK)).await.is_some() {
            match db.clock_offset(|| machine.now()).await {
                Ok(Some(offset)) => clock.adjust(offset),
                Ok(None) => return,
                Err(error) => tracing::warn!(%error, "the database server's clock cannot be read"),
            }
        }
    });
}
