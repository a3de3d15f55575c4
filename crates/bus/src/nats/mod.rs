//! Notices between processes over NATS, where `NOTIFY` would let the commits of a busy database pass one at a time.
//!
//! Promises
//! - What a transaction of this process says is published after its commit, and is heard here at once and once:
//!   what comes back of our own is passed over.
//! - The server runs without NATS. While it is away, everybody here is told to look at everything every five
//!   seconds; when it is back, at once, and so is everybody elsewhere.
//! - The connection counts as there when we have heard ourselves: then the subscription is in force, what others say
//!   from now on is heard, and our credentials let us both speak and listen.
//! - Whoever hears too slowly loses notices, never time: it is told to look at everything.
//!
//! One subject, `hongyan.{installation}.notice`; a message is `{process}|{topic}|{payload}`. It is a hint, as all
//! notices are: at most once, no stream, nothing kept.

mod url;

use std::time::Duration;

use async_nats::{Client, ConnectOptions, Event, Subscriber};
use db::{Db, Notice, Process, Signals};
use futures_util::{StreamExt as _, future};
use kernel::Clock;
use tokio::sync::{
    broadcast::{
        self,
        error::{RecvError, TryRecvError},
    },
    mpsc, oneshot,
};
use url::Credentials;
pub use url::{InvalidUrl, Url};

/// How often everybody looks while NATS is away: as often as the engine does anyway.
const LOOK: Duration = Duration::from_secs(5);
/// How long one attempt to connect may take.
const CONNECT: Duration = Duration::from_secs(5);
/// A connection that says nothing is asked this often whether it is still there; two answers may be missing.
const PING: Duration = Duration::from_secs(10);
/// How long the last words may take when the server stops.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// What is heard and not yet handed on; beyond it notices are lost.
const HEARD: usize = 8192;
/// So many notices are compared with each other before they are published.
const AT_ONCE: usize = 64;

/// Why NATS cannot be used.
#[derive(Debug)]
pub struct NatsError(String);

impl std::fmt::Display for NatsError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NatsError {}

fn failed(error: impl std::fmt::Display) -> NatsError {
    NatsError(error.to_string())
}

/// The subject of an installation's notices, by its [`db::installation`].
#[must_use]
pub fn subject(installation: &str) -> String {
    format!("hongyan.{installation}.notice")
}

/// Carries a process's notices to the others and theirs to it, until it is closed or dropped.
#[derive(Debug)]
pub struct Link {
    task: Option<tokio::task::JoinHandle<()>>,
    close: Option<oneshot::Sender<()>>,
}

impl Link {
    /// Begins to carry the notices of `db`, which was opened by [`Db::connect_postgres_silently`]. Connects in the
    /// background, again and again: NATS may be away.
    ///
    /// # Errors
    /// The system gives no random numbers.
    pub async fn start(db: &Db, url: &Url, subject: String) -> Result<Self, NatsError> {
        let (events, happened) = mpsc::unbounded_channel();
        let options = options(url).retry_on_initial_connect().event_callback(move |event| {
            // The carrier may have been closed.
            let _ = events.send(event);
            future::ready(())
        });
        let client = options.connect(url.servers.clone()).await.map_err(failed)?;
        let subject = async_nats::Subject::from(subject);
        let heard = client.subscribe(subject.clone()).await.map_err(failed)?;
        let process = Process::new().map_err(failed)?;
        let signals = db.signals().clone();
        let carrier = Carrier {
            hello: process.say(&Notice::look_at_everything()),
            said: signals.said(),
            subject,
            state: State::Away,
            complaint: None,
            client,
            process,
            signals,
        };
        gauge(false);
        let (close, closed) = oneshot::channel();
        let task = tokio::spawn(carrier.run(happened, heard, closed));
        Ok(Self { task: Some(task), close: Some(close) })
    }

