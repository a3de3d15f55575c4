//! A scripted SMTP server: each test says how its connections behave and reads what they were told.
#![allow(dead_code, reason = "each test binary uses a part")]

use std::{
    future::Future,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    pin::Pin,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;
use transports::{Address, SmtpPool, SmtpSettings, parse_address};

pub trait Io: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Io for T {}

#[derive(Default)]
pub struct Seen {
    /// `connection: line` for each command.
    pub lines: Vec<String>,
    /// Messages as they stood between DATA and the final dot, dots unstuffed.
    pub messages: Vec<Vec<u8>>,
}

/// One connection, seen from the server.
pub struct Peer {
    pub number: usize,
    io: BufReader<Box<dyn Io>>,
    seen: Arc<Mutex<Seen>>,
}

impl Peer {
    pub async fn say(&mut self, lines: &str) {
        // The client may be gone, which is what some tests want.
        let _ = self.io.get_mut().write_all(lines.as_bytes()).await;
        let _ = self.io.get_mut().flush().await;
    }

    /// The next command, or `None` when the client has left.
    pub async fn hear(&mut self) -> Option<String> {
        let mut line = String::new();
        if self.io.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        let line = line.trim_end().to_owned();
        self.seen.lock().unwrap().lines.push(format!("{}: {line}", self.number));
        Some(line)
    }

    /// Hears a command that begins with `verb` and answers it.
    pub async fn on(&mut self, verb: &str, answer: &str) {
        let line = self.hear().await.unwrap_or_else(|| panic!("the client left before {verb}"));
        assert!(line.to_ascii_uppercase().starts_with(verb), "wanted {verb}, heard {line}");
        self.say(answer).await;
    }

    pub async fn content(&mut self) -> Option<Vec<u8>> {
        let mut message = Vec::new();
        loop {
            let mut line = Vec::new();
            if self.io.read_until(b'\n', &mut line).await.ok()? == 0 {
                return None;
            }
            assert!(line.ends_with(b"\r\n"), "a bare LF went out");
            if line == b".\r\n" {
                self.seen.lock().unwrap().messages.push(message.clone());
                return Some(message);
            }
            message.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
        }
    }

    /// Waits until the client closes, without a word.
    pub async fn hang(&mut self) {
        let mut rest = Vec::new();
        let _ = self.io.read_to_end(&mut rest).await;
    }

    pub async fn starttls(mut self, acceptor: &TlsAcceptor) -> Option<Self> {
        assert!(self.io.buffer().is_empty(), "the client spoke before the handshake");
        let stream = acceptor.accept(self.io.into_inner()).await.ok()?;
        self.io = BufReader::new(Box::new(stream));
        Some(self)
    }

    /// A well-behaved server from EHLO on.
    pub async fn serve(&mut self, rules: &Rules) {
        while let Some(line) = self.hear().await {
            let verb = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
            match verb.as_str() {
                "EHLO" => self.say(&rules.ehlo()).await,
                "MAIL" => self.say(rules.mail).await,
                "RCPT" => self.say((rules.rcpt)(&line)).await,
                "DATA" => {
                    let answer = if rules.pipelined_354 { "354 go\r\n" } else { (rules.data)(self) };
                    self.say(answer).await;
                    if answer.starts_with("354") {
                        let Some(message) = self.content().await else { return };
                        self.say((rules.content)(&message)).await;
                    }
                }
                "QUIT" => return self.say("221 bye\r\n").await,
                _ => self.say("250 fine\r\n").await,
            }
        }
    }

    fn last_refused(&self) -> bool {
        // Refused recipients are those whose name says so; see `Rules::default`.
        let seen = self.seen.lock().unwrap();
        seen.lines.iter().rev().nth(1).is_some_and(|l| l.contains("nobody") || l.contains("grey"))
    }
}

/// How [`Peer::serve`] answers.
pub struct Rules {
    pub extensions: &'static [&'static str],
    pub mail: &'static str,
    pub rcpt: fn(&str) -> &'static str,
    pub data: fn(&Peer) -> &'static str,
    pub content: fn(&[u8]) -> &'static str,
    /// Says 354 to DATA even after a refused recipient (RFC 2920 allows it).
    pub pipelined_354: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            extensions: &["PIPELINING", "SIZE 10240000", "8BITMIME"],
            mail: "250 2.1.0 Ok\r\n",
            rcpt: |line| match line {
                l if l.contains("nobody") => {
                    "550-5.1.1 <nobody@example.org>: Recipient address rejected:\r\n550 5.1.1 User unknown\r\n"
                }
                l if l.contains("grey") => "450 4.2.0 Greylisted, come back\r\n",
                _ => "250 2.1.5 Ok\r\n",
            },
            data: |peer| if peer.last_refused() { "554 5.5.1 No valid recipients\r\n" } else { "354 go\r\n" },
            content: |_| "250 2.0.0 Ok: queued as 4ZK1m2\r\n",
            pipelined_354: false,
        }
    }
}

