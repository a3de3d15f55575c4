//! `SIGKILL` at random moments, again and again, while letters are written and fall due: nothing is early,
//! nothing is lost, nothing comes twice unmarked.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};

use crate::{
    client::{Client, PASSWORD, User, draft, time, user},
    eventually, now, pass, random,
    server::{Home, Server},
    sink::{Received, Sink, Verdict},
};

/// Letters that are on their way before the first kill.
const BEFORE: usize = 160;
/// The most that are written while the server comes and goes.
const MEANWHILE: usize = 160;
const KILLS: usize = 6;
const FRIEND: &str = "friend@example.com";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_sqlite_with_the_outbox() {
    scenario(Home::sqlite(), None, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_sqlite_with_smtp() {
    scenario(Home::sqlite(), Some(slow_sink()), 1).await;
}

/// One process with the outbox; two processes that share database and folder with SMTP. Both at once: they
/// spend most of their time waiting for the leases of the killed to run out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_postgres_alone_and_as_two_processes() {
    let (Some(one), Some(two)) = (Home::postgres().await, Home::postgres().await) else { return };
    tokio::join!(scenario(one, None, 1), scenario(two, Some(slow_sink()), 2));
}

/// Between the message and its answer lies some time, so that some answers are lost.
fn slow_sink() -> Sink {
    Sink::start(|_, _| Verdict::AcceptAfter(Duration::from_millis(60)))
}

/// A letter that was sent to the future, or may have been: the server died before it answered.
#[derive(Clone)]
struct Sent {
    mail: String,
    title: String,
    to_friend: bool,
    acknowledged: bool,
}

/// Writes letters for as long as the server lives and whenever it does.
struct Writing<'a> {
    clients: &'a [Client],
    author: &'a User,
    next: AtomicUsize,
    sent: Mutex<Vec<Sent>>,
}

impl Writing<'_> {
    /// Until `limit` letters were begun, or `stop`.
    async fn go(&self, limit: usize, stop: &AtomicBool) {
        let writer = || async {
            while !stop.load(Ordering::Relaxed) {
                let n = self.next.fetch_add(1, Ordering::Relaxed);
                if n >= limit {
                    return;
                }
                while !self.one(n).await && !stop.load(Ordering::Relaxed) {
                    pass(Duration::from_millis(20)).await;
                }
            }
        };
        tokio::join!(writer(), writer(), writer(), writer());
    }

    /// Whether the server was there to begin with.
    async fn one(&self, n: usize) -> bool {
        let client = &self.clients[n % self.clients.len()];
        let token = Some(self.author.token.as_str());
        let to_friend = n.is_multiple_of(2);
        let title = format!("Letter {n}.");
        let body = draft(&title, to_friend.then_some(FRIEND));
        let Ok(answer) = client.call("POST", "/api/v1/mails", token, Some(body)).await else { return false };
        let mail = answer.data()["mailId"].as_str().unwrap().to_owned();
        let at = now() + Duration::from_millis(1300 + random(4000));
        let body = json!({"mailId": mail, "sendTime": at});
        let answer = client.call("POST", "/api/v1/mails/send-to-future", token, Some(body)).await;
        let acknowledged = answer.is_ok_and(|a| a.data()["mailId"] == mail.as_str());
        self.sent.lock().unwrap().push(Sent { mail, title, to_friend, acknowledged });
        true
    }
}

async fn scenario(home: Home, sink: Option<Sink>, processes: usize) {
    let home = match &sink {
        Some(sink) => home
            .set("MAIL__SMTP_URL", &sink.url())
            .set("MAIL__TRANSPORT", "smtp")
            .set("ACCOUNTS__VERIFY_EMAIL", "never"),
        None => home,
    };
    let mut servers = Vec::new();
    for _ in 0..processes {
        servers.push(home.serve().await);
    }
    let clients: Vec<Client> = servers.iter().map(|s| Client::new(s.address)).collect();
    let author = clients[0].register("author").await;
    // Mails of letters alone are counted below.
    let silent = serde_json::json!({"receivedNotification": false});
    clients[0].api("PUT", "/notification/settings", &author, Some(silent)).await;
    home.done(&["user", "plan", &author.email, "premium"], "");
    clients[0].register("friend").await;

    let running = AtomicBool::new(false);
    let writing = Writing { clients: &clients, author: &author, next: 0.into(), sent: Mutex::default() };
    writing.go(BEFORE, &running).await;
    let killing = async {
        kill(&home, &mut servers, &clients).await;
        running.store(true, Ordering::Relaxed);
    };
    tokio::join!(writing.go(BEFORE + MEANWHILE, &running), killing);
    let sent = writing.sent.into_inner().unwrap();
    let lost = finish(&clients[clients.len() - 1], &author, &sent).await;
    let mails = match &sink {
        Some(sink) => sink.received(),
        None => from_outbox(&home),
    };
    let repeated = verify(&clients[clients.len() - 1], &author, &sent, &mails, &lost).await;
    eprintln!(
        "{} letters, {} not acknowledged, {KILLS} kills, {} mails, {} attempts lost, {repeated} mails repeated",
        sent.len(),
        sent.iter().filter(|s| !s.acknowledged).count(),
        mails.len(),
        lost.len(),
    );
}