    /// Publishes what was said up to now and ends; within a second or so, whether NATS is there or not.
    pub async fn close(mut self) {
        drop(self.close.take());
        if let Some(task) = self.task.take() {
            // It ends by itself; a panic of it is in the log.
            let _ = task.await;
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

/// What [`check`] found.
#[derive(Debug, Clone)]
pub struct Found {
    /// The server's version.
    pub version: String,
    /// From saying something to hearing it.
    pub round_trip: Duration,
}

/// Connects and hears itself speak, or says within seconds why not.
///
/// # Errors
/// It does not; why, without the URL.
pub async fn check(url: &Url, subject: &str) -> Result<Found, NatsError> {
    let (events, mut happened) = mpsc::unbounded_channel();
    let options = options(url).event_callback(move |event| {
        // Whoever asked may have its answer.
        let _ = events.send(event);
        future::ready(())
    });
    let client = options.connect(url.servers.clone()).await.map_err(failed)?;
    // A subject of our own below that of the notices: nobody else is told to look.
    let subject = format!("{subject}.check.{}", client.new_inbox().rsplit('.').next().unwrap_or_default());
    let mut heard = client.subscribe(subject.clone()).await.map_err(failed)?;
    let clock = Clock::system();
    let before = clock.now();
    client.publish(subject, "".into()).await.map_err(failed)?;
    let refused = async {
        loop {
            match happened.recv().await {
                Some(Event::ServerError(error)) => return error.to_string(),
                Some(_) => {}
                None => return "the connection was closed".to_owned(),
            }
        }
    };
    tokio::select! {
        message = heard.next() => {
            message.ok_or_else(|| failed("the connection was closed"))?;
            let version = client.server_info().version;
            Ok(Found { version, round_trip: clock.now().since(before) })
        }
        error = refused => Err(failed(error)),
        () = clock.sleep(LOOK) => Err(failed("connected, but what is published on the subject is not heard")),
    }
}

fn options(url: &Url) -> ConnectOptions {
    let options = ConnectOptions::new()
        .name("hongyan")
        .connection_timeout(CONNECT)
        .ping_interval(PING)
        .subscription_capacity(HEARD);
    match url.credentials.clone() {
        Credentials::None => options,
        Credentials::Token(token) => options.token(token),
        Credentials::Password { user, password } => options.user_and_password(user, password),
    }
}

/// 1 while other processes are heard, otherwise 0.
fn gauge(linked: bool) {
    metrics::gauge!("hongyan_events_connected").set(f64::from(u8::from(linked)));
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Away,
    /// Connected; not yet heard ourselves.
    Hoping,
    Linked,
}

struct Carrier {
    client: Client,
    subject: async_nats::Subject,
    process: Process,
    /// Tells the others to look at everything; hearing it ourselves tells us that we are linked.
    hello: String,
    signals: Signals,
    said: broadcast::Receiver<Notice>,
    state: State,
    /// What was logged last, so that a NATS that stays away is not logged again and again.
    complaint: Option<String>,
}

impl Carrier {
    async fn run(
        mut self,
        mut happened: mpsc::UnboundedReceiver<Event>,
        mut heard: Subscriber,
        mut closed: oneshot::Receiver<()>,
    ) {
        let clock = Clock::system();
        let mut look = std::pin::pin!(clock.sleep(LOOK));
        loop {
            let linked = self.state == State::Linked;
            tokio::select! {
                event = happened.recv() => match event {
                    Some(event) => self.happened(event).await,
                    None => return tracing::error!("the NATS client has ended"),
                },
                message = heard.next() => match message {
                    Some(message) => self.heard(&message.payload),
                    None => return tracing::error!("the NATS client has ended its subscription"),
                },
                said = self.said.recv(), if linked => {
                    if !self.say(said).await {
                        return;
                    }
                }
                () = &mut look => {
                    if !linked {
                        self.signals.hear(Notice::look_at_everything());
                    }
                    if self.state == State::Hoping {
                        self.greet().await;
                    }
                    look.set(clock.sleep(LOOK));
                }
                _ = &mut closed => break,
            }
        }
        tokio::select! {
            () = self.last_words() => {}
            () = clock.sleep(LAST_WORDS) => {}
        }
    }

    async fn happened(&mut self, event: Event) {
        match event {
            Event::Connected => {
                self.become_(State::Hoping);
                self.greet().await;
            }
            Event::Disconnected | Event::Closed => {
                if self.state != State::Away {
                    self.complain("the connection is lost");
                }
                self.become_(State::Away);
            }
            Event::SlowConsumer(_) => self.signals.hear(Notice::look_at_everything()),
            Event::ServerError(error) => self.complain(&error.to_string()),
            Event::ClientError(error) => self.complain(&error.to_string()),
            Event::LameDuckMode | Event::Draining => {}
        }
    }

    /// What was not published until now is covered by the greeting: everybody looks.
    async fn greet(&mut self) {
        self.said = self.said.resubscribe();
        self.publish(self.hello.clone()).await;
    }

    fn heard(&mut self, message: &[u8]) {
        // Only we write to the subject; what is not ours is passed over.
        let Ok(text) = std::str::from_utf8(message) else { return };
        if let Some(notice) = self.process.hear(text) {
            self.signals.hear(notice);
        } else if self.state == State::Hoping && text == self.hello {
            self.become_(State::Linked);
            self.complaint = None;
            tracing::info!(subject = self.subject.as_str(), "events travel over NATS");
            self.signals.hear(Notice::look_at_everything());
        }
    }

    /// Publishes, with what else was said meanwhile, each notice once. False when the database is closed.
    async fn say(&mut self, said: Result<Notice, RecvError>) -> bool {
        let mut all: Vec<Notice> = Vec::new();
        let mut next = Some(said);
        while let Some(said) = next {
            match said {
                Ok(notice) if all.contains(&notice) => {}
                Ok(notice) => all.push(notice),
                Err(RecvError::Lagged(_)) => all = vec![Notice::look_at_everything()],
                Err(RecvError::Closed) => return false,
            }
            next = if all.len() < AT_ONCE { self.waiting() } else { None };
        }
        for notice in all {
            self.publish(self.process.say(&notice)).await;
        }
        true
    }

    /// What was said and is not yet published, if anything.
    fn waiting(&mut self) -> Option<Result<Notice, RecvError>> {
        match self.said.try_recv() {
            Ok(notice) => Some(Ok(notice)),
            Err(TryRecvError::Lagged(n)) => Some(Err(RecvError::Lagged(n))),
            Err(TryRecvError::Empty | TryRecvError::Closed) => None,
        }
    }

    async fn publish(&mut self, text: String) {
        if let Err(error) = self.client.publish(self.subject.clone(), text.into()).await {
            self.complain(&error.to_string());
        }
    }

    async fn last_words(mut self) {
        if self.state == State::Linked {
            while let Some(said) = self.waiting() {
                self.say(said).await;
            }
            if let Err(error) = self.client.flush().await {
                tracing::debug!(%error, "the last notices may not have been published");
            }
        }
        gauge(false);
    }

    fn become_(&mut self, state: State) {
        self.state = state;
        gauge(state == State::Linked);
    }

    fn complain(&mut self, error: &str) {
        if self.complaint.as_deref() != Some(error) {
            tracing::warn!(
                error,
                "NATS is not available: what other processes do is found by looking every few seconds"
            );
            self.complaint = Some(error.to_owned());
        }
    }
}
