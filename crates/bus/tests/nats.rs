//! Two processes on one PostgreSQL that hear each other over NATS, whatever NATS does.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::time::Duration;

use bus::{
    Event, Subscription,
    nats::{self, Link, Url},
};
use db::{Db, Notice};
use testkit::{TestDb, nats::Nats};
use tokio::sync::broadcast;

const SUBJECT: &str = "hongyan.test.notice";

/// One process: its database, its link, what it hears.
struct Node {
    db: Db,
    link: Link,
    heard: broadcast::Receiver<Notice>,
}

impl Node {
    async fn start(t: &TestDb, url: &str, subject: &str) -> Self {
        let db = Db::connect_postgres_silently(&t.url).await.unwrap();
        let heard = db.signals().listen();
        let link = Link::start(&db, &url.parse::<Url>().unwrap(), subject.to_owned()).await.unwrap();
        Self { db, link, heard }
    }

    /// Says this and commits.
    async fn say(&self, payload: &str) {
        let mut tx = self.db.begin().await.unwrap();
        tx.notify("topic", payload);
        tx.commit().await.unwrap();
    }

    /// The next notice: its payload, `*` for "look at everything".
    async fn next(&mut self) -> String {
        let notice = within(self.heard.recv()).await.unwrap();
        if &*notice.topic == "*" { "*".to_owned() } else { notice.payload.to_string() }
    }

    /// The next notice that says something.
    async fn next_said(&mut self) -> String {
        loop {
            let said = self.next().await;
            if said != "*" {
                return said;
            }
        }
    }

    async fn until_everything(&mut self) {
        while self.next().await != "*" {}
    }
}

async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), work).await.expect("within 20 seconds")
}

/// Both say something until the other has heard: then both are linked. What is left over is passed over.
async fn acquainted(a: &mut Node, b: &mut Node) {
    call(a, b).await;
    call(b, a).await;
    settle(a, b).await;
    settle(b, a).await;
}

async fn call(from: &Node, to: &mut Node) {
    let calling = async {
        loop {
            from.say("anybody there?").await;
            let answer = tokio::time::timeout(Duration::from_millis(50), to.heard.recv()).await;
            if matches!(answer, Ok(Ok(notice)) if notice.payload.starts_with("anybody")) {
                return;
            }
        }
    };
    within(calling).await;
}

