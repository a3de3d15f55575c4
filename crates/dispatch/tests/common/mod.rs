//! What the engine's tests have in common: kinds that leave traces, and short ways to ask for them.
#![allow(dead_code, reason = "each test uses its part")]

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use db::{Db, DbError, Migration, Tx, args, sql};
use dispatch::{
    Attempt, Batch, BoxFuture, Dispatch, Engine, NewDispatch, Outcome, Record, Retry, Settled, Single,
    SingleOptions, store,
};
use kernel::{Clock, Timestamp};
use tokio::sync::Semaphore;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// The engine's tables and those of the kinds below.
pub const MIGRATIONS: &[Migration] = &[
    dispatch::MIGRATIONS[0],
    Migration {
        name: "test/001",
        sql: "CREATE TABLE effects (dispatch_id {ID} NOT NULL CHECK (dispatch_id NOT LIKE '%poison%'), at BIGINT NOT NULL);
              CREATE TABLE ends (dispatch_id {ID} NOT NULL, ending TEXT NOT NULL);",
    },
];

pub const MINUTE: Duration = Duration::from_secs(60);

pub fn start_time() -> Timestamp {
    "2026-11-21T00:00:00Z".parse().unwrap()
}

pub fn new(kind: &'static str, id: &str, due_at: Timestamp) -> NewDispatch {
    NewDispatch {
        id: format!("{id}/{kind}"),
        kind,
        subject: id.to_owned(),
        destination: String::new(),
        payload: None,
        due_at,
    }
}

pub async fn enqueue(db: &Db, now: Timestamp, new: &[NewDispatch]) -> u64 {
    let mut tx = db.begin().await.unwrap();
    let n = store::enqueue(&mut tx, now, new).await.unwrap();
    tx.commit().await.unwrap();
    n
}

pub async fn cancel(db: &Db, now: Timestamp, id: &str) -> u64 {
    let mut tx = db.begin().await.unwrap();
    let n = store::cancel(&mut tx, now, &[id.to_owned()]).await.unwrap();
    tx.commit().await.unwrap();
    n
}

/// The batch kind `note`: one row in `effects` for each dispatch; an id with "poison" in it is refused by
/// the table.
#[derive(Default)]
pub struct Note {
    /// So many transient errors come first.
    pub transient: Mutex<u32>,
    /// The sizes of the batches that were tried.
    pub sizes: Arc<Mutex<Vec<usize>>>,
    pub panics: bool,
}

impl Batch for Note {
    fn deliver<'a>(
        &'a self,
        tx: &'a mut Tx,
        batch: &'a [Dispatch],
        now: Timestamp,
    ) -> BoxFuture<'a, db::Result<()>> {
        assert!(!self.panics || batch.iter().all(|d| !d.id.contains("panic")), "as the test wants it");
        Box::pin(async move {
            self.sizes.lock().unwrap().push(batch.len());
            let ids: Vec<&str> = batch.iter().map(|d| d.id.as_str()).collect();
            tx.exec(
                sql!(
                    sqlite: "INSERT INTO effects (dispatch_id, at) SELECT value, $2 FROM json_each($1)",
                    postgres: "INSERT INTO effects (dispatch_id, at) SELECT unnest($1::TEXT[]), $2"
                ),
                args![ids, now],
            )
            .await?;
            let mut transient = self.transient.lock().unwrap();
            if *transient > 0 {
                *transient -= 1;
                return Err(DbError::Conflict("as the test wants it".into()));
            }
            Ok(())
        })
    }
}

/// How often each dispatch took effect in a batch kind.
pub async fn effects(db: &Db) -> BTreeMap<String, i64> {
    let rows: Vec<(String, i64)> = db
        .read()
        .await
        .unwrap()
        .all(sql!("SELECT dispatch_id, COUNT(*) FROM effects GROUP BY dispatch_id"), args![])
        .await
        .unwrap();
    rows.into_iter().collect()
}

/// What `settled` was told, in the order of the ids.
pub async fn ends(db: &Db) -> Vec<(String, String)> {
    db.read()
        .await
        .unwrap()
        .all(sql!("SELECT dispatch_id, ending FROM ends ORDER BY dispatch_id"), args![])
        .await
        .unwrap()
}

/// How many dispatches are in a state.
pub async fn count(db: &Db, state: &str) -> i64 {
    let (n,) = db
        .read()
        .await
        .unwrap()
        .one(sql!("SELECT COUNT(*) FROM dispatches WHERE state = $1"), args![state])
        .await
        .unwrap();
    n
}

type Action = dyn Fn(Dispatch) -> BoxFuture<'static, Outcome> + Send + Sync;

/// The single kind `act`: whatever the test says, and a row in `ends` for each end.
#[derive(Clone)]
pub struct Act {
    action: Arc<Action>,
    /// `settled` fails for ids that contain this.
    pub refuses: Option<&'static str>,
}

