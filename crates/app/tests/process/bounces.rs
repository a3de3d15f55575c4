//! Mail that comes back to the running server: over SMTP, through kills, stopped with the rest.

use std::{net::SocketAddr, time::Duration};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
};

use crate::{
    client::Client,
    eventually, pass, random,
    server::{Home, Server},
    sink::{Sink, Verdict},
    soon,
};

const DOMAIN: &str = "bounce.hongyan.test";
/// Letters whose mail comes back while the server is killed.
const LETTERS: usize = 5;

fn home(home: Home, sink: &Sink) -> Home {
    home.set("MAIL__TRANSPORT", "smtp")
        .set("MAIL__SMTP_URL", &sink.url())
        .set("MAIL__BOUNCE_DOMAIN", DOMAIN)
        .set("MAIL__BOUNCE_LISTEN", "127.0.0.1:0")
        .set("ACCOUNTS__VERIFY_EMAIL", "never")
}

/// Where the server listens for returned mail.
fn listener(server: &Server) -> SocketAddr {
    let log = server.log();
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut found = lines.filter(|line| line["fields"]["message"] == "listening for returned mail");
    let line = found.next().expect("it listens");
    line["fields"]["address"].as_str().unwrap().parse().unwrap()
}

struct Mta(BufReader<TcpStream>);

impl Mta {
    async fn connect(address: SocketAddr) -> std::io::Result<Self> {
        let mut mta = Self(BufReader::new(TcpStream::connect(address).await?));
        mta.reply().await?;
        Ok(mta)
    }

    async fn reply(&mut self) -> std::io::Result<String> {
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line).await? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            if line.as_bytes().get(3) != Some(&b'-') {
                return Ok(line.trim_end().to_owned());
            }
        }
    }

    async fn says(&mut self, line: &str) -> std::io::Result<String> {
        self.0.get_mut().write_all(format!("{line}\r\n").as_bytes()).await?;
        self.reply().await
    }

    /// All but the answer to the final dot.
    async fn bounce(&mut self, to: &str) -> std::io::Result<()> {
        for line in ["EHLO mx.test", "MAIL FROM:<>", &format!("RCPT TO:<{to}>"), "DATA"] {
            let answer = self.says(line).await?;
            assert!(answer.starts_with(['2', '3']), "{line}: {answer}");
        }
        let report = "From: MAILER-DAEMON@mx.test\r\nSubject: Undelivered\r\nMIME-Version: 1.0\r\n\
            Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b\r\n\
            Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.test\r\n\r\n\
            Final-Recipient: rfc822; x@example.net\r\nAction: failed\r\nStatus: 5.1.1\r\n\
            Diagnostic-Code: smtp; 550 5.1.1 User unknown\r\n--b--\r\n.\r\n";
        self.0.get_mut().write_all(report.as_bytes()).await
    }
}

/// Until it is acknowledged, as a mail server does.
async fn deliver(address: SocketAddr, to: &str) {
    let mut mta = Mta::connect(address).await.unwrap();
    mta.bounce(to).await.unwrap();
    assert!(mta.reply().await.unwrap().starts_with("250 "));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_a_kill_on_sqlite() {
    scenario(Home::sqlite()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_a_kill_on_postgres() {
    if let Some(home) = Home::postgres().await {
        scenario(home).await;
    }
}

/// Every other time the server is killed before the answer to the report is read, at a random moment; whatever was
/// not acknowledged comes again. In the end each is on record once, and told once.
async fn scenario(at_home: Home) {
    let sink = Sink::start(|_, _| Verdict::Accept);
    let home = home(at_home, &sink);
    let mut server = home.serve().await;
    let client = Client::new(server.address);
    let author = client.register("author").await;
    let mut letters = Vec::new();
    for n in 0..LETTERS {
        let (title, to) = (format!("Letter {n}"), format!("gone{n}@example.net"));
        let mail = client.send(&author, &title, Some(&to), soon()).await;
        letters.push((mail, title, to));
    }
    for (n, (mail, title, to)) in letters.iter().enumerate() {
        client.settled(&author, mail, "email", "done").await;
        let sent = sink.mail(to, title).await;
        assert!(
            sent.from.starts_with("bounce+") && sent.from.ends_with(&format!("@{DOMAIN}")),
            "{}",
            sent.from
        );
        let mut mta = Mta::connect(listener(&server)).await.unwrap();
        mta.bounce(&sent.from).await.unwrap();
        let acknowledged = if n % 2 == 0 {
            pass(Duration::from_micros(random(3000))).await;
            false
        } else {
            mta.reply().await.is_ok_and(|answer| answer.starts_with("250 "))
        };
        server.kill();
        server = home.serve().await;
        client.moved(server.address);
        let seen = client.api("GET", &format!("/mails/{mail}/deliveries"), &author, None).await;
        if acknowledged {
            assert_eq!(seen["bounces"].as_array().unwrap().len(), 1, "acknowledged, so it is there: {seen}");
        } else {
            deliver(listener(&server), &sent.from).await;
        }
    }
    for (mail, title, _) in &letters {
        let seen = client.api("GET", &format!("/mails/{mail}/deliveries"), &author, None).await;
        let [bounce] = seen["bounces"].as_array().unwrap().as_slice() else { panic!("once: {seen}") };
        assert_eq!((&bounce["kind"], &bounce["status"]), (&json!("HARD"), &json!("5.1.1")));
        client.settled(&author, mail, "notice", "done").await;
        eventually(Duration::from_secs(20), "the author is told", async || {
            sink.received().iter().any(|m| m.to == author.email && m.text().contains(title)).then_some(())
        })
        .await;
        let ids: std::collections::BTreeSet<String> = sink
            .received()
            .iter()
            .filter(|m| m.to == author.email && m.text().contains(title))
            .map(crate::sink::Received::id)
            .collect();
        assert_eq!(ids.len(), 1, "told once: {title}");
    }
    let idle = Mta::connect(listener(&server)).await.unwrap();
    let (status, log) = server.terminate().await;
    assert!(status.success(), "{log}");
    drop(idle);
}