/// Kills and starts anew. Of several processes a random one; the first does not come back from the last kill.
async fn kill(home: &Home, servers: &mut Vec<Server>, clients: &[Client]) {
    for n in 0..KILLS {
        pass(Duration::from_millis(200 + random(900))).await;
        let several = servers.len() > 1;
        let last = n + 1 == KILLS;
        let victim = if several && !last { usize::try_from(random(2)).unwrap() } else { 0 };
        servers.remove(victim).kill();
        if several && last {
            clients[0].moved(servers[0].address);
            return;
        }
        let server = home.serve().await;
        clients[victim].moved(server.address);
        servers.insert(victim, server);
    }
}

/// Waits until all that was promised is done. The letters of which an attempt was lost.
async fn finish(client: &Client, author: &User, sent: &[Sent]) -> BTreeSet<String> {
    // Whoever was logged in stays so.
    assert_eq!(user(&client.login(&author.email, PASSWORD).await.data()).id, author.id);
    eventually(Duration::from_secs(30), "all letters are delivered", async || {
        let mut left = 0;
        for status in ["PENDING", "DELIVERING"] {
            let path = format!("/mails?type=SENT&status={status}&size=1");
            left += client.api("GET", &path, author, None).await["total"].as_u64().unwrap();
        }
        (left == 0).then_some(())
    })
    .await;
    let mut lost = BTreeSet::new();
    for letter in sent.iter().filter(|s| s.to_friend) {
        if client.delivery(author, &letter.mail, "email").await.is_none() {
            assert!(!letter.acknowledged, "{} has no mail", letter.title);
            continue;
        }
        let mail = client.settled(author, &letter.mail, "email", "done").await;
        let ended = mail["attempts"].as_array().unwrap();
        let was_lost = ended.iter().any(|a| a["outcome"] == "lost");
        assert!(!was_lost || mail["possibleDuplicate"] == true, "{mail}");
        if mail["possibleDuplicate"] == true {
            lost.insert(letter.title.clone());
        }
    }
    lost
}

/// A file is stamped with the time of the kernel's last tick, up to 10 ms ago.
const TICK: Duration = Duration::from_millis(10);

fn from_outbox(home: &Home) -> Vec<Received> {
    let read = |file: &std::path::PathBuf| {
        let written = std::fs::metadata(file).unwrap().modified().unwrap();
        let micros = written.duration_since(std::time::UNIX_EPOCH).unwrap().as_micros();
        Received {
            at: kernel::Timestamp::from_micros(i64::try_from(micros).unwrap()) + TICK,
            from: String::new(),
            to: FRIEND.to_owned(),
            raw: std::fs::read(file).unwrap(),
        }
    };
    home.outbox().iter().map(read).collect()
}

/// Everything once, nothing early; how many mails came more than once, all of them marked.
async fn verify(
    client: &Client,
    author: &User,
    sent: &[Sent],
    mails: &[Received],
    lost: &BTreeSet<String>,
) -> usize {
    let friend = user(&client.login(FRIEND, PASSWORD).await.data());
    let all: BTreeMap<String, Value> = by_id(client.list(author, "").await);
    let inboxes = [client.list(author, "type=INBOX").await, client.list(&friend, "type=INBOX").await];
    let [own, friends] = inboxes.map(|list| {
        let titles: Vec<String> = list.iter().map(|m| m["title"].as_str().unwrap().to_owned()).collect();
        for mail in &list {
            assert!(time(&mail["deliveryTime"]) >= time(&mail["sendTime"]), "early: {mail}");
        }
        titles
    });
    let mut by_title: BTreeMap<String, Vec<&Received>> = BTreeMap::new();
    for mail in mails {
        by_title.entry(mail.subject()).or_default().push(mail);
    }
    let mut repeated = 0;
    let (mut to_self, mut to_friend) = (0, 0);
    for letter in sent {
        let seen = &all[&letter.mail];
        let delivered = seen["status"] == "DELIVERED";
        assert!(delivered || (!letter.acknowledged && seen["status"] == "DRAFT"), "{seen}");
        let expected = usize::from(delivered);
        let inbox = if letter.to_friend { &friends } else { &own };
        assert_eq!(inbox.iter().filter(|t| **t == letter.title).count(), expected, "{seen}");
        if !letter.to_friend {
            to_self += expected;
            assert!(!by_title.contains_key(&letter.title), "a letter to oneself was mailed");
            continue;
        }
        to_friend += expected;
        let copies = by_title.get(&letter.title).map(Vec::as_slice).unwrap_or_default();
        assert!(copies.len() >= expected && (delivered || copies.is_empty()), "{seen}: {}", copies.len());
        for copy in copies {
            assert!(copy.at >= time(&seen["sendTime"]), "mailed early, at {}: {seen}", copy.at);
            assert_eq!(copy.raw, copies[0].raw, "a repetition is the same mail, Message-ID and all");
        }
        if copies.len() > 1 {
            repeated += copies.len() - 1;
            assert!(lost.contains(&letter.title), "{} came {} times", letter.title, copies.len());
        }
    }
    // Nothing in the inboxes but these.
    assert_eq!((own.len(), friends.len()), (to_self, to_friend));
    let ids: BTreeSet<String> = mails.iter().map(Received::id).collect();
    assert_eq!(ids.len(), to_friend, "a Message-ID for each letter");
    repeated
}

fn by_id(list: Vec<Value>) -> BTreeMap<String, Value> {
    list.into_iter().map(|m| (m["mailId"].as_str().unwrap().to_owned(), m)).collect()
}
