//! The SMTP client against a scripted server: every kind of answer, and none.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod support;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use proptest::prelude::*;
use support::{FROM, MESSAGE, Peer, Rules, Server, to};
use transports::{Kind, SendError, SmtpPool, Stage};

fn connections(server: &Server) -> usize {
    server.lines().iter().filter(|l| l.contains(": EHLO")).count()
}

#[tokio::test]
async fn a_message_goes_out_pipelined_and_the_connection_is_kept() {
    let server = Server::with(Rules::default()).await;
    let pool = server.pool();
    for _ in 0..3 {
        let receipt = pool.send(FROM, &to("li@example.org"), MESSAGE).await.unwrap();
        assert_eq!(receipt.answer, "250 2.0.0 Ok: queued as 4ZK1m2");
    }
    assert_eq!(server.messages(), vec![MESSAGE.to_vec(); 3]);
    assert_eq!(connections(&server), 1);
    assert!(server.heard("0: EHLO [127.0.0.1]"));
    assert!(server.heard("0: MAIL FROM:<b+1@bounce.example.net> SIZE=22"));
    assert!(server.heard("0: RCPT TO:<li@example.org>"));
}

/// Answers nothing until all three commands are there, which only a pipelining client survives; then the same
/// server without the extension waits for each.
#[tokio::test]
async fn pipelining_is_used_exactly_when_offered() {
    let server = Server::start(|mut peer: Peer| {
        Box::pin(async move {
            peer.say("220 x\r\n").await;
            peer.on("EHLO", "250-x\r\n250 PIPELINING\r\n").await;
            peer.on("MAIL", "").await;
            peer.on("RCPT", "").await;
            peer.on("DATA", "250 ok\r\n250 ok\r\n354 go\r\n").await;
            peer.content().await.unwrap();
            peer.say("250 taken\r\n").await;
        })
    })
    .await;
    server.pool().send("", &to("li@example.org"), MESSAGE).await.unwrap();
    assert!(server.heard("0: MAIL FROM:<>"));

    let server = Server::with(Rules { extensions: &[], ..Rules::default() }).await;
    let pool = server.pool();
    let refused = pool.send(FROM, &to("nobody@example.org"), MESSAGE).await.unwrap_err();
    assert_eq!(refused.stage, Stage::Recipient);
    pool.send(FROM, &to("li@example.org"), MESSAGE).await.unwrap();
    let lines = server.lines();
    assert!(
        !lines.contains(&"0: MAIL FROM:<b+1@bounce.example.net> SIZE=22".to_owned()),
        "SIZE was not offered"
    );
    assert_eq!(lines.iter().filter(|l| l.ends_with(": DATA")).count(), 1, "no DATA after a refusal");
}

#[tokio::test]
async fn a_refused_recipient_leaves_the_connection_usable() {
    for pipelined_354 in [false, true] {
        let server = Server::with(Rules { pipelined_354, ..Rules::default() }).await;
        let pool = server.pool();
        let e = pool.send(FROM, &to("nobody@example.org"), MESSAGE).await.unwrap_err();
        assert_eq!(
            (e.kind, e.stage, e.code, e.in_doubt),
            (Kind::Permanent, Stage::Recipient, Some(550), false)
        );
        assert_eq!(e.enhanced.as_deref(), Some("5.1.1"));
        assert!(e.answer.starts_with("550 5.1.1 ") && e.answer.ends_with("User unknown"), "{}", e.answer);

        let e = pool.send(FROM, &to("grey@example.org"), MESSAGE).await.unwrap_err();
        assert_eq!((e.kind, e.stage, e.code), (Kind::Transient, Stage::Recipient, Some(450)));
        assert_eq!(e.answer, "450 4.2.0 Greylisted, come back");

        pool.send(FROM, &to("li@example.org"), MESSAGE).await.unwrap();
        assert_eq!(connections(&server), 1);
        assert_eq!(server.lines().iter().filter(|l| l.ends_with(": RSET")).count(), 2);
        let whole = server.messages().into_iter().filter(|m| !m.is_empty()).count();
        assert_eq!(whole, 1, "only the accepted recipient gets the message");
    }
}