async fn settle(from: &mut Node, to: &mut Node) {
    from.say("enough").await;
    while to.next().await != "enough" {}
    while from.next().await != "enough" {}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_hears_the_other_after_the_commit_and_itself_once() {
    let (Some(t), Some(nats)) = (TestDb::postgres(&[]).await, Nats::start("")) else { return };
    let mut a = Node::start(&t, &nats.url(), SUBJECT).await;
    let mut b = Node::start(&t, &nats.url(), SUBJECT).await;
    acquainted(&mut a, &mut b).await;

    let mut undone = a.db.begin().await.unwrap();
    undone.notify("topic", "rolled back");
    drop(undone);
    for payload in ["one", "two | 鸿雁", "three"] {
        a.say(payload).await;
    }
    for payload in ["one", "two | 鸿雁", "three"] {
        assert_eq!(b.next().await, payload);
    }
    b.say("answer").await;
    assert_eq!(b.next().await, "answer");
    // Our own at once; the echo is not among them.
    for payload in ["one", "two | 鸿雁", "three", "answer"] {
        assert_eq!(a.next().await, payload);
    }
    b.say("the last").await;
    assert_eq!(a.next().await, "the last");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn installations_do_not_hear_each_other() {
    let (Some(t), Some(nats)) = (TestDb::postgres(&[]).await, Nats::start("")) else { return };
    let other = TestDb::postgres(&[]).await.unwrap();
    let mut a = Node::start(&t, &nats.url(), &nats::subject("a")).await;
    let mut b = Node::start(&t, &nats.url(), &nats::subject("a")).await;
    let mut c = Node::start(&other, &nats.url(), &nats::subject("b")).await;
    let mut d = Node::start(&other, &nats.url(), &nats::subject("b")).await;
    acquainted(&mut a, &mut b).await;
    acquainted(&mut c, &mut d).await;
    a.say("ours").await;
    c.say("theirs").await;
    assert_eq!(b.next().await, "ours");
    assert_eq!(d.next().await, "theirs");
    c.say("again").await;
    assert_eq!(d.next().await, "again");
    a.say("again").await;
    assert_eq!(b.next().await, "again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nats_goes_and_comes_back() {
    let (Some(t), Some(mut nats)) = (TestDb::postgres(&[]).await, Nats::start("")) else { return };
    let mut a = Node::start(&t, &nats.url(), SUBJECT).await;
    let mut b = Node::start(&t, &nats.url(), SUBJECT).await;
    acquainted(&mut a, &mut b).await;
    let mut events = Subscription::new(&b.db);
    for round in 0..3 {
        tokio::task::block_in_place(|| nats.down());
        // Commits do not mind, and the own process hears at once.
        a.say(&format!("unheard {round}")).await;
        assert_eq!(a.next_said().await, format!("unheard {round}"));
        tokio::task::block_in_place(|| nats.up());
        // What was said meanwhile is made up for.
        b.until_everything().await;
        assert_eq!(within(events.next()).await, Some(Event::Missed));
        a.until_everything().await;
        acquainted(&mut a, &mut b).await;
    }
}

/// A server starts without NATS, looks at everything now and then, and links as soon as it is there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nats_comes_late() {
    let (Some(t), Some(mut nats)) = (TestDb::postgres(&[]).await, Nats::prepare("")) else { return };
    let mut a = Node::start(&t, &nats.url(), SUBJECT).await;
    let mut b = Node::start(&t, &nats.url(), SUBJECT).await;
    a.say("to myself").await;
    assert_eq!(a.next().await, "to myself");
    // Twice: not only once at the start.
    assert_eq!((b.next().await, b.next().await), ("*".to_owned(), "*".to_owned()));
    let error = nats::check(&nats.url().parse().unwrap(), SUBJECT).await.unwrap_err();
    assert!(!error.to_string().is_empty());
    tokio::task::block_in_place(|| nats.up());
    acquainted(&mut a, &mut b).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credentials() {
    let settings = "authorization { users = [
        { user: hong, password: \"yan,@:\" }
        { user: mute, password: m, permissions: { publish: { deny: \">\" } } }
        { user: deaf, password: d, permissions: { subscribe: { deny: \"hongyan.>\" } } }
    ] }";
    let (Some(t), Some(nats)) = (TestDb::postgres(&[]).await, Nats::start(settings)) else { return };
    let right = nats.url_as("hong:yan%2C%40%3A@");
    let found = nats::check(&right.parse().unwrap(), SUBJECT).await.unwrap();
    assert!(!found.version.is_empty() && found.round_trip < Duration::from_secs(5), "{found:?}");
    for (wrong, why) in [
        ("", "authorization violation"),
        ("hong:geheim@", "authorization violation"),
        ("geheim@", "authorization violation"),
        ("mute:m@", "ermissions"),
        ("deaf:d@", "ermissions"),
    ] {
        let url = nats.url_as(wrong);
        let error = nats::check(&url.parse().unwrap(), SUBJECT).await.unwrap_err().to_string();
        assert!(error.contains(why) && !error.contains("geheim"), "{wrong}: {error}");
    }
    // With wrong ones the process runs and looks for itself; those that may not speak or listen are not linked either.
    let mut a = Node::start(&t, &right, SUBJECT).await;
    let mut b = Node::start(&t, &right, SUBJECT).await;
    let mut wrong = Node::start(&t, &nats.url_as("hong:geheim@"), SUBJECT).await;
    let mut deaf = Node::start(&t, &nats.url_as("deaf:d@"), SUBJECT).await;
    acquainted(&mut a, &mut b).await;
    a.say("secret").await;
    wrong.say("mine").await;
    assert_eq!(wrong.next_said().await, "mine");
    deaf.say("mine too").await;
    assert_eq!(deaf.next_said().await, "mine too");
    wrong.until_everything().await;
    deaf.until_everything().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token() {
    let (Some(t), Some(nats)) = (TestDb::postgres(&[]).await, Nats::start("authorization { token: s3cret }"))
    else {
        return;
    };
    let url = nats.url_as("s3cret@");
    let mut a = Node::start(&t, &url, SUBJECT).await;
    let mut b = Node::start(&t, &url, SUBJECT).await;
    acquainted(&mut a, &mut b).await;
}

/// A burst beyond what a listener can hold is made up for by "look at everything"; nobody waits for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_burst_loses_notices_and_says_so() {
    let (Some(t), Some(nats)) = (TestDb::postgres(&[]).await, Nats::start("")) else { return };
    let mut a = Node::start(&t, &nats.url(), SUBJECT).await;
    let mut b = Node::start(&t, &nats.url(), SUBJECT).await;
    acquainted(&mut a, &mut b).await;
    let mut events = Subscription::new(&b.db);
    let mut tx = a.db.begin().await.unwrap();
    for n in 0..5000 {
        tx.notify("topic", &n.to_string());
    }
    bus::publish(&mut tx, Event::LettersDelivered);
    tx.commit().await.unwrap();
    let event = within(events.next()).await.unwrap();
    assert!(matches!(event, Event::Missed | Event::LettersDelivered), "{event:?}");
    b.heard = b.heard.resubscribe();
    a.say("after it").await;
    while b.next().await != "after it" {}
}

/// What was committed just before the end is still said.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_words_are_heard() {
    let (Some(t), Some(mut nats)) = (TestDb::postgres(&[]).await, Nats::start("")) else { return };
    let mut a = Node::start(&t, &nats.url(), SUBJECT).await;
    let mut b = Node::start(&t, &nats.url(), SUBJECT).await;
    acquainted(&mut a, &mut b).await;
    a.say("good-bye").await;
    within(a.link.close()).await;
    assert_eq!(b.next().await, "good-bye");
    // And where there is nobody to say them to, nobody waits.
    tokio::task::block_in_place(|| nats.down());
    b.say("hello?").await;
    within(b.link.close()).await;
}