impl Rules {
    pub fn ehlo(&self) -> String {
        let mut out = "250-mx.example.org\r\n".to_owned();
        for extension in self.extensions {
            out.push_str(&format!("250-{extension}\r\n"));
        }
        out + "250 ENHANCEDSTATUSCODES\r\n"
    }
}

pub struct Server {
    pub address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
}

pub type Behaviour = Pin<Box<dyn Future<Output = ()> + Send>>;

impl Server {
    /// Runs `behave` for each connection, numbered from 0.
    pub async fn start(behave: impl Fn(Peer) -> Behaviour + Send + 'static) -> Self {
        Self::start_on(Ipv4Addr::LOCALHOST.into(), behave).await
    }

    pub async fn start_on(ip: IpAddr, behave: impl Fn(Peer) -> Behaviour + Send + 'static) -> Self {
        let listener = TcpListener::bind((ip, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let shared = Arc::clone(&seen);
        tokio::spawn(async move {
            for number in 0.. {
                let (tcp, _) = listener.accept().await.unwrap();
                tcp.set_nodelay(true).unwrap();
                let io: Box<dyn Io> = Box::new(tcp);
                tokio::spawn(behave(Peer { number, io: BufReader::new(io), seen: Arc::clone(&shared) }));
            }
        });
        Self { address, seen }
    }

    /// A server that greets and then follows `rules`.
    pub async fn with(rules: Rules) -> Self {
        let rules = Arc::new(rules);
        Self::start(move |mut peer| {
            let rules = Arc::clone(&rules);
            Box::pin(async move {
                peer.say("220 mx.example.org ESMTP\r\n").await;
                peer.serve(&rules).await;
            })
        })
        .await
    }

    pub fn settings(&self, query: &str) -> SmtpSettings {
        SmtpSettings::new(format!("smtp://{}{query}", self.address).parse().unwrap())
    }

    pub fn pool(&self) -> SmtpPool {
        SmtpPool::new(self.settings("")).unwrap()
    }

    pub fn lines(&self) -> Vec<String> {
        self.seen.lock().unwrap().lines.clone()
    }

    pub fn heard(&self, line: &str) -> bool {
        self.lines().iter().any(|l| l == line)
    }

    pub fn messages(&self) -> Vec<Vec<u8>> {
        self.seen.lock().unwrap().messages.clone()
    }
}

pub fn to(text: &str) -> Address {
    parse_address(text).unwrap()
}

pub const FROM: &str = "b+1@bounce.example.net";
pub const MESSAGE: &[u8] = b"Subject: hi\r\n\r\nhello\r\n";

/// A private authority: its PEM file, and a server that its certificate names `127.0.0.1`.
pub fn private_ca(dir: &std::path::Path) -> (PathBuf, TlsAcceptor) {
    use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
    let ca_key = rcgen::KeyPair::generate().unwrap();
    let mut ca = rcgen::CertificateParams::new(Vec::<String>::new()).unwrap();
    ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let ca_cert = ca.self_signed(&ca_key).unwrap();
    let file = dir.join("ca.pem");
    std::fs::write(&file, ca_cert.pem()).unwrap();

    let key = rcgen::KeyPair::generate().unwrap();
    let leaf = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let leaf = leaf.signed_by(&key, &rcgen::Issuer::new(ca, ca_key)).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], key)
        .unwrap();
    (file, Arc::new(config).into())
}