#[tokio::test]
async fn no_empty_message_where_the_sender_was_refused() {
    let mail = "550 5.7.1 Sender not yours\r\n";
    let server = Server::with(Rules { mail, pipelined_354: true, ..Rules::default() }).await;
    let pool = server.pool();
    for _ in 0..2 {
        let e = pool.send(FROM, &to("li@example.org"), MESSAGE).await.unwrap_err();
        assert_eq!((e.kind, e.stage), (Kind::Transient, Stage::Sender));
    }
    assert_eq!((connections(&server), server.messages().len()), (2, 0));
}

#[tokio::test]
async fn content_refused_for_good_and_by_policy() {
    let server = Server::with(Rules {
        content: |m| if m.ends_with(b"spam\r\n") { "554 5.7.1 Spam\r\n" } else { "552 5.3.4 Too big\r\n" },
        ..Rules::default()
    })
    .await;
    let pool = server.pool();
    let e = pool.send(FROM, &to("li@example.org"), b"a: b\r\n\r\nspam\r\n").await.unwrap_err();
    assert_eq!((e.kind, e.stage, e.in_doubt), (Kind::Policy, Stage::Content, false));
    let e = pool.send(FROM, &to("li@example.org"), MESSAGE).await.unwrap_err();
    assert_eq!((e.kind, e.stage), (Kind::Permanent, Stage::Content));
    assert_eq!(connections(&server), 1);
}

#[tokio::test]
async fn our_own_faults_are_not_held_against_the_recipient() {
    let sender = Server::with(Rules { mail: "550 5.7.1 Sender not yours\r\n", ..Rules::default() }).await;
    let e = sender.pool().send(FROM, &to("li@example.org"), MESSAGE).await.unwrap_err();
    assert_eq!((e.kind, e.stage, e.code), (Kind::Transient, Stage::Sender, Some(550)));

    let greeting =
        Server::start(|mut peer| Box::pin(async move { peer.say("554 5.7.1 Go away\r\n").await })).await;
    let e = greeting.pool().send(FROM, &to("li@example.org"), MESSAGE).await.unwrap_err();
    assert_eq!((e.kind, e.stage, e.code), (Kind::Transient, Stage::Connect, Some(554)));

    let e = sender.pool().send("not an address", &to("li@example.org"), MESSAGE).await.unwrap_err();
    assert_eq!((e.kind, e.stage), (Kind::Transient, Stage::Sender));

    let closed = SmtpPool::new(transports::SmtpSettings::new("smtp://127.0.0.1:1".parse().unwrap())).unwrap();
    let e = closed.send(FROM, &to("li@example.org"), MESSAGE).await.unwrap_err();
    assert_eq!((e.kind, e.stage, e.code, e.in_doubt), (Kind::Transient, Stage::Connect, None, false));
}

#[tokio::test]
async fn what_a_server_without_ehlo_needs() {
    let server = Server::start(|mut peer| {
        Box::pin(async move {
            peer.say("220 old\r\n").await;
            peer.on("EHLO", "500 what?\r\n").await;
            peer.on("HELO", "250 hello\r\n").await;
            peer.serve(&Rules::default()).await;
        })
    })
    .await;
    server.pool().send(FROM, &to("li@example.org"), MESSAGE).await.unwrap();
}

/// Takes the first message of each connection, then `after` happens.
async fn one_message_then(after: fn(Peer) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>>) -> Server {
    Server::start(move |mut peer| {
        Box::pin(async move {
            peer.say("220 x\r\n").await;
            peer.on("EHLO", "250-x\r\n250 PIPELINING\r\n").await;
            peer.on("MAIL", "250 ok\r\n").await;
            peer.on("RCPT", "250 ok\r\n").await;
            peer.on("DATA", "354 go\r\n").await;
            peer.content().await.unwrap();
            peer.say("250 taken\r\n").await;
            after(peer).await;
        })
    })
    .await
}