impl Act {
    pub fn new<F>(action: impl Fn(Dispatch) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Outcome> + Send + 'static,
    {
        Self { action: Arc::new(move |d| Box::pin(action(d))), refuses: None }
    }
}

impl Single for Act {
    fn attempt<'a>(&'a self, dispatch: &'a Dispatch) -> BoxFuture<'a, Outcome> {
        (self.action)(dispatch.clone())
    }

    fn cares(&self, _: &Settled) -> bool {
        true
    }

    fn settled<'a>(
        &'a self,
        tx: &'a mut Tx,
        dispatch: &'a Dispatch,
        end: &'a Settled,
        _: Timestamp,
    ) -> BoxFuture<'a, db::Result<()>> {
        Box::pin(async move {
            let ending = format!("{end:?}");
            tx.exec(
                sql!("INSERT INTO ends (dispatch_id, ending) VALUES ($1, $2)"),
                args![&dispatch.id, &ending],
            )
            .await?;
            match self.refuses {
                Some(part) if dispatch.id.contains(part) => {
                    Err(DbError::Other("as the test wants it".into()))
                }
                _ => Ok(()),
            }
        })
    }
}

/// Attempts that are in hand, held until the test lets them go.
#[derive(Clone)]
pub struct Gate {
    log: tokio::sync::watch::Sender<Vec<Dispatch>>,
    open: Arc<Semaphore>,
}

impl Gate {
    pub fn new() -> Self {
        Self { log: tokio::sync::watch::Sender::new(Vec::new()), open: Arc::new(Semaphore::new(0)) }
    }

    /// The kind: every attempt is logged, waits at the gate and is done.
    pub fn act(&self) -> Act {
        let gate = self.clone();
        Act::new(move |d| {
            let gate = gate.clone();
            async move {
                gate.enter(d).await;
                Outcome::Done("through the gate".into())
            }
        })
    }

    pub async fn enter(&self, d: Dispatch) {
        self.log.send_modify(|log| log.push(d));
        self.open.acquire().await.unwrap().forget();
    }

    pub fn let_go(&self, n: usize) {
        self.open.add_permits(n);
    }

    pub fn log(&self) -> Vec<Dispatch> {
        self.log.borrow().clone()
    }

    /// Waits until so many attempts have begun.
    pub async fn begun(&self, n: usize) -> Vec<Dispatch> {
        let mut log = self.log.subscribe();
        within(log.wait_for(|log| log.len() >= n)).await.unwrap().clone()
    }
}

/// An event that must come.
pub async fn within<T>(event: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), event).await.expect("the event did not come within 20 s")
}

/// Waits until a question to the database has the wanted answer.
pub async fn until<F: Future<Output = bool>>(question: impl Fn() -> F) {
    within(async {
        while !question().await {
            // Not a wait for time to pass: it only spares the database.
            let _ = tokio::time::timeout(Duration::from_millis(2), std::future::pending::<()>()).await;
        }
    })
    .await;
}

pub const RETRY: Retry = Retry {
    first: MINUTE,
    cap: Duration::from_secs(3600),
    max_age: Duration::from_secs(3 * 3600),
    min_attempts: 3,
};

pub fn options(concurrency: usize, per_destination: usize) -> SingleOptions {
    SingleOptions { concurrency, per_destination, retry: RETRY, timeout: Duration::from_secs(30) }
}

/// A running engine.
pub struct Running {
    pub engine: Engine,
    tracker: TaskTracker,
    stop: CancellationToken,
}

impl Running {
    pub fn start(engine: Engine) -> Self {
        let (tracker, stop) = (TaskTracker::new(), CancellationToken::new());
        engine.start(&tracker, &stop);
        Self { engine, tracker, stop }
    }

    pub fn begin_stop(&self) {
        self.stop.cancel();
        self.tracker.close();
    }

    pub async fn stop(self) {
        self.begin_stop();
        within(self.tracker.wait()).await;
    }
}

/// An engine in a runtime of its own, which can be killed: all its tasks end where they are.
pub struct Killable(Option<tokio::runtime::Runtime>);

impl Killable {
    pub async fn start(url: &str, build: impl FnOnce(Db) -> Engine + Send + 'static) -> Self {
        let url = url.to_owned();
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime
            .spawn(async move {
                let engine = build(testkit::open(&url).await);
                engine.start(&TaskTracker::new(), &CancellationToken::new());
            })
            .await
            .unwrap();
        Self(Some(runtime))
    }

    pub fn kill(mut self) {
        self.0.take().unwrap().shutdown_background();
    }
}

impl Drop for Killable {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

pub async fn record(db: &Db, id: &str) -> (Record, Vec<Attempt>) {
    let (subject, _) = id.split_once('/').unwrap();
    let (records, attempts) = store::history(&mut db.read().await.unwrap(), subject).await.unwrap();
    let record = records.into_iter().find(|r| r.id == id).unwrap();
    (record, attempts.into_iter().filter(|a| a.dispatch_id == id).collect())
}

pub fn sim() -> (Clock, Arc<kernel::clock::Sim>) {
    Clock::simulated(start_time())
}
