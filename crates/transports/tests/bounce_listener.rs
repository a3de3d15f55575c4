//! The listener for returned mail, spoken to over real sockets.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use std::{
    future::Future,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use kernel::Signer;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
    sync::Notify,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use transports::bounce::{Intake, Returned, Verp, serve};

/// Keeps what it is given; may be told to refuse, or to wait.
#[derive(Default)]
struct Store {
    taken: Mutex<Vec<Returned>>,
    broken: AtomicBool,
    slow: AtomicBool,
    entered: Notify,
    go_on: Notify,
}

impl Intake for Store {
    fn take<'a>(
        &'a self,
        returned: Returned,
    ) -> Pin<Box<dyn Future<Output = Result<(), String>> + Send + 'a>> {
        Box::pin(async move {
            if self.broken.load(Ordering::Relaxed) {
                return Err("the database is away".to_owned());
            }
            if self.slow.load(Ordering::Relaxed) {
                self.entered.notify_one();
                self.go_on.notified().await;
            }
            self.taken.lock().unwrap().push(returned);
            Ok(())
        })
    }
}

struct Listener {
    address: SocketAddr,
    store: Arc<Store>,
    verp: Arc<Verp>,
    stop: CancellationToken,
    tracker: TaskTracker,
}

impl Listener {
    async fn start() -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let verp = Arc::new(Verp::new("b.hongyan.test".to_owned(), Signer::new([5; 32], 10)));
        let (store, stop, tracker) =
            (Arc::new(Store::default()), CancellationToken::new(), TaskTracker::new());
        let intake: Arc<dyn Intake> = store.clone();
        tracker.spawn(serve(socket, Arc::clone(&verp), intake, tracker.clone(), stop.clone()));
        Self { address, store, verp, stop, tracker }
    }

    fn rcpt(&self) -> String {
        format!("RCPT TO:<{}>", self.verp.address("abc.1").unwrap())
    }

    async fn client(&self) -> Client {
        let mut client = Client(BufReader::new(TcpStream::connect(self.address).await.unwrap()));
        assert_eq!(client.reply().await, "220 b.hongyan.test ESMTP for returned mail only");
        client
    }

    fn taken(&self) -> Vec<Returned> {
        self.store.taken.lock().unwrap().clone()
    }
}

struct Client(BufReader<TcpStream>);

impl Client {
    async fn send(&mut self, octets: impl AsRef<[u8]>) {
        self.0.get_mut().write_all(octets.as_ref()).await.unwrap();
    }

    /// The last line of the next reply; empty if the connection is closed.
    async fn reply(&mut self) -> String {
        loop {
            let mut line = String::new();
            let read = tokio::time::timeout(Duration::from_secs(10), self.0.read_line(&mut line)).await;
            if read.unwrap().unwrap_or(0) == 0 {
                return String::new();
            }
            if line.as_bytes().get(3) != Some(&b'-') {
                return line.trim_end().to_owned();
            }
        }
    }

    async fn says(&mut self, line: &str) -> String {
        self.send(format!("{line}\r\n")).await;
        self.reply().await
    }

    /// Up to the 354.
    async fn until_data(&mut self, rcpt: &str) {
        assert!(self.says("EHLO mx.test").await.starts_with("250 "));
        assert!(self.says("MAIL FROM:<> SIZE=100").await.starts_with("250 "));
        assert!(self.says(rcpt).await.starts_with("250 "));
        assert!(self.says("DATA").await.starts_with("354 "));
    }

    async fn is_closed(&mut self) -> bool {
        let mut rest = Vec::new();
        let end = tokio::time::timeout(Duration::from_secs(10), self.0.read_to_end(&mut rest)).await;
        // A reset is an end, too.
        end.unwrap().is_err() || rest.is_empty()
    }
}

#[tokio::test]
async fn a_bounce_is_taken_whole() {
    let listener = Listener::start().await;
    let mut client = listener.client().await;
    client.until_data(&listener.rcpt()).await;
    assert_eq!(client.says("Subject: x\r\n\r\n..dot\r\n...\r\n.").await, "250 2.0.0 Noted");
    // The same connection again, with somebody's name as sender.
    assert!(client.says("MAIL FROM:<auto@x.test>").await.starts_with("250 "));
    assert!(client.says(&listener.rcpt().to_uppercase()).await.starts_with("250 "));
    assert!(client.says("DATA").await.starts_with("354 "));
    assert!(client.says(".").await.starts_with("250 "));
    assert!(client.says("QUIT").await.starts_with("221 "));
    assert!(client.is_closed().await);
    let taken = listener.taken();
    assert_eq!(taken[0].message, b"Subject: x\r\n\r\n.dot\r\n..\r\n");
    assert_eq!((taken[0].sender.as_str(), taken[1].sender.as_str()), ("", "auto@x.test"));
    assert!(taken.iter().all(|t| t.reference == "abc.1"));
}

#[tokio::test]
async fn nothing_is_relayed_and_no_address_can_be_guessed() {
    let listener = Listener::start().await;
    let mut client = listener.client().await;
    for early in ["MAIL FROM:<>", "DATA", "RCPT TO:<a@b.test>"] {
        assert!(client.says(early).await.starts_with("503 "), "{early}");
    }
    client.says("EHLO mx.test").await;
    client.says("MAIL FROM:<a@x.test>").await;
    assert!(client.says("RCPT TO:<a@example.com>").await.starts_with("550 5.7.1"));
    assert!(
        client.says("RCPT TO:<bounce+abc.1.aaaaaaaaaaaaaaaa@b.hongyan.test>").await.starts_with("550 5.1.1")
    );
    assert!(client.says("RCPT TO:<postmaster@b.hongyan.test>").await.starts_with("550 5.1.1"));
    assert!(client.says("DATA").await.starts_with("503 "));
    assert!(client.says("AUTH PLAIN AGEAYg==").await.starts_with("500 "));
    assert!(client.says("VRFY root").await.starts_with("252 "));
    // Ten refusals, and that is that.
    let mut last = String::new();
    for n in 0..3 {
        last = client.says(&format!("GUESS {n}")).await;
    }
    assert!(last.starts_with("421 4.7.0"), "{last}");
    assert!(client.is_closed().await);
    assert!(listener.taken().is_empty());
}