#[tokio::test]
async fn a_kept_connection_that_died_costs_a_silent_retry() {
    let closed = one_message_then(|peer| Box::pin(async move { drop(peer) })).await;
    let tired =
        one_message_then(|mut peer| Box::pin(async move { peer.say("421 4.4.2 timeout\r\n").await })).await;
    let restarted = one_message_then(|mut peer| {
        Box::pin(async move {
            peer.on("MAIL", "250 ok\r\n").await;
            peer.on("RCPT", "").await;
        })
    })
    .await;
    for server in [closed, tired, restarted] {
        let pool = server.pool();
        for _ in 0..3 {
            pool.send(FROM, &to("li@example.org"), MESSAGE).await.unwrap();
        }
        assert_eq!(server.messages().len(), 3, "each once");
        assert_eq!(connections(&server), 3);
    }
}

#[tokio::test]
async fn a_new_connection_is_not_tried_twice() {
    let tries = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&tries);
    let server = Server::start(move |mut peer| {
        counted.fetch_add(1, Ordering::SeqCst);
        Box::pin(async move {
            peer.say("220 x\r\n").await;
            peer.on("EHLO", "250-x\r\n250 PIPELINING\r\n").await;
            peer.on("MAIL", "421 4.3.2 Shutting down\r\n").await;
        })
    })
    .await;
    let e = server.pool().send(FROM, &to("li@example.org"), MESSAGE).await.unwrap_err();
    assert_eq!((e.kind, e.stage, e.code), (Kind::Transient, Stage::Sender, Some(421)));
    assert_eq!(tries.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_verdict_survives_the_connection_it_came_by() {
    let server = one_message_then(|mut peer| {
        Box::pin(async move {
            peer.on("MAIL", "250 ok\r\n").await;
            peer.on("RCPT", "550 5.1.1 gone\r\n").await;
        })
    })
    .await;
    let pool = server.pool();
    pool.send(FROM, &to("li@example.org"), MESSAGE).await.unwrap();
    let e = pool.send(FROM, &to("wei@example.org"), MESSAGE).await.unwrap_err();
    assert_eq!((e.kind, e.code), (Kind::Permanent, Some(550)));
    assert_eq!(connections(&server), 1);
}

/// A connection that ends in `answer` after the final dot.
async fn after_the_dot(answer: &'static str, hang: bool) -> SendError {
    let server = Server::start(move |mut peer| {
        Box::pin(async move {
            peer.say("220 x\r\n").await;
            peer.on("EHLO", "250-x\r\n250 PIPELINING\r\n").await;
            peer.on("MAIL", "250 ok\r\n").await;
            peer.on("RCPT", "250 ok\r\n").await;
            peer.on("DATA", "354 go\r\n").await;
            peer.content().await.unwrap();
            peer.say(answer).await;
            if hang {
                peer.hang().await;
            }
        })
    })
    .await;
    let mut settings = server.settings("");
    if hang {
        settings.content_timeout = Duration::from_millis(100);
    }
    let pool = SmtpPool::new(settings).unwrap();
    let e = pool.send(FROM, &to("li@example.org"), MESSAGE).await.unwrap_err();
    assert_eq!((e.kind, e.stage), (Kind::Transient, Stage::Content));
    assert_eq!(server.messages().len(), 1, "never repeated by itself");
    e
}

#[tokio::test]
async fn a_lost_answer_is_in_doubt_and_a_given_one_is_not() {
    assert!(after_the_dot("", false).await.in_doubt, "cut");
    assert!(after_the_dot("", true).await.in_doubt, "silence");
    assert!(after_the_dot("25", false).await.in_doubt, "half an answer");
    assert!(after_the_dot("250-taken\r\n", false).await.in_doubt, "half of a long answer");
    assert!(after_the_dot("taken\r\n", false).await.in_doubt, "garbage");
    assert!(!after_the_dot("421 4.3.0 Not now\r\n", false).await.in_doubt);
    assert!(!after_the_dot("451 4.3.0 Not now\r\n", false).await.in_doubt);
}

#[tokio::test]
async fn lost_before_the_dot_is_not_in_doubt() {
    let server = Server::start(|mut peer| {
        Box::pin(async move {
            peer.say("220 x\r\n").await;
            peer.on("EHLO", "250-x\r\n250 PIPELINING\r\n").await;
            peer.on("MAIL", "250 ok\r\n").await;
            peer.on("RCPT", "250 ok\r\n").await;
            peer.on("DATA", "").await;
        })
    })
    .await;
    let e = server.pool().send(FROM, &to("li@example.org"), MESSAGE).await.unwrap_err();
    assert_eq!((e.kind, e.stage, e.code, e.in_doubt), (Kind::Transient, Stage::Data, None, false));
}

#[tokio::test]
async fn nonsense_and_floods_are_cut_off() {
    let long = "250-".to_owned() + &"x".repeat(100_000);
    let many = "250-x\r\n".repeat(100_000);
    for flood in ["HTTP/1.1 400 Bad Request\r\n\r\n".to_owned(), "\u{0}\u{1}\r\n".to_owned(), long, many] {
        let server = Server::start(move |mut peer| {
            let flood = flood.clone();
            Box::pin(async move {
                peer.say("220 x\r\n").await;
                peer.on("EHLO", &flood).await;
                peer.hang().await;
            })
        })
        .await;
        let e = server.pool().send(FROM, &to("li@example.org"), MESSAGE).await.unwrap_err();
        assert_eq!((e.kind, e.stage, e.code), (Kind::Transient, Stage::Hello, None));
        assert!(e.answer.contains("not SMTP"), "{}", e.answer);
    }
}

#[tokio::test]
async fn silence_ends_in_a_timeout() {
    let silent = Server::start(|mut peer| Box::pin(async move { peer.hang().await })).await;
    let impatient = |server: &Server| {
        let mut settings = server.settings("");
        settings.reply_timeout = Duration::from_millis(150);
        SmtpPool::new(settings).unwrap()
    };
    let pool = impatient(&silent);
    let e = pool.send(FROM, &to("li@example.org"), MESSAGE).await.unwrap_err();
    assert_eq!((e.kind, e.stage, e.in_doubt), (Kind::Transient, Stage::Connect, false));
    assert!(e.answer.contains("no answer within"), "{}", e.answer);

    // One octet now and then does not keep us: the limit is for the whole reply.
    let (report, end) = tokio::sync::oneshot::channel();
    let report = std::sync::Mutex::new(Some(report));
    let dripping = Server::start(move |mut peer| {
        let report = report.lock().unwrap().take().expect("one connection");
        Box::pin(async move {
            while tokio::time::timeout(Duration::from_millis(40), peer.hear()).await.is_err() {
                peer.say("2").await;
            }
            report.send(()).unwrap();
        })
    })
    .await;
    let pool = impatient(&dripping);
    assert!(pool.send(FROM, &to("li@example.org"), MESSAGE).await.is_err());
    end.await.unwrap();
}

#[tokio::test]
async fn never_more_connections_than_allowed() {
    let open = Arc::new(AtomicUsize::new(0));
    let most = Arc::new(AtomicUsize::new(0));
    let (o, m) = (Arc::clone(&open), Arc::clone(&most));
    let server = Server::start(move |mut peer| {
        let (open, most) = (Arc::clone(&o), Arc::clone(&m));
        most.fetch_max(open.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        Box::pin(async move {
            peer.say("220 x\r\n").await;
            peer.serve(&Rules::default()).await;
            open.fetch_sub(1, Ordering::SeqCst);
        })
    })
    .await;
    let mut settings = server.settings("");
    settings.max_connections = 3;
    let pool = SmtpPool::new(settings).unwrap();
    let sends: Vec<_> = (0..60)
        .map(|n| {
            let pool = pool.clone();
            let to = to(if n % 7 == 0 { "nobody@example.org" } else { "li@example.org" });
            tokio::spawn(async move { pool.send(FROM, &to, MESSAGE).await.is_ok() })
        })
        .collect();
    let mut taken = 0;
    for send in sends {
        taken += usize::from(send.await.unwrap());
    }
    assert_eq!(taken, 51);
    assert_eq!(server.messages().len(), 51);
    assert!((1..=3).contains(&most.load(Ordering::SeqCst)));
}

#[tokio::test]
async fn an_idle_connection_is_closed_with_quit() {
    let (left, mut end) = tokio::sync::mpsc::unbounded_channel();
    let server = Server::start(move |mut peer| {
        let left = left.clone();
        Box::pin(async move {
            peer.say("220 x\r\n").await;
            peer.serve(&Rules::default()).await;
            left.send(peer.number).unwrap();
        })
    })
    .await;
    let mut settings = server.settings("");
    settings.idle_timeout = Duration::from_millis(50);
    let pool = SmtpPool::new(settings).unwrap();
    pool.send(FROM, &to("li@example.org"), MESSAGE).await.unwrap();
    assert_eq!(end.recv().await, Some(0));
    assert!(server.heard("0: QUIT"));
    // The watcher ended with the last connection and begins again with the next.
    pool.send(FROM, &to("li@example.org"), MESSAGE).await.unwrap();
    assert_eq!(end.recv().await, Some(1));

    // Without a pool there are no connections, however patient it was.
    let pool = SmtpPool::new(server.settings("")).unwrap();
    pool.send(FROM, &to("li@example.org"), MESSAGE).await.unwrap();
    drop(pool);
    assert_eq!(end.recv().await, Some(2));
}

#[tokio::test]
async fn a_check_leaves_nothing_behind() {
    let server = Server::with(Rules::default()).await;
    let found = server.pool().check().await.unwrap();
    assert!(found.contains("220 mx.example.org ESMTP") && found.contains("not encrypted"), "{found}");
    assert_eq!(server.lines(), ["0: EHLO [127.0.0.1]", "0: QUIT"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever the lines, the server reads what was sent, and nothing after it is taken for a command.
    #[test]
    fn dots_survive(lines in proptest::collection::vec("\\.{0,3}[ -~]{0,5}", 0..12), ended: bool) {
        let mut message = lines.join("\r\n");
        if ended {
            message.push_str("\r\n");
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let messages = runtime.block_on(async {
            let server = Server::with(Rules::default()).await;
            let pool = server.pool();
            pool.send(FROM, &to("li@example.org"), message.as_bytes()).await.unwrap();
            pool.send(FROM, &to("li@example.org"), MESSAGE).await.unwrap();
            server.messages()
        });
        let mut expected = message.into_bytes();
        if !expected.is_empty() && !expected.ends_with(b"\r\n") {
            expected.extend_from_slice(b"\r\n");
        }
        prop_assert_eq!(messages, vec![expected, MESSAGE.to_vec()]);
    }
}

#[tokio::test]
async fn a_lone_cr_or_lf_is_not_sent() {
    let server = Server::with(Rules::default()).await;
    let pool = server.pool();
    for smuggled in ["a\n.\r\nMAIL FROM:<x@y.zz>\r\n", "a\r\n.\rb\r\n", "a\r", "\n", "a\r\r\n"] {
        let e = pool.send(FROM, &to("li@example.org"), smuggled.as_bytes()).await.unwrap_err();
        assert_eq!((e.kind, e.stage), (Kind::Permanent, Stage::Content));
    }
    assert!(server.lines().is_empty());
}
