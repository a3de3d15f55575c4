//! TLS and AUTH: who is trusted, and when a password leaves the machine.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod support;

use std::net::IpAddr;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use support::{Behaviour, FROM, MESSAGE, Peer, Rules, Server, private_ca, to};
use tokio_rustls::TlsAcceptor;
use transports::{Kind, SendError, SetupError, SmtpPool, SmtpSettings, Stage};

/// Offers STARTTLS, says `answer` to it, and offers AUTH inside.
fn starttls(acceptor: TlsAcceptor, answer: &'static str) -> impl Fn(Peer) -> Behaviour + Send + 'static {
    move |mut peer: Peer| {
        let acceptor = acceptor.clone();
        Box::pin(async move {
            peer.say("220 x\r\n").await;
            peer.on("EHLO", "250-x\r\n250-AUTH PLAIN LOGIN\r\n250 STARTTLS\r\n").await;
            peer.on("STARTTLS", answer).await;
            if let Some(mut peer) = peer.starttls(&acceptor).await {
                let extensions = &["PIPELINING", "AUTH PLAIN LOGIN"];
                peer.serve(&Rules { extensions, ..Rules::default() }).await;
            }
        })
    }
}

fn with_url(server: &Server, user: &str, query: &str) -> SmtpSettings {
    SmtpSettings::new(format!("smtp://{user}{}{query}", server.address).parse().unwrap())
}

async fn send(settings: SmtpSettings) -> Result<String, SendError> {
    let pool = SmtpPool::new(settings).unwrap();
    pool.send(FROM, &to("li@example.org"), MESSAGE).await.map(|r| r.answer)?;
    pool.check().await
}

#[tokio::test]
async fn a_private_authority_is_trusted_when_named() {
    let dir = tempfile::tempdir().unwrap();
    let (ca_file, acceptor) = private_ca(dir.path());
    let server = Server::start(starttls(acceptor, "220 go\r\n")).await;
    let mut settings = with_url(&server, "li:hunter2@", "?tls=required");
    settings.ca_file = Some(ca_file);
    let found = send(settings.clone()).await.unwrap();
    assert!(found.contains("TLS, certificate verified") && found.contains("login by PLAIN"), "{found}");
    assert!(!found.contains("hunter2"));
    assert!(server.heard(&format!("0: AUTH PLAIN {}", STANDARD.encode("\0li\0hunter2"))));
    assert_eq!(
        server.lines().iter().filter(|l| l.starts_with("0: EHLO")).count(),
        2,
        "EHLO again inside TLS"
    );

    settings.ca_file = None;
    let e = send(settings).await.unwrap_err();
    assert_eq!((e.kind, e.stage, e.code), (Kind::Transient, Stage::Tls, None));
    assert!(e.answer.contains("UnknownIssuer"), "{}", e.answer);
}

#[tokio::test]
async fn opportunistic_encryption_takes_any_certificate_when_no_password_is_at_stake() {
    let dir = tempfile::tempdir().unwrap();
    let (_, acceptor) = private_ca(dir.path());
    let server = Server::start(starttls(acceptor, "220 go\r\n")).await;
    let found = send(with_url(&server, "", "")).await.unwrap();
    assert!(found.contains("TLS, certificate not verified"), "{found}");
    let e = send(with_url(&server, "", "?tls=required")).await.unwrap_err();
    assert_eq!(e.stage, Stage::Tls);
}

/// CVE-2011-0411: what follows the answer to STARTTLS in clear is no part of the conversation inside.
#[tokio::test]
async fn text_injected_before_the_handshake_is_dropped() {
    let dir = tempfile::tempdir().unwrap();
    let (ca_file, acceptor) = private_ca(dir.path());
    let injected = "220 go\r\n250-evil\r\n250 AUTH PLAIN\r\n554 5.7.1 injected\r\n";
    let server = Server::start(starttls(acceptor, injected)).await;
    let mut settings = with_url(&server, "", "?tls=required");
    settings.ca_file = Some(ca_file);
    send(settings).await.unwrap();
    assert_eq!(server.messages().len(), 1);
}

#[tokio::test]
async fn required_encryption_is_required() {
    let server = Server::with(Rules::default()).await;
    let e = send(server.settings("?tls=required")).await.unwrap_err();
    assert_eq!((e.kind, e.stage), (Kind::Transient, Stage::Tls));
    let dir = tempfile::tempdir().unwrap();
    let (_, acceptor) = private_ca(dir.path());
    let refusing = Server::start(starttls(acceptor, "454 4.7.0 no key\r\n")).await;
    let e = send(refusing.settings("")).await.unwrap_err();
    assert_eq!((e.kind, e.stage, e.code), (Kind::Transient, Stage::Tls, Some(454)));
}

#[tokio::test]
async fn tls_from_the_first_octet() {
    let dir = tempfile::tempdir().unwrap();
    let (ca_file, acceptor) = private_ca(dir.path());
    let server = Server::start(move |peer| {
        let acceptor = acceptor.clone();
        Box::pin(async move {
            if let Some(mut peer) = peer.starttls(&acceptor).await {
                peer.say("220 x\r\n").await;
                peer.serve(&Rules::default()).await;
            }
        })
    })
    .await;
    let mut settings = SmtpSettings::new(format!("smtps://{}", server.address).parse().unwrap());
    settings.ca_file = Some(ca_file);
    send(settings.clone()).await.unwrap();
    assert_eq!(server.messages(), vec![MESSAGE.to_vec()]);
    settings.ca_file = None;
    assert_eq!(send(settings).await.unwrap_err().stage, Stage::Tls);
}

#[tokio::test]
async fn login_where_plain_is_not_offered() {
    let server = Server::start(|mut peer| {
        Box::pin(async move {
            peer.say("220 x\r\n").await;
            peer.on("EHLO", "250-x\r\n250 AUTH=LOGIN CRAM-MD5\r\n").await;
            peer.on("AUTH LOGIN", "334 VXNlcm5hbWU6\r\n").await;
            assert_eq!(peer.hear().await.unwrap(), STANDARD.encode("li"));
            peer.say("334 UGFzc3dvcmQ6\r\n").await;
            assert_eq!(peer.hear().await.unwrap(), STANDARD.encode("hunter2"));
            peer.say("235 2.7.0 welcome\r\n").await;
            peer.serve(&Rules::default()).await;
        })
    })
    .await;
    // To this machine a password may go in clear.
    let found = send(with_url(&server, "li:hunter2@", "")).await.unwrap();
    assert!(found.contains("login by LOGIN"), "{found}");
}

#[tokio::test]
async fn a_refused_login_is_our_fault_and_keeps_the_secret() {
    let server = Server::start(|mut peer| {
        Box::pin(async move {
            peer.say("220 x\r\n").await;
            peer.on("EHLO", "250-x\r\n250 AUTH PLAIN\r\n").await;
            let line = peer.hear().await.unwrap();
            peer.say(&format!("535 5.7.8 bad credentials in {line}, hunter2\r\n")).await;
        })
    })
    .await;
    let settings = with_url(&server, "li:hunter2@", "");
    assert!(!format!("{:?}", SmtpPool::new(settings.clone()).unwrap()).contains("hunter2"));
    let e = send(settings).await.unwrap_err();
    assert_eq!((e.kind, e.stage, e.code), (Kind::Transient, Stage::Auth, Some(535)));
    assert_eq!(e.enhanced.as_deref(), Some("5.7.8"));
    for secret in ["hunter2", &STANDARD.encode("\0li\0hunter2")] {
        assert!(!format!("{e} {e:?}").contains(secret), "{e}");
    }

    let none = Server::with(Rules::default()).await;
    let e = send(with_url(&none, "li:hunter2@", "")).await.unwrap_err();
    assert_eq!((e.kind, e.stage, e.code), (Kind::Transient, Stage::Auth, None));
}

/// This machine's address on a network, which is not the loopback, or `None` on a machine without one.
fn outside() -> Option<IpAddr> {
    // Connecting a datagram socket sends nothing; it only asks which address would be used.
    let probe = std::net::UdpSocket::bind("0.0.0.0:0").unwrap();
    let ip = probe.connect("192.0.2.1:9").and_then(|()| probe.local_addr()).ok()?.ip();
    (!ip.is_loopback() && !ip.is_unspecified()).then_some(ip)
}

#[tokio::test]
async fn no_password_in_clear_over_a_network() {
    let Some(ip) = outside() else { return };
    let server = Server::start_on(ip, |mut peer| {
        Box::pin(async move {
            peer.say("220 x\r\n").await;
            peer.serve(&Rules { extensions: &["AUTH PLAIN LOGIN"], ..Rules::default() }).await;
        })
    })
    .await;
    for query in ["", "?tls=none"] {
        let e = send(with_url(&server, "li:hunter2@", query)).await.unwrap_err();
        assert_eq!((e.kind, e.stage, e.code), (Kind::Transient, Stage::Auth, None));
        assert!(e.answer.contains("not sent"), "{}", e.answer);
    }
    assert!(!server.lines().iter().any(|l| l.contains("AUTH")), "{:?}", server.lines());
}

#[tokio::test]
async fn no_password_to_a_stranger_over_a_network() {
    let Some(ip) = outside() else { return };
    let dir = tempfile::tempdir().unwrap();
    let (_, acceptor) = private_ca(dir.path());
    let server = Server::start_on(ip, starttls(acceptor, "220 go\r\n")).await;
    let e = send(with_url(&server, "li:hunter2@", "")).await.unwrap_err();
    assert_eq!((e.kind, e.stage, e.code), (Kind::Transient, Stage::Tls, None));
    assert!(!server.lines().iter().any(|l| l.contains("AUTH")), "{:?}", server.lines());
    // Without a password to lose, encryption with a stranger is better than none.
    send(with_url(&server, "", "")).await.unwrap();
}

#[tokio::test]
async fn settings_that_cannot_work_are_refused_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let base = || SmtpSettings::new("smtp://127.0.0.1".parse().unwrap());
    let missing = SmtpSettings { ca_file: Some(dir.path().join("missing.pem")), ..base() };
    assert!(matches!(SmtpPool::new(missing), Err(SetupError::ReadCa(..))));
    let empty = dir.path().join("empty.pem");
    std::fs::write(&empty, "no certificate").unwrap();
    assert!(matches!(
        SmtpPool::new(SmtpSettings { ca_file: Some(empty), ..base() }),
        Err(SetupError::NoCa(_))
    ));
    let injected = SmtpSettings { hello: Some("a\r\nMAIL FROM:<x@y.zz>".to_owned()), ..base() };
    assert!(matches!(SmtpPool::new(injected), Err(SetupError::Hello)));
    assert!(matches!(
        SmtpPool::new(SmtpSettings { max_connections: 0, ..base() }),
        Err(SetupError::NoConnections)
    ));
}