#[tokio::test]
async fn commands_sent_ahead_are_answered_in_order() {
    let listener = Listener::start().await;
    let mut client = listener.client().await;
    let rcpt = listener.rcpt();
    client
        .send(format!(
            "EHLO mx.test\r\nMAIL FROM:<>\r\n{rcpt}\r\n{rcpt}\r\nRSET\r\nMAIL FROM:<>\r\n{rcpt}\r\nDATA\r\n"
        ))
        .await;
    let mut codes = Vec::new();
    for _ in 0..8 {
        codes.push(client.reply().await.split(' ').next().unwrap_or_default().to_owned());
    }
    assert_eq!(codes, ["250", "250", "250", "452", "250", "250", "250", "354"]);
    client.send("a\r\n.\r\nMAIL FROM:<>\r\nQUIT\r\n").await;
    for code in ["250", "250", "221"] {
        assert!(client.reply().await.starts_with(code));
    }
    assert_eq!(listener.taken().len(), 1);
}

#[tokio::test]
async fn nothing_is_smuggled() {
    let listener = Listener::start().await;
    // A message sent before it was asked for.
    let mut early = listener.client().await;
    early
        .send(format!("EHLO x\r\nMAIL FROM:<>\r\n{}\r\nDATA\r\nSubject: x\r\n\r\n.\r\n", listener.rcpt()))
        .await;
    let mut last = String::new();
    for _ in 0..4 {
        last = early.reply().await;
    }
    assert!(last.starts_with("503 5.5.0"), "{last}");
    assert!(early.is_closed().await);
    // Ends of a message that some servers take for one and others do not.
    for end in ["\n.\n", "\n.\r\n", "\r\n.\n"] {
        let mut client = listener.client().await;
        client.until_data(&listener.rcpt()).await;
        client.send(format!("Subject: x\r\n\r\nbody{end}MAIL FROM:<evil@x.test>\r\n")).await;
        assert!(client.reply().await.starts_with("550 5.5.2"), "{end:?}");
        assert!(client.is_closed().await);
    }
    let mut client = listener.client().await;
    client.send("EHLO x\n").await;
    assert!(client.reply().await.starts_with("550 5.5.2"));
    assert!(listener.taken().is_empty());
}

#[tokio::test]
async fn size_is_bounded() {
    let listener = Listener::start().await;
    let mut client = listener.client().await;
    client.says("EHLO x").await;
    assert!(client.says("MAIL FROM:<> SIZE=99999999").await.starts_with("552 "));
    client.until_data(&listener.rcpt()).await;
    let block = "0123456789abcde\r\n".repeat(6000);
    for _ in 0..10 {
        client.send(&block).await;
    }
    assert!(client.says(".").await.starts_with("250 "));
    assert_eq!(listener.taken()[0].message.len(), 256 * 1024, "the beginning is kept");
    client.send("x".repeat(5000)).await;
    assert!(client.reply().await.starts_with("500 "));
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn what_cannot_be_stored_is_asked_for_again() {
    let listener = Listener::start().await;
    listener.store.broken.store(true, Ordering::Relaxed);
    let mut client = listener.client().await;
    client.until_data(&listener.rcpt()).await;
    assert!(client.says("Subject: x\r\n.").await.starts_with("451 4.3.0"));
    listener.store.broken.store(false, Ordering::Relaxed);
    client.until_data(&listener.rcpt()).await;
    assert!(client.says("Subject: x\r\n.").await.starts_with("250 "));
    assert_eq!(listener.taken().len(), 1);
}

#[tokio::test]
async fn stopping_lets_a_message_in_hand_finish_and_no_other_begin() {
    let listener = Listener::start().await;
    listener.store.slow.store(true, Ordering::Relaxed);
    let mut idle = listener.client().await;
    let mut busy = listener.client().await;
    busy.until_data(&listener.rcpt()).await;
    busy.send("Subject: x\r\n.\r\n").await;
    listener.store.entered.notified().await;
    listener.stop.cancel();
    assert!(idle.reply().await.starts_with("421 4.3.2"));
    listener.store.go_on.notify_one();
    assert!(busy.reply().await.starts_with("250 "));
    assert!(busy.reply().await.starts_with("421 4.3.2"));
    listener.tracker.close();
    tokio::time::timeout(Duration::from_secs(10), listener.tracker.wait()).await.unwrap();
    assert_eq!(listener.taken().len(), 1);
    assert!(TcpStream::connect(listener.address).await.is_err());
}

#[tokio::test]
async fn too_many_conversations_are_told_to_come_back() {
    let listener = Listener::start().await;
    let mut all = Vec::new();
    for _ in 0..64 {
        all.push(listener.client().await);
    }
    let mut one_more = Client(BufReader::new(TcpStream::connect(listener.address).await.unwrap()));
    assert!(one_more.reply().await.starts_with("421 4.3.2"));
    assert!(one_more.is_closed().await);
    all.pop().unwrap().says("QUIT").await;
}
